/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner: find the command, read its settings, run it. Only main ends the process (and the second
 * signal, in signals.c). */
#include "mongo.h"
#include "process_internal.h"
#include "sync.h"
#include <stdio.h>
#include <string.h>

static const char exit_codes[] = "Exit codes\n"
                                 "  0  complete\n"
                                 "  1  no process to ask, output closed, out of memory\n"
                                 "  2  wrong command line, configuration or URL\n"
                                 "  3  stopped by a signal; the same command goes on\n"
                                 "  4  complete, but documents wait in the spool for their server\n"
                                 "  5  the data directory or the store failed\n"
                                 "  6  no page could be fetched\n";

static void print_usage(FILE *out)
{
    (void)fprintf(out,
                  "gleaner %s: scrapes sites into MongoDB, and goes on when MongoDB does not\n\n"
                  "Commands\n",
                  GLEANER_VERSION);
    for (size_t i = 0; i < commands_count; i++) {
        (void)fprintf(out, "  %-8s %-18s %s\n", commands[i].name, commands[i].synopsis,
                      commands[i].summary);
    }
    (void)fprintf(out, "\n  gleaner COMMAND --help lists the options; gleaner --version\n\n%s",
                  exit_codes);
}

static void print_command_help(const struct command *command)
{
    struct base_buffer text = {0};
    settings_print_help(command->groups, &text);
    (void)printf("gleaner %s %s\n\n%s\n%s\nOptions\n%s\n%s", command->name, command->synopsis,
                 command->summary, command->help, text.data != NULL ? text.data : "", exit_codes);
    (void)printf(
        "\nFurther options, by `gleaner config`: any --name of the configuration file's.\n");
    base_buffer_fini(&text);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < commands_count; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static const char *next_command(const void *ctx, size_t i)
{
    (void)ctx;
    return i < commands_count ? commands[i].name : NULL;
}

static int refuse_command(const char *name)
{
    struct base_error error;
    const char *near = settings_nearest(name, strlen(name), next_command, NULL);
    bool is_url = strstr(name, "://") != NULL;
    (void)base_error_set(&error, GLEANER_E_CONFIG, "unknown command '%s'%s%s%s", name,
                         is_url || near != NULL ? "; did you mean " : "; gleaner --help lists them",
                         is_url         ? "gleaner crawl URL"
                         : near != NULL ? near
                                        : "",
                         is_url || near != NULL ? "?" : "");
    print_error(&error);
    return EXIT_USAGE;
}

/* Everything that has threads lives between here and signals_stop(). */
static int run_command(const struct command *command, struct settings *settings, int argc,
                       char *const argv[])
{
    struct base_error error = {0};
    enum base_log_level level;
    if (base_log_level_parse(settings->log_level, &level)) {
        base_log_set_level(settings->database_debug ? BASE_LOG_DEBUG : level);
    }
    if (signals_start(&error) != GLEANER_OK) {
        print_error(&error);
        return EXIT_OTHER;
    }
    int code = command->run(settings, argc, argv);
    signals_stop();
    return code;
}

static int start_command(const struct command *command, int argc, char *const argv[])
{
    struct settings settings;
    struct base_error error = {0};
    int code = EXIT_USAGE;
    if (settings_load(&settings, argc, argv, command->groups, &error) != GLEANER_OK) {
        print_error(&error);
    } else if (settings.help) {
        print_command_help(command);
        code = EXIT_COMPLETE;
    } else {
        code = run_command(command, &settings, argc, argv);
    }
    settings_fini(&settings);
    return code;
}

int main(int argc, char *argv[])
{
    signals_block();
    sync_init();
    mongo_init();
    int code = EXIT_COMPLETE;
    const char *name = argc > 1 ? argv[1] : "";
    const struct command *command = find_command(name);
    if (command != NULL) {
        code = start_command(command, argc - 2, argv + 2);
    } else if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        print_versions();
    } else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ||
               strcmp(name, "help") == 0) {
        print_usage(stdout);
    } else if (name[0] == '\0') {
        print_usage(stderr);
        code = EXIT_USAGE;
    } else {
        code = refuse_command(name);
    }
    mongo_cleanup();
    return fflush(stdout) == 0 ? code : EXIT_OTHER;
}
