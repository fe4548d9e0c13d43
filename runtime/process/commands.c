/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and the two that only show something. */
#include "process_internal.h"
#include <stdio.h>
#include <string.h>

#define GROUPS_WORK                                                                                \
    (GROUP_DATABASE | GROUP_STORE | GROUP_FETCH | GROUP_WORKER | GROUP_PROCESS | GROUP_ANY)
#define GROUPS_ALL (GROUPS_WORK | GROUP_CRAWL)

const struct command commands[] = {
    {"crawl", "URL... [options]", "crawl from these URLs and store every page",
     "Fetches the pages, follows their links, stores one document a page. The same command after "
     "an\n"
     "interruption goes on where it was; after a complete crawl it starts anew.\n"
     "  gleaner crawl https://example.org/ --depth 3\n"
     "  gleaner crawl https://example.org/ --to mongodb://localhost/app --collection pages\n",
     GROUPS_ALL | GROUP_ONLY_CRAWL | GROUP_JSON, command_crawl},
    {"run", "[options]", "the service: take jobs from the queue until it is told to stop",
     "Claims submitted jobs, fetches them, runs their module, stores what it finds. SIGTERM hands\n"
     "back what is not finished; SIGHUP rereads the configuration.\n",
     GROUPS_ALL | GROUP_JSON, command_run},
    {"submit", "URL... [options]", "put a job into the queue",
     "  gleaner submit https://example.org/page --type text\n", GROUPS_ALL | GROUP_ONLY_SUBMIT,
     command_submit},
    {"export", "[options]", "print the stored documents",
     "Works beside a running process. CSV has the columns of the first document.\n"
     "  gleaner export --format csv > pages.csv\n",
     GROUP_DATABASE | GROUP_STORE | GROUP_PROCESS | GROUP_ANY | GROUP_ONLY_EXPORT, command_export},
    {"status", "[options]", "what the process in this data directory is doing",
     "Asks it through the socket in --data. Also there: curl --unix-socket DIR/gleaner.sock\n"
     "http://gleaner/metrics (Prometheus), /status, /status.json.\n",
     GROUP_STORE | GROUP_PROCESS | GROUP_ANY | GROUP_JSON, command_status},
    {"drain", "[options]", "deliver the documents that wait in the spool",
     "  gleaner drain --to mongodb://localhost/app\n",
     GROUP_DATABASE | GROUP_STORE | GROUP_PROCESS | GROUP_ANY, command_drain},
    {"config", "[options]", "print every setting, its value and where that came from",
     "Sources, from weakest: defaults, configuration file, .env, environment, command line. The\n"
     "names are those of the file: database.uri is `uri:` under `database:`.\n",
     GROUPS_ALL, command_config},
};
const size_t commands_count = BASE_ARRAY_LEN(commands);

unsigned settings_groups_of(const char *command)
{
    for (size_t i = 0; i < commands_count; i++) {
        if (strcmp(commands[i].name, command) == 0) {
            return commands[i].groups;
        }
    }
    return 0;
}

void print_error(const struct base_error *error)
{
    char text[sizeof error->message + 64];
    base_redact_uri(error->message, text, sizeof text);
    (void)fprintf(stderr, "gleaner: %s\n", text);
}

int command_config(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    struct base_buffer text = {0};
    settings_print(settings, &text);
    bool is_good = !text.failed && fwrite(text.data, 1, text.len, stdout) == text.len;
    base_buffer_fini(&text);
    return is_good && fflush(stdout) == 0 ? EXIT_COMPLETE : EXIT_OTHER;
}

int command_status(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    struct base_buffer text = {0};
    struct base_error error = {0};
    enum gleaner_status status =
        admin_ask(settings->data, settings->json ? "/status.json" : "/status", NULL, &text, &error);
    if (status != GLEANER_OK) {
        print_error(&error);
        base_buffer_fini(&text);
        return EXIT_OTHER;
    }
    (void)fwrite(text.data, 1, text.len, stdout);
    base_buffer_fini(&text);
    return fflush(stdout) == 0 ? EXIT_COMPLETE : EXIT_OTHER;
}
