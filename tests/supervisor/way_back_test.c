/* SPDX-License-Identifier: Apache-2.0 */
/* Without the primary: what must not make it forget to look for it, or look at another. */
#include "fake_driver.h"
#include "poke.h"
#include <criterion/criterion.h>
#include <string.h>

static struct fake_world world;

static void with_fallback(struct supervisor_config *config)
{
    config->fallback_uri = FAKE_FALLBACK;
}

/* A world whose primary has gone, and what is left then. */
static void open_without_primary(void (*adjust)(struct supervisor_config *config),
                                 enum connection_phase left)
{
    struct pool_handle handle;
    world_open(&world, adjust);
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    atomic_store(&world.fake.primary.is_down, true);
    world_report(&world, &handle);
    cr_assert(world_reach(&world, left, 60000));
}

/* On the fallback, and the primary is back: it has answered the first of three checks. */
static void open_on_the_way_back(void)
{
    open_without_primary(with_fallback, CONNECTION_FALLBACK);
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

static uint32_t pokes;

/* A primary that only the driver can ask, as behind a socket in the file system. */
static void poke_nobody(void *ctx, const char *uri, uint32_t timeout_ms, const _Atomic bool *end,
                        struct poke_report *out)
{
    (void)ctx;
    (void)uri;
    (void)timeout_ms;
    (void)end;
    pokes++;
    out->answer = POKE_UNASKED;
}

static void with_pokes(struct supervisor_config *config)
{
    with_fallback(config);
    config->driver.poke = poke_nobody;
}

/* What pokes said is forgotten while the fallback is suspected, so the attempt after it asks first
 * and waits for the answer. */
static void pass_until_an_attempt_waits_for_a_poke(void)
{
    struct pool_handle handle;
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    base_clock_advance(world.clock, 60 * BASE_NS_PER_S); /* every task is due */
    world_report(&world, &handle);
    world_settle(&world);
    cr_assert_eq(world_phase(&world), CONNECTION_FALLBACK);
    uint32_t before = pokes;
    base_clock_advance(world.clock, BASE_NS_PER_S);
    while (pokes == before && supervisor_step(world.supervisor)) {
    }
    cr_assert_eq(pokes, before + 1, "its answer is not looked at yet");
}

Test(way_back, an_attempt_whose_poke_ends_while_the_fallback_is_suspected_is_not_lost)
{
    open_without_primary(with_pokes, CONNECTION_FALLBACK);
    pass_until_an_attempt_waits_for_a_poke();
    supervisor_suspect(world.supervisor, "the test says so");
    cr_assert_eq(world_phase(&world), CONNECTION_DEGRADED);
    world_settle(&world);
    cr_expect_eq(world_phase(&world), CONNECTION_FALLBACK, "the fallback is well");
    atomic_store(&world.fake.primary.is_down, false);
    cr_expect(world_reach(&world, CONNECTION_CONNECTED, 300000));
    world_close(&world);
}

/* The server of the first settings is refused, that of the new ones answers. */
static void poke_by_uri(void *ctx, const char *uri, uint32_t timeout_ms, const _Atomic bool *end,
                        struct poke_report *out)
{
    (void)ctx;
    (void)timeout_ms;
    (void)end;
    pokes++;
    out->answer = strcmp(uri, FAKE_PRIMARY) == 0 ? POKE_REFUSED : POKE_ANSWERED;
}

static struct supervisor_config settings;

static void with_pokes_by_uri(struct supervisor_config *config)
{
    config->driver.poke = poke_by_uri;
    settings = *config;
}

static void move_to_the_other_server(void)
{
    struct supervisor_change *change = NULL;
    struct base_error error = {0};
    settings.primary_uri = FAKE_FALLBACK;
    cr_assert_eq(supervisor_change_create(world.supervisor, &settings, &change, &error), GLEANER_OK,
                 "%s", error.message);
    supervisor_change_apply(world.supervisor, change);
    supervisor_change_destroy(&change);
}

Test(way_back, what_a_poke_of_the_old_server_finds_says_nothing_of_the_new_one)
{
    open_without_primary(with_pokes_by_uri, CONNECTION_EMBEDDED);
    uint32_t before = pokes;
    base_clock_advance(world.clock, 2500 * BASE_NS_PER_MS); /* the next is due */
    while (pokes == before && supervisor_step(world.supervisor)) {
    }
    cr_assert_eq(pokes, before + 1, "its answer is not looked at yet");
    move_to_the_other_server();
    world_settle(&world);
    cr_expect_eq(world_phase(&world), CONNECTION_CONNECTED, "at once");
    world_close(&world);
}
