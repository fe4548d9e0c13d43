/* SPDX-License-Identifier: Apache-2.0 */
#include "tool_rig.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define URLSET(inside)                                                                             \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset "                                         \
    "xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">" inside "</urlset>"
#define LOC(url) "<url><loc>" url "</loc></url>"
#define TWO "http://a/1 http://a/2"

/* urls and sitemaps with a space between. */
static const struct sitemap_case {
    const char *what, *body, *urls, *sitemaps;
} cases[] = {
    {"two", URLSET(LOC("http://a/1") LOC("http://a/2")), TWO, ""},
    {"space around", "\n " URLSET("<url><loc>\n http://a/1\t</loc></url>" LOC("http://a/2")), TWO,
     ""},
    {"a byte order mark", "\xEF\xBB\xBF" URLSET(LOC("http://a/1") LOC("/2")), TWO, ""},
    {"a warning before it", "Notice: x\n" URLSET(LOC("http://a/1") LOC("/2")), TWO, ""},
    {"repetitions", URLSET(LOC("http://a/1") LOC("http://a/1#x") LOC("HTTP://A:80/1")),
     "http://a/1", ""},
    {"an index",
     "<sitemapindex><sitemap><loc>http://a/s</loc><lastmod>x</lastmod></sitemap>"
     "<sitemap><loc>t</loc></sitemap></sitemapindex>",
     "", "http://a/s http://a/t"},
    {"RSS",
     "<rss version='2.0'><channel><link>http://a/</link><item><link>http://a/1</link>"
     "<guid>http://a/g</guid></item><item><guid>http://a/2</guid></item><item>"
     "<guid isPermaLink='false'>http://a/3</guid></item></channel></rss>",
     TWO, ""},
    {"Atom",
     "<feed xmlns='http://www.w3.org/2005/Atom'><link href='http://a/'/><entry>"
     "<link rel='alternate' href='1'/><link rel='edit' href='e'/></entry><entry>"
     "<link href='/2'/></entry></feed>",
     TWO, ""},
    {"a list of lines", "http://a/1\r\n# http://a/x\nhttp://a/2\nftp://a/\nword", TWO, ""},
    {"robots.txt", "User-agent: *\nSitemap: http://a/s\nDisallow:\nsitemap: /t\n", "",
     "http://a/s http://a/t"},
    {"CDATA", URLSET(LOC("<![CDATA[http://a/?x&y]]>")), "http://a/?x&y", ""},
    {"bare ampersands", URLSET(LOC("http://a/?x=1&y=2&z") LOC("http://a/?x&amp;y&#38;z")),
     "http://a/?x=1&y=2&z http://a/?x&y&z", ""},
    {"an external entity",
     "<?xml version='1.0'?><!DOCTYPE u [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>"
     "<urlset>" LOC("http://a/&x;1") "</urlset>",
     "http://a/1", ""},
    {"a bomb",
     "<!DOCTYPE u [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;'>]>"
     "<urlset>" LOC("http://a/&c;1") "</urlset>",
     "http://a/1", ""},
    {"an external document type",
     "<!DOCTYPE u SYSTEM 'http://a/u.dtd'><urlset>" LOC("/1") "</urlset>", "http://a/1", ""},
    {"cut off", "<urlset>" LOC("http://a/1") LOC("http://a/2") "<url><loc>http://a/ca", TWO, ""},
    {"a lost end tag", "<urlset><url><loc>http://a/1</url>" LOC("http://a/2") "</urlset>", TWO, ""},
    {"garbage inside", "<urlset><url><loc>http://a/1</loc><x <<</url>" LOC("http://a/2"), TWO, ""},
    {"extensions",
     URLSET("<url><loc>http://a/1</loc><image:image><image:loc>http://a/i</image:loc></image:image>"
            "<xhtml:link rel='alternate' hreflang='de' href='http://a/de'/></url>"),
     "http://a/1", ""},
    {"a prefix", "<s:urlset xmlns:s='x'><s:url><s:loc>http://a/1</s:loc></s:url></s:urlset>",
     "http://a/1", ""},
    {"comments", URLSET("<!-- " LOC("http://a/0") " & -->" LOC("http://a/1")), "http://a/1", ""},
    {"nothing in loc", URLSET("<url><loc/></url><url><loc> </loc></url>" LOC("http://a/1")),
     "http://a/1", ""},
    {"other schemes", URLSET(LOC("ftp://a/") LOC("mailto:x") LOC("http://a/\xC3\xB6 x")),
     "http://a/%C3%B6%20x", ""},
    {"declared Latin-1",
     "<?xml version='1.0' encoding='ISO-8859-1'?><urlset>" LOC("http://a/\xF6") "</urlset>",
     "http://a/%C3%B6", ""},
    {"undeclared Latin-1", "<urlset>" LOC("http://a/\xF6") "</urlset>", "http://a/%C3%B6", ""},
    {"a page of HTML", "<!doctype html><p><a href=/1>x</a><link href=/2>", "", ""},
    {"nothing", "", "", ""},
};

static void expect_list(const char *what, const char *const *items, size_t count,
                        const char *wanted)
{
    struct base_buffer list = {0};
    base_buffer_append(&list, "", 0);
    for (size_t i = 0; i < count; i++) {
        base_buffer_printf(&list, "%s%s", i > 0 ? " " : "", items[i]);
    }
    cr_expect_str_eq(list.len > 0 ? list.data : "", wanted, "%s", what);
    base_buffer_fini(&list);
}

static void expect(const struct sitemap_case *c, const char *body, size_t len)
{
    struct fetch_sitemap *sitemap;
    cr_assert_eq(fetch_sitemap_parse(body, len, "http://a/sitemap.xml", &sitemap), GLEANER_OK);
    expect_list(c->what, sitemap->urls, sitemap->url_count, c->urls);
    expect_list(c->what, sitemap->sitemaps, sitemap->sitemap_count, c->sitemaps);
    fetch_sitemap_free(&sitemap);
}

/* gzip of `body`; malloc'ed. */
static char *zip(const char *body, size_t body_len, size_t *len)
{
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)body, .avail_in = (uInt)body_len};
    size_t cap = body_len + 1000;
    char *out = malloc(cap);
    cr_assert(deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)cap;
    cr_assert(deflate(&z, Z_FINISH) == Z_STREAM_END);
    *len = z.total_out;
    deflateEnd(&z);
    return out;
}

Test(sitemap, every_kind_and_every_mistake_gives_what_can_be_read)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(cases); i++) {
        expect(&cases[i], cases[i].body, strlen(cases[i].body));
    }
}

Test(sitemap, gzip_makes_no_difference_not_even_twice)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(cases); i++) {
        size_t once_len, twice_len;
        char *once = zip(cases[i].body, strlen(cases[i].body), &once_len);
        char *twice = zip(once, once_len, &twice_len);
        expect(&cases[i], once, once_len);
        expect(&cases[i], twice, twice_len);
        free(once);
        free(twice);
    }
}

Test(sitemap, a_broken_gzip_gives_what_came_before)
{
    struct fetch_sitemap *sitemap;
    struct base_buffer body = {0};
    struct base_random random;
    size_t len;
    base_random_init(&random, 3); /* numbers that do not compress: the cut is inside of them */
    for (int i = 0; i < 2000; i++) {
        base_buffer_printf(&body, "http://a/%llx\n", (unsigned long long)base_random_next(&random));
    }
    char *zipped = zip(body.data, body.len, &len);
    cr_assert_eq(fetch_sitemap_parse(zipped, len / 2, "", &sitemap), GLEANER_OK);
    cr_expect(sitemap->is_cut);
    cr_expect(sitemap->url_count > 500 && sitemap->url_count < 1500, "%zu", sitemap->url_count);
    fetch_sitemap_free(&sitemap);
    free(zipped);
    base_buffer_fini(&body);
}

Test(sitemap, fifty_thousand_urls_are_the_limit)
{
    struct base_buffer xml = {0}, lines = {0};
    base_buffer_append_str(&xml, "<urlset>");
    for (int i = 0; i <= 50000; i++) {
        base_buffer_printf(&xml, LOC("http://a/%d"), i);
        base_buffer_printf(&lines, "http://a/%d\n", i);
    }
    base_buffer_append_str(&xml, "</urlset>");
    const struct base_buffer *const both[] = {&xml, &lines};
    for (size_t i = 0; i < 2; i++) {
        struct fetch_sitemap *sitemap;
        cr_assert_eq(fetch_sitemap_parse(both[i]->data, both[i]->len, NULL, &sitemap), GLEANER_OK);
        cr_expect_eq(sitemap->url_count, 50000);
        cr_expect_str_eq(sitemap->urls[49999], "http://a/49999");
        cr_expect(sitemap->is_cut);
        fetch_sitemap_free(&sitemap);
    }
    base_buffer_fini(&xml);
    base_buffer_fini(&lines);
}

Test(sitemap, a_bomb_of_gzip_stops_at_fifty_mebibytes, .timeout = 60)
{
    size_t len, plain_len = (size_t)60 << 20;
    char *plain = malloc(plain_len);
    memset(plain, ' ', plain_len);
    memcpy(plain, "http://a/1\n", 11);
    memcpy(plain + plain_len - 12, "\nhttp://a/2\n", 12);
    char *zipped = zip(plain, plain_len, &len);
    struct fetch_sitemap *sitemap;
    cr_assert_eq(fetch_sitemap_parse(zipped, len, NULL, &sitemap), GLEANER_OK);
    cr_expect(sitemap->is_cut);
    cr_expect_eq(sitemap->url_count, 1);
    fetch_sitemap_free(&sitemap);
    free(zipped);
    free(plain);
}

Test(sitemap, nesting_without_end_costs_no_memory, .timeout = 60)
{
    struct base_buffer body = {0};
    for (int i = 0; i < 1000000; i++) {
        base_buffer_append_str(&body, "<url>");
    }
    struct fetch_sitemap *sitemap;
    cr_assert_eq(fetch_sitemap_parse(body.data, body.len, NULL, &sitemap), GLEANER_OK);
    cr_expect_eq(sitemap->url_count, 0);
    fetch_sitemap_free(&sitemap);
    base_buffer_fini(&body);
}

Test(sitemap, a_place_that_is_no_url_is_refused)
{
    struct fetch_sitemap *sitemap;
    cr_expect_eq(fetch_sitemap_parse("x", 1, "nonsense", &sitemap), GLEANER_E_INVALID);
    cr_expect_null(sitemap);
}

Test(sitemap, the_tool_answers_lines_and_shows_files)
{
    const struct rig_case lines[] = {
        {"{\"body\":\"http://a/1\",\"url\":\"http://a/\"}",
         "{\"urls\":[\"http://a/1\"],\"sitemaps\":[]}"},
        {"{\"body\":\"http://a/1\"}", "{\"urls\":[\"http://a/1\"]}"},
        {"{\"body\":\"x\",\"url\":\"nonsense\"}", "{\"error\":\"\"}"},
        {"{\"url\":\"http://a/\"}", "{\"error\":\"\"}"},
    };
    rig_expect(tool_sitemap, lines, BASE_ARRAY_LEN(lines));
    static const char *const operands[] = {"-"};
    struct tool_options options = rig_options();
    options.operands = operands;
    options.operand_count = 1;
    struct rig_output output;
    const char *body = "<sitemapindex><sitemap><loc>http://a/s</loc></sitemap></sitemapindex>";
    rig_run(tool_sitemap, &options, body, strlen(body), &output);
    cr_expect_eq(output.code, TOOL_YES);
    cr_expect_str_eq(output.out, "Sitemap: http://a/s\n");
    rig_output_fini(&output);
    rig_run(tool_sitemap, &options, "nothing", 7, &output);
    cr_expect_eq(output.code, TOOL_NO);
    cr_expect_not_null(strstr(output.err, "no addresses in it"), "%s", output.err);
    rig_output_fini(&output);
}

/* Counted by the time limit: each of the names was looked through to the end of the file. */
Test(sitemap, half_a_million_names_without_end_are_passed_over_once, .timeout = 30)
{
    struct base_buffer body = {0};
    struct fetch_sitemap *sitemap = NULL;
    base_buffer_append_str(&body, "<urlset></x>");
    for (int i = 0; i < 500000; i++) {
        base_buffer_append_str(&body, "<a");
    }
    base_buffer_append_str(&body, LOC("http://a/1"));
    cr_assert_eq(fetch_sitemap_parse(body.data, body.len, "http://a/", &sitemap), GLEANER_OK);
    cr_assert_eq(sitemap->url_count, 1);
    fetch_sitemap_free(&sitemap);
    base_buffer_fini(&body);
}
