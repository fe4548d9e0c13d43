/* SPDX-License-Identifier: Apache-2.0 */
/* Sites without an end: calendars, query variants, too many pages; and regular expressions. */
#include "queue_internal.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- dates ---- */

struct date_case {
    char url[80];
    uint32_t year, month, parts; /* year 0 = there is none */
};

ParameterizedTestParameters(url_date, table_of_cases_decides)
{
    static struct date_case cases[] = {
        {"http://a/2024/05/12/x", 2024, 5, 3},
        {"http://a/cal/2031-07", 2031, 7, 2},
        {"http://a/cal?d=2031-07-04&x=1", 2031, 7, 3},
        {"http://a/20240512.html", 2024, 5, 1},
        {"http://a/202405", 2024, 5, 1},
        {"http://a/cal?month=7&year=2031", 2031, 7, 2},
        {"http://a/cal?view=week&Year=2031&day=3", 2031, 0, 2},
        {"http://a/2024/13/1", 0, 0, 0},
        {"http://a/item/123456", 0, 0, 0},
        {"http://a/item/12345678", 0, 0, 0},
        {"http://a/v1.2.3/x", 0, 0, 0},
        {"http://2024-05.test/x", 0, 0, 0},
        {"http://a/cal?month=7", 0, 0, 0},
        {"http://a/2024", 0, 0, 0},
    };
    return cr_make_param_array(struct date_case, cases, sizeof(cases) / sizeof(cases[0]));
}
ParameterizedTest(struct date_case *c, url_date, table_of_cases_decides)
{
    struct url_date date;
    bool found = queue_find_date(c->url, strlen(c->url), &date);
    cr_assert_eq(found, c->year > 0, "%s", c->url);
    if (found) {
        cr_expect_eq(date.year, c->year, "%s: %u", c->url, date.year);
        cr_expect_eq(date.month, c->month, "%s: %u", c->url, date.month);
        cr_expect_eq(date.part_count, c->parts, "%s: %zu", c->url, date.part_count);
    }
}

/* ---- scope ---- */

static bool allows(const struct queue_scope_options *options, const char *url)
{
    struct queue_scope *scope = NULL;
    struct base_error error = {0};
    cr_assert_eq(queue_scope_create(options, &scope, &error), GLEANER_OK, "%s", error.message);
    bool allowed = queue_scope_allows(scope, url, strlen(url), 1);
    queue_scope_destroy(&scope);
    return allowed;
}

Test(scope_traps, a_calendar_is_not_followed_into_the_future)
{
    struct queue_scope_options options = {.max_depth = 5};
    cr_expect(allows(&options, "http://a/events/2024-05"));
    cr_expect(allows(&options, "http://a/events/1815/06/18"), "history has dates, too");
    cr_expect_not(allows(&options, "http://a/events/2831-05"));
    cr_expect_not(allows(&options, "http://a/cal?year=2831&month=1"));
    options.max_date_ahead_days = UINT32_MAX;
    cr_expect(allows(&options, "http://a/events/2831-05"));
}

Test(scope_traps, expressions_include_and_exclude)
{
    static const char *const include[] = {"/docs/[0-9]+\\.html$", "^http://b/"};
    static const char *const exclude[] = {"[?&](sid|session)="};
    static const char *const globs[] = {"http://c/*"};
    struct queue_scope_options options = {.max_depth = 5,
                                          .include = globs,
                                          .include_count = 1,
                                          .include_regex = include,
                                          .include_regex_count = 2,
                                          .exclude_regex = exclude,
                                          .exclude_regex_count = 1};
    cr_expect(allows(&options, "http://a/docs/12.html"));
    cr_expect_not(allows(&options, "http://a/docs/x.html"));
    cr_expect(allows(&options, "http://b/anything"));
    cr_expect(allows(&options, "http://c/anything"), "a glob is enough");
    cr_expect_not(allows(&options, "http://b/anything?sid=1"));
}

Test(scope_traps, a_wrong_expression_is_refused_by_name)
{
    static const char *const wrong[] = {"a(b", "(a*)\\1"};
    static const char *const words[] = {"a(b", "back-references"};
    for (size_t i = 0; i < 2; i++) {
        struct queue_scope_options options = {.exclude_regex = &wrong[i], .exclude_regex_count = 1};
        struct queue_scope *scope = NULL;
        struct base_error error = {0};
        cr_assert_eq(queue_scope_create(&options, &scope, &error), GLEANER_E_CONFIG);
        cr_expect_not_null(strstr(error.message, words[i]), "%s", error.message);
        cr_expect_null(scope);
    }
}

Test(scope_traps, a_part_of_a_longer_text_is_matched_to_its_end)
{
    static const char *const include[] = {"html$"};
    struct queue_scope_options options = {
        .max_depth = 5, .include_regex = include, .include_regex_count = 1};
    struct queue_scope *scope = NULL;
    cr_assert_eq(queue_scope_create(&options, &scope, NULL), GLEANER_OK);
    cr_expect(queue_scope_allows(scope, "http://a/x.html#rest", 15, 1));
    queue_scope_destroy(&scope);
}

/* ---- budgets: over the real embedded store ---- */

static struct {
    char directory[64];
    struct store *store;
    struct store_queue *jobs;
    struct queue *queue;
    struct queue_links links;
    struct queue_options options;
} f;

static void open_queue(void)
{
    struct base_error error = {0};
    struct store_sqlite_options store = {.directory = f.directory, .durable = false};
    cr_assert_eq(store_sqlite_open(&store, &f.store, &error), GLEANER_OK, "%s", error.message);
    cr_assert_eq(store_queue_open(f.store, "crawl/test", &f.jobs, &error), GLEANER_OK);
    f.options.store = f.jobs;
    f.options.owner = "test";
    cr_assert_eq(queue_create(&f.options, &f.queue), GLEANER_OK);
}

static void close_queue(void)
{
    queue_links_fini(&f.links);
    queue_destroy(&f.queue);
    store_queue_close(&f.jobs);
    store_close(&f.store);
}

static void set_up(void)
{
    snprintf(f.directory, sizeof(f.directory), "/tmp/gleaner-traps-XXXXXX");
    cr_assert_not_null(mkdtemp(f.directory));
}

static void tear_down(void)
{
    char command[128];
    close_queue();
    snprintf(command, sizeof(command), "rm -rf '%s'", f.directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(budget, .init = set_up, .fini = tear_down, .timeout = 20);

/* How many of `count` URLs made with a number are taken. */
static int offer(const char *format, int from, int count)
{
    int taken = 0;
    for (int i = from; i < from + count; i++) {
        char url[200];
        snprintf(url, sizeof(url), format, i); /* NOLINT: the formats are below */
        taken += queue_links_add(f.queue, &f.links, url, strlen(url), 1, "");
    }
    return taken;
}

static void settle(void)
{
    struct store_settlement settlement = {.links = f.links.jobs, .link_count = f.links.count};
    struct store_settled settled;
    cr_assert_eq(queue_settle(f.queue, &settlement, &settled, NULL), GLEANER_OK);
    queue_links_reset(&f.links);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

Test(budget, a_host_has_so_many_pages_and_no_other_loses_any)
{
    f.options.max_host_pages = 10;
    open_queue();
    cr_expect_eq(offer("http://a/%d", 0, 6), 6);
    settle();
    cr_expect_eq(offer("http://a/%d", 0, 20), 4, "those known already are not counted again");
    cr_expect_eq(offer("http://b/%d", 0, 8), 8);
    settle();
    struct queue_stats stats;
    queue_read_stats(f.queue, &stats);
    cr_expect_eq(stats.links_over_budget, 10);
}

Test(budget, queries_of_one_path_are_counted_together)
{
    f.options.max_query_variants = 5;
    open_queue();
    cr_expect_eq(offer("http://a/list?sort=%d", 0, 50), 5);
    cr_expect_eq(offer("http://a/other?sort=%d", 0, 3), 3);
    cr_expect_eq(offer("http://a/page/%d", 0, 50), 50, "paths are no variants");
}

Test(budget, dates_of_one_pattern_are_counted_together)
{
    f.options.max_date_variants = 12;
    open_queue();
    cr_expect_eq(offer("http://a/cal/20%02d-01", 0, 50), 12);
    cr_expect_eq(offer("http://a/news/2020/01/02/%d", 0, 50), 50, "one date, fifty articles");
}

Test(budget, what_was_counted_twice_is_given_back)
{
    struct queue_links other = {0};
    f.options.max_host_pages = 3;
    open_queue();
    cr_assert_eq(offer("http://a/%d", 0, 1), 1);
    cr_assert(queue_links_add(f.queue, &other, "http://a/0", 10, 1, ""));
    settle();
    struct store_settlement settlement = {.links = other.jobs, .link_count = other.count};
    struct store_settled settled;
    cr_assert_eq(queue_settle(f.queue, &settlement, &settled, NULL), GLEANER_OK);
    queue_links_fini(&other);
    cr_expect_eq(offer("http://a/%d", 1, 5), 2);
}

Test(budget, it_outlives_a_restart)
{
    f.options.max_host_pages = 10;
    open_queue();
    cr_assert_eq(offer("http://a/%d", 0, 7), 7);
    settle();
    close_queue();
    open_queue();
    cr_expect_eq(offer("http://a/%d", 100, 20), 3);
}
