/* SPDX-License-Identifier: Apache-2.0 */
/* A rolling refresh under full load: does anybody notice?
 *
 * 16 threads on 16 clients without a pause. Rounds of 1.5 s, alternately quiet and with a refresh
 * at their start. Figures: failed operations, p99 and throughput of the rounds with against those
 * without (medians), connections on the server at most, and what the server still counts of the
 * first generation at the end. Bars: 0 failed, p99 <= 1.10x, throughput >= 0.97x, census 0. */
#include "db_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROUNDS = 6, CLIENTS = 16, ROUND_MS = 1500 };

struct round {
    double p99_ms, per_second;
    uint64_t failed;
};

static struct gleaner_monitor_report read_report(struct gleaner_db *db)
{
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    gleaner_monitor_read(db, &report);
    return report;
}

static void await_refreshes(struct gleaner_db *db, uint64_t count)
{
    while (read_report(db).refreshes < count) {
        load_sleep_ms(20);
    }
}

static struct round run_round(struct load *load, bool with_refresh, uint64_t *refreshes)
{
    double *times;
    struct round round = {0};
    load_start(load);
    load_sleep_ms(200);
    uint64_t from_ns = base_mono_ns();
    if (with_refresh) {
        gleaner_db_refresh(load->db);
    }
    load_sleep_ms(ROUND_MS);
    uint64_t to_ns = base_mono_ns();
    if (with_refresh) {
        await_refreshes(load->db, ++*refreshes);
    }
    load_stop(load);
    size_t count = load_times(load, from_ns, to_ns, &times, &round.failed);
    round.p99_ms = load_percentile(times, count, 99);
    round.per_second = (double)count / ((double)(to_ns - from_ns) / 1e9);
    free(times);
    load_free(load);
    return round;
}

static double median_of(const struct round *rounds, bool of_p99)
{
    double values[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        values[i] = of_p99 ? rounds[i].p99_ms : rounds[i].per_second;
    }
    load_sort(values, ROUNDS);
    return (values[ROUNDS / 2 - 1] + values[ROUNDS / 2]) / 2;
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

int main(void)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    base_log_set_level(BASE_LOG_ERROR);
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(server);
    options.max_pool_size = CLIENTS;
    options.min_pool_size = CLIENTS;
    struct load load = {.db = load_open_ours(&options), .threads = CLIENTS};
    struct round quiet[ROUNDS], busy[ROUNDS];
    uint64_t refreshes = 0, failed = 0;
    for (int i = 0; i < ROUNDS; i++) {
        quiet[i] = run_round(&load, false, &refreshes);
        busy[i] = run_round(&load, true, &refreshes);
        failed += quiet[i].failed + busy[i].failed;
    }
    double p99 = median_of(busy, true) / median_of(quiet, true);
    double speed = median_of(busy, false) / median_of(quiet, false);
    struct gleaner_db_state state = {.size = sizeof(state)};
    gleaner_db_read_state(load.db, &state);
    char own[64];
    snprintf(own, sizeof(own), "gleaner/%ld/%u$", (long)getpid(), state.generation);
    int alive = load_census(server, own), retired = retired_census(server, state.generation);
    printf("refresh under full load, %d threads on %d clients, %d rounds of %d ms each way\n",
           CLIENTS, CLIENTS, ROUNDS, ROUND_MS);
    printf("failed operations: %llu, bar 0: %s\n", (unsigned long long)failed,
           load_verdict(failed == 0));
    printf("p99: quiet %.2f ms, refreshing %.2f ms, %.2fx, bar 1.10x: %s\n", median_of(quiet, true),
           median_of(busy, true), p99, load_verdict(p99 <= 1.10));
    printf("throughput: quiet %.0f/s, refreshing %.0f/s, %.3fx, bar 0.97x: %s\n",
           median_of(quiet, false), median_of(busy, false), speed, load_verdict(speed >= 0.97));
    printf("census: generation %u has %d connections, earlier ones %d, bar 0: %s\n",
           state.generation, alive, retired, load_verdict(retired == 0 && alive > 0));
    (void)gleaner_db_close(&load.db, 1000);
    fixture_mongod_end(&server);
    return load_exit_code();
}
