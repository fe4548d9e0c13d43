/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_POOL_H
#define BENCH_POOL_H

#include "pool.h"

/* A ready pool of real clock, no events, with `clients` idle clients (plain pointers). For benches
 * of the pool alone: they name `pool` among what they use. */
static inline struct pool *bench_pool_open(uint32_t clients)
{
    struct pool_config config = {.slot_capacity = clients,
                                 .max_size = clients,
                                 .min_size = clients,
                                 .max_connecting = 2,
                                 .max_idle_ms = 60000};
    struct pool *pool = NULL;
    struct base_error error;
    BASE_ASSERT(pool_create(&config, NULL, base_clock_real(), &pool, &error) == GLEANER_OK);
    pool_ready(pool);
    struct pool_connect_job job;
    while (pool_connect_begin(pool, &job) == GLEANER_OK) {
        BASE_ASSERT(pool_connect_done(pool, &job, pool) == GLEANER_OK);
    }
    return pool;
}

static inline void bench_pool_close(struct pool **pool)
{
    struct pool_reap_job job;
    pool_close(*pool);
    while (pool_reap_begin(*pool, &job) == GLEANER_OK) {
        pool_reap_done(*pool, &job);
    }
    pool_destroy(pool);
}

#endif
