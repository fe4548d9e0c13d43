/* SPDX-License-Identifier: Apache-2.0 */
/* A crawl over pages that are stored already. */
#include "rig.h"
#include "worker_internal.h"

#include <bson/bson.h>
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
TestSuite(revisit, .init = set_up, .fini = tear_down, .timeout = 90);

/* A page with a tag of its own; `more` of its URL ("&cache=no-store"). */
static const char *page(const char *words, const char *tag, const char *more)
{
    struct base_buffer url = {0};
    base_buffer_printf(&url, "%s%s%s%s", rig_script(&rig, words), tag[0] != '\0' ? "&tag=" : "",
                       tag, more);
    const char *text = base_arena_strndup(&rig.texts, url.data, url.len);
    base_buffer_fini(&url);
    return text;
}

static const char *page_with_link(const char *words, const char *to, const char *tag)
{
    struct base_buffer text = {0};
    base_buffer_printf(&text, words, to);
    const char *url = page(text.data, tag, "");
    base_buffer_fini(&text);
    return url;
}

/* The crawl as if it were the first of its queue. */
static struct worker_stats crawl(const char *url)
{
    struct worker_stats stats;
    struct base_error error = {0};
    if (rig.store != NULL) {
        rig_close(&rig);
    }
    rig_open(&rig);
    cr_assert_eq(store_queue_drop(rig.store, "crawl/test", &error), GLEANER_OK);
    rig_crawl(&rig, url, &stats);
    return stats;
}

Test(revisit, an_unchanged_page_leads_where_it_led_and_is_not_written_again)
{
    const char *end = page("doc", "\"end\"", "");
    const char *start = page_with_link("doc link=%s", end, "\"start\"");
    struct worker_stats stats = crawl(start);
    cr_expect_eq(stats.pages, 2);
    cr_expect_eq(stats.unchanged, 0);
    stats = crawl(start);
    cr_expect_eq(stats.unchanged, 2);
    cr_expect_eq(stats.pages, 0);
    cr_expect_eq(stats.documents_new + stats.documents_replaced, 0);
    cr_expect_eq(rig_counts(&rig).done, 2);
    cr_expect_eq(rig_document_count(&rig), 2);
    cr_expect_eq(rig_requests(&rig, "/raw", NULL), 4);
}

Test(revisit, links_of_the_document_itself_are_not_kept_twice)
{
    const char *end = page("doc", "\"end\"", "");
    const char *start = page_with_link("listed=%s", end, "\"start\"");
    crawl(start);
    const char *document = rig_document(&rig, "\"start\"");
    cr_assert_not_null(document);
    cr_expect_not_null(strstr(document, "\"revisit\""), "%s", document);
    const char *links = strstr(document, "\"links\"");
    cr_assert_not_null(links);
    cr_expect_null(strstr(links + 1, "\"links\""), "%s", document);
    cr_expect_eq(crawl(start).unchanged, 2);
}

Test(revisit, what_was_not_to_be_followed_is_not_followed_later)
{
    const char *end = page("doc", "\"end\"", "");
    const char *start = page_with_link("listed=%s nofollow", end, "\"start\"");
    crawl(start);
    cr_expect_eq(crawl(start).unchanged, 1);
    cr_expect_eq(rig_counts(&rig).done, 1);
    cr_expect_eq(rig_requests(&rig, "/raw", NULL), 2);
}

static bool count_marked(void *ctx, const char *collection, const uint8_t *data, uint32_t len)
{
    bson_t document;
    (void)collection;
    cr_assert(bson_init_static(&document, data, len));
    cr_expect(bson_validate(&document, BSON_VALIDATE_UTF8, NULL));
    *(size_t *)ctx += bson_has_field(&document, "revisit.etag");
    return true;
}

Test(revisit, the_page_among_several_documents_is_the_one_that_is_marked)
{
    const char *start = page("part doc part", "\"start\"", "");
    crawl(start);
    size_t marked = 0;
    cr_assert_eq(store_documents(rig.store, "pages", count_marked, &marked, NULL), GLEANER_OK);
    cr_expect_eq(marked, 1);
    cr_expect_eq(rig_document_count(&rig), 2);
    cr_expect_eq(crawl(start).unchanged, 1);
}

Test(revisit, a_page_without_validators_is_fetched_whole)
{
    const char *start = page("doc", "", "");
    crawl(start);
    struct worker_stats stats = crawl(start);
    cr_expect_eq(stats.unchanged, 0);
    cr_expect_eq(stats.documents_replaced, 1);
}

Test(revisit, validators_of_what_is_not_to_be_stored_are_not_kept)
{
    const char *start = page("doc", "\"start\"", "&cache=private,%20No-Store");
    crawl(start);
    cr_expect_eq(crawl(start).unchanged, 0);
    const char *near = page("doc", "\"start\"", "&cache=no-store-at-all");
    crawl(near);
    cr_expect_eq(crawl(near).unchanged, 1);
}

Test(revisit, always_asks_without_a_condition)
{
    const char *start = page("doc", "\"start\"", "");
    crawl(start);
    rig.working.revisit = WORKER_REVISIT_ALWAYS;
    struct worker_stats stats = crawl(start);
    cr_expect_eq(stats.unchanged, 0);
    cr_expect_eq(stats.documents_replaced, 1);
}

Test(revisit, never_asks_for_what_is_stored_and_finds_what_is_not)
{
    const char *missing = rig_url(&rig, "/ok?n=9");
    const char *end = page_with_link("doc noindex link=%s", missing, "\"end\"");
    const char *start = page_with_link("doc link=%s", end, "\"start\"");
    crawl(start);
    size_t before = rig_requests(&rig, "/raw", NULL);
    rig.working.revisit = WORKER_REVISIT_NEVER;
    struct worker_stats stats = crawl(start);
    cr_expect_eq(stats.fresh, 2);
    cr_expect_eq(stats.pages, 1, "the one that keeps no document");
    cr_expect_eq(rig_requests(&rig, "/raw", NULL) - before, 1);
    cr_expect_eq(rig_counts(&rig).done, 3);
}

Test(revisit, a_young_page_is_not_asked_for_and_an_old_one_is)
{
    const char *start = page("doc", "\"start\"", "");
    crawl(start);
    rig.working.revisit_after_ms = UINT64_C(86400000);
    struct worker_stats stats = crawl(start);
    cr_expect_eq(stats.fresh, 1);
    cr_expect_eq(rig_requests(&rig, "/raw", NULL), 1);
    /* As if it had been fetched two days ago. */
    struct store_touch touch = {.collection = "pages",
                                .field = "fetched_at",
                                .ms_since_1970 = base_wall_ms() - 2 * INT64_C(86400000)};
    store_document_id("pages", start, strlen(start), touch.id);
    struct store_settlement settlement = {.touches = &touch, .touch_count = 1};
    cr_assert_eq(store_settle(rig.jobs, &settlement, NULL, NULL), GLEANER_OK);
    stats = crawl(start);
    cr_expect_eq(stats.unchanged, 1);
    stats = crawl(start);
    cr_expect_eq(stats.fresh, 1, "its date was renewed");
}

Test(revisit, a_page_that_other_settings_made_is_fetched_whole)
{
    const char *start = page("doc", "\"start\"", "");
    crawl(start);
    rig.working.settings_hash = 7;
    struct worker_stats stats = crawl(start);
    cr_expect_eq(stats.unchanged, 0);
    cr_expect_eq(stats.documents_replaced, 1);
    rig.working.markdown = true;
    rig.working.revisit_after_ms = UINT64_C(86400000);
    stats = crawl(start);
    cr_expect_eq(stats.documents_replaced, 1, "also while it is young");
    cr_expect_eq(crawl(start).fresh, 1);
}

Test(revisit, unchanged_pages_count_for_the_limit_of_pages)
{
    rig.tree = "20";
    rig_open(&rig);
    const char *end = page("doc", "\"3\"", "");
    const char *middle = page_with_link("doc link=%s", end, "\"2\"");
    const char *start = page_with_link("doc link=%s", middle, "\"1\"");
    crawl(start);
    rig.working.max_pages = 2;
    cr_expect_eq(crawl(start).unchanged, 2);
}

Test(revisit, thousands_of_young_pages_are_settled_on_the_way)
{
    rig.tree = "1500";
    crawl(rig_url(&rig, "/ok?n=1"));
    rig.working.revisit = WORKER_REVISIT_NEVER;
    rig.working.prefetch = 1000;
    struct worker_stats stats = crawl(rig_url(&rig, "/ok?n=1"));
    cr_expect_eq(stats.fresh, 1500);
    cr_expect_eq(rig_counts(&rig).done, 1500);
    cr_expect_eq(rig_requests(&rig, "/ok", NULL), 1500);
}
