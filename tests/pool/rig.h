/* SPDX-License-Identifier: Apache-2.0 */
/* A pool with one-line helpers: the test thread is connector and reaper itself. */
#ifndef POOL_RIG_H
#define POOL_RIG_H

#include "pool_internal.h"

#include <criterion/criterion.h>

struct rig {
    struct pool *pool;
    struct base_clock *clock; /* virtual, or NULL */
    _Atomic uint32_t connect_wanted;
    _Atomic uint32_t reap_wanted;
    uint64_t next_client;
};

struct pool_config rig_config(uint32_t max_size);
void rig_open(struct rig *rig, const struct pool_config *config, bool is_virtual);
/* Close, reap everything, destroy. Nothing may be checked out. */
void rig_close(struct rig *rig);
/* Make every connection that limits and demand allow now; returns how many. */
uint32_t rig_connect(struct rig *rig);
uint32_t rig_reap(struct rig *rig);
struct pool_stats rig_stats(struct rig *rig);
/* A ready pool with `count` idle clients. */
void rig_open_filled(struct rig *rig, uint32_t count, bool is_virtual);
struct pool_handle rig_take(struct rig *rig);
void rig_give(struct rig *rig, const struct pool_handle *handle);

/* A thread that checks out once, notes how it went, and gives nothing back. */
struct rig_waiter {
    struct rig *rig;
    uint64_t deadline_ns;
    struct sync_thread *thread;
    struct pool_handle handle;
    enum gleaner_status status;
    _Atomic bool is_done;
};
/* Start it and return when it stands in line as number `position` (1 = first). */
void rig_wait_start(struct rig *rig, struct rig_waiter *waiter, uint64_t deadline_ns,
                    uint32_t position);
enum gleaner_status rig_wait_end(struct rig_waiter *waiter);

#endif
