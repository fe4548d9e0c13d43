/* SPDX-License-Identifier: Apache-2.0 */
/* What a page says of itself. */
#include "record_host.h"

#include <stdio.h>
#include <string.h>

TestSuite(metadata, .init = record_setup, .fini = record_teardown, .timeout = 30);

#define LD(json) "<script type='application/ld+json'>" json "</script>"

static void expect_part(const char *html, const char *part)
{
    record_scrape("text", html);
    cr_expect(strstr(record_field("metadata"), part) != NULL, "%s is not in %s", part,
              record_field("metadata"));
}

Test(metadata, a_plain_crawl_has_none_and_no_main_text)
{
    record_scrape("page", "<meta name=author content=A><p>x");
    cr_expect_str_eq(record_field("metadata"), "(no such field)");
    cr_expect_str_eq(record_field("main_text"), "(no such field)");
    record_set("main_text", "true");
    record_scrape("page", "<meta name=author content=A><p>x");
    cr_expect_str_eq(record_field("main_text"), "\"x\"");
    cr_expect_str_eq(record_field("metadata"), "(no such field)");
}

Test(metadata, a_page_without_any_has_empty_families)
{
    record_scrape("text", "<p>x");
    cr_expect_str_eq(record_field("metadata"),
                     "{\"keywords\":[],\"opengraph\":{},\"twitter\":{},\"json_ld\":[]}");
}

Test(metadata, description_author_date_language_canonical_and_keywords)
{
    record_scrape("text", "<html lang=de><meta name=Description content=' a  b '>"
                          "<meta name=author content='Jane &amp; Co'><link rel=canonical href=/c>"
                          "<meta property=article:published_time content=2024-01-02>"
                          "<meta name=keywords content='k1, k2;k1'><meta property=article:tag "
                          "content=k3><p>x");
    cr_expect_str_eq(record_field("metadata"),
                     "{\"description\":\"a b\",\"author\":\"Jane & Co\",\"date\":\"2024-01-02\","
                     "\"language\":\"de\",\"canonical\":\"http://h.test/c\","
                     "\"keywords\":[\"k1\",\"k2\",\"k3\"],\"opengraph\":{},\"twitter\":{},"
                     "\"json_ld\":[]}");
}

Test(metadata, a_drawing_says_nothing_of_its_page)
{
    record_scrape("text", "<html><svg><title>Icon</title><base href='http://other.test/'></base>"
                          "<link rel=canonical href=/drawn></link></svg>"
                          "<link rel=canonical href=c><p>x");
    cr_expect_str_eq(record_field("title"), "\"\"");
    cr_expect_str_eq(record_field("metadata"),
                     "{\"canonical\":\"http://h.test/d/c\",\"keywords\":[],\"opengraph\":{},"
                     "\"twitter\":{},\"json_ld\":[]}");
}

Test(metadata, opengraph_and_twitter_are_kept_by_name_the_first_of_each)
{
    expect_part("<meta property=og:title content=A><meta property=og:title content=B>"
                "<meta property=og:image:width content=3><meta name=twitter:card content=c>"
                "<meta property='og:a.b$c' content=d><p>x",
                "\"opengraph\":{\"title\":\"A\",\"image:width\":\"3\",\"a_b_c\":\"d\"},"
                "\"twitter\":{\"card\":\"c\"}");
    expect_part("<meta property=og:title content=A><p>x", "\"title\":\"A\"");
}

Test(metadata, linked_data_gives_type_headline_author_and_date)
{
    expect_part(LD("{\"@context\":\"x\",\"@graph\":[{\"@type\":[\"NewsArticle\",\"Thing\"],"
                   "\"headline\":\"H \\u00e9 \\ud83d\\ude00 \\\"q\\\"\",\"author\":[{\"@type\":"
                   "\"Person\",\"name\":\"A\"},\"B\"],\"datePublished\":\"2024\",\"image\":"
                   "{\"@type\":\"ImageObject\",\"name\":\"n\",\"url\":\"u\"}}]}") "<p>x",
                "\"json_ld\":[{\"@type\":\"NewsArticle\",\"headline\":\"H \xC3\xA9 "
                "\xF0\x9F\x98\x80 \\\"q\\\"\",\"author\":\"A, B\",\"datePublished\":\"2024\","
                "\"image\":\"u\"}]");
    expect_part(LD("{\"@type\":\"Article\",\"author\":{\"name\":\"A\"}}") "<p>x",
                "\"author\":\"A\"");
}

Test(metadata, linked_data_that_is_broken_gives_what_could_be_read)
{
    static const char *const broken[] = {
        LD("{\"@type\":\"Article\",\"headline\":\"two\nlines\",}"),
        LD("<!-- {\"@type\":\"Article\",\"headline\":\"two\nlines\"} -->"),
        LD("[{\"@type\":\"Article\",\"headline\":\"two\nlines\", \"x\": nul"),
        LD("\n//<![CDATA[\n{\"@type\":\"Article\",\"headline\":\"two\nlines\"};\n//]]>"),
    };
    for (size_t i = 0; i < BASE_ARRAY_LEN(broken); i++) {
        char html[256];
        snprintf(html, sizeof html, "%s<p>x", broken[i]);
        expect_part(html, "{\"@type\":\"Article\",\"headline\":\"two\\nlines\"}");
    }
    static const char *const hopeless[] = {LD(""),        LD("{"),    LD("[[[["),
                                           LD("\"\\u12"), LD("{\"a"), LD("{\"@type\":\"\\")};
    for (size_t i = 0; i < BASE_ARRAY_LEN(hopeless); i++) {
        char html[256];
        snprintf(html, sizeof html, "%s<p>x", hopeless[i]);
        expect_part(html, "\"json_ld\":[]");
    }
}

Test(metadata, linked_data_nested_without_end_is_given_up)
{
    char html[20000] = "<script type='application/ld+json'>";
    size_t len = strlen(html);
    memset(html + len, '[', sizeof html - len - 1);
    html[sizeof html - 1] = '\0';
    record_scrape("text", html);
    cr_expect_eq(record.verdict, GLEANER_PAGE_DONE);
    expect_part("<p>x", "\"json_ld\":[]");
}

Test(metadata, a_date_is_found_in_a_time_element)
{
    expect_part("<p>x <time datetime='2020-05-06T00:00Z'>May</time>",
                "\"date\":\"2020-05-06T00:00Z\"");
}

Test(metadata, an_address_is_no_author)
{
    expect_part("<meta property=article:author content='https://f.test/me'>" LD(
                    "{\"@type\":\"Article\",\"author\":\"Me\"}") "<p>x",
                "\"author\":\"Me\"");
}
