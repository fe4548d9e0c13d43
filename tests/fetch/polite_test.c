/* SPDX-License-Identifier: Apache-2.0 */
/* Politeness, as the server's own log shows it. */
#include "rig.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig rig;
static struct http_fixture_entry entries[400];

static void start(void)
{
    rig_start(&rig, 5, HTTP_FIXTURE_PLAIN);
}

static void end(void)
{
    rig_end(&rig);
}

TestSuite(politeness, .init = start, .fini = end, .timeout = 60);

static void take_ok(int count)
{
    for (int i = 0; i < count; i++) {
        struct fetch_result *r = rig_take(&rig);
        cr_assert_eq(r->fetch_class, FETCH_OK, "%s: %s", r->url, r->reason);
        fetch_result_free(&r);
    }
}

/* Smallest gap between two of at least `count` requests in the log of one port, ns. */
static uint64_t smallest_gap(uint16_t port, size_t count)
{
    uint64_t smallest = UINT64_MAX;
    size_t logged = http_fixture_log(&rig.http, port, entries, 400);
    cr_assert_geq(logged, count);
    for (size_t i = 1; i < logged; i++) {
        uint64_t gap = entries[i].ns - entries[i - 1].ns;
        smallest = gap < smallest ? gap : smallest;
    }
    return smallest;
}

Test(politeness, the_delay_is_kept_as_the_server_sees_it)
{
    rig.options.delay_ms = 60;
    rig_engine(&rig);
    for (unsigned i = 0; i < 40; i++) {
        rig_submit(&rig, rig_url(&rig, i % 4, "/ok"), NULL);
    }
    take_ok(40);
    for (unsigned host = 0; host < 4; host++) {
        cr_assert_geq(smallest_gap(rig.http.ports[host], 10), 60 * BASE_NS_PER_MS);
    }
}

/* The server closes kept-alive connections under a request: the repetition waits, too. */
Test(politeness, the_delay_counts_from_the_answer_and_for_repetitions)
{
    rig.options.delay_ms = 50;
    rig_engine(&rig);
    for (int i = 0; i < 6; i++) {
        rig_submit(&rig, rig_url(&rig, 0, i % 2 == 0 ? "/late?ms=80" : "/close"), NULL);
    }
    for (int i = 0; i < 6; i++) {
        struct fetch_result *r = rig_take(&rig);
        fetch_result_free(&r);
    }
    cr_assert_geq(smallest_gap(rig.http.ports[0], 6), 50 * BASE_NS_PER_MS);
}

Test(politeness, connections_are_kept_alive_and_limited_per_host)
{
    rig.options.max_per_host = 3;
    rig_engine(&rig);
    for (int i = 0; i < 200; i++) {
        rig_submit(&rig, rig_url(&rig, 0, "/ok"), NULL);
    }
    take_ok(200);
    unsigned most = 0;
    cr_assert_eq(http_fixture_log(&rig.http, rig.http.ports[0], entries, 400), 200);
    for (size_t i = 0; i < 200; i++) {
        most = entries[i].connection > most ? entries[i].connection : most;
    }
    struct fetch_stats stats;
    fetch_read_stats(rig.engine, &stats);
    cr_assert_leq(most, 3);
    cr_assert_leq(stats.connections, 3);
    cr_assert_eq(stats.requests, 200);
}

Test(politeness, retry_after_holds_its_host_and_no_other)
{
    rig_engine(&rig);
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/throttle?after=1"));
    cr_assert_eq(r->fetch_class, FETCH_THROTTLED);
    cr_assert_eq(r->http_status, 429);
    cr_assert_eq(r->retry_after_ms, 1000);
    fetch_result_free(&r);
    rig_submit(&rig, rig_url(&rig, 0, "/throttle"), &rig);
    for (unsigned i = 0; i < 40; i++) {
        rig_submit(&rig, rig_url(&rig, 1 + i % 4, "/ok"), NULL);
    }
    for (int i = 0; i < 41; i++) {
        r = rig_take(&rig);
        cr_assert_eq(r->fetch_class, FETCH_OK);
        cr_assert_eq(r->user != NULL, i == 40, "the held host comes last");
        fetch_result_free(&r);
    }
    cr_assert_geq(smallest_gap(rig.http.ports[0], 2), 1000 * BASE_NS_PER_MS);
}

Test(politeness, a_long_pause_gives_queued_requests_back)
{
    rig.options.max_per_host = 1;
    rig_engine(&rig);
    rig_submit(&rig, rig_url(&rig, 0, "/status?code=503&after=600"), NULL);
    rig_submit(&rig, rig_url(&rig, 0, "/ok"), NULL);
    struct fetch_result *r = rig_take(&rig);
    cr_assert_eq(r->fetch_class, FETCH_THROTTLED);
    cr_assert_eq(r->http_status, 503);
    cr_assert_eq(r->retry_after_ms, 600000);
    fetch_result_free(&r);
    r = rig_take(&rig);
    cr_assert_eq(r->fetch_class, FETCH_THROTTLED);
    cr_assert_eq(r->http_status, 0);
    cr_assert_gt(r->retry_after_ms, 500000);
    fetch_result_free(&r);
    r = rig_fetch(&rig, rig_url(&rig, 0, "/ok")); /* and so do later ones */
    cr_assert_eq(r->fetch_class, FETCH_THROTTLED);
    cr_assert_eq(r->http_status, 0);
    fetch_result_free(&r);
    cr_assert_eq(http_fixture_log(&rig.http, rig.http.ports[0], entries, 400), 1);
}

Test(politeness, hosts_take_turns)
{
    rig.options.max_transfers = 1;
    rig.options.max_per_host = 1;
    rig_engine(&rig);
    for (int i = 0; i < 30; i++) {
        rig_submit(&rig, rig_url(&rig, 0, "/ok"), NULL);
    }
    for (int i = 0; i < 3; i++) {
        rig_submit(&rig, rig_url(&rig, 1, "/ok"), NULL);
    }
    take_ok(33);
    size_t count = http_fixture_log(&rig.http, 0, entries, 400), last = 0;
    for (size_t i = 0; i < count; i++) {
        last = entries[i].port == rig.http.ports[1] ? i : last;
    }
    cr_assert_lt(last, 32, "three requests do not wait behind thirty of another host");
}

Test(politeness, the_delay_can_change_at_run_time)
{
    struct fetch_options changed = rig.options;
    rig_engine(&rig);
    changed.delay_ms = 40;
    fetch_configure(rig.engine, &changed);
    for (int i = 0; i < 5; i++) {
        rig_submit(&rig, rig_url(&rig, 0, "/ok"), NULL);
    }
    take_ok(5);
    cr_assert_geq(smallest_gap(rig.http.ports[0], 5), 40 * BASE_NS_PER_MS);
}
