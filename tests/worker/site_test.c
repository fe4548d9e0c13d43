/* SPDX-License-Identifier: Apache-2.0 */
/* What a crawl makes of a site. */
#include "rig.h"
#include "worker_internal.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig rig;

static void set_up(void)
{
    rig_start(&rig);
}

static void tear_down(void)
{
    rig_end(&rig);
}
TestSuite(site, .init = set_up, .fini = tear_down, .timeout = 90);

Test(site, every_page_is_fetched_and_stored_once)
{
    struct worker_stats stats;
    size_t most = 0;
    rig.tree = "60";
    rig_open(&rig);
    rig_crawl(&rig, rig_url(&rig, "/ok?n=1"), &stats);
    cr_expect_eq(rig_document_count(&rig), 60);
    cr_expect_eq(stats.documents_new, 60);
    cr_expect_eq(stats.pages, 60);
    cr_expect_eq(stats.in_flight, 0);
    cr_expect_eq(rig_requests(&rig, "/ok", &most), 60);
    cr_expect_eq(most, 1);
    struct store_counts counts = rig_counts(&rig);
    cr_expect_eq(counts.done, 60);
    cr_expect_eq(counts.ready + counts.leased + counts.waiting + counts.dead, 0);
}

Test(site, one_worker_is_enough)
{
    rig.tree = "30";
    rig.working.threads = 1;
    rig.working.prefetch = 1;
    rig_open(&rig);
    rig_crawl(&rig, rig_url(&rig, "/ok?n=1"), NULL);
    cr_expect_eq(rig_document_count(&rig), 30);
}

Test(site, two_redirects_to_one_page_store_it_once)
{
    struct worker_stats stats;
    char words[600];
    rig_open(&rig);
    const char *a = rig_url(&rig, "/redirect?to=/ok?n=9"),
               *b = rig_url(&rig, "/redirect?a=b&to=/ok?n=9");
    snprintf(words, sizeof(words), "doc link=%s link=%s", a, b);
    rig_crawl(&rig, rig_script(&rig, words), &stats);
    cr_expect_eq(stats.redirects, 2);
    cr_expect_eq(rig_requests(&rig, "/ok?n=9", NULL), 1);
    cr_expect_not_null(rig_document(&rig, "/ok?n=9"));
    cr_expect_eq(rig_document_count(&rig), 2);
}

Test(site, redirects_without_an_end_are_a_dead_letter)
{
    rig_open(&rig);
    rig_crawl(&rig, rig_url(&rig, "/loop"), NULL);
    cr_expect_eq(rig_document_count(&rig), 0);
    cr_expect_not_null(strstr(rig_dead(&rig), "redirect_loop: "), "%s", rig_dead(&rig));
}

Test(site, a_missing_page_is_asked_for_once)
{
    struct worker_stats stats;
    rig_open(&rig);
    rig_crawl(&rig, rig_url(&rig, "/status?code=404"), &stats);
    cr_expect_eq(rig_requests(&rig, "/status", NULL), 1);
    cr_expect_eq(stats.failures[FETCH_HTTP_4XX], 1);
    cr_expect_not_null(strstr(rig_dead(&rig), "http_4xx: "));
}

Test(site, a_server_error_is_tried_again_until_the_attempts_are_used_up)
{
    struct worker_stats stats;
    rig_open(&rig);
    rig_crawl(&rig, rig_url(&rig, "/status?code=500"), &stats);
    cr_expect_eq(rig_requests(&rig, "/status", NULL), 3);
    cr_expect_eq(stats.retries, 2);
    cr_expect_eq(stats.failures[FETCH_HTTP_5XX], 1);
    cr_expect_not_null(strstr(rig_dead(&rig), "http_5xx: "));
}

Test(site, requests_of_a_held_host_are_postponed_and_count_no_attempt)
{
    struct worker_stats stats;
    struct base_buffer words = {0};
    rig.fetch.max_hold_ms = 50;
    rig.fetch.max_per_host = 1;
    rig.queueing.max_attempts = 2;
    rig.queueing.max_deliveries = 2;
    rig_open(&rig);
    base_buffer_printf(&words, "doc link=%s", rig_url(&rig, "/throttle?after=1"));
    for (int i = 1; i <= 10; i++) {
        base_buffer_printf(&words, " link=http://127.0.0.1:%u/ok?n=%d", rig.http.ports[0], i);
    }
    rig_crawl(&rig, rig_script(&rig, words.data), &stats);
    base_buffer_fini(&words);
    cr_expect_gt(stats.postponed, 0);
    cr_expect_eq(stats.retries, 1, "only the request that was answered");
    cr_expect_eq(rig_counts(&rig).done, 12);
    cr_expect_eq(rig_document_count(&rig), 12);
}

Test(site, a_page_without_a_place_for_its_body_is_postponed_and_counts_no_attempt)
{
    struct worker_stats stats = {0};
    rig.fetch.spill_dir = "/nonexistent/of/gleaner";
    cr_assert_eq(setenv("TMPDIR", rig.fetch.spill_dir, 1), 0); /* the other place for it */
    rig.queueing.max_attempts = 1;
    rig_open(&rig);
    rig_seed(&rig, rig_url(&rig, "/counted?bytes=3000000"));
    rig_run(&rig);
    while (stats.postponed == 0) { /* the test's own limit of time ends it otherwise */
        (void)worker_group_wait(rig.group, base_mono_ns() + BASE_NS_PER_MS);
        worker_group_read_stats(rig.group, &stats);
    }
    rig_stop(&rig, 1000);
    struct store_counts counts = rig_counts(&rig);
    cr_expect_eq(counts.waiting, 1);
    cr_expect_eq(counts.dead, 0);
    cr_expect_eq(stats.retries, 0);
}

Test(site, a_page_that_the_module_refuses_is_a_dead_letter_and_leads_nowhere)
{
    struct worker_stats stats;
    char words[300];
    rig_open(&rig);
    snprintf(words, sizeof(words), "doc link=%s fail", rig_url(&rig, "/ok?n=9"));
    rig_crawl(&rig, rig_script(&rig, words), &stats);
    cr_expect_str_eq(rig_dead(&rig), "module: the script says so");
    cr_expect_eq(stats.module_failures, 1);
    cr_expect_eq(rig_document_count(&rig), 0);
    cr_expect_eq(rig_requests(&rig, "/ok", NULL), 0);
}

Test(site, a_page_that_the_module_wants_again_is_tried_until_the_attempts_are_used_up)
{
    rig_open(&rig);
    rig_crawl(&rig, rig_script(&rig, "doc retry"), NULL);
    cr_expect_eq(rig_requests(&rig, "/raw", NULL), 3);
    cr_expect_eq(rig_document_count(&rig), 0);
    cr_expect_eq(rig_counts(&rig).dead, 1);
}

Test(site, noindex_keeps_no_document_and_follows)
{
    char words[300];
    rig_open(&rig);
    snprintf(words, sizeof(words), "doc noindex link=%s", rig_url(&rig, "/ok?n=9"));
    rig_crawl(&rig, rig_script(&rig, words), NULL);
    cr_expect_eq(rig_document_count(&rig), 1);
    cr_expect_not_null(rig_document(&rig, "/ok?n=9"));
}

Test(site, nofollow_keeps_the_document_and_follows_nothing)
{
    char words[300];
    rig_open(&rig);
    snprintf(words, sizeof(words), "doc nofollow link=%s", rig_url(&rig, "/ok?n=9"));
    rig_crawl(&rig, rig_script(&rig, words), NULL);
    cr_expect_eq(rig_document_count(&rig), 1);
    cr_expect_eq(rig_requests(&rig, "/ok", NULL), 0);
}

Test(site, pages_of_noindex_leave_no_bytes_in_the_batch)
{
    struct base_buffer words = {0};
    rig.working.threads = 1;
    rig.working.batch_pages = 1000;
    rig.working.batch_ms = 60000;
    rig.working.batch_bytes = UINT64_C(1) << 40;
    rig_open(&rig);
    base_buffer_append_str(&words, "noindex large");
    for (int i = 0; i < 16; i++) { /* together below what an emptied batch keeps */
        char one[32];
        snprintf(one, sizeof(one), "noindex large x%d", i);
        base_buffer_printf(&words, " link=%s", rig_script(&rig, one));
    }
    rig_seed(&rig, rig_script(&rig, words.data));
    base_buffer_fini(&words);
    rig_run(&rig);
    cr_assert(worker_group_wait(rig.group, base_mono_ns() + 60 * BASE_NS_PER_S));
    size_t bytes = rig.group->workers[0].batch.documents.bytes_len;
    rig_finish(&rig);
    cr_expect_eq(rig_document_count(&rig), 0);
    cr_expect_lt(bytes, (size_t)2 << 20, "17 documents of 200 KB left %zu bytes", bytes);
}

Test(site, a_page_limit_is_never_passed)
{
    struct worker_stats stats;
    rig.tree = "200";
    rig.working.max_pages = 37;
    rig.working.threads = 4;
    rig_open(&rig);
    rig_crawl(&rig, rig_url(&rig, "/ok?n=1"), &stats);
    cr_expect_eq(stats.pages, 37);
    cr_expect_eq(rig_document_count(&rig), 37);
}
