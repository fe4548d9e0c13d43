/* SPDX-License-Identifier: Apache-2.0 */
#include "tool_rig.h"
#include <criterion/criterion.h>
#include <string.h>

static void start(void)
{
    (void)rig_modules();
}
TestSuite(scrape, .init = start, .fini = rig_modules_end);

#define PAGE                                                                                       \
    "<html lang=de><title>T</title><meta name=description content=D><p>one <b>two</b></p>"         \
    "<a href=/x#y>l</a><a href=/x>l</a><a href='mailto:z'>m</a><img src=i.png>"

Test(scrape, a_page_becomes_one_object)
{
    const struct rig_case cases[] = {
        {"{\"html\":\"" PAGE "\",\"url\":\"http://a.b/c/\"}",
         "{\"title\":\"T\",\"links\":[\"http://a.b/x\"],\"images\":[\"http://a.b/c/i.png\"],"
         "\"videos\":[],\"charset\":\"UTF-8\",\"language\":\"de\"}"},
        {"{\"html\":\"\",\"url\":\"http://a/\"}", "{\"title\":\"\",\"links\":[]}"},
        {"{\"html\":\"<meta http-equiv=content-language content=fr>x\",\"url\":\"http://a/\"}",
         "{\"language\":\"fr\"}"},
        {"{\"html\":\"<html lang=de><meta name=language content=fr>x\",\"url\":\"http://a/\"}",
         "{\"language\":\"de\"}"},
        {"{\"html\":\"<base href='http://z/y/'><a href=x>\",\"url\":\"http://a/\"}",
         "{\"links\":[\"http://z/y/x\"]}"},
    };
    rig_expect(tool_scrape, cases, BASE_ARRAY_LEN(cases));
}

Test(scrape, every_field_is_there_even_when_the_page_has_none)
{
    static const char *const names[] = {"title",  "text",     "main_text", "links",   "images",
                                        "videos", "metadata", "charset",   "language"};
    json_t *answers = rig_batch(tool_scrape, "{\"html\":\"x\",\"url\":\"http://a/\"}\n");
    for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
        cr_expect_not_null(json_object_get(json_array_get(answers, 0), names[i]), "%s", names[i]);
    }
    json_decref(answers);
}

Test(scrape, modules_for_images_and_videos_add_what_they_find)
{
    struct base_error error;
    cr_assert_eq(module_load(rig_modules(), IMAGE_MODULE, &error), GLEANER_OK, "%s", error.message);
    cr_assert_eq(module_load(rig_modules(), VIDEO_MODULE, &error), GLEANER_OK, "%s", error.message);
    const struct rig_case cases[] = {
        {"{\"html\":\"<img src=a.png><img data-src=b.png srcset='c.png 2x'><video src=v.mp4>\","
         "\"url\":\"http://a/\"}",
         "{\"images\":[\"http://a/a.png\",\"http://a/b.png\",\"http://a/c.png\"]}"},
    };
    rig_expect(tool_scrape, cases, BASE_ARRAY_LEN(cases));
    json_t *answers = rig_batch(tool_scrape, cases[0].question);
    json_t *videos = json_object_get(json_array_get(answers, 0), "videos");
    cr_assert_eq(json_array_size(videos), 1);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(videos, 0), "url")),
                     "http://a/v.mp4");
    json_decref(answers);
}

Test(scrape, bytes_are_decoded_as_on_the_wire)
{
    const struct rig_case cases[] = {
        /* <meta charset=euc-jp><title>A4 A2</title> */
        {"{\"html_b64\":\"PG1ldGEgY2hhcnNldD1ldWMtanA+PHRpdGxlPqSiPC90aXRsZT4=\",\"url\":\"http://"
         "a/\"}",
         "{\"title\":\"\\u3042\",\"charset\":\"EUC-JP\"}"},
        /* the header is stronger */
        {"{\"html_b64\":\"PG1ldGEgY2hhcnNldD1ldWMtanA+PHRpdGxlPuk8L3RpdGxlPg==\",\"url\":\"http://"
         "a/\",\"content_type\":\"text/html; charset=latin1\"}",
         "{\"title\":\"\\u00e9\",\"charset\":\"windows-1252\"}"},
        /* plain ASCII bytes: the standard's last resort; a JSON text is UTF-8 */
        {"{\"html_b64\":\"PHA+eA==\",\"url\":\"http://a/\"}", "{\"charset\":\"windows-1252\"}"},
        {"{\"html\":\"<p>x\",\"url\":\"http://a/\"}", "{\"charset\":\"UTF-8\"}"},
    };
    rig_expect(tool_scrape, cases, BASE_ARRAY_LEN(cases));
}

Test(scrape, what_is_no_page_is_an_error)
{
    const struct rig_case cases[] = {
        {"{\"html\":\"x\",\"url\":\"http://a/\",\"content_type\":\"image/png\"}",
         "{\"error\":\"\"}"},
        {"{\"html\":\"x\",\"url\":\"nonsense\"}", "{\"error\":\"\"}"},
        {"{\"html\":\"x\"}", "{\"error\":\"\"}"},
        {"{\"url\":\"http://a/\"}", "{\"error\":\"\"}"},
        {"{\"html_b64\":\"?\",\"url\":\"http://a/\"}", "{\"error\":\"\"}"},
    };
    rig_expect(tool_scrape, cases, BASE_ARRAY_LEN(cases));
}

static json_t *scrape_input(const char *html, const char *type, int code)
{
    static const char *const operands[] = {"-"};
    struct rig_output output;
    struct tool_options options = rig_options();
    options.operands = operands;
    options.operand_count = 1;
    options.json = true;
    options.type = type;
    options.url = "http://site.example/dir/page";
    rig_run(tool_scrape, &options, html, strlen(html), &output);
    cr_expect_eq(output.code, code, "%s", output.err);
    json_t *report = json_loads(output.out, 0, NULL);
    rig_output_fini(&output);
    return report;
}

Test(scrape, a_person_sees_the_document_that_would_be_stored)
{
    json_t *report = scrape_input("<title>t</title><p>text<a href=x>l</a>", NULL, TOOL_YES);
    json_t *entry = json_array_get(json_object_get(report, "documents"), 0);
    json_t *document = json_object_get(entry, "document");
    cr_expect(json_is_true(json_object_get(report, "stored")));
    cr_expect_str_eq(json_string_value(json_object_get(entry, "key")),
                     "http://site.example/dir/page");
    cr_expect_str_eq(json_string_value(json_object_get(document, "title")), "t");
    cr_expect_str_eq(json_string_value(json_array_get(json_object_get(report, "links"), 0)),
                     "http://site.example/dir/x");
    cr_expect(json_object_get(json_object_get(document, "fetched_at"), "$date"));
    json_decref(report);
}

Test(scrape, a_page_that_asks_not_to_be_stored_is_not)
{
    json_t *report =
        scrape_input("<meta name=robots content='noindex,nofollow'><p>text", NULL, TOOL_NO);
    cr_expect(json_is_false(json_object_get(report, "stored")));
    cr_expect(json_is_true(json_object_get(report, "noindex")));
    cr_expect(json_is_true(json_object_get(report, "nofollow")));
    json_decref(report);
}

Test(scrape, a_page_may_ask_us_alone_not_to_store_it)
{
    json_t *report = scrape_input("<meta name=gleaner content=noindex><p>text", NULL, TOOL_NO);
    cr_expect(json_is_true(json_object_get(report, "noindex")));
    json_decref(report);
}

Test(scrape, an_empty_submission_found_nothing)
{
    json_t *report = scrape_input("<p>", "text", TOOL_NO);
    cr_expect(json_is_false(json_object_get(report, "content_found")));
    json_decref(report);
}

Test(scrape, an_unknown_type_is_a_usage_error)
{
    cr_expect_null(scrape_input("<p>", "nonsense", TOOL_USAGE));
}
