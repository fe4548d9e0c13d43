/* SPDX-License-Identifier: Apache-2.0 */
/* What politeness must not forget over a restart; sitemaps as seeds. */
#include "rig.h"
#include "worker_internal.h"

#include <criterion/criterion.h>
#include <stdio.h>
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
TestSuite(polite, .init = set_up, .fini = tear_down, .timeout = 90);

static struct worker_stats stats_now(void)
{
    struct worker_stats stats;
    (void)worker_group_wait(rig.group, base_mono_ns() + BASE_NS_PER_MS);
    worker_group_read_stats(rig.group, &stats);
    return stats;
}

static struct store_host known(void)
{
    char name[40];
    snprintf(name, sizeof(name), "127.0.0.1:%u", rig.http.ports[0]);
    struct store_host host = {.name = name};
    cr_assert_eq(store_hosts_read(rig.store, &host, 1, NULL), GLEANER_OK);
    host.name = NULL;
    return host;
}

Test(polite, a_pause_that_a_host_asked_for_outlives_the_process)
{
    rig_open(&rig);
    rig_seed(&rig, rig_url(&rig, "/status?code=429&after=600"));
    rig_run(&rig);
    while (stats_now().retries == 0) {
    }
    rig_stop(&rig, 1000);
    cr_assert_gt(known().hold_ms, 590000);
    rig_close(&rig);

    rig_open(&rig);
    rig_seed(&rig, rig_url(&rig, "/ok?n=7"));
    rig_run(&rig);
    while (stats_now().postponed == 0) {
    }
    rig_stop(&rig, 1000);
    cr_expect_eq(rig_requests(&rig, "/ok", NULL), 0, "the pause is not over");
    cr_expect_eq(rig_requests(&rig, "/status", NULL), 1);
    cr_expect_eq(rig_counts(&rig).waiting, 2);
}

Test(polite, a_day_of_retry_after_is_taken_as_an_hour)
{
    rig_open(&rig);
    rig_seed(&rig, rig_url(&rig, "/status?code=503&after=86400"));
    rig_run(&rig);
    while (stats_now().retries == 0) {
    }
    rig_stop(&rig, 1000);
    cr_expect(known().hold_ms > 3590000 && known().hold_ms <= 3600000);
}

Test(polite, the_delay_is_kept_between_two_runs)
{
    struct http_fixture_entry entries[4];
    rig.fetch.delay_ms = 400;
    for (int run = 0; run < 2; run++) {
        rig_open(&rig);
        rig_crawl(&rig, rig_url(&rig, run == 0 ? "/ok?n=1" : "/ok?n=2"), NULL);
        cr_expect_eq(known().delay_ms, 400);
        rig_close(&rig);
    }
    size_t count = http_fixture_log(&rig.http, rig.http.ports[0], entries, 4);
    cr_assert_eq(count, 2);
    cr_expect_geq(entries[1].ns - entries[0].ns, 400 * BASE_NS_PER_MS);
}

/* ---- sitemaps ---- */

/* URL of a page with that body. */
static const char *served(const char *text)
{
    struct base_buffer url = {0};
    base_buffer_printf(&url, "http://127.0.0.1:%u/raw?type=text/xml&hex=", rig.http.ports[0]);
    for (const char *at = text; *at != '\0'; at++) {
        base_buffer_printf(&url, "%02x", (unsigned char)*at);
    }
    const char *copy = base_arena_strndup(&rig.texts, url.data, url.len);
    base_buffer_fini(&url);
    return copy;
}

static const char *sitemap_of(const char *first, const char *second)
{
    char text[1000];
    snprintf(text, sizeof(text),
             "<urlset><url><loc>%s</loc></url><url><loc>%s</loc></url></urlset>", first, second);
    return served(text);
}

static const char *index_of(const char *sitemap)
{
    char text[4000];
    snprintf(text, sizeof(text), "<sitemapindex><sitemap><loc>%s</loc></sitemap></sitemapindex>",
             sitemap);
    return served(text);
}

static void crawl_sitemaps(const char *robots_target, struct worker_stats *stats)
{
    char robots[8000];
    const char *const seeds[] = {rig_url(&rig, "/ok?n=1")};
    snprintf(robots, sizeof(robots), "User-agent: *\nDisallow: /secret\nSitemap: %s\n",
             robots_target);
    http_fixture_robots(&rig.http, 0, "text", robots);
    cr_assert_eq(worker_seed_sitemaps(rig.queue, seeds, 1, NULL), GLEANER_OK);
    rig_crawl(&rig, seeds[0], stats);
}

Test(polite, pages_of_a_sitemap_that_robots_names_are_crawled)
{
    struct worker_stats stats;
    rig_open(&rig);
    const char *a = rig_url(&rig, "/ok?n=101"), *b = rig_url(&rig, "/ok?n=102");
    crawl_sitemaps(index_of(sitemap_of(a, b)), &stats);
    cr_expect_eq(rig_requests(&rig, "/ok?n=101", NULL), 1);
    cr_expect_eq(rig_requests(&rig, "/ok?n=102", NULL), 1);
    cr_expect_eq(rig_document_count(&rig), 3);
    cr_expect_eq(rig_requests(&rig, "/sitemap.xml", NULL), 1);
    cr_expect_eq(rig_counts(&rig).dead, 0, "a site without /sitemap.xml is no failure");
    cr_expect_eq(stats.failures[FETCH_HTTP_4XX], 0);
}

Test(polite, sitemaps_add_so_many_pages_at_most)
{
    rig.working.sitemap_urls = 1;
    rig_open(&rig);
    const char *a = rig_url(&rig, "/ok?n=101"), *b = rig_url(&rig, "/ok?n=102");
    crawl_sitemaps(sitemap_of(a, b), NULL);
    cr_expect_eq(rig_document_count(&rig), 2);
}

Test(polite, indexes_of_indexes_come_to_an_end)
{
    rig_open(&rig);
    const char *inner = rig_url(&rig, "/ok?n=101");
    const char *deep = index_of(index_of(index_of(index_of(inner))));
    cr_assert_eq(queue_seed(rig.queue, &deep, 1, WORKER_SITEMAP_TYPE, NULL, NULL), GLEANER_OK);
    rig_run(&rig);
    rig_finish(&rig);
    cr_expect_eq(rig_requests(&rig, "/ok?n=101", NULL), 0, "it is a fourth index down");
    cr_expect_eq(rig_counts(&rig).done, 4);
}
