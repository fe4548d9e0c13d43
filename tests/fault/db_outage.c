/* SPDX-License-Identifier: Apache-2.0 */
/* The server is killed and comes back: how soon does an operation succeed again, and how often was
 * the absent server bothered?
 *
 * 64 threads. Per outage: from the moment the restarted server accepts connections to the first
 * operation that succeeds; reconnect attempts; calls of connect() to the server's port while it was
 * away, ours and those of mongoc_client_pool alone with as many threads, one outage of each after
 * the other. `fault_db_outage [SECONDS [OUTAGES]]`, default 60 s, once: what the bars speak of.
 * Bars: p95 <= 2 s, <= 10 reconnect attempts in 5 minutes, <= 1/10 of the plain pool's connects. */
#include "db_load.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CLIENTS = 64, THREADS = 64, OUTAGES_MAX = 32, BAR_MS = 2000, BAR_RECONNECTS = 10 };
enum { AFTER_MS = 4000 }; /* the load goes on so long after the return */

/* ---- who knocks: connect() of the C library, before it, for every library of this process ---- */

static _Atomic uint16_t watched_port; /* main writes before there are threads; relaxed */
static _Atomic uint64_t knocks;       /* any thread adds, main reads; relaxed: a count */

__attribute__((visibility("default"))) int connect(int fd, const struct sockaddr *address,
                                                   socklen_t bytes)
{
    uint16_t port = address->sa_family == AF_INET
                        ? ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port)
                        : 0;
    if (port != 0 && port == atomic_load_explicit(&watched_port, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&knocks, 1, memory_order_relaxed);
    }
    return (int)syscall(SYS_connect, fd, address, bytes);
}

/* ---- one outage ---- */

static uint64_t first_success_ns(const struct load *load, uint64_t from_ns)
{
    uint64_t first = BASE_NO_DEADLINE;
    for (uint32_t i = 0; i < load->threads; i++) {
        for (size_t j = 0; j < load->own[i].count; j++) {
            const struct load_sample *sample = &load->own[i].samples[j];
            uint64_t ended_ns = sample->began_ns + sample->took_ns;
            if (!sample->failed && ended_ns >= from_ns && ended_ns < first) {
                first = ended_ns;
            }
        }
    }
    return first;
}

static uint64_t reconnects(struct gleaner_db *db)
{
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    gleaner_monitor_read(db, &report);
    return report.reconnects;
}

struct figures {
    double first_ms;   /* from the return to the first operation that succeeds */
    uint64_t knocks;   /* while the server was away */
    uint64_t attempts; /* ours: what the storm limit counts */
};

static struct figures outage(struct load *load, struct fixture_mongod *server, uint64_t seconds)
{
    struct figures figures = {0};
    uint64_t attempts = load->db != NULL ? reconnects(load->db) : 0;
    load_start(load);
    load_sleep_ms(500);
    fixture_mongod_kill(server, 0);
    atomic_store_explicit(&knocks, 0, memory_order_relaxed);
    load_sleep_ms(seconds * 1000);
    figures.knocks = atomic_load_explicit(&knocks, memory_order_relaxed);
    BASE_ASSERT(fixture_mongod_restart(server, 0));
    uint64_t back_ns = base_mono_ns();
    load_sleep_ms(AFTER_MS);
    load_stop(load);
    uint64_t first_ns = first_success_ns(load, back_ns);
    figures.first_ms = first_ns != BASE_NO_DEADLINE ? (double)(first_ns - back_ns) / 1e6 : AFTER_MS;
    figures.attempts = load->db != NULL ? reconnects(load->db) - attempts : 0;
    load_free(load);
    return figures;
}

static struct figures outage_of_ours(struct fixture_mongod *server, uint64_t seconds)
{
    struct gleaner_db_options options; /* a db each: the storm limit starts full */
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(server);
    options.max_pool_size = CLIENTS;
    struct load load = {.db = load_open_ours(&options), .threads = THREADS, .pause_us = 2000};
    struct figures figures = outage(&load, server, seconds);
    (void)gleaner_db_close(&load.db, 1000);
    return figures;
}

static struct figures outage_of_theirs(struct fixture_mongod *server, uint64_t seconds)
{
    struct load load = {.driver = load_open_theirs(fixture_mongod_uri(server), CLIENTS),
                        .threads = THREADS,
                        .pause_us = 2000};
    struct figures figures = outage(&load, server, seconds);
    mongoc_client_pool_destroy(load.driver);
    return figures;
}

static void print(const char *who, uint64_t seconds, const struct figures *figures)
{
    printf("%-9s %llu s away: %llu connects, first success %.0f ms after the return", who,
           (unsigned long long)seconds, (unsigned long long)figures->knocks, figures->first_ms);
    printf(figures->attempts > 0 ? ", %llu reconnect attempts\n" : "\n",
           (unsigned long long)figures->attempts);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 60;
    uint64_t outages = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    outages = outages < 1 ? 1 : outages < OUTAGES_MAX ? outages : OUTAGES_MAX;
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    base_log_set_level(BASE_LOG_ERROR);
    atomic_store_explicit(&watched_port, fixture_mongod_port(server, 0), memory_order_relaxed);
    double first_ms[OUTAGES_MAX];
    uint64_t most_attempts = 0, our_knocks = 0, their_knocks = 0;
    for (uint64_t i = 0; i < outages; i++) {
        struct figures ours = outage_of_ours(server, seconds);
        print("gleaner", seconds, &ours);
        struct figures theirs = outage_of_theirs(server, seconds);
        print("libmongoc", seconds, &theirs);
        first_ms[i] = ours.first_ms;
        most_attempts = ours.attempts > most_attempts ? ours.attempts : most_attempts;
        our_knocks += ours.knocks;
        their_knocks += theirs.knocks;
    }
    load_sort(first_ms, outages);
    double p95 = load_percentile(first_ms, outages, 95);
    printf("first success after the return: p50 %.0f ms, p95 %.0f ms, bar %d ms: %s\n",
           load_percentile(first_ms, outages, 50), p95, BAR_MS, load_verdict(p95 <= BAR_MS));
    printf("reconnect attempts: at most %llu, bar %d: %s\n", (unsigned long long)most_attempts,
           BAR_RECONNECTS, load_verdict(most_attempts <= BAR_RECONNECTS));
    printf("connects to the absent server: %llu, libmongoc %llu, %.2fx, bar 0.10x: %s\n",
           (unsigned long long)our_knocks, (unsigned long long)their_knocks,
           (double)our_knocks / (double)their_knocks,
           load_verdict(our_knocks * 10 <= their_knocks));
    fixture_mongod_end(&server);
    return load_exit_code();
}
