/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file db_load.h
 * What the fault programs of libgleaner share: threads that read one document again and again,
 * through a gleaner_db or through mongoc_client_pool alone, and what they saw.
 */
#ifndef FAULT_DB_LOAD_H
#define FAULT_DB_LOAD_H

#include "base.h"
#include "gleaner/db.h"
#include "gleaner/monitor.h"
#include "mongod.h"
#include "sync.h"

#define LOAD_THREADS_MAX 64

struct load_sample {
    uint64_t began_ns;
    uint64_t took_ns; /**< check out, operation, check in */
    bool failed;
};

struct load_thread {
    struct load *load;
    struct sync_thread *thread;
    struct load_sample *samples;
    size_t count, capacity;
};

struct load {
    struct gleaner_db *db;        /**< ours, or */
    mongoc_client_pool_t *driver; /**< libmongoc's alone */
    uint32_t threads;
    uint32_t pause_us; /**< between two operations */
    struct load_thread own[LOAD_THREADS_MAX];
    _Atomic bool must_stop; /**< main -> threads, relaxed */
};

/** Connected to so many clients (asserts). */
struct gleaner_db *load_open_ours(const struct gleaner_db_options *options);
mongoc_client_pool_t *load_open_theirs(const char *uri, uint32_t clients);
void load_start(struct load *load);
/** Stop and join; the samples stay until load_free(). */
void load_stop(struct load *load);
void load_free(struct load *load);
void load_sleep_ms(uint64_t ms);

/** Took-times (ms) of the operations that began in [from, to), sorted into `out`; failures counted.
 *  The caller frees *out. */
size_t load_times(const struct load *load, uint64_t from_ns, uint64_t to_ns, double **out,
                  uint64_t *failed);
/** The longest operation (ms) of each thread that ended after from_ns and began before to_ns. */
void load_longest(const struct load *load, uint64_t from_ns, uint64_t to_ns, double *out);
double load_percentile(const double *sorted, size_t count, double percent);
void load_sort(double *values, size_t count);
/** Connections on the server whose appName begins with `prefix` ($currentOp), -1 on error. */
int load_census(const struct fixture_mongod *server, const char *prefix);
/** "met" or "MISSED", and remember the worst: the program's exit code. */
const char *load_verdict(bool met);
int load_exit_code(void);

#endif
