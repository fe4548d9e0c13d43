/* SPDX-License-Identifier: Apache-2.0 */
/* Links and images: absolute, unique, in order. */
#include "text_fixture.h"

#include <stdio.h>
#include <string.h>

TestSuite(text_links, .init = text_setup, .fini = text_teardown, .timeout = 30);

Test(text_links, links_are_absolute_unique_without_fragment_and_in_document_order)
{
    text_run_html(
        "<a href='b.html#one'>1</a> <a href=/root>2</a> <a href='b.html#two'>3</a>"
        "<a href='HTTP://H.test:80/d/b.html'>4</a> <a href='//other.test'>5</a>"
        "<a href='../up?x=1&amp;y=2'>6</a> <a href='#top'>7</a> <a href=' sp ace '>8</a>");
    cr_expect_str_eq(text_list("links"),
                     "http://h.test/d/b.html http://h.test/root http://other.test/ "
                     "http://h.test/up?x=1&y=2 http://h.test/d/page.html "
                     "http://h.test/d/sp%20ace");
    cr_expect_str_eq(text_followed(), text_list("links"));
}

Test(text_links, other_schemes_and_anchors_without_address_are_no_links)
{
    text_run_html("<a href='mailto:a@b.c'>m</a><a href='javascript:alert(1)'>j</a>"
                  "<a href='data:text/html,x'>d</a><a name=n>n</a><a href='ftp://h/'>f</a>"
                  "<a href='http://'>bad</a><a href='http://[::1'>bad</a><link href=/css>");
    cr_expect_str_eq(text_list("links"), "");
    cr_expect_eq(text_result.documents, 1);
}

Test(text_links, the_first_base_with_an_address_counts_for_links_before_it_too)
{
    text_run_html("<a href=early>e</a><base target=_blank><base href='/base/x.html'>"
                  "<base href='/no/'><a href=late>l</a><img src=i.png>");
    cr_expect_str_eq(text_list("links"), "http://h.test/base/early http://h.test/base/late");
    cr_expect_str_eq(text_list("images"), "http://h.test/base/i.png");
}

Test(text_links, a_base_that_is_no_web_address_is_ignored)
{
    text_run_html("<base href='data:text/plain,x'><a href=x>x</a>");
    cr_expect_str_eq(text_list("links"), "http://h.test/d/x");
    text_run_html("<base href='http://[bad'><a href=x>x</a>");
    cr_expect_str_eq(text_list("links"), "http://h.test/d/x");
}

Test(text_links, images_are_collected_like_links)
{
    text_run_html("<img src=a.png><IMG SRC='a.png#x'><img data-src=lazy.png><img src='//c.test/i'>"
                  "<img src='data:image/png;base64,AA'><image src=b.png>");
    cr_expect_str_eq(text_list("images"),
                     "http://h.test/d/a.png http://c.test/i http://h.test/d/b.png");
}

Test(text_links, nofollow_links_are_stored_but_not_followed)
{
    text_run_html("<a rel='external nofollow' href=a>a</a><a href=b>b</a>"
                  "<a rel=nofollow href=c>c</a><a href=c>again</a>");
    cr_expect_str_eq(text_list("links"), "http://h.test/d/a http://h.test/d/b http://h.test/d/c");
    cr_expect_str_eq(text_followed(), "http://h.test/d/b http://h.test/d/c");
}

Test(text_links, without_wanted_links_nothing_is_followed_but_the_document_has_them)
{
    struct gleaner_page page = text_page("<a href=a>a</a>", 15);
    page.want_links = false;
    text_run(&page);
    cr_expect_eq(text_result.followed.count, 0);
    cr_expect_str_eq(text_list("links"), "http://h.test/d/a");
}

Test(text_links, links_in_noscript_count_and_links_in_template_comment_or_raw_text_do_not)
{
    text_run_html("<noscript><a href=yes>y</a></noscript><template><a href=t>t</a></template>"
                  "<!-- <a href=c>c</a> --><textarea><a href=x>x</a></textarea>"
                  "<script>'<a href=s>'</script><style><a href=st></style>"
                  "<iframe><a href=i></iframe><svg><a href=drawn><text>d</text></a></svg>");
    cr_expect_str_eq(text_list("links"), "http://h.test/d/yes http://h.test/d/drawn");
}

/* The beginning of a page that only the tree can tell. */
#define DOUBTFUL "<p>p<table>out<tr><td>cell</table>"

Test(text_links, a_base_in_a_drawing_is_none)
{
    static const char *const pages[] = {
        "<svg><base href='http://other.test/'></base></svg><a href=x>x</a><img src=i>",
        "<math><base href='http://other.test/'/></math><a href=x>x</a><img src=i>",
        DOUBTFUL "<svg><base href='http://other.test/'></base></svg><a href=x>x</a><img src=i>",
    };
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        text_run_html(pages[i]);
        cr_expect_str_eq(text_list("links"), "http://h.test/d/x", "%s", pages[i]);
        cr_expect_str_eq(text_list("images"), "http://h.test/d/i", "%s", pages[i]);
        text_run_markdown(pages[i]);
        cr_expect_not_null(strstr(text_field("text"), "[x](http://h.test/d/x)"), "%s", pages[i]);
    }
    text_run_html("<svg><foreignObject><base href='/f/'></foreignObject></svg><a href=x>x</a>");
    cr_expect_str_eq(text_list("links"), "http://h.test/f/x", "HTML in a drawing is HTML");
}

Test(text_links, a_drawing_links_by_href_in_either_pass)
{
    static const char drawing[] = "<svg><a href=one>1</a><a xlink:href=two>2</a></svg>";
    text_run_html(drawing);
    cr_expect_str_eq(text_list("links"), "http://h.test/d/one");
    cr_expect_str_eq(text_followed(), "http://h.test/d/one http://h.test/d/two");
    char html[200];
    (void)snprintf(html, sizeof html, "%s%s", DOUBTFUL, drawing);
    text_run_html(html);
    cr_expect_str_eq(text_list("links"), "http://h.test/d/one");
    cr_expect_str_eq(text_followed(), "http://h.test/d/one http://h.test/d/two");
    text_run_html("<svg><a xlink:href=old href=new>1</a></svg><a xlink:href=html>2</a>");
    cr_expect_str_eq(text_followed(), "http://h.test/d/new");
}

Test(text_links, areas_of_an_image_map_are_followed_and_not_stored)
{
    text_run_html("<area href=one><a href=two>2</a><area href='two#there'><AREA HREF=one alt=x>"
                  "<area rel=nofollow href=no><a rel=nofollow href=three>3</a><area href=three>"
                  "<area href='mailto:a@b.c'><area><template><area href=t></template>"
                  "<base href='/b/'>");
    cr_expect_str_eq(text_list("links"), "http://h.test/b/two http://h.test/b/three");
    cr_expect_str_eq(text_followed(),
                     "http://h.test/b/two http://h.test/b/one http://h.test/b/three");
    text_run_html("<p>" DOUBTFUL "<area href=one>");
    cr_expect_str_eq(text_list("links"), "");
    cr_expect_str_eq(text_followed(), "http://h.test/d/one");
}

Test(text_links, a_refresh_leads_on)
{
    static const struct {
        const char *content, *followed;
    } cases[] = {
        {"0; URL=next", "http://h.test/d/next"},
        {" 5,url = 'a b'x", "http://h.test/d/a%20b"},
        {"0.5 ; url=&quot;q", "http://h.test/d/q"},
        {"3 next", "http://h.test/d/next"},
        {"3;urls", "http://h.test/d/urls"},
        {"3;url", "http://h.test/d/url"},
        {".;url=//o.test/#x", "http://o.test/"},
        {"5", ""},
        {"5;", ""},
        {"5; url=", ""},
        {"5; url='", ""},
        {"x; url=next", ""},
        {"5x; url=next", ""},
        {"url=next", ""},
        {"0; url=javascript:go()", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char html[200];
        (void)snprintf(html, sizeof html, "<meta http-equiv=Refresh content=\"%s\">",
                       cases[i].content);
        text_run_html(html);
        cr_expect_str_eq(text_followed(), cases[i].followed, "%s", cases[i].content);
        cr_expect_str_eq(text_list("links"), "");
    }
    text_run_html("<meta http-equiv=refresh>");
    cr_expect_str_eq(text_followed(), "");
}

Test(text_links, a_refresh_for_those_without_scripts_does_not)
{
    static const char *const fronts[] = {"", "<body>", "<body>" DOUBTFUL};
    for (size_t i = 0; i < sizeof fronts / sizeof fronts[0]; i++) {
        char html[300];
        (void)snprintf(html, sizeof html,
                       "%s<noscript><meta http-equiv=refresh content='0;url=?nojs'></noscript>"
                       "<meta http-equiv=refresh content='0;url=on'>",
                       fronts[i]);
        text_run_html(html);
        cr_expect_str_eq(text_followed(), "http://h.test/d/on", "%s", html);
    }
}

Test(text_links, attributes_are_decoded_and_the_first_of_a_name_counts)
{
    text_run_html("<a href='a&amp;b&notit;c' href=second>x</a><a HREF=&#x41;>y</a>");
    cr_expect_str_eq(text_list("links"), "http://h.test/d/a&b&notit;c http://h.test/d/A");
}

Test(text_links, international_names_and_paths_become_ascii)
{
    text_run_html("<a href='http://b\xC3\xBC"
                  "cher.test/\xC3\xA4?\xC3\xB6'>x</a>");
    cr_expect_str_eq(text_list("links"), "http://xn--bcher-kva.test/%C3%A4?%C3%B6");
}

static char *repeat_links(size_t count, size_t *len)
{
    struct base_buffer html = {0};
    for (size_t i = 0; i < count; i++) {
        base_buffer_printf(&html, "<a href=p%zu>x</a>", i);
    }
    *len = html.len;
    return html.data;
}

Test(text_links, no_more_than_fifty_thousand_links_of_a_page_are_taken)
{
    size_t len = 0;
    char *html = repeat_links(60000, &len);
    struct gleaner_page page = text_page(html, len);
    text_run(&page);
    cr_expect_eq(page_result_field(&text_result, "links")->count, 50000);
    cr_expect_eq(text_result.followed.count, 50000);
    free(html);
}
