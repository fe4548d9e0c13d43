/* SPDX-License-Identifier: Apache-2.0 */
#include "sync.h"
#include <criterion/criterion.h>

TestSuite(park, .timeout = 20);

Test(park, wake_before_the_sleep_is_kept_and_only_one)
{
    struct sync_parker parker;
    sync_park_init(&parker);
    sync_unpark(&parker);
    sync_unpark(&parker);
    cr_assert(sync_park(&parker, BASE_NO_DEADLINE));
    cr_assert_not(sync_park(&parker, base_mono_ns()));
}

Test(park, deadline_in_the_past_returns_false)
{
    struct sync_parker parker;
    sync_park_init(&parker);
    cr_assert_not(sync_park(&parker, 0));
    cr_assert_not(sync_park_until(&parker, base_clock_real(), 1));
    sync_unpark(&parker);
    cr_assert(sync_park(&parker, 0), "a token counts even then");
}

struct sleeper {
    struct sync_parker parker;
    struct base_clock *clock;
    uint64_t deadline_ns;
    bool woken;
};

static void sleep_on_clock(void *arg)
{
    struct sleeper *sleeper = arg;
    sleeper->woken = sync_park_until(&sleeper->parker, sleeper->clock, sleeper->deadline_ns);
}

static struct sync_thread *start_sleeper(struct sleeper *sleeper, uint64_t deadline_ns)
{
    struct sync_thread *thread = NULL;
    sync_park_init(&sleeper->parker);
    sleeper->deadline_ns = deadline_ns;
    cr_assert_eq(sync_thread_start(&thread, "sleeper", SYNC_PLAIN, sleep_on_clock, sleeper),
                 GLEANER_OK);
    return thread;
}

Test(park, virtual_deadline_is_reached_by_advancing_only)
{
    struct sleeper sleeper = {.clock = base_clock_virtual_create(100)};
    struct sync_thread *thread = start_sleeper(&sleeper, 1000);
    while (base_clock_waker_count(sleeper.clock) == 0) {
        sync_cpu_relax();
    }
    base_clock_advance(sleeper.clock, 899);
    cr_assert_not(sync_thread_join_until(&thread, base_mono_ns()), "one nanosecond is missing");
    base_clock_advance(sleeper.clock, 1);
    sync_thread_join(&thread);
    cr_assert_not(sleeper.woken);
    cr_assert_eq(base_clock_waker_count(sleeper.clock), 0);
    base_clock_destroy(&sleeper.clock);
}

Test(park, virtual_sleeper_is_woken_before_its_deadline)
{
    struct sleeper sleeper = {.clock = base_clock_virtual_create(0)};
    struct sync_thread *thread = start_sleeper(&sleeper, BASE_NO_DEADLINE);
    base_clock_advance(sleeper.clock, 5);
    sync_unpark(&sleeper.parker);
    sync_thread_join(&thread);
    cr_assert(sleeper.woken);
    base_clock_destroy(&sleeper.clock);
}

/* Advancing races with going to sleep: whichever comes first, the sleeper returns. */
Test(park, no_advance_is_missed_by_a_thread_that_is_going_to_sleep)
{
    for (uint64_t round = 1; round <= 3000; round++) {
        struct sleeper sleeper = {.clock = base_clock_virtual_create(0)};
        struct sync_thread *thread = start_sleeper(&sleeper, 10);
        base_clock_advance(sleeper.clock, 10);
        sync_thread_join(&thread);
        cr_assert_not(sleeper.woken);
        base_clock_destroy(&sleeper.clock);
    }
}

struct ping {
    struct sync_parker mine;
    struct sync_parker *other;
    int count;
};

static void play(void *arg)
{
    struct ping *ping = arg;
    for (int i = 0; i < 20000; i++) {
        if (sync_park(&ping->mine, BASE_NO_DEADLINE)) {
            ping->count++;
        }
        sync_unpark(ping->other);
    }
}

Test(park, no_wake_is_lost_between_two_threads)
{
    struct ping a = {0};
    struct ping b = {.other = &a.mine};
    a.other = &b.mine;
    struct sync_thread *threads[2];
    cr_assert_eq(sync_thread_start(&threads[0], "a", SYNC_PLAIN, play, &a), GLEANER_OK);
    cr_assert_eq(sync_thread_start(&threads[1], "b", SYNC_PLAIN, play, &b), GLEANER_OK);
    sync_unpark(&a.mine);
    sync_thread_join(&threads[0]);
    sync_thread_join(&threads[1]);
    cr_assert_eq(a.count, 20000);
    cr_assert_eq(b.count, 20000);
}

Test(futex, does_not_wait_for_a_word_that_differs)
{
    _Atomic uint32_t word = 1;
    cr_assert(sync_futex_wait(&word, 0, BASE_NO_DEADLINE));
    cr_assert_not(sync_futex_wait(&word, 1, base_mono_ns()));
}
