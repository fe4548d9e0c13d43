/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <sched.h>

static void count_wish(void *ctx)
{
    atomic_fetch_add_explicit((_Atomic uint32_t *)ctx, 1, memory_order_relaxed);
}

struct pool_config rig_config(uint32_t max_size)
{
    return (struct pool_config){.slot_capacity = max_size + 2,
                                .max_size = max_size,
                                .max_connecting = 2,
                                .refresh_extra = 2,
                                .random_seed = 7,
                                .address = "test:27017"};
}

void rig_open(struct rig *rig, const struct pool_config *config, bool is_virtual)
{
    *rig = (struct rig){0};
    if (is_virtual) {
        rig->clock = base_clock_virtual_create(BASE_NS_PER_S);
    }
    struct pool_hooks hooks = {.on_connect_wanted = count_wish,
                               .connect_ctx = &rig->connect_wanted,
                               .on_reap_wanted = count_wish,
                               .reap_ctx = &rig->reap_wanted};
    struct base_error error;
    cr_assert_eq(pool_create(config, &hooks, rig->clock, &rig->pool, &error), GLEANER_OK, "%s",
                 error.message);
}

uint32_t rig_connect(struct rig *rig)
{
    struct pool_connect_job job;
    uint32_t made = 0;
    while (pool_connect_begin(rig->pool, &job) == GLEANER_OK) {
        made++;
        (void)pool_connect_done(rig->pool, &job, (void *)(uintptr_t)(++rig->next_client));
    }
    return made;
}

uint32_t rig_reap(struct rig *rig)
{
    struct pool_reap_job job;
    uint32_t reaped = 0;
    while (pool_reap_begin(rig->pool, &job) == GLEANER_OK) {
        reaped++;
        pool_reap_done(rig->pool, &job);
    }
    return reaped;
}

void rig_close(struct rig *rig)
{
    pool_close(rig->pool);
    (void)rig_reap(rig);
    pool_destroy(&rig->pool);
    cr_assert_null(rig->pool);
    if (rig->clock != NULL) {
        base_clock_destroy(&rig->clock);
    }
}

struct pool_stats rig_stats(struct rig *rig)
{
    struct pool_stats stats;
    pool_read_stats(rig->pool, base_clock_now_ns(rig->pool->clock), &stats);
    return stats;
}

void rig_open_filled(struct rig *rig, uint32_t count, bool is_virtual)
{
    struct pool_config config = rig_config(count);
    config.min_size = count;
    rig_open(rig, &config, is_virtual);
    pool_ready(rig->pool);
    cr_assert_eq(rig_connect(rig), count);
}

struct pool_handle rig_take(struct rig *rig)
{
    struct pool_handle handle;
    cr_assert_eq(pool_check_out(rig->pool, 0, &handle), GLEANER_OK);
    return handle;
}

void rig_give(struct rig *rig, const struct pool_handle *handle)
{
    cr_assert_eq(pool_check_in(rig->pool, handle, POOL_CLIENT_GOOD), GLEANER_OK);
}

static void wait_once(void *arg)
{
    struct rig_waiter *waiter = arg;
    waiter->status = pool_check_out(waiter->rig->pool, waiter->deadline_ns, &waiter->handle);
    atomic_store_explicit(&waiter->is_done, true, memory_order_release);
}

void rig_wait_start(struct rig *rig, struct rig_waiter *waiter, uint64_t deadline_ns,
                    uint32_t position)
{
    *waiter = (struct rig_waiter){.rig = rig, .deadline_ns = deadline_ns};
    cr_assert_eq(sync_thread_start(&waiter->thread, "waiter", SYNC_PLAIN, wait_once, waiter),
                 GLEANER_OK);
    while (pool_waiting(rig->pool) < position) { /* it stands in line: nothing is timed here */
        sched_yield();
    }
}

enum gleaner_status rig_wait_end(struct rig_waiter *waiter)
{
    sync_thread_join(&waiter->thread);
    return waiter->status;
}
