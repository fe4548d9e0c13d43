/* SPDX-License-Identifier: Apache-2.0 */
/* The question: how long after one worker reports a failure have all workers seen the new state?
 *
 * From before connection_report() to the last of N sleeping workers holding a snapshot newer than
 * the reporter's: "shown" is the mark that the report itself raises, "decided" what the supervisor
 * made of it (mailbox, its loop and decision, publishing, the wake-up of all). The supervisor is
 * the real one with its threads; its server is a table of functions that answer at once, and its
 * clock is virtual, so that the hold-off between two suspicions takes no time.
 *
 * Beside it, in turns, what this machine needs at least: N threads that sleep on a bare futex, one
 * call that wakes them all, until the last of them runs.
 *
 * Bar: shown p99 <= 100 us on an idle machine; the load average is printed, for on a busy one the
 * figure is the scheduler's. libmongoc has no state that others could see. */
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
static _Atomic uint32_t not_seen, not_decided;
/* futex of the bare sleepers; main adds 1 (release), they read (acquire) */
static _Atomic uint32_t bell;

struct worker {
    struct sync_thread *thread;
    /* plain: the worker writes, main reads when nobody is missing any more */
    uint64_t seen_ns, decided_ns;
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

static void count_down(_Atomic uint32_t *missing)
{
    if (atomic_fetch_sub_explicit(missing, 1, memory_order_acq_rel) == 1) {
        sync_unpark(&main_parker);
    }
}

static void await_all(_Atomic uint32_t *missing)
{
    while (atomic_load_explicit(missing, memory_order_acquire) > 0) {
        (void)sync_park(&main_parker, BASE_NO_DEADLINE);
    }
}

static void worker_main(void *arg)
{
    struct worker *own = arg;
    struct connection_snapshot now;
    uint64_t seen = 0, decided = 0; /* the old version that was counted already */
    connection_copy(connection, &now);
    count_down(&not_seen); /* ready */
    while (!atomic_load_explicit(&must_stop, memory_order_relaxed)) {
        (void)connection_wait_newer(connection, now.version, base_mono_ns() + BASE_NS_PER_S);
        connection_copy(connection, &now);
        uint64_t now_ns = base_mono_ns();
        uint64_t old = atomic_load_explicit(&old_version, memory_order_acquire);
        if (old == 0 || now.version <= old) {
            continue;
        }
        if (seen != old) {
            seen = old;
            own->seen_ns = now_ns;
            count_down(&not_seen);
        }
        if (decided != old && (now.version & 1) == 0) {
            decided = old;
            own->decided_ns = now_ns;
            count_down(&not_decided);
        }
    }
}

static void bare_main(void *arg)
{
    struct worker *own = arg;
    uint32_t heard = atomic_load_explicit(&bell, memory_order_acquire);
    count_down(&not_seen); /* ready */
    while (!atomic_load_explicit(&must_stop, memory_order_relaxed)) {
        (void)sync_futex_wait(&bell, heard, base_mono_ns() + BASE_NS_PER_S);
        uint32_t now = atomic_load_explicit(&bell, memory_order_acquire);
        if (now != heard) {
            own->seen_ns = base_mono_ns();
            heard = now;
            count_down(&not_seen);
        }
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

struct figures {
    double shown_us[ROUNDS_MAX], decided_us[ROUNDS_MAX], bare_us[ROUNDS_MAX];
};

static void run_round(const struct worker *workers, uint32_t count, struct figures *out,
                      uint32_t round)
{
    (void)await_quiet();
    base_clock_advance(virtual_clock, 61 * BASE_NS_PER_S); /* the last suspicion is long ago */
    struct connection_snapshot now = await_quiet();
    atomic_store_explicit(&not_seen, count, memory_order_relaxed);
    atomic_store_explicit(&not_decided, count, memory_order_relaxed);
    atomic_store_explicit(&old_version, now.version, memory_order_release);
    uint64_t from_ns = base_mono_ns(), shown_ns = from_ns, decided_ns = from_ns;
    connection_report(connection, now.generation, CONNECTION_FAIL_NETWORK, 0,
                      base_clock_now_ns(virtual_clock));
    await_all(&not_seen);
    await_all(&not_decided);
    for (uint32_t i = 0; i < count; i++) {
        shown_ns = workers[i].seen_ns > shown_ns ? workers[i].seen_ns : shown_ns;
        decided_ns = workers[i].decided_ns > decided_ns ? workers[i].decided_ns : decided_ns;
    }
    out->shown_us[round] = (double)(shown_ns - from_ns) / 1e3;
    out->decided_us[round] = (double)(decided_ns - from_ns) / 1e3;
}

static void run_bare_round(const struct worker *sleepers, uint32_t count, struct figures *out,
                           uint32_t round)
{
    (void)await_quiet();
    atomic_store_explicit(&not_seen, count, memory_order_relaxed);
    uint64_t from_ns = base_mono_ns(), last_ns = from_ns;
    atomic_fetch_add_explicit(&bell, 1, memory_order_acq_rel);
    sync_futex_wake(&bell, count);
    await_all(&not_seen);
    for (uint32_t i = 0; i < count; i++) {
        last_ns = sleepers[i].seen_ns > last_ns ? sleepers[i].seen_ns : last_ns;
    }
    out->bare_us[round] = (double)(last_ns - from_ns) / 1e3;
}

/* ---- the figures ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double print_times(const char *what, double *took_us, uint32_t rounds)
{
    qsort(took_us, rounds, sizeof(double), compare);
    double p99 = took_us[rounds * 99 / 100];
    printf("    %-34s p50 %6.1f us, p99 %7.1f us, max %8.1f us", what, took_us[rounds / 2], p99,
           took_us[rounds - 1]);
    return p99;
}

static void start_all(struct worker *workers, uint32_t count, void (*run)(void *))
{
    atomic_store_explicit(&not_seen, count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        BASE_ASSERT(sync_thread_start(&workers[i].thread, "worker", SYNC_READER, run,
                                      &workers[i]) == GLEANER_OK);
    }
    await_all(&not_seen); /* ready */
}

static bool measure(uint32_t count, uint32_t rounds)
{
    static struct figures figures;
    struct worker workers[WORKERS_MAX] = {{0}}, sleepers[WORKERS_MAX] = {{0}};
    atomic_store_explicit(&must_stop, false, memory_order_relaxed);
    atomic_store_explicit(&old_version, 0, memory_order_relaxed);
    start_all(workers, count, worker_main);
    start_all(sleepers, count, bare_main);
    for (uint32_t i = 0; i < rounds; i++) {
        run_round(workers, count, &figures, i);
        run_bare_round(sleepers, count, &figures, i);
    }
    atomic_store_explicit(&must_stop, true, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        sync_thread_join(&workers[i].thread);
        sync_thread_join(&sleepers[i].thread);
    }
    printf("%2u workers:\n", count);
    double p99 = print_times("shown (the mark)", figures.shown_us, rounds);
    printf("; bar p99 <= %d us: %s\n", BAR_US, p99 <= BAR_US ? "met" : "MISSED");
    (void)print_times("decided (the supervisor)", figures.decided_us, rounds);
    printf("\n");
    (void)print_times("bare futex: as many sleepers woken", figures.bare_us, rounds);
    printf("\n");
    fflush(stdout);
    return p99 <= BAR_US;
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
    bool met = true;
    for (size_t i = 0; i < BASE_ARRAY_LEN(counts); i++) {
        met = measure(counts[i], rounds) && met;
    }
    (void)supervisor_stop(&supervisor, 0);
    base_clock_destroy(&virtual_clock);
    return met ? 0 : 1;
}
