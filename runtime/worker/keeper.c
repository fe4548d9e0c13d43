/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper prolongs leases, of jobs and of hosts. A thread of its own, because all workers may be
 * inside modules for longer than a lease lasts, and because a store that answers late must not stop
 * a page. */
#include "worker_internal.h"

enum { CHECKS_PER_LEASE = 6 };

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void keeper_run(void *arg)
{
    struct worker_group *group = arg;
    bool has_shares = group->options.shares != NULL;
    uint64_t pause_ns = queue_lease_ms(group->options.queue) * BASE_NS_PER_MS / CHECKS_PER_LEASE;
    uint64_t renew_ns = base_mono_ns() + pause_ns;
    uint64_t share_ns = has_shares ? 0 : UINT64_MAX;

    sync_mutex_lock(group->wait_lock);
    while (!group->keeper_may_leave) {
        if (sync_cond_wait(group->changed, group->wait_lock, earlier(renew_ns, share_ns))) {
            continue;
        }
        sync_mutex_unlock(group->wait_lock);
        if (base_mono_ns() >= renew_ns) {
            held_renew(group, base_mono_ns());
            renew_ns = base_mono_ns() + pause_ns;
        }
        if (base_mono_ns() >= share_ns) {
            share_ns = earlier(shares_keep(group), base_mono_ns() + pause_ns);
        }
        sync_mutex_lock(group->wait_lock);
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
