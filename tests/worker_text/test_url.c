/* SPDX-License-Identifier: Apache-2.0 */
/* What the modules add to the resolver of links: bases that are relative, or no web address. */
#include "text_url.h"

#include <criterion/criterion.h>

TestSuite(text_url, .timeout = 60);

static void expect(struct text_url *url, const char *href, const char *answer)
{
    struct text_buffer out = {0};
    bool is_fine = text_url_resolve(url, (struct text_slice){href, strlen(href)}, &out);
    cr_expect_eq(is_fine, answer != NULL, "%s", href);
    cr_expect(answer == NULL ||
                  (out.len == strlen(answer) && memcmp(out.data, answer, out.len) == 0),
              "%s gave %.*s", href, (int)out.len, out.len > 0 ? out.data : "");
    text_buffer_fini(&out);
}

Test(text_url, a_base_that_is_no_web_address_is_refused_and_changes_nothing)
{
    struct text_url url;
    cr_assert(text_url_init(&url));
    cr_assert(text_url_set_base(&url, TEXT_LITERAL("http://h.test/d/")));
    cr_expect_not(text_url_set_base(&url, TEXT_LITERAL("data:x")));
    cr_expect_not(text_url_set_base(&url, TEXT_LITERAL("http://[")));
    expect(&url, "x", "http://h.test/d/x");
    text_url_fini(&url);
}

Test(text_url, a_base_may_be_relative_to_the_one_before)
{
    struct text_url url;
    cr_assert(text_url_init(&url));
    cr_assert(text_url_set_base(&url, TEXT_LITERAL("http://h.test/a/b/c")));
    cr_assert(text_url_set_base(&url, TEXT_LITERAL("../d/")));
    cr_assert(text_url_set_base(&url, TEXT_LITERAL("e/f")));
    expect(&url, "x", "http://h.test/a/d/e/x");
    text_url_forget_base(&url);
    expect(&url, "x", NULL);
    expect(&url, "http://h.test/x", "http://h.test/x");
    text_url_fini(&url);
}

/* Each was another address in the documents than the one that is fetched, while lexbor's own URL
 * parser resolved what was no plain path. */
Test(text_url, links_are_the_addresses_that_are_fetched)
{
    struct text_url url;
    cr_assert(text_url_init(&url));
    cr_assert(text_url_set_base(&url, TEXT_LITERAL("http://h.test/d/page.html")));
    expect(&url, "..?q=1", "http://h.test/?q=1");
    expect(&url, "//o.test//x y", "http://o.test//x%20y");
    expect(&url, "http://o.test//{", "http://o.test//%7B");
    expect(&url, "/100% sure>", "http://h.test/100%%20sure%3E");
    expect(&url, "http://O%41.test/", "http://oa.test/");
    expect(&url, "a^b", "http://h.test/d/a%5Eb");
    text_url_fini(&url);
}
