/* SPDX-License-Identifier: Apache-2.0 */
/* What do the monitors cost: CPU of an idle process, and commands of the server?
 *
 * A pool is opened and left alone. CPU is that of all threads of the process but this one, out of
 * the kernel's own nanosecond counts (/proc/self/task/N/schedstat): the supervisor's with its
 * ticks, pokes and looks, connectors, reaper, and the driver's own monitors, whose threads cannot
 * be told apart (they inherit the name of the connector that started them).
 *
 * Two runs in turns: "idle" with checks so far apart that none comes in the run, and "checks" with
 * the health check (300 ms) and the connection check (600 ms) 100 times as often as by default.
 * What a check costs is the difference divided by the checks that were made; the row's figure is
 * idle + that cost x the checks that the defaults make (one in 30 s, every second one a
 * serverStatus). Commands are those that the server has counted itself. */
#include "base.h"
#include "bench.h"
#include "gleaner/db.h"
#include "gleaner/monitor.h"
#include "mongod.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 3, SCALE = 100, HEALTH_MS = 30000, CONNECTION_MS = 60000, FAR_MS = 86400000 };

struct figures {
    double share; /* of one CPU */
    uint64_t checks;
    int64_t commands;
    uint64_t checks_around; /* counted from before the first to after the last look at the server */
};

/* ---- what threads have used ---- */

static bool read_line(const char *task, const char *file, char *out, size_t out_size)
{
    char path[300];
    snprintf(path, sizeof(path), "/proc/self/task/%s/%s", task, file);
    FILE *in = fopen(path, "re");
    bool is_read = in != NULL && fgets(out, (int)out_size, in) != NULL;
    if (in != NULL) {
        (void)fclose(in);
    }
    return is_read;
}

static double used_ns(void)
{
    double sum = 0;
    DIR *tasks = opendir("/proc/self/task");
    BASE_ASSERT(tasks != NULL);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char stat[128];
        bool is_other = entry->d_name[0] != '.' && atoi(entry->d_name) != getpid();
        if (is_other && read_line(entry->d_name, "schedstat", stat, sizeof(stat))) {
            sum += strtod(stat, NULL);
        }
    }
    closedir(tasks);
    return sum;
}

/* ---- what the server has seen ---- */

static int64_t counted(const bson_t *reply, const char *command)
{
    char path[64];
    bson_iter_t iter, at;
    snprintf(path, sizeof(path), "metrics.commands.%s.total", command);
    return bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter, path, &at)
               ? bson_iter_as_int64(&at)
               : 0;
}

static int64_t commands_seen(const struct fixture_mongod *server)
{
    static int64_t own; /* this function's */
    bson_t reply;
    BASE_ASSERT(fixture_mongod_command(server, 0, "admin", "{\"serverStatus\": 1}", &reply));
    int64_t seen = counted(&reply, "ping") + counted(&reply, "serverStatus") +
                   counted(&reply, "explain") - own++;
    bson_destroy(&reply);
    return seen;
}

/* ---- a run ---- */

static struct gleaner_db *open_db(const char *uri, bool has_checks)
{
    struct gleaner_db_options options;
    struct gleaner_db *db = NULL;
    gleaner_db_options_init(&options);
    options.uri = uri;
    options.min_pool_size = 10;
    options.health_interval_ms = has_checks ? HEALTH_MS / SCALE : FAR_MS;
    options.connection_check_interval_ms = has_checks ? CONNECTION_MS / SCALE : FAR_MS;
    BASE_ASSERT(gleaner_db_open(&options, &db, NULL) == GLEANER_OK);
    BASE_ASSERT(gleaner_db_wait_up(db, 30000) == GLEANER_OK);
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    do { /* until all clients are connected: that is not the monitors' cost */
        (void)usleep(50000);
        gleaner_monitor_read(db, &report);
    } while (report.total < 10 || report.pending > 0);
    (void)usleep(1000000);
    return db;
}

static uint64_t checks_made(struct gleaner_db *db)
{
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    gleaner_monitor_read(db, &report);
    return report.checks;
}

static struct figures run(const struct fixture_mongod *server, bool has_checks, unsigned seconds)
{
    struct gleaner_db *db = open_db(fixture_mongod_uri(server), has_checks);
    uint64_t first_checks = checks_made(db);
    int64_t seen = commands_seen(server);
    uint64_t checks = checks_made(db);
    double began = used_ns();
    uint64_t began_ns = base_mono_ns();
    (void)sleep(seconds);
    struct figures figures = {
        .share = (used_ns() - began) / (double)(base_mono_ns() - began_ns),
        .checks = checks_made(db) - checks,
        .commands = commands_seen(server) - seen,
        .checks_around = checks_made(db) - first_checks,
    };
    (void)gleaner_db_close(&db, 1000);
    return figures;
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(values[0]), compare_doubles);
    return values[ROUNDS / 2];
}

static bool report_row(const struct fixture_mongod *server, unsigned seconds)
{
    double idle[ROUNDS], check_us[ROUNDS];
    uint64_t checks = 0;
    int64_t commands = 0, idle_commands = 0;
    for (int r = 0; r < ROUNDS; r++) {
        struct figures quiet = run(server, false, seconds);
        struct figures busy = run(server, true, seconds);
        idle[r] = quiet.share;
        check_us[r] = (busy.share - quiet.share) * seconds * 1e6 /
                      (double)(busy.checks > 0 ? busy.checks : 1);
        checks += busy.checks_around;
        commands += busy.commands;
        idle_commands += quiet.commands;
        printf("round %d: idle %.4f %%; with checks %.4f %%, %llu checks\n", r + 1, idle[r] * 100,
               busy.share * 100, (unsigned long long)busy.checks);
    }
    double cost_us = median(check_us);
    double share = median(idle) * 100 + (cost_us > 0 ? cost_us : 0) / (HEALTH_MS * 1e3) * 100;
    printf("a check costs %.0f us CPU; by default there is one in %d s\n", cost_us,
           HEALTH_MS / 1000);
    printf("CPU by default, idle and checks, the driver's monitors included: %.4f %% of one CPU "
           "(bar: below 0.1 %%)  %s\n",
           share, share < 0.1 ? "met" : "MISSED");
    bool is_one = commands <= (int64_t)checks + ROUNDS && idle_commands == 0; /* one under way */
    printf(
        "commands the server saw: %lld, checks made meanwhile: %llu, with 10 clients; %lld while "
        "idle (bar: one per period)  %s\n",
        (long long)commands, (unsigned long long)checks, (long long)idle_commands,
        is_one ? "met" : "MISSED");
    return share < 0.1 && is_one;
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 12;
    struct utsname machine;
    base_log_set_level(BASE_LOG_ERROR);
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    uname(&machine);
    printf("machine %s %s, %ld CPUs; %d rounds of 2 x %u s, checks %d times as often as by "
           "default\n",
           machine.sysname, machine.machine, sysconf(_SC_NPROCESSORS_ONLN), ROUNDS, seconds, SCALE);
    watch_cost_alone();
    watch_cost_on_server(fixture_mongod_uri(server));
    bool is_good = report_row(server, seconds);
    fixture_mongod_end(&server);
    return is_good ? 0 : 1;
}
