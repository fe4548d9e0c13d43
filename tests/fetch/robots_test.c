/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch.h"
#include "robots_cases.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct fetch_robots *parse(const char *text)
{
    struct fetch_robots *robots;
    cr_assert_eq(fetch_robots_parse(text, strlen(text), &robots), GLEANER_OK);
    return robots;
}

static struct fetch_robots_answer ask(const char *text, const char *agent, const char *target)
{
    struct fetch_robots *robots = parse(text);
    struct fetch_robots_answer answer;
    fetch_robots_match(robots, agent, target, &answer);
    fetch_robots_free(&robots);
    return answer;
}

static bool allows(const char *text, const char *target)
{
    return ask(text, "gleaner", target).allowed;
}

Test(robots, the_table_of_recorded_decisions_holds)
{
    struct robots_score score;
    cr_assert(robots_cases_run(ROBOTS_TABLE, stderr, &score));
    cr_assert_eq(score.cases, 145);
    cr_assert_eq(score.rfc_passed, score.rfc_cases);
    cr_assert_eq(score.passed, score.cases, "%u of %u", score.passed, score.cases);
}

Test(robots, byte_order_mark_and_all_line_ends_are_read)
{
    const char *text = "\xEF\xBB\xBFUser-agent: *\rDisallow: /a\r\nDisallow: /b\n\nDisallow: /c";
    cr_assert_not(allows(text, "/a"));
    cr_assert_not(allows(text, "/b"));
    cr_assert_not(allows(text, "/c"));
    cr_assert(allows(text, "/d"));
    cr_assert_eq(ask(text, "x", "/b").line, 3);
}

Test(robots, groups_of_the_same_agent_merge_and_the_token_ignores_case)
{
    const char *text = "User-agent: GLEANER\nDisallow: /a\n\nUser-agent: other\nDisallow: /\n\n"
                       "User-agent: gleaner/2.0\nDisallow: /b\n";
    cr_assert_not(allows(text, "/a"));
    cr_assert_not(allows(text, "/b"));
    cr_assert(allows(text, "/c"));
}

Test(robots, who_asks_with_a_version_or_a_digit_is_the_same_agent)
{
    const char *text =
        "User-agent: *\nDisallow: /\nUser-agent: MyBot\nUser-agent: bot42\nAllow: /a\n";
    const char *const names[] = {"mybot", "MyBot/2.1", "mybot/2.1 (+http://a/)", "bot42", "BOT"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
        cr_expect(ask(text, names[i], "/b").allowed, "%s", names[i]);
    }
    const char *const others[] = {"mybots", "my", "mybot-x", "mybot x", "*", "", "42", "/2.1"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(others); i++) {
        cr_expect_not(ask(text, others[i], "/b").allowed, "%s", others[i]);
    }
    cr_expect_not(
        ask("User-agent: 360bot\nAllow: /\nUser-agent: *\nDisallow: /\n", "", "/").allowed);
}

Test(robots, the_file_itself_is_allowed)
{
    const char *text = "User-agent: *\nDisallow: /\n";
    cr_expect(ask(text, "x", "http://a/robots.txt").allowed);
    cr_expect_eq(ask(text, "x", "/robots.txt").line, 0);
    cr_expect_not(allows(text, "/robots.txt?x"));
    cr_expect_not(allows(text, "/robots.txt/"));
    cr_expect_not(allows(text, "/a/robots.txt"));
}

Test(robots, a_group_of_its_own_hides_the_group_of_all)
{
    const char *text = "User-agent: *\nDisallow: /\nUser-agent: gleaner\nAllow: /\n";
    cr_assert(allows(text, "/x"));
    cr_assert_not(ask(text, "another", "/x").allowed);
}

Test(robots, escapes_are_compared_in_one_case)
{
    cr_assert_not(allows("User-agent: *\nDisallow: /caf%c3%a9\n", "/caf%C3%A9"));
    cr_assert_not(allows("User-agent: *\nDisallow: /caf%C3%A9\n", "/caf%c3%a9"));
    cr_assert_not(allows("User-agent: *\nDisallow: /caf\xC3\xA9\n", "/caf%C3%A9"));
}

Test(robots, stars_and_the_dollar_work_together)
{
    const char *text = "User-agent: *\nDisallow: /*.pdf$\nDisallow: /a*b*c\nDisallow: /x$\n";
    cr_assert_not(allows(text, "/d/file.pdf"));
    cr_assert(allows(text, "/d/file.pdf?x"));
    cr_assert_not(allows(text, "/a.pdf.pdf"));
    cr_assert_not(allows(text, "/aXXbYYcZZ"));
    cr_assert(allows(text, "/aXXcYYbZZ"));
    cr_assert_not(allows(text, "/x"));
    cr_assert(allows(text, "/xy"));
}

Test(robots, a_pattern_of_many_stars_takes_no_exponential_time, .timeout = 10)
{
    struct base_buffer text = {0}, target = {0};
    base_buffer_append_str(&text, "User-agent: *\nDisallow: /");
    base_buffer_append_str(&target, "/");
    for (int i = 0; i < 4000; i++) {
        base_buffer_append_str(&text, "*a");
        base_buffer_append_str(&target, "a");
    }
    base_buffer_append_str(&text, "b$\n");
    for (int i = 0; i < 1000; i++) {
        cr_assert(allows(text.data, target.data));
    }
    base_buffer_fini(&text);
    base_buffer_fini(&target);
}

Test(robots, crawl_delay_belongs_to_its_group)
{
    const char *text = "User-agent: a\nUser-agent: gleaner\nCrawl-delay: 2.5\nDisallow: /x\n"
                       "User-agent: *\nCrawl-delay: 9\nDisallow:\n";
    cr_assert_float_eq(ask(text, "gleaner", "/").crawl_delay_s, 2.5, 1e-9);
    cr_assert_float_eq(ask(text, "b", "/").crawl_delay_s, 9, 1e-9);
    cr_assert_lt(ask("User-agent: *\nCrawl-delay: soon\n", "b", "/").crawl_delay_s, 0);
}

Test(robots, sitemap_lines_are_kept_in_order)
{
    struct fetch_robots *robots =
        parse("Sitemap: https://a/1.xml\nUser-agent: *\nsitemap:https://a/2.xml # two\n");
    cr_assert_str_eq(fetch_robots_sitemap(robots, 0), "https://a/1.xml");
    cr_assert_str_eq(fetch_robots_sitemap(robots, 1), "https://a/2.xml");
    cr_assert_null(fetch_robots_sitemap(robots, 2));
    fetch_robots_free(&robots);
}

Test(robots, rules_beyond_500_kib_count)
{
    struct base_buffer text = {0};
    base_buffer_append_str(&text, "User-agent: *\n");
    while (text.len < 505u * 1024) {
        base_buffer_append_str(&text, "Disallow: /filler/of/some/length\n");
    }
    base_buffer_append_str(&text, "Disallow: /last\n");
    cr_assert_not(allows(text.data, "/last"));
    base_buffer_fini(&text);
}

Test(robots, random_bytes_are_survived)
{
    struct base_random random;
    base_random_init(&random, 9309);
    static const char pieces[][16] = {"User-agent:", "Disallow:", "Allow:", "*",  "$", "/",
                                      "%",           "%2",        "\r",     "\n", "#", " ",
                                      "\t",          ":",         "\xEF",   "a"};
    for (int round = 0; round < 2000; round++) {
        struct base_buffer text = {0};
        for (uint64_t n = base_random_below(&random, 60); n > 0; n--) {
            base_buffer_append_str(&text, pieces[base_random_below(&random, 16)]);
        }
        struct fetch_robots *robots;
        struct fetch_robots_answer answer;
        cr_assert_eq(fetch_robots_parse(text.data != NULL ? text.data : "", text.len, &robots),
                     GLEANER_OK);
        fetch_robots_match(robots, "gleaner", "/a%2a/b$*", &answer);
        fetch_robots_free(&robots);
        base_buffer_fini(&text);
    }
}

/* Counted by the time limit: 18,000 agents and 25,000 rules in one group were 450 million steps to
 * read, and as many for every URL. */
Test(robots, many_agents_with_many_rules_cost_their_sum, .timeout = 20)
{
    struct base_buffer text = {0};
    struct fetch_robots *robots;
    struct fetch_robots_answer answer;
    for (int i = 0; i < 18000; i++) {
        base_buffer_append_str(&text, "User-agent: *\n");
    }
    for (int i = 0; i < 25000; i++) {
        base_buffer_append_str(&text, "Allow: /b\n");
    }
    base_buffer_append_str(&text, "Disallow: /last\n");
    cr_assert_eq(fetch_robots_parse(text.data, text.len, &robots), GLEANER_OK);
    for (int i = 0; i < 50; i++) {
        fetch_robots_match(robots, "gleaner", "/last", &answer);
        cr_assert_not(answer.allowed);
    }
    fetch_robots_free(&robots);
    base_buffer_fini(&text);
}
