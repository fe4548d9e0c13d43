/* SPDX-License-Identifier: Apache-2.0 */
/* How long does a thread wait when 4 threads share 1 client (or 64 share 16)? Each holds it for
 * 200 us asleep, as in a database call. Fair service means: the longest wait is near the median. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LOANS_EACH = 300, THREADS_MAX = 64 };
#define HOLD_NS 200000L

struct sharer {
    struct pool *pool;
    uint64_t loans;
    double *wait_us; /* `loans` of them */
    struct sync_thread *thread;
};

static void hold(void)
{
    struct timespec duration = {.tv_nsec = HOLD_NS};
    (void)nanosleep(&duration, NULL);
}

static void sharer_main(void *arg)
{
    struct sharer *sharer = arg;
    for (uint64_t i = 0; i < sharer->loans; i++) {
        struct pool_handle handle;
        uint64_t start_ns = base_mono_ns();
        enum gleaner_status status = pool_check_out(sharer->pool, BASE_NO_DEADLINE, &handle);
        BASE_ASSERT(status == GLEANER_OK);
        sharer->wait_us[i] = (double)(base_mono_ns() - start_ns) / 1e3;
        hold();
        (void)pool_check_in(sharer->pool, &handle, POOL_CLIENT_GOOD);
    }
}

static void share(uint32_t threads, uint32_t clients)
{
    struct sharer sharers[THREADS_MAX];
    uint64_t loans = LOANS_EACH, count = loans * threads;
    double *wait_us = calloc(count, sizeof(double));
    struct pool *pool = bench_pool_open(clients);
    BASE_ASSERT(wait_us != NULL);
    for (uint32_t i = 0; i < threads; i++) {
        sharers[i] = (struct sharer){.pool = pool, .loans = loans, .wait_us = wait_us + i * loans};
        BASE_ASSERT(sync_thread_start(&sharers[i].thread, "sharer", SYNC_PLAIN, sharer_main,
                                      &sharers[i]) == GLEANER_OK);
    }
    for (uint32_t i = 0; i < threads; i++) {
        sync_thread_join(&sharers[i].thread);
    }
    qsort(wait_us, count, sizeof(double), bench_compare_doubles);
    double median = wait_us[count / 2], longest = wait_us[count - 1];
    printf("%2u threads on %2u clients: wait p50 %.1f us, p99 %.1f us, longest %.1f us (%.1f x the "
           "median)\n",
           threads, clients, median, wait_us[count * 99 / 100], longest, longest / median);
    free(wait_us);
    bench_pool_close(&pool);
}

void bench_waits(void)
{
    printf("\nwaits, each loan sleeps %ld us:\n", HOLD_NS / 1000);
    share(4, 1);
    share(64, 16);
}
