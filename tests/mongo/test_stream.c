/* SPDX-License-Identifier: Apache-2.0 */
/* Our sockets under the driver: what breaks on one client stays there, and deadlines hold. */
#include "mongo_test.h"
#include <criterion/criterion.h>
#include <mongoc/mongoc.h>

static struct fixture_mongod *server;
static struct mongo_endpoint *endpoint;

static void start(void)
{
    FIXTURE_NEED_MONGOD();
    if (!mongo_isolates_errors()) {
        cr_skip_test("libmongoc 2 keeps its own sockets");
    }
    mongo_init();
    server = fixture_mongod_start(NULL);
    cr_assert_not_null(server);
    endpoint = open_endpoint(fixture_mongod_uri(server), 50000); /* longer than any test */
    cr_assert_not_null(endpoint);
}

static void end(void)
{
    mongo_endpoint_close(&endpoint);
    fixture_mongod_end(&server);
    mongo_cleanup();
}

static mongo_client *connect_one(void)
{
    mongo_client *client = NULL;
    struct mongo_error error;
    cr_assert_eq(mongo_client_connect(endpoint, &client, NULL, &error), GLEANER_OK, "%s",
                 error.message);
    return client;
}

/* The address of this client's socket as the server sees it: another one after a reconnect. */
static void read_own_address(mongo_client *client, char out[64])
{
    bson_t command = BSON_INITIALIZER, reply;
    bson_iter_t iter;
    struct mongo_error error;
    BSON_APPEND_INT32(&command, "whatsmyuri", 1);
    cr_assert_eq(mongo_command(client, "admin", MONGO_READ, &command, &reply, &error), GLEANER_OK,
                 "%s", error.message);
    cr_assert(bson_iter_init_find(&iter, &reply, "you"));
    snprintf(out, 64, "%s", bson_iter_utf8(&iter, NULL));
    bson_destroy(&reply);
    bson_destroy(&command);
}

static void fail_next(const char *command, const char *how)
{
    char json[256];
    snprintf(json, sizeof json,
             "{\"configureFailPoint\":\"failCommand\",\"mode\":{\"times\":1},\"data\":{"
             "\"failCommands\":[\"%s\"],%s}}",
             command, how);
    cr_assert(fixture_mongod_command(server, 0, "admin", json, NULL));
}

Test(mongo_stream, a_broken_socket_leaves_the_other_clients_connected, .timeout = 60)
{
    start();
    mongo_client *victim = connect_one(), *other = connect_one();
    struct mongo_error error;
    char before[64], after[64];
    read_own_address(other, before);
    fail_next("ping", "\"closeConnection\":true");
    cr_expect_eq(mongo_client_ping(victim, &error), GLEANER_E_NETWORK);
    cr_expect_eq(error.error_class, MONGO_RECONNECT, "it broke, it was not silent");
    /* had the driver declared the server unknown, it would have connected anew */
    read_own_address(other, after);
    cr_expect_str_eq(before, after);
    mongo_client_destroy(endpoint, victim);
    mongo_client_destroy(endpoint, other);
    end();
}

Test(mongo_stream, an_operation_ends_at_the_threads_deadline_not_the_sockets, .timeout = 30)
{
    start();
    mongo_client *client = connect_one();
    struct mongo_error error;
    fail_next("ping", "\"blockConnection\":true,\"blockTimeMS\":40000");
    mongo_set_deadline(base_mono_ns() + 300 * BASE_NS_PER_MS);
    cr_expect_eq(mongo_client_ping(client, &error), GLEANER_E_TIMEOUT);
    cr_expect_eq(error.error_class, MONGO_TIMEOUT);
    mongo_set_deadline(0);
    mongo_client_destroy(endpoint, client);
    end();
}

Test(mongo_stream, a_deadline_that_is_over_stops_the_next_operation_and_zero_lifts_it,
     .timeout = 30)
{
    start();
    mongo_client *late = connect_one(), *free_again = connect_one();
    struct mongo_error error;
    mongo_set_deadline(base_mono_ns());
    cr_expect_eq(mongo_client_ping(late, &error), GLEANER_E_TIMEOUT);
    mongo_set_deadline(0);
    cr_expect_eq(mongo_client_ping(free_again, &error), GLEANER_OK);
    mongo_client_destroy(endpoint, late);
    mongo_client_destroy(endpoint, free_again);
    end();
}

Test(mongo_stream, a_bare_driver_error_is_classified_by_what_its_socket_did, .timeout = 30)
{
    start();
    mongo_client *silent = connect_one(), *broken = connect_one();
    const bson_error_t as_the_driver_reports = {.domain = MONGOC_ERROR_STREAM,
                                                .code = MONGOC_ERROR_STREAM_SOCKET};
    struct mongo_error error;
    fail_next("ping", "\"closeConnection\":true");
    (void)!mongo_client_ping(broken, NULL);
    mongo_classify(&as_the_driver_reports, NULL, &error);
    cr_expect_eq(error.error_class, MONGO_RECONNECT);
    fail_next("ping", "\"blockConnection\":true,\"blockTimeMS\":40000");
    mongo_set_deadline(base_mono_ns() + 100 * BASE_NS_PER_MS);
    (void)!mongo_client_ping(silent, NULL);
    mongo_set_deadline(0);
    mongo_classify(&as_the_driver_reports, NULL, &error);
    cr_expect_eq(error.error_class, MONGO_TIMEOUT);
    mongo_client_destroy(endpoint, silent);
    mongo_client_destroy(endpoint, broken);
    end();
}
