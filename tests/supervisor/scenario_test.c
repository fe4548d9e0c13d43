/* SPDX-License-Identifier: Apache-2.0 */
/* Acceptance scenario 6 of the application, as far as a virtual clock decides it: 100 callers
 * across the 5-minute idle rule, idle reaping and three 4-hour refreshes. Memory and descriptors of
 * a real process over as many operations: `./dev fault refresh`, `./dev soak`. */
#include "fake_driver.h"
#include "sync.h"
#include <criterion/criterion.h>
#include <sched.h>

enum { CALLERS = 100, MOST = 10, LEAST = 2, OPERATIONS = 1000000, PATIENCE_S = 60 };

static struct fake_world world;

static void ten_clients(struct supervisor_config *config)
{
    config->pool.max_size = MOST;
    config->pool.min_size = LEAST;
    config->pool.max_idle_ms = 60000;
}

static struct pool_stats stats_now(void)
{
    struct pool_stats stats;
    pool_read_stats(world.pool, base_clock_now_ns(world.clock), &stats);
    return stats;
}

/* ---- a caller who finds all of them taken waits, and the pool grows for him ---- */

struct waiter {
    struct pool_handle *handle;
    enum gleaner_status status;
    _Atomic bool is_done;
};

static void wait_for_one(void *arg)
{
    struct waiter *waiter = arg;
    uint64_t patience_ns = base_mono_ns() + PATIENCE_S * BASE_NS_PER_S; /* ends a test that hangs */
    waiter->status = pool_check_out(world.pool, patience_ns, waiter->handle);
    atomic_store(&waiter->is_done, true);
}

static bool take(struct pool_handle *handle)
{
    struct waiter waiter = {.handle = handle};
    struct sync_thread *thread;
    if (pool_check_out(world.pool, 0, handle) == GLEANER_OK) {
        return true;
    }
    cr_assert_eq(sync_thread_start(&thread, "caller", SYNC_READER, wait_for_one, &waiter),
                 GLEANER_OK);
    /* Virtual time passes only while he stands in the line: where the machine is busy he comes to
     * it, and away from it, late, and hours would pass in which his fellows keep what they hold. */
    while (!atomic_load(&waiter.is_done)) {
        if (stats_now().waiting > 0) {
            world_pass(&world, 10);
        } else {
            sched_yield();
        }
    }
    sync_thread_join(&thread);
    return waiter.status == GLEANER_OK;
}

/* All callers, `together` at a time. Gives how many failed. */
static uint32_t call(uint32_t together)
{
    uint32_t failed = 0;
    for (uint32_t begun = 0; begun < CALLERS; begun += together) {
        struct pool_handle handles[MOST];
        uint32_t held = 0;
        for (; held < together && take(&handles[held]); held++) {
        }
        failed += together - held;
        for (uint32_t i = 0; i < held; i++) {
            failed += pool_check_in(world.pool, &handles[i], POOL_CLIENT_GOOD) != GLEANER_OK;
        }
    }
    return failed;
}

Test(scenario_6, a_hundred_callers_across_idle_rules_and_three_refreshes_fail_in_nothing,
     .timeout = 120)
{
    uint64_t failed = 0, done = 0;
    uint32_t most = 0, after_rest = 0;
    world_open(&world, ten_clients);
    uint64_t end_ns = base_clock_now_ns(world.clock) + 13ULL * 3600 * BASE_NS_PER_S;
    for (uint32_t i = 0; base_clock_now_ns(world.clock) < end_ns; i++, done += CALLERS) {
        static const uint32_t together[] = {1, 4, 10, 2, 5};
        failed += call(together[i % 5]);
        uint32_t alive = (uint32_t)atomic_load(&world.fake.primary.clients);
        most = alive > most ? alive : most;
        /* a busy quarter of an hour by seconds, then silence for longer than both idle rules */
        world_pass(&world, i % 900 == 899 ? 360000 : 1000);
        if (i % 900 == 899) {
            struct pool_stats stats = stats_now();
            cr_expect_geq(stats.total, LEAST);
            cr_expect_leq(stats.total, MOST);
            after_rest = stats.total > after_rest ? stats.total : after_rest;
        }
    }
    struct supervisor_counts counts = world_counts(&world);
    cr_expect_geq(counts.refreshes, 3);
    cr_expect_eq(counts.reconnects, 1, "the first connection, and none since");
    cr_expect_eq(connection_transitions(world.connection), 1, "it never looked sick");
    cr_expect_leq(after_rest, LEAST + 1, "idle ones are given up");
    cr_expect_leq(most, MOST + 2 + 1, "size, what a refresh adds, the probe's");
    for (; done < OPERATIONS; done += CALLERS) {
        failed += call(10);
    }
    world_pass(&world, 360000);
    cr_expect_eq(failed, 0, "of %lu operations", (unsigned long)done);
    cr_expect_geq(stats_now().total, LEAST);
    cr_expect_leq((uint32_t)atomic_load(&world.fake.primary.clients), LEAST + 1, "nothing leaks");
    world_close(&world);
}

enum { MINUTES = 30, CALLERS_WHILE_DOWN = 200, WINDOW_MINUTES = 5, ATTEMPTS = 10 };

static uint32_t refused_at_once(void)
{
    uint32_t refused = 0;
    for (uint32_t i = 0; i < CALLERS_WHILE_DOWN; i++) {
        struct pool_handle handle;
        refused += pool_check_out(world.pool, 0, &handle) == GLEANER_E_DOWN;
    }
    return refused;
}

Test(scenario_9, thirty_minutes_without_a_server_cost_little_and_end_within_one_step)
{
    struct pool_handle handle;
    world_open(&world, ten_clients);
    world_pass(&world, 400000); /* a healthy while: the window is empty */
    uint64_t attempts[MINUTES + 1] = {world_counts(&world).reconnects};
    uint64_t states = connection_transitions(world.connection);
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    atomic_store(&world.fake.primary.is_down, true);
    world_report(&world, &handle);
    world_settle(&world);
    for (int minute = 1; minute <= MINUTES; minute++) {
        cr_expect_eq(refused_at_once(), CALLERS_WHILE_DOWN, "minute %d", minute);
        world_pass(&world, 60000);
        supervisor_request_check(world.supervisor); /* one of them asks for a check */
        attempts[minute] = world_counts(&world).reconnects;
        int since = minute > WINDOW_MINUTES ? minute - WINDOW_MINUTES : 0;
        cr_expect_leq(attempts[minute] - attempts[since], ATTEMPTS, "minute %d", minute);
    }
    /* each state is a line of the log: lost, given up, and whatever the tries add */
    states = connection_transitions(world.connection) - states;
    cr_expect_leq(states, 4 + attempts[MINUTES] - attempts[0], "the log is bounded");
    atomic_store(&world.fake.primary.is_down, false);
    cr_expect(world_reach(&world, CONNECTION_CONNECTED, 60000), "within one step of the back-off");
    world_close(&world);
}
