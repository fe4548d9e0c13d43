/* SPDX-License-Identifier: Apache-2.0 */
/* What a module fetches beside its page. */
#include "rig.h"
#include "worker_internal.h"

#include <bson/bson.h>
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
TestSuite(fetch_service, .init = set_up, .fini = tear_down, .timeout = 90);

static bool match(void *ctx, const char *collection, const uint8_t *data, uint32_t len)
{
    char **json = ctx;
    bson_t document;
    (void)collection;
    cr_assert(bson_init_static(&document, data, len));
    if (bson_has_field(&document, "fetched")) {
        cr_assert_null(*json, "two documents of fetches");
        *json = bson_as_relaxed_extended_json(&document, NULL);
    }
    return true;
}

/* The only document of a fetch. */
static const char *fetched(void)
{
    char *json = NULL;
    cr_assert_eq(store_documents(rig.store, "pages", match, &json, NULL), GLEANER_OK);
    cr_assert_not_null(json);
    const char *text = base_arena_strndup(&rig.texts, json, strlen(json));
    bson_free(json);
    return text;
}

static const char *crawl(const char *words)
{
    rig_open(&rig);
    rig_crawl(&rig, rig_script(&rig, words), NULL);
    return fetched();
}

static void expect(const char *document, const char *part)
{
    cr_expect_not_null(strstr(document, part), "%s is not in %s", part, document);
}

Test(fetch_service, a_resource_is_fetched_by_its_address_relative_to_the_page)
{
    const char *document = crawl("fetch=/part?bytes=5000");
    expect(document, "\"status\" : 0,");
    expect(document, "\"http\" : 200");
    expect(document, "\"bytes\" : 5000");
    expect(document, "\"cut\" : false");
    expect(document, "\"reason\" : \"\"");
    expect(document, "\"effective\" : \"http://127.0.0.1:");
    cr_expect_eq(rig_requests(&rig, "/part", NULL), 1);
}

Test(fetch_service, the_beginning_is_enough)
{
    const char *document = crawl("begin=/part?bytes=5000");
    expect(document, "\"http\" : 206");
    expect(document, "\"bytes\" : 1000");
    expect(document, "\"cut\" : true");
    expect(document, "\"type\" : \"image/test\"");
}

Test(fetch_service, failures_have_a_status_and_a_reason)
{
    static const char *const cases[][3] = {
        {"fetch=/status?code=404", "\"status\" : 9,", "answered 404"},
        {"fetch=/status?code=403", "\"status\" : 13,", "answered 403"},
        {"fetch=/status?code=500", "\"status\" : 15,", "answered 500"},
        {"fetch=mailto:a@b", "\"status\" : 1,", "no http or https address"},
        {"fetch=http://127.0.0.1:1/", "\"status\" : 15,", "\"http\" : 0"},
        {"fetch=http://10.0.0.1/", "\"status\" : 16,", "address guard"},
    };
    for (size_t i = 0; i < BASE_ARRAY_LEN(cases); i++) {
        const char *document = crawl(cases[i][0]);
        expect(document, cases[i][1]);
        expect(document, cases[i][2]);
        rig_close(&rig);
        cr_assert_eq(rig_requests(&rig, "/status?code=500", NULL), i >= 2 ? 1 : 0, "no retries");
        char command[128];
        snprintf(command, sizeof(command), "rm -f '%s'/*", rig.directory);
        cr_assert_eq(system(command), 0);
    }
    rig_open(&rig);
}

Test(fetch_service, robots_txt_is_obeyed)
{
    rig.fetch.use_robots = true;
    http_fixture_robots(&rig.http, 1, "text", "User-agent: *\nDisallow: /part");
    char words[100];
    snprintf(words, sizeof(words), "fetch=http://127.0.0.1:%u/part", rig.http.ports[1]);
    const char *document = crawl(words);
    expect(document, "\"status\" : 16,");
    expect(document, "robots.txt");
    cr_expect_eq(rig_requests(&rig, "/part", NULL), 0);
}

Test(fetch_service, the_pages_deadline_ends_it)
{
    rig.working.handle_ms = 300;
    const char *document = crawl("fetch=/liar?bytes=100000");
    expect(document, "\"status\" : 5,");
    expect(document, "deadline");
}

static void read_counter(void *ctx, const char *name, uint64_t value)
{
    uint64_t *limit = ctx;
    *limit = strcmp(name, "limited") == 0 ? value : *limit;
}

Test(fetch_service, a_page_has_its_share)
{
    uint64_t limit = 0;
    rig_open(&rig);
    rig_seed(&rig, rig_script(&rig, "often=1000"));
    rig_run(&rig);
    cr_assert(worker_group_wait(rig.group, base_mono_ns() + 60 * BASE_NS_PER_S));
    worker_group_read_counters(rig.group, read_counter, &limit);
    rig_finish(&rig);
    cr_expect_eq(limit, 1);
    cr_expect_eq(rig_requests(&rig, "/ok", NULL), 256);
}

/* Every worker is inside a module that waits for a resource, and the results that nobody takes
 * meanwhile are more than the engine lets wait. */
Test(fetch_service, workers_who_all_wait_do_not_wait_for_each_other)
{
    struct worker_stats stats;
    struct base_buffer words = {0};
    rig.working.threads = 2;
    rig.fetch.max_transfers = 4;
    rig.fetch.max_per_host = 4;
    rig.working.prefetch = 200;
    rig_open(&rig);
    base_buffer_append_str(&words, "doc");
    for (int i = 0; i < 100; i++) {
        char one[60];
        snprintf(one, sizeof(one), "fetch=/part?bytes=%d", i + 1);
        base_buffer_printf(&words, " link=%s", rig_script(&rig, one));
    }
    const char *start = rig_script(&rig, words.data);
    base_buffer_fini(&words);
    rig_crawl(&rig, start, &stats);
    cr_expect_eq(rig_requests(&rig, "/part", NULL), 100);
    cr_expect_eq(rig_counts(&rig).done, 101);
    cr_expect_eq(rig_document_count(&rig), 101);
}
