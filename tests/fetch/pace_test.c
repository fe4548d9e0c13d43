/* SPDX-License-Identifier: Apache-2.0 */
/* Delays that follow a host's latency, holds that are known from before, hosts of other processes.
 */
#include "rig.h"
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig rig;
static struct http_fixture_entry entries[200];

static void start(void)
{
    rig_start(&rig, 3, HTTP_FIXTURE_PLAIN);
}

static void end(void)
{
    rig_end(&rig);
}

TestSuite(pace, .init = start, .fini = end, .timeout = 60);

static uint64_t delay_after(const char *path)
{
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, path));
    uint64_t delay_ms = r->host_delay_ms;
    fetch_result_free(&r);
    return delay_ms;
}

static const char *key_of(unsigned host, char *out, size_t size)
{
    snprintf(out, size, "127.0.0.1:%u", rig.http.ports[host]);
    return out;
}

Test(pace, the_delay_follows_the_latency_within_its_bounds)
{
    rig.options.delay_ms = 10;
    rig.options.max_delay_ms = 400;
    rig_engine(&rig);
    uint64_t slow = delay_after("/late?ms=120");
    cr_expect(slow >= 119 && slow <= 400, "%llu", (unsigned long long)slow);
    cr_expect_eq(delay_after("/late?ms=600"), 400, "never over the upper bound");
    uint64_t quick = delay_after("/ok");
    cr_expect_lt(quick, 400, "a quick answer makes it shorter, half the way at a time");
    cr_expect_geq(quick, 200);
    for (int i = 0; i < 10; i++) {
        quick = delay_after("/ok");
    }
    cr_expect(quick >= 10 && quick < 100, "%llu", (unsigned long long)quick);
}

Test(pace, the_server_sees_the_adapted_delay)
{
    rig.options.max_delay_ms = 200;
    rig_engine(&rig);
    delay_after("/late?ms=300");
    delay_after("/late?ms=300");
    size_t logged = http_fixture_log(&rig.http, rig.http.ports[0], entries, 10);
    cr_assert_eq(logged, 2);
    cr_expect_geq(entries[1].ns - entries[0].ns, (300 + 200) * BASE_NS_PER_MS);
}

Test(pace, an_error_never_makes_the_delay_shorter)
{
    rig.options.max_delay_ms = 1000;
    rig_engine(&rig);
    uint64_t before = delay_after("/late?ms=200");
    cr_expect_geq(delay_after("/status?code=500"), before);
    cr_expect_lt(delay_after("/ok"), before);
}

Test(pace, without_an_upper_bound_nothing_is_adapted)
{
    rig.options.delay_ms = 5;
    rig_engine(&rig);
    cr_expect_eq(delay_after("/late?ms=150"), 5);
}

Test(pace, a_hold_known_from_before_is_kept)
{
    char key[40];
    rig_engine(&rig);
    cr_assert_eq(fetch_recall_host(rig.engine, key_of(0, key, sizeof(key)), 600000, 0), GLEANER_OK);
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/ok"));
    cr_expect_eq(r->fetch_class, FETCH_THROTTLED);
    cr_expect_eq(r->http_status, 0);
    cr_expect_gt(r->hold_ms, 590000);
    fetch_result_free(&r);
    rig_expect(&rig, "/ok", FETCH_THROTTLED, 0, "asked for a pause");
    cr_expect_eq(http_fixture_log(&rig.http, rig.http.ports[0], entries, 10), 0);
}

Test(pace, the_first_request_waits_for_the_delay_known_from_before)
{
    char key[40];
    rig_engine(&rig);
    uint64_t from_ns = base_mono_ns();
    cr_assert_eq(fetch_recall_host(rig.engine, key_of(0, key, sizeof(key)), 0, 300), GLEANER_OK);
    delay_after("/ok");
    cr_assert_eq(http_fixture_log(&rig.http, rig.http.ports[0], entries, 10), 1);
    cr_expect_geq(entries[0].ns - from_ns, 300 * BASE_NS_PER_MS);
}

Test(pace, a_429_without_a_time_holds_the_host_longer_each_time)
{
    uint64_t last = 0;
    rig_engine(&rig);
    for (int i = 0; i < 2; i++) {
        struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/status?code=429"));
        cr_assert_eq(r->fetch_class, FETCH_THROTTLED);
        cr_expect_eq(r->retry_after_ms, 0, "the server said nothing");
        cr_expect_gt(r->hold_ms, last + last / 2);
        last = r->hold_ms;
        fetch_result_free(&r);
    }
    cr_assert_eq(http_fixture_log(&rig.http, rig.http.ports[0], entries, 10), 2);
    cr_expect_geq(entries[1].ns - entries[0].ns, 999 * BASE_NS_PER_MS);
}

/* may_start: fetcher threads read what the test writes */
static _Atomic bool is_ours;

static bool ask_owner(void *ctx, const char *name, size_t len)
{
    (void)ctx;
    return atomic_load_explicit(&is_ours, memory_order_relaxed) || len != strlen("127.0.0.1") ||
           memcmp(name, "127.0.0.1", len) != 0;
}

Test(pace, a_host_of_another_process_is_not_asked)
{
    rig.options.may_start = ask_owner;
    rig.options.use_robots = true;
    rig_engine(&rig);
    rig_expect(&rig, "/ok", FETCH_THROTTLED, 0, "belongs to another process");
    cr_expect_eq(http_fixture_log(&rig.http, 0, entries, 10), 0, "nor for its robots.txt");
}

Test(pace, a_host_that_came_to_us_is_asked)
{
    rig.options.may_start = ask_owner;
    rig_engine(&rig);
    rig_expect(&rig, "/ok", FETCH_THROTTLED, 0, "belongs to another process");
    atomic_store_explicit(&is_ours, true, memory_order_relaxed);
    rig_expect(&rig, "/ok", FETCH_OK, 200, "");
}

/* Ours for so many questions more. */
static _Atomic int questions_left;

static bool ask_leaving_owner(void *ctx, const char *name, size_t len)
{
    (void)ctx;
    (void)name;
    (void)len;
    return atomic_fetch_sub_explicit(&questions_left, 1, memory_order_relaxed) > 0;
}

Test(pace, a_host_that_goes_while_its_connection_is_made_is_not_asked)
{
    rig.options.may_start = ask_leaving_owner;
    atomic_store_explicit(&questions_left, 1, memory_order_relaxed);
    rig_engine(&rig);
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/ok"));
    cr_expect_eq(r->fetch_class, FETCH_THROTTLED);
    cr_expect_eq(r->http_status, 0);
    cr_expect_gt(r->retry_after_ms, 0, "soon again");
    fetch_result_free(&r);
    cr_expect_eq(http_fixture_log(&rig.http, 0, entries, 10), 0);
}

Test(pace, the_robots_txt_of_a_host_that_goes_is_not_asked_for)
{
    rig.options.may_start = ask_leaving_owner;
    rig.options.use_robots = true;
    atomic_store_explicit(&questions_left, 1, memory_order_relaxed);
    rig_engine(&rig);
    rig_expect(&rig, "/ok", FETCH_THROTTLED, 0, "belongs to another process");
    cr_expect_eq(http_fixture_log(&rig.http, 0, entries, 10), 0);
}

Test(pace, a_redirect_to_nowhere_is_no_reason_to_ask_again)
{
    rig_engine(&rig);
    rig_expect(&rig, "/redirect?code=302", FETCH_BAD_URL, 302, "does not say where to go");
    cr_expect_not(fetch_class_is_retryable(FETCH_BAD_URL, 302));
}

Test(pace, a_configured_proxy_gets_the_requests)
{
    char proxy[64];
    snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", rig.http.ports[1]);
    rig.options.proxy = proxy;
    rig.options.no_proxy = "localhost";
    rig_engine(&rig);
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/ok"));
    fetch_result_free(&r);
    cr_expect_eq(http_fixture_log(&rig.http, rig.http.ports[0], entries, 10), 0);
    cr_expect_eq(http_fixture_log(&rig.http, rig.http.ports[1], entries, 10), 1);
}
