/* SPDX-License-Identifier: Apache-2.0 */
/* What does a check out + check in cost, beside mongoc_client_pool_pop + push?
 *
 * Both pools have as many clients as there are threads, each thread does pairs in a loop and
 * nothing between them. The two are run alternately, round by round, in one process; reported are
 * medians. libmongoc's clients are never connected (popping does not connect), ours are plain
 * pointers. Our statistics are on, as always: they are compared with the number of pairs done. */
#include "bench.h"

#include <inttypes.h>
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { ROUNDS = 7, THREADS_MAX = 64, BATCH = 256, ROUND_US = 150000 };

int bench_compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- ours
 * ------------------------------------------------------------------------------------------ */

struct pool *bench_pool_open(uint32_t clients)
{
    struct pool_config config = {.slot_capacity = clients,
                                 .max_size = clients,
                                 .min_size = clients,
                                 .max_connecting = 2,
                                 .max_idle_ms = 60000};
    struct pool *pool = NULL;
    struct base_error error;
    BASE_ASSERT(pool_create(&config, NULL, base_clock_real(), &pool, &error) == GLEANER_OK);
    pool_ready(pool);
    struct pool_connect_job job;
    while (pool_connect_begin(pool, &job) == GLEANER_OK) {
        BASE_ASSERT(pool_connect_done(pool, &job, pool) == GLEANER_OK);
    }
    return pool;
}

void bench_pool_close(struct pool **pool)
{
    struct pool_reap_job job;
    pool_close(*pool);
    while (pool_reap_begin(*pool, &job) == GLEANER_OK) {
        pool_reap_done(*pool, &job);
    }
    pool_destroy(pool);
}

/* ---- one round
 * ------------------------------------------------------------------------------------- */

struct race {
    struct pool *pool;            /* ours, or */
    mongoc_client_pool_t *driver; /* libmongoc's */
    _Atomic uint32_t ready;       /* threads that stand at the line; acq_rel */
    _Atomic bool go, stop;        /* main -> racers; release / acquire, relaxed */
    _Atomic uint64_t pairs;       /* racers -> main, at their end; relaxed, read after the join */
};

static void run_ours(struct pool *pool)
{
    struct pool_handle handle;
    for (int i = 0; i < BATCH; i++) {
        enum gleaner_status status = pool_check_out(pool, BASE_NO_DEADLINE, &handle);
        BASE_ASSERT(status == GLEANER_OK);
        (void)pool_check_in(pool, &handle, POOL_CLIENT_GOOD);
    }
}

static void run_driver(mongoc_client_pool_t *driver)
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
    while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
        if (race->pool != NULL) {
            run_ours(race->pool);
        } else {
            run_driver(race->driver);
        }
        pairs += BATCH;
    }
    atomic_fetch_add_explicit(&race->pairs, pairs, memory_order_relaxed);
}

/* All threads together for the length of a round: wall nanoseconds per pair. */
static double time_round(struct pool *pool, mongoc_client_pool_t *driver, uint32_t threads,
                         uint64_t *pairs)
{
    struct race race = {.pool = pool, .driver = driver};
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
    *pairs += done;
    return (double)(base_mono_ns() - start_ns) / (double)done;
}

struct bar {
    uint32_t threads;
    double now, later; /* how many times faster than libmongoc; 0 = no bar */
};
static const struct bar bars[] = {{1, 8, 10}, {2, 0, 0}, {4, 0, 0}, {16, 20, 40}, {64, 0, 0}};

static const char *verdict(double ratio, double bar)
{
    return bar == 0.0 ? "-" : ratio >= bar ? "met" : "MISSED";
}

static void compare(const struct bar *bar)
{
    double ours[ROUNDS], theirs[ROUNDS];
    struct pool *pool = bench_pool_open(bar->threads);
    mongoc_uri_t *uri = mongoc_uri_new("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100");
    mongoc_client_pool_t *driver = mongoc_client_pool_new(uri);
    mongoc_client_pool_max_size(driver, bar->threads);
    uint64_t done = 0, driver_done = 0;
    for (int round = -1; round < ROUNDS; round++) { /* round -1 warms both up */
        int at = round < 0 ? 0 : round;
        ours[at] = time_round(pool, NULL, bar->threads, &done);
        theirs[at] = time_round(NULL, driver, bar->threads, &driver_done);
    }
    struct pool_stats stats;
    pool_read_stats(pool, base_mono_ns(), &stats);
    BASE_ASSERT(stats.check_outs == done && stats.check_ins == done);
    qsort(ours, ROUNDS, sizeof(double), bench_compare_doubles);
    qsort(theirs, ROUNDS, sizeof(double), bench_compare_doubles);
    double ratio = theirs[ROUNDS / 2] / ours[ROUNDS / 2];
    printf("%7u  %7.1f (%.1f-%.1f)  %8.1f (%.1f-%.1f)  %6.1fx  %-6s  %-6s  waits %" PRIu64 "\n",
           bar->threads, ours[ROUNDS / 2], ours[0], ours[ROUNDS - 1], theirs[ROUNDS / 2], theirs[0],
           theirs[ROUNDS - 1], ratio, verdict(ratio, bar->now), verdict(ratio, bar->later),
           stats.waits);
    fflush(stdout);
    mongoc_client_pool_destroy(driver);
    mongoc_uri_destroy(uri);
    bench_pool_close(&pool);
}

int main(void)
{
    struct utsname machine;
    uname(&machine);
    mongoc_init();
    printf("checkout: check out + check in, against libmongoc %s pop + push\n"
           "machine: %s %s, %ld processors; %d rounds of %d ms, alternating; median (min-max)\n"
           "bars: 1 thread >= 8x (later 10x), 16 threads >= 20x (later 40x)\n\n"
           "threads  gleaner ns/pair      libmongoc ns/pair       ratio   bar     later\n",
           mongoc_get_version(), machine.sysname, machine.machine, sysconf(_SC_NPROCESSORS_ONLN),
           ROUNDS, ROUND_US / 1000);
    for (size_t i = 0; i < BASE_ARRAY_LEN(bars); i++) {
        compare(&bars[i]);
    }
    bench_waits();
    mongoc_cleanup();
    return 0;
}
