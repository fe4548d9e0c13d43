/* SPDX-License-Identifier: Apache-2.0 */
/* Connectors that hang in the driver, with real threads and the real clock: events decide the
 * order, the deadlines are short. */
#include "fake_driver.h"
#include <criterion/criterion.h>

#define PATIENCE_NS (60 * BASE_NS_PER_S)

static struct fake_driver fake;

#define EVENTUALLY(condition)                                                                      \
    ({                                                                                             \
        uint64_t give_up_ns = base_mono_ns() + PATIENCE_NS;                                        \
        struct sync_parker napping;                                                                \
        sync_park_init(&napping);                                                                  \
        bool holds;                                                                                \
        while (!(holds = (condition)) && base_mono_ns() < give_up_ns) {                            \
            (void)sync_park(&napping, base_mono_ns() + BASE_NS_PER_MS);                            \
        }                                                                                          \
        holds;                                                                                     \
    })

static struct supervisor *start_with(uint32_t connect_ms, uint32_t max_connecting)
{
    sync_init();
    base_log_set_level(BASE_LOG_ERROR);
    struct supervisor_config config = {
        .primary_uri = FAKE_PRIMARY,
        .app_name = "test",
        .pool = {.slot_capacity = 20,
                 .max_size = 8,
                 .min_size = 1,
                 .max_connecting = max_connecting,
                 .refresh_extra = 2,
                 .address = "fake"},
        .shards = 1,
        .connect_ms = connect_ms,
        .refresh_interval_ms = 3600 * 1000,
        .reconnect_limit = 100,
        .reconnect_window_ms = 300000,
        .backoff_base_ms = 1,
        .backoff_cap_ms = 10,
        .return_checks = 1,
        .return_span_ms = 1,
        .random_seed = 7,
        .clock = base_clock_real(),
        .driver = fake_driver_table(&fake),
    };
    struct base_error error = {0};
    struct supervisor *supervisor = NULL;
    cr_assert_eq(supervisor_create(&config, &supervisor, &error), GLEANER_OK, "%s", error.message);
    cr_assert_eq(supervisor_start(supervisor), GLEANER_OK);
    return supervisor;
}

static struct supervisor *start(void)
{
    return start_with(50, 2);
}

static enum connection_phase phase_of(struct supervisor *supervisor)
{
    struct connection_snapshot now;
    connection_copy(supervisor_connection(supervisor), &now);
    return now.phase;
}

static struct supervisor_counts counts_of(struct supervisor *supervisor)
{
    struct supervisor_counts counts;
    supervisor_read_counts(supervisor, &counts);
    return counts;
}

Test(stuck, a_connector_that_hangs_is_given_up_and_others_carry_on)
{
    atomic_store(&fake.primary.is_silent, true);
    struct supervisor *supervisor = start();
    cr_expect(EVENTUALLY(counts_of(supervisor).condemned >= 2));
    cr_expect(EVENTUALLY(phase_of(supervisor) == CONNECTION_EMBEDDED));
    atomic_store(&fake.primary.is_silent, false); /* new connections pass, the old ones hang on */
    cr_expect(EVENTUALLY(phase_of(supervisor) == CONNECTION_CONNECTED));
    struct pool_handle handle;
    cr_assert_eq(pool_check_out(supervisor_pool(supervisor), base_mono_ns() + PATIENCE_NS, &handle),
                 GLEANER_OK);
    cr_expect_geq(counts_of(supervisor).stuck, 2);
    cr_expect_eq(pool_check_in(supervisor_pool(supervisor), &handle, POOL_CLIENT_GOOD), GLEANER_OK);
    fake_release(&fake);
    cr_expect(EVENTUALLY(counts_of(supervisor).stuck == 0), "they come back and serve again");
    cr_expect_eq(supervisor_stop(&supervisor, 1000), SUPERVISOR_CLEAN);
    cr_expect_eq(atomic_load(&fake.primary.clients), 0, "late results were destroyed");
    cr_expect_eq(atomic_load(&fake.primary.endpoints), 0);
}

Test(stuck, the_number_of_hanging_threads_is_bounded)
{
    atomic_store(&fake.primary.is_silent, true);
    struct supervisor *supervisor = start();
    cr_expect(EVENTUALLY(counts_of(supervisor).stuck >= 10));
    struct sync_parker nap;
    sync_park_init(&nap);
    (void)sync_park(&nap, base_mono_ns() + 300 * BASE_NS_PER_MS); /* room for it to go wrong */
    cr_expect_leq(counts_of(supervisor).connectors, 2 + 2 + 8);
    fake_release(&fake);
    cr_expect(EVENTUALLY(counts_of(supervisor).stuck == 0));
    cr_expect_eq(supervisor_stop(&supervisor, 1000), SUPERVISOR_CLEAN);
}

Test(stuck, stopping_does_not_wait_for_a_connector_that_hangs)
{
    atomic_store(&fake.primary.is_silent, true);
    struct supervisor *supervisor = start();
    cr_expect(EVENTUALLY(atomic_load(&fake.silent_now) >= 1));
    cr_expect_eq(supervisor_stop(&supervisor, 0), SUPERVISOR_BACKGROUND);
    cr_expect_geq(atomic_load(&fake.silent_now), 1, "it hangs still");
    fake_release(&fake);
    cr_expect(EVENTUALLY(atomic_load(&fake.primary.endpoints) == 0), "the reaper sees to the rest");
    cr_expect_eq(atomic_load(&fake.primary.clients), 0);
}

Test(stuck, the_slot_of_a_connect_that_hangs_is_free_again_when_it_returns)
{
    struct supervisor *supervisor = start();
    struct pool *pool = supervisor_pool(supervisor);
    struct pool_handle held, second;
    cr_assert(EVENTUALLY(phase_of(supervisor) == CONNECTION_CONNECTED));
    cr_assert_eq(pool_check_out(pool, base_mono_ns() + PATIENCE_NS, &held), GLEANER_OK);
    atomic_store(&fake.primary.is_silent, true);
    cr_expect_neq(pool_check_out(pool, base_mono_ns() + 5 * BASE_NS_PER_MS, &second), GLEANER_OK,
                  "its demand starts a connect, which hangs");
    cr_expect(EVENTUALLY(counts_of(supervisor).condemned >= 1));
    cr_expect_eq(pool_check_in(pool, &held, POOL_CLIENT_GOOD), GLEANER_OK);
    atomic_store(&fake.primary.is_silent, false);
    fake_release(&fake);
    cr_expect(EVENTUALLY(counts_of(supervisor).stuck == 0));
    cr_expect_eq(supervisor_stop(&supervisor, 1000), SUPERVISOR_CLEAN);
    cr_expect_eq(atomic_load(&fake.primary.clients), 0);
}

/* Found by reading: after a fail-over nobody got a client until the connects to the old server had
 * met their deadline, for they held the table's places for connecting. */
Test(stuck, a_connect_to_the_server_that_was_lost_does_not_delay_the_next_generation)
{
    struct supervisor *supervisor = start_with(10 * PATIENCE_NS / BASE_NS_PER_MS, 1);
    struct pool *pool = supervisor_pool(supervisor);
    struct pool_handle held, next;
    cr_assert(EVENTUALLY(phase_of(supervisor) == CONNECTION_CONNECTED));
    cr_assert_eq(pool_check_out(pool, base_mono_ns() + PATIENCE_NS, &held), GLEANER_OK);
    atomic_store(&fake.primary.is_silent, true);
    cr_expect_neq(pool_check_out(pool, base_mono_ns() + 5 * BASE_NS_PER_MS, &next), GLEANER_OK);
    cr_assert(EVENTUALLY(atomic_load(&fake.silent_now) == 1), "its demand hangs in a connect");
    atomic_store(&fake.primary.is_down, true);
    atomic_store(&fake.primary.is_silent, false);
    (void)pool_check_in(pool, &held, POOL_CLIENT_BROKEN);
    connection_report(supervisor_connection(supervisor), held.generation, CONNECTION_FAIL_NETWORK,
                      held.slot, base_mono_ns());
    cr_assert(EVENTUALLY(phase_of(supervisor) == CONNECTION_EMBEDDED));
    atomic_store(&fake.primary.is_down, false);
    cr_assert(EVENTUALLY(phase_of(supervisor) == CONNECTION_CONNECTED));
    cr_expect_eq(pool_check_out(pool, base_mono_ns() + PATIENCE_NS, &next), GLEANER_OK);
    cr_expect_eq(atomic_load(&fake.silent_now), 1, "it hangs still");
    (void)pool_check_in(pool, &next, POOL_CLIENT_GOOD);
    fake_release(&fake);
    cr_expect(EVENTUALLY(atomic_load(&fake.silent_now) == 0));
    cr_expect_eq(supervisor_stop(&supervisor, 1000), SUPERVISOR_CLEAN);
    cr_expect_eq(atomic_load(&fake.primary.clients), 0, "its late client was destroyed");
}

/* ---- monitors ---- */

struct asking {
    struct supervisor_message message;
    struct supervisor *supervisor;
    _Atomic bool was_taken, is_answered;
};

static void answered(void *ctx, const struct supervisor_answer *answer)
{
    struct asking *asking = ctx;
    cr_expect_eq(answer->status, GLEANER_OK);
    atomic_store(&asking->is_answered, true);
}

static void ask(struct supervisor_message *message, bool is_stopped)
{
    struct asking *asking = BASE_CONTAINER_OF(message, struct asking, message);
    cr_assert_not(is_stopped);
    cr_expect_eq(
        supervisor_call(asking->supervisor, SUPERVISOR_SERVER_CONNECTIONS, answered, asking),
        GLEANER_OK);
    atomic_store(&asking->was_taken, true);
}

/* Found by reading: the probe of a recovery waited until the deadline of a monitor's command. */
Test(stuck, a_command_of_a_monitor_that_hangs_does_not_delay_a_probe)
{
    struct supervisor *supervisor = start_with(10 * PATIENCE_NS / BASE_NS_PER_MS, 1);
    struct pool *pool = supervisor_pool(supervisor);
    struct asking asking = {.message = {.run = ask}, .supervisor = supervisor};
    struct pool_handle held, next;
    cr_assert(EVENTUALLY(phase_of(supervisor) == CONNECTION_CONNECTED));
    cr_assert_eq(pool_check_out(pool, base_mono_ns() + PATIENCE_NS, &held), GLEANER_OK);
    atomic_store(&fake.primary.looks_hang, true);
    supervisor_post(supervisor, &asking.message);
    cr_assert(EVENTUALLY(atomic_load(&fake.looking_now) == 1 && atomic_load(&asking.was_taken)));
    atomic_store(&fake.primary.is_down, true);
    (void)pool_check_in(pool, &held, POOL_CLIENT_BROKEN);
    connection_report(supervisor_connection(supervisor), held.generation, CONNECTION_FAIL_NETWORK,
                      held.slot, base_mono_ns());
    cr_assert(EVENTUALLY(phase_of(supervisor) == CONNECTION_EMBEDDED), "the probe has told");
    atomic_store(&fake.primary.is_down, false);
    cr_assert(EVENTUALLY(phase_of(supervisor) == CONNECTION_CONNECTED));
    cr_assert_eq(pool_check_out(pool, base_mono_ns() + PATIENCE_NS, &next), GLEANER_OK);
    cr_expect_eq(atomic_load(&fake.looking_now), 1, "it hangs still");
    (void)pool_check_in(pool, &next, POOL_CLIENT_GOOD);
    fake_release(&fake);
    cr_expect(EVENTUALLY(atomic_load(&asking.is_answered)), "and is heard when it comes back");
    cr_expect_eq(supervisor_stop(&supervisor, 1000), SUPERVISOR_CLEAN);
    cr_expect_eq(atomic_load(&fake.primary.clients), 0);
    cr_expect_eq(atomic_load(&fake.primary.endpoints), 0);
}

/* ---- closing ---- */

struct stopping {
    struct supervisor *supervisor;
    enum supervisor_end end;
    _Atomic bool is_over;
};

static void stop(void *arg)
{
    struct stopping *stopping = arg;
    stopping->end = supervisor_stop(&stopping->supervisor, 10 * PATIENCE_NS / BASE_NS_PER_MS);
    atomic_store(&stopping->is_over, true);
}

/* Found by reading: the owner was woken by the reaper alone, so that behind one that was held up by
 * a dead server he waited out his drain time, with the last loan long back. */
Test(stuck, the_last_return_ends_the_drain_while_the_reaper_hangs)
{
    struct stopping stopping = {.supervisor = start()};
    struct pool *pool = supervisor_pool(stopping.supervisor);
    struct pool_handle held, broken;
    struct sync_thread *stopper;
    cr_assert(EVENTUALLY(phase_of(stopping.supervisor) == CONNECTION_CONNECTED));
    cr_assert_eq(pool_check_out(pool, base_mono_ns() + PATIENCE_NS, &held), GLEANER_OK);
    cr_assert_eq(pool_check_out(pool, base_mono_ns() + PATIENCE_NS, &broken), GLEANER_OK);
    atomic_store(&fake.primary.destroys_hang, true);
    (void)pool_check_in(pool, &broken, POOL_CLIENT_BROKEN);
    cr_assert(EVENTUALLY(atomic_load(&fake.destroying_now) == 1), "the reaper is held up");
    cr_assert_eq(sync_thread_start(&stopper, "stopper", SYNC_PLAIN, stop, &stopping), GLEANER_OK);
    struct pool_stats stats;
    cr_assert(EVENTUALLY((pool_read_stats(pool, base_mono_ns(), &stats), stats.is_closed)));
    cr_expect_eq(pool_check_in(pool, &held, POOL_CLIENT_GOOD), GLEANER_OK);
    cr_expect(EVENTUALLY(atomic_load(&stopping.is_over)), "it waits for the reaper");
    fake_release(&fake);
    sync_thread_join(&stopper);
    cr_expect_eq(stopping.end, SUPERVISOR_BACKGROUND);
    cr_expect(EVENTUALLY(atomic_load(&fake.primary.endpoints) == 0), "the reaper sees to the rest");
}
