/* SPDX-License-Identifier: Apache-2.0 */
/* The server is killed and comes back: how soon does an operation succeed again, and how many
 * connection attempts did it take?
 *
 * 64 threads on 16 clients. Per outage: from the moment the restarted server accepts connections to
 * the first operation that succeeds. `fault_db_outage [SECONDS [OUTAGES]]`, default 12 s, 3 times
 * (the bar speaks of 60 s). Bar: p95 <= 2 s, <= 10 reconnect attempts in 5 minutes. */
#include "db_load.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 16, THREADS = 64, OUTAGES_MAX = 32, BAR_MS = 2000, BAR_RECONNECTS = 10 };

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

/* Milliseconds until the first success. */
static double outage(struct load *load, struct fixture_mongod *server, uint64_t seconds)
{
    load_start(load);
    load_sleep_ms(500);
    fixture_mongod_kill(server, 0);
    load_sleep_ms(seconds * 1000);
    BASE_ASSERT(fixture_mongod_restart(server, 0));
    uint64_t back_ns = base_mono_ns();
    BASE_ASSERT(gleaner_db_wait_up(load->db, 60000) == GLEANER_OK);
    load_sleep_ms(1500);
    load_stop(load);
    uint64_t first_ns = first_success_ns(load, back_ns);
    BASE_ASSERT(first_ns != BASE_NO_DEADLINE);
    load_free(load);
    return (double)(first_ns - back_ns) / 1e6;
}

int main(int argc, char **argv)
{
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 12;
    uint64_t outages = argc > 2 ? strtoull(argv[2], NULL, 10) : 3;
    outages = outages < OUTAGES_MAX ? outages : OUTAGES_MAX;
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    base_log_set_level(BASE_LOG_ERROR);
    double first_ms[OUTAGES_MAX];
    uint64_t most_attempts = 0;
    struct gleaner_db_options options;
    for (uint64_t i = 0; i < outages; i++) { /* a db each: the storm limit starts full */
        gleaner_db_options_init(&options);
        options.uri = fixture_mongod_uri(server);
        options.max_pool_size = CLIENTS;
        struct load load = {.db = load_open_ours(&options), .threads = THREADS, .pause_us = 2000};
        uint64_t before = reconnects(load.db);
        first_ms[i] = outage(&load, server, seconds);
        uint64_t attempts = reconnects(load.db) - before;
        most_attempts = attempts > most_attempts ? attempts : most_attempts;
        printf("outage %llu of %llu s: first success %.0f ms after the return, %llu attempts\n",
               (unsigned long long)i + 1, (unsigned long long)seconds, first_ms[i],
               (unsigned long long)attempts);
        fflush(stdout);
        (void)gleaner_db_close(&load.db, 1000);
    }
    load_sort(first_ms, outages);
    double p95 = load_percentile(first_ms, outages, 95);
    printf("first success after the return: p50 %.0f ms, p95 %.0f ms, bar %d ms: %s\n",
           load_percentile(first_ms, outages, 50), p95, BAR_MS, load_verdict(p95 <= BAR_MS));
    printf("reconnect attempts: at most %llu, bar %d: %s\n", (unsigned long long)most_attempts,
           BAR_RECONNECTS, load_verdict(most_attempts <= BAR_RECONNECTS));
    fixture_mongod_end(&server);
    return load_exit_code();
}
