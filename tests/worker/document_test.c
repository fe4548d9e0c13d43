/* SPDX-License-Identifier: Apache-2.0 */
/* What a module can emit, and what is refused. */
#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct rig rig;

static void set_up(void)
{
    rig_start(&rig);
    rig_open(&rig);
}

static void tear_down(void)
{
    rig_end(&rig);
}
TestSuite(document, .init = set_up, .fini = tear_down, .timeout = 60);

static uint64_t counted;
static const char *counted_name;

static void note_counter(void *ctx, const char *name, uint64_t value)
{
    (void)ctx;
    counted += strcmp(name, counted_name) == 0 ? value : 0;
}

/* Crawl one scripted page; how often `name` was counted in it. */
static uint64_t count_in(const char *words, const char *name)
{
    counted = 0;
    counted_name = name;
    rig_seed(&rig, rig_script(&rig, words));
    rig_run(&rig);
    cr_assert(worker_group_wait(rig.group, base_mono_ns() + 60 * BASE_NS_PER_S));
    worker_group_read_counters(rig.group, note_counter, NULL);
    rig_finish(&rig);
    return counted;
}

Test(document, objects_and_arrays_nest)
{
    rig_crawl(&rig, rig_script(&rig, "nested"), NULL);
    const char *json = rig_document(&rig, "");
    cr_assert_not_null(json);
    cr_expect_not_null(strstr(json,
                              "\"outer\" : { \"small\" : 7, \"large\" : 1099511627776, \"list\" "
                              ": [ \"one\", { \"yes\" : true }, null ], \"at\" : "),
                       "%s", json);
    cr_expect_not_null(strstr(json, "\"last\" : \"end\""), "%s", json);
}

Test(document, bytes_that_are_no_utf8_are_replaced_and_the_rest_kept)
{
    cr_expect_eq(count_in("bad", "commit_0"), 1);
    const char *json = rig_document(&rig, "");
    cr_assert_not_null(json);
    cr_expect_not_null(strstr(json,
                              "\"ok \xEF\xBF\xBD\xC3\xA9 \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD "
                              "\xF0\x9F\x98\x80 \xEF\xBF\xBD\""),
                       "%s", json);
}

Test(document, a_text_over_16_mb_is_refused_as_over_the_limit)
{
    char name[32];
    snprintf(name, sizeof(name), "commit_%d", GLEANER_E_LIMIT);
    cr_expect_eq(count_in("huge doc", name), 1);
    cr_expect_eq(rig_document_count(&rig), 1, "the next document of the page is stored");
}

Test(document, a_document_that_grows_over_16_mb_is_refused_before_it_fills_the_memory)
{
    char name[32];
    snprintf(name, sizeof(name), "commit_%d", GLEANER_E_LIMIT);
    cr_expect_eq(count_in("parts doc", name), 1); /* 200 x 9 MB */
    cr_expect_eq(rig_document_count(&rig), 1);
}

Test(document, nesting_too_deep_is_refused)
{
    char name[32];
    snprintf(name, sizeof(name), "commit_%d", GLEANER_E_LIMIT);
    cr_expect_eq(count_in("deep doc", name), 1);
    cr_expect_eq(rig_document_count(&rig), 1);
}

Test(document, what_was_aborted_or_left_open_is_not_stored)
{
    char name[32];
    snprintf(name, sizeof(name), "commit_%d", GLEANER_E_INVALID);
    cr_expect_eq(count_in("doc abort", name), 1);
    cr_expect_eq(rig_document_count(&rig), 1);
}

Test(document, named_counters_add_up_over_pages)
{
    rig.tree = "20";
    counted_name = "trees";
    rig_seed(&rig, rig_url(&rig, "/ok?n=1"));
    rig_run(&rig);
    cr_assert(worker_group_wait(rig.group, base_mono_ns() + 60 * BASE_NS_PER_S));
    worker_group_read_counters(rig.group, note_counter, NULL);
    rig_finish(&rig);
    cr_expect_eq(counted, 20);
}
