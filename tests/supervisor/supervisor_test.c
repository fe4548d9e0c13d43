/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor decides, on a virtual clock with servers that do as they are told. */
#include "fake_driver.h"
#include <criterion/criterion.h>

static struct fake_world world;

static struct pool_stats stats_now(void)
{
    struct pool_stats stats;
    pool_read_stats(world.pool, base_clock_now_ns(world.clock), &stats);
    return stats;
}

static void with_fallback(struct supervisor_config *config)
{
    config->fallback_uri = FAKE_FALLBACK;
}

static void start_down(struct supervisor_config *config)
{
    (void)config;
    atomic_store(&world.fake.primary.is_down, true);
}

/* Kill the primary, and let one of its holders report it. */
static void kill_primary(void)
{
    struct pool_handle handle;
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    atomic_store(&world.fake.primary.is_down, true);
    world_report(&world, &handle);
    world_settle(&world);
}

/* ---- start
 * ------------------------------------------------------------------------------------------ */

Test(supervisor, connects_at_once_and_fills_the_table_to_its_minimum)
{
    world_open(&world, NULL);
    cr_expect_eq(world_phase(&world), CONNECTION_CONNECTED);
    cr_expect_eq(stats_now().available, 2);
    cr_expect_eq(world_counts(&world).reconnects, 1);
    world_close(&world);
}

Test(supervisor, is_embedded_when_the_only_server_is_dead_at_start)
{
    world_open(&world, start_down);
    cr_expect_eq(world_phase(&world), CONNECTION_EMBEDDED);
    cr_expect_eq(connection_current(world.connection)->tier, CONNECTION_LOCAL);
    cr_expect_gt(connection_current(world.connection)->next_attempt_ns, 0);
    struct pool_handle handle;
    cr_expect_eq(world_take(&world, &handle), GLEANER_E_DOWN);
    world_close(&world);
}

static void no_server(struct supervisor_config *config)
{
    config->primary_uri = NULL;
}

Test(supervisor, connects_to_nothing_when_no_server_is_wanted)
{
    world_open(&world, no_server);
    world_pass(&world, 24 * 3600 * 1000);
    cr_expect_eq(world_phase(&world), CONNECTION_EMBEDDED);
    cr_expect_eq(atomic_load(&world.fake.primary.connects), 0);
    world_close(&world);
}

/* ---- failures
 * ---------------------------------------------------------------------------------------- */

Test(supervisor, one_report_on_a_healthy_server_clears_nothing)
{
    world_open(&world, NULL);
    uint32_t generation = connection_current(world.connection)->generation;
    struct pool_handle handle;
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    base_clock_advance(world.clock, BASE_NS_PER_S);
    world_report(&world, &handle);
    world_settle(&world);
    cr_expect_eq(world_phase(&world), CONNECTION_CONNECTED);
    cr_expect_eq(connection_transitions(world.connection), 3, "connected, degraded, connected");
    cr_expect_eq(connection_current(world.connection)->generation, generation);
    cr_expect_eq(world_counts(&world).reconnects, 1, "no token is spent on it");
    world_close(&world);
}

static struct connection_snapshot shown(void)
{
    struct connection_snapshot now;
    connection_copy(world.connection, &now);
    return now;
}

Test(supervisor, a_report_that_is_old_news_is_shown_no_longer_than_it_takes_to_see_that)
{
    world_open(&world, NULL);
    struct pool_handle handle;
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    supervisor_suspect(world.supervisor, "the test says so");
    world_settle(&world); /* a connection made now answered */
    world_report(&world, &handle);
    cr_expect_eq(shown().phase, CONNECTION_DEGRADED, "nobody has looked at it yet");
    world_settle(&world);
    cr_expect_eq(shown().phase, CONNECTION_CONNECTED);
    cr_expect_eq(connection_transitions(world.connection), 3);
    world_close(&world);
}

Test(supervisor, a_report_that_is_held_off_is_shown_until_it_was_looked_into)
{
    world_open(&world, NULL);
    struct pool_handle handle;
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    supervisor_suspect(world.supervisor, "the test says so");
    world_settle(&world);
    base_clock_advance(world.clock, 100 * BASE_NS_PER_MS);
    world_report(&world, &handle);
    world_settle(&world);
    cr_expect_eq(shown().phase, CONNECTION_DEGRADED);
    cr_expect_eq(connection_transitions(world.connection), 3, "no probe yet");
    world_pass(&world, 1000);
    cr_expect_eq(shown().phase, CONNECTION_CONNECTED);
    cr_expect_eq(connection_transitions(world.connection), 5);
    world_close(&world);
}

Test(supervisor, many_reports_of_one_outage_make_one_way_down_and_one_way_up)
{
    world_open(&world, NULL);
    struct pool_handle handles[8];
    for (size_t i = 0; i < 8; i++) {
        while (world_take(&world, &handles[i]) != GLEANER_OK) {
            struct pool_handle waiter; /* demand makes the table grow */
            cr_assert_eq(pool_check_out(world.pool, base_mono_ns() + BASE_NS_PER_MS, &waiter),
                         GLEANER_E_TIMEOUT);
            world_settle(&world);
            break;
        }
    }
    atomic_store(&world.fake.primary.is_down, true);
    base_clock_advance(world.clock, BASE_NS_PER_S);
    uint64_t now_ns = base_clock_now_ns(world.clock);
    for (uint32_t i = 0; i < 1000; i++) {
        connection_report(world.connection, 0, CONNECTION_FAIL_NETWORK, i % 8, now_ns);
    }
    cr_expect(world_reach(&world, CONNECTION_EMBEDDED, 5000));
    /* starting -> connected -> degraded -> reconnecting -> embedded */
    cr_expect_eq(connection_transitions(world.connection), 4);
    for (uint32_t i = 0; i < 1000; i++) { /* late ones of the generation that is gone */
        connection_report(world.connection, 0, CONNECTION_FAIL_NETWORK, i % 8, now_ns);
    }
    world_settle(&world);
    cr_expect_eq(connection_transitions(world.connection), 4);
    uint64_t all, stale;
    connection_report_counts(world.connection, &all, &stale);
    cr_expect_eq(all, 2000);
    cr_expect_eq(stale, 1000);
    for (size_t i = 0; i < 8; i++) {
        if (handles[i].client != NULL) {
            (void)pool_check_in(world.pool, &handles[i], POOL_CLIENT_BROKEN);
        }
    }
    world_close(&world);
}

Test(supervisor, the_first_recovery_after_a_healthy_period_is_immediate)
{
    world_open(&world, NULL);
    world_pass(&world, 60000);
    struct pool_handle handle;
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    uint64_t down_ns = base_clock_now_ns(world.clock);
    atomic_store(&world.fake.primary.is_down, true);
    world_report(&world, &handle);
    cr_assert(supervisor_step(world.supervisor)); /* the probe runs, and fails */
    cr_expect_eq(world_phase(&world), CONNECTION_DEGRADED);
    atomic_store(&world.fake.primary.is_down, false);
    world_settle(&world);
    cr_expect_eq(world_phase(&world), CONNECTION_CONNECTED);
    cr_expect_eq(connection_transitions(world.connection), 4, "by way of reconnecting");
    cr_expect_eq(base_clock_now_ns(world.clock), down_ns, "no time has passed");
    world_close(&world);
}

Test(supervisor, a_heartbeat_that_comes_back_ends_the_waiting)
{
    world_open(&world, NULL);
    kill_primary();
    cr_assert(world_reach(&world, CONNECTION_EMBEDDED, 60000));
    world_pass(&world, 120000); /* timers have used up their share of the window */
    uint64_t before = world_counts(&world).reconnects;
    fake_heartbeat(&world.fake, &world.fake.primary, false);
    world_settle(&world);
    cr_expect_eq(world_counts(&world).reconnects, before);
    atomic_store(&world.fake.primary.is_down, false);
    fake_heartbeat(&world.fake, &world.fake.primary, true);
    world_settle(&world);
    cr_expect_eq(world_phase(&world), CONNECTION_CONNECTED);
    world_close(&world);
}

/* ---- storm limit
 * ---------------------------------------------------------------------------------------- */

Test(supervisor, thirty_minutes_of_outage_cost_at_most_ten_attempts_in_any_five_minutes)
{
    world_open(&world, NULL);
    world_pass(&world, 400000);
    kill_primary();
    uint64_t counts[31] = {world_counts(&world).reconnects};
    for (int minute = 1; minute <= 30; minute++) {
        world_pass(&world, 60000);
        supervisor_request_check(world.supervisor); /* somebody keeps asking */
        counts[minute] = world_counts(&world).reconnects;
        cr_expect_leq(counts[minute] - counts[minute >= 5 ? minute - 5 : 0], 10, "minute %d",
                      minute);
    }
    cr_expect_geq(counts[30] - counts[0], 10, "it goes on trying");
    atomic_store(&world.fake.primary.is_down, false);
    cr_expect(world_reach(&world, CONNECTION_CONNECTED, 300000));
    world_close(&world);
}

Test(supervisor, a_server_that_flaps_is_limited_as_well)
{
    world_open(&world, NULL);
    for (int i = 0; i < 100; i++) { /* up for a moment, down again, 100 times in 100 s */
        struct pool_handle handle;
        atomic_store(&world.fake.primary.is_down, true);
        if (world_take(&world, &handle) == GLEANER_OK) {
            world_report(&world, &handle);
        }
        world_pass(&world, 500);
        atomic_store(&world.fake.primary.is_down, false);
        world_pass(&world, 500);
    }
    cr_expect_leq(world_counts(&world).reconnects, 10);
    world_close(&world);
}

/* ---- tiers
 * ---------------------------------------------------------------------------------------------------
 */

Test(supervisor, goes_to_the_fallback_and_names_it)
{
    world_open(&world, with_fallback);
    kill_primary();
    cr_assert(world_reach(&world, CONNECTION_FALLBACK, 5000));
    cr_expect_eq(connection_current(world.connection)->tier, CONNECTION_SECONDARY);
    cr_expect_str_eq(connection_current(world.connection)->address, "fallback");
    struct pool_handle handle;
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    cr_expect_eq(((struct supervisor_client *)handle.client)->tier, CONNECTION_SECONDARY);
    cr_expect_eq(pool_check_in(world.pool, &handle, POOL_CLIENT_GOOD), GLEANER_OK);
    world_close(&world);
}

Test(supervisor, comes_back_only_after_enough_good_checks_over_enough_time)
{
    world_open(&world, with_fallback);
    kill_primary();
    cr_assert(world_reach(&world, CONNECTION_FALLBACK, 5000));
    world_pass(&world, 60000);
    uint32_t connects = atomic_load(&world.fake.primary.connects);
    atomic_store(&world.fake.primary.is_down, false);
    while (atomic_load(&world.fake.primary.connects) == connects) { /* the first good check */
        world_pass(&world, 100);
    }
    world_pass(&world, 2800);
    cr_expect_eq(world_phase(&world), CONNECTION_FALLBACK, "3 s are not over yet");
    cr_expect(world_reach(&world, CONNECTION_CONNECTED, 1000));
    cr_expect_eq(connection_current(world.connection)->tier, CONNECTION_PRIMARY);
    cr_expect_geq(atomic_load(&world.fake.primary.connects), connects + 3);
    world_close(&world);
}

Test(supervisor, the_way_back_to_a_primary_that_stays_spends_nothing_of_the_storm_limit)
{
    world_open(&world, with_fallback);
    world_pass(&world, 400000);
    kill_primary();
    cr_assert(world_reach(&world, CONNECTION_FALLBACK, 5000));
    atomic_store(&world.fake.primary.is_down, false);
    uint32_t before = world_counts(&world).reconnect_tokens;
    cr_assert(world_reach(&world, CONNECTION_CONNECTED, 60000));
    cr_expect_lt(world_counts(&world).reconnect_tokens, before, "until it has proved itself");
    world_pass(&world, 31000);
    cr_expect_eq(world_counts(&world).reconnect_tokens, before);
    world_close(&world);
}

Test(supervisor, one_bad_check_starts_the_count_anew)
{
    world_open(&world, with_fallback);
    kill_primary();
    cr_assert(world_reach(&world, CONNECTION_FALLBACK, 5000));
    for (int i = 0; i < 20; i++) { /* up for 1.4 s, down for 1.6 s */
        atomic_store(&world.fake.primary.is_down, false);
        world_pass(&world, 1400);
        atomic_store(&world.fake.primary.is_down, true);
        world_pass(&world, 1600);
        cr_expect_eq(world_phase(&world), CONNECTION_FALLBACK, "round %d", i);
    }
    cr_expect_leq(world_counts(&world).reconnects, 10);
    world_close(&world);
}

Test(supervisor, is_embedded_when_both_servers_are_gone_and_takes_whichever_comes)
{
    world_open(&world, with_fallback);
    atomic_store(&world.fake.fallback.is_down, true);
    kill_primary();
    cr_assert(world_reach(&world, CONNECTION_EMBEDDED, 5000));
    atomic_store(&world.fake.fallback.is_down, false);
    cr_expect(world_reach(&world, CONNECTION_FALLBACK, 300000));
    world_close(&world);
}

/* ---- refresh
 * ----------------------------------------------------------------------------------------------------
 */

Test(supervisor, renews_every_client_each_four_hours_less_some_jitter)
{
    world_open(&world, NULL);
    world_pass(&world, 60000);
    uint32_t connects = atomic_load(&world.fake.primary.connects);
    world_pass(&world, UINT64_C(4) * 3600 * 1000 * 975 / 1000 - 61000);
    cr_expect_eq(world_counts(&world).refreshes, 0);
    cr_expect_eq(atomic_load(&world.fake.primary.connects), connects);
    world_pass(&world, UINT64_C(4) * 3600 * 1000 * 25 / 1000 + 2000);
    cr_expect_eq(world_counts(&world).refreshes, 1);
    cr_expect_eq(connection_current(world.connection)->generation, 1);
    cr_expect_eq(connection_transitions(world.connection), 1, "nobody else sees it");
    world_pass(&world, UINT64_C(5) * 4 * 3600 * 1000);
    cr_expect_geq(world_counts(&world).refreshes, 6);
    cr_expect_leq(world_counts(&world).refreshes, 7);
    cr_expect_eq(atomic_load(&world.fake.primary.endpoints), 3, "one generation of 2, one probe");
    world_close(&world);
}

static void four_clients(struct supervisor_config *config)
{
    config->pool.min_size = 4;
}

/* Found by fault_server_faults auth: a changed password, seen by a refresh, took ten working
 * connections out of service until it was changed back. */
Test(supervisor, a_password_that_no_longer_holds_leaves_the_open_clients_serving)
{
    world_open(&world, four_clients);
    world_pass(&world, 1000);
    atomic_store(&world.fake.primary.refuses_us, true);
    supervisor_request_refresh(world.supervisor);
    world_pass(&world, 60000);
    struct pool_handle handle;
    cr_expect_eq(world_phase(&world), CONNECTION_CONNECTED);
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    cr_expect_eq(handle.generation, 0, "of before");
    cr_expect_eq(pool_check_in(world.pool, &handle, POOL_CLIENT_GOOD), GLEANER_OK);
    cr_expect_eq(world_counts(&world).refreshes, 0);
    atomic_store(&world.fake.primary.refuses_us, false);
    world_pass(&world, 60000);
    cr_expect_eq(world_counts(&world).refreshes, 1, "tried again by itself");
    world_close(&world);
}

Test(supervisor, without_any_open_client_a_refused_password_is_an_outage)
{
    world_open(&world, NULL);
    atomic_store(&world.fake.primary.refuses_us, true);
    pool_clear(world.pool, false);
    supervisor_suspect(world.supervisor, "the test says so");
    world_pass(&world, 10000);
    struct pool_handle handle;
    cr_expect_eq(world_phase(&world), CONNECTION_EMBEDDED);
    cr_expect_eq(world_take(&world, &handle), GLEANER_E_DOWN);
    world_close(&world);
}

Test(supervisor, a_forced_refresh_joins_the_one_that_runs)
{
    world_open(&world, NULL);
    struct pool_handle held;
    cr_assert_eq(world_take(&world, &held), GLEANER_OK);
    supervisor_request_refresh(world.supervisor);
    world_settle(&world);
    cr_expect_eq(world_counts(&world).refreshes, 0, "an old client is on loan");
    supervisor_request_refresh(world.supervisor);
    world_settle(&world);
    cr_expect_eq(pool_check_in(world.pool, &held, POOL_CLIENT_GOOD), GLEANER_OK);
    world_settle(&world);
    cr_expect_eq(world_counts(&world).refreshes, 1);
    cr_expect_eq(world_counts(&world).forced_refreshes, 2);
    cr_expect_eq(connection_current(world.connection)->generation, 1);
    world_close(&world);
}

/* The first comes with the new driver pool, three connect for 10 ms each: 990 ms of rest between.
 */
Test(supervisor, a_refresh_rests_between_connections_that_take_time)
{
    world_open(&world, four_clients);
    atomic_store(&world.fake.primary.connect_ms, 10);
    supervisor_request_refresh(world.supervisor);
    world_pass(&world, 1950);
    cr_expect_eq(world_counts(&world).refreshes, 0, "the last one has to wait");
    world_pass(&world, 150);
    cr_expect_eq(world_counts(&world).refreshes, 1);
    world_close(&world);
}

Test(supervisor, a_client_that_is_missing_does_not_wait_for_a_refresh_to_rest)
{
    world_open(&world, four_clients);
    atomic_store(&world.fake.primary.connect_ms, 100);
    supervisor_request_refresh(world.supervisor);
    world_settle(&world);
    struct pool_handle broken;
    cr_assert_eq(world_take(&world, &broken), GLEANER_OK);
    cr_expect_eq(pool_check_in(world.pool, &broken, POOL_CLIENT_BROKEN), GLEANER_OK);
    world_settle(&world);
    cr_expect_eq(world_counts(&world).refreshes, 0, "it rests");
    cr_expect_geq(stats_now().total, 4, "as many as are always kept");
    atomic_store(&world.fake.primary.connect_ms, 0);
    world_pass(&world, 10000);
    cr_expect_eq(world_counts(&world).refreshes, 1);
    world_close(&world);
}

Test(supervisor, a_failure_of_an_old_client_during_a_refresh_still_counts)
{
    world_open(&world, NULL);
    struct pool_handle held;
    cr_assert_eq(world_take(&world, &held), GLEANER_OK);
    supervisor_request_refresh(world.supervisor);
    world_settle(&world);
    atomic_store(&world.fake.primary.is_down, true);
    base_clock_advance(world.clock, BASE_NS_PER_S);
    world_report(&world, &held);
    world_settle(&world);
    cr_expect_neq(world_phase(&world), CONNECTION_CONNECTED);
    atomic_store(&world.fake.primary.is_down, false);
    cr_expect(world_reach(&world, CONNECTION_CONNECTED, 60000));
    uint64_t all, stale;
    connection_report_counts(world.connection, &all, &stale);
    cr_expect_eq(all, 1);
    cr_expect_eq(stale, 0);
    world_close(&world);
}

Test(supervisor, connecting_speeds_up_one_success_at_a_time_and_pauses_on_failure)
{
    world_open(&world, NULL);
    kill_primary();
    uint32_t failures = atomic_load(&world.fake.primary.connect_failures);
    world_pass(&world, 5000);
    cr_expect_leq(atomic_load(&world.fake.primary.connect_failures), failures + 8,
                  "attempts are probes under the storm limit, not one per client");
    world_close(&world);
}
