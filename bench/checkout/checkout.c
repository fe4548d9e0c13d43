/* SPDX-License-Identifier: Apache-2.0 */
/* What does a check out + check in of the pool alone cost, beside mongoc_client_pool_pop + push?
 *
 * Both pools have as many clients as there are threads, each thread does pairs in a loop and
 * nothing between them. The two are run alternately, round by round, in one process; reported are
 * medians. libmongoc's clients are never connected (popping does not connect), ours are plain
 * pointers: neither pool looks at what it hands out. Our statistics are on, as always: they are
 * compared with the number of pairs done. (bench/facade asks the same of the whole library.) */
#include "bench_common.h"
#include "bench_pool.h"

#include <stdio.h>

enum { ROUND_US = 120000 };

static void run_pairs(void *pool, uint32_t thread)
{
    struct pool_handle handle;
    (void)thread;
    for (int i = 0; i < BENCH_BATCH; i++) {
        enum gleaner_status status = pool_check_out(pool, BASE_NO_DEADLINE, &handle);
        BASE_ASSERT(status == GLEANER_OK);
        (void)pool_check_in(pool, &handle, POOL_CLIENT_GOOD);
    }
}

static void compare(uint32_t threads)
{
    struct bench_figures ours, theirs;
    struct pool *pool = bench_pool_open(threads);
    mongoc_client_pool_t *driver =
        bench_mongoc_pool("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100", threads, false);
    struct bench_race our_race = {threads, ROUND_US, BENCH_BATCH, run_pairs, pool};
    struct bench_race their_race = our_race;
    their_race.run_batch = bench_mongoc_pairs;
    their_race.ctx = driver;
    bench_run_contest(&our_race, &their_race, &ours, &theirs);
    struct pool_stats stats;
    pool_read_stats(pool, base_mono_ns(), &stats);
    BASE_ASSERT(stats.check_outs == ours.count && stats.check_ins == ours.count);
    double wall, cpu;
    bench_print_contest(threads, &ours, &theirs, &wall, &cpu);
    mongoc_client_pool_destroy(driver);
    bench_pool_close(&pool);
}

static void quiet(mongoc_log_level_t level, const char *domain, const char *message, void *ctx)
{
    (void)level, (void)domain, (void)message, (void)ctx; /* nobody listens at port 1 */
}

int main(void)
{
    static const uint32_t thread_counts[] = {1, 2, 4, 16, 64};
    mongoc_log_set_handler(quiet, NULL);
    mongoc_init();
    bench_print_headline("checkout: the pool's check out + check in, against pop + push");
    for (size_t i = 0; i < BASE_ARRAY_LEN(thread_counts); i++) {
        compare(thread_counts[i]);
    }
    mongoc_cleanup();
    return 0;
}
