/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

struct glob_case {
    char glob[48], text[64];
    bool matches;
};

ParameterizedTestParameters(glob, table_of_cases_decides)
{
    static struct glob_case cases[] = {
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"http://a/*", "http://a/b/c", true},
        {"http://a/*", "http://b/", false},
        {"*.html", "http://a/x.html", true},
        {"*.html", "http://a/x.html?y", false},
        {"*/doc/*/index.?tml", "http://a/doc/b/c/index.html", true},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXbYbZ", false},
        {"a?c", "ac", false},
        {"**a", "bbba", true},
    };
    return cr_make_param_array(struct glob_case, cases, sizeof(cases) / sizeof(cases[0]));
}
ParameterizedTest(struct glob_case *c, glob, table_of_cases_decides)
{
    cr_assert_eq(queue_glob_match(c->glob, c->text, strlen(c->text)), c->matches, "%s ~ %s",
                 c->glob, c->text);
}

Test(glob, many_stars_on_a_long_text_stay_quick, .timeout = 5)
{
    static char text[100001];
    memset(text, 'a', 100000);
    cr_assert_not(queue_glob_match("*a*a*a*a*a*a*a*a*b", text, 100000));
}

static struct queue_scope *scope_of(struct queue_scope_options options)
{
    static const char *const seeds[] = {"http://site.test:8080/docs/index.html"};
    struct queue_scope *scope = NULL;
    options.seeds = seeds;
    options.seed_count = 1;
    cr_assert_eq(queue_scope_create(&options, &scope, NULL), GLEANER_OK);
    return scope;
}

static bool allows(const struct queue_scope *scope, const char *url, uint32_t depth)
{
    return queue_scope_allows(scope, url, strlen(url), depth);
}

Test(scope, same_host_means_scheme_host_and_port_of_a_seed)
{
    struct queue_scope *scope =
        scope_of((struct queue_scope_options){.same_host = true, .max_depth = 9});
    cr_assert(allows(scope, "http://site.test:8080/other", 1));
    cr_assert_not(allows(scope, "http://site.test/other", 1));
    cr_assert_not(allows(scope, "https://site.test:8080/other", 1));
    cr_assert_not(allows(scope, "http://site.test:80801/other", 1));
    cr_assert_not(allows(scope, "http://other.test:8080/", 1));
    queue_scope_destroy(&scope);
    cr_assert_null(scope);
}

Test(scope, same_host_takes_https_for_http_on_standard_ports)
{
    static const char *const seeds[] = {"http://plain.test/x", "https://safe.test/"};
    struct queue_scope *scope = NULL;
    struct queue_scope_options options = {
        .seeds = seeds, .seed_count = 2, .same_host = true, .max_depth = 9};
    cr_assert_eq(queue_scope_create(&options, &scope, NULL), GLEANER_OK);
    cr_assert(allows(scope, "https://plain.test/other", 0));
    cr_assert_not(allows(scope, "https://plain.test:8443/", 0));
    cr_assert_not(allows(scope, "https://plain.testing/", 0));
    cr_assert_not(allows(scope, "https://plain.tes/", 0));
    cr_assert_not(allows(scope, "http://safe.test/", 0), "not the other way");
    queue_scope_destroy(&scope);
}

Test(scope, deeper_than_the_limit_is_outside)
{
    struct queue_scope *scope = scope_of((struct queue_scope_options){.max_depth = 2});
    cr_assert(allows(scope, "http://anywhere.test/", 2));
    cr_assert_not(allows(scope, "http://anywhere.test/", 3));
    queue_scope_destroy(&scope);
}

Test(scope, a_link_must_match_one_include_and_no_exclude)
{
    static const char *const include[] = {"*/docs/*", "*/api/*"};
    static const char *const exclude[] = {"*.pdf"};
    struct queue_scope *scope = scope_of((struct queue_scope_options){.include = include,
                                                                      .include_count = 2,
                                                                      .exclude = exclude,
                                                                      .exclude_count = 1,
                                                                      .max_depth = 9});
    cr_assert(allows(scope, "http://x.test/api/a", 1));
    cr_assert_not(allows(scope, "http://x.test/blog/a", 1));
    cr_assert_not(allows(scope, "http://x.test/docs/a.pdf", 1));
    queue_scope_destroy(&scope);
}

Test(scope, a_path_that_repeats_itself_is_a_trap)
{
    struct queue_scope *scope = scope_of((struct queue_scope_options){.max_depth = 99});
    cr_assert(allows(scope, "http://x.test/a/b/a/b/a/b/c", 1));
    cr_assert_not(allows(scope, "http://x.test/a/b/a/b/a/b/a/b/a/b", 1));
    cr_assert(allows(scope, "http://x.test/1/2/3/4/5/6/7/8/9", 1));
    queue_scope_destroy(&scope);
}

Test(scope, an_overlong_url_is_outside)
{
    struct queue_scope *scope =
        scope_of((struct queue_scope_options){.max_depth = 9, .max_url_bytes = 32});
    cr_assert(allows(scope, "http://x.test/short", 1));
    cr_assert_not(allows(scope, "http://x.test/this-one-is-far-too-long-for-it", 1));
    queue_scope_destroy(&scope);
}
