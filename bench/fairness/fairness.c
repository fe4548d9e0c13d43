/* SPDX-License-Identifier: Apache-2.0 */
/* How long does a thread wait for a client when four threads share one, beside libmongoc's pool?
 *
 * Each holds the client for a while, asleep, as in a database call; the wait is the time that check
 * out (or pop) takes. Ours and theirs alternately, round by round. Two bars: the 99th percentile is
 * at most half of libmongoc's; the longest wait is at most four times the median (four threads for
 * each client: served in order everybody waits for three others). Where the ratio is that of one
 * round, the median round counts, and the worst is shown: one round that another program disturbs
 * says nothing about the order. That bar is for loans of a millisecond: what the scheduler takes
 * away at a time, on a machine that others use too, is 3 ms and more. Loans of no time at all are
 * shown without a bar: order costs a wake each, and libmongoc, which has none, serves who runs
 * already. */
#include "bench_common.h"
#include "bench_pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WARM_UP = 20, ROUNDS = 9 };

struct scene {
    uint32_t threads, clients;
    long hold_ns;
    uint32_t loans_each;
    bool has_p99_bar, has_spread_bar;
};
static const struct scene scenes[] = {{4, 1, 200000, 250, true, false},
                                      {4, 1, 1000000, 100, true, true},
                                      {64, 16, 200000, 250, true, false},
                                      {64, 16, 1000000, 100, true, true},
                                      {4, 1, 0, 50000, false, false}};

struct place {
    struct pool *pool;            /* ours, or */
    mongoc_client_pool_t *driver; /* libmongoc's */
    const struct scene *scene;
};

struct sharer {
    const struct place *place;
    double *wait_us; /* loans_each of them */
    struct sync_thread *thread;
};

static void hold(long hold_ns)
{
    struct timespec duration = {.tv_nsec = hold_ns};
    if (hold_ns > 0) {
        (void)nanosleep(&duration, NULL);
    }
}

/* Take, hold, give back; how long taking took. */
static double loan_us(const struct place *place)
{
    struct pool_handle handle;
    mongoc_client_t *client = NULL;
    uint64_t start_ns = base_mono_ns();
    if (place->pool != NULL) {
        enum gleaner_status status = pool_check_out(place->pool, BASE_NO_DEADLINE, &handle);
        BASE_ASSERT(status == GLEANER_OK);
    } else {
        client = mongoc_client_pool_pop(place->driver);
    }
    double wait_us = (double)(base_mono_ns() - start_ns) / 1e3;
    hold(place->scene->hold_ns);
    if (place->pool != NULL) {
        (void)pool_check_in(place->pool, &handle, POOL_CLIENT_GOOD);
    } else {
        mongoc_client_pool_push(place->driver, client);
    }
    return wait_us;
}

static void sharer_main(void *arg)
{
    struct sharer *sharer = arg;
    int loans = (int)sharer->place->scene->loans_each;
    for (int i = -WARM_UP; i < loans; i++) {
        double wait_us = loan_us(sharer->place);
        if (i >= 0) {
            sharer->wait_us[i] = wait_us;
        }
    }
}

struct waits {
    double median[ROUNDS], p99[ROUNDS], longest[ROUNDS], spread[ROUNDS];
};

static void run_round(const struct place *place, struct waits *waits, int round)
{
    struct sharer sharers[BENCH_THREADS_MAX];
    size_t each = place->scene->loans_each, count = each * place->scene->threads;
    double *wait_us = calloc(count, sizeof(double));
    BASE_ASSERT(wait_us != NULL);
    for (uint32_t i = 0; i < place->scene->threads; i++) {
        sharers[i] = (struct sharer){.place = place, .wait_us = wait_us + i * each};
        BASE_ASSERT(sync_thread_start(&sharers[i].thread, "sharer", SYNC_PLAIN, sharer_main,
                                      &sharers[i]) == GLEANER_OK);
    }
    for (uint32_t i = 0; i < place->scene->threads; i++) {
        sync_thread_join(&sharers[i].thread);
    }
    bench_sort(wait_us, count);
    waits->median[round] = wait_us[count / 2];
    waits->p99[round] = bench_quantile(wait_us, count, 0.99);
    waits->longest[round] = wait_us[count - 1];
    waits->spread[round] = wait_us[count - 1] / wait_us[count / 2];
    free(wait_us);
}

/* The medians over the rounds; p99 to *p99, longest / median to *spread. */
static void print_waits(const char *whose, struct waits *waits, double *p99, double *spread)
{
    *p99 = bench_median(waits->p99, ROUNDS);
    *spread = bench_median(waits->spread, ROUNDS);
    printf("    %-9s p50 %7.1f us, p99 %8.1f us, longest %8.1f us = %6.1f x p50 (worst round "
           "%.1f)\n",
           whose, bench_median(waits->median, ROUNDS), *p99, bench_median(waits->longest, ROUNDS),
           *spread, waits->spread[ROUNDS - 1]);
}

static bool compare(const struct scene *scene)
{
    struct waits ours, theirs;
    struct place here = {.pool = bench_pool_open(scene->clients), .scene = scene};
    struct place there = {.driver =
                              bench_mongoc_pool("mongodb://127.0.0.1:1/", scene->clients, false),
                          .scene = scene};
    for (int round = 0; round < ROUNDS; round++) {
        run_round(&here, &ours, round);
        run_round(&there, &theirs, round);
    }
    double p99, their_p99, spread, their_spread;
    printf("%u threads on %u clients, each loan %ld us:\n", scene->threads, scene->clients,
           scene->hold_ns / 1000);
    print_waits("ours", &ours, &p99, &spread);
    print_waits("libmongoc", &theirs, &their_p99, &their_spread);
    bool met =
        (p99 <= their_p99 / 2 || !scene->has_p99_bar) && (spread <= 4 || !scene->has_spread_bar);
    printf("    p99 is %.2f of libmongoc's%s%s: %s\n", p99 / their_p99,
           scene->has_p99_bar ? " (bar 0.5)" : " (no bar)",
           scene->has_spread_bar ? ", longest by p50 (bar 4)" : "", met ? "met" : "MISSED");
    fflush(stdout);
    mongoc_client_pool_destroy(there.driver);
    bench_pool_close(&here.pool);
    return met;
}

static void quiet(mongoc_log_level_t level, const char *domain, const char *message, void *ctx)
{
    (void)level, (void)domain, (void)message, (void)ctx; /* nobody listens at port 1 */
}

int main(void)
{
    mongoc_log_set_handler(quiet, NULL);
    mongoc_init();
    bench_print_headline("fairness: waits for a client at 4x oversubscription, against pop");
    bool met = true;
    for (size_t i = 0; i < BASE_ARRAY_LEN(scenes); i++) {
        met = compare(&scenes[i]) && met;
    }
    mongoc_cleanup();
    return met ? 0 : 1;
}
