/* SPDX-License-Identifier: Apache-2.0 */
/* What does gleaner_db_check_out() + gleaner_db_check_in() cost a user of the library, beside
 * mongoc_client_pool_pop() + _push()?
 *
 * Both run against the same mongod, both have as many connected clients as there are threads; each
 * thread does pairs in a loop and nothing between them. The two are run alternately, round by
 * round, in one process; reported are medians: of the wall time (all threads together) and of the
 * CPU time of the racing threads, which other programs on the machine disturb less. What sleeps in
 * the driver's mutex costs no CPU, so that this figure is in its favour. The bar for one thread is
 * one of CPU time, the bar for 16 one of throughput. Statistics and the state check are on, as
 * always: the monitor's count of check outs is compared with the number of pairs done. */
#include "base.h"
#include "gleaner/db.h"
#include "gleaner/monitor.h"
#include "mongod.h"
#include "sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 9, THREADS_MAX = 16, BATCH = 256, ROUND_US = 120000, PATIENCE_MS = 30000 };

struct bar {
    uint32_t threads;
    double ratio; /* how many times faster than libmongoc */
    bool by_cpu;
};
static const struct bar bars[] = {{1, 10, true}, {16, 40, false}};

struct figures {
    double wall_ns[ROUNDS], cpu_ns[ROUNDS]; /* a pair */
};

/* ---- the two pools
 * ------------------------------------------------------------------------------------ */

static struct gleaner_db *open_ours(const char *uri, uint32_t clients)
{
    struct gleaner_db_options options;
    struct gleaner_error error = {0};
    struct gleaner_db *db = NULL;
    gleaner_db_options_init(&options);
    options.uri = uri;
    options.max_pool_size = clients;
    options.min_pool_size = clients;
    BASE_ASSERT(gleaner_db_open(&options, &db, &error) == GLEANER_OK);
    struct gleaner_client loans[THREADS_MAX];
    for (uint32_t i = 0; i < clients; i++) { /* all at once: so many are connected */
        BASE_ASSERT(gleaner_db_check_out(db, PATIENCE_MS, &loans[i]) == GLEANER_OK);
    }
    for (uint32_t i = 0; i < clients; i++) {
        BASE_ASSERT(gleaner_db_check_in(db, &loans[i], NULL) == GLEANER_OK);
    }
    return db;
}

static mongoc_client_pool_t *open_theirs(const char *address, uint32_t clients)
{
    mongoc_uri_t *uri = mongoc_uri_new(address);
    mongoc_client_pool_t *driver = mongoc_client_pool_new(uri);
    mongoc_client_t *popped[THREADS_MAX];
    bson_t *ping = BCON_NEW("ping", BCON_INT32(1));
    mongoc_client_pool_max_size(driver, clients);
    for (uint32_t i = 0; i < clients; i++) {
        popped[i] = mongoc_client_pool_pop(driver);
        bool ok = mongoc_client_command_simple(popped[i], "admin", ping, NULL, NULL, NULL);
        BASE_ASSERT(ok);
    }
    for (uint32_t i = 0; i < clients; i++) {
        mongoc_client_pool_push(driver, popped[i]);
    }
    bson_destroy(ping);
    mongoc_uri_destroy(uri);
    return driver;
}

static uint64_t check_outs(struct gleaner_db *db)
{
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    gleaner_monitor_read(db, &report);
    return report.check_outs;
}

/* ---- one round
 * ---------------------------------------------------------------------------------------- */

struct race {
    struct gleaner_db *db;        /* ours, or */
    mongoc_client_pool_t *driver; /* libmongoc's */
    _Atomic uint32_t ready;       /* threads that stand at the line; acq_rel */
    _Atomic bool go, stop;        /* main -> racers; release / acquire, relaxed */
    /* racers -> main, at their end; relaxed, read after the join */
    _Atomic uint64_t pairs, cpu_ns;
};

static uint64_t thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * BASE_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void run_ours(struct gleaner_db *db)
{
    struct gleaner_client client;
    for (int i = 0; i < BATCH; i++) {
        enum gleaner_status status = gleaner_db_check_out(db, PATIENCE_MS, &client);
        BASE_ASSERT(status == GLEANER_OK);
        (void)gleaner_db_check_in(db, &client, NULL);
    }
}

static void run_theirs(mongoc_client_pool_t *driver)
{
    for (int i = 0; i < BATCH; i++) {
        mongoc_client_pool_push(driver, mongoc_client_pool_pop(driver));
    }
}

static void racer_main(void *arg)
{
    struct race *race = arg;
    uint64_t pairs = 0;
    atomic_fetch_add_explicit(&race->ready, 1, memory_order_acq_rel);
    while (!atomic_load_explicit(&race->go, memory_order_acquire)) {
        usleep(50);
    }
    uint64_t cpu_ns = thread_cpu_ns();
    while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
        if (race->db != NULL) {
            run_ours(race->db);
        } else {
            run_theirs(race->driver);
        }
        pairs += BATCH;
    }
    atomic_fetch_add_explicit(&race->cpu_ns, thread_cpu_ns() - cpu_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&race->pairs, pairs, memory_order_relaxed);
}

/* All threads together for the length of a round; returns the pairs done. */
static uint64_t run_round(struct gleaner_db *db, mongoc_client_pool_t *driver, uint32_t threads,
                          double *wall_ns, double *cpu_ns)
{
    struct race race = {.db = db, .driver = driver};
    struct sync_thread *racers[THREADS_MAX];
    for (uint32_t i = 0; i < threads; i++) {
        BASE_ASSERT(sync_thread_start(&racers[i], "racer", SYNC_PLAIN, racer_main, &race) ==
                    GLEANER_OK);
    }
    while (atomic_load_explicit(&race.ready, memory_order_acquire) < threads) {
        usleep(50);
    }
    uint64_t start_ns = base_mono_ns();
    atomic_store_explicit(&race.go, true, memory_order_release);
    usleep(ROUND_US);
    atomic_store_explicit(&race.stop, true, memory_order_relaxed);
    for (uint32_t i = 0; i < threads; i++) {
        sync_thread_join(&racers[i]);
    }
    uint64_t done = atomic_load_explicit(&race.pairs, memory_order_relaxed);
    *wall_ns = (double)(base_mono_ns() - start_ns) / (double)done;
    *cpu_ns = (double)atomic_load_explicit(&race.cpu_ns, memory_order_relaxed) / (double)done;
    return done;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts; the middle one. */
static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof(double), compare_doubles);
    return values[ROUNDS / 2];
}

/* True when the bar is met. */
static bool report(const struct bar *bar, struct figures *ours, struct figures *theirs)
{
    double wall = median(theirs->wall_ns) / median(ours->wall_ns);
    double cpu = median(theirs->cpu_ns) / median(ours->cpu_ns);
    bool met = (bar->by_cpu ? cpu : wall) >= bar->ratio;
    printf("%7u  wall %6.1f (%.1f-%.1f)  %7.1f (%.1f-%.1f)  %6.1fx%s\n", bar->threads,
           ours->wall_ns[ROUNDS / 2], ours->wall_ns[0], ours->wall_ns[ROUNDS - 1],
           theirs->wall_ns[ROUNDS / 2], theirs->wall_ns[0], theirs->wall_ns[ROUNDS - 1], wall,
           bar->by_cpu ? ""
           : met       ? "  bar 40x met"
                       : "  bar 40x MISSED");
    printf("         CPU  %6.1f (%.1f-%.1f)  %7.1f (%.1f-%.1f)  %6.1fx%s\n",
           ours->cpu_ns[ROUNDS / 2], ours->cpu_ns[0], ours->cpu_ns[ROUNDS - 1],
           theirs->cpu_ns[ROUNDS / 2], theirs->cpu_ns[0], theirs->cpu_ns[ROUNDS - 1], cpu,
           !bar->by_cpu ? ""
           : met        ? "  bar 10x met"
                        : "  bar 10x MISSED");
    fflush(stdout);
    return met;
}

static bool compare(const struct bar *bar, const char *uri)
{
    struct figures ours, theirs;
    struct gleaner_db *db = open_ours(uri, bar->threads);
    mongoc_client_pool_t *driver = open_theirs(uri, bar->threads);
    uint64_t before = check_outs(db), done = 0;
    for (int round = -1; round < ROUNDS; round++) { /* round -1 warms both up */
        int at = round < 0 ? 0 : round;
        done += run_round(db, NULL, bar->threads, &ours.wall_ns[at], &ours.cpu_ns[at]);
        (void)run_round(NULL, driver, bar->threads, &theirs.wall_ns[at], &theirs.cpu_ns[at]);
    }
    BASE_ASSERT(check_outs(db) - before == done);
    mongoc_client_pool_destroy(driver);
    (void)gleaner_db_close(&db, 1000);
    return report(bar, &ours, &theirs);
}

int main(void)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    struct utsname machine;
    uname(&machine);
    base_log_set_level(BASE_LOG_ERROR);
    mongoc_init();
    printf("facade: gleaner_db check out + check in, against libmongoc %s pop + push\n"
           "machine: %s %s, %ld processors; %d rounds of %d ms, alternating; median (min-max)\n\n"
           "threads  ns/pair: gleaner        libmongoc\n",
           mongoc_get_version(), machine.sysname, machine.machine, sysconf(_SC_NPROCESSORS_ONLN),
           ROUNDS, ROUND_US / 1000);
    bool met = true;
    for (size_t i = 0; i < BASE_ARRAY_LEN(bars); i++) {
        met = compare(&bars[i], fixture_mongod_uri(server)) && met;
    }
    fixture_mongod_end(&server);
    return met ? 0 : 1;
}
