/* SPDX-License-Identifier: Apache-2.0 */
/* On the fallback: what must not make it forget to look for the primary. */
#include "fake_driver.h"
#include <criterion/criterion.h>

static struct fake_world world;

static void with_fallback(struct supervisor_config *config)
{
    config->fallback_uri = FAKE_FALLBACK;
}

/* On the fallback, and the primary is back: it has answered the first of three checks. */
static void open_on_the_way_back(void)
{
    struct pool_handle handle;
    world_open(&world, with_fallback);
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    atomic_store(&world.fake.primary.is_down, true);
    world_report(&world, &handle);
    cr_assert(world_reach(&world, CONNECTION_FALLBACK, 5000));
    world_pass(&world, 60000);
    uint32_t connects = atomic_load(&world.fake.primary.connects);
    atomic_store(&world.fake.primary.is_down, false);
    while (atomic_load(&world.fake.primary.connects) == connects) {
        world_pass(&world, 100);
    }
}

/* Several tasks are due at once then. */
static void pass_without_looking(uint64_t ms)
{
    base_clock_advance(world.clock, ms * BASE_NS_PER_MS);
    world_settle(&world);
}

/* Both found by reading: one client of the fallback that breaks in the wrong moment, and the
 * process stayed on the fallback until it was started again. */
Test(way_back, an_attempt_that_falls_due_while_the_fallback_is_suspected_is_not_lost)
{
    struct pool_handle handle;
    open_on_the_way_back();
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    base_clock_advance(world.clock, 1500 * BASE_NS_PER_MS); /* the second check is due */
    world_report(&world, &handle);
    world_settle(&world);
    cr_expect_eq(world_phase(&world), CONNECTION_FALLBACK, "the fallback is well");
    cr_expect(world_reach(&world, CONNECTION_CONNECTED, 60000));
    world_close(&world);
}

Test(way_back, an_answer_of_the_primary_while_the_fallback_is_suspected_ends_nothing)
{
    open_on_the_way_back();
    supervisor_suspect(world.supervisor, "the test says so");
    world_settle(&world);
    supervisor_suspect(world.supervisor, "again"); /* held off for half a second */
    pass_without_looking(1500);                    /* that, and the second check */
    cr_expect_eq(world_phase(&world), CONNECTION_FALLBACK);
    cr_expect(world_reach(&world, CONNECTION_CONNECTED, 60000));
    world_close(&world);
}
