/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own numbers, when the server is another one, or does not give them. */
#include "fake_driver.h"
#include "monitor_internal.h"
#include <criterion/criterion.h>
#include <string.h>

static struct fake_world world;
static struct monitors *monitors;

static void with_fallback(struct supervisor_config *config)
{
    config->fallback_uri = FAKE_FALLBACK;
}

static void open_world(uint32_t health_interval_ms)
{
    struct monitor_config config = {
        .health_interval_ms = health_interval_ms,
        .unhealthy_after = 2,
        .pool_first_ms = 5000,
        .pool_interval_ms = 45000,
        .connection_interval_ms = 60000,
        .connect_ms = 5000,
        .max_size = 8,
    };
    world_open(&world, with_fallback);
    cr_assert_eq(monitors_create(world.supervisor, &config, &monitors), GLEANER_OK);
}

static void close_world(void)
{
    world_close(&world);
    monitors_destroy(&monitors);
}

static struct gleaner_monitor_report report_now(void)
{
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    monitors_read(monitors, &report);
    return report;
}

static bool is_alerted(const char *what)
{
    char text[4096];
    (void)monitors_alerts(monitors, text, sizeof(text));
    return strstr(text, what) != NULL;
}

static void lose_primary(void)
{
    struct pool_handle handle;
    cr_assert_eq(world_take(&world, &handle), GLEANER_OK);
    atomic_store(&world.fake.primary.is_down, true);
    world_report(&world, &handle);
    cr_assert(world_reach(&world, CONNECTION_FALLBACK, 5000));
}

Test(server_change, the_numbers_of_a_server_that_is_not_in_use_are_neither_shown_nor_alerted_on)
{
    open_world(30000);
    world_pass(&world, 61000);
    cr_expect_eq(report_now().server_current, 80);
    cr_expect(is_alerted("connections in use"));
    lose_primary();
    world_pass(&world, 6000); /* the next look at memory, before that at the server */
    cr_expect_eq(report_now().server_current, -1);
    cr_expect_not(is_alerted("connections in use"));
    close_world();
}

/* It had made 99,000 connections more than the primary: in all its life. */
Test(server_change, the_fallbacks_count_of_connections_is_no_growth_of_the_primarys)
{
    open_world(30000);
    world.fake.primary.shown = (struct supervisor_server_connections){
        .current = 1, .available = 99, .total_created = 1000};
    world.fake.fallback.shown = (struct supervisor_server_connections){
        .current = 1, .available = 99, .total_created = 100000};
    world_pass(&world, 61000);
    cr_expect_eq(report_now().server_total_created, 1000);
    lose_primary();
    world_pass(&world, 61000);
    cr_expect_eq(report_now().server_total_created, 100000);
    cr_expect_not(is_alerted("connections made"));
    close_world();
}

Test(server_change, rights_that_were_granted_are_found_by_the_next_refresh)
{
    open_world(30000);
    world.fake.primary.shown = (struct supervisor_server_connections){.current = 1};
    world.fake.primary.shown_status = GLEANER_E_AUTH;
    world_pass(&world, 200000);
    cr_expect_eq(atomic_load(&world.fake.primary.looks), 1);
    world.fake.primary.shown_status = GLEANER_OK;
    supervisor_request_refresh(world.supervisor);
    world_pass(&world, 70000);
    cr_expect_eq(report_now().server_current, 1);
    close_world();
}

/* It was asked again each minute, and each time a failed check and a lost probe client. */
Test(server_change, a_server_that_does_not_know_the_command_is_not_sick)
{
    open_world(30000);
    world.fake.primary.shown = (struct supervisor_server_connections){.current = 1};
    world.fake.primary.shown_status = GLEANER_E_INTERNAL; /* CommandNotFound */
    world_pass(&world, 60100);
    cr_expect_eq(report_now().failed_checks_in_row, 0);
    world_pass(&world, 540000);
    cr_expect_eq(atomic_load(&world.fake.primary.looks), 1);
    cr_expect(report_now().is_healthy);
    close_world();
}
