/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner: find the command, read its settings, run it. Only main ends the process (and the second
 * signal, in signals.c). */
#include "mongo.h"
#include "process_internal.h"
#include "sync.h"
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* libmongoc made /dev/shm/mongoc-PID for its counters as soon as it was loaded, and removes it at
 * exit(): a process that ends by a kill or by _exit() would leave it behind, and a later one with
 * the same number would write a warning. The counters need no name; nothing here reads them. */
static void unname_driver_counters(void)
{
    char name[32];
    (void)snprintf(name, sizeof name, "/mongoc-%d", (int)getpid());
    (void)shm_unlink(name);
}

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
    const bool shows_all = strcmp(command->name, "config") == 0;
    settings_print_help(command->groups | (shows_all ? GROUP_EXPERT : 0), &text);
    (void)printf("gleaner %s %s\n\n%s\n%s\nOptions\n%s\n%s", command->name, command->synopsis,
                 command->summary, command->help, text.data != NULL ? text.data : "", exit_codes);
    if (!shows_all) {
        (void)printf("\ngleaner config --help lists the finer options, too.\n");
    }
    base_buffer_fini(&text);
}

/* `>&-` leaves the number free, and then a lock file or a connection to a site would get it, and
 * with it what we print. */
static void open_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            (void)open("/dev/null", O_RDWR); /* the lowest free number: this one */
        }
    }
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

/* A synopsis of options alone names no operand. */
static enum gleaner_status check_operands(const struct command *command,
                                          const struct settings *settings, struct base_error *error)
{
    if (strcmp(command->synopsis, "[options]") != 0 || settings->operands.count == 0) {
        return GLEANER_OK;
    }
    const char *first = settings->operands.items[0];
    return base_error_set(
        error, GLEANER_E_CONFIG, "%s takes options only, '%s' is none%s", command->name, first,
        strcmp(command->name, "run") == 0 ? "; gleaner submit gives it a URL" : "");
}

/* A file is what a crawl writes; no command reads from one, and a service has its jobs somewhere.
 */
static enum gleaner_status check_target(const struct command *command,
                                        const struct settings *settings, struct base_error *error)
{
    bool uses_target = (command->groups & GROUP_DATABASE) != 0;
    bool takes_any = (command->groups & (GROUP_ONLY_CRAWL | GROUP_ONLY_CONFIG)) != 0;
    size_t index = 0;
    if (!uses_target || takes_any || !settings_wants_sink(settings) ||
        settings_find("database.uri", &index, NULL) != GLEANER_OK) {
        return GLEANER_OK;
    }
    char place[400];
    settings_describe_place(&settings->origins[index], place, sizeof place);
    return base_error_set(error, GLEANER_E_CONFIG,
                          "%s: '%s': gleaner crawl alone writes to a file; gleaner %s works on "
                          "mongodb://HOST/DB or embedded",
                          place, settings->target, command->name);
}

/* What a first Ctrl-C gives a command to end by itself: one that only looks may be inside a page
 * for long, one that asks a server may be in a call that does not return. */
#define LOOK_PATIENCE_MS 200
#define PATIENCE_MS 3000

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
    /* Those that hold leases say more exactly how long they need. */
    bool is_look = (command->groups & GROUP_BATCH) != 0;
    signals_set_short_patience(is_look ? LOOK_PATIENCE_MS : PATIENCE_MS, EXIT_STOPPED);
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
        code = end_output(stdout, EXIT_COMPLETE);
    } else if (check_operands(command, &settings, &error) != GLEANER_OK ||
               check_target(command, &settings, &error) != GLEANER_OK) {
        print_error(&error);
    } else {
        code = run_command(command, &settings, argc, argv);
    }
    settings_fini(&settings);
    return code;
}

static bool is_one_of(const char *name, const char *a, const char *b, const char *c)
{
    return strcmp(name, a) == 0 || strcmp(name, b) == 0 || strcmp(name, c) == 0;
}

/* help, help COMMAND */
static int show_help(const char *about)
{
    const struct command *command = about != NULL ? find_command(about) : NULL;
    if (about != NULL && command == NULL) {
        return refuse_command(about);
    }
    if (command != NULL) {
        print_command_help(command);
    } else {
        print_usage(stdout);
    }
    return end_output(stdout, EXIT_COMPLETE);
}

static int dispatch(int argc, char *argv[])
{
    const char *name = argc > 1 ? argv[1] : "";
    const struct command *command = find_command(name);
    if (command != NULL) {
        return start_command(command, argc - 2, argv + 2);
    }
    if (is_one_of(name, "--version", "-V", "version")) {
        print_versions();
        return EXIT_COMPLETE;
    }
    if (is_one_of(name, "--help", "-h", "help")) {
        return show_help(argc > 2 ? argv[2] : NULL);
    }
    if (name[0] == '\0') {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    return refuse_command(name);
}

int main(int argc, char *argv[])
{
    open_standard_files();
    /* A body of megabytes goes back to the system when it is freed. By itself glibc raises this
     * with the first one and keeps the later ones: bench/politeness/hostile.c. */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
    unname_driver_counters();
    signals_block();
    sync_init();
    mongo_init();
    int code = dispatch(argc, argv);
    bool is_ended = mongo_cleanup();
    code = ferror(stdout) == 0 ? end_output(stdout, code) : code; /* else it is said already */
    if (!is_ended) { /* a dead server's driver pool is still closing: no destructor under its feet
                      */
        _exit(code);
    }
    return code;
}
