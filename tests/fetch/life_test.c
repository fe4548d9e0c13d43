/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, draining, stopping; many threads; results held back. */
#include "rig.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct rig rig;

static void start(void)
{
    rig_start(&rig, 12, HTTP_FIXTURE_PLAIN);
}

static void end(void)
{
    rig_end(&rig);
}

TestSuite(life, .init = start, .fini = end, .timeout = 60);

Test(life, a_drain_cancels_what_has_not_started_and_ends)
{
    struct fetch_result *r;
    unsigned cancelled = 0;
    rig.options.max_per_host = 2;
    rig_engine(&rig);
    for (int i = 0; i < 10; i++) {
        rig_submit(&rig, rig_url(&rig, 0, "/silent"), NULL);
    }
    fetch_drain(rig.engine, 0);
    while (fetch_next(rig.engine, BASE_NO_DEADLINE, &r) == GLEANER_OK) {
        cr_assert_eq(r->fetch_class, FETCH_CANCELLED);
        cancelled++;
        fetch_result_free(&r);
    }
    cr_assert_eq(cancelled, 10);
    cr_assert_eq(fetch_next(rig.engine, BASE_NO_DEADLINE, &r), GLEANER_E_CLOSED);
    struct fetch_request request = {.url = rig_url(&rig, 0, "/ok")};
    cr_assert_eq(fetch_submit(rig.engine, &request), GLEANER_E_CLOSED);
}

Test(life, running_transfers_may_end_before_the_deadline_of_a_drain)
{
    struct fetch_result *r;
    rig_engine(&rig);
    rig_submit(&rig, rig_url(&rig, 0, "/late?ms=300"), NULL);
    struct fetch_stats stats = {0};
    while (stats.active == 0) { /* until it runs */
        fetch_read_stats(rig.engine, &stats);
    }
    fetch_drain(rig.engine, base_mono_ns() + 20 * BASE_NS_PER_S);
    cr_assert_eq(fetch_next(rig.engine, BASE_NO_DEADLINE, &r), GLEANER_OK);
    cr_assert_eq(r->fetch_class, FETCH_OK, "%s", r->reason);
    fetch_result_free(&r);
    cr_assert_eq(fetch_next(rig.engine, BASE_NO_DEADLINE, &r), GLEANER_E_CLOSED);
}

Test(life, stopping_in_the_middle_leaves_nothing_behind)
{
    rig.options.fetcher_threads = 3;
    rig_engine(&rig);
    for (unsigned i = 0; i < 60; i++) {
        rig_submit(&rig, rig_url(&rig, i % 12, i % 2 == 0 ? "/silent" : "/loop"), NULL);
    }
    struct fetch_result *r = rig_take(&rig);
    fetch_engine_stop(&rig.engine);
    cr_assert_not_null(r->url); /* a result outlives its engine */
    fetch_result_free(&r);
}

Test(life, a_nudge_wakes_one_waiter)
{
    struct fetch_result *r;
    rig_engine(&rig);
    fetch_nudge(rig.engine);
    cr_assert_eq(fetch_next(rig.engine, BASE_NO_DEADLINE, &r), GLEANER_E_CANCELLED);
    cr_assert_eq(fetch_next(rig.engine, base_mono_ns(), &r), GLEANER_E_TIMEOUT);
    cr_assert_null(r);
}

Test(life, several_threads_fetch_from_many_hosts)
{
    unsigned seen[12] = {0};
    rig.options.fetcher_threads = 4;
    rig.options.max_transfers = 6; /* fewer than hosts: threads wait for each other's slots */
    rig_engine(&rig);
    for (unsigned i = 0; i < 600; i++) {
        rig_submit(&rig, rig_url(&rig, i % 12, "/ok"), &seen[i % 12]);
    }
    for (unsigned i = 0; i < 600; i++) {
        struct fetch_result *r = rig_take(&rig);
        cr_assert_eq(r->fetch_class, FETCH_OK, "%s", r->reason);
        (*(unsigned *)r->user)++;
        fetch_result_free(&r);
    }
    for (unsigned i = 0; i < 12; i++) {
        cr_assert_eq(seen[i], 50);
    }
}

Test(life, results_that_nobody_takes_hold_back_new_transfers)
{
    struct fetch_stats stats = {0};
    rig.options.max_transfers = 4;
    rig_engine(&rig);
    for (unsigned i = 0; i < 500; i++) {
        rig_submit(&rig, rig_url(&rig, i % 12, "/ok"), NULL);
    }
    while (stats.results_waiting < 32 || stats.active > 0) {
        fetch_read_stats(rig.engine, &stats);
    }
    cr_assert_leq(stats.requests, 32 + 4);
    for (unsigned i = 0; i < 500; i++) {
        struct fetch_result *r = rig_take(&rig);
        cr_assert_eq(r->fetch_class, FETCH_OK, "%s", r->reason);
        fetch_result_free(&r);
    }
}

static void count_call(void *ctx)
{
    base_counter_add(ctx, 1);
}

Test(life, free_capacity_is_announced)
{
    static struct base_counter calls;
    rig.options.on_capacity = count_call;
    rig.options.capacity_ctx = &calls;
    rig_engine(&rig);
    rig_expect(&rig, "/ok", FETCH_OK, 200, "");
    fetch_engine_stop(&rig.engine);
    cr_assert_geq(base_counter_get(&calls), 1);
}

Test(life, a_bad_block_stops_the_start)
{
    static const char *const bad[] = {"10.0.0.0/99"};
    struct base_error error;
    rig.options.allow_net = bad;
    rig.options.allow_net_count = 1;
    cr_assert_eq(fetch_engine_start(&rig.options, &rig.engine, &error), GLEANER_E_CONFIG);
    cr_assert_not_null(strstr(error.message, "10.0.0.0/99"));
    cr_assert_null(rig.engine);
}
