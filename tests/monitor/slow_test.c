/* SPDX-License-Identifier: Apache-2.0 */
/* Slow operations, explains and the cost of the monitors, on a real server. What makes a command
 * slow is the server itself (failCommand with blockConnection), so that no test depends on how fast
 * the machine is. */
#include "gleaner/db.h"
#include "gleaner/monitor.h"
#include "mongod.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_MS = 30000, SLOW_MS = 100, DOCUMENTS = 50 };
#define SECRET "Geheim-4711"

static struct fixture_mongod *server;
static struct gleaner_db *db;
static char text[16384];

static void start(struct gleaner_db_options *options, bool auth)
{
    struct fixture_mongod_options server_options = {.auth = auth};
    struct gleaner_error error = {0};
    server = fixture_mongod_start(&server_options);
    cr_assert_not_null(server);
    options->uri = fixture_mongod_uri(server);
    options->database = "gleaner_test";
    cr_assert_eq(gleaner_db_open(options, &db, &error), GLEANER_OK, "%s", error.message);
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
}

static void stop(void)
{
    (void)gleaner_db_close(&db, 1000);
    fixture_mongod_end(&server);
}

static bson_t *parse(const char *json)
{
    char quoted[512];
    bson_error_t error;
    snprintf(quoted, sizeof(quoted), "%s", json);
    for (char *at = quoted; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    bson_t *parsed = bson_new_from_json((const uint8_t *)quoted, -1, &error);
    cr_assert_not_null(parsed, "%s: %s", quoted, error.message);
    return parsed;
}

static void run(const char *json)
{
    struct gleaner_client client;
    bson_error_t error;
    bson_t *command = parse(json);
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    bool ok = mongoc_client_command_with_opts(client.client, "gleaner_test", command, NULL, NULL,
                                              NULL, &error);
    cr_assert(ok, "%s: %s", json, error.message);
    (void)gleaner_db_check_in(db, &client, NULL);
    bson_destroy(command);
}

static void fill(const char *collection)
{
    struct gleaner_client client;
    bson_error_t error;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    mongoc_collection_t *into =
        mongoc_client_get_collection(client.client, "gleaner_test", collection);
    for (int i = 0; i < DOCUMENTS; i++) {
        bson_t *document = BCON_NEW("status", BCON_UTF8(SECRET), "due", BCON_INT32(i));
        cr_assert(mongoc_collection_insert_one(into, document, NULL, NULL, &error), "%s",
                  error.message);
        bson_destroy(document);
    }
    mongoc_collection_destroy(into);
    (void)gleaner_db_check_in(db, &client, NULL);
}

/* From now on the server takes its time for this command, each time. */
static void block(const char *command)
{
    char json[300];
    snprintf(json, sizeof(json),
             "{\"configureFailPoint\": \"failCommand\", \"mode\": \"alwaysOn\", \"data\": "
             "{\"failCommands\": [\"%s\"], \"blockConnection\": true, \"blockTimeMS\": %d}}",
             command, SLOW_MS + 20);
    cr_assert(fixture_mongod_command(server, 0, "admin", json, NULL));
}

static bool is_said(const char *words)
{
    (void)gleaner_monitor_slow(db, text, sizeof(text));
    return strstr(text, words) != NULL;
}

/* The look comes every 5 s, the explain with it. */
static void await_words(const char *words)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    for (int i = 0; i < PATIENCE_MS / 20 && !is_said(words); i++) {
        nanosleep(&pause, NULL);
    }
    cr_assert(is_said(words), "wanted: %s\ngot: %s", words, text);
}

static struct gleaner_monitor_report read_report(void)
{
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    gleaner_monitor_read(db, &report);
    return report;
}

/* Wherever it stands: on a busy machine the inserts may cost more. */
static struct gleaner_operation operation_of(const char *command, const char *where)
{
    struct gleaner_operation operations[16];
    size_t count = gleaner_monitor_operations(db, operations, sizeof(operations[0]), 16);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(operations[i].command, command) == 0 &&
            strcmp(operations[i].where, where) == 0) {
            return operations[i];
        }
    }
    cr_assert_fail("no %s of %s among %zu shapes", command, where, count);
    return operations[0];
}

static struct gleaner_db_options slow_options(void)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.slow_ms = SLOW_MS;
    return options;
}

Test(slow, a_scanned_collection_is_named_with_the_index_that_it_lacks, .timeout = 120)
{
    FIXTURE_NEED_MONGOD();
    struct gleaner_db_options options = slow_options();
    start(&options, false);
    fill("jobs");
    fill("indexed");
    run("{'createIndexes':'indexed','indexes':[{'key':{'status':1,'due':1},'name':'status_due'}]}");
    block("find");
    for (int i = 0; i < 2; i++) {
        run("{'find':'jobs','filter':{'status':'" SECRET "','due':{'$lte':5}},'sort':{'due':1}}");
        run("{'find':'indexed','filter':{'status':'" SECRET
            "','due':{'$lte':5}},'sort':{'due':1}}");
    }
    await_words("collection gleaner_test.jobs is scanned for {status, due} and sorted in memory: "
                "create an index {status: 1, due: 1}");
    await_words("it uses the index status_due");
    cr_expect_not_null(strstr(text, "find gleaner_test.jobs {status,due:{$lte}} sort:{due:1}"));
    cr_expect_null(strstr(text, SECRET), "no value is shown: %s", text);
    cr_expect_eq(read_report().explains, 2, "one for each shape");
    struct gleaner_operation found = operation_of("find", "gleaner_test.jobs");
    cr_expect_eq(found.count, 2);
    cr_expect_eq(found.slow, 2);
    cr_expect_geq(found.p95_us, (uint64_t)SLOW_MS * 1000);
    cr_expect_eq(operation_of("insert", "gleaner_test.jobs").count, DOCUMENTS);
    stop();
}

Test(slow, every_kind_of_command_that_can_be_explained_is, .timeout = 180)
{
    FIXTURE_NEED_MONGOD();
    static const struct {
        const char *command, *json, *says;
    } cases[] = {
        {"aggregate",
         "{'aggregate':'jobs','pipeline':[{'$match':{'status':'" SECRET "'}},{'$group':{'_id':"
         "'$due'}}],'cursor':{}}",
         "aggregate gleaner_test.jobs [$match{status},$group]"},
        {"update",
         "{'update':'jobs','updates':[{'q':{'status':'nobody'},'u':{'$set':{'a':'" SECRET "'}}},"
         "{'q':{'status':'no one'},'u':{'$set':{'a':1}}}]}",
         "update gleaner_test.jobs {status} $set"},
        {"delete", "{'delete':'jobs','deletes':[{'q':{'status':'nobody'},'limit':1}]}",
         "delete gleaner_test.jobs {status}"},
        {"findAndModify",
         "{'findAndModify':'jobs','query':{'status':'nobody'},'update':{'$set':{'a':1}}}",
         "findAndModify gleaner_test.jobs {status} $set"},
        {"count", "{'count':'jobs','query':{'status':'" SECRET "'}}",
         "count gleaner_test.jobs {status}"},
        {"distinct", "{'distinct':'jobs','key':'due','query':{'status':'" SECRET "'}}",
         "distinct gleaner_test.jobs due {status}"},
    };
    struct gleaner_db_options options = slow_options();
    start(&options, false);
    fill("jobs");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        block(cases[i].command);
        run(cases[i].json);
        run(cases[i].json);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        await_words(cases[i].says);
        const char *line = strstr(text, cases[i].says);
        while (strcspn(strstr(text, cases[i].says), "\n") <
               strlen(cases[i].says) + 60) { /* without its advice yet */
            await_words("create an index {status: 1}");
            const struct timespec pause = {.tv_nsec = 50000000};
            nanosleep(&pause, NULL);
            (void)gleaner_monitor_slow(db, text, sizeof(text));
        }
        line = strstr(text, cases[i].says);
        char *end = strchr(text + (line - text), '\n'); /* `line` is const, `text` is ours */
        cr_assert_not_null(end);
        *end = '\0';
        cr_expect_not_null(strstr(line, "create an index {status: 1}"), "%s", line);
        *end = '\n';
    }
    cr_expect_null(strstr(text, SECRET), "%s", text);
    cr_expect_eq(read_report().explains, sizeof(cases) / sizeof(cases[0]));
    stop();
}

Test(slow, a_slow_next_batch_is_told_without_an_explain, .timeout = 120)
{
    FIXTURE_NEED_MONGOD();
    struct gleaner_db_options options = slow_options();
    start(&options, false);
    fill("jobs");
    block("getMore");
    struct gleaner_client client;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    mongoc_collection_t *from = mongoc_client_get_collection(client.client, "gleaner_test", "jobs");
    bson_t *filter = parse("{}"), *opts = parse("{'batchSize':10}");
    const bson_t *document;
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(from, filter, opts, NULL);
    int count = 0;
    while (mongoc_cursor_next(cursor, &document)) {
        count++;
    }
    cr_expect_eq(count, DOCUMENTS);
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(from);
    bson_destroy(filter);
    bson_destroy(opts);
    (void)gleaner_db_check_in(db, &client, NULL);
    cr_expect(is_said("getMore gleaner_test.jobs"), "%s", text);
    cr_expect(is_said("the next batch takes long"), "%s", text);
    cr_expect_eq(read_report().explains, 0);
    stop();
}

Test(slow, nothing_is_watched_when_it_is_switched_off, .timeout = 60)
{
    FIXTURE_NEED_MONGOD();
    struct gleaner_db_options options = slow_options();
    options.slow_ms = UINT32_MAX;
    start(&options, false);
    fill("jobs");
    cr_expect_eq(read_report().operations, 0);
    stop();
}

/* ---- what the monitors ask of the server ---- */

static int64_t counted(const bson_t *reply, const char *command)
{
    char path[64];
    bson_iter_t iter, at;
    snprintf(path, sizeof(path), "metrics.commands.%s.total", command);
    cr_assert(bson_iter_init(&iter, reply));
    return bson_iter_find_descendant(&iter, path, &at) ? bson_iter_as_int64(&at) : 0;
}

/* Pings and serverStatus that the server has counted, without those of this function. */
static int64_t commands_seen(void)
{
    static int64_t own;
    bson_t reply;
    cr_assert(fixture_mongod_command(server, 0, "admin", "{\"serverStatus\": 1}", &reply));
    int64_t seen = counted(&reply, "ping") + counted(&reply, "serverStatus") - own;
    own++;
    bson_destroy(&reply);
    return seen;
}

static void await_checks(uint64_t checks)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    for (int i = 0; i < PATIENCE_MS / 5 && read_report().checks < checks; i++) {
        nanosleep(&pause, NULL);
    }
    cr_assert_geq(read_report().checks, checks);
}

Test(cost, one_command_per_period_whatever_the_number_of_clients, .timeout = 120)
{
    FIXTURE_NEED_MONGOD();
    struct gleaner_db_options options = slow_options();
    options.health_interval_ms = 100;
    options.connection_check_interval_ms = 200;
    options.min_pool_size = 8;
    options.max_pool_size = 8;
    start(&options, false);
    await_checks(2);
    uint64_t checks = read_report().checks;
    int64_t seen = commands_seen();
    await_checks(checks + 20);
    int64_t asked = commands_seen() - seen;
    uint64_t checked = read_report().checks - checks;
    /* one may be under way at each end */
    cr_expect_geq(asked, 19, "%lld", (long long)asked);
    cr_expect_leq(asked, (int64_t)checked + 1, "%lld commands, %llu checks", (long long)asked,
                  (unsigned long long)checked);
    struct gleaner_monitor_report report = read_report();
    cr_expect_gt(report.last_round_trip_us, 0);
    cr_expect_gt(report.average_round_trip_us, 0);
    cr_expect_gt(report.p95_round_trip_us, 0);
    cr_expect_geq(report.driver_round_trip_ms, 0);
    cr_expect_geq(report.heartbeats, 1);
    cr_expect_gt(report.heartbeat_round_trip_us, 0);
    cr_expect_geq(report.server_tickets_used, 0);
    cr_expect_geq(report.server_cache_used, 0);
    cr_expect_eq(report.server_queued, 0);
    cr_expect_gt(report.server_operations, 0);
    cr_expect_eq(report.majority_lag_ms, -1, "a single server has no majority");
    stop();
}

Test(cost, a_user_with_readWrite_alone_sees_his_slow_operations_explained, .timeout = 120)
{
    FIXTURE_NEED_MONGOD();
    struct gleaner_db_options options = slow_options();
    options.connection_check_interval_ms = 200;
    options.slow_ms = 1;
    start(&options, true);
    fill("jobs");
    for (int i = 0; i < 8; i++) {
        run("{'count':'jobs','query':{'$where':'sleep(2) || true'}}");
    }
    await_words("$where, $expr and the like use no index");
    cr_expect_eq(read_report().server_current, -1, "serverStatus is refused");
    static char alerts[8192];
    const struct timespec pause = {.tv_nsec = 20000000};
    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        (void)gleaner_monitor_alerts(db, alerts, sizeof(alerts));
        if (strstr(alerts, "slow operations in 60 s") != NULL) {
            break;
        }
        nanosleep(&pause, NULL);
    }
    cr_expect_not_null(strstr(alerts, "grant clusterMonitor"), "%s", alerts);
    cr_expect_null(strstr(alerts, FIXTURE_MONGOD_PASSWORD));
    stop();
}

Test(cost, a_replica_set_says_how_far_its_majority_is_behind, .timeout = 180)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod_options set = {.members = 3};
    struct gleaner_db_options options = slow_options();
    struct gleaner_error error = {0};
    options.health_interval_ms = 200;
    options.heartbeat_ms = 500;
    server = fixture_mongod_start(&set);
    cr_assert_not_null(server);
    options.uri = fixture_mongod_uri(server);
    cr_assert_eq(gleaner_db_open(&options, &db, &error), GLEANER_OK, "%s", error.message);
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    const struct timespec pause = {.tv_nsec = 20000000};
    struct gleaner_monitor_report report = read_report();
    for (int i = 0;
         i < PATIENCE_MS / 20 && (report.majority_lag_ms < 0 || report.slowest_lag_ms < 0); i++) {
        nanosleep(&pause, NULL);
        report = read_report();
    }
    cr_expect_geq(report.majority_lag_ms, 0);
    cr_expect_geq(report.slowest_lag_ms, 0);
    stop();
}
