/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint32_t wakes;

static void count_wake(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&wakes, 1);
}

/* The table is never touched here: the snapshot only carries its address. */
static struct pool *const some_table = (struct pool *)0x1000;

static struct connection *create(struct base_clock *clock)
{
    struct connection *connection = NULL;
    sync_init();
    sync_reader_ensure();
    base_log_set_level(BASE_LOG_ERROR);
    cr_assert_eq(connection_create(some_table, clock, count_wake, NULL, &connection), GLEANER_OK);
    return connection;
}

static void move(struct connection *connection, enum connection_event event, uint32_t generation)
{
    struct connection_facts facts = {
        .tier = CONNECTION_PRIMARY, .generation = generation, .reason = "test"};
    connection_move(connection, event, &facts);
}

/* ---- the table
 * ------------------------------------------------------------------------------------ */

static char printed[8192];

static void print_line(void *ctx, const char *line)
{
    (void)ctx;
    size_t used = strlen(printed);
    snprintf(printed + used, sizeof(printed) - used, "%s\n", line);
}

Test(connection, the_graph_in_the_readme_is_the_one_of_the_table)
{
    connection_print_graph(print_line, NULL);
    FILE *file = fopen(CONNECTION_README, "r");
    cr_assert_not_null(file);
    static char readme[32768];
    size_t len = fread(readme, 1, sizeof(readme) - 1, file);
    fclose(file);
    readme[len] = '\0';
    cr_expect_not_null(strstr(readme, printed), "put this into README.md:\n%s", printed);
}

Test(connection, every_phase_but_the_last_can_be_drained_and_the_last_is_left_by_nothing)
{
    for (int phase = CONNECTION_STARTING; phase < CONNECTION_DRAINING; phase++) {
        cr_expect_eq(connection_edge((enum connection_phase)phase, CONNECTION_EV_DRAIN),
                     CONNECTION_DRAINING, "%s",
                     connection_phase_name((enum connection_phase)phase));
    }
    for (int event = 0; event < CONNECTION_EVENT_COUNT; event++) {
        cr_expect_eq(connection_edge(CONNECTION_CLOSED, (enum connection_event)event),
                     CONNECTION_ABSENT);
    }
}

Test(connection, no_phase_but_the_closed_one_is_a_dead_end)
{
    bool reaches_connected[CONNECTION_PHASE_COUNT] = {[CONNECTION_CONNECTED] = true};
    for (int round = 0; round < CONNECTION_PHASE_COUNT; round++) {
        for (int phase = CONNECTION_STARTING; phase < CONNECTION_DRAINING; phase++) {
            for (int event = 0; event < CONNECTION_EVENT_COUNT; event++) {
                enum connection_phase to =
                    connection_edge((enum connection_phase)phase, (enum connection_event)event);
                reaches_connected[phase] |= to != CONNECTION_ABSENT && reaches_connected[to];
            }
        }
    }
    for (int phase = CONNECTION_STARTING; phase < CONNECTION_DRAINING; phase++) {
        cr_expect(reaches_connected[phase], "%s",
                  connection_phase_name((enum connection_phase)phase));
    }
}

Test(connection, a_forbidden_move_stops_the_program, .signal = SIGABRT)
{
    struct connection *connection = create(base_clock_real());
    move(connection, CONNECTION_EV_RETURN_READY, 0);
}

/* ---- the snapshot
 * ----------------------------------------------------------------------------------- */

Test(connection, a_move_publishes_the_next_version_with_its_facts)
{
    struct base_clock *clock = base_clock_virtual_create(BASE_NS_PER_S);
    struct connection *connection = create(clock);
    base_clock_advance(clock, BASE_NS_PER_S);
    struct connection_facts facts = {.tier = CONNECTION_PRIMARY,
                                     .generation = 4,
                                     .address = "host:1",
                                     .database = "app",
                                     .reason = "why"};
    connection_move(connection, CONNECTION_EV_PRIMARY_UP, &facts);
    struct connection_snapshot now;
    connection_copy(connection, &now);
    cr_expect_eq(now.version, 4);
    cr_expect_eq(now.phase, CONNECTION_CONNECTED);
    cr_expect_eq(now.tier, CONNECTION_PRIMARY);
    cr_expect_eq(now.generation, 4);
    cr_expect_eq(now.since_ns, 2 * BASE_NS_PER_S);
    cr_expect_eq(now.table, some_table);
    cr_expect_str_eq(now.address, "host:1");
    cr_expect_str_eq(now.database, "app");
    cr_expect_str_eq(now.reason, "why");
    connection_destroy(&connection);
    base_clock_destroy(&clock);
}

Test(connection, an_update_keeps_phase_since_and_what_it_does_not_name)
{
    struct base_clock *clock = base_clock_virtual_create(BASE_NS_PER_S);
    struct connection *connection = create(clock);
    struct connection_facts facts = {
        .tier = CONNECTION_PRIMARY, .address = "host:1", .reason = "why"};
    connection_move(connection, CONNECTION_EV_PRIMARY_UP, &facts);
    base_clock_advance(clock, BASE_NS_PER_S);
    facts = (struct connection_facts){.tier = CONNECTION_PRIMARY, .next_attempt_ns = 77};
    connection_update(connection, &facts);
    const struct connection_snapshot *now = connection_current(connection);
    cr_expect_eq(now->version, 6);
    cr_expect_eq(now->phase, CONNECTION_CONNECTED);
    cr_expect_eq(now->since_ns, BASE_NS_PER_S);
    cr_expect_eq(now->next_attempt_ns, 77);
    cr_expect_str_eq(now->address, "host:1");
    cr_expect_str_eq(now->reason, "why");
    cr_expect_eq(connection_transitions(connection), 1);
    connection_destroy(&connection);
    base_clock_destroy(&clock);
}

static void wait_for_newer(void *arg)
{
    struct connection *connection = arg;
    (void)connection_wait_newer(connection, 2, BASE_NO_DEADLINE);
}

static void wait_for_mark(void *arg)
{
    struct connection *connection = arg;
    (void)connection_wait_newer(connection, 4, BASE_NO_DEADLINE);
}

Test(connection, a_sleeper_wakes_with_the_next_snapshot_and_only_then)
{
    struct connection *connection = create(base_clock_real());
    cr_expect_not(connection_wait_newer(connection, 2, base_mono_ns() + 2 * BASE_NS_PER_MS));
    struct sync_thread *sleeper;
    cr_assert_eq(sync_thread_start(&sleeper, "sleeper", SYNC_PLAIN, wait_for_newer, connection),
                 GLEANER_OK);
    move(connection, CONNECTION_EV_PRIMARY_UP, 0);
    sync_thread_join(&sleeper); /* it ends: that is the test */
    cr_expect(connection_wait_newer(connection, 2, 0), "one who comes late does not sleep");
    connection_destroy(&connection);
}

/* ---- the mark
 * ------------------------------------------------------------------------------------------ */

static void report(struct connection *connection, uint32_t generation)
{
    connection_report(connection, generation, CONNECTION_FAIL_NETWORK, 1, 1);
}

static struct connection_snapshot look(struct connection *connection)
{
    struct connection_snapshot now;
    connection_copy(connection, &now);
    return now;
}

Test(connection, the_first_report_shows_at_once_and_without_the_supervisor)
{
    struct connection *connection = create(base_clock_real());
    move(connection, CONNECTION_EV_PRIMARY_UP, 5);
    uint64_t version = look(connection).version;
    for (int i = 0; i < 3; i++) {
        report(connection, 5);
        cr_expect_eq(look(connection).phase, CONNECTION_DEGRADED);
        cr_expect_eq(look(connection).version, version + 1, "once, however many report");
    }
    cr_expect(connection_wait_newer(connection, version, 0));
    cr_expect_not(connection_wait_newer(connection, version + 1, base_mono_ns() + BASE_NS_PER_MS));
    cr_expect_eq(connection_current(connection)->phase, CONNECTION_CONNECTED,
                 "it is the supervisor who moves");
    cr_expect_eq(connection_transitions(connection), 1);
    move(connection, CONNECTION_EV_FAILURE, 5);
    cr_expect_eq(look(connection).version, version + 2);
    cr_expect_eq(look(connection).phase, CONNECTION_DEGRADED);
    move(connection, CONNECTION_EV_PROBE_PASSED, 5);
    cr_expect_eq(look(connection).phase, CONNECTION_CONNECTED, "the mark was of an older one");
    connection_destroy(&connection);
}

Test(connection, only_what_serves_is_marked_and_only_by_reports_of_its_generation)
{
    struct connection *connection = create(base_clock_real());
    report(connection, 0);
    cr_expect_eq(look(connection).phase, CONNECTION_STARTING);
    move(connection, CONNECTION_EV_PRIMARY_UP, 5);
    report(connection, 4);
    cr_expect_eq(look(connection).phase, CONNECTION_CONNECTED, "a stale report");
    report(connection, 6);
    cr_expect_eq(look(connection).phase, CONNECTION_DEGRADED, "of a refresh that runs");
    move(connection, CONNECTION_EV_FAILURE, 5);
    uint64_t version = look(connection).version;
    report(connection, 5);
    cr_expect_eq(look(connection).version, version, "degraded already");
    connection_destroy(&connection);
}

Test(connection, a_mark_that_is_dismissed_leaves_the_facts_as_they_were)
{
    struct connection *connection = create(base_clock_real());
    move(connection, CONNECTION_EV_PRIMARY_UP, 5);
    uint64_t version = look(connection).version;
    connection_dismiss_mark(connection);
    cr_expect_eq(look(connection).version, version, "there was none");
    report(connection, 5);
    connection_dismiss_mark(connection);
    struct connection_snapshot now = look(connection);
    cr_expect_eq(now.version, version + 2);
    cr_expect_eq(now.phase, CONNECTION_CONNECTED);
    cr_expect_str_eq(now.reason, "test");
    cr_expect_eq(connection_transitions(connection), 1);
    report(connection, 5);
    cr_expect_eq(look(connection).version, version + 3, "the next one shows again");
    connection_destroy(&connection);
}

Test(connection, a_sleeper_is_woken_by_the_mark_alone)
{
    struct connection *connection = create(base_clock_real());
    struct sync_thread *sleeper;
    move(connection, CONNECTION_EV_PRIMARY_UP, 0);
    cr_assert_eq(sync_thread_start(&sleeper, "sleeper", SYNC_PLAIN, wait_for_mark, connection),
                 GLEANER_OK);
    report(connection, 0);
    sync_thread_join(&sleeper); /* it ends: that is the test */
    connection_destroy(&connection);
}

/* ---- the mailbox
 * --------------------------------------------------------------------------------------- */

Test(connection, reports_of_older_generations_are_counted_and_dropped)
{
    struct connection *connection = create(base_clock_real());
    move(connection, CONNECTION_EV_PRIMARY_UP, 5);
    for (uint32_t generation = 3; generation <= 6; generation++) {
        connection_report(connection, generation, CONNECTION_FAIL_NETWORK, generation, generation);
    }
    struct connection_reports taken;
    connection_take_reports(connection, &taken);
    cr_expect_eq(taken.fresh, 2, "5 and, of a refresh that runs, 6");
    cr_expect_eq(taken.stale, 2);
    cr_expect_eq(taken.first_ns, 5);
    cr_expect_eq(taken.slot, 5);
    connection_take_reports(connection, &taken);
    cr_expect_eq(taken.fresh + taken.stale, 0, "taken once");
    uint64_t all, stale;
    connection_report_counts(connection, &all, &stale);
    cr_expect_eq(all, 4);
    cr_expect_eq(stale, 2);
    connection_destroy(&connection);
}

Test(connection, reports_are_counted_by_kind_and_wake_the_supervisor_once)
{
    struct connection *connection = create(base_clock_real());
    atomic_store(&wakes, 0);
    for (int i = 0; i < 100; i++) {
        connection_report(connection, 0,
                          i % 4 == 0 ? CONNECTION_FAIL_TIMEOUT : CONNECTION_FAIL_NETWORK, 1, 1);
    }
    cr_expect_geq(atomic_load(&wakes), 1);
    cr_expect_leq(atomic_load(&wakes), 2, "a box that is not empty has woken already");
    struct connection_reports taken;
    connection_take_reports(connection, &taken);
    cr_expect_eq(taken.fresh, 100);
    cr_expect_eq(taken.by_kind[CONNECTION_FAIL_TIMEOUT], 25);
    cr_expect_eq(taken.by_kind[CONNECTION_FAIL_NETWORK], 75);
    connection_destroy(&connection);
}
