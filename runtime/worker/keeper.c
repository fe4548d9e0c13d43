/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper prolongs leases. A thread of its own, because all workers may be inside modules for
 * longer than a lease lasts, and because a store that answers late must not stop a page. */
#include "worker_internal.h"

enum { CHECKS_PER_LEASE = 6 };

static void keeper_run(void *arg)
{
    struct worker_group *group = arg;
    uint64_t pause_ns = queue_lease_ms(group->options.queue) * BASE_NS_PER_MS / CHECKS_PER_LEASE;
    uint64_t next_ns = base_mono_ns() + pause_ns;

    sync_mutex_lock(group->wait_lock);
    while (!group->keeper_may_leave) {
        if (!sync_cond_wait(group->changed, group->wait_lock, next_ns)) {
            sync_mutex_unlock(group->wait_lock);
            held_renew(group, base_mono_ns());
            next_ns = base_mono_ns() + pause_ns;
            sync_mutex_lock(group->wait_lock);
        }
    }
    sync_mutex_unlock(group->wait_lock);
}

enum gleaner_status keeper_start(struct worker_group *group)
{
    return sync_thread_start(&group->keeper, "keeper", SYNC_READER, keeper_run, group);
}

void keeper_join(struct worker_group *group)
{
    if (group->keeper == NULL) {
        return;
    }
    sync_mutex_lock(group->wait_lock);
    group->keeper_may_leave = true;
    sync_cond_broadcast(group->changed);
    sync_mutex_unlock(group->wait_lock);
    sync_thread_join(&group->keeper);
}
