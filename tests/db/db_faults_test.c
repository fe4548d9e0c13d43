/* SPDX-License-Identifier: Apache-2.0 */
/* libgleaner on real servers that die, freeze, refuse and come back. */
#include "db_fixture.h"
#include <stdio.h>

static struct gleaner_db_options quick_options(const char *uri)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = uri;
    options.max_pool_size = 8;
    options.backoff_base_ms = 50;
    options.backoff_cap_ms = 500;
    options.reconnect_limit = 100;
    options.socket_ms = 3000;
    options.connect_ms = 3000;
    options.server_selection_ms = 1000;
    return options;
}

/* ---- kill -9 under writers
 * ------------------------------------------------------------------------ */

#define WRITERS 8

struct writers {
    struct gleaner_db *db;
    char collection[32];
    _Atomic bool must_stop;
    _Atomic int64_t next_id;
    _Atomic uint64_t acknowledged, failed, refused;
    _Atomic uint64_t recovered; /* writers with an acknowledged write after `restarted` was set */
    _Atomic bool restarted;
};

/* Writes each id until it is acknowledged: a duplicate key means that an earlier try arrived. */
static bool write_once(struct writers *writers, int64_t id)
{
    struct gleaner_client client;
    bson_error_t error;
    if (gleaner_db_check_out(writers->db, 500, &client) != GLEANER_OK) {
        atomic_fetch_add(&writers->refused, 1);
        return false;
    }
    bool ok = insert_one(&client, writers->collection, id, &error);
    bool arrived = ok || error.code == 11000;
    (void)gleaner_db_check_in(writers->db, &client, ok ? NULL : &error);
    atomic_fetch_add(arrived ? &writers->acknowledged : &writers->failed, 1);
    return arrived;
}

static void keep_writing(void *arg)
{
    struct writers *writers = arg;
    bool counted = false;
    struct sync_parker nap;
    sync_park_init(&nap);
    while (!atomic_load(&writers->must_stop)) {
        int64_t id = atomic_fetch_add(&writers->next_id, 1);
        bool late = atomic_load(&writers->restarted);
        while (!write_once(writers, id) && !atomic_load(&writers->must_stop)) {
            (void)sync_park(&nap, base_mono_ns() + 5 * BASE_NS_PER_MS); /* refused: breathe */
        }
        if (late && !counted) {
            counted = true;
            atomic_fetch_add(&writers->recovered, 1);
        }
    }
}

static int64_t count_documents(struct gleaner_db *db, const char *collection)
{
    struct gleaner_client client;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    mongoc_collection_t *target =
        mongoc_client_get_collection(client.client, client.database, collection);
    bson_t all = BSON_INITIALIZER;
    bson_error_t error;
    int64_t count = mongoc_collection_count_documents(target, &all, NULL, NULL, NULL, &error);
    mongoc_collection_destroy(target);
    cr_assert_eq(gleaner_db_check_in(db, &client, NULL), GLEANER_OK);
    return count;
}

Test(db_faults, eight_writers_survive_kill_9_and_restart_without_losing_a_write)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    cr_assert_not_null(server);
    struct gleaner_db_options options = quick_options(fixture_mongod_uri(server));
    struct writers writers = {.db = open_db(&options)};
    fixture_mongod_database(writers.collection);
    struct sync_thread *threads[WRITERS];
    for (size_t i = 0; i < WRITERS; i++) {
        cr_assert_eq(sync_thread_start(&threads[i], "writer", SYNC_READER, keep_writing, &writers),
                     GLEANER_OK);
    }
    cr_assert(EVENTUALLY(atomic_load(&writers.acknowledged) > 200));
    fixture_mongod_kill(server, 0);
    cr_assert(EVENTUALLY(!gleaner_db_is_up(writers.db)));
    cr_assert(fixture_mongod_restart(server, 0));
    uint64_t restarted_ns = base_mono_ns();
    atomic_store(&writers.restarted, true);
    cr_assert(EVENTUALLY(atomic_load(&writers.recovered) == WRITERS), "all write again");
    uint64_t recovered_ms = (base_mono_ns() - restarted_ns) / BASE_NS_PER_MS;
    atomic_store(&writers.must_stop, true);
    for (size_t i = 0; i < WRITERS; i++) {
        sync_thread_join(&threads[i]);
    }
    int64_t stored = count_documents(writers.db, writers.collection);
    struct gleaner_monitor_report report = read_report(writers.db);
    fprintf(stderr,
            "acknowledged=%llu failed=%llu refused=%llu stored=%lld transitions=%llu "
            "reconnects=%llu connects=%llu reports=%llu stale=%llu recovered_ms=%llu\n",
            (unsigned long long)writers.acknowledged, (unsigned long long)writers.failed,
            (unsigned long long)writers.refused, (long long)stored,
            (unsigned long long)report.transitions, (unsigned long long)report.reconnects,
            (unsigned long long)report.connects, (unsigned long long)report.reports,
            (unsigned long long)report.stale_reports, (unsigned long long)recovered_ms);
    cr_expect_geq(stored, (int64_t)atomic_load(&writers.acknowledged), "nothing is lost");
    /* starting -> connected -> degraded -> reconnecting (-> embedded) -> connected, whatever the
     * number of failing writers; a refresh afterwards moves nothing */
    cr_expect_leq(report.transitions, 8);
    cr_expect_geq(report.transitions, 4);
    cr_expect_leq(report.connects, 2 * 8 + 4 + 8, "no storm of connections");
    cr_expect_eq(gleaner_db_close(&writers.db, 1000), GLEANER_OK);
    fixture_mongod_end(&server);
}

/* ---- starting badly
 * ---------------------------------------------------------------------------------- */

Test(db_faults, a_server_dead_at_start_delays_nobody_and_is_found_when_it_comes)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    cr_assert_not_null(server);
    fixture_mongod_kill(server, 0);
    struct gleaner_db_options options = quick_options(fixture_mongod_uri(server));
    struct gleaner_db *db = open_db(&options);
    struct gleaner_client client;
    cr_expect_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_E_DOWN);
    cr_expect_str_eq(read_state(db).phase, "embedded");
    cr_expect_str_eq(read_state(db).tier, "embedded");
    cr_assert(fixture_mongod_restart(server, 0));
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    cr_expect_str_eq(client.tier, "primary");
    cr_expect_eq(gleaner_db_check_in(db, &client, NULL), GLEANER_OK);
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    fixture_mongod_end(&server);
}

static char logged[1 << 16];

static void keep_log(void *ctx, enum base_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    size_t used = strlen(logged); /* one writer at a time is enough for this test's claim */
    snprintf(logged + used, sizeof(logged) - used, "%s\n", line);
}

Test(db_faults, a_wrong_password_is_said_without_showing_it)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server =
        fixture_mongod_start(&(struct fixture_mongod_options){.auth = true});
    cr_assert_not_null(server);
    base_log_set_sink(keep_log, NULL);
    char uri[256];
    snprintf(uri, sizeof(uri), "mongodb://tester:wrong-%s@127.0.0.1:%u/?authSource=admin",
             FIXTURE_MONGOD_PASSWORD, fixture_mongod_port(server, 0));
    struct gleaner_db_options options = quick_options(uri);
    struct gleaner_db *db = open_db(&options);
    struct gleaner_client client;
    cr_expect_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_E_DOWN);
    struct gleaner_db_state state = read_state(db);
    cr_expect_not_null(strcasestr(state.reason, "auth"), "reason: %s", state.reason);
    cr_expect_null(strstr(state.reason, FIXTURE_MONGOD_PASSWORD), "%s", state.reason);
    cr_expect_eq(gleaner_db_close(&db, 0), GLEANER_OK);
    base_log_set_sink(NULL, NULL);
    cr_expect_neq(logged[0], '\0');
    cr_expect_null(strstr(logged, FIXTURE_MONGOD_PASSWORD), "%s", logged);
    fixture_mongod_end(&server);
}

/* ---- fallback and the way back
 * ---------------------------------------------------------------------------- */

Test(db_faults, the_fallback_takes_over_and_the_primary_is_returned_to)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *primary = fixture_mongod_start(NULL);
    struct fixture_mongod *fallback = fixture_mongod_start(NULL);
    cr_assert(primary != NULL && fallback != NULL);
    struct gleaner_db_options options = quick_options(fixture_mongod_uri(primary));
    options.fallback_uri = fixture_mongod_uri(fallback);
    options.return_checks = 3;
    options.return_span_ms = 200;
    struct gleaner_db *db = open_db(&options);
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    cr_expect_str_eq(read_state(db).tier, "primary");

    fixture_mongod_kill(primary, 0);
    gleaner_db_check_now(db);
    cr_assert(EVENTUALLY(strcmp(read_state(db).phase, "fallback") == 0));
    struct gleaner_client client;
    bson_error_t error;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    cr_expect_str_eq(client.tier, "fallback");
    cr_expect(ping(&client, &error), "%s", error.message);
    cr_expect_eq(gleaner_db_check_in(db, &client, NULL), GLEANER_OK);

    cr_assert(fixture_mongod_restart(primary, 0));
    cr_assert(EVENTUALLY(strcmp(read_state(db).phase, "connected") == 0));
    cr_expect_str_eq(read_state(db).tier, "primary");
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    cr_expect_str_eq(client.tier, "primary");
    cr_expect_eq(gleaner_db_check_in(db, &client, NULL), GLEANER_OK);
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    fixture_mongod_end(&primary);
    fixture_mongod_end(&fallback);
}

/* ---- one socket error
 * ---------------------------------------------------------------------------------------- */

Test(db_faults, one_closed_connection_costs_one_client_and_clears_nothing)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    cr_assert_not_null(server);
    struct gleaner_db_options options = quick_options(fixture_mongod_uri(server));
    struct gleaner_db *db = open_db(&options);
    struct gleaner_client client;
    bson_error_t error;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    cr_assert(fixture_mongod_command(server, 0, "admin",
                                     "{\"configureFailPoint\": \"failCommand\","
                                     " \"mode\": {\"times\": 1}, \"data\": {"
                                     "\"failCommands\": [\"insert\"], \"closeConnection\": true}}",
                                     NULL));
    cr_expect_not(insert_one(&client, "t", 1, &error));
    uint32_t generation = client.generation;
    cr_expect_eq(gleaner_db_check_in(db, &client, &error), GLEANER_OK);
    cr_assert(EVENTUALLY(read_report(db).transitions == 3), "connected, degraded, connected");
    cr_expect_str_eq(read_state(db).phase, "connected");
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    cr_expect_eq(client.generation, generation);
    cr_expect(insert_one(&client, "t", 1, &error), "%s", error.message);
    cr_expect_eq(gleaner_db_check_in(db, &client, NULL), GLEANER_OK);
    cr_expect_eq(read_report(db).reports, 1);
    cr_expect_eq(read_report(db).stale_reports, 0);
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    fixture_mongod_end(&server);
}

/* ---- silence
 * ---------------------------------------------------------------------------------------------------
 */

Test(db_faults, closing_is_bounded_while_the_server_is_silent)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    cr_assert_not_null(server);
    struct gleaner_db_options options = quick_options(fixture_mongod_uri(server));
    struct gleaner_db *db = open_db(&options);
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    fixture_mongod_freeze(server, 0);
    gleaner_db_check_now(db);
    cr_expect(EVENTUALLY(read_report(db).transitions >= 2), "the silence is noticed");
    uint64_t began_ns = base_mono_ns();
    cr_expect_eq(gleaner_db_close(&db, 100), GLEANER_OK);
    fprintf(stderr, "closed in %llu ms (bound 700)\n",
            (unsigned long long)((base_mono_ns() - began_ns) / BASE_NS_PER_MS));
    fixture_mongod_thaw(server, 0);
    fixture_mongod_end(&server);
}

Test(db_faults, a_frozen_server_is_left_and_found_again)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    cr_assert_not_null(server);
    struct gleaner_db_options options = quick_options(fixture_mongod_uri(server));
    options.connect_ms = 500;
    options.health_interval_ms = 100;
    struct gleaner_db *db = open_db(&options);
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    cr_expect(EVENTUALLY(read_report(db).checks >= 1));
    fixture_mongod_freeze(server, 0);
    cr_assert(EVENTUALLY(!gleaner_db_is_up(db)), "found by the health monitor alone");
    struct gleaner_client client;
    cr_assert(EVENTUALLY(gleaner_db_check_out(db, 0, &client) == GLEANER_E_DOWN));
    fixture_mongod_thaw(server, 0);
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    cr_expect(EVENTUALLY(read_report(db).is_healthy));
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    fixture_mongod_end(&server);
}

/* ---- frozen, and a deadline
 * ----------------------------------------------------------------------- */

static bool ping_in_try(void *ctx, struct gleaner_try *attempt)
{
    (void)ctx;
    return ping(attempt->client, &attempt->error);
}

/* Sockets, connects and the test's own limit are all longer than this may take. */
Test(db_faults, a_frozen_server_holds_nobody_past_his_deadline, .timeout = 100)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    cr_assert_not_null(server);
    struct gleaner_db_options options = quick_options(fixture_mongod_uri(server));
    options.socket_ms = 600000;
    options.connect_ms = 120000;
    struct gleaner_db *db = open_db(&options);
    struct gleaner_client client;
    struct gleaner_run_options run;
    bson_error_t error;
    gleaner_run_options_init(&run);
    run.deadline_ms = 1000;
    run.is_idempotent = true;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    bool deadlines_hold = mongoc_get_major_version() < 2;
    if (deadlines_hold) {
        fixture_mongod_freeze(server, 0);
        gleaner_set_deadline(base_mono_ns() + BASE_NS_PER_S);
        cr_expect_not(ping(&client, &error));
        cr_expect_eq(error.code, 50, "%s", error.message);
        gleaner_set_deadline(0);
        cr_expect_neq(gleaner_db_run(db, &run, ping_in_try, NULL, NULL), GLEANER_OK);
        fixture_mongod_thaw(server, 0);
    }
    (void)gleaner_db_check_in(db, &client, deadlines_hold ? &error : NULL);
    run.deadline_ms = PATIENCE_MS;
    cr_expect_eq(gleaner_db_run(db, &run, ping_in_try, NULL, NULL), GLEANER_OK);
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    fixture_mongod_end(&server);
}
