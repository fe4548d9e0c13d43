/* SPDX-License-Identifier: Apache-2.0 */
/* Which images a page has, and what is stored of them. */
#include "record_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(image, .init = record_setup, .fini = record_teardown, .timeout = 30);

#define expect_images(html, want)                                                                  \
    do {                                                                                           \
        record_scrape("image", html);                                                              \
        cr_expect_str_eq(record_field("images"), want);                                            \
    } while (0)

Test(image, a_submission_gives_one_document_of_the_application_for_each_image)
{
    record_submit("image", "<meta name=keywords content='k1, k2'><img src=/a.png alt=' A  b '>"
                           "<img src=b.png title=B>");
    cr_expect_eq(record.verdict, GLEANER_PAGE_DONE);
    cr_expect_eq(record.content_found, 1);
    cr_assert_eq(record.count, 2);
    cr_expect_str_eq(record.documents[0].collection, "imagecontents");
    cr_expect_str_eq(record.documents[0].key, "http://h.test/a.png");
    cr_expect_str_eq(
        record_json(0),
        "{\"type\":\"image\",\"url\":\"http://h.test/a.png\",\"source\":\"" RECORD_URL "\","
        "\"metadata\":{\"keywords\":[\"k1\",\"k2\"],\"description\":\"A b\",\"categories\":[],"
        "\"created\":{\"$date\":1700000000123}},\"dateAdded\":{\"$date\":1700000000123},\"__v\":"
        "0}");
    cr_expect(strstr(record_json(1), "\"description\":\"B\"") != NULL);
}

Test(image, a_page_without_images_is_a_miss_without_a_document)
{
    record_submit("image", "<p>words <img src='data:image/png;base64,AAAA'><img></p>");
    cr_expect_eq(record.verdict, GLEANER_PAGE_DONE);
    cr_expect_eq(record.content_found, 0);
    cr_expect_eq(record.count, 0);
}

Test(image, addresses_are_absolute_and_unique_in_document_order)
{
    expect_images("<img src=a.png><img src='//c.test/b.png'><img src='/x/../a.png#f'>"
                  "<img src='http://h.test/d/a.png'><img src=' a.png\n'><img src='../c.png'>"
                  "<img src='javascript:1'><img src='DATA:image/gif,x'><img src=''>",
                  "[\"http://h.test/d/a.png\",\"http://c.test/b.png\",\"http://h.test/a.png\","
                  "\"http://h.test/c.png\"]");
}

Test(image, a_base_that_comes_late_counts_for_all)
{
    expect_images("<img src=a.png><base href='http://b.test/s/'><base href='http://no.test/'>"
                  "<img src=b.png>",
                  "[\"http://b.test/s/a.png\",\"http://b.test/s/b.png\"]");
}

Test(image, srcset_is_parsed_as_the_standard_says_commas_and_all)
{
    expect_images("<img srcset='a.png 1x, b.png 2x,c.png,, /img,w_200,h_100/d.png 200w ,e.png'>",
                  "[\"http://h.test/d/a.png\",\"http://h.test/d/b.png\","
                  "\"http://h.test/d/c.png\",\"http://h.test/img,w_200,h_100/d.png\","
                  "\"http://h.test/d/e.png\"]");
    expect_images("<img srcset='a.png (1x, 2x) 3w, data:image/png;base64,A,B 2x, b.png'>",
                  "[\"http://h.test/d/a.png\",\"http://h.test/d/b.png\"]");
    expect_images("<img srcset=', ,'>", "[]");
}

Test(image, the_sources_of_a_picture_are_images_and_those_of_a_video_are_not)
{
    expect_images("<picture><source srcset='a.webp 1x, b.webp 2x' type=image/webp>"
                  "<source data-srcset=c.avif><img src=d.jpg></picture>"
                  "<video><source src=v.mp4></video>",
                  "[\"http://h.test/d/a.webp\",\"http://h.test/d/b.webp\","
                  "\"http://h.test/d/c.avif\",\"http://h.test/d/d.jpg\"]");
}

Test(image, what_scripts_load_later_is_found_already)
{
    expect_images("<img src='data:image/gif;base64,R0' data-src=a.jpg data-srcset='b.jpg 2x'>"
                  "<img data-original=/c.jpg><img data-lazy-src=d.jpg data-lazy=true>"
                  "<noscript><img src=e.jpg></noscript>",
                  "[\"http://h.test/d/a.jpg\",\"http://h.test/d/b.jpg\","
                  "\"http://h.test/c.jpg\",\"http://h.test/d/d.jpg\","
                  "\"http://h.test/d/e.jpg\"]");
}

Test(image, the_images_a_page_names_for_sharing_are_its_images)
{
    expect_images("<meta property='og:image' content='/og.png'><meta name=twitter:image "
                  "content='http://t.test/t.png'><meta property='og:image:width' content=600>"
                  "<link rel=image_src href=l.png>",
                  "[\"http://h.test/og.png\",\"http://t.test/t.png\",\"http://h.test/d/l.png\"]");
}

Test(image, scripts_comments_templates_and_drawings_hold_no_images)
{
    expect_images("<script>'<img src=a.png>'</script><!-- <img src=b.png> -->"
                  "<template><img src=c.png></template><textarea><img src=d.png></textarea>"
                  "<svg><image href=e.png /></svg><img src=f.png>",
                  "[\"http://h.test/d/f.png\"]");
}

Test(image, a_drawing_that_is_never_closed_does_not_hide_the_rest)
{
    expect_images("<svg><g><p>x</p><img src=a.png>", "[\"http://h.test/d/a.png\"]");
}

Test(image, words_come_from_alt_title_and_the_caption_of_the_figure)
{
    record_scrape("image",
                  "<meta property=og:image content=a.png><img src=a.png alt='From &amp; alt' "
                  "title=t><figure><img src=b.png><figcaption>Cap <b>tion</b> "
                  "</figcaption></figure><img src=c.png>");
    cr_expect_str_eq(record_field("image_details"),
                     "[{\"url\":\"http://h.test/d/a.png\",\"alt\":\"From & alt\",\"title\":\"t\"},"
                     "{\"url\":\"http://h.test/d/b.png\",\"alt\":\"\",\"title\":\"Cap tion\"},"
                     "{\"url\":\"http://h.test/d/c.png\",\"alt\":\"\",\"title\":\"\"}]");
}

Test(image, forty_images_with_repetitions_give_each_one_once)
{
    char html[8192];
    size_t len = 0;
    for (int i = 0; i < 40; i++) {
        len += (size_t)snprintf(html + len, sizeof html - len, "<img src='%s%d.png'>",
                                i % 3 == 0   ? "//h.test/d/"
                                : i % 3 == 1 ? "/d/"
                                             : "",
                                i % 20);
    }
    record_submit("image", html);
    cr_expect_eq(record.count, 20);
}

Test(image, what_is_not_html_is_skipped)
{
    struct gleaner_page page = record_page("image", "<img src=a.png>");
    page.content_type = "application/pdf";
    record_run_page(&page);
    cr_expect_eq(record.verdict, GLEANER_PAGE_SKIPPED);
    page = record_page("image", "<img src=a.png>");
    page.http_status = 404;
    record_run_page(&page);
    cr_expect_eq(record.verdict, GLEANER_PAGE_SKIPPED);
    cr_expect_eq(record.count, 0);
}

Test(image, robots_directives_reach_the_host)
{
    record_submit("image", "<meta name=robots content='noindex'><img src=a.png>");
    cr_expect(record.noindex);
    cr_expect_not(record.nofollow);
}

Test(image, a_refused_document_fails_the_page_with_a_reason)
{
    record.refuse = true;
    record_submit("image", "<img src=a.png>");
    cr_expect_eq(record.verdict, GLEANER_PAGE_FAILED);
    cr_expect_str_eq(record.last_log, "the document was refused");
}

Test(image, a_page_of_a_hundred_thousand_images_is_cut_and_the_next_one_is_whole)
{
    size_t size = 100000 * 24;
    char *html = malloc(size);
    size_t len = 0;
    for (int i = 0; i < 100000; i++) {
        len += (size_t)snprintf(html + len, size - len, "<img src=i%d.png>", i);
    }
    record_scrape("image", html);
    free(html);
    cr_expect_eq(record.verdict, GLEANER_PAGE_DONE);
    cr_expect_eq(record.count, 1);
    expect_images("<img src=a.png>", "[\"http://h.test/d/a.png\"]");
}

Test(image, a_host_that_stops_gets_its_thread_back)
{
    size_t size = 20000 * 4 + 1;
    char *html = malloc(size);
    for (size_t i = 0; i + 1 < size; i += 4) {
        memcpy(html + i, "<br>", 4);
    }
    html[size - 1] = '\0';
    record.stop = true;
    record_scrape("image", html);
    cr_expect_eq(record.verdict, GLEANER_PAGE_RETRY);
    free(html);
}

Test(image, a_page_about_something_else_is_a_miss)
{
    record_set("relevance", "bambi sleep");
    record_submit("image", "<p>other things</p><img src=a.png>");
    cr_expect_eq(record.content_found, 0);
    cr_expect_eq(record.count, 0);
    record_submit("image", "<p>all of <b>Bambi</b>\n sleep</p><img src=a.png>");
    cr_expect_eq(record.content_found, 1);
    cr_expect_eq(record.count, 1);
    record_submit("image", "<img src=a.png alt='Bambi Sleep'>");
    cr_expect_eq(record.count, 1);
    record_submit("image", "<title>Bambi Sleep</title><img src=a.png>");
    cr_expect_eq(record.count, 1);
}
