/* SPDX-License-Identifier: Apache-2.0 */
/* A text submission: the application's document, and when there is none. */
#include "record_host.h"

#include <string.h>

TestSuite(content, .init = record_setup, .fini = record_teardown, .timeout = 30);

#define expect_content(html, want)                                                                 \
    do {                                                                                           \
        record_submit("text", html);                                                               \
        cr_expect_str_eq(record_field("content"), "\"" want "\"");                                 \
    } while (0)

Test(content, a_hit_is_one_document_with_exactly_the_fields_of_the_application)
{
    record_submit("text", "<title> A  page </title><meta name=description content=D>"
                          "<meta name=keywords content='a,b'><h1>H</h1><p>Text</p>");
    cr_expect_eq(record.verdict, GLEANER_PAGE_DONE);
    cr_expect_eq(record.content_found, 1);
    cr_assert_eq(record.count, 1);
    cr_expect_str_eq(record.documents[0].collection, "bambicontents");
    cr_expect_str_eq(record.documents[0].key, RECORD_URL);
    cr_expect_str_eq(record_json(0),
                     "{\"type\":\"text\",\"fileType\":\"html\",\"title\":\"A page\","
                     "\"content\":\"# H\\n\\nText\",\"url\":\"" RECORD_URL "\",\"source\":\"web\","
                     "\"metadata\":{\"keywords\":[\"a\",\"b\"],\"description\":\"D\","
                     "\"categories\":[],\"created\":{\"$date\":1700000000123}},"
                     "\"dateAdded\":{\"$date\":1700000000123},\"__v\":0}");
}

Test(content, links_with_pattern_characters_and_nested_lists_stay_in_order_each_once)
{
    expect_content("<main><p>See <a href=c>C++ file</a> and <a href=n>new (2025</a>.</p>"
                   "<ul><li>one<ul><li>two</li></ul></li><li>three</li></ul></main>",
                   "See [C++ file](http://h.test/d/c) and [new (2025](http://h.test/d/n).\\n\\n"
                   "- one\\n  - two\\n- three");
}

Test(content, it_is_main_else_the_only_article_else_class_content_else_the_body)
{
    expect_content("<p>no</p><main><p>yes</p></main><article>no</article>", "yes");
    expect_content("<div>no</div><div role=main>yes</div>", "yes");
    expect_content("<nav>no</nav><article><p>yes</p></article><div class=content>no</div>", "yes");
    expect_content("<nav>no</nav><div class='box content'>yes</div>", "yes");
    expect_content("<article>one</article><article>two</article>", "one\\n\\ntwo");
    expect_content("<div>all of it</div>", "all of it");
}

Test(content, script_style_svg_iframe_and_noscript_are_dropped)
{
    expect_content("<p>a</p><script>s</script><style>s</style><svg><text>t</text></svg>"
                   "<iframe>f</iframe><noscript>n</noscript><p>b</p>",
                   "a\\n\\nb");
}

Test(content, an_empty_body_is_a_miss)
{
    record_submit("text", "<title>only a title</title>");
    cr_expect_eq(record.verdict, GLEANER_PAGE_DONE);
    cr_expect_eq(record.content_found, 0);
    cr_expect_eq(record.count, 0);
    record_submit("text", "<main></main><p>beside it</p>");
    cr_expect_eq(record.content_found, 0);
}

Test(content, a_page_that_speaks_of_no_relevant_word_is_a_miss)
{
    record_set("relevance", "bambisleep, bambi sleep");
    record_submit("text", "<p>Nothing of interest</p>");
    cr_expect_eq(record.verdict, GLEANER_PAGE_DONE);
    cr_expect_eq(record.content_found, 0);
    cr_expect_eq(record.count, 0);
}

Test(content, a_relevant_word_is_found_in_any_case_over_line_breaks_and_emphasis)
{
    static const char *const pages[] = {"<p>All of BambiSleep.",
                                        "<p>a bambi\n   sleep file",
                                        "<p><b>Bambi</b> <i>sleep</i>",
                                        "<title>Bambi Sleep</title><p>x",
                                        "<meta name=keywords content='bambisleep'><p>x",
                                        "<meta name=description content='on Bambi sleep'><p>x"};
    record_set("relevance", "bambisleep, bambi sleep");
    for (size_t i = 0; i < BASE_ARRAY_LEN(pages); i++) {
        record_submit("text", pages[i]);
        cr_expect_eq(record.content_found, 1, "%s", pages[i]);
        cr_expect_eq(record.count, 1, "%s", pages[i]);
    }
    record_submit("text", "<p>a bambi does not sleep");
    cr_expect_eq(record.content_found, 0);
}

Test(content, without_relevant_words_every_page_is_relevant)
{
    static const char *const settings[] = {"", " , ", NULL};
    for (size_t i = 0; i < BASE_ARRAY_LEN(settings); i++) {
        record_set("relevance", settings[i]);
        record_submit("text", "<p>Anything");
        cr_expect_eq(record.content_found, 1);
    }
}

Test(content, the_setting_document_decides_against_the_job)
{
    record_set("document", "page");
    record_submit("text", "<p>x");
    cr_expect_str_eq(record.documents[0].collection, "");
    record_set("document", "content");
    record_scrape("text", "<p>x");
    cr_expect_str_eq(record.documents[0].collection, "bambicontents");
}
