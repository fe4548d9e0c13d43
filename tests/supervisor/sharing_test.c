/* SPDX-License-Identifier: Apache-2.0 */
/* A driver in which an error stays with its client: monitors send their commands through the
 * table's driver pool, and only a probe under suspicion has one of its own. */
#include "fake_driver.h"
#include <criterion/criterion.h>

static struct fake_world world;

static void isolating(struct supervisor_config *config)
{
    config->driver.isolates_errors = true;
}

static void note_status(void *ctx, const struct supervisor_answer *answer)
{
    *(enum gleaner_status *)ctx = answer->status;
}

static enum gleaner_status ask_for_ping(void)
{
    enum gleaner_status status = GLEANER_E_INTERNAL;
    cr_assert_eq(supervisor_call(world.supervisor, SUPERVISOR_PING, note_status, &status),
                 GLEANER_OK);
    world_settle(&world);
    return status;
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

/* Found by fault_server_faults kill: a restarted server was asked for 14 to 16 connections by a
 * pool of 10, three of them for a probe that the first client of the table can be. */
Test(sharing, a_recovery_makes_no_connection_but_the_tables)
{
    world_open(&world, isolating);
    cr_expect_eq(atomic_load(&world.fake.primary.connects), 2, "min_size");
    cr_expect_eq(atomic_load(&world.fake.primary.endpoints), 1);
    cr_expect_eq(ask_for_ping(), GLEANER_OK);
    cr_expect_eq(atomic_load(&world.fake.primary.clients), 3, "one for the monitors' commands");
    cr_expect_eq(atomic_load(&world.fake.primary.endpoints), 1, "beside the table's");
    kill_primary();
    atomic_store(&world.fake.primary.connects, 0);
    atomic_store(&world.fake.primary.is_down, false);
    cr_assert(world_reach(&world, CONNECTION_CONNECTED, 60000));
    world_settle(&world);
    cr_expect_eq(atomic_load(&world.fake.primary.connects), 2);
    cr_expect_eq(atomic_load(&world.fake.primary.clients), 2);
    cr_expect_eq(atomic_load(&world.fake.primary.endpoints), 1, "nothing of before is left");
    world_close(&world);
}

Test(sharing, a_probe_under_suspicion_stays_out_of_the_tables_driver_pool)
{
    world_open(&world, isolating);
    cr_expect_eq(ask_for_ping(), GLEANER_OK);
    supervisor_suspect(world.supervisor, "the test says so");
    world_settle(&world);
    cr_expect_eq(world_phase(&world), CONNECTION_CONNECTED);
    cr_expect_eq(atomic_load(&world.fake.primary.endpoints), 2, "its handshake may fail");
    cr_expect_eq(atomic_load(&world.fake.primary.clients), 3, "it is the monitors' from now on");
    supervisor_request_refresh(world.supervisor);
    world_pass(&world, 10000);
    cr_expect_eq(world_counts(&world).refreshes, 1);
    cr_expect_eq(atomic_load(&world.fake.primary.endpoints), 1, "and leaves with the refresh");
    cr_expect_eq(ask_for_ping(), GLEANER_OK);
    world_close(&world);
}

Test(sharing, a_command_that_failed_is_not_tried_again_beside_the_tables_clients)
{
    world_open(&world, isolating);
    cr_expect_eq(ask_for_ping(), GLEANER_OK);
    atomic_store(&world.fake.primary.is_down, true);
    cr_expect_neq(ask_for_ping(), GLEANER_OK);
    atomic_store(&world.fake.primary.is_down, false);
    cr_expect_eq(ask_for_ping(), GLEANER_OK);
    cr_expect_eq(atomic_load(&world.fake.primary.endpoints), 2);
    world_close(&world);
}

Test(sharing, an_attempt_that_failed_leaves_a_monitor_that_tells_of_the_return)
{
    world_open(&world, isolating);
    kill_primary();
    cr_assert(world_reach(&world, CONNECTION_EMBEDDED, 60000));
    world_pass(&world, 120000);
    cr_expect_eq(atomic_load(&world.fake.primary.endpoints), 1);
    fake_heartbeat(&world.fake, &world.fake.primary, false);
    world_settle(&world);
    atomic_store(&world.fake.primary.is_down, false);
    fake_heartbeat(&world.fake, &world.fake.primary, true);
    world_settle(&world);
    cr_expect_eq(world_phase(&world), CONNECTION_CONNECTED);
    cr_expect_eq(atomic_load(&world.fake.primary.endpoints), 1);
    world_close(&world);
}

static void isolating_with_fallback(struct supervisor_config *config)
{
    isolating(config);
    config->fallback_uri = FAKE_FALLBACK;
}

Test(sharing, the_way_to_the_fallback_and_back_leaves_no_connection_behind)
{
    world_open(&world, isolating_with_fallback);
    cr_expect_eq(ask_for_ping(), GLEANER_OK);
    kill_primary();
    cr_assert(world_reach(&world, CONNECTION_FALLBACK, 5000));
    cr_expect_eq(ask_for_ping(), GLEANER_OK);
    cr_expect_eq(atomic_load(&world.fake.fallback.clients), 3);
    atomic_store(&world.fake.primary.is_down, false);
    cr_assert(world_reach(&world, CONNECTION_CONNECTED, 120000));
    world_pass(&world, 1000);
    cr_expect_eq(atomic_load(&world.fake.fallback.clients), 0);
    cr_expect_eq(atomic_load(&world.fake.fallback.endpoints), 0);
    cr_expect_eq(atomic_load(&world.fake.primary.clients), 2);
    cr_expect_eq(atomic_load(&world.fake.primary.endpoints), 1);
    world_close(&world);
}
