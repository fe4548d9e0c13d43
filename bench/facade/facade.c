/* SPDX-License-Identifier: Apache-2.0 */
/* What does gleaner_db_check_out() + gleaner_db_check_in() cost a user of the library, beside
 * mongoc_client_pool_pop() + _push()?
 *
 * Both run against the same mongod, both have as many connected clients as there are threads; each
 * thread does pairs in a loop and nothing between them. The two are run alternately, round by
 * round, in one process; reported are medians: of the wall time (all threads together) and of the
 * CPU time of the racing threads, which other programs on the machine disturb less. What sleeps in
 * the driver's mutex costs no CPU, so that this figure is in its favour. The bar for one thread is
 * one of CPU time, the bar for 16 one of throughput: there the driver's threads have to meet in its
 * mutex, which they hardly do where other programs leave us less than two processors. Statistics
 * and the state check are on, as always: the monitor's count of check outs is compared with the
 * number of pairs done. */
#include "bench_common.h"
#include "gleaner/db.h"
#include "gleaner/monitor.h"
#include "mongod.h"

#include <stdio.h>

enum { ROUND_US = 120000, PATIENCE_MS = 30000 };

struct bar {
    uint32_t threads;
    double ratio; /* how many times faster than libmongoc */
    bool by_cpu;
};
static const struct bar bars[] = {{1, 10, true}, {16, 40, false}};

static struct gleaner_db *open_ours(const char *uri, uint32_t clients)
{
    struct gleaner_db_options options;
    struct gleaner_error error = {0};
    struct gleaner_db *db = NULL;
    gleaner_db_options_init(&options);
    options.uri = uri;
    options.max_pool_size = clients;
    options.min_pool_size = clients;
    BASE_ASSERT(gleaner_db_open(&options, &db, &error) == GLEANER_OK);
    struct gleaner_client loans[BENCH_THREADS_MAX];
    for (uint32_t i = 0; i < clients; i++) { /* all at once: so many are connected */
        BASE_ASSERT(gleaner_db_check_out(db, PATIENCE_MS, &loans[i]) == GLEANER_OK);
    }
    for (uint32_t i = 0; i < clients; i++) {
        BASE_ASSERT(gleaner_db_check_in(db, &loans[i], NULL) == GLEANER_OK);
    }
    return db;
}

static uint64_t check_outs(struct gleaner_db *db)
{
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    gleaner_monitor_read(db, &report);
    return report.check_outs;
}

static void run_pairs(void *db, uint32_t thread)
{
    struct gleaner_client client;
    (void)thread;
    for (int i = 0; i < BENCH_BATCH; i++) {
        enum gleaner_status status = gleaner_db_check_out(db, PATIENCE_MS, &client);
        BASE_ASSERT(status == GLEANER_OK);
        (void)gleaner_db_check_in(db, &client, NULL);
    }
}

static bool compare(const struct bar *bar, const char *uri)
{
    struct bench_figures ours, theirs;
    struct gleaner_db *db = open_ours(uri, bar->threads);
    mongoc_client_pool_t *driver = bench_mongoc_pool(uri, bar->threads, true);
    uint64_t before = check_outs(db);
    struct bench_race our_race = {bar->threads, ROUND_US, BENCH_BATCH, run_pairs, db};
    struct bench_race their_race = our_race;
    their_race.run_batch = bench_mongoc_pairs;
    their_race.ctx = driver;
    bench_run_contest(&our_race, &their_race, &ours, &theirs);
    BASE_ASSERT(check_outs(db) - before == ours.count);
    mongoc_client_pool_destroy(driver);
    (void)gleaner_db_close(&db, 1000);
    double wall, cpu;
    bench_print_contest(bar->threads, &ours, &theirs, &wall, &cpu);
    bool met = (bar->by_cpu ? cpu : wall) >= bar->ratio;
    printf("    bar: %s %.0fx: %s\n", bar->by_cpu ? "CPU" : "wall", bar->ratio,
           met ? "met" : "MISSED");
    return met;
}

int main(void)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    base_log_set_level(BASE_LOG_ERROR);
    mongoc_init();
    bench_print_headline("facade: gleaner_db check out + check in, against pop + push");
    bool met = true;
    for (size_t i = 0; i < BASE_ARRAY_LEN(bars); i++) {
        met = compare(&bars[i], fixture_mongod_uri(server)) && met;
    }
    fixture_mongod_end(&server);
    return met ? 0 : 1;
}
