/* SPDX-License-Identifier: Apache-2.0 */
/* One of 16 clients loses its socket, the server is healthy: what do the other 15 notice?
 *
 * 16 threads read on 16 clients; a fail point closes the connection of one of them. Figure: the
 * longest operation of each other thread in the 1.5 s after that, over all rounds. Beside it the
 * same without an error (what this machine does to a thread by itself), and mongoc_client_pool
 * alone; all alternating in one run. Bar: 0 of the others fail, p99 of the longest operations <= 50
 * ms; on a machine that holds threads up longer than that without any error, <= what it was
 * without.
 */
#include "db_load.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 8, CLIENTS = 16, SETTLE_MS = 400, WATCH_MS = 1500, BAR_MS = 50 };

struct figures {
    double longest_ms[ROUNDS * CLIENTS];
    size_t count;
    uint64_t closed; /* connections, by the server */
    uint64_t failed; /* operations beyond these */
};

/* `mode` as JSON. How often the fail point closed a connection since the server started. */
static int64_t set_fail_point(const struct fixture_mongod *server, const char *mode)
{
    char json[256];
    bson_t reply;
    bson_iter_t iter;
    snprintf(json, sizeof(json),
             "{\"configureFailPoint\":\"failCommand\",\"mode\":%s,\"data\":{\"failCommands\":"
             "[\"find\"],\"closeConnection\":true}}",
             mode);
    bool set = fixture_mongod_command(server, 0, "admin", json, &reply) &&
               bson_iter_init_find(&iter, &reply, "count");
    BASE_ASSERT(set);
    int64_t count = bson_iter_as_int64(&iter);
    bson_destroy(&reply);
    return count;
}

static bool has_failed(const struct load_thread *own)
{
    for (size_t i = 0; i < own->count; i++) {
        if (own->samples[i].failed) {
            return true;
        }
    }
    return false;
}

/* The server is asked how many connections it closed: of two operations that come to the fail point
 * together, {times: 1} of mongod 6.0 now and then fails both. */
static void count_round(const struct load *load, uint64_t from_ns, uint64_t closed,
                        struct figures *figures)
{
    double longest[LOAD_THREADS_MAX], *times;
    uint64_t failed, victims = 0;
    (void)load_times(load, 0, BASE_NO_DEADLINE, &times, &failed);
    free(times);
    load_longest(load, from_ns, BASE_NO_DEADLINE, longest);
    for (uint32_t i = 0; i < load->threads; i++) {
        if (victims < closed && has_failed(&load->own[i])) {
            victims++;
        } else {
            figures->longest_ms[figures->count++] = longest[i];
        }
    }
    BASE_ASSERT(failed >= closed); /* who was closed was a client of ours */
    figures->failed += failed - closed;
    figures->closed += closed;
}

/* Without a server nobody is a victim. */
static void run_round(struct load *load, const struct fixture_mongod *server,
                      struct figures *figures)
{
    int64_t before = 0, after = 0;
    load_start(load);
    load_sleep_ms(SETTLE_MS);
    uint64_t from_ns = base_mono_ns();
    if (server != NULL) {
        before = set_fail_point(server, "{\"times\":1}");
    }
    load_sleep_ms(WATCH_MS);
    load_stop(load);
    if (server != NULL) {
        after = set_fail_point(server, "\"off\"");
        BASE_ASSERT(after > before); /* else nothing was closed and the figure says nothing */
    }
    count_round(load, from_ns, (uint64_t)(after - before), figures);
    load_free(load);
}

static double p99_of(struct figures *figures)
{
    load_sort(figures->longest_ms, figures->count);
    return load_percentile(figures->longest_ms, figures->count, 99);
}

static void print(const char *who, struct figures *figures, const char *verdict)
{
    double p99 = p99_of(figures);
    size_t stalled = 0;
    for (size_t i = 0; i < figures->count; i++) {
        stalled += figures->longest_ms[i] > BAR_MS;
    }
    printf("%-10s %6llu  %6llu  %8.1f  %8.1f  %8.1f  %4zu of %zu  %s\n", who,
           (unsigned long long)figures->closed, (unsigned long long)figures->failed,
           load_percentile(figures->longest_ms, figures->count, 50), p99,
           figures->longest_ms[figures->count - 1], stalled, figures->count, verdict);
}

static const char *judge(struct figures *ours, struct figures *quiet)
{
    double bar_ms = p99_of(quiet) > BAR_MS ? p99_of(quiet) : BAR_MS;
    return load_verdict(ours->failed == 0 && p99_of(ours) <= bar_ms);
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
    struct load ours = {.db = load_open_ours(&options), .threads = CLIENTS, .pause_us = 2000};
    struct load theirs = {
        .driver = load_open_theirs(options.uri, CLIENTS), .threads = CLIENTS, .pause_us = 2000};
    struct figures quiet = {0}, our_figures = {0}, their_figures = {0};
    for (int round = 0; round < ROUNDS; round++) {
        run_round(&ours, NULL, &quiet);
        run_round(&ours, server, &our_figures);
        run_round(&theirs, server, &their_figures);
    }
    printf("one socket error on one of %d clients, healthy server, %d rounds; the others: failed, "
           "and the longest operation of each in ms; bar: 0 failed, p99 <= %d ms\n"
           "           closed  failed       p50       p99       max  over the bar\n",
           CLIENTS, ROUNDS, BAR_MS);
    print("no error", &quiet, "");
    print("gleaner", &our_figures, judge(&our_figures, &quiet));
    print("libmongoc", &their_figures, "");
    (void)gleaner_db_close(&ours.db, 1000);
    mongoc_client_pool_destroy(theirs.driver);
    fixture_mongod_end(&server);
    return load_exit_code();
}
