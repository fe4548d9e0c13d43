/* SPDX-License-Identifier: Apache-2.0 */
#include "tool_rig.h"
#include <criterion/criterion.h>
#include <string.h>

Test(batch, a_bad_line_is_answered_and_the_next_one_too)
{
    const struct rig_case cases[] = {
        {"{\"href\":\"http://a/\"}", "{\"url\":\"http://a/\"}"},
        {"", "{\"error\":\"\"}"},
        {"{", "{\"error\":\"\"}"},
        {"[]", "{\"error\":\"\"}"},
        {"7", "{\"error\":\"\"}"},
        {"{\"href\":\"http://a/\"} trailing", "{\"error\":\"\"}"},
        {"{\"href\":\"\xFF\"}", "{\"error\":\"\"}"},
        {"{\"href\":7}", "{\"error\":\"\"}"},
        {"{}", "{\"error\":\"\"}"},
        {"{\"href\":\"http://b/\",\"unknown\":[1,2]}", "{\"url\":\"http://b/\"}"},
    };
    rig_expect(tool_url, cases, BASE_ARRAY_LEN(cases));
}

Test(batch, the_last_line_needs_no_end)
{
    json_t *answers = rig_batch(tool_url, "{\"href\":\"http://a/\"}\n{\"href\":\"http://b/\"}");
    cr_assert_eq(json_array_size(answers), 2);
    json_decref(answers);
    answers = rig_batch(tool_url, "");
    cr_assert_eq(json_array_size(answers), 0);
    json_decref(answers);
}

Test(batch, a_byte_order_mark_in_front_is_no_part_of_the_first_line)
{
    json_t *answers = rig_batch(tool_url, "\xEF\xBB\xBF{\"href\":\"http://a/\"}\n"
                                          "\xEF\xBB\xBF{\"href\":\"http://b/\"}\n");
    cr_expect(json_object_get(json_array_get(answers, 0), "url"));
    cr_expect(json_object_get(json_array_get(answers, 1), "error"), "one only stands in front");
    json_decref(answers);
    answers = rig_batch(tool_url, "\xEF\xBB\xBF");
    cr_assert_eq(json_array_size(answers), 1);
    cr_expect(json_object_get(json_array_get(answers, 0), "error"));
    json_decref(answers);
}

Test(batch, half_a_surrogate_pair_is_the_replacement_character)
{
    const struct rig_case cases[] = {
        {"{\"href\":\"http://a/\\uD800\"}", "{\"url\":\"http://a/%EF%BF%BD\"}"},
        {"{\"href\":\"http://a/\\uDC00x\"}", "{\"url\":\"http://a/%EF%BF%BDx\"}"},
        {"{\"href\":\"http://a/\\uD800\\uD83D\\uDE00\"}",
         "{\"url\":\"http://a/%EF%BF%BD%F0%9F%98%80\"}"},
        {"{\"href\":\"http://a/\\\\uD800\"}", "{\"url\":\"http://a//uD800\"}"},
        {"{\"href\":\"http://a/\\u00", "{\"error\":\"\"}"},
        {"{\"href\":\"http://a/\\uD800", "{\"error\":\"\"}"},
        {"{\"href\":\"http://a/\\", "{\"error\":\"\"}"},
    };
    rig_expect(tool_url, cases, BASE_ARRAY_LEN(cases));
}

Test(batch, a_nul_in_a_line_is_an_error_of_that_line)
{
    static const char input[] = "{\"href\":\"http://a/\0\"}\n{\"href\":\"http://a/\\u0000b\"}\n"
                                "{\"href\":\"http://b/\"}\n";
    json_t *answers = rig_batch_bytes(tool_url, input, sizeof input - 1);
    cr_assert_eq(json_array_size(answers), 3);
    cr_expect(json_object_get(json_array_get(answers, 0), "error"));
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(answers, 1), "url")),
                     "http://a/%00b");
    cr_expect(json_object_get(json_array_get(answers, 2), "url"));
    json_decref(answers);
}

Test(batch, bytes_come_in_base64)
{
    const struct rig_case cases[] = {
        {"{\"robots_b64\":\"RGlzYWxsb3c6IC8=\",\"agent\":\"a\",\"url\":\"/\"}",
         "{\"allowed\":true}"},
        {"{\"robots_b64\":\"VXNlci1hZ2VudDogKgpEaXNh\\nbGxvdzogLw==\",\"agent\":\"a\",\"url\":\"/"
         "\"}",
         "{\"allowed\":false,\"line\":2}"},
        {"{\"robots_b64\":\"\",\"agent\":\"a\",\"url\":\"/\"}", "{\"allowed\":true,\"line\":null}"},
        {"{\"robots_b64\":\"VXN\",\"agent\":\"a\",\"url\":\"/\"}", "{\"error\":\"\"}"},
        {"{\"robots_b64\":\"VX-N\",\"agent\":\"a\",\"url\":\"/\"}", "{\"error\":\"\"}"},
        {"{\"robots_b64\":\"V===\",\"agent\":\"a\",\"url\":\"/\"}", "{\"error\":\"\"}"},
        {"{\"robots_b64\":7,\"agent\":\"a\",\"url\":\"/\"}", "{\"error\":\"\"}"},
    };
    rig_expect(tool_robots, cases, BASE_ARRAY_LEN(cases));
}

static bool stop_now(void)
{
    return true;
}

Test(batch, a_signal_ends_it_behind_the_line_in_work)
{
    struct rig_output output;
    struct tool_options options = rig_options();
    static const char input[] = "{\"href\":\"http://a/\"}\n{\"href\":\"http://b/\"}\n";
    options.batch = true;
    options.should_stop = stop_now;
    rig_run(tool_url, &options, input, sizeof input - 1, &output);
    cr_expect_eq(output.code, TOOL_STOPPED);
    cr_expect_str_eq(output.out, "{\"url\":\"http://a/\"}\n");
    rig_output_fini(&output);
}

Test(batch, a_closed_output_ends_it)
{
    struct tool_options options = rig_options();
    static char input[] = "{\"href\":\"http://a/\"}\n{\"href\":\"http://b/\"}\n";
    options.batch = true;
    options.in = fmemopen(input, sizeof input - 1, "r");
    options.out = fopen("/dev/full", "w");
    options.err = stderr;
    cr_expect_eq(tool_url(&options), TOOL_NO);
    fclose(options.in);
    fclose(options.out);
}
