/* SPDX-License-Identifier: Apache-2.0 */
#include "mongo_test.h"
#include <criterion/criterion.h>
#include <stdatomic.h>

static struct fixture_mongod *server;
static struct mongo_endpoint *endpoint;

static void start(const struct fixture_mongod_options *options, uint32_t socket_ms)
{
    FIXTURE_NEED_MONGOD();
    mongo_init();
    server = fixture_mongod_start(options);
    cr_assert_not_null(server);
    endpoint = open_endpoint(fixture_mongod_uri(server), socket_ms);
    cr_assert_not_null(endpoint);
}

static void end(void)
{
    mongo_endpoint_close(&endpoint);
    fixture_mongod_end(&server);
    mongo_cleanup();
}

/* Connections that the server counts under our application name. */
static int census(void)
{
    bson_t reply;
    bson_iter_t iter, batch;
    int n = 0;
    cr_assert(fixture_mongod_command(
        server, 0, "admin",
        "{\"aggregate\":1,\"cursor\":{},\"pipeline\":[{\"$currentOp\":{\"allUsers\":true,"
        "\"idleConnections\":true,\"localOps\":true}},{\"$match\":{\"appName\":"
        "\"gleaner/test/1\",\"connectionId\":{\"$exists\":true}}}]}",
        &reply));
    cr_assert(bson_iter_init(&iter, &reply));
    cr_assert(bson_iter_find_descendant(&iter, "cursor.firstBatch", &batch));
    cr_assert(bson_iter_recurse(&batch, &iter));
    while (bson_iter_next(&iter)) {
        n++;
    }
    bson_destroy(&reply);
    return n;
}

Test(mongo_client, a_new_client_has_spoken_and_knows_the_servers_connection, .timeout = 60)
{
    start(NULL, 5000);
    mongo_client *a = NULL, *b = NULL;
    int64_t id_a = 0, id_b = 0;
    struct mongo_error error;
    cr_assert_eq(mongo_client_connect(endpoint, &a, &id_a, &error), GLEANER_OK, "%s",
                 error.message);
    cr_assert_eq(mongo_client_connect(endpoint, &b, &id_b, &error), GLEANER_OK);
    cr_expect_gt(id_a, 0);
    cr_expect_neq(id_a, id_b);
    cr_expect_eq(mongo_endpoint_clients(endpoint), 2);
    cr_expect_eq(mongo_client_ping(a, &error), GLEANER_OK);
    mongo_client_destroy(endpoint, a);
    mongo_client_destroy(endpoint, b);
    cr_expect_eq(mongo_endpoint_clients(endpoint), 0);
    end();
}

Test(mongo_client, a_destroyed_client_is_gone_from_the_server_and_its_place_is_free, .timeout = 60)
{
    start(NULL, 5000);
    mongo_client *kept = NULL;
    struct mongo_error error;
    cr_assert_eq(mongo_client_connect(endpoint, &kept, NULL, &error), GLEANER_OK);
    /* its own, the monitor's, and the one that measures round trips, which comes in its own time */
    for (int i = 0; i < 500 && census() < 3; i++) {
    }
    int with_one = census();
    cr_assert_eq(with_one, 3);
    for (int i = 0; i < 150; i++) { /* more than the driver's own limit of 100 */
        mongo_client *client = NULL;
        cr_assert_eq(mongo_client_connect(endpoint, &client, NULL, &error), GLEANER_OK, "%d: %s", i,
                     error.message);
        mongo_client_destroy(endpoint, client);
    }
    for (int i = 0; i < 500 && census() > with_one; i++) { /* the server closes in its own time */
    }
    cr_expect_eq(census(), with_one);
    mongo_client_destroy(endpoint, kept);
    end();
}

/* The URIs that Atlas gives out name one: with that nothing could connect. */
Test(mongo_client, a_uri_with_a_name_of_its_own_connects_under_ours, .timeout = 60)
{
    start(NULL, 5000);
    mongo_endpoint_close(&endpoint);
    char uri[96];
    snprintf(uri, sizeof uri, "mongodb://127.0.0.1:%u/?appName=Cluster0",
             (unsigned)fixture_mongod_port(server, 0));
    endpoint = open_endpoint(uri, 5000);
    cr_assert_not_null(endpoint);
    mongo_client *client = NULL;
    struct mongo_error error;
    cr_assert_eq(mongo_client_connect(endpoint, &client, NULL, &error), GLEANER_OK, "%s",
                 error.message);
    cr_expect_geq(census(), 1);
    mongo_client_destroy(endpoint, client);
    end();
}

Test(mongo_client, one_client_over_the_limit_is_refused)
{
    struct mongo_options options = {
        .uri = "mongodb://127.0.0.1:1", .max_clients = 1, .server_selection_ms = 50};
    struct base_error error = {0};
    mongo_init();
    cr_assert_eq(mongo_endpoint_open(&options, &endpoint, &error), GLEANER_OK);
    mongo_client *client = NULL;
    struct mongo_error why;
    /* a failed connect gives its place back */
    cr_expect_eq(mongo_client_connect(endpoint, &client, NULL, &why), GLEANER_E_NETWORK);
    cr_expect_eq(mongo_client_connect(endpoint, &client, NULL, &why), GLEANER_E_NETWORK);
    cr_expect_eq(mongo_endpoint_clients(endpoint), 0);
    end();
}

Test(mongo_client, the_right_password_connects_and_the_wrong_one_is_an_auth_error, .timeout = 60)
{
    start(&(struct fixture_mongod_options){.auth = true}, 5000);
    mongo_client *client = NULL;
    struct mongo_error error;
    cr_assert_eq(mongo_client_connect(endpoint, &client, NULL, &error), GLEANER_OK, "%s",
                 error.message);
    mongo_client_destroy(endpoint, client);

    char uri[160];
    snprintf(uri, sizeof uri, "mongodb://tester:Falsch-0815@127.0.0.1:%u/?authSource=admin",
             (unsigned)fixture_mongod_port(server, 0));
    struct mongo_endpoint *wrong = open_endpoint(uri, 5000);
    cr_expect_eq(mongo_client_connect(wrong, &client, NULL, &error), GLEANER_E_AUTH, "%s: %s",
                 mongo_error_class_name(error.error_class), error.message);
    cr_expect_eq(error.error_class, MONGO_AUTH);
    cr_expect_null(strstr(error.message, "Falsch-0815"));
    cr_expect_null(client);
    mongo_endpoint_close(&wrong);
    end();
}

Test(mongo_client, a_killed_server_is_a_reconnect_and_a_restarted_one_serves_again, .timeout = 60)
{
    start(NULL, 5000);
    mongo_client *client = NULL, *later = NULL;
    struct mongo_error error;
    cr_assert_eq(mongo_client_connect(endpoint, &client, NULL, &error), GLEANER_OK);
    fixture_mongod_kill(server, 0);
    cr_expect_eq(mongo_client_ping(client, &error), GLEANER_E_NETWORK);
    cr_expect_eq(error.error_class, MONGO_RECONNECT);
    cr_expect_eq(mongo_client_connect(endpoint, &later, NULL, &error), GLEANER_E_NETWORK);
    cr_assert(fixture_mongod_restart(server, 0));
    enum gleaner_status status = GLEANER_E_NETWORK;
    for (int i = 0; i < 20 && status != GLEANER_OK; i++) { /* each waits in server selection */
        status = mongo_client_connect(endpoint, &later, NULL, &error);
    }
    cr_expect_eq(status, GLEANER_OK);
    mongo_client_destroy(endpoint, later);
    mongo_client_destroy(endpoint, client);
    end();
}

Test(mongo_client, a_frozen_server_is_a_timeout_of_this_connection_alone, .timeout = 60)
{
    start(NULL, 700);
    mongo_client *client = NULL;
    struct mongo_error error;
    cr_assert_eq(mongo_client_connect(endpoint, &client, NULL, &error), GLEANER_OK);
    fixture_mongod_freeze(server, 0);
    cr_expect_eq(mongo_client_ping(client, &error), GLEANER_E_TIMEOUT, "%s", error.message);
    cr_expect_eq(error.error_class, MONGO_TIMEOUT);
    mongo_client_destroy(endpoint, client);
    end(); /* closes against a server that is still frozen: must not hang */
}

static atomic_int good_beats, missed_beats;

static void count_beat(void *ctx, bool ok, int64_t duration_us, bool awaited)
{
    (void)ctx;
    (void)duration_us;
    (void)awaited;
    atomic_fetch_add(ok ? &good_beats : &missed_beats, 1);
}

Test(mongo_client, heartbeats_tell_of_good_and_missed_checks, .timeout = 60)
{
    FIXTURE_NEED_MONGOD();
    mongo_init();
    server = fixture_mongod_start(NULL);
    cr_assert_not_null(server);
    struct mongo_options options = {.uri = fixture_mongod_uri(server),
                                    .server_selection_ms = 1000,
                                    .heartbeat_ms = 500,
                                    .on_heartbeat = count_beat};
    struct base_error why = {0};
    struct mongo_error error;
    mongo_client *client = NULL;
    cr_assert_eq(mongo_endpoint_open(&options, &endpoint, &why), GLEANER_OK);
    cr_assert_eq(mongo_client_connect(endpoint, &client, NULL, &error), GLEANER_OK);
    cr_expect_gt(atomic_load(&good_beats), 0);
    fixture_mongod_kill(server, 0);
    while (atomic_load(&missed_beats) == 0) {
        (void)!mongo_client_ping(client, &error); /* waits inside server selection */
    }
    mongo_client_destroy(endpoint, client);
    end();
}

Test(mongo_client, closing_an_endpoint_of_a_dead_server_ends, .timeout = 30)
{
    start(NULL, 5000);
    mongo_client *client = NULL;
    struct mongo_error error;
    cr_assert_eq(mongo_client_connect(endpoint, &client, NULL, &error), GLEANER_OK);
    cr_assert_eq(mongo_client_ping(client, &error), GLEANER_OK); /* leaves a pooled session */
    fixture_mongod_kill(server, 0);
    mongo_client_destroy(endpoint, client);
    end();
}
