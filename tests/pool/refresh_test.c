/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

Test(refresh, each_old_client_leaves_only_after_a_new_one_stands_in, .timeout = 10)
{
    struct rig rig;
    uint32_t generation;
    rig_open_filled(&rig, 4, false);
    cr_assert_eq(pool_refresh_begin(rig.pool, &generation), GLEANER_OK);
    cr_assert_eq(generation, 1);
    cr_assert_eq(pool_refresh_begin(rig.pool, &generation), GLEANER_E_BUSY, "one at a time");
    struct pool_connect_job job;
    for (uint32_t left = 4; left > 0; left--) {
        cr_assert_eq(pool_refresh_left(rig.pool), left);
        cr_assert_eq(pool_connect_begin(rig.pool, &job), GLEANER_OK);
        cr_assert(job.is_refresh);
        cr_assert_eq(rig_stats(&rig).available, 4, "the old one still serves");
        cr_assert_eq(pool_connect_done(rig.pool, &job, &rig), GLEANER_OK);
        cr_assert_eq(rig_stats(&rig).available, 4);
        cr_assert_eq(rig_reap(&rig), 1);
    }
    cr_assert_eq(pool_refresh_left(rig.pool), 0);
    cr_assert_not(rig_stats(&rig).is_refreshing);
    cr_assert_eq(pool_connect_begin(rig.pool, &job), GLEANER_E_BUSY);
    struct pool_handle handle = rig_take(&rig);
    cr_assert_eq(handle.generation, 1);
    rig_give(&rig, &handle);
    cr_assert(gate_is_plain(atomic_load(&rig.pool->gate)));
    rig_close(&rig);
}

Test(refresh, busy_old_clients_leave_as_they_return, .timeout = 10)
{
    struct rig rig;
    uint32_t generation;
    rig_open_filled(&rig, 2, false);
    struct pool_handle a = rig_take(&rig), b = rig_take(&rig);
    cr_assert_eq(pool_refresh_begin(rig.pool, &generation), GLEANER_OK);
    cr_assert_eq(rig_connect(&rig), 2);
    cr_assert_eq(rig_stats(&rig).total, 4);
    rig_give(&rig, &a);
    cr_assert_eq(rig_stats(&rig).total, 3);
    cr_assert_eq(pool_check_in(rig.pool, &b, POOL_CLIENT_BROKEN), GLEANER_OK);
    cr_assert_eq(rig_stats(&rig).total, 2);
    cr_assert_not(rig_stats(&rig).is_refreshing);
    cr_assert_eq(pool_census(rig.pool).debt, 0);
    rig_close(&rig);
}

Test(refresh, an_aborted_refresh_leaves_both_generations_serving, .timeout = 10)
{
    struct rig rig;
    uint32_t generation;
    rig_open_filled(&rig, 2, false);
    cr_assert_eq(pool_refresh_begin(rig.pool, &generation), GLEANER_OK);
    struct pool_connect_job job;
    cr_assert_eq(pool_connect_begin(rig.pool, &job), GLEANER_OK);
    cr_assert_eq(pool_connect_done(rig.pool, &job, &rig), GLEANER_OK);
    pool_refresh_abort(rig.pool);
    cr_assert_eq(rig_stats(&rig).available, 2);
    struct pool_handle a = rig_take(&rig), b = rig_take(&rig);
    cr_assert_eq(a.generation + b.generation, 1, "one old, one new");
    rig_give(&rig, &a);
    rig_give(&rig, &b);
    cr_assert_eq(rig_stats(&rig).available, 2);
    cr_assert_eq(pool_refresh_begin(rig.pool, &generation), GLEANER_OK);
    cr_assert_eq(generation, 2);
    cr_assert_eq(pool_refresh_left(rig.pool), 2);
    rig_close(&rig);
}

Test(refresh, a_clear_ends_it, .timeout = 10)
{
    struct rig rig;
    uint32_t generation;
    rig_open_filled(&rig, 2, false);
    struct pool_connect_job job;
    cr_assert_eq(pool_refresh_begin(rig.pool, &generation), GLEANER_OK);
    cr_assert_eq(pool_connect_begin(rig.pool, &job), GLEANER_OK);
    cr_assert_eq(pool_clear(rig.pool, false), 2);
    cr_assert_eq(pool_connect_done(rig.pool, &job, &rig), GLEANER_E_STALE);
    cr_assert_eq(rig_reap(&rig), 3);
    pool_ready(rig.pool);
    cr_assert_eq(rig_connect(&rig), 2);
    cr_assert_not(rig_stats(&rig).is_refreshing);
    rig_close(&rig);
}

Test(refresh, an_interrupting_clear_gives_up_a_pending_stand_in_and_its_place, .timeout = 10)
{
    struct rig rig;
    uint32_t generation;
    rig_open_filled(&rig, 2, false);
    struct pool_connect_job job;
    cr_assert_eq(pool_refresh_begin(rig.pool, &generation), GLEANER_OK);
    cr_assert_eq(pool_connect_begin(rig.pool, &job), GLEANER_OK);
    cr_assert_eq(pool_census(rig.pool).standins, 1);
    (void)pool_clear(rig.pool, true);
    cr_assert_eq(pool_census(rig.pool).standins, 0);
    pool_connect_failed(rig.pool, &job, false);
    rig_close(&rig);
}
