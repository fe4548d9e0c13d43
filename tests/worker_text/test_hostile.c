/* SPDX-License-Identifier: Apache-2.0 */
/* Pages made to hurt: no recursion, bounded memory, an answer. The suite's timeout is a backstop
 * against quadratic work, not a measurement. */
#include "text_fixture.h"

#include <string.h>
#include <sys/resource.h>

static void small_stack_setup(void)
{
    /* Recursion over 100,000 elements would not survive this. */
    struct rlimit limit = {.rlim_cur = 256 * 1024, .rlim_max = 256 * 1024};
    cr_assert_eq(setrlimit(RLIMIT_STACK, &limit), 0);
    text_setup();
}

TestSuite(text_hostile, .init = small_stack_setup, .fini = text_teardown, .timeout = 60);

static void run_repeated(const char *start, const char *piece, size_t count, const char *end,
                         bool markdown)
{
    struct base_buffer html = {0};
    base_buffer_append_str(&html, start);
    for (size_t i = 0; i < count; i++) {
        base_buffer_append_str(&html, piece);
    }
    base_buffer_append_str(&html, end);
    cr_assert_not(html.failed);
    struct gleaner_page page = text_page(html.data, html.len);
    page.want_markdown = markdown;
    text_run(&page);
    base_buffer_fini(&html);
    cr_expect_eq(text_result.verdict, GLEANER_PAGE_DONE);
    cr_expect_eq(text_result.documents, 1);
}

Test(text_hostile, a_hundred_thousand_nested_elements_give_their_text)
{
    static const char *const tags[] = {
        "<div>",      "<b>",    "<ul><li>",        "<blockquote>", "<svg>",
        "<table>",    "<span>", "<a href=x>",      "<template>",   "<math><mi>",
        "<noscript>", "<pre>",  "<table><tr><td>", "<select>"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(tags); i++) {
        for (int markdown = 0; markdown <= 1; markdown++) {
            run_repeated("<p>before", tags[i], 100000, "inside", markdown != 0);
            cr_expect_eq(strncmp(text_field("text"), "before", 6), 0, "%s", tags[i]);
        }
    }
}

Test(text_hostile, doubtful_markup_in_deep_nesting_does_not_build_a_deep_tree)
{
    run_repeated("<table>lost", "<div>", 100000, "x", false);
    cr_expect_eq(page_result_counter(&text_result, "text_tree_passes"), 0);
    cr_expect_eq(page_result_counter(&text_result, "text_tree_refused"), 1);
    cr_expect_not_null(strstr(text_field("text"), "lost"));
    run_repeated("<table>lost", "<b id=x>x<p>", 20000, "x", false);
    cr_expect_eq(page_result_counter(&text_result, "text_tree_passes"), 0);
}

/* What only the tree builder knows: which end tags end something, how many attributes it looks
 * through. Each of these was minutes of work; the token pass's answer stands. */
Test(text_hostile, a_tree_that_turns_out_too_dear_is_given_up)
{
    run_repeated("<table>lost", "<span><div></span></div>", 200000, "x", false);
    cr_expect_eq(page_result_counter(&text_result, "text_tree_passes"), 0);
    cr_expect_eq(page_result_counter(&text_result, "text_tree_refused"), 1);
    cr_expect_not_null(strstr(text_field("text"), "lost"));

    struct base_buffer html = {0};
    base_buffer_append_str(&html, "<table>lost<div ");
    for (int i = 0; i < 80000; i++) { /* few enough names, too many on one element */
        base_buffer_printf(&html, "x%d ", i);
    }
    run_repeated(html.data, "", 0, ">x</div>", false);
    cr_expect_eq(page_result_counter(&text_result, "text_tree_refused"), 1);

    base_buffer_reset(&html, SIZE_MAX);
    base_buffer_append_str(&html, "<table>lost");
    for (int i = 0; i < 200000; i++) {
        base_buffer_printf(&html, "<x%d>", i);
    }
    run_repeated(html.data, "", 0, "x", false);
    cr_expect_eq(page_result_counter(&text_result, "text_tree_refused"), 1);

    base_buffer_reset(&html, SIZE_MAX);
    base_buffer_append_str(&html, "<table>lost");
    for (int i = 0; i < 30000; i++) {
        base_buffer_printf(&html, "<body x%d>", i);
    }
    run_repeated(html.data, "", 0, "x", false);
    cr_expect_eq(page_result_counter(&text_result, "text_tree_refused"), 1);
    base_buffer_fini(&html);
}

Test(text_hostile, end_tags_without_start_tags_cost_nothing)
{
    static const char *const tags[] = {"</div>",     "</table>", "</template>", "</svg>",
                                       "</li></ul>", "</p>",     "</br>"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(tags); i++) {
        run_repeated("<b><b>", tags[i], 100000, "x", true);
        cr_expect_not_null(strstr(text_field("text"), "x"), "%s", tags[i]);
    }
}

Test(text_hostile, a_hundred_thousand_attributes_on_one_element_are_read)
{
    struct base_buffer html = {0};
    base_buffer_append_str(&html, "<a ");
    for (int i = 0; i < 100000; i++) {
        base_buffer_printf(&html, "x%d=y ", i);
    }
    base_buffer_append_str(&html, "href=found>x</a>");
    struct gleaner_page page = text_page(html.data, html.len);
    text_run(&page);
    cr_expect_str_eq(text_list("links"), "http://h.test/d/found");
    base_buffer_fini(&html);
}

Test(text_hostile, the_same_attribute_a_hundred_thousand_times_counts_once)
{
    run_repeated("<a href=first ", "href=again ", 100000, ">x</a>", false);
    cr_expect_str_eq(text_list("links"), "http://h.test/d/first");
}

Test(text_hostile, a_text_longer_than_a_document_is_cut_between_characters)
{
    run_repeated("<p>", "\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC ", 1200000,
                 "", false);
    const struct page_field *text = page_result_field(&text_result, "text");
    cr_expect_lt(text->text.len, 16u << 20);
    cr_expect_gt(text->text.len, 15u << 20);
    cr_expect(base_utf8_valid(text->text.data, text->text.len));
}

Test(text_hostile, an_endless_title_and_address_are_cut_or_left_out)
{
    run_repeated("<title>", "word ", 100000, "</title><p>x", false);
    cr_expect_leq(strlen(text_field("title")), 65536);
    run_repeated("<a href=\"", "longlonglong", 100000, "\">x</a>", false);
    cr_expect_str_eq(text_list("links"), "");
}

Test(text_hostile, the_module_stops_when_the_host_says_so)
{
    text_result.stop = true;
    struct base_buffer html = {0};
    for (int i = 0; i < 10000; i++) {
        base_buffer_append_str(&html, "<p>x");
    }
    struct gleaner_page page = text_page(html.data, html.len);
    text_run(&page);
    cr_expect_eq(text_result.verdict, GLEANER_PAGE_RETRY);
    cr_expect_eq(text_result.documents, 0);
    text_result.stop = false;
    text_run(&page);
    cr_expect_eq(text_result.documents, 1, "and works again afterwards");
    base_buffer_fini(&html);
}

/* Every prefix of a page with a bit of everything, and every byte of it damaged. */
Test(text_hostile, damaged_pages_are_survived)
{
    static const char html[] =
        "<!DOCTYPE html><html lang=en><head><base href=/b><title>t&amp;</title><meta name=robots "
        "content=all></head><body><a href='x#y'>l</a><table><tr><td>c<p>d</table><svg><title>s"
        "</title><![CDATA[z]]></svg><pre>\n p </pre><noscript><p>n</p></noscript><!-- c --><select>"
        "<option>o</select><ul><li>i<ol><li>j</ol></ul><template>t</template>&#0;&#x1F600;";
    char damaged[sizeof html];
    for (size_t i = 0; i < sizeof html - 1; i++) {
        struct gleaner_page page = text_page(html, i);
        text_run(&page);
        cr_assert_eq(text_result.documents, 1);
        for (int c = 0; c < 256; c += 17) {
            memcpy(damaged, html, sizeof html);
            damaged[i] = (char)c;
            page = text_page(damaged, sizeof html - 1);
            page.want_markdown = c % 2 != 0;
            text_run(&page);
            cr_assert_eq(text_result.documents, 1);
        }
    }
}
