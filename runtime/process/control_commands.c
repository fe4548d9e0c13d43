/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that talk to the process that works in --data: set, reload, config --live. */
#include "process_internal.h"
#include <stdio.h>
#include <string.h>

/* What it answers is printed; what it refuses is a usage error with its reason. */
static int ask_and_print(const char *directory, const char *path, const char *body)
{
    struct base_buffer answer = {0};
    struct base_error error = {0};
    enum gleaner_status status = admin_ask(directory, path, body, &answer, &error);
    int code = EXIT_COMPLETE;
    if (status != GLEANER_OK) {
        print_error(&error);
        code = status == GLEANER_E_REFUSED ? EXIT_USAGE : EXIT_OTHER;
    } else {
        (void)fwrite(answer.data != NULL ? answer.data : "", 1, answer.len, stdout);
        code = end_output(stdout, EXIT_COMPLETE);
    }
    base_buffer_fini(&answer);
    return code;
}

int command_set(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    struct base_error error = {0};
    struct base_buffer body = {0};
    for (size_t i = 0; i < settings->operands.count; i++) {
        base_buffer_printf(&body, "%s\n", settings->operands.items[i]);
    }
    int code = EXIT_USAGE;
    if (settings->operands.count == 0) {
        (void)base_error_set(&error, GLEANER_E_CONFIG,
                             "set wants KEY=VALUE: gleaner set fetch.delay_ms=500");
        print_error(&error);
    } else if (body.failed) {
        code = EXIT_OTHER;
    } else {
        code = ask_and_print(settings->data, "/settings", body.data);
    }
    base_buffer_fini(&body);
    return code;
}

int command_reload(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    return ask_and_print(settings->data, "/reload", "");
}

int command_config_live(const struct settings *settings)
{
    return ask_and_print(settings->data, "/config", NULL);
}
