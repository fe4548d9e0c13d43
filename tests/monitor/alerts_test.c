/* SPDX-License-Identifier: Apache-2.0 */
/* What raises an alert, what ends it, and what is said: on a virtual clock. */
#include "fake_driver.h"
#include "monitor_internal.h"
#include <bson/bson.h>
#include <criterion/criterion.h>
#include <string.h>

static struct fake_world world;
static struct monitors *monitors;
static char text[4096];

static void open_with(void (*adjust)(struct supervisor_config *config), struct mongo_watch *watch)
{
    world_open(&world, adjust);
    struct monitor_config config = {
        .health_interval_ms = 30000,
        .unhealthy_after = 2,
        .pool_first_ms = 5000,
        .pool_interval_ms = 45000,
        .connection_interval_ms = 60000,
        .connect_ms = 5000,
        .max_size = 8,
        .heartbeat_ms = 10000,
        .reconnect_limit = 10,
        .has_primary = true,
        .watch = watch,
    };
    cr_assert_eq(monitors_create(world.supervisor, &config, &monitors), GLEANER_OK);
}

static void close_world(void)
{
    world_close(&world);
    monitors_destroy(&monitors);
}

/* The line of the alert on `what`, or NULL. */
static const char *alert_on(const char *what)
{
    (void)monitors_alerts(monitors, text, sizeof(text));
    const char *at = strstr(text, what);
    if (at != NULL) {
        text[(at - text) + (ptrdiff_t)strcspn(at, "\n")] = '\0';
    }
    return at;
}

static void with_fallback(struct supervisor_config *config)
{
    config->fallback_uri = FAKE_FALLBACK;
}

Test(alerts, being_on_the_fallback_is_one_until_the_primary_serves_again)
{
    open_with(with_fallback, NULL);
    world_pass(&world, 6000);
    cr_expect_null(alert_on("do not go to the primary"));
    atomic_store(&world.fake.primary.is_down, true);
    cr_assert(world_reach(&world, CONNECTION_FALLBACK, 120000));
    world_pass(&world, 6000);
    const char *line = alert_on("do not go to the primary");
    cr_assert_not_null(line);
    cr_expect_not_null(strstr(line, "they go to the fallback"), "%s", line);
    cr_expect_not_null(strstr(line, "bring the primary back"), "%s", line);
    atomic_store(&world.fake.primary.is_down, false);
    cr_assert(world_reach(&world, CONNECTION_CONNECTED, 120000));
    world_pass(&world, 6000);
    cr_expect_null(alert_on("do not go to the primary"));
    close_world();
}

Test(alerts, the_storm_limit_is_said_to_be_used_up_and_then_to_have_room_again)
{
    open_with(NULL, NULL);
    world_pass(&world, 31000);
    atomic_store(&world.fake.primary.is_down, true);
    bool was_raised = false;
    for (int i = 0; i < 60 && !was_raised; i++) {
        world_pass(&world, 10000);
        was_raised = alert_on("reconnects used") != NULL;
    }
    cr_expect(was_raised);
    atomic_store(&world.fake.primary.is_down, false);
    cr_assert(world_reach(&world, CONNECTION_CONNECTED, 600000));
    world_pass(&world, 310000); /* the window and more */
    cr_expect_null(alert_on("reconnects used"));
    close_world();
}

Test(alerts, a_spool_that_fills_is_one_from_80_to_60_per_cent)
{
    open_with(NULL, NULL);
    static const struct {
        uint64_t bytes;
        bool is_raised;
    } steps[] = {{79, false}, {80, false}, {81, true}, {70, true},
                 {61, true},  {60, false}, {75, false}};
    for (size_t i = 0; i < BASE_ARRAY_LEN(steps); i++) {
        monitors_note_spool(monitors, steps[i].bytes << 20, UINT64_C(100) << 20);
        world_pass(&world, 5000);
        cr_expect_eq(alert_on("the spool in use") != NULL, steps[i].is_raised, "at %llu",
                     (unsigned long long)steps[i].bytes);
    }
    close_world();
}

static void all_connected(struct supervisor_config *config)
{
    config->pool.min_size = 8;
}

Test(alerts, clients_that_are_all_out_are_seen_within_a_look)
{
    open_with(all_connected, NULL);
    struct pool_handle handles[8];
    world_pass(&world, 10000);
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(world_take(&world, &handles[i]), GLEANER_OK);
    }
    world_pass(&world, 5000);
    cr_expect_not_null(alert_on("the pool in use (per cent): 100"), "%s", text);
    for (int i = 0; i < 2; i++) {
        (void)pool_check_in(world.pool, &handles[i], POOL_CLIENT_GOOD);
    }
    world_pass(&world, 5000);
    cr_expect_null(alert_on("the pool in use"), "6 of 8 are 75 per cent");
    for (int i = 2; i < 8; i++) {
        (void)pool_check_in(world.pool, &handles[i], POOL_CLIENT_GOOD);
    }
    close_world();
}

/* ---- the server's own numbers ---- */

static void show(struct mongo_server_status status)
{
    world.fake.primary.shown = (struct supervisor_server_connections){
        .current = status.connections_current,
        .available = status.connections_available,
        .total_created = status.connections_created,
        .has_status = true,
        .status = status,
    };
}

static struct mongo_server_status healthy_server(void)
{
    return (struct mongo_server_status){
        .connections_current = 10,
        .connections_available = 90,
        .connections_created = 100,
        .read_tickets = 128,
        .write_tickets = 128,
        .cache_used_percent = 50,
        .cache_dirty_percent = 2,
    };
}

Test(alerts, new_connections_are_counted_in_60_seconds_whatever_the_period)
{
    open_with(NULL, NULL);
    monitors->config.connection_interval_ms = 10000;
    struct mongo_server_status status = healthy_server();
    show(status);
    world_pass(&world, 61000);
    for (int i = 0; i < 12; i++) { /* 8 in 10 s are 48 in 60 s */
        status.connections_created += 8;
        show(status);
        world_pass(&world, 10000);
        cr_expect_null(alert_on("connections made"), "%s", text);
    }
    for (int i = 0; i < 12; i++) { /* 9 are 54 */
        status.connections_created += 9;
        show(status);
        world_pass(&world, 10000);
    }
    cr_expect_not_null(alert_on("connections made"));
    world_pass(&world, 130000);
    cr_expect_null(alert_on("connections made"));
    status.connections_created = 3; /* restarted: not a negative rate, not a new alert */
    show(status);
    world_pass(&world, 60000);
    cr_expect_null(alert_on("connections made"));
    close_world();
}

Test(alerts, a_queue_inside_the_server_is_said_with_what_explains_it)
{
    open_with(NULL, NULL);
    struct mongo_server_status status = healthy_server();
    show(status);
    world_pass(&world, 61000);
    cr_expect_null(alert_on("wait inside the server"));
    status.queued_readers = 12;
    status.queued_writers = 9;
    status.read_tickets_out = 128;
    status.cache_dirty_percent = 31;
    status.evicted_by_operations = 700;
    show(status);
    world_pass(&world, 60000);
    const char *line = alert_on("wait inside the server: 21");
    cr_assert_not_null(line, "%s", text);
    cr_expect_not_null(strstr(line, "128 of 128 read tickets are out"), "%s", line);
    cr_expect_not_null(strstr(line, "31 % of the cache wait to be written"), "%s", line);
    cr_expect_not_null(strstr(line, "evict 700 pages"), "%s", line);
    cr_expect_null(strstr(line, "write tickets"), "none of them is out: %s", line);
    status.queued_readers = 4;
    status.queued_writers = 0;
    show(status);
    world_pass(&world, 60000);
    cr_expect_null(alert_on("wait inside the server"));
    close_world();
}

Test(alerts, a_full_cache_is_one_from_95_to_90_per_cent)
{
    open_with(NULL, NULL);
    struct mongo_server_status status = healthy_server();
    static const struct {
        int64_t percent;
        bool is_raised;
    } steps[] = {{95, false}, {96, true}, {92, true}, {90, false}};
    for (size_t i = 0; i < BASE_ARRAY_LEN(steps); i++) {
        status.cache_used_percent = steps[i].percent;
        show(status);
        world_pass(&world, 60000);
        cr_expect_eq(alert_on("cache in use") != NULL, steps[i].is_raised, "at %lld",
                     (long long)steps[i].percent);
    }
    close_world();
}

/* ---- the driver's heartbeats ---- */

Test(alerts, a_driver_whose_monitor_hangs_is_told_and_its_server_checked_at_once)
{
    open_with(NULL, NULL);
    world_pass(&world, 1000);
    fake_heartbeat(&world.fake, &world.fake.primary, true);
    world_pass(&world, 20000);
    cr_expect_null(alert_on("without a heartbeat"), "10 s of interval, 5 s of connect, 5 s more");
    uint64_t checks = 0;
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    monitors_read(monitors, &report);
    checks = report.checks;
    cr_expect_eq(report.heartbeats, 3, "of the probe's driver pool and the data's two: %llu",
                 (unsigned long long)report.heartbeats);
    world_pass(&world, 5000);
    cr_expect_not_null(alert_on("without a heartbeat"));
    monitors_read(monitors, &report);
    cr_expect_eq(report.checks, checks + 1, "five seconds before its time");
    cr_expect(report.is_healthy, "silence of the driver is no proof against the server");
    fake_heartbeat(&world.fake, &world.fake.primary, true);
    world_pass(&world, 5000);
    cr_expect_null(alert_on("without a heartbeat"));
    close_world();
}

/* ---- slow operations ---- */

static void run_command(struct mongo_watch *watch, const char *collection, int64_t us)
{
    static int64_t request;
    bson_t *command = BCON_NEW("find", BCON_UTF8(collection), "filter", "{", "secret",
                               BCON_UTF8("Geheim-4711"), "}");
    mongo_watch_begin(watch, "app", "find", command, ++request);
    mongo_watch_end(watch, request, us, MONGO_SUCCEEDED);
    bson_destroy(command);
}

static enum gleaner_status fake_explain(mongo_client *client, const struct mongo_sample *sample,
                                        struct mongo_plan *out, struct mongo_error *error)
{
    (void)client;
    (void)error;
    cr_assert_not_null(sample);
    *out = (struct mongo_plan){.is_scan = true, .fields = "secret", .wanted = "{secret: 1}"};
    return GLEANER_OK;
}

Test(alerts, slow_operations_are_one_while_there_are_more_than_a_few_in_a_minute)
{
    struct mongo_watch *watch;
    cr_assert_eq(mongo_watch_create(100, &watch), GLEANER_OK);
    open_with(NULL, watch);
    monitors->config.explain = fake_explain;
    for (int i = 0; i < 5; i++) {
        run_command(watch, "jobs", 150000);
    }
    run_command(watch, "jobs", 99000);
    world_pass(&world, 5000);
    cr_expect_null(alert_on("slow operations"), "five are not more than five");
    run_command(watch, "jobs", 250000);
    world_pass(&world, 5000);
    const char *line = alert_on("slow operations in 60 s: 6");
    cr_assert_not_null(line, "%s", text);
    cr_expect_not_null(strstr(line, "find app.jobs {secret}"), "%s", line);
    cr_expect_not_null(strstr(line, "were not read yet"), "%s", line);
    world_pass(&world, 61000);
    cr_expect_null(alert_on("slow operations"));
    close_world();
    mongo_watch_destroy(&watch);
}

Test(alerts, each_slow_shape_is_explained_once_and_never_shows_a_value)
{
    struct mongo_watch *watch;
    cr_assert_eq(mongo_watch_create(100, &watch), GLEANER_OK);
    open_with(NULL, watch);
    monitors->config.explain = fake_explain;
    for (int i = 0; i < 30; i++) {
        run_command(watch, "jobs", 150000);
        run_command(watch, "pages", 130000);
        run_command(watch, "quick", 1000);
        world_pass(&world, 5000);
    }
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    monitors_read(monitors, &report);
    cr_expect_eq(report.explains, 2);
    cr_expect_eq(report.operations, 90);
    cr_expect_eq(report.slow_operations, 60);
    (void)monitors_slow(monitors, text, sizeof(text));
    cr_expect_not_null(strstr(text, "collection app.jobs is scanned for {secret}: create an index "
                                    "{secret: 1}"),
                       "%s", text);
    cr_expect_not_null(strstr(text, "app.pages"));
    cr_expect_null(strstr(text, "quick"));
    cr_expect_null(strstr(text, "Geheim"));
    struct gleaner_operation operations[8];
    cr_assert_eq(monitors_operations(monitors, operations, sizeof(operations[0]), 8), 3);
    cr_expect_str_eq(operations[0].where, "app.jobs", "the costliest first");
    cr_expect_str_eq(operations[2].where, "app.quick");
    cr_expect_str_eq(operations[2].advice, "");
    close_world();
    mongo_watch_destroy(&watch);
}

Test(alerts, an_explain_waits_while_no_server_serves)
{
    struct mongo_watch *watch;
    cr_assert_eq(mongo_watch_create(100, &watch), GLEANER_OK);
    open_with(NULL, watch);
    monitors->config.explain = fake_explain;
    world_pass(&world, 31000);
    atomic_store(&world.fake.primary.is_down, true);
    while (world_phase(&world) == CONNECTION_CONNECTED) {
        world_pass(&world, 1000);
    }
    run_command(watch, "jobs", 150000);
    run_command(watch, "jobs", 150000);
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    world_pass(&world, 11000);
    monitors_read(monitors, &report);
    cr_expect_eq(report.explains, 0);
    atomic_store(&world.fake.primary.is_down, false);
    cr_assert(world_reach(&world, CONNECTION_CONNECTED, 300000));
    world_pass(&world, 11000);
    monitors_read(monitors, &report);
    cr_expect_eq(report.explains, 1);
    close_world();
    mongo_watch_destroy(&watch);
}
