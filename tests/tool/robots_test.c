/* SPDX-License-Identifier: Apache-2.0 */
#include "tool_rig.h"
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#define FILE_TEXT                                                                                  \
    "User-agent: *\\nDisallow: /p\\nAllow: /p/q\\nCrawl-delay: 2.5\\nSitemap: /s.xml\\n"

Test(robots, the_deciding_line_delay_and_sitemaps_are_told)
{
    const struct rig_case cases[] = {
        {"{\"robots\":\"" FILE_TEXT "\",\"agent\":\"x\",\"url\":\"http://a/p\"}",
         "{\"allowed\":false,\"line\":2,\"crawl_delay\":2.5,\"sitemaps\":[\"/s.xml\"]}"},
        {"{\"robots\":\"" FILE_TEXT "\",\"agent\":\"x\",\"url\":\"http://a/p/q?r\"}",
         "{\"allowed\":true,\"line\":3}"},
        {"{\"robots\":\"" FILE_TEXT "\",\"agent\":\"x\",\"url\":\"http://a/\"}",
         "{\"allowed\":true,\"line\":null}"},
        {"{\"robots\":\"\",\"agent\":\"x\",\"url\":\"http://a/\"}",
         "{\"allowed\":true,\"line\":null,\"crawl_delay\":null,\"sitemaps\":[]}"},
        {"{\"robots\":\"User-agent: gleaner\\nDisallow: /\",\"url\":\"/\"}", "{\"allowed\":false}"},
        {"{\"robots\":\"\",\"agent\":\"x\"}", "{\"error\":\"\"}"},
        {"{\"agent\":\"x\",\"url\":\"/\"}", "{\"error\":\"\"}"},
        {"{\"robots\":\"\",\"agent\":[],\"url\":\"/\"}", "{\"error\":\"\"}"},
        {"{\"robots\":\"\",\"agent\":\"a\\u0000b\",\"url\":\"/\"}", "{\"error\":\"\"}"},
        {"{\"robots_b64\":\"U2l0ZW1hcDogaHR0cDovL2Ev/w==\",\"agent\":\"x\",\"url\":\"/\"}",
         "{\"sitemaps\":[\"http://a/\\ufffd\"]}"},
    };
    rig_expect(tool_robots, cases, BASE_ARRAY_LEN(cases));
}

static int ask(const char *url, const char *file, bool json, struct rig_output *output)
{
    static const char robots[] = "User-agent: *\r\nDisallow: /private # no\r\nCrawl-delay: 2\r\n";
    const char *const operands[] = {url};
    struct tool_options options = rig_options();
    options.operands = operands;
    options.operand_count = 1;
    options.file = file;
    options.json = json;
    rig_run(tool_robots, &options, robots, sizeof robots - 1, output);
    return output->code;
}

Test(robots, a_person_sees_the_line_and_a_script_the_exit_code)
{
    struct rig_output output;
    cr_expect_eq(ask("http://a/private/x", "-", false, &output), TOOL_NO);
    cr_expect_str_eq(output.out,
                     "forbidden by line 2: Disallow: /private # no\ncrawl-delay: 2 s\n");
    rig_output_fini(&output);
    cr_expect_eq(ask("http://a/public", "-", false, &output), TOOL_YES);
    cr_expect_str_eq(output.out, "allowed: no rule matches\ncrawl-delay: 2 s\n");
    rig_output_fini(&output);
    cr_expect_eq(ask("http://a/private", "-", true, &output), TOOL_NO);
    cr_expect(strstr(output.out, "\"allowed\":false,\"line\":2,"), "%s", output.out);
    rig_output_fini(&output);
}

Test(robots, what_is_no_url_or_no_file_is_a_usage_error)
{
    struct rig_output output;
    cr_expect_eq(ask("nonsense", "-", false, &output), TOOL_USAGE);
    rig_output_fini(&output);
    cr_expect_eq(ask("http://a/", "/nonexistent/robots.txt", false, &output), TOOL_USAGE);
    cr_expect(strstr(output.err, "/nonexistent/robots.txt"));
    rig_output_fini(&output);
}
