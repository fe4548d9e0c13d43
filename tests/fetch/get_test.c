/* SPDX-License-Identifier: Apache-2.0 */
/* Fetch and wait: the result comes back to who asked, and to nobody else. */
#include "rig.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct rig rig;

static void start(void)
{
    rig_start(&rig, 2, HTTP_FIXTURE_PLAIN);
}

static void end(void)
{
    rig_end(&rig);
}

TestSuite(get, .init = start, .fini = end, .timeout = 60);

static uint64_t soon(void)
{
    return base_mono_ns() + 30 * BASE_NS_PER_S;
}

static struct fetch_result *get(const char *url, uint64_t max_bytes)
{
    struct fetch_result *result = NULL;
    const struct fetch_request request = {
        .url = url, .follow_redirects = true, .max_bytes = max_bytes};
    cr_assert_eq(fetch_get(rig.engine, &request, soon(), &result), GLEANER_OK);
    return result;
}

Test(get, the_result_comes_back_and_not_to_the_queue)
{
    struct fetch_result *other;
    rig_engine(&rig);
    struct fetch_result *result = get(rig_url(&rig, 0, "/ok?n=1"), 0);
    cr_expect_eq(result->fetch_class, FETCH_OK);
    cr_expect_not_null(strstr(result->url, "/ok?n=1"));
    cr_expect_not_null(strstr(result->body, "<title>"));
    fetch_result_free(&result);
    cr_expect_eq(fetch_next(rig.engine, base_mono_ns(), &other), GLEANER_E_TIMEOUT);
    result = get(rig_url(&rig, 0, "/status?code=404"), 0);
    cr_expect_eq(result->fetch_class, FETCH_HTTP_4XX);
    fetch_result_free(&result);
}

Test(get, a_redirect_is_followed_to_another_host)
{
    char path[200];
    rig_engine(&rig);
    snprintf(path, sizeof(path), "/redirect?to=http://127.0.0.1:%u/ok?n=2", rig.http.ports[1]);
    struct fetch_result *result = get(rig_url(&rig, 0, path), 0);
    cr_expect_eq(result->fetch_class, FETCH_OK, "%s", result->reason);
    cr_expect_eq(result->redirects, 1);
    fetch_result_free(&result);
}

Test(get, the_beginning_alone_is_asked_for_and_kept)
{
    static const char *const paths[] = {"/part?bytes=100000", "/part?bytes=100000&whole=1"};
    static const int statuses[] = {206, 200};
    rig_engine(&rig);
    for (int i = 0; i < 2; i++) {
        struct fetch_result *result = get(rig_url(&rig, 0, paths[i]), 5000);
        cr_expect_eq(result->fetch_class, FETCH_OK, "%s", result->reason);
        cr_expect_eq(result->http_status, statuses[i]);
        cr_expect_eq(result->body_len, 5000);
        for (size_t at = 0; at < result->body_len; at++) {
            cr_assert_eq((unsigned char)result->body[at], at % 251);
        }
        fetch_result_free(&result);
    }
    struct fetch_result *result = get(rig_url(&rig, 0, "/part?bytes=300"), 5000);
    cr_expect_eq(result->body_len, 300);
    fetch_result_free(&result);
    /* The same handle asks for all of it again, in whatever coding. */
    result = get(rig_url(&rig, 0, "/part?bytes=100000"), 0);
    cr_expect_eq(result->http_status, 200);
    cr_expect_eq(result->body_len, 100000);
    fetch_result_free(&result);
    result = get(rig_url(&rig, 0, "/coded?how=gzip"), 0);
    cr_expect_not_null(strstr(result->body, "<p>coded"));
    fetch_result_free(&result);
}

Test(get, an_endless_body_gives_its_beginning)
{
    rig_engine(&rig);
    struct fetch_result *result = get(rig_url(&rig, 0, "/endless"), 70000);
    cr_expect_eq(result->fetch_class, FETCH_OK, "%s", result->reason);
    cr_expect_eq(result->body_len, 70000);
    fetch_result_free(&result);
}

Test(get, what_is_no_address_is_refused)
{
    struct fetch_result *result = NULL;
    rig_engine(&rig);
    const struct fetch_request request = {.url = "mailto:a@b"};
    cr_expect_eq(fetch_get(rig.engine, &request, soon(), &result), GLEANER_E_INVALID);
    cr_expect_null(result);
}

Test(get, who_waits_no_longer_leaves_nothing_behind)
{
    struct fetch_result *result = NULL;
    rig_engine(&rig);
    const struct fetch_request request = {.url = rig_url(&rig, 0, "/liar?bytes=5000")};
    cr_expect_eq(fetch_get(rig.engine, &request, base_mono_ns() + 50 * BASE_NS_PER_MS, &result),
                 GLEANER_E_TIMEOUT);
    cr_expect_null(result);
    /* The transfer ends with the engine, and its result has nobody to go to. */
}

Test(get, a_draining_engine_takes_none)
{
    struct fetch_result *result = NULL;
    rig_engine(&rig);
    fetch_drain(rig.engine, base_mono_ns());
    const struct fetch_request request = {.url = rig_url(&rig, 0, "/ok")};
    cr_expect_eq(fetch_get(rig.engine, &request, soon(), &result), GLEANER_E_CLOSED);
}

/* Whoever takes results may be the one who waits: a queue of results that nobody takes, and hosts
 * that are held up by it, must not hold this up. */
Test(get, a_full_queue_of_results_does_not_hold_it_up)
{
    struct fetch_stats stats;
    rig.options.max_transfers = 4;
    rig.options.max_per_host = 4;
    rig.options.use_robots = true;
    rig.options.fetcher_threads = 1;
    rig_engine(&rig);
    for (int i = 0; i < 200; i++) {
        char path[40];
        snprintf(path, sizeof(path), "/ok?n=%d", i);
        rig_submit(&rig, rig_url(&rig, 0, path), NULL);
    }
    do {
        fetch_read_stats(rig.engine, &stats);
    } while (stats.results_waiting < 32); /* the suite's timeout bounds this */
    struct fetch_result *result = get(rig_url(&rig, 1, "/ok?n=other"), 0);
    cr_expect_eq(result->fetch_class, FETCH_OK, "%s", result->reason);
    fetch_result_free(&result);
    result = get(rig_url(&rig, 0, "/ok?n=same"), 0);
    cr_expect_eq(result->fetch_class, FETCH_OK, "%s", result->reason);
    fetch_result_free(&result);
    for (int i = 0; i < 200; i++) {
        result = rig_take(&rig);
        fetch_result_free(&result);
    }
}

Test(get, it_waits_for_the_delay_of_its_host)
{
    rig.options.delay_ms = 200;
    rig_engine(&rig);
    for (int i = 0; i < 3; i++) {
        struct fetch_result *result = get(rig_url(&rig, 0, "/ok?n=1"), 0);
        fetch_result_free(&result);
    }
    struct http_fixture_entry log[8];
    size_t count = http_fixture_log(&rig.http, 0, log, 8);
    cr_assert_eq(count, 3);
    for (size_t i = 1; i < count; i++) {
        cr_expect_geq(log[i].ns - log[i - 1].ns, 199 * BASE_NS_PER_MS);
    }
}
