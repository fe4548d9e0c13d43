/* SPDX-License-Identifier: Apache-2.0 */
/* State machine, published snapshot and mailbox together: workers read the state and report
 * failures under the generation they saw, the supervisor moves. The oracle:
 *  - a reader sees whole snapshots (the reason names version and generation) that never go back,
 *    not even from marked to unmarked;
 *  - every report is counted exactly once, as fresh or as stale;
 *  - k reports of one generation make exactly one outage: generations rise by one per outage.
 */
#include "connection.h"
#include "../stress.h"

enum { WORKERS = 5 };

static struct connection *connection;
/* writes: main; reads: workers; relaxed: the joins order what follows */
static _Atomic bool stop;
/* writes: workers; reads: main after the joins; relaxed: counters */
static _Atomic uint64_t posted, torn, went_back, reads, marked;
static struct sync_parker parker;

static void wake(void *ctx)
{
    (void)ctx;
    sync_unpark(&parker);
}

static void look(uint64_t *last_version, uint32_t *generation, bool *is_up)
{
    char expected[64];
    struct connection_snapshot copy;
    connection_copy(connection, &copy);
    bool is_marked = (copy.version & 1) != 0;
    snprintf(expected, sizeof(expected), "v%llu g%u", (unsigned long long)copy.version,
             copy.generation);
    if (is_marked ? copy.phase != CONNECTION_DEGRADED
                  : copy.version > 2 && strcmp(expected, copy.reason) != 0) {
        atomic_fetch_add_explicit(&torn, 1, memory_order_relaxed);
    }
    if (copy.version < *last_version) {
        atomic_fetch_add_explicit(&went_back, 1, memory_order_relaxed);
    }
    *last_version = copy.version;
    *generation = copy.generation;
    *is_up = copy.phase == CONNECTION_CONNECTED || is_marked;
    atomic_fetch_add_explicit(&marked, is_marked, memory_order_relaxed);
    atomic_fetch_add_explicit(&reads, 1, memory_order_relaxed);
}

static void work(void *arg)
{
    struct base_random random;
    base_random_init(&random, (uint64_t)(uintptr_t)arg);
    uint64_t last_version = 0;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        uint32_t generation;
        bool is_up;
        look(&last_version, &generation, &is_up);
        if (is_up && base_random_below(&random, 64) == 0) {
            uint64_t burst = 1 + base_random_below(&random, 20);
            for (uint64_t i = 0; i < burst; i++) { /* some of them late: of the one before */
                uint32_t seen = generation - (generation > 0 && (i & 3) == 3 ? 1 : 0);
                connection_report(connection, seen, (enum connection_failure)(1 + i % 5), 0,
                                  base_mono_ns());
            }
            atomic_fetch_add_explicit(&posted, burst, memory_order_relaxed);
        }
    }
}

static void move(enum connection_event event, uint32_t generation)
{
    char reason[64];
    uint64_t version = connection_current(connection)->version + 2;
    snprintf(reason, sizeof(reason), "v%llu g%u", (unsigned long long)version, generation);
    struct connection_facts facts = {
        .tier = CONNECTION_PRIMARY, .generation = generation, .reason = reason};
    connection_move(connection, event, &facts);
}

/* What the supervisor makes of reports, without its probes. */
static void supervise(uint64_t end_ns, uint64_t *taken, uint32_t *outages)
{
    uint32_t generation = 0;
    move(CONNECTION_EV_PRIMARY_UP, generation);
    while (base_mono_ns() < end_ns) {
        struct connection_reports reports;
        connection_take_reports(connection, &reports);
        *taken += reports.fresh + reports.stale;
        if (reports.fresh > 0) {
            move(CONNECTION_EV_FAILURE, generation);
            move(CONNECTION_EV_PROBE_FAILED, ++generation);
            move(CONNECTION_EV_PRIMARY_UP, generation);
            (*outages)++;
        } else {
            (void)sync_park(&parker, base_mono_ns() + 10 * BASE_NS_PER_MS);
        }
    }
}

int main(int argc, char **argv)
{
    struct stress_options options = stress_parse("connection", argc, argv);
    struct sync_thread *threads[WORKERS];
    uint64_t taken = 0;
    uint32_t outages = 0;
    sync_init();
    sync_reader_ensure();
    sync_park_init(&parker);
    base_log_set_level(BASE_LOG_ERROR);
    if (connection_create(NULL, base_clock_real(), wake, NULL, &connection) != GLEANER_OK) {
        return 2;
    }
    for (size_t i = 0; i < WORKERS; i++) {
        if (sync_thread_start(&threads[i], "worker", SYNC_READER, work,
                              (void *)(uintptr_t)(options.seed + i)) != GLEANER_OK) {
            return 2;
        }
    }
    supervise(options.end_ns, &taken, &outages);
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    for (size_t i = 0; i < WORKERS; i++) {
        sync_thread_join(&threads[i]);
    }
    struct connection_reports rest;
    connection_take_reports(connection, &rest);
    taken += rest.fresh + rest.stale;
    uint64_t all, stale;
    connection_report_counts(connection, &all, &stale);
    printf("connection: reads %llu (of marked ones %llu), reports %llu (stale %llu), outages %u, "
           "transitions %llu\n",
           (unsigned long long)reads, (unsigned long long)marked, (unsigned long long)posted,
           (unsigned long long)stale, outages,
           (unsigned long long)connection_transitions(connection));
    bool holds = torn == 0 && went_back == 0 && taken == posted && all == posted &&
                 connection_current(connection)->generation == outages &&
                 connection_transitions(connection) == 1 + 3 * (uint64_t)outages;
    connection_destroy(&connection);
    if (!holds || (options.seconds > 0 && outages == 0)) {
        printf("VIOLATION: torn %llu, back %llu, posted %llu, taken %llu, counted %llu\n",
               (unsigned long long)torn, (unsigned long long)went_back, (unsigned long long)posted,
               (unsigned long long)taken, (unsigned long long)all);
        return 1;
    }
    return 0;
}
