/* SPDX-License-Identifier: Apache-2.0 */
/* What is stored of a file. */
#include "record_host.h"

#include <string.h>

static void load_files(void)
{
    struct base_error error = {0};
    record_setup();
    cr_assert_eq(module_load(record_registry, MODULE_FOLDER "/files.so", &error), GLEANER_OK, "%s",
                 error.message);
}

TestSuite(files, .init = load_files, .fini = record_teardown, .timeout = 30);

static void run_file(const char *url, const char *media_type, const char *text)
{
    struct gleaner_page page = record_page("files", text);
    page.url = url;
    page.url_len = strlen(url);
    page.content_type = media_type;
    page.want_links = false;
    page.http_status = 0;
    record_run_page(&page);
}

Test(files, a_markdown_file_gives_the_applications_document)
{
    run_file("file:///n/a%20b.MD", "text/markdown", "intro\n# The  title\n\ntext\n");
    cr_assert_eq(record.count, 1);
    cr_expect_eq(record.content_found, 1);
    cr_expect_str_eq(record.documents[0].collection, "bambicontents");
    cr_expect_str_eq(record.documents[0].key, "file:///n/a%20b.MD");
    cr_expect_str_eq(
        record_json(0),
        "{\"type\":\"document\",\"fileType\":\"md\",\"title\":\"The title\","
        "\"content\":\"intro\\n# The  title\\n\\ntext\\n\",\"source\":\"local\","
        "\"metadata\":{\"keywords\":[],\"description\":\"\",\"categories\":[],"
        "\"created\":{\"$date\":1700000000123}},\"filePath\":\"/n/a b.MD\","
        "\"mediaType\":\"text/markdown\",\"dateAdded\":{\"$date\":1700000000123},\"__v\":0}");
}

Test(files, a_file_without_a_title_of_its_own_is_named_by_its_name)
{
    run_file("file:///n/x.py", "text/x-python; charset=utf-8", "# no heading\nprint(1)\n");
    cr_expect_str_eq(record_field("title"), "\"x.py\"");
    cr_expect_str_eq(record_field("fileType"), "\"py\"");
    cr_expect_str_eq(record_field("mediaType"), "\"text/x-python\"");
}

Test(files, an_html_file_gives_its_text_a_line_a_block)
{
    run_file("file:///n/x.html", "text/html",
             "<title>T</title><meta name=description content=D><meta name=keywords content='a,b'>"
             "<script>no()</script><p>one <b>t</b>wo</p>\n <p> three</p>");
    cr_expect_str_eq(record_field("title"), "\"T\"");
    cr_expect_str_eq(record_field("content"), "\"one two\\nthree\"");
    cr_expect(strstr(record_json(0), "\"keywords\":[\"a\",\"b\"],\"description\":\"D\"") != NULL);
}

Test(files, robots_meta_is_for_others)
{
    run_file("file:///n/x.html", "text/html", "<meta name=robots content=noindex><p>text");
    cr_expect_not(record.noindex);
    cr_expect_eq(record.count, 1);
}

Test(files, an_empty_file_is_a_miss)
{
    run_file("file:///n/x.txt", "text/plain", " \n");
    cr_expect_eq(record.content_found, 0);
    cr_expect_eq(record.count, 0);
}

Test(files, a_file_about_something_else_is_a_miss)
{
    record_set("relevance", "bambisleep, bambi sleep");
    run_file("file:///n/x.txt", "text/plain", "Bambi  sleeps");
    cr_expect_eq(record.count, 1);
    run_file("file:///n/x.html", "text/html", "<p>bambi</p><p>sleep</p>");
    cr_expect_eq(record.count, 1, "white space is one space");
    run_file("file:///n/y.txt", "text/plain", "bambi, sleep");
    cr_expect_eq(record.content_found, 0);
    cr_expect_eq(record.count, 0);
}

Test(files, an_address_that_is_no_file_is_refused)
{
    run_file("http://h.test/x.txt", "text/plain", "text");
    cr_expect_eq(record.verdict, GLEANER_PAGE_FAILED);
    cr_expect_eq(record.count, 0);
}
