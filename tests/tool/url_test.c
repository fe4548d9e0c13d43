/* SPDX-License-Identifier: Apache-2.0 */
#include "tool_rig.h"
#include <criterion/criterion.h>
#include <string.h>

Test(url, links_become_absolute_and_lose_their_fragment)
{
    const struct rig_case cases[] = {
        {"{\"base\":\"http://a.b/c/d?e#f\",\"href\":\"../x y\"}", "{\"url\":\"http://a.b/x%20y\"}"},
        {"{\"base\":\"http://a.b/c/d?e#f\",\"href\":\"\"}", "{\"url\":\"http://a.b/c/d?e\"}"},
        {"{\"base\":\"http://a.b/c/d?e#f\",\"href\":\"#g\"}", "{\"url\":\"http://a.b/c/d?e\"}"},
        {"{\"base\":\"HTTPS://A.b:443\",\"href\":\"?q\"}", "{\"url\":\"https://a.b/?q\"}"},
        {"{\"base\":null,\"href\":\"http://B\\u00fccher.de\"}",
         "{\"url\":\"http://xn--bcher-kva.de/\"}"},
        {"{\"base\":\"http://a\",\"href\":\"//b\\\\c\"}", "{\"url\":\"http://b/c\"}"},
    };
    rig_expect(tool_url, cases, BASE_ARRAY_LEN(cases));
}

Test(url, what_is_no_http_url_is_an_error)
{
    const struct rig_case cases[] = {
        {"{\"href\":\"x\"}", "{\"error\":\"\"}"},
        {"{\"base\":\"\",\"href\":\"http://a/\"}", "{\"error\":\"\"}"},
        {"{\"base\":\"nonsense\",\"href\":\"http://a/\"}", "{\"error\":\"\"}"},
        {"{\"base\":\"http://a/\",\"href\":\"http://a b/\"}", "{\"error\":\"\"}"},
        {"{\"base\":\"http://a/\",\"href\":\"http://[::1\"}", "{\"error\":\"\"}"},
        {"{\"base\":\"http://a/\",\"href\":\"javascript:x\"}", "{\"error\":\"\"}"},
        {"{\"base\":\"http://a/\",\"href\":\"ftp://a/\"}", "{\"error\":\"\"}"},
        {"{\"base\":\"about:blank\",\"href\":\"x\"}", "{\"error\":\"\"}"},
        {"{\"base\":\"about:blank\",\"href\":\"http://a/\"}", "{\"url\":\"http://a/\"}"},
        {"{\"base\":7,\"href\":\"http://a/\"}", "{\"error\":\"\"}"},
    };
    rig_expect(tool_url, cases, BASE_ARRAY_LEN(cases));
}

static int ask(const char *base, const char *href, struct queue_scope_options *scope,
               struct rig_output *output)
{
    const char *const operands[] = {base, href};
    struct tool_options options = rig_options();
    options.operands = operands;
    options.operand_count = 2;
    options.scope = scope != NULL ? scope : options.scope;
    rig_run(tool_url, &options, "", 0, output);
    return output->code;
}

Test(url, the_exit_code_says_whether_a_crawl_would_follow)
{
    struct rig_output output;
    cr_expect_eq(ask("http://a/x/", "y", NULL, &output), TOOL_YES);
    cr_expect_str_eq(output.out, "http://a/x/y\nin scope\n");
    rig_output_fini(&output);
    cr_expect_eq(ask("http://a/x/", "http://b/", NULL, &output), TOOL_NO);
    cr_expect_str_eq(output.out, "http://b/\nout of scope\n");
    rig_output_fini(&output);
    cr_expect_eq(ask("http://a/", "mailto:x", NULL, &output), TOOL_NO);
    cr_expect_eq(output.out_len, 0);
    cr_expect_neq(output.err_len, 0);
    rig_output_fini(&output);
}

Test(url, globs_decide_like_in_a_crawl)
{
    const char *const include[] = {"*/docs/*"}, *const exclude[] = {"*.pdf"};
    struct queue_scope_options scope = {.include = include,
                                        .include_count = 1,
                                        .exclude = exclude,
                                        .exclude_count = 1,
                                        .max_depth = UINT32_MAX,
                                        .max_url_bytes = 2048,
                                        .max_path_repeats = 4};
    static const struct {
        const char *href;
        int code;
    } cases[] = {{"/docs/a", TOOL_YES},
                 {"/docs/a.pdf", TOOL_NO},
                 {"/other", TOOL_NO},
                 {"http://b/docs/a", TOOL_YES},
                 {"/docs/a/b/a/b/a/b/a/b/a/b/a/b", TOOL_NO}};
    for (size_t i = 0; i < BASE_ARRAY_LEN(cases); i++) {
        struct rig_output output;
        cr_expect_eq(ask("http://a/", cases[i].href, &scope, &output), cases[i].code, "%s",
                     cases[i].href);
        rig_output_fini(&output);
    }
}

Test(url, a_missing_operand_is_a_usage_error)
{
    struct rig_output output;
    struct tool_options options = rig_options();
    rig_run(tool_url, &options, "", 0, &output);
    cr_expect_eq(output.code, TOOL_USAGE);
    cr_expect(strstr(output.err, "gleaner url BASE HREF"));
    rig_output_fini(&output);
}
