/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch.h"
#include <criterion/criterion.h>
#include <string.h>

Test(parts, parts_are_slices_of_the_url)
{
    struct fetch_url_parts p;
    const char *url = "https://user:pw@example.org:8443/a/b?c=d#e";
    cr_assert_eq(fetch_url_split(url, strlen(url), &p), GLEANER_OK);
    cr_assert(base_slice_equal(p.scheme, base_slice_of("https")));
    cr_assert(base_slice_equal(p.host, base_slice_of("example.org")));
    cr_assert(base_slice_equal(p.port, base_slice_of("8443")));
    cr_assert(base_slice_equal(p.path, base_slice_of("/a/b")));
    cr_assert(base_slice_equal(p.query, base_slice_of("c=d")));
    cr_assert_eq(p.origin.len, 0, "a slice cannot leave the credentials out");
    url = "http://[::1]/";
    cr_assert_eq(fetch_url_split(url, strlen(url), &p), GLEANER_OK);
    cr_assert(base_slice_equal(p.host, base_slice_of("[::1]")));
    cr_assert_eq(p.port.len, 0);
    cr_assert(base_slice_equal(p.origin, base_slice_of("http://[::1]")));
}

Test(parts, what_is_no_normalised_url_has_no_parts)
{
    static const char *const bad[] = {"",          "http:",         "http://",      "http:///x",
                                      "ftp://a/b", "http://a b/",   "http://a/b c", "http://a",
                                      "x",         "http://a\\b/",  "http://:80/",  "http://a:1:2/",
                                      "//a/b",     "http://[::1/x", "HTTP://a/",    "http://a/\n"};
    struct fetch_url_parts p;
    for (size_t i = 0; i < BASE_ARRAY_LEN(bad); i++) {
        cr_expect_neq(fetch_url_split(bad[i], strlen(bad[i]), &p), GLEANER_OK, "%s", bad[i]);
    }
}
