/* SPDX-License-Identifier: Apache-2.0 */
/* Random faults in a row, under 20 writers: fault_soak [SECONDS [SEED [FAULTS]]], default 30 s, at
 * most 10,000 faults. The seed is printed; the same seed gives the same faults in the same order.
 *
 * Each QUIET_EVERY faults the writers rest, and everything has to agree: our own counts (nothing in
 * use, nothing pending), the kernel's sockets, the server's census of our appNames (generations
 * that were retired: none), and the ledger of what was acknowledged since the last quiet point. One
 * line of the series is printed then; in the end descriptors, threads and RSS have to be flat. */
#include "rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CLIENTS = 10,
    WRITERS = 20,
    FAULTS_MAX = 10000,
    QUIET_EVERY = 200,
    QUIET_LIMIT_MS = 30000,
    PATIENCE_MS = 60000,
    SERIES_MAX = 4096,
    FIRST_POINTS = 2, /* before these everything is still growing to its size */
    FD_SLACK = 8,
    THREAD_SLACK = 4,
};

struct soak {
    struct fixture_mongod *server;
    struct rig_admin *admin;
    struct rig_pool pool;
    struct rig_writers writers;
    struct gleaner_db_options options;
    uint64_t random;
    uint64_t done, acknowledged, failures, lost, doubled, given_up, disagreed;
    int foreign_sockets;
    char collection[32];
    struct rig_census series[SERIES_MAX];
    size_t points;
};

static uint32_t pick(struct soak *soak, uint32_t below)
{
    soak->random ^= soak->random << 13;
    soak->random ^= soak->random >> 7;
    soak->random ^= soak->random << 17;
    return (uint32_t)(soak->random >> 20) % below;
}

/* ---- the faults ---- */

static void fail_point(struct soak *soak, const char *data)
{
    (void)rig_admin_run(soak->admin, "admin", NULL,
                        "{\"configureFailPoint\":\"failCommand\",\"mode\":{\"times\":%u},"
                        "\"data\":{\"failCommands\":[\"insert\"],%s}}",
                        1 + pick(soak, 3), data);
}

static void close_connections(struct soak *soak)
{
    fail_point(soak, "\"closeConnection\":true");
}

static void answer_errors(struct soak *soak)
{
    static const int codes[] = {11600, 91, 189, 10107, 13435, 50, 11000, 18};
    char data[64];
    snprintf(data, sizeof data, "\"errorCode\":%d", codes[pick(soak, BASE_ARRAY_LEN(codes))]);
    fail_point(soak, data);
}

static void answer_late(struct soak *soak)
{
    char data[64];
    snprintf(data, sizeof data, "\"blockConnection\":true,\"blockTimeMS\":%u",
             10 + pick(soak, 200));
    fail_point(soak, data);
}

static void refresh(struct soak *soak)
{
    gleaner_db_refresh(soak->pool.db);
}

static void check_now(struct soak *soak)
{
    gleaner_db_check_now(soak->pool.db);
}

static void freeze(struct soak *soak)
{
    uint32_t ms = 1 + pick(soak, 100);
    fixture_mongod_freeze(soak->server, 0);
    rig_sleep_ms(ms);
    fixture_mongod_thaw(soak->server, 0);
}

static void hold_a_client(struct soak *soak)
{
    struct gleaner_client client, copy;
    uint32_t ms = pick(soak, 50);
    bool twice = pick(soak, 2) == 0;
    if (gleaner_db_check_out(soak->pool.db, 100, &client) == GLEANER_OK) {
        copy = client;
        rig_sleep_ms(ms);
        (void)gleaner_db_check_in(soak->pool.db, &client, NULL);
        if (twice && gleaner_db_check_in(soak->pool.db, &copy, NULL) != GLEANER_E_STALE) {
            printf("a client was given back twice\n");
            soak->disagreed++;
        }
    }
}

/* One of our own sockets to the server breaks under the driver. */
static void break_a_socket(struct soak *soak)
{
    uint16_t port = fixture_mongod_port(soak->server, 0);
    int first = (int)pick(soak, 64), limit = rig_descriptors() + 64;
    for (int i = 0; i < limit; i++) {
        struct sockaddr_in address;
        socklen_t len = sizeof address;
        int fd = 3 + (first + i) % limit;
        if (getpeername(fd, (struct sockaddr *)&address, &len) == 0 &&
            address.sin_family == AF_INET && ntohs(address.sin_port) == port) {
            (void)shutdown(fd, SHUT_RDWR);
            return;
        }
    }
}

static void resize(struct soak *soak)
{
    struct gleaner_error error;
    soak->options.max_pool_size = 4 + pick(soak, 12);
    soak->options.min_pool_size = 2 + pick(soak, soak->options.max_pool_size - 2);
    BASE_ASSERT(gleaner_db_configure(soak->pool.db, &soak->options, &error) == GLEANER_OK);
}

static void kill_and_restart(struct soak *soak)
{
    uint32_t ms = pick(soak, 300);
    fixture_mongod_kill(soak->server, 0);
    rig_sleep_ms(ms);
    BASE_ASSERT(fixture_mongod_restart(soak->server, 0));
}

static const struct {
    const char *name;
    uint32_t weight;
    void (*make)(struct soak *soak);
} kinds[] = {
    {"closed by the server", 200, close_connections},
    {"error code", 60, answer_errors},
    {"late answer", 200, answer_late},
    {"refresh", 30, refresh},
    {"check now", 100, check_now},
    {"frozen", 100, freeze},
    {"client held", 150, hold_a_client},
    {"socket broken", 150, break_a_socket},
    {"resized", 30, resize},
    {"kill -9", 4, kill_and_restart},
};
static uint64_t made[BASE_ARRAY_LEN(kinds)];

static void make_one(struct soak *soak)
{
    uint32_t all = 0;
    for (size_t i = 0; i < BASE_ARRAY_LEN(kinds); i++) {
        all += kinds[i].weight;
    }
    uint32_t at = pick(soak, all);
    size_t kind = 0;
    while (at >= kinds[kind].weight) {
        at -= kinds[kind++].weight;
    }
    kinds[kind].make(soak);
    made[kind]++;
    soak->done++;
    rig_sleep_ms(pick(soak, 20));
}

/* ---- quiet points ---- */

static bool agree(struct soak *soak, struct rig_census *census)
{
    struct gleaner_monitor_report report = {.size = sizeof report};
    struct gleaner_db_state state = {.size = sizeof state};
    char present[96];
    gleaner_monitor_read(soak->pool.db, &report);
    gleaner_db_read_state(soak->pool.db, &state);
    snprintf(present, sizeof present, "%s(%u|[a-z]+)$", soak->pool.prefix, state.generation);
    *census = rig_take_census(soak->server, 1, soak->pool.prefix);
    census->sockets = rig_sockets_to(fixture_mongod_port(soak->server, 0)) - soak->foreign_sockets;
    int now = rig_server_census(soak->server, 0, present);
    return strcmp(state.phase, "connected") == 0 && report.in_use == 0 && report.pending == 0 &&
           report.waiting == 0 && report.total > 0 && report.total <= report.max_size &&
           now == census->server && now == census->sockets && (int)report.total <= now;
}

static void read_ledger(struct soak *soak)
{
    struct rig_ledger ledger =
        rig_write_ledger(&soak->writers, fixture_mongod_admin_uri(soak->server));
    soak->acknowledged += ledger.acknowledged;
    soak->failures += ledger.failures;
    soak->lost += ledger.lost;
    soak->doubled += ledger.doubled;
    soak->given_up += ledger.given_up;
}

/* The next writes go to another collection; what came before is settled. */
static void turn_page(struct soak *soak)
{
    (void)rig_admin_run(soak->admin, RIG_DATABASE, NULL, "{\"drop\":\"%s\"}", soak->collection);
    snprintf(soak->collection, sizeof soak->collection, "soak%zu", soak->points);
    for (uint32_t i = 0; i < soak->writers.threads; i++) {
        soak->writers.own[i].count = 0; /* its writer rests */
    }
}

static void quiet_point(struct soak *soak)
{
    struct rig_census census;
    (void)rig_admin_run(soak->admin, "admin", NULL,
                        "{\"configureFailPoint\":\"failCommand\",\"mode\":\"off\"}");
    rig_write_rest(&soak->writers);
    uint64_t until_ns = base_mono_ns() + QUIET_LIMIT_MS * BASE_NS_PER_MS;
    /* the test's own client has been cut off at times too: make it whole before counting */
    (void)rig_admin_run(soak->admin, "admin", NULL, "{\"ping\":1}");
    bool do_agree;
    while (!(do_agree = agree(soak, &census)) && base_mono_ns() < until_ns) {
        rig_sleep_ms(50);
        soak->foreign_sockets = rig_admin_sockets(soak->admin, soak->server);
    }
    soak->disagreed += !do_agree;
    read_ledger(soak);
    if (soak->points < SERIES_MAX) {
        soak->series[soak->points++] = census;
    }
    printf("%6llu %9llu %5llu %8d %8d %12d %8d %8ld %s\n", (unsigned long long)soak->done,
           (unsigned long long)soak->acknowledged, (unsigned long long)soak->lost, census.server,
           census.sockets, census.descriptors, census.threads, census.rss_kb,
           do_agree ? "" : "DISAGREE");
    turn_page(soak);
    rig_write_resume(&soak->writers);
}

/* ---- the whole ---- */

static long median_rss(const struct soak *soak, size_t from, size_t to)
{
    long best = 0;
    for (size_t i = from; i < to; i++) {
        size_t below = 0;
        for (size_t j = from; j < to; j++) {
            below += soak->series[j].rss_kb < soak->series[i].rss_kb ||
                     (soak->series[j].rss_kb == soak->series[i].rss_kb && j < i);
        }
        best = below == (to - from) / 2 ? soak->series[i].rss_kb : best;
    }
    return best;
}

static void judge(struct soak *soak)
{
    printf("ledger: %llu acknowledged, %llu lost, %llu doubled, %llu given up, bar 0: %s\n",
           (unsigned long long)soak->acknowledged, (unsigned long long)soak->lost,
           (unsigned long long)soak->doubled, (unsigned long long)soak->given_up,
           rig_verdict(soak->lost + soak->doubled + soak->given_up == 0));
    printf(
        "quiet points where own counts, kernel and server did not agree: %llu of %zu, bar 0: %s\n",
        (unsigned long long)soak->disagreed, soak->points, rig_verdict(soak->disagreed == 0));
    if (soak->points <= 2 * FIRST_POINTS) {
        printf("too short to say whether memory and descriptors are flat\n");
        return;
    }
    const struct rig_census *first = &soak->series[FIRST_POINTS],
                            *last = &soak->series[soak->points - 1];
    size_t quarter = (soak->points - FIRST_POINTS + 3) / 4;
    long early = median_rss(soak, FIRST_POINTS, FIRST_POINTS + quarter);
    long late = median_rss(soak, soak->points - quarter, soak->points);
    printf("descriptors %d -> %d, bar +%d: %s; threads %d -> %d, bar +%d: %s\n", first->descriptors,
           last->descriptors, FD_SLACK,
           rig_verdict(last->descriptors <= first->descriptors + FD_SLACK), first->threads,
           last->threads, THREAD_SLACK,
           rig_verdict(last->threads <= first->threads + THREAD_SLACK));
    printf(
        "RSS, medians of the first and the last quarter: %ld -> %ld KiB, bar 1.15x + 4 MiB: %s\n",
        early, late, rig_verdict(late <= early + early * 15 / 100 + 4096));
}

static struct soak soak = {.collection = "soak"};

static void begin(struct soak *own)
{
    own->server = fixture_mongod_start(NULL);
    BASE_ASSERT(own->server != NULL);
    own->admin = rig_admin_open(fixture_mongod_uri(own->server));
    BASE_ASSERT(rig_admin_run(own->admin, "admin", NULL, "{\"ping\":1}"));
    rig_options(&own->options, fixture_mongod_uri(own->server), CLIENTS);
    own->options.backoff_cap_ms = 1000; /* a killed server is back in a second */
    own->options.reconnect_limit = 128;
    own->options.reconnect_window_ms = 10000; /* or the storm limit, rightly, ends the soak */
    rig_open_ours(&own->pool, &own->options);
    own->foreign_sockets = rig_admin_sockets(own->admin, own->server);
    own->writers = (struct rig_writers){.pool = &own->pool,
                                        .collection = own->collection,
                                        .threads = WRITERS,
                                        .pause_us = 5000,
                                        .patience_ms = PATIENCE_MS};
    rig_write_start(&own->writers);
}

int main(int argc, char **argv)
{
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 30;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : base_mono_ns() / 1000;
    uint64_t faults = argc > 3 ? strtoull(argv[3], NULL, 10) : FAULTS_MAX;
    if (fixture_mongod_program() == NULL) {
        return fixture_mongod_skip_code();
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    base_log_set_level(getenv("FAULT_VERBOSE") != NULL ? BASE_LOG_INFO : BASE_LOG_ERROR + 1);
    printf("soak: seed %llu, up to %llu faults in %llu s, %d writers on %d clients\n"
           "faults     acked  lost   census  sockets  descriptors  threads   RSS KiB\n",
           (unsigned long long)seed, (unsigned long long)faults, (unsigned long long)seconds,
           WRITERS, CLIENTS);
    soak.random = seed != 0 ? seed : 1;
    begin(&soak);
    uint64_t until_ns = base_mono_ns() + seconds * BASE_NS_PER_S;
    quiet_point(&soak);
    while (soak.done < faults && base_mono_ns() < until_ns) {
        make_one(&soak);
        if (soak.done % QUIET_EVERY == 0) {
            quiet_point(&soak);
        }
    }
    quiet_point(&soak);
    rig_write_stop(&soak.writers);
    for (size_t i = 0; i < BASE_ARRAY_LEN(kinds); i++) {
        printf("%llu %s%s", (unsigned long long)made[i], kinds[i].name,
               i + 1 < BASE_ARRAY_LEN(kinds) ? ", " : "\n");
    }
    judge(&soak);
    rig_write_free(&soak.writers);
    printf("closed in %.0f ms\n", rig_close(&soak.pool));
    rig_admin_close(&soak.admin);
    fixture_mongod_end(&soak.server);
    return rig_exit_code();
}
