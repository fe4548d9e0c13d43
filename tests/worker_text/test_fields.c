/* SPDX-License-Identifier: Apache-2.0 */
/* Each field of a document, and when there is no document. */
#include "text_fixture.h"

#include <stdio.h>
#include <string.h>

TestSuite(text_fields, .init = text_setup, .fini = text_teardown, .timeout = 30);

Test(text_fields, a_page_gives_one_document_with_exactly_the_fields_in_order)
{
    static const char *const names[] = {"url",    "title",        "text",       "links",
                                        "images", "description",  "language",   "canonical",
                                        "status", "content_type", "fetched_at", "hash"};
    text_run_html("<p>x</p>");
    cr_expect_eq(text_result.verdict, GLEANER_PAGE_DONE);
    cr_expect_eq(text_result.documents, 1);
    cr_expect_str_eq(text_result.key, PAGE_URL);
    cr_assert_eq(text_result.field_count, BASE_ARRAY_LEN(names));
    for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
        cr_expect_str_eq(text_result.fields[i].name, names[i]);
    }
    cr_expect_str_eq(text_field("url"), PAGE_URL);
    cr_expect_eq(page_result_field(&text_result, "status")->number, 200);
    cr_expect_str_eq(text_field("content_type"), "text/html; charset=utf-8");
    cr_expect_eq(page_result_field(&text_result, "fetched_at")->kind, PAGE_DATE);
    cr_expect_eq(page_result_field(&text_result, "fetched_at")->number, 1700000000123);
}

Test(text_fields, the_title_is_the_first_one_with_its_white_space_collapsed)
{
    text_run_html("<head><title>\n  One&nbsp;\t &amp;\n two </title><title>Three</title></head>");
    cr_expect_str_eq(text_field("title"), "One & two");
}

Test(text_fields, the_title_of_a_drawing_is_not_the_title_of_the_page)
{
    text_run_html("<svg><title>Icon</title></svg><p>x</p>");
    cr_expect_str_eq(text_field("title"), "");
    text_run_html("<svg><title>Icon</title></svg><title>Page</title>");
    cr_expect_str_eq(text_field("title"), "Page");
}

Test(text_fields, markup_inside_a_title_is_text)
{
    text_run_html("<title>a <b>bold</b> claim</title>");
    cr_expect_str_eq(text_field("title"), "a <b>bold</b> claim");
    text_run_html("<template><title>hidden</title></template><title>shown</title>");
    cr_expect_str_eq(text_field("title"), "shown");
}

Test(text_fields, the_description_is_meta_description_and_else_opengraph)
{
    text_run_html("<meta property='og:description' content='og'>"
                  "<meta NAME=Description content=' The  page '>");
    cr_expect_str_eq(text_field("description"), "The page");
    text_run_html("<meta property='og:description' content='og &lt;1&gt;'>");
    cr_expect_str_eq(text_field("description"), "og <1>");
    text_run_html("<meta name=description content=' '><meta name=keywords content=k>");
    cr_expect(text_field_is_null("description"));
}

Test(text_fields, the_language_is_the_one_of_html)
{
    text_run_html("<!DOCTYPE html><html lang=' de-AT '><p lang=fr>x");
    cr_expect_str_eq(text_field("language"), "de-AT");
    text_run_html("<html><p lang=fr>x");
    cr_expect(text_field_is_null("language"));
}

Test(text_fields, the_canonical_address_is_absolute)
{
    text_run_html("<link rel='alternate' href='/x'><link rel='prev Canonical' href='../c?q=1#f'>"
                  "<link rel=canonical href=/second>");
    cr_expect_str_eq(text_field("canonical"), "http://h.test/c?q=1");
    text_run_html("<link rel=canonical href='mailto:a@b'>");
    cr_expect(text_field_is_null("canonical"));
}

Test(text_fields, the_hash_depends_on_the_text_alone)
{
    char first[32];
    text_run_html("<title>a</title><p>same text</p>");
    cr_assert_eq(strlen(text_field("hash")), 16);
    cr_expect_eq(strspn(text_field("hash"), "0123456789abcdef"), 16);
    strcpy(first, text_field("hash"));
    uint64_t want = base_hash64("same text", 9);
    char hex[17];
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)want);
    cr_expect_str_eq(first, hex, "the hash is XXH3, as elsewhere in gleaner");
    text_run_html("<title>b</title><div>same <b>text</b></div><a href=x></a>");
    cr_expect_str_eq(text_field("hash"), first);
    text_run_html("<p>other text</p>");
    cr_expect_str_neq(text_field("hash"), first);
}

Test(text_fields, what_is_not_html_is_skipped_without_a_document)
{
    static const char *const types[] = {"application/pdf", "text/plain", "image/png", "text/htmlx",
                                        "application/json; charset=utf-8"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(types); i++) {
        struct gleaner_page page = text_page("<p>x</p>", 8);
        page.content_type = types[i];
        text_run(&page);
        cr_expect_eq(text_result.verdict, GLEANER_PAGE_SKIPPED, "%s", types[i]);
        cr_expect_eq(text_result.documents, 0);
    }
}

Test(text_fields, html_and_xhtml_and_undeclared_markup_are_taken)
{
    static const char *const types[] = {"text/html", "TEXT/HTML ;charset=x",
                                        "application/xhtml+xml", ""};
    for (size_t i = 0; i < BASE_ARRAY_LEN(types); i++) {
        struct gleaner_page page = text_page(" <p>x</p>", 9);
        page.content_type = types[i];
        text_run(&page);
        cr_expect_eq(text_result.documents, 1, "%s", types[i]);
    }
    struct gleaner_page page = text_page("plain words", 11);
    page.content_type = "";
    text_run(&page);
    cr_expect_eq(text_result.verdict, GLEANER_PAGE_SKIPPED);
}

Test(text_fields, an_error_page_is_skipped)
{
    struct gleaner_page page = text_page("<p>not found</p>", 16);
    page.http_status = 404;
    text_run(&page);
    cr_expect_eq(text_result.verdict, GLEANER_PAGE_SKIPPED);
}

Test(text_fields, an_empty_page_is_a_document_and_an_empty_submission_is_a_miss)
{
    text_run_html("");
    cr_expect_eq(text_result.documents, 1);
    cr_expect_str_eq(text_field("text"), "");
    cr_expect_str_eq(text_field("title"), "");
    struct gleaner_page page = text_page("<title>only a title</title>", 27);
    page.type = "text";
    text_run(&page);
    cr_expect_eq(text_result.verdict, GLEANER_PAGE_DONE);
    cr_expect_eq(text_result.documents, 0);
    cr_expect_eq(text_result.content_found, 0);
}

Test(text_fields, a_drawing_says_nothing_of_its_page)
{
    static const char *const fronts[] = {"", "<p>p<table>out<tr><td>cell</table>"};
    for (size_t i = 0; i < 2; i++) {
        char html[400];
        (void)snprintf(html, sizeof html,
                       "%s<svg><title>Icon</title><html lang=xx></html>"
                       "<link rel=canonical href=/drawn></link></svg>",
                       fronts[i]);
        text_run_html(html);
        cr_expect_str_eq(text_field("title"), "");
        cr_expect(text_field_is_null("language"));
        cr_expect(text_field_is_null("canonical"));
    }
    text_run_html("<svg><meta name=robots content=noindex><title>Page</title>");
    cr_expect(text_result.noindex, "a meta ends the drawing: it is HTML");
    cr_expect_str_eq(text_field("title"), "Page");
}

Test(text_fields, robots_directives_in_the_page_reach_the_host)
{
    text_run_html("<meta name=robots content='NOINDEX, follow'><p>x");
    cr_expect(text_result.noindex);
    cr_expect_not(text_result.nofollow);
    text_run_html("<meta name=robots content=none><a href=x>x</a>");
    cr_expect(text_result.noindex);
    cr_expect(text_result.nofollow);
    cr_expect_eq(text_result.followed.count, 0);
    text_run_html(
        "<meta name=robots content='max-image-preview: none, nofollow, max-snippet:-1'>x");
    cr_expect_not(text_result.noindex);
    cr_expect(text_result.nofollow);
    text_run_html("<meta name=robots content='noindexing, max-snippet:5'><p>x");
    cr_expect_not(text_result.noindex);
}

static bool is_noindex(const char *agent, size_t size, const char *meta)
{
    struct gleaner_page page = text_page(meta, strlen(meta));
    page.robots_agent = agent;
    page.size = size;
    text_run(&page);
    return text_result.noindex;
}

Test(text_fields, robots_directives_for_our_own_token_count)
{
    static const char meta[] = "<meta name=Gleaner content=noindex><p>x";
    size_t size = sizeof(struct gleaner_page);
    cr_expect(is_noindex("gleaner", size, meta));
    cr_expect_not(is_noindex("other", size, meta));
    cr_expect_not(is_noindex(NULL, size, meta));
    cr_expect_not(is_noindex("gleaner", offsetof(struct gleaner_page, robots_agent), meta),
                  "an earlier host has no token");
    cr_expect_not(is_noindex("", size, "<meta name='' content=noindex>"));
    cr_expect_not(is_noindex("gleaner", size, "<meta name=googlebot content=noindex>"));
}

Test(text_fields, a_page_that_was_available_until_now_is_noindex)
{
    /* The page is of 2023-11-14 22:13:20.123 UTC. */
    static const struct {
        const char *content;
        bool noindex;
    } cases[] = {
        {"unavailable_after: Tue, 14 Nov 2023 22:13:20 GMT", true},
        {"unavailable_after: Tue, 14 Nov 2023 22:13:21 GMT", false},
        {"unavailable_after: 14-Nov-23 22:13:20 GMT", true},
        {"unavailable_after: Tuesday, 14-Nov-23 17:13:21 EST", false},
        {"unavailable_after: 14 Nov 2023 14:13:20 PST", true},
        {"unavailable_after: 2023-11-14T22:13:20Z", true},
        {"unavailable_after: 2023-11-14T22:13:21.5Z", false},
        {"unavailable_after: 2023-11-15T00:13:20+02:00", true},
        {"unavailable_after: 2023-11-15T00:13:21+0200", false},
        {"unavailable_after: 2023-11-14T20:13:21-02", false},
        {"unavailable_after: 20231114", true},
        {"unavailable_after: 2023-11-15", false},
        {"UNAVAILABLE_AFTER:2010-06-25", true},
        {"unavailable_after: Tue, 14 Nov 2040 22:13:20 GMT, noindex", true},
        {"unavailable_after:", false},
        {"unavailable_after: Tue", false},
        {"unavailable_after: 14 Nov", false},
        {"unavailable_after: 2010-13-25", false},
        {"unavailable_after: 2010-06-99999999999999999999", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char html[200];
        (void)snprintf(html, sizeof html, "<meta name=robots content='%s'>x", cases[i].content);
        text_run_html(html);
        cr_expect_eq(text_result.noindex, cases[i].noindex, "%s", cases[i].content);
    }
}

Test(text_fields, a_refused_document_fails_the_page)
{
    text_result.refuse = true;
    text_run_html("<p>x");
    cr_expect_eq(text_result.verdict, GLEANER_PAGE_FAILED);
    cr_expect_str_eq(text_result.last_log, "text: the document was refused");
}
