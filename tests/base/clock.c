/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"
#include <criterion/criterion.h>
#include <signal.h>

static void count_call(void *ctx)
{
    ++*(int *)ctx;
}

Test(clock, real_one_never_goes_back)
{
    uint64_t before = base_mono_ns();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = base_clock_now_ns(base_clock_real());
        cr_assert_geq(now, before);
        before = now;
    }
    cr_assert_not(base_clock_is_virtual(base_clock_real()));
}

Test(clock, wall_time_is_after_this_was_written)
{
    cr_assert_gt(base_wall_ms(), INT64_C(1735689600000));
}

Test(clock, virtual_one_stands_still_until_advanced)
{
    struct base_clock *clock = base_clock_virtual_create(1000);
    cr_assert(base_clock_is_virtual(clock));
    cr_assert_eq(base_clock_now_ns(clock), 1000);
    cr_assert_eq(base_clock_now_ns(clock), 1000);
    base_clock_advance(clock, 5);
    cr_assert_eq(base_clock_now_ns(clock), 1005);
    base_clock_destroy(&clock);
    cr_assert_null(clock);
    base_clock_destroy(&clock);
}

Test(clock, advancing_calls_the_wakers_that_are_registered)
{
    struct base_clock *clock = base_clock_virtual_create(0);
    int a = 0;
    int b = 0;
    base_clock_add_waker(clock, count_call, &a);
    base_clock_add_waker(clock, count_call, &b);
    cr_assert_eq(base_clock_waker_count(clock), 2);
    base_clock_advance(clock, 1);
    base_clock_remove_waker(clock, count_call, &a);
    base_clock_advance(clock, 1);
    cr_assert_eq(a, 1);
    cr_assert_eq(b, 2);
    base_clock_remove_waker(clock, count_call, &b);
    cr_assert_eq(base_clock_waker_count(clock), 0);
    base_clock_destroy(&clock);
}

Test(clock, real_one_cannot_be_advanced, .signal = SIGABRT)
{
    base_clock_advance(base_clock_real(), 1);
}
