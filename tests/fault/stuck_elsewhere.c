/* SPDX-License-Identifier: Apache-2.0 */
/* A server on another address goes away and comes back: killed (its host refuses), frozen (its host
 * accepts), cut off (nothing answers). How soon does an operation succeed again, and how often was
 * it knocked at meanwhile, ours and libmongoc's pool, one outage of each after the other?
 *
 * Unlike in fault_db_outage the kernel cannot tell who listens there: the server lives in a network
 * namespace of its own. Needs root and `ip`, else skipped. The lengths of the outages differ, so
 * that the return falls everywhere between two looks.
 * `fault_stuck_elsewhere [SECONDS [OUTAGES]]`, default 14 s and more, 2 of each kind (libmongoc 1).
 * Bar: first success <= 2 s after the return (p95). The bar of 1/10 of the plain pool's connects
 * holds where the server is on this host; here it and 2 s cannot both be had, see return.c. */
#include "db_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CLIENTS = 16, THREADS = 32, OUTAGES_MAX = 64, BAR_MS = 2000, STEP_MS = 370 };

static _Atomic uint16_t watched_port; /* main writes; relaxed */
static _Atomic uint64_t knocks;       /* any thread adds; relaxed: a count */

/* Stands before libc's for every library of this process. */
__attribute__((visibility("default"))) int connect(int fd, const struct sockaddr *to,
                                                   socklen_t size)
{
    uint16_t port = to->sa_family == AF_INET
                        ? ntohs(((const struct sockaddr_in *)(const void *)to)->sin_port)
                        : 0;
    if (port != 0 && port == atomic_load_explicit(&watched_port, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&knocks, 1, memory_order_relaxed);
    }
    return (int)syscall(SYS_connect, fd, to, size);
}

/* ---- the three ways to be away ---- */

static void kill_it(struct fixture_mongod *server)
{
    fixture_mongod_kill(server, 0);
}
static void restart_it(struct fixture_mongod *server)
{
    atomic_store_explicit(&watched_port, 0, memory_order_relaxed); /* the fixture knocks too */
    BASE_ASSERT(fixture_mongod_restart(server, 0));
}
static void freeze_it(struct fixture_mongod *server)
{
    fixture_mongod_freeze(server, 0);
}
static void thaw_it(struct fixture_mongod *server)
{
    fixture_mongod_thaw(server, 0);
}

static const struct kind {
    const char *name;
    void (*away)(struct fixture_mongod *server);
    void (*back)(struct fixture_mongod *server);
} kinds[] = {
    {"killed", kill_it, restart_it},
    {"frozen", freeze_it, thaw_it},
    {"cut off", fixture_mongod_cut, fixture_mongod_mend},
};

struct figures {
    double first_ms[OUTAGES_MAX];
    double knocks_per_minute;
};

static double first_success_ms(const struct load *load, uint64_t from_ns)
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
    return first != BASE_NO_DEADLINE ? (double)(first - from_ns) / 1e6 : 60000.0;
}

static double be_away(struct load *load, struct fixture_mongod *server, const struct kind *kind,
                      uint64_t away_ms, uint64_t *counted)
{
    load_start(load);
    load_sleep_ms(500);
    kind->away(server);
    atomic_store_explicit(&knocks, 0, memory_order_relaxed);
    atomic_store_explicit(&watched_port, fixture_mongod_port(server, 0), memory_order_relaxed);
    load_sleep_ms(away_ms);
    *counted += atomic_load_explicit(&knocks, memory_order_relaxed);
    kind->back(server);
    uint64_t back_ns = base_mono_ns();
    atomic_store_explicit(&watched_port, 0, memory_order_relaxed);
    load_sleep_ms(5000);
    load_stop(load);
    double first_ms = first_success_ms(load, back_ns);
    load_free(load);
    return first_ms;
}

static void open_side(struct load *load, struct fixture_mongod *server, bool is_ours)
{
    if (is_ours) { /* one each: the storm limit starts full */
        struct gleaner_db_options options;
        gleaner_db_options_init(&options);
        options.uri = fixture_mongod_uri(server);
        options.max_pool_size = CLIENTS;
        load->db = load_open_ours(&options);
    } else {
        load->driver = load_open_theirs(fixture_mongod_uri(server), CLIENTS);
    }
}

static void close_side(struct load *load)
{
    if (load->db != NULL) {
        (void)gleaner_db_close(&load->db, 1000);
    } else {
        mongoc_client_pool_destroy(load->driver);
    }
}

static void try_side(struct fixture_mongod *server, const struct kind *kind, bool is_ours,
                     uint64_t seconds, size_t outages, struct figures *out)
{
    uint64_t counted = 0, away_in_all_ms = 0;
    for (size_t i = 0; i < outages; i++) {
        struct load load = {.threads = THREADS, .pause_us = 2000};
        uint64_t away_ms = seconds * 1000 + i * STEP_MS;
        open_side(&load, server, is_ours);
        out->first_ms[i] = be_away(&load, server, kind, away_ms, &counted);
        close_side(&load);
        away_in_all_ms += away_ms;
    }
    load_sort(out->first_ms, outages);
    out->knocks_per_minute = (double)counted * 60000.0 / (double)away_in_all_ms;
}

int main(int argc, char **argv)
{
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 14;
    size_t outages = argc > 2 ? strtoul(argv[2], NULL, 10) : 2;
    outages = outages < OUTAGES_MAX ? outages : OUTAGES_MAX;
    if (!fixture_mongod_has_networks()) {
        fprintf(stderr, "SKIPPED: a network namespace needs root and ip\n");
        return FIXTURE_SKIP_CODE;
    }
    struct fixture_mongod *server =
        fixture_mongod_start(&(struct fixture_mongod_options){.own_network = true});
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    base_log_set_level(BASE_LOG_ERROR);
    for (size_t i = 0; i < BASE_ARRAY_LEN(kinds); i++) {
        struct figures ours, theirs;
        try_side(server, &kinds[i], true, seconds, outages, &ours);
        try_side(server, &kinds[i], false, seconds, 1, &theirs);
        double p95_ms = load_percentile(ours.first_ms, outages, 95);
        printf("%-8s first success after the return: ours p50 %.0f ms, p95 %.0f ms, libmongoc's "
               "pool %.0f ms, bar %d ms: %s\n",
               kinds[i].name, load_percentile(ours.first_ms, outages, 50), p95_ms,
               theirs.first_ms[0], BAR_MS, load_verdict(p95_ms <= BAR_MS));
        printf("%-8s connects a minute: ours %.0f, libmongoc's pool %.0f\n", kinds[i].name,
               ours.knocks_per_minute, theirs.knocks_per_minute);
        fflush(stdout);
    }
    fixture_mongod_end(&server);
    return load_exit_code();
}
