/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of runtime/tool: settings become its options, its answer our exit code. */
#include "process_internal.h"
#include "tool.h"
#include <string.h>

static uint32_t narrow(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* The tool's own mistakes in the command line. */
_Static_assert((int)TOOL_USAGE == (int)EXIT_USAGE && (int)TOOL_STOPPED == (int)EXIT_STOPPED,
               "the exit codes of the tools are those of the process");

static int run_tool(struct settings *s, int (*tool)(const struct tool_options *),
                    struct module_registry *modules)
{
    struct fetch_options fetch;
    work_fetch_options(s, &fetch);
    const struct queue_scope_options scope = {
        .same_host = s->same_host,
        .include_regex = s->include_regex.items,
        .include_regex_count = s->include_regex.count,
        .exclude_regex = s->exclude_regex.items,
        .exclude_regex_count = s->exclude_regex.count,
        .include = s->include.items,
        .include_count = s->include.count,
        .exclude = s->exclude.items,
        .exclude_count = s->exclude.count,
        .max_depth = narrow(s->depth),
        .max_url_bytes = narrow(s->max_url_bytes),
        .max_path_repeats = narrow(s->max_path_repeats),
    };
    const struct tool_options options = {
        .operands = s->operands.items,
        .operand_count = s->operands.count,
        .batch = s->batch,
        .json = s->json,
        .verbose = s->verbose,
        .agent = s->agent != NULL ? s->agent : s->robots_agent,
        .file = s->robots_file,
        .type = settings_is_given(s, &s->job_type) ? s->job_type : NULL,
        .url = s->page_url,
        .markdown = strcmp(s->content, "markdown") == 0,
        .handle_ms = narrow(s->handle_ms),
        .fetch = &fetch,
        .modules = modules,
        .setting = settings_of_module,
        .setting_ctx = s,
        .scope = &scope,
        .should_stop = signals_stop_wanted,
        .in = stdin,
        .out = stdout,
        .err = stderr,
    };
    if (options.batch && options.operand_count > 0) {
        struct base_error error;
        (void)base_error_set(
            &error, GLEANER_E_CONFIG,
            "--batch reads its questions from standard input; '%s' is one too many",
            options.operands[0]);
        print_error(&error);
        return EXIT_USAGE;
    }
    return tool(&options);
}

int command_scrape(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    struct work work = {.settings = settings};
    struct base_error error = {0};
    int code;
    enum gleaner_status status = work_load_modules(&work, &error);
    if (status != GLEANER_OK) {
        print_error(&error);
        code = (int)work_exit_code(status);
    } else {
        code = run_tool(settings, tool_scrape, work.modules);
    }
    if (work.modules != NULL) {
        module_registry_destroy(&work.modules);
    }
    return code;
}

int command_robots(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    return run_tool(settings, tool_robots, NULL);
}

int command_url(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    return run_tool(settings, tool_url, NULL);
}

int command_fetch(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    return run_tool(settings, tool_fetch, NULL);
}

int command_sitemap(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    return run_tool(settings, tool_sitemap, NULL);
}
