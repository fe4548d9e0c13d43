/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <criterion/parameterized.h>
#include <string.h>

struct bad_limit {
    struct pool_config config;
    char word[24];
};

ParameterizedTestParameters(limits, a_bad_limit_is_refused_by_name)
{
    static struct bad_limit cases[] = {
        {{.slot_capacity = 0, .max_size = 1, .max_connecting = 1}, "slot_capacity"},
        {{.slot_capacity = 1025, .max_size = 1, .max_connecting = 1}, "slot_capacity"},
        {{.slot_capacity = 4, .max_size = 5, .max_connecting = 1}, "max_size"},
        {{.slot_capacity = 4, .max_size = 0, .max_connecting = 1}, "max_size"},
        {{.slot_capacity = 4, .max_size = 4, .max_connecting = 1, .refresh_extra = 1},
         "refresh_extra"},
        {{.slot_capacity = 4, .max_size = 2, .min_size = 3, .max_connecting = 1}, "min_size"},
        {{.slot_capacity = 4, .max_size = 2, .max_connecting = 0}, "max_connecting"},
    };
    return cr_make_param_array(struct bad_limit, cases, BASE_ARRAY_LEN(cases));
}
ParameterizedTest(struct bad_limit *bad, limits, a_bad_limit_is_refused_by_name, .timeout = 10)
{
    struct pool *pool = NULL;
    struct base_error error;
    cr_assert_eq(pool_create(&bad->config, NULL, NULL, &pool, &error), GLEANER_E_INVALID);
    cr_assert_not_null(strstr(error.message, bad->word), "%s", error.message);
    cr_assert_null(pool);
}

Test(limits, no_more_than_max_connecting_connect_at_a_time, .timeout = 10)
{
    struct rig rig;
    struct pool_config config = rig_config(5);
    config.min_size = 5;
    rig_open(&rig, &config, false);
    struct pool_connect_job a, b, c;
    cr_assert_eq(pool_connect_begin(rig.pool, &a), GLEANER_E_BUSY, "not ready yet");
    pool_ready(rig.pool);
    cr_assert_eq(pool_connect_begin(rig.pool, &a), GLEANER_OK);
    cr_assert_eq(pool_connect_begin(rig.pool, &b), GLEANER_OK);
    cr_assert_eq(pool_connect_begin(rig.pool, &c), GLEANER_E_BUSY);
    cr_assert_eq(pool_connect_done(rig.pool, &a, &a), GLEANER_OK);
    cr_assert_eq(pool_connect_begin(rig.pool, &c), GLEANER_OK);
    cr_assert_eq(pool_connect_done(rig.pool, &b, &b), GLEANER_OK);
    cr_assert_eq(pool_connect_done(rig.pool, &c, &c), GLEANER_OK);
    cr_assert_eq(rig_connect(&rig), 2);
    cr_assert_eq(rig_stats(&rig).total, 5);
    rig_close(&rig);
}

Test(limits, a_smaller_max_size_retires_idle_now_and_busy_on_return, .timeout = 10)
{
    struct rig rig;
    rig_open_filled(&rig, 4, false);
    struct pool_handle a = rig_take(&rig), b = rig_take(&rig), c = rig_take(&rig);
    struct pool_config config = rig_config(2);
    struct base_error error;
    cr_assert_eq(pool_configure(rig.pool, &config, &error), GLEANER_OK);
    cr_assert_eq(rig_stats(&rig).retiring, 1);
    rig_give(&rig, &a);
    cr_assert_eq(rig_stats(&rig).retiring, 2);
    rig_give(&rig, &b);
    rig_give(&rig, &c);
    cr_assert_eq(rig_stats(&rig).available, 2);
    pool_tick(rig.pool, base_mono_ns());
    cr_assert(gate_is_plain(atomic_load(&rig.pool->gate)), "the fast path is open again");
    config = rig_config(4);
    config.min_size = 4;
    cr_assert_eq(pool_configure(rig.pool, &config, &error), GLEANER_OK);
    cr_assert_eq(rig_connect(&rig), 2);
    rig_close(&rig);
}

Test(limits, a_tick_retires_what_idles_too_long_but_not_below_min_size, .timeout = 10)
{
    struct rig rig;
    rig_open_filled(&rig, 3, true);
    struct pool_config config = rig_config(3);
    struct base_error error;
    config.min_size = 1;
    config.max_idle_ms = 1000;
    cr_assert_eq(pool_configure(rig.pool, &config, &error), GLEANER_OK);
    base_clock_advance(rig.clock, 900 * BASE_NS_PER_MS);
    pool_tick(rig.pool, base_clock_now_ns(rig.clock));
    cr_assert_eq(rig_stats(&rig).available, 3);
    base_clock_advance(rig.clock, 200 * BASE_NS_PER_MS);
    pool_tick(rig.pool, base_clock_now_ns(rig.clock));
    cr_assert_eq(rig_stats(&rig).available, 1);
    cr_assert_eq(rig_stats(&rig).evictions, 2);
    rig_close(&rig);
}

Test(limits, an_overdue_client_leaves_when_it_idles_and_a_busy_one_when_it_returns, .timeout = 10)
{
    struct rig rig;
    struct pool_config config = rig_config(2);
    config.min_size = 2;
    config.max_lifetime_ms = 10000;
    rig_open(&rig, &config, true);
    pool_ready(rig.pool);
    cr_assert_eq(rig_connect(&rig), 2);
    struct pool_handle busy = rig_take(&rig);
    base_clock_advance(rig.clock, 9700 * BASE_NS_PER_MS); /* 2.5 % of jitter, and not more */
    pool_tick(rig.pool, base_clock_now_ns(rig.clock));
    cr_assert_eq(rig_stats(&rig).total, 2);
    base_clock_advance(rig.clock, 300 * BASE_NS_PER_MS);
    pool_tick(rig.pool, base_clock_now_ns(rig.clock));
    cr_assert_eq(rig_stats(&rig).total, 1);
    cr_assert_eq(rig_connect(&rig), 1);
    rig_give(&rig, &busy);
    cr_assert_eq(rig_stats(&rig).retiring, 2);
    rig_close(&rig);
}

Test(limits, an_evicted_client_leaves_now_if_idle_and_on_return_if_busy, .timeout = 10)
{
    struct rig rig;
    rig_open_filled(&rig, 3, false);
    struct pool_handle busy = rig_take(&rig), idle = rig_take(&rig);
    cr_assert_not_null(pool_loaned_client(rig.pool, &busy));
    rig_give(&rig, &idle);
    cr_assert_null(pool_loaned_client(rig.pool, &idle), "its ticket is void");
    pool_evict(rig.pool, idle.slot);
    pool_evict(rig.pool, busy.slot);
    pool_evict(rig.pool, pool_slot_count(rig.pool)); /* no such slot: nothing */
    cr_assert_eq(rig_stats(&rig).total, 2, "the idle one is gone");
    cr_assert_eq(rig_stats(&rig).in_use, 1);
    rig_give(&rig, &busy);
    cr_assert_eq(rig_stats(&rig).total, 1);
    rig_close(&rig);
}
