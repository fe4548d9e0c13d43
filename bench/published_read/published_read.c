/* SPDX-License-Identifier: Apache-2.0 */
/* The question: what does a reader pay to look at the published state, compared with a read lock of
 * pthread_rwlock around the same load, while a writer publishes once a millisecond?
 *
 * Both ways run one after the other in each repetition, so that whatever else the machine does
 * falls on both. Printed are medians over the repetitions with the least and the greatest. */
#include "sync.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { REPETITIONS_MAX = 101, BATCH = 256, THREADS_MAX = 64 };
#define BAR (1.0 / 3.0)

struct state {
    uint64_t version;
    uint64_t payload[7];
};

enum way { WAY_PUBLISHED, WAY_RWLOCK, WAY_COUNT };

static struct sync_published published;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static struct state *locked_state; /* guarded by rwlock */

/* One measurement. */
struct run {
    enum way way;
    pthread_barrier_t start;
    /* writes: main; reads: all; relaxed: a few reads more or less do not matter */
    _Atomic bool stop;
    /* writes: each reader once; reads: main after the joins */
    BASE_CACHE_ALIGNED _Atomic uint64_t reads;
    _Atomic uint64_t checksum; /* keeps the loads from being dropped */
    uint64_t publishes;        /* the writer's; main reads it after the join */
};

static uint64_t read_published(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < BATCH; i++) {
        sync_read_lock();
        const struct state *state = sync_read(&published);
        sum += state->version;
        sync_read_unlock();
    }
    return sum;
}

static uint64_t read_locked(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < BATCH; i++) {
        pthread_rwlock_rdlock(&rwlock);
        sum += locked_state->version;
        pthread_rwlock_unlock(&rwlock);
    }
    return sum;
}

static void *reader_main(void *arg)
{
    struct run *run = arg;
    uint64_t reads = 0;
    uint64_t sum = 0;
    sync_reader_register();
    pthread_barrier_wait(&run->start);
    while (!atomic_load_explicit(&run->stop, memory_order_relaxed)) {
        sum += run->way == WAY_PUBLISHED ? read_published() : read_locked();
        reads += BATCH;
    }
    sync_reader_unregister();
    atomic_fetch_add_explicit(&run->reads, reads, memory_order_relaxed);
    atomic_fetch_add_explicit(&run->checksum, sum, memory_order_relaxed);
    return NULL;
}

static void replace_state(enum way way, uint64_t version)
{
    struct state *next = calloc(1, sizeof(*next));
    struct state *old;
    BASE_ASSERT(next != NULL);
    next->version = version;
    if (way == WAY_PUBLISHED) {
        old = sync_publish(&published, next);
        sync_wait_readers();
    } else {
        pthread_rwlock_wrlock(&rwlock);
        old = locked_state;
        locked_state = next;
        pthread_rwlock_unlock(&rwlock);
    }
    free(old);
}

static void *writer_main(void *arg)
{
    struct run *run = arg;
    const struct timespec millisecond = {.tv_nsec = 1000000};
    pthread_barrier_wait(&run->start);
    while (!atomic_load_explicit(&run->stop, memory_order_relaxed)) {
        replace_state(run->way, ++run->publishes);
        nanosleep(&millisecond, NULL);
    }
    return NULL;
}

static pthread_t start_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    int result = pthread_create(&thread, NULL, run, arg);
    BASE_ASSERT(result == 0);
    return thread;
}

struct sample {
    double ns_per_read; /* processor time: elapsed time of the processors in use over all reads */
    double publishes_per_s;
};

static struct sample measure(enum way way, unsigned threads, uint64_t milliseconds)
{
    struct run run = {.way = way};
    pthread_t readers[THREADS_MAX];
    pthread_barrier_init(&run.start, NULL, threads + 2);
    pthread_t writer = start_thread(writer_main, &run);
    for (unsigned i = 0; i < threads; i++) {
        readers[i] = start_thread(reader_main, &run);
    }
    pthread_barrier_wait(&run.start);
    uint64_t begin = base_mono_ns();
    nanosleep(&(struct timespec){.tv_nsec = (long)(milliseconds * BASE_NS_PER_MS)}, NULL);
    atomic_store_explicit(&run.stop, true, memory_order_relaxed);
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(readers[i], NULL);
    }
    double elapsed_ns = (double)(base_mono_ns() - begin);
    pthread_join(writer, NULL);
    pthread_barrier_destroy(&run.start);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    double used = threads < (unsigned long)processors ? (double)threads : (double)processors;
    uint64_t reads = atomic_load_explicit(&run.reads, memory_order_relaxed);
    return (struct sample){
        .ns_per_read = elapsed_ns * used / (double)reads,
        .publishes_per_s = (double)run.publishes * 1e9 / elapsed_ns,
    };
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread {
    double least;
    double median;
    double greatest;
};

static struct spread spread_of(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_doubles);
    return (struct spread){values[0], values[count / 2], values[count - 1]};
}

/* One line of the table; true when the bar holds. */
static bool compare(unsigned threads, size_t repetitions, uint64_t milliseconds)
{
    static const enum way order[] = {WAY_PUBLISHED, WAY_RWLOCK};
    double ns[WAY_COUNT][REPETITIONS_MAX];
    double rate[WAY_COUNT][REPETITIONS_MAX];
    double ratios[REPETITIONS_MAX];
    for (size_t r = 0; r < repetitions; r++) {
        for (size_t i = 0; i < WAY_COUNT; i++) {
            enum way way = order[(i + r) % WAY_COUNT];
            struct sample sample = measure(way, threads, milliseconds);
            ns[way][r] = sample.ns_per_read;
            rate[way][r] = sample.publishes_per_s;
        }
        ratios[r] = ns[WAY_PUBLISHED][r] / ns[WAY_RWLOCK][r];
    }
    struct spread a = spread_of(ns[WAY_PUBLISHED], repetitions);
    struct spread b = spread_of(ns[WAY_RWLOCK], repetitions);
    struct spread q = spread_of(ratios, repetitions);
    bool holds = q.median <= BAR;
    printf(
        "%7u  %7.1f (%6.1f..%7.1f)  %7.1f (%6.1f..%7.1f)  %5.3f (%5.3f..%5.3f)  %-6s %7.0f %7.0f\n",
        threads, a.median, a.least, a.greatest, b.median, b.least, b.greatest, q.median, q.least,
        q.greatest, holds ? "holds" : "MISSED", spread_of(rate[WAY_PUBLISHED], repetitions).median,
        spread_of(rate[WAY_RWLOCK], repetitions).median);
    fflush(stdout);
    return holds;
}

static void print_machine(void)
{
    struct utsname system;
    uname(&system);
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    const char *model = "unknown processor";
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':') != NULL) {
            model = strchr(line, ':') + 2;
            line[strcspn(line, "\n")] = '\0';
            break;
        }
    }
    printf("machine: %s, %ld processors, %s %s\n", model, sysconf(_SC_NPROCESSORS_ONLN),
           system.sysname, system.release);
    if (file != NULL) {
        fclose(file);
    }
}

int main(int argc, char **argv)
{
    size_t repetitions = argc > 1 ? strtoull(argv[1], NULL, 10) : 11;
    uint64_t milliseconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 100;
    if (repetitions < 1 || repetitions > REPETITIONS_MAX || milliseconds < 1 ||
        milliseconds > 999) {
        fprintf(stderr, "usage: bench_published_read [repetitions 1..101] [milliseconds 1..999]\n");
        return 2;
    }
    static const unsigned thread_counts[] = {1, 2, 4, 16, 64};
    replace_state(WAY_PUBLISHED, 0);
    replace_state(WAY_RWLOCK, 0);
    print_machine();
    printf("parameters: %zu repetitions of %" PRIu64
           " ms each way, interleaved; a publish each 1 ms\n",
           repetitions, milliseconds);
    printf(
        "published: sync_read_lock, sync_read, a load, sync_read_unlock (liburcu memb, inlined)\n");
    printf("rwlock:    pthread_rwlock_rdlock, a load, unlock (default kind)\n");
    printf("bar:       median ratio <= %.3f at every number of threads\n\n", BAR);
    printf("threads  published ns/read            rwlock ns/read               ratio"
           "                bar    publishes/s of each\n");
    bool all = true;
    for (size_t i = 0; i < BASE_ARRAY_LEN(thread_counts); i++) {
        all = compare(thread_counts[i], repetitions, milliseconds) && all;
    }
    printf("\nbar %s\n", all ? "holds" : "MISSED");
    return 0;
}
