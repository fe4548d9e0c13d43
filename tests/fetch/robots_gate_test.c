/* SPDX-License-Identifier: Apache-2.0 */
/* robots.txt in the engine: asked once, obeyed, and what its failures mean. */
#include "rig.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig rig;
static struct http_fixture_entry entries[200];

static void start(void)
{
    rig_start(&rig, 3, HTTP_FIXTURE_PLAIN);
    rig.options.use_robots = true;
}

static void end(void)
{
    rig_end(&rig);
}

TestSuite(robots_gate, .init = start, .fini = end, .timeout = 60);

static unsigned asked(unsigned host)
{
    unsigned count = 0;
    size_t total = http_fixture_log(&rig.http, rig.http.ports[host], entries, 200);
    for (size_t i = 0; i < total; i++) {
        count += strcmp(entries[i].target, "/robots.txt") == 0;
    }
    return count;
}

Test(robots_gate, rules_are_obeyed_and_asked_for_once)
{
    http_fixture_robots(&rig.http, 0, "late", "User-agent: gleaner\nDisallow: /status\n");
    rig_engine(&rig);
    for (int i = 0; i < 20; i++) {
        rig_submit(&rig, rig_url(&rig, 0, "/ok"), NULL);
    }
    for (int i = 0; i < 20; i++) {
        struct fetch_result *r = rig_take(&rig);
        cr_assert_eq(r->fetch_class, FETCH_OK, "%s", r->reason);
        fetch_result_free(&r);
    }
    rig_expect(&rig, "/status?code=200", FETCH_ROBOTS, 0, "forbids it to gleaner (line 2)");
    cr_assert_eq(asked(0), 1);
    cr_assert_eq(entries[0].target[1], 'r');
    struct fetch_stats stats;
    fetch_read_stats(rig.engine, &stats);
    cr_assert_eq(stats.robots_fetched, 1);
    cr_assert_eq(stats.by_class[FETCH_OK], 20, "robots.txt itself is no result");
}

Test(robots_gate, requests_may_ignore_the_rules)
{
    http_fixture_robots(&rig.http, 0, "text", "User-agent: *\nDisallow: /\n");
    rig_engine(&rig);
    struct fetch_request request = {.url = rig_url(&rig, 0, "/ok"), .ignore_robots = true};
    cr_assert_eq(fetch_submit(rig.engine, &request), GLEANER_OK);
    struct fetch_result *r = rig_take(&rig);
    cr_assert_eq(r->fetch_class, FETCH_OK);
    fetch_result_free(&r);
    cr_assert_eq(asked(0), 0);
}

Test(robots_gate, a_missing_file_allows_everything)
{
    http_fixture_robots(&rig.http, 0, "404", "");
    http_fixture_robots(&rig.http, 1, "401", "");
    rig_engine(&rig);
    rig_expect(&rig, "/ok", FETCH_OK, 200, "");
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 1, "/ok"));
    cr_assert_eq(r->fetch_class, FETCH_OK);
    fetch_result_free(&r);
}

Test(robots_gate, a_server_error_forbids_everything_for_now)
{
    http_fixture_robots(&rig.http, 0, "503", "");
    rig_engine(&rig);
    rig_expect(&rig, "/ok", FETCH_ROBOTS, 503, "answered 503");
    rig_expect(&rig, "/ok", FETCH_ROBOTS, 503, "answered 503");
    cr_assert_eq(asked(0), 1);
    cr_assert(fetch_class_is_retryable(FETCH_ROBOTS, 503));
}

/* A restart of the site: attempts are few, so none may be spent while nobody is asked. */
Test(robots_gate, a_server_error_is_asked_about_again_soon)
{
    uint64_t wait_ms = 0;
    http_fixture_robots(&rig.http, 0, "503", "");
    rig_engine(&rig);
    for (unsigned before = 0; before < 2;) {
        struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/ok"));
        cr_assert_eq(r->fetch_class, FETCH_ROBOTS, "%s", r->reason);
        wait_ms = r->retry_after_ms;
        cr_assert(wait_ms > 0 && wait_ms <= (asked(0) < 2 ? 1001 : 2001));
        fetch_result_free(&r);
        before = asked(0);
    }
    http_fixture_robots(&rig.http, 0, "404", "");
    struct fetch_result *r;
    while ((r = rig_fetch(&rig, rig_url(&rig, 0, "/ok")))->fetch_class == FETCH_ROBOTS) {
        fetch_result_free(&r);
    }
    cr_assert_eq(r->fetch_class, FETCH_OK, "%s", r->reason);
    fetch_result_free(&r);
}

Test(robots_gate, a_host_that_cannot_be_reached_says_so_itself)
{
    http_fixture_robots(&rig.http, 0, "reset", "");
    rig_engine(&rig);
    rig_expect(&rig, "/ok", FETCH_NETWORK, 0, "robots.txt");
    struct fetch_result *r = rig_fetch(&rig, "http://127.0.0.1:1/ok");
    cr_assert_eq(r->fetch_class, FETCH_CONNECT, "%s", r->reason);
    fetch_result_free(&r);
}

Test(robots_gate, a_silent_host_says_so_itself)
{
    http_fixture_robots(&rig.http, 0, "silent", "");
    rig.options.first_byte_ms = 100;
    rig_engine(&rig);
    rig_expect(&rig, "/ok", FETCH_TIMEOUT, 0, "robots.txt");
}

Test(robots_gate, too_many_requests_holds_the_host)
{
    http_fixture_robots(&rig.http, 0, "429", "600");
    rig_engine(&rig);
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/ok"));
    cr_assert_eq(r->fetch_class, FETCH_THROTTLED, "%s", r->reason);
    cr_assert_gt(r->retry_after_ms, 500000);
    fetch_result_free(&r);
    cr_assert_eq(http_fixture_log(&rig.http, rig.http.ports[0], entries, 200), 1);
}

/* The crawl would go on for ever: nothing came back for the page, which waited for the host's hold,
 * and then for the next robots.txt. */
Test(robots_gate, too_many_requests_without_end_is_an_answer_for_the_pages)
{
    http_fixture_robots(&rig.http, 0, "429", "1");
    rig_engine(&rig);
    rig_submit(&rig, rig_url(&rig, 0, "/ok"), NULL);
    rig_submit(&rig, rig_url(&rig, 0, "/other"), NULL);
    for (int i = 0; i < 2; i++) {
        struct fetch_result *r = rig_take(&rig);
        cr_assert_eq(r->fetch_class, FETCH_THROTTLED, "%s", r->reason);
        cr_assert_eq(r->http_status, 429);
        cr_assert_gt(r->retry_after_ms, 0);
        fetch_result_free(&r);
    }
    cr_assert_eq(asked(0), 3);
}

Test(robots_gate, what_is_handed_back_of_such_a_host_has_its_status)
{
    int status = 0;
    http_fixture_robots(&rig.http, 0, "429", "1");
    rig.options.max_hold_ms = 1;
    rig_engine(&rig);
    for (unsigned before = 0; before < 4;) {
        struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/ok"));
        cr_assert_eq(r->fetch_class, FETCH_THROTTLED, "%s", r->reason);
        cr_assert(r->http_status == 0 || asked(0) >= 3);
        status = r->http_status;
        fetch_result_free(&r);
        before = asked(0);
    }
    cr_assert_eq(status, 429);
}

Test(robots_gate, redirects_are_followed_across_hosts)
{
    http_fixture_robots(&rig.http, 0, "redirect", rig_url(&rig, 1, "/robots.txt"));
    http_fixture_robots(&rig.http, 1, "text", "User-agent: *\nDisallow: /ok\n");
    rig_engine(&rig);
    rig_expect(&rig, "/ok", FETCH_ROBOTS, 0, "forbids");
}

Test(robots_gate, more_than_five_redirects_count_as_no_file)
{
    http_fixture_robots(&rig.http, 0, "redirect", "/loop");
    rig_engine(&rig);
    rig_expect(&rig, "/ok", FETCH_OK, 200, "");
    cr_assert_eq(http_fixture_log(&rig.http, rig.http.ports[0], entries, 200), 7);
}

Test(robots_gate, a_long_file_counts_as_far_as_it_is_read)
{
    http_fixture_robots(&rig.http, 0, "long", "");
    rig_engine(&rig);
    rig_expect(&rig, "/long000001", FETCH_ROBOTS, 0, "line 3");
    rig_expect(&rig, "/long023200", FETCH_ROBOTS, 0, "line 23202"); /* within 500 KiB */
    rig_expect(&rig, "/long029999", FETCH_HTTP_4XX, 404, "404");    /* beyond what is read */
    rig_expect(&rig, "/ok", FETCH_OK, 200, "");
}

Test(robots_gate, a_long_page_of_an_error_is_no_robots_file)
{
    http_fixture_robots(&rig.http, 0, "long", "500");
    rig_engine(&rig);
    rig_expect(&rig, "/ok", FETCH_ROBOTS, 500, "answered 500");
}

Test(robots_gate, every_hop_of_a_redirect_is_asked)
{
    char path[300];
    http_fixture_robots(&rig.http, 1, "text", "User-agent: *\nDisallow: /ok\n");
    rig_engine(&rig);
    snprintf(path, sizeof(path), "/redirect?to=%s", rig_url(&rig, 1, "/ok"));
    rig_expect(&rig, path, FETCH_ROBOTS, 0, "forbids");
}

Test(robots_gate, crawl_delay_is_kept)
{
    http_fixture_robots(&rig.http, 0, "text", "User-agent: *\nCrawl-delay: 0.1\nDisallow:\n");
    rig_engine(&rig);
    for (int i = 0; i < 5; i++) {
        rig_submit(&rig, rig_url(&rig, 0, "/ok"), NULL);
    }
    for (int i = 0; i < 5; i++) {
        struct fetch_result *r = rig_take(&rig);
        cr_assert_eq(r->fetch_class, FETCH_OK);
        fetch_result_free(&r);
    }
    size_t count = http_fixture_log(&rig.http, rig.http.ports[0], entries, 200);
    cr_assert_eq(count, 6);
    for (size_t i = 1; i < count; i++) {
        cr_assert_geq(entries[i].ns - entries[i - 1].ns, 100 * BASE_NS_PER_MS);
    }
}
