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
    /* an answer that is there already would be taken */
    fail_next("ping", "\"blockConnection\":true,\"blockTimeMS\":300");
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

static const char *server_type(mongo_client *client, char out[32])
{
    size_t count = 0;
    mongoc_server_description_t **servers = mongoc_client_get_server_descriptions(client, &count);
    cr_assert_eq(count, 1);
    snprintf(out, 32, "%s", mongoc_server_description_type(servers[0]));
    mongoc_server_descriptions_destroy_all(servers, count);
    return out;
}

/* The codes by which the driver would forget a single server until its monitor's next answer. */
Test(mongo_stream, an_answer_of_another_role_is_no_news_about_a_single_server, .timeout = 60)
{
    static const int codes[] = {91, 189, 10058, 10107, 11600, 11602, 13435, 13436};
    start();
    mongo_client *victim = connect_one(), *other = connect_one();
    char type[32], before[64], after[64];
    read_own_address(other, before);
    for (size_t i = 0; i < BASE_ARRAY_LEN(codes); i++) {
        char how[32];
        struct mongo_error error;
        snprintf(how, sizeof how, "\"errorCode\":%d", codes[i]);
        fail_next("ping", how);
        cr_expect_eq(mongo_client_ping(victim, &error), GLEANER_E_NETWORK, "%d", codes[i]);
        cr_expect_eq(error.code, (uint32_t)codes[i]);
        cr_expect_str_eq(server_type(victim, type), "Standalone", "after %d", codes[i]);
        cr_expect_eq(mongo_client_ping(victim, &error), GLEANER_OK, "after %d", codes[i]);
    }
    read_own_address(other, after);
    cr_expect_str_eq(before, after);
    mongo_client_destroy(endpoint, victim);
    mongo_client_destroy(endpoint, other);
    end();
}

/* Of every length around that up to which they are read whole: documents of `len` bytes of text. */
Test(mongo_stream, answers_of_any_length_arrive_whole, .timeout = 120)
{
    start();
    mongo_client *client = connect_one();
    struct mongo_error error;
    static char text[70001];
    memset(text, 'a', sizeof text - 1);
    for (size_t len = 1600; len < sizeof text; len += len < 2200 ? 1 : 8191) {
        bson_t command = BSON_INITIALIZER, reply;
        bson_iter_t iter, found;
        BSON_APPEND_INT32(&command, "aggregate", 1);
        BCON_APPEND(&command, "pipeline", "[", "{", "$documents", "[", "{", "t", "{", "$literal",
                    BCON_UTF8(text + sizeof text - 1 - len), "}", "}", "]", "}", "]", "cursor", "{",
                    "}");
        cr_assert_eq(mongo_command(client, "admin", MONGO_READ, &command, &reply, &error),
                     GLEANER_OK, "%zu: %s", len, error.message);
        cr_assert(bson_iter_init(&iter, &reply) &&
                  bson_iter_find_descendant(&iter, "cursor.firstBatch.0.t", &found));
        cr_assert_eq(strlen(bson_iter_utf8(&found, NULL)), len);
        bson_destroy(&reply);
        bson_destroy(&command);
    }
    mongo_client_destroy(endpoint, client);
    end();
}

Test(mongo_stream, a_narrowed_deadline_is_never_later_than_the_one_around_it)
{
    mongo_set_deadline(100);
    cr_expect_eq(mongo_narrow_deadline(200), 100, "the one around it comes back");
    cr_expect_eq(mongo_narrow_deadline(50), 100, "and was not moved");
    cr_expect_eq(mongo_narrow_deadline(70), 50);
    mongo_set_deadline(0);
    cr_expect_eq(mongo_narrow_deadline(70), 0, "without one, any holds");
    cr_expect_eq(mongo_narrow_deadline(80), 70);
    mongo_set_deadline(0);
}

/* The driver repeats a read after a failure of its socket, on a new connection: not after this. */
Test(mongo_stream, a_cursor_that_meets_the_deadline_ends_there_and_the_server_stays_known,
     .timeout = 30)
{
    start();
    mongo_client *client = connect_one(), *other = connect_one();
    struct mongo_error error;
    char type[32], before[64], after[64];
    bson_t filter = BSON_INITIALIZER;
    read_own_address(client, before);
    cr_assert(fixture_mongod_command(
        server, 0, "admin",
        "{\"configureFailPoint\":\"failCommand\",\"mode\":\"alwaysOn\",\"data\":{"
        "\"failCommands\":[\"find\"],\"blockConnection\":true,\"blockTimeMS\":40000}}",
        NULL));
    mongo_set_deadline(base_mono_ns() + 300 * BASE_NS_PER_MS);
    cr_expect_eq(mongo_find(client, "test", "c", &filter, NULL, NULL, NULL, &error),
                 GLEANER_E_TIMEOUT);
    cr_expect_eq(error.domain, MONGOC_ERROR_STREAM, "it costs the client: %s", error.message);
    cr_expect_str_eq(server_type(other, type), "Standalone");
    mongo_set_deadline(0);
    cr_expect_eq(mongo_client_ping(other, &error), GLEANER_OK);
    read_own_address(other, after);
    /* the dead connection is noticed by the driver, which makes a new one */
    (void)!mongo_client_ping(client, NULL);
    read_own_address(client, after);
    cr_expect_str_neq(before, after);
    mongo_client_destroy(endpoint, client);
    mongo_client_destroy(endpoint, other);
    bson_destroy(&filter);
    end();
}
