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
