/* SPDX-License-Identifier: Apache-2.0 */
/* The tools that fetch, against a real server on loopback. */
#include "http_fixture.h"
#include "tool_rig.h"
#include <criterion/criterion.h>
#include <string.h>

static struct http_fixture http;

static void start(void)
{
    sync_init();
    cr_assert(http_fixture_start(&http, 1, HTTP_FIXTURE_PLAIN));
}
static void end(void)
{
    http_fixture_end(&http);
}
TestSuite(fetch, .init = start, .fini = end, .timeout = 60);

static int run(rig_tool tool, const char *url, bool verbose, bool json, struct rig_output *output)
{
    const char *const operands[] = {url};
    struct tool_options options = rig_options();
    options.operands = operands;
    options.operand_count = 1;
    options.verbose = verbose;
    options.json = json;
    rig_run(tool, &options, "", 0, output);
    return output->code;
}

Test(fetch, the_body_goes_out_and_the_exchange_beside_it)
{
    struct rig_output output;
    cr_expect_eq(run(tool_fetch, http_fixture_url(&http, 0, "/ok"), true, false, &output),
                 TOOL_YES);
    cr_expect_neq(output.out_len, 0);
    cr_expect(strstr(output.err, "> GET http://127.0.0.1:"), "%s", output.err);
    cr_expect(strstr(output.err, "< HTTP/1.1 200"), "%s", output.err);
    cr_expect(strstr(output.err, "first byte"), "%s", output.err);
    cr_expect(strstr(output.err, "* charset "), "%s", output.err);
    rig_output_fini(&output);
}

Test(fetch, each_redirect_is_shown)
{
    struct rig_output output;
    cr_expect_eq(
        run(tool_fetch, http_fixture_url(&http, 0, "/redirect?to=/ok"), false, true, &output),
        TOOL_YES);
    json_t *object = json_loads(output.out, 0, NULL);
    json_t *hops = json_object_get(object, "redirects");
    cr_assert_eq(json_array_size(hops), 1, "%s", output.out);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(hops, 0), "location")),
                     http_fixture_url(&http, 0, "/ok"));
    cr_expect_eq(json_integer_value(json_object_get(object, "status")), 200);
    cr_expect(json_array_size(json_object_get(object, "headers")) > 0);
    json_decref(object);
    rig_output_fini(&output);
}

Test(fetch, redirects_have_their_limit)
{
    struct rig_output output;
    cr_expect_eq(run(tool_fetch, http_fixture_url(&http, 0, "/loop"), false, true, &output),
                 TOOL_NO);
    cr_expect(strstr(output.out, "\"class\":\"redirect_loop\""), "%s", output.out);
    rig_output_fini(&output);
}

Test(fetch, a_failure_is_an_exit_code_and_a_sentence)
{
    struct rig_output output;
    cr_expect_eq(
        run(tool_fetch, http_fixture_url(&http, 0, "/status?code=404"), false, false, &output),
        TOOL_NO);
    cr_expect(strstr(output.err, "answered 404"), "%s", output.err);
    rig_output_fini(&output);
    cr_expect_eq(run(tool_fetch, "nonsense", false, false, &output), TOOL_USAGE);
    rig_output_fini(&output);
    cr_expect_eq(run(tool_fetch, "http://10.0.0.1/", false, true, &output), TOOL_NO);
    cr_expect(strstr(output.out, "\"class\":\"guarded\""), "%s", output.out);
    rig_output_fini(&output);
}

Test(fetch, a_batch_answers_in_order_and_goes_on)
{
    struct base_buffer input = {0};
    base_buffer_printf(&input, "{\"url\":\"%s\"}\n{\"url\":\"x\"}\n{}\n{\"url\":\"%s\"}\n",
                       http_fixture_url(&http, 0, "/status?code=500"),
                       http_fixture_url(&http, 0, "/ok"));
    json_t *answers = rig_batch(tool_fetch, input.data);
    cr_assert_eq(json_array_size(answers), 4);
    cr_expect_eq(json_integer_value(json_object_get(json_array_get(answers, 0), "status")), 500);
    cr_expect(json_object_get(json_array_get(answers, 1), "error"));
    cr_expect(json_object_get(json_array_get(answers, 2), "error"));
    cr_expect_eq(json_integer_value(json_object_get(json_array_get(answers, 3), "status")), 200);
    json_decref(answers);
    base_buffer_fini(&input);
}

Test(fetch, robots_txt_is_fetched_and_its_absence_allows)
{
    struct rig_output output;
    http_fixture_robots(&http, 0, "text", "User-agent: *\nDisallow: /p\n");
    cr_expect_eq(run(tool_robots, http_fixture_url(&http, 0, "/p"), false, false, &output),
                 TOOL_NO);
    cr_expect_str_eq(output.out, "forbidden by line 2: Disallow: /p\n");
    rig_output_fini(&output);
    cr_expect_eq(run(tool_robots, http_fixture_url(&http, 0, "/q"), false, false, &output),
                 TOOL_YES);
    rig_output_fini(&output);
    http_fixture_robots(&http, 0, "404", "");
    cr_expect_eq(run(tool_robots, http_fixture_url(&http, 0, "/p"), false, false, &output),
                 TOOL_YES);
    cr_expect_str_eq(output.out, "allowed: there is no robots.txt\n");
    rig_output_fini(&output);
    http_fixture_robots(&http, 0, "500", "");
    cr_expect_eq(run(tool_robots, http_fixture_url(&http, 0, "/p"), false, true, &output), TOOL_NO);
    cr_expect(strstr(output.out, "\"allowed\":false"), "%s", output.out);
    rig_output_fini(&output);
}

Test(fetch, what_robots_txt_forbids_is_not_scraped)
{
    struct rig_output output;
    (void)rig_modules();
    http_fixture_robots(&http, 0, "text", "User-agent: *\nDisallow: /ok\n");
    cr_expect_eq(run(tool_scrape, http_fixture_url(&http, 0, "/ok"), false, true, &output),
                 TOOL_NO);
    cr_expect(strstr(output.err, "robots.txt"), "%s", output.err);
    cr_expect_eq(output.out_len, 0);
    rig_output_fini(&output);
    http_fixture_robots(&http, 0, "404", "");
    cr_expect_eq(run(tool_scrape, http_fixture_url(&http, 0, "/ok"), false, true, &output),
                 TOOL_YES, "%s", output.err);
    rig_output_fini(&output);
    rig_modules_end();
}
