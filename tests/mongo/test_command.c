/* SPDX-License-Identifier: Apache-2.0 */
#include "mongo_test.h"
#include <criterion/criterion.h>

static struct fixture_mongod *server;
static struct mongo_endpoint *endpoint;
static mongo_client *client;

static void start(const struct fixture_mongod_options *options)
{
    FIXTURE_NEED_MONGOD();
    struct mongo_error error;
    mongo_init();
    server = fixture_mongod_start(options);
    cr_assert_not_null(server);
    endpoint = open_endpoint(fixture_mongod_uri(server), 5000);
    cr_assert_not_null(endpoint);
    cr_assert_eq(mongo_client_connect(endpoint, &client, NULL, &error), GLEANER_OK, "%s",
                 error.message);
}

static void end(void)
{
    mongo_client_destroy(endpoint, client);
    mongo_endpoint_close(&endpoint);
    fixture_mongod_end(&server);
    mongo_cleanup();
}

static enum gleaner_status command(enum mongo_command_kind kind, const char *json, bson_t *reply,
                                   struct mongo_error *error)
{
    bson_error_t why;
    bson_t *parsed = bson_new_from_json((const uint8_t *)json, -1, &why);
    cr_assert_not_null(parsed, "%s", why.message);
    enum gleaner_status status = mongo_command(client, "gleaner_test", kind, parsed, reply, error);
    bson_destroy(parsed);
    return status;
}

static int32_t int_of(const bson_t *reply, const char *path)
{
    bson_iter_t iter, found;
    cr_assert(bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter, path, &found), "%s",
              path);
    return (int32_t)bson_iter_as_int64(&found);
}

Test(mongo_command, a_reply_with_write_errors_is_ok_and_names_them, .timeout = 60)
{
    start(NULL);
    bson_t reply;
    struct mongo_error error;
    cr_assert_eq(command(MONGO_WRITE,
                         "{\"insert\":\"c\",\"ordered\":false,\"documents\":[{\"_id\":1},"
                         "{\"_id\":1},{\"_id\":2}]}",
                         &reply, &error),
                 GLEANER_OK);
    cr_expect_eq(int_of(&reply, "n"), 2);
    cr_expect_eq(int_of(&reply, "writeErrors.0.index"), 1);
    cr_expect_eq(mongo_classify_code((uint32_t)int_of(&reply, "writeErrors.0.code")),
                 MONGO_DUPLICATE);
    bson_destroy(&reply);
    end();
}

Test(mongo_command, a_refused_command_has_its_class_and_a_reply_to_destroy, .timeout = 60)
{
    start(NULL);
    bson_t reply;
    struct mongo_error error;
    cr_expect_eq(command(MONGO_READ, "{\"thereIsNoSuchCommand\":1}", &reply, &error),
                 GLEANER_E_INTERNAL);
    cr_expect_eq(error.error_class, MONGO_BUG);
    cr_expect_eq(error.code, 59);
    bson_destroy(&reply);
    cr_expect_eq(
        command(MONGO_READ, "{\"find\":\"c\",\"filter\":{\"$nonsense\":1}}", &reply, &error),
        GLEANER_E_INVALID);
    cr_expect_eq(error.error_class, MONGO_DATA);
    bson_destroy(&reply);
    end();
}

Test(mongo_command, rights_that_are_missing_are_an_auth_error, .timeout = 60)
{
    start(&(struct fixture_mongod_options){.auth = true});
    bson_t reply;
    struct mongo_error error;
    cr_expect_eq(
        command(MONGO_WRITE, "{\"insert\":\"c\",\"documents\":[{\"_id\":1}]}", &reply, &error),
        GLEANER_OK);
    bson_destroy(&reply);
    cr_expect_eq(
        command(MONGO_WRITE, "{\"createUser\":\"x\",\"pwd\":\"y\",\"roles\":[]}", &reply, &error),
        GLEANER_E_AUTH);
    bson_destroy(&reply);
    end();
}

Test(mongo_command, a_fail_point_closes_the_connection_and_the_class_is_reconnect, .timeout = 60)
{
    start(NULL);
    bson_t reply;
    struct mongo_error error;
    cr_assert(fixture_mongod_command(
        server, 0, "admin",
        "{\"configureFailPoint\":\"failCommand\",\"mode\":{\"times\":1},\"data\":{"
        "\"failCommands\":[\"insert\"],\"closeConnection\":true}}",
        NULL));
    cr_expect_eq(
        command(MONGO_WRITE, "{\"insert\":\"c\",\"documents\":[{\"_id\":1}]}", &reply, &error),
        GLEANER_E_NETWORK);
    cr_expect_eq(error.error_class, MONGO_RECONNECT);
    bson_destroy(&reply);
    end();
}

/* Raw update commands carry no txnNumber, so that multi updates, which the server refuses in
 * retryable writes, work on a replica set. */
Test(mongo_command, updates_of_many_documents_work_on_a_replica_set, .timeout = 120)
{
    start(&(struct fixture_mongod_options){.members = 1});
    bson_t reply;
    struct mongo_error error;
    cr_assert_eq(command(MONGO_WRITE, "{\"insert\":\"c\",\"documents\":[{\"_id\":1},{\"_id\":2}]}",
                         &reply, &error),
                 GLEANER_OK, "%s", error.message);
    bson_destroy(&reply);
    cr_assert_eq(command(MONGO_WRITE,
                         "{\"update\":\"c\",\"updates\":[{\"q\":{},\"u\":[{\"$set\":{\"t\":"
                         "\"$$NOW\"}}],\"multi\":true}]}",
                         &reply, &error),
                 GLEANER_OK, "%s", error.message);
    cr_expect_eq(int_of(&reply, "nModified"), 2);
    bson_destroy(&reply);
    end();
}

static bool count_rows(void *ctx, const bson_t *document)
{
    int *left = ctx;
    (void)document;
    return --*left > 0;
}

Test(mongo_command, find_walks_every_document_and_stops_when_told, .timeout = 60)
{
    start(NULL);
    struct mongo_error error;
    bson_t filter = BSON_INITIALIZER, reply;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(
            command(MONGO_WRITE, "{\"insert\":\"c\",\"documents\":[{},{},{},{}]}", &reply, &error),
            GLEANER_OK);
        bson_destroy(&reply);
    }
    bson_t *opts = BCON_NEW("batchSize", BCON_INT32(5));
    int left = 1000;
    cr_expect_eq(mongo_find(client, "gleaner_test", "c", &filter, opts, count_rows, &left, &error),
                 GLEANER_OK);
    cr_expect_eq(left, 1000 - 12);
    left = 3;
    cr_expect_eq(mongo_find(client, "gleaner_test", "c", &filter, opts, count_rows, &left, &error),
                 GLEANER_OK);
    cr_expect_eq(left, 0);
    bson_destroy(opts);
    end();
}
