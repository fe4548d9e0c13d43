/* SPDX-License-Identifier: Apache-2.0 */
/* The question: how long after one worker reports a failure have all workers seen the new state?
 *
 * From before connection_report() to the last of N sleeping workers holding a snapshot newer than
 * the reporter's: mailbox, the supervisor's loop and decision, publishing, the wake-up of all. The
 * supervisor is the real one with its threads; its server is a table of functions that answer at
 * once, and its clock is virtual, so that the hold-off between two suspicions takes no time. Bar:
 * p99 <= 100 us on an idle machine; the load average is printed, for on a busy one the figure is
 * the scheduler's. libmongoc has no state that others could see. */
#include "supervisor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORKERS_MAX = 64, ROUNDS_MAX = 100000, BAR_US = 100 };

static struct base_clock *virtual_clock;
static struct connection *connection;
static struct sync_parker main_parker;

/* main writes, workers read (relaxed): only whether to end */
static _Atomic bool must_stop;
/* The version that counts as old. main writes before it reports; workers read. seq_cst is not
 * needed: the report and the snapshot made of it lie between (release, acquire). */
static _Atomic uint64_t old_version;
/* workers subtract (acq_rel: the last publishes all their times), main sets before it reports */
static _Atomic uint32_t not_seen;

struct worker {
    struct sync_thread *thread;
    uint64_t seen_ns; /* plain: the worker writes, main reads when not_seen is 0 */
};

/* ---- a server that answers at once ---- */

static int nobody; /* what endpoints and clients point to */

static enum gleaner_status open_it(void *ctx, const struct supervisor_target *target,
                                   void **endpoint, struct base_error *error)
{
    (void)ctx, (void)target, (void)error;
    *endpoint = &nobody;
    return GLEANER_OK;
}

static void close_it(void *ctx, void *endpoint)
{
    (void)ctx, (void)endpoint;
}

static const char *name_it(void *ctx, void *endpoint)
{
    (void)ctx, (void)endpoint;
    return "nobody";
}

static enum gleaner_status connect_it(void *ctx, void *endpoint, void **client, int64_t *id,
                                      struct mongo_error *error)
{
    (void)ctx, (void)endpoint, (void)error;
    *client = &nobody;
    *id = 1;
    return GLEANER_OK;
}

static void destroy_it(void *ctx, void *endpoint, void *client)
{
    (void)ctx, (void)endpoint, (void)client;
}

static enum gleaner_status ping_it(void *ctx, void *client, struct mongo_error *error)
{
    (void)ctx, (void)client, (void)error;
    return GLEANER_OK;
}

static struct supervisor *start(void)
{
    struct supervisor_config config = {
        .primary_uri = "nobody://",
        .app_name = "bench",
        .pool = {.slot_capacity = 8,
                 .max_size = 4,
                 .min_size = 1,
                 .max_connecting = 2,
                 .refresh_extra = 2,
                 .address = "nobody"},
        .shards = 1,
        .connect_ms = 5000,
        .refresh_interval_ms = UINT32_MAX,
        .reconnect_limit = 10,
        .reconnect_window_ms = 300000,
        .backoff_base_ms = 500,
        .backoff_cap_ms = 30000,
        .return_checks = 3,
        .return_span_ms = 3000,
        .random_seed = 1,
        .clock = virtual_clock,
        .driver = {.open = open_it,
                   .close = close_it,
                   .address = name_it,
                   .database = name_it,
                   .connect = connect_it,
                   .destroy = destroy_it,
                   .ping = ping_it},
    };
    struct base_error error = {0};
    struct supervisor *supervisor = NULL;
    if (supervisor_create(&config, &supervisor, &error) != GLEANER_OK ||
        supervisor_start(supervisor) != GLEANER_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(2);
    }
    return supervisor;
}

/* ---- workers ---- */

static void count_down(void)
{
    if (atomic_fetch_sub_explicit(&not_seen, 1, memory_order_acq_rel) == 1) {
        sync_unpark(&main_parker);
    }
}

static void await_all(void)
{
    while (atomic_load_explicit(&not_seen, memory_order_acquire) > 0) {
        (void)sync_park(&main_parker, BASE_NO_DEADLINE);
    }
}

static void worker_main(void *arg)
{
    struct worker *own = arg;
    struct connection_snapshot now;
    uint64_t counted = 0; /* the old version that was counted already */
    connection_copy(connection, &now);
    count_down(); /* ready */
    while (!atomic_load_explicit(&must_stop, memory_order_relaxed)) {
        (void)connection_wait_newer(connection, now.version, base_mono_ns() + BASE_NS_PER_S);
        connection_copy(connection, &now);
        uint64_t seen_ns = base_mono_ns();
        uint64_t old = atomic_load_explicit(&old_version, memory_order_acquire);
        if (old == 0 || now.version <= old || counted == old) {
            continue;
        }
        counted = old;
        own->seen_ns = seen_ns;
        count_down();
    }
}

static void nap_us(long us)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

/* Connected, and no connector is at work: it would miss its deadline when the clock jumps. */
static struct connection_snapshot await_quiet(void)
{
    struct connection_snapshot now;
    struct pool_stats stats;
    do {
        nap_us(1000); /* everybody sleeps again, too */
        connection_copy(connection, &now);
        pool_read_stats(now.table, base_clock_now_ns(virtual_clock), &stats);
    } while (now.phase != CONNECTION_CONNECTED || stats.available == 0 || stats.pending > 0);
    return now;
}

/* Microseconds from the report to the last worker that saw. */
static double run_round(struct worker *workers, uint32_t count)
{
    (void)await_quiet();
    base_clock_advance(virtual_clock, 61 * BASE_NS_PER_S); /* the last suspicion is long ago */
    struct connection_snapshot now = await_quiet();
    atomic_store_explicit(&not_seen, count, memory_order_relaxed);
    atomic_store_explicit(&old_version, now.version, memory_order_release);
    uint64_t from_ns = base_mono_ns(), last_ns = 0;
    connection_report(connection, now.generation, CONNECTION_FAIL_NETWORK, 0,
                      base_clock_now_ns(virtual_clock));
    await_all();
    for (uint32_t i = 0; i < count; i++) {
        last_ns = workers[i].seen_ns > last_ns ? workers[i].seen_ns : last_ns;
    }
    return (double)(last_ns - from_ns) / 1e3;
}

/* ---- the figures ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(uint32_t count, uint32_t rounds)
{
    static double took_us[ROUNDS_MAX];
    struct worker workers[WORKERS_MAX] = {{0}};
    atomic_store_explicit(&must_stop, false, memory_order_relaxed);
    atomic_store_explicit(&old_version, 0, memory_order_relaxed);
    atomic_store_explicit(&not_seen, count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        BASE_ASSERT(sync_thread_start(&workers[i].thread, "worker", SYNC_READER, worker_main,
                                      &workers[i]) == GLEANER_OK);
    }
    await_all(); /* ready */
    for (uint32_t i = 0; i < rounds; i++) {
        took_us[i] = run_round(workers, count);
    }
    atomic_store_explicit(&must_stop, true, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        sync_thread_join(&workers[i].thread);
    }
    qsort(took_us, rounds, sizeof(double), compare);
    double p99 = took_us[rounds * 99 / 100];
    printf("%2u workers: p50 %5.1f us, p99 %6.1f us, max %7.1f us; bar p99 <= %d us: %s\n", count,
           took_us[rounds / 2], p99, took_us[rounds - 1], BAR_US, p99 <= BAR_US ? "met" : "MISSED");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    unsigned long asked = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    uint32_t rounds = asked < 1 ? 1 : asked > ROUNDS_MAX ? ROUNDS_MAX : (uint32_t)asked;
    double load[1] = {0};
    sync_init();
    sync_reader_ensure();
    sync_park_init(&main_parker);
    base_log_set_level(BASE_LOG_ERROR);
    virtual_clock = base_clock_virtual_create(BASE_NS_PER_S);
    struct supervisor *supervisor = start();
    connection = supervisor_connection(supervisor);
    (void)getloadavg(load, 1);
    printf("failure report to all workers seeing the new state, %u rounds, load average %.1f\n",
           rounds, load[0]);
    static const uint32_t counts[] = {1, 4, 16};
    for (size_t i = 0; i < BASE_ARRAY_LEN(counts); i++) {
        measure(counts[i], rounds);
    }
    (void)supervisor_stop(&supervisor, 0);
    base_clock_destroy(&virtual_clock);
    return 0;
}
