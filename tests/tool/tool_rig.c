/* SPDX-License-Identifier: Apache-2.0 */
#include "tool_rig.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct module_registry *modules;
static const char *const loopback[] = {"127.0.0.0/8"};

struct module_registry *rig_modules(void)
{
    static const struct gleaner_host host = {.size = sizeof host, .abi = GLEANER_MODULE_ABI};
    struct base_error error;
    if (modules == NULL) {
        sync_init();
        cr_assert_eq(module_registry_create(&host, &modules), GLEANER_OK);
        cr_assert_eq(module_load(modules, TEXT_MODULE, &error), GLEANER_OK, "%s", error.message);
    }
    return modules;
}

void rig_modules_end(void)
{
    if (modules != NULL) {
        module_registry_destroy(&modules);
    }
}

struct tool_options rig_options(void)
{
    static struct fetch_options fetch;
    static struct queue_scope_options scope;
    fetch_options_init(&fetch);
    fetch.allow_net = loopback;
    fetch.allow_net_count = 1;
    scope = (struct queue_scope_options){
        .same_host = true, .max_depth = UINT32_MAX, .max_url_bytes = 2048, .max_path_repeats = 4};
    return (struct tool_options){
        .agent = "gleaner",
        .handle_ms = 60000,
        .fetch = &fetch,
        .modules = modules,
        .scope = &scope,
    };
}

void rig_run(rig_tool tool, const struct tool_options *options, const char *input, size_t len,
             struct rig_output *output)
{
    struct tool_options with_files = *options;
    *output = (struct rig_output){0};
    with_files.in =
        len > 0 ? fmemopen((void *)(uintptr_t)input, len, "r") : fopen("/dev/null", "r");
    with_files.out = open_memstream(&output->out, &output->out_len);
    with_files.err = open_memstream(&output->err, &output->err_len);
    cr_assert(with_files.in && with_files.out && with_files.err);
    output->code = tool(&with_files);
    fclose(with_files.in);
    fclose(with_files.out);
    fclose(with_files.err);
}

void rig_output_fini(struct rig_output *output)
{
    free(output->out);
    free(output->err);
}

json_t *rig_batch_bytes(rig_tool tool, const char *input, size_t len)
{
    struct rig_output output;
    struct tool_options options = rig_options();
    options.batch = true;
    rig_run(tool, &options, input, len, &output);
    cr_assert_eq(output.code, TOOL_YES);
    cr_assert_eq(output.err_len, 0, "%s", output.err);
    json_t *answers = json_array();
    for (char *at = output.out; *at != '\0';) {
        char *end = strchr(at, '\n');
        cr_assert_not_null(end);
        json_t *answer = json_loadb(at, (size_t)(end - at), JSON_ALLOW_NUL, NULL);
        cr_assert_not_null(answer, "%s", at);
        cr_assert(json_is_object(answer));
        json_array_append_new(answers, answer);
        at = end + 1;
    }
    rig_output_fini(&output);
    return answers;
}

json_t *rig_batch(rig_tool tool, const char *input)
{
    return rig_batch_bytes(tool, input, strlen(input));
}

static void expect_members(const char *question, const json_t *answer, const char *text)
{
    json_error_t what;
    json_t *wanted = json_loads(text, 0, &what);
    const char *name;
    json_t *value;
    cr_assert_not_null(wanted, "%s: %s", text, what.text);
    json_object_foreach(wanted, name, value)
    {
        json_t *got = json_object_get(answer, name);
        char *shown = json_dumps(answer, JSON_COMPACT);
        bool is_equal = json_equal(got, value) != 0;
        /* "error": "" = any sentence */
        bool is_any_error = strcmp(name, "error") == 0 && json_string_length(value) == 0 &&
                            json_string_length(got) > 0;
        cr_expect(is_equal || is_any_error, "%s: %s, wanted %s", question, shown, text);
        free(shown);
    }
    cr_expect((json_object_get(wanted, "error") != NULL) ==
                  (json_object_get(answer, "error") != NULL),
              "%s: error or no error?", question);
    json_decref(wanted);
}

void rig_expect(rig_tool tool, const struct rig_case *cases, size_t count)
{
    struct base_buffer input = {0};
    for (size_t i = 0; i < count; i++) {
        base_buffer_append_str(&input, cases[i].question);
        base_buffer_append_char(&input, '\n');
    }
    json_t *answers = rig_batch_bytes(tool, input.data, input.len);
    cr_assert_eq(json_array_size(answers), count);
    for (size_t i = 0; i < count; i++) {
        expect_members(cases[i].question, json_array_get(answers, i), cases[i].answer);
    }
    json_decref(answers);
    base_buffer_fini(&input);
}
