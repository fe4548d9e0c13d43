/* SPDX-License-Identifier: Apache-2.0 */
/* The refresh of each four hours, beside settings that change. */
#include "fake_driver.h"
#include <criterion/criterion.h>

static struct fake_world world;
static struct supervisor_config config;

static void keep_config(struct supervisor_config *given)
{
    given->refresh_interval_ms = 60000;
    config = *given;
}

static void change_uri(const char *uri)
{
    struct supervisor_change *change = NULL;
    struct base_error error = {0};
    config.primary_uri = uri;
    cr_assert_eq(supervisor_change_create(world.supervisor, &config, &change, &error), GLEANER_OK);
    supervisor_change_apply(world.supervisor, change);
    supervisor_change_destroy(&change);
    world_settle(&world);
}

/* Found by reading: it was due while a new address did not answer, its try was that of the new
 * address, and with that address withdrawn no refresh ever came again. */
Test(refresh_timer, is_set_again_when_the_settings_it_tried_are_withdrawn)
{
    atomic_store(&world.fake.fallback.is_down, true);
    world_open(&world, keep_config);
    world_pass(&world, 1000);
    change_uri(FAKE_FALLBACK);
    world_pass(&world, 70000);
    cr_expect_eq(world_phase(&world), CONNECTION_CONNECTED, "the old connections serve on");
    cr_expect_eq(world_counts(&world).refreshes, 0);
    change_uri(FAKE_PRIMARY);
    world_pass(&world, 130000);
    cr_expect_geq(world_counts(&world).refreshes, 1);
    world_close(&world);
}
