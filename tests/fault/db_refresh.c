/* SPDX-License-Identifier: Apache-2.0 */
/* A rolling refresh under full load, forced and by the clock: does anybody notice?
 *
 * 16 threads on 16 clients without a pause. In rounds, in alternating order: a window from the
 * request of a refresh to its end (at least 0.5 s), one of the same length without, and another one
 * without, which tells what equal windows differ by. Figures: failed operations; p99 and throughput
 * of the window with against the one without, median of the rounds; connections on the server at
 * most, and what it counts of earlier generations at the end. We look at the count of refreshes
 * every 5 ms in all windows alike: on two processors the looking is seen, too.
 * Then the same load with a refresh by the timer, 1.5 s after the end of the last. Bars: 0 failed,
 * p99 <= 1.10x, throughput >= 0.97x, extra connections <= max(2, 12.5 %) and a driver pool's
 * monitors, retired census 0. libmongoc has no refresh to compare with. */
#include "db_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ROUNDS = 24,
    CLIENTS = 16,
    WINDOW_MS = 500,
    LOOK_MS = 5,
    TIMED_MS = 6000,
    TIMED_INTERVAL_MS = 1500
};
enum { MONITORS = 2, EXTRA = 2 }; /* of one driver pool; max(2, 12.5 % of 16) */

struct window {
    double p99_ms, per_second;
};

static struct gleaner_monitor_report read_report(struct gleaner_db *db)
{
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    gleaner_monitor_read(db, &report);
    return report;
}

/* Until there were so many refreshes and that moment is over. */
static void look_until(struct gleaner_db *db, uint64_t count, uint64_t end_ns)
{
    while (read_report(db).refreshes < count || base_mono_ns() < end_ns) {
        load_sleep_ms(LOOK_MS);
    }
}

/* ---- windows ---- */

struct span {
    uint64_t from_ns, to_ns;
};

static struct span refresh_once(struct load *load, uint64_t *refreshes)
{
    struct span span = {.from_ns = base_mono_ns()};
    gleaner_db_refresh(load->db);
    look_until(load->db, ++*refreshes, span.from_ns + WINDOW_MS * BASE_NS_PER_MS);
    span.to_ns = base_mono_ns();
    return span;
}

static struct span stay_quiet(struct load *load, uint64_t length_ns)
{
    struct span span = {.from_ns = base_mono_ns()};
    look_until(load->db, 0, span.from_ns + length_ns);
    span.to_ns = base_mono_ns();
    return span;
}

static struct window measure(const struct load *load, struct span span)
{
    double *times;
    uint64_t failed;
    size_t count = load_times(load, span.from_ns, span.to_ns, &times, &failed);
    struct window window = {
        .p99_ms = load_percentile(times, count, 99),
        .per_second = (double)count / ((double)(span.to_ns - span.from_ns) / 1e9),
    };
    free(times);
    return window;
}

static uint64_t failures(const struct load *load)
{
    double *times;
    uint64_t failed;
    (void)load_times(load, 0, BASE_NO_DEADLINE, &times, &failed);
    free(times);
    return failed;
}

static double median(double *values)
{
    load_sort(values, ROUNDS);
    return (values[ROUNDS / 2 - 1] + values[ROUNDS / 2]) / 2;
}

/* ---- what the server counts ---- */

/* A thread that looks at the number of our connections while it is refreshed. */
struct watch {
    const struct fixture_mongod *server;
    struct sync_thread *thread;
    char prefix[64];
    _Atomic bool must_stop; /* main -> watch, relaxed */
    int most;               /* watch writes, main reads after the join */
};

static void watch_main(void *arg)
{
    struct watch *watch = arg;
    while (!atomic_load_explicit(&watch->must_stop, memory_order_relaxed)) {
        int now = load_census(watch->server, watch->prefix);
        watch->most = now > watch->most ? now : watch->most;
        load_sleep_ms(20);
    }
}

/* The reaper may be a moment behind: up to 10 s. */
static int retired_census(const struct fixture_mongod *server, uint32_t generations)
{
    char prefix[96];
    int left = -1;
    for (int tries = 0; tries < 100 && left != 0; tries++) {
        left = 0;
        for (uint32_t generation = 0; generation < generations; generation++) {
            snprintf(prefix, sizeof(prefix), "gleaner/%ld/%u$", (long)getpid(), generation);
            left += load_census(server, prefix);
        }
        load_sleep_ms(left == 0 ? 0 : 100);
    }
    return left;
}

static uint32_t generation_of(struct gleaner_db *db)
{
    struct gleaner_db_state state = {.size = sizeof(state)};
    gleaner_db_read_state(db, &state);
    return state.generation;
}

/* ---- the two parts ---- */

struct ratios {
    double p99[ROUNDS], speed[ROUNDS];
};

static void compare(const struct load *load, const struct span on[], const struct span off[],
                    struct ratios *out)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct window with = measure(load, on[i]), without = measure(load, off[i]);
        out->p99[i] = with.p99_ms / without.p99_ms;
        out->speed[i] = with.per_second / without.per_second;
    }
}

static void run_rounds(struct load *load, struct span with[], struct span without[],
                       struct span again[])
{
    uint64_t refreshes = read_report(load->db).refreshes, length_ns = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 2 == 1) {
            without[i] = stay_quiet(load, length_ns); /* as long as the one before */
            again[i] = stay_quiet(load, length_ns);
        }
        with[i] = refresh_once(load, &refreshes);
        length_ns = with[i].to_ns - with[i].from_ns;
        if (i % 2 == 0) {
            again[i] = stay_quiet(load, length_ns);
            without[i] = stay_quiet(load, length_ns);
        }
    }
}

static void forced(struct load *load)
{
    struct span with[ROUNDS], without[ROUNDS], again[ROUNDS];
    static struct ratios refreshed, equal;
    double took_ms[ROUNDS];
    load_start(load);
    load_sleep_ms(500);
    run_rounds(load, with, without, again);
    load_stop(load);
    compare(load, with, without, &refreshed);
    compare(load, again, without, &equal);
    for (int i = 0; i < ROUNDS; i++) {
        took_ms[i] = (double)(with[i].to_ns - with[i].from_ns) / 1e6;
    }
    uint64_t failed = failures(load);
    load_free(load);
    double p99 = median(refreshed.p99), speed = median(refreshed.speed);
    printf("forced: failed operations %llu, bar 0: %s\n", (unsigned long long)failed,
           load_verdict(failed == 0));
    printf("forced: a refresh took %.0f ms; p99 %.2fx (rounds %.2f to %.2f; equal windows %.2f), "
           "bar 1.10x: %s\n",
           median(took_ms), p99, refreshed.p99[0], refreshed.p99[ROUNDS - 1], median(equal.p99),
           load_verdict(p99 <= 1.10));
    printf("forced: throughput %.3fx (rounds %.2f to %.2f; equal windows %.3f), bar 0.97x: %s\n",
           speed, refreshed.speed[0], refreshed.speed[ROUNDS - 1], median(equal.speed),
           load_verdict(speed >= 0.97));
}

static void timed(struct load *load, const struct fixture_mongod *server)
{
    struct watch watch = {.server = server};
    uint64_t refreshes = read_report(load->db).refreshes;
    snprintf(watch.prefix, sizeof(watch.prefix), "gleaner/%ld/[0-9]", (long)getpid());
    BASE_ASSERT(sync_thread_start(&watch.thread, "watch", SYNC_PLAIN, watch_main, &watch) ==
                GLEANER_OK);
    load_start(load);
    load_sleep_ms(TIMED_MS);
    load_stop(load);
    atomic_store_explicit(&watch.must_stop, true, memory_order_relaxed);
    sync_thread_join(&watch.thread);
    uint64_t failed = failures(load);
    load_free(load);
    refreshes = read_report(load->db).refreshes - refreshes;
    printf("timed: %llu refreshes in %d s, failed operations %llu, bar 0: %s\n",
           (unsigned long long)refreshes, TIMED_MS / 1000, (unsigned long long)failed,
           load_verdict(failed == 0 && refreshes > 0));
    int bar = CLIENTS + EXTRA + 2 * MONITORS; /* two generations side by side */
    printf("timed: at most %d connections of clients and their monitors, bar %d: %s\n", watch.most,
           bar, load_verdict(watch.most > 0 && watch.most <= bar));
}

static struct gleaner_db *open_db(const struct fixture_mongod *server, uint32_t interval_ms)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(server);
    options.max_pool_size = CLIENTS;
    options.min_pool_size = CLIENTS;
    if (interval_ms > 0) {
        options.refresh_interval_ms = interval_ms;
    }
    return load_open_ours(&options);
}

int main(void)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    base_log_set_level(BASE_LOG_ERROR);
    printf("refresh under full load, %d threads on %d clients, %d rounds of windows\n", CLIENTS,
           CLIENTS, ROUNDS);
    struct load load = {.db = open_db(server, 0), .threads = CLIENTS};
    forced(&load);
    uint32_t generation = generation_of(load.db);
    int retired = retired_census(server, generation);
    printf("forced: generation %u is in use, %d connections of earlier ones, bar 0: %s\n",
           generation, retired, load_verdict(generation > 0 && retired == 0));
    (void)gleaner_db_close(&load.db, 1000);
    load.db = open_db(server, TIMED_INTERVAL_MS);
    timed(&load, server);
    (void)gleaner_db_close(&load.db, 1000);
    fixture_mongod_end(&server);
    return load_exit_code();
}
