/* SPDX-License-Identifier: Apache-2.0 */
/* libgleaner on a real server that stays well. */
#include "db_fixture.h"
#include <criterion/parameterized.h>

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

static struct gleaner_db *open_shared(uint32_t max_pool_size)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_shared_uri();
    options.max_pool_size = max_pool_size;
    return open_db(&options);
}

Test(db, a_client_is_handed_out_answers_and_is_taken_back)
{
    FIXTURE_NEED_MONGOD();
    struct gleaner_db *db = open_shared(4);
    struct gleaner_client client;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    bson_error_t error;
    cr_expect(ping(&client, &error), "%s", error.message);
    cr_expect_str_eq(client.tier, "primary");
    cr_expect_eq(gleaner_db_check_in(db, &client, NULL), GLEANER_OK);
    cr_expect(gleaner_db_is_up(db));
    cr_expect_str_eq(read_state(db).phase, "connected");
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    cr_expect_null(db);
}

Test(db, a_client_returned_twice_is_refused_and_counted)
{
    FIXTURE_NEED_MONGOD();
    struct gleaner_db *db = open_shared(4);
    struct gleaner_client client;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    struct gleaner_client copy = client;
    cr_expect_eq(gleaner_db_check_in(db, &client, NULL), GLEANER_OK);
    cr_expect_eq(gleaner_db_check_in(db, &copy, NULL), GLEANER_E_STALE);
    cr_expect_eq(read_report(db).stale_returns, 1);
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
}

Test(db, a_caller_without_patience_is_told_that_all_are_taken)
{
    FIXTURE_NEED_MONGOD();
    struct gleaner_db *db = open_shared(1);
    struct gleaner_client client, second;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    cr_expect_eq(gleaner_db_check_out(db, 0, &second), GLEANER_E_BUSY);
    cr_expect_eq(gleaner_db_check_out(db, 20, &second), GLEANER_E_TIMEOUT);
    cr_expect_eq(gleaner_db_check_in(db, &client, NULL), GLEANER_OK);
    cr_expect_eq(gleaner_db_check_out(db, PATIENCE_MS, &second), GLEANER_OK);
    cr_expect_eq(gleaner_db_check_in(db, &second, NULL), GLEANER_OK);
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
}

Test(db, the_error_of_an_answer_costs_no_client)
{
    FIXTURE_NEED_MONGOD();
    struct gleaner_db *db = open_shared(1);
    char collection[32];
    fixture_mongod_database(collection);
    struct gleaner_client client;
    bson_error_t error;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    cr_expect(insert_one(&client, collection, 1, &error), "%s", error.message);
    cr_expect_not(insert_one(&client, collection, 1, &error));
    cr_expect_eq(error.code, 11000);
    uint64_t connection_id = client.connection_id;
    cr_expect_eq(gleaner_db_check_in(db, &client, &error), GLEANER_OK);
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    cr_expect_eq(client.connection_id, connection_id, "the same connection serves on");
    cr_expect_eq(gleaner_db_check_in(db, &client, NULL), GLEANER_OK);
    cr_expect_eq(read_report(db).reports, 0);
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
}

/* ---- refresh under load ---------------------------------------------------------------------- */

struct load {
    struct gleaner_db *db;
    _Atomic bool must_stop;
    _Atomic uint64_t done, failed;
};

static void keep_pinging(void *arg)
{
    struct load *load = arg;
    while (!atomic_load(&load->must_stop)) {
        struct gleaner_client client;
        bson_error_t error;
        if (gleaner_db_check_out(load->db, PATIENCE_MS, &client) != GLEANER_OK) {
            atomic_fetch_add(&load->failed, 1);
            continue;
        }
        bool ok = ping(&client, &error);
        atomic_fetch_add(ok ? &load->done : &load->failed, 1);
        (void)gleaner_db_check_in(load->db, &client, ok ? NULL : &error);
    }
}

Test(db, a_forced_refresh_under_load_fails_no_operation_and_renews_every_client)
{
    FIXTURE_NEED_MONGOD();
    struct load load = {.db = open_shared(8)};
    struct sync_thread *threads[8];
    for (size_t i = 0; i < BASE_ARRAY_LEN(threads); i++) {
        cr_assert_eq(sync_thread_start(&threads[i], "load", SYNC_READER, keep_pinging, &load),
                     GLEANER_OK);
    }
    for (uint64_t round = 1; round <= 3; round++) {
        cr_expect(EVENTUALLY(read_report(load.db).available + read_report(load.db).in_use >= 4));
        uint32_t before = read_state(load.db).generation;
        gleaner_db_refresh(load.db);
        cr_expect(EVENTUALLY(read_report(load.db).refreshes == round));
        cr_expect_eq(read_state(load.db).generation, before + 1);
    }
    atomic_store(&load.must_stop, true);
    for (size_t i = 0; i < BASE_ARRAY_LEN(threads); i++) {
        sync_thread_join(&threads[i]);
    }
    cr_expect_eq(atomic_load(&load.failed), 0);
    cr_expect_gt(atomic_load(&load.done), 100);
    cr_expect_str_eq(read_state(load.db).phase, "connected");
    cr_expect_eq(gleaner_db_close(&load.db, 1000), GLEANER_OK);
}

/* ---- closing ------------------------------------------------------------------------------------
 */

static void wait_for_a_client(void *arg)
{
    struct load *load = arg;
    struct gleaner_client client;
    enum gleaner_status status = gleaner_db_check_out(load->db, PATIENCE_MS, &client);
    atomic_store(&load->done, (uint64_t)status + 1);
}

Test(db, closing_answers_those_who_wait)
{
    FIXTURE_NEED_MONGOD();
    struct load load = {.db = open_shared(1)};
    struct gleaner_client client;
    struct sync_thread *waiter;
    cr_assert_eq(gleaner_db_check_out(load.db, PATIENCE_MS, &client), GLEANER_OK);
    cr_assert_eq(sync_thread_start(&waiter, "waiter", SYNC_READER, wait_for_a_client, &load),
                 GLEANER_OK);
    cr_assert(EVENTUALLY(read_report(load.db).waiting == 1));
    struct gleaner_db *kept = load.db;
    struct gleaner_db *closing = load.db;
    cr_expect_eq(gleaner_db_close(&closing, 50), GLEANER_E_TIMEOUT, "the loan is abandoned");
    sync_thread_join(&waiter);
    cr_expect_eq(atomic_load(&load.done), GLEANER_E_CLOSED + 1);
    cr_expect_eq(gleaner_db_check_in(kept, &client, NULL), GLEANER_OK, "a late return is safe");
}

/* The driver's pools end on the reaper's thread, after this test: a leak checker must find them. */
Test(db, a_close_that_does_not_wait_loses_no_memory)
{
    FIXTURE_NEED_MONGOD();
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_shared_uri();
    options.max_pool_size = options.min_pool_size = 8;
    options.close_wait_ms = 1;
    struct gleaner_db *db = open_db(&options);
    cr_assert(EVENTUALLY(read_report(db).available == 8));
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
}

Test(db, options_out_of_range_are_refused_by_name)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = "mongodb://127.0.0.1/x";
    options.max_pool_size = 101;
    struct gleaner_db *db = NULL;
    struct gleaner_error error = {0};
    cr_expect_eq(gleaner_db_open(&options, &db, &error), GLEANER_E_CONFIG);
    cr_expect_null(db);
    cr_expect_not_null(strstr(error.message, "max_pool_size"), "%s", error.message);
}

Test(db, a_wrong_uri_is_refused_without_its_password)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = "mongo://me:Geheim-4711@127.0.0.1/x";
    struct gleaner_db *db = NULL;
    struct gleaner_error error = {0};
    cr_expect_eq(gleaner_db_open(&options, &db, &error), GLEANER_E_CONFIG);
    cr_expect_not_null(strstr(error.message, "uri"), "%s", error.message);
    cr_expect_null(strstr(error.message, "Geheim"), "%s", error.message);
}

Test(db, without_a_server_wanted_callers_are_refused_at_once)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    struct gleaner_db *db = open_db(&options);
    struct gleaner_client client;
    cr_expect_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_E_DOWN);
    cr_expect_str_eq(read_state(db).phase, "embedded");
    cr_expect_str_eq(read_state(db).tier, "embedded");
    cr_expect_not(gleaner_db_is_up(db));
    cr_expect_eq(gleaner_db_close(&db, 0), GLEANER_OK);
}
