/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bench_common.h
 * What several benches do alike: races of threads, medians, the headline, libmongoc's pool filled.
 * Assertions are on: a bench that goes wrong stops.
 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include "sync.h"
#include <mongoc/mongoc.h>

enum { BENCH_THREADS_MAX = 64 };

/** "name: question", then machine and processors. */
void bench_print_headline(const char *what);
/** Sorts, gives the middle one. */
double bench_median(double *values, size_t count);
/** Of sorted values: the one that `share` of them (0..1) do not exceed. */
double bench_quantile(const double *sorted, size_t count, double share);
void bench_sort(double *values, size_t count);
/** CPU time of the calling thread. */
uint64_t bench_thread_cpu_ns(void);

/* ---- races ------------------------------------------------------------------------------------
 */

/* Threads that do the same thing in a loop until the round is over. */
struct bench_race {
    uint32_t threads;
    uint32_t round_us;
    uint32_t batch; /**< how many things run_batch() does */
    void (*run_batch)(void *ctx, uint32_t thread);
    void *ctx;
};
/* All threads together: what one thing cost. What sleeps costs no CPU. */
struct bench_speed {
    uint64_t count;
    double wall_ns, cpu_ns;
    double processors; /**< how many we had: CPU time by wall time */
};
struct bench_speed bench_run_race(const struct bench_race *race);

enum { BENCH_ROUNDS = 9 };
/* Medians over rounds, and the extremes. */
struct bench_figures {
    double wall_ns[BENCH_ROUNDS], cpu_ns[BENCH_ROUNDS], processors[BENCH_ROUNDS]; /**< sorted */
    uint64_t count; /**< in all, the warming up included */
};
/** Ours and theirs alternately, round by round, after one round that warms both up. */
void bench_run_contest(const struct bench_race *ours, const struct bench_race *theirs,
                       struct bench_figures *our_figures, struct bench_figures *their_figures);
/** Prints both; the ratios of the medians, theirs by ours, go to *wall and *cpu. */
void bench_print_contest(uint32_t threads, const struct bench_figures *ours,
                         const struct bench_figures *theirs, double *wall, double *cpu);

/* ---- libmongoc's pool -------------------------------------------------------------------------
 */

/** A pool of `clients` clients at most; with `is_connected` that many have answered a ping. */
mongoc_client_pool_t *bench_mongoc_pool(const char *uri, uint32_t clients, bool is_connected);
/** A batch for bench_race: ctx is the pool; BENCH_BATCH pairs of pop and push. */
enum { BENCH_BATCH = 256 };
void bench_mongoc_pairs(void *pool, uint32_t thread);

#endif
