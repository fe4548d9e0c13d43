/* SPDX-License-Identifier: Apache-2.0 */
/* The monitors on a virtual clock, over the supervisor with servers that do as they are told. */
#include "fake_driver.h"
#include "monitor_internal.h"
#include <criterion/criterion.h>
#include <string.h>

static struct fake_world world;
static struct monitors *monitors;

static struct monitor_config ordinary(void)
{
    return (struct monitor_config){
        .health_interval_ms = 30000,
        .unhealthy_after = 2,
        .pool_first_ms = 5000,
        .pool_interval_ms = 45000,
        .connection_interval_ms = 60000,
        .connect_ms = 5000,
        .max_size = 8,
    };
}

static void open_world(void)
{
    world_open(&world, NULL);
    struct monitor_config config = ordinary();
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

Test(monitor, health_costs_one_command_per_period_whatever_the_number_of_clients)
{
    open_world();
    uint32_t pings = atomic_load(&world.fake.primary.pings);
    world_pass(&world, 600000);
    cr_expect_eq(atomic_load(&world.fake.primary.looks), 10, "the connection monitor's");
    cr_expect_eq(atomic_load(&world.fake.primary.pings) - pings, 10, "when that is not due");
    cr_expect_eq(report_now().checks, 20, "both are checks");
    cr_expect(report_now().is_healthy);
    close_world();
}

Test(monitor, a_user_who_may_not_see_the_numbers_still_has_his_health_checked)
{
    open_world();
    world.fake.primary.shown = (struct supervisor_server_connections){.current = 1};
    world.fake.primary.shown_status = GLEANER_E_AUTH;
    uint32_t pings = atomic_load(&world.fake.primary.pings);
    world_pass(&world, 600000);
    cr_expect_eq(atomic_load(&world.fake.primary.looks), 1, "refused once, not asked again");
    /* one of the 20 is that look; its client is replaced by one that is pinged */
    cr_expect_geq(atomic_load(&world.fake.primary.pings) - pings, 18);
    cr_expect_leq(atomic_load(&world.fake.primary.pings) - pings, 20);
    cr_expect(report_now().is_healthy);
    cr_expect_eq(report_now().server_current, -1);
    close_world();
}

Test(monitor, two_failed_checks_in_a_row_start_the_recovery_without_any_worker)
{
    open_world();
    world_pass(&world, 31000);
    atomic_store(&world.fake.primary.is_down, true);
    world_pass(&world, 30000);
    cr_expect_eq(report_now().failed_checks_in_row, 1);
    cr_expect(report_now().is_healthy, "one may be chance");
    cr_expect_eq(world_phase(&world), CONNECTION_CONNECTED);
    world_pass(&world, 6000);
    cr_expect_eq(report_now().failed_checks_in_row, 2);
    cr_expect_not(report_now().is_healthy);
    cr_expect_neq(world_phase(&world), CONNECTION_CONNECTED);
    char text[512];
    cr_expect_gt(monitors_alerts(monitors, text, sizeof(text)), 0);
    cr_expect_not_null(strstr(text, "failed health checks"), "%s", text);
    atomic_store(&world.fake.primary.is_down, false);
    cr_expect(world_reach(&world, CONNECTION_CONNECTED, 300000));
    world_pass(&world, 31000);
    cr_expect(report_now().is_healthy);
    cr_expect_null(strstr((monitors_alerts(monitors, text, sizeof(text)), text), "health"));
    close_world();
}

Test(monitor, the_servers_connections_are_shown_and_alerted_on)
{
    open_world();
    cr_expect_eq(report_now().server_current, -1, "not looked yet");
    world_pass(&world, 61000);
    cr_expect_eq(report_now().server_current, 80);
    cr_expect_eq(report_now().server_available, 20);
    cr_expect_eq(report_now().alerts, 1, "80 per cent is above 70");
    close_world();
}

Test(monitor, a_report_of_an_older_and_shorter_shape_is_filled_as_far_as_it_goes)
{
    open_world();
    struct gleaner_monitor_report report;
    memset(&report, 0x55, sizeof(report));
    report.size = offsetof(struct gleaner_monitor_report, in_use);
    monitors_read(monitors, &report);
    cr_expect_eq(report.total, 2);
    cr_expect_eq(report.in_use, 0x55555555);
    close_world();
}

/* ---- alerts
 * --------------------------------------------------------------------------------------- */

Test(alerts, a_value_that_swings_around_its_level_is_one_alert)
{
    sync_init();
    sync_reader_ensure();
    base_log_set_level(BASE_LOG_ERROR);
    struct alerts *alerts = &(struct alerts){0};
    alerts_init(alerts);
    alerts_measure(alerts, ALERT_POOL_USED, 90);
    cr_expect_not(alerts->is_raised[ALERT_POOL_USED], "at the level is not above it");
    for (int i = 0; i < 10; i++) {
        alerts_measure(alerts, ALERT_POOL_USED, i % 2 == 0 ? 91 : 80);
        cr_expect(alerts->is_raised[ALERT_POOL_USED]);
    }
    alerts_measure(alerts, ALERT_POOL_USED, 75);
    cr_expect_not(alerts->is_raised[ALERT_POOL_USED]);
}

Test(alerts, the_text_is_cut_at_the_buffer_and_its_length_is_told)
{
    open_world();
    alerts_measure(&monitors->alerts, ALERT_WAITING, 6);
    alerts_measure(&monitors->alerts, ALERT_STUCK, 1);
    char text[1024], small[20];
    size_t len = monitors_alerts(monitors, text, sizeof(text));
    cr_expect_eq(len, strlen(text));
    cr_expect_eq(monitors_alerts(monitors, small, sizeof(small)), len);
    cr_expect_eq(strlen(small), sizeof(small) - 1);
    cr_expect_eq(memcmp(small, text, sizeof(small) - 1), 0);
    close_world();
}
