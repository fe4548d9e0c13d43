/* SPDX-License-Identifier: Apache-2.0 */
/* The short way of resolving gives what lexbor's parser gives, whatever the base and the link. */
#include "text_url.h"

#include "base.h"

#include <criterion/criterion.h>

TestSuite(text_url, .timeout = 60);

static const char *const bases[] = {
    "http://h.test/",
    "http://h.test/d/page.html",
    "https://h.test:8443/a/b/c/?q=/x/y",
    "http://127.0.0.1:18081/a//b/",
    "http://[::1]/x/y",
    "http://u:p@h.test/d/",
    "http://h.test/a%2Fb/c;d",
};

static void compare(struct text_url *url, const char *base, struct text_slice href)
{
    struct text_buffer fast = {0};
    struct text_buffer full = {0};
    bool fast_fine = text_url_resolve(url, href, &fast);
    bool full_fine = text_url_resolve_fully(url, href, &full);
    cr_expect_eq(fast_fine, full_fine, "base %s link %.*s", base, (int)href.len, href.data);
    cr_expect(fast.len == full.len &&
                  (fast.len == 0 || memcmp(fast.data, full.data, fast.len) == 0),
              "base %s link %.*s: %.*s and %.*s", base, (int)href.len, href.data, (int)fast.len,
              fast.len > 0 ? fast.data : "", (int)full.len, full.len > 0 ? full.data : "");
    text_buffer_fini(&fast);
    text_buffer_fini(&full);
}

static const char *const hrefs[] = {
    "",
    "a",
    "a/",
    "/",
    "/a",
    "//other.test/x",
    "./a",
    "../a",
    "../../../../a",
    "..",
    "../",
    "../..",
    "a/../b",
    "a/./b",
    "a/..",
    "a/.",
    ".a",
    "..a",
    "a..",
    "...",
    "a?q",
    "?q",
    "?q=a b",
    "a:b",
    "x:y/z",
    "http:a",
    "http:/a",
    "https:a",
    "http://",
    "http:///a",
    "http://a",
    "http://A.test/",
    "HTTP://a/b",
    "http://a.test:80/",
    "https://a.test:443/x",
    "http://1.2.3.4/",
    "http://1.2.3/",
    "http://0x7f.1/",
    "http://a.1/",
    "http://a.0x1/",
    "http://a.b1/",
    "http://-a.test/",
    "http://a-.test/",
    "http://a..b/",
    "http://a.test./",
    "http://a.test",
    "http://a.test?x",
    "http://a.test/../b",
    "http://a.test/./b",
    "http://a.test//b",
    "http://xn--bcher-kva.test/",
    "http://xn--a/",
    "http://a_b.test/",
    "http://u@a/",
    "http://a.test/%2e%2e/b",
    "%2e%2e/b",
    "a%20b",
    "a b",
    "a\\b",
    "\\a",
    "a\tb",
    "a;b=c,d",
    "a@b",
    "@",
    "a!b$c&d(e)f*g+h",
    "a'b",
    "a\"b",
    "a<b",
    "a|b",
    "a^b",
    "a`b",
    "a{b}",
    "a~b",
    "\xC3\xA4",
    "a[b]",
    "https://a.test/x/y.html",
    "javascript:x",
    "mailto:a@b",
    "../a/../../b",
    ".../x",
    "a/...",
    "/..",
    "/.",
};

Test(text_url, the_short_way_equals_the_full_one_on_a_table_of_links)
{
    struct text_url url;
    cr_assert(text_url_init(&url));
    for (size_t b = 0; b < BASE_ARRAY_LEN(bases); b++) {
        text_url_forget_base(&url);
        cr_assert(text_url_set_base(&url, (struct text_slice){bases[b], strlen(bases[b])}));
        for (size_t i = 0; i < BASE_ARRAY_LEN(hrefs); i++) {
            compare(&url, bases[b], (struct text_slice){hrefs[i], strlen(hrefs[i])});
        }
    }
    text_url_fini(&url);
}

Test(text_url, the_short_way_equals_the_full_one_on_random_links)
{
    static const char letters[] = "ab1./-_:?%&=@~+;,\\ http";
    struct base_random random;
    base_random_init(&random, 3);
    struct text_url url;
    cr_assert(text_url_init(&url));
    for (unsigned round = 0; round < 40000; round++) {
        if (round % 500 == 0) {
            const char *base = bases[base_random_below(&random, BASE_ARRAY_LEN(bases))];
            text_url_forget_base(&url);
            cr_assert(text_url_set_base(&url, (struct text_slice){base, strlen(base)}));
        }
        char href[40];
        size_t len = 0;
        if (base_random_below(&random, 3) == 0) {
            memcpy(href, "http://", 7);
            len = 7;
        }
        size_t more = base_random_below(&random, 12);
        for (size_t i = 0; i < more; i++) {
            href[len++] = letters[base_random_below(&random, sizeof letters - 1)];
        }
        compare(&url, "(random)", (struct text_slice){href, len});
    }
    text_url_fini(&url);
}

Test(text_url, a_base_that_is_no_web_address_is_refused_and_changes_nothing)
{
    struct text_url url;
    struct text_buffer out = {0};
    cr_assert(text_url_init(&url));
    cr_assert(text_url_set_base(&url, TEXT_LITERAL("http://h.test/d/")));
    cr_expect_not(text_url_set_base(&url, TEXT_LITERAL("data:x")));
    cr_expect_not(text_url_set_base(&url, TEXT_LITERAL("http://[")));
    cr_expect(text_url_resolve(&url, TEXT_LITERAL("x"), &out));
    cr_expect(out.len == 17 && memcmp(out.data, "http://h.test/d/x", 17) == 0);
    text_buffer_fini(&out);
    text_url_fini(&url);
}
