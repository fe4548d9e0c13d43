/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that are repeated, and those that must not be, on a real server with fail points. */
#include "db_fixture.h"
#include <criterion/parameterized.h>
#include <stdio.h>
#include <unistd.h>

#define CASE_APP "gleaner-run"

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
    (void)tests;
    fixture_mongod_share();
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void)stats;
    fixture_mongod_unshare();
}

static struct gleaner_db *open_named(const char *app_name)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_shared_uri();
    options.app_name = app_name;
    options.max_pool_size = 3;
    options.backoff_base_ms = 20;
    options.backoff_cap_ms = 200;
    struct gleaner_db *db = open_db(&options);
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    return db;
}

/* The next `times` inserts on this database's clients fail in that way. */
static void set_fail_point(struct gleaner_db *db, const char *times, const char *data)
{
    struct gleaner_client client;
    bson_error_t error;
    char json[512];
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    snprintf(json, sizeof(json),
             "{\"configureFailPoint\":\"failCommand\",\"mode\":%s,"
             "\"data\":{\"failCommands\":[\"insert\"],%s}}",
             times, data);
    bson_t *command = bson_new_from_json((const uint8_t *)json, -1, &error);
    cr_assert_not_null(command, "%s", error.message);
    cr_assert(mongoc_client_command_simple(client.client, "admin", command, NULL, NULL, &error),
              "%s", error.message);
    bson_destroy(command);
    cr_assert_eq(gleaner_db_check_in(db, &client, NULL), GLEANER_OK);
}

struct insert {
    const char *collection;
    int64_t id;
    uint32_t tries;
};

static bool insert_raw(void *ctx, struct gleaner_try *attempt)
{
    struct insert *insert = ctx;
    insert->tries = attempt->number;
    bson_t *command =
        BCON_NEW("insert", BCON_UTF8(insert->collection), "documents", "[", "{", "_id",
                 BCON_INT64(insert->id), "}", "]", "maxTimeMS", BCON_INT64(attempt->left_ms));
    bool ok = mongoc_client_command_simple(attempt->client->client, attempt->client->database,
                                           command, NULL, &attempt->reply, &attempt->error);
    bson_iter_t iter, write_error;
    if (ok && bson_iter_init(&iter, &attempt->reply) &&
        bson_iter_find_descendant(&iter, "writeErrors.0.code", &write_error)) {
        bson_set_error(&attempt->error, MONGOC_ERROR_COMMAND,
                       (uint32_t)bson_iter_as_int64(&write_error), "write error");
        ok = false;
    } else if (ok && bson_iter_init(&iter, &attempt->reply) &&
               bson_iter_find_descendant(&iter, "writeConcernError.code", &write_error)) {
        bson_set_error(&attempt->error, MONGOC_ERROR_WRITE_CONCERN,
                       (uint32_t)bson_iter_as_int64(&write_error), "write concern error");
        ok = false;
    }
    bson_destroy(command);
    return ok;
}

struct run_case {
    char name[40];
    char data[120]; /* of the fail point */
    bool is_idempotent;
    enum gleaner_status status;
    bool is_repeated; /* a role that did not really change takes the driver a while */
    char says[40];    /* in the message */
};

ParameterizedTestParameters(db_run, a_failure_is_repeated_only_where_that_is_safe)
{
    static struct run_case cases[] = {
        /* the connection is lost: nobody knows whether it was done */
        {"lost, idempotent", "\"closeConnection\":true", true, GLEANER_OK, true, ""},
        {"lost", "\"closeConnection\":true", false, GLEANER_E_NETWORK, false, "not idempotent"},
        /* the server goes down or steps down in the middle */
        {"11600, idempotent", "\"errorCode\":11600", true, GLEANER_OK, true, ""},
        {"11600", "\"errorCode\":11600", false, GLEANER_E_NETWORK, false, "not idempotent"},
        {"91, idempotent", "\"errorCode\":91", true, GLEANER_OK, true, ""},
        {"91", "\"errorCode\":91", false, GLEANER_E_NETWORK, false, "not idempotent"},
        {"189, idempotent", "\"errorCode\":189", true, GLEANER_OK, true, ""},
        {"189", "\"errorCode\":189", false, GLEANER_E_NETWORK, false, "not idempotent"},
        /* not primary: refused before anything was done */
        {"10107, idempotent", "\"errorCode\":10107", true, GLEANER_OK, true, ""},
        {"10107", "\"errorCode\":10107", false, GLEANER_OK, true, ""},
        {"13435", "\"errorCode\":13435", false, GLEANER_OK, true, ""},
        /* done, and then not confirmed: the code alone would say the contrary */
        {"10107 of the write concern",
         "\"writeConcernError\":{\"code\":10107,\"errmsg\":\"stepped down\"}", false,
         GLEANER_E_NETWORK, false, "not idempotent"},
        /* the server says so itself */
        {"label", "\"errorCode\":11600,\"errorLabels\":[\"NoWritesPerformed\"]", false, GLEANER_OK,
         true, ""},
        {"overloaded", "\"errorCode\":262,\"errorLabels\":[\"SystemOverloadedError\"]", false,
         GLEANER_OK, true, ""},
        /* answers */
        {"50", "\"errorCode\":50", true, GLEANER_E_TIMEOUT, false, "own time limit"},
        {"18", "\"errorCode\":18", true, GLEANER_E_AUTH, false, "rights"},
        {"2", "\"errorCode\":2", true, GLEANER_E_INVALID, false, "the answer"},
    };
    return cr_make_param_array(struct run_case, cases, BASE_ARRAY_LEN(cases));
}

ParameterizedTest(struct run_case *run_case, db_run, a_failure_is_repeated_only_where_that_is_safe)
{
    FIXTURE_NEED_MONGOD();
    char app[64], data[256], collection[32];
    fixture_mongod_database(collection);
    /* fail points match the whole appName: prefix, process, generation */
    snprintf(app, sizeof(app), "%s-%s", CASE_APP, collection);
    struct gleaner_db *db = open_named(app);
    snprintf(data, sizeof(data), "%s,\"appName\":\"%s/%ld/%u\"", run_case->data, app,
             (long)getpid(), read_state(db).generation);
    set_fail_point(db, "{\"times\":1}", data);

    struct insert insert = {.collection = collection, .id = 1};
    struct gleaner_run_options options;
    struct gleaner_error error = {0};
    gleaner_run_options_init(&options);
    options.deadline_ms = PATIENCE_MS;
    options.is_idempotent = run_case->is_idempotent;
    options.what = "insert";
    enum gleaner_status status = gleaner_db_run(db, &options, insert_raw, &insert, &error);
    cr_expect_eq(status, run_case->status, "%s: %s %s", run_case->name, gleaner_status_name(status),
                 error.message);
    cr_expect_eq(insert.tries > 1, run_case->is_repeated, "%s: %u tries", run_case->name,
                 insert.tries);
    cr_expect(strstr(error.message, run_case->says) != NULL, "%s: \"%s\"", run_case->name,
              error.message);
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
}

Test(db_run, a_duplicate_key_is_an_answer_and_not_repeated)
{
    FIXTURE_NEED_MONGOD();
    char collection[32];
    fixture_mongod_database(collection);
    struct gleaner_db *db = open_named("gleaner-twice");
    struct insert insert = {.collection = collection, .id = 1};
    struct gleaner_run_options options;
    gleaner_run_options_init(&options);
    options.is_idempotent = true;
    cr_expect_eq(gleaner_db_run(db, &options, insert_raw, &insert, NULL), GLEANER_OK);
    cr_expect_eq(gleaner_db_run(db, &options, insert_raw, &insert, NULL), GLEANER_E_EXISTS);
    cr_expect_eq(insert.tries, 1);
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
}

Test(db_run, an_error_that_stays_uses_all_tries_and_says_so)
{
    FIXTURE_NEED_MONGOD();
    struct gleaner_db *db = open_named("gleaner-stays");
    char data[128];
    snprintf(data, sizeof(data), "\"errorCode\":112,\"appName\":\"gleaner-stays/%ld/%u\"",
             (long)getpid(), read_state(db).generation);
    set_fail_point(db, "\"alwaysOn\"", data);
    struct insert insert = {.collection = "c", .id = 1};
    struct gleaner_run_options options;
    struct gleaner_error error = {0};
    gleaner_run_options_init(&options);
    options.is_idempotent = true;
    options.max_tries = 3;
    cr_expect_eq(gleaner_db_run(db, &options, insert_raw, &insert, &error), GLEANER_E_BUSY);
    cr_expect_eq(insert.tries, 3);
    cr_expect(strstr(error.message, "all tries are used") != NULL, "%s", error.message);
    set_fail_point(db, "\"off\"", "\"errorCode\":112");
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
}

Test(db_run, with_no_server_it_ends_by_its_deadline_and_says_that_it_was_not_begun)
{
    struct gleaner_db_options db_options;
    gleaner_db_options_init(&db_options);
    db_options.uri = "mongodb://127.0.0.1:1/";
    struct gleaner_db *db = open_db(&db_options);
    struct insert insert = {.collection = "c", .id = 1};
    struct gleaner_run_options options;
    struct gleaner_error error = {0};
    gleaner_run_options_init(&options);
    options.deadline_ms = 50;
    enum gleaner_status status = gleaner_db_run(db, &options, insert_raw, &insert, &error);
    cr_expect(status == GLEANER_E_TIMEOUT || status == GLEANER_E_DOWN);
    cr_expect_eq(insert.tries, 0);
    cr_expect(strstr(error.message, "not begun") != NULL, "%s", error.message);
    cr_expect_eq(gleaner_db_close(&db, 0), GLEANER_OK);
}

/* ---- closed meanwhile
 * ------------------------------------------------------------------------------- */

struct long_run {
    struct gleaner_db *db;
    _Atomic bool is_trying;
    _Atomic bool is_closing;
    enum gleaner_status status;
};

static bool fail_when_closing(void *ctx, struct gleaner_try *attempt)
{
    struct long_run *run = ctx;
    atomic_store(&run->is_trying, true);
    (void)EVENTUALLY(atomic_load(&run->is_closing));
    bson_set_error(&attempt->error, MONGOC_ERROR_SERVER, 112, "try again");
    return false;
}

static void run_long(void *arg)
{
    struct long_run *run = arg;
    struct gleaner_run_options options;
    gleaner_run_options_init(&options);
    options.is_idempotent = true;
    options.deadline_ms = PATIENCE_MS;
    run->status = gleaner_db_run(run->db, &options, fail_when_closing, run, NULL);
}

static void note_draining(void *ctx, const char *phase, const char *tier, const char *reason)
{
    (void)tier;
    (void)reason;
    struct long_run *run = ctx;
    if (strcmp(phase, "draining") == 0) {
        atomic_store(&run->is_closing, true);
    }
}

Test(db_run, a_run_that_is_under_way_when_the_database_closes_ends_and_is_not_repeated)
{
    FIXTURE_NEED_MONGOD();
    struct long_run run = {.status = GLEANER_OK};
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_shared_uri();
    options.on_state = note_draining;
    options.on_state_ctx = &run;
    run.db = open_db(&options);
    struct sync_thread *thread;
    cr_assert_eq(sync_thread_start(&thread, "run", SYNC_READER, run_long, &run), GLEANER_OK);
    cr_assert(EVENTUALLY(atomic_load(&run.is_trying)));
    struct gleaner_db *db = run.db;
    cr_expect_eq(gleaner_db_close(&db, PATIENCE_MS), GLEANER_OK);
    sync_thread_join(&thread);
    cr_expect_eq(run.status, GLEANER_E_CLOSED);
}
