/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping the fetchers supplied: claim jobs under leases, submit them, know when all is done. */
#include "worker_internal.h"

enum {
    IDLE_POLL_MS = 500, /* an idle process makes at most 2 store operations a second */
    BUSY_POLL_MS = 5,   /* the frontier is dry, but pages in work may fill it */
    ERROR_POLL_MS = 250
};

bool group_is_stopping(const struct worker_group *group)
{
    return atomic_load_explicit(&group->stop_ns, memory_order_acquire) != 0 ||
           atomic_load_explicit(&group->is_done, memory_order_acquire);
}

void group_finish(struct worker_group *group)
{
    atomic_store_explicit(&group->is_done, true, memory_order_release);
    sync_mutex_lock(group->wait_lock);
    sync_cond_broadcast(group->changed);
    sync_mutex_unlock(group->wait_lock);
    for (uint32_t i = 0; i < group->started; i++) {
        fetch_nudge(group->options.fetch);
    }
}

/* With a page limit: never more on lease than pages that may still come. */
static uint32_t room_for(const struct worker_group *group, uint32_t wanted)
{
    if (group->options.max_pages == 0) {
        return wanted;
    }
    uint64_t spoken_for = base_counter_get(&group->pages) + held_count(&group->held);
    uint64_t left =
        spoken_for < group->options.max_pages ? group->options.max_pages - spoken_for : 0;
    return left < wanted ? (uint32_t)left : wanted;
}

static bool submit(struct worker_group *group, const struct store_job *job, uint64_t now_ns)
{
    struct held_job *held = held_add(&group->held, job, now_ns);
    if (held == NULL) {
        return false; /* its lease runs out and it is claimed again */
    }
    struct fetch_request request = {
        .url = held->job.url,
        .user = held,
        .follow_redirects = !group->options.is_crawl,
    };
    atomic_fetch_add_explicit(&group->in_engine, 1, memory_order_relaxed);
    if (fetch_submit(group->options.fetch, &request) != GLEANER_OK) {
        atomic_fetch_sub_explicit(&group->in_engine, 1, memory_order_relaxed);
        held_remove(&group->held, held);
        return false;
    }
    return true;
}

/* Nothing is due and nothing is held: either all is done, or jobs wait for their time. */
static uint64_t nothing_due(struct worker_group *group, uint64_t now_ns)
{
    struct store_counts counts;
    struct base_error error;

    if (held_count(&group->held) > 0) {
        return now_ns + BUSY_POLL_MS * BASE_NS_PER_MS;
    }
    if (!group->options.is_crawl ||
        store_count(queue_store(group->options.queue), &counts, &error) != GLEANER_OK) {
        return now_ns + IDLE_POLL_MS * BASE_NS_PER_MS;
    }
    bool at_limit = group->options.max_pages > 0 && room_for(group, 1) == 0;
    if (at_limit || counts.ready + counts.waiting + counts.leased == 0) {
        group_finish(group);
    }
    uint64_t due_ms = counts.next_due_ms < IDLE_POLL_MS ? counts.next_due_ms : IDLE_POLL_MS;
    return now_ns + (due_ms > BUSY_POLL_MS ? due_ms : BUSY_POLL_MS) * BASE_NS_PER_MS;
}

static uint64_t claim_and_submit(struct worker *worker, uint32_t wanted, uint64_t now_ns)
{
    struct worker_group *group = worker->group;
    struct base_error error;
    uint32_t asked = room_for(group, wanted);

    if (asked == 0) {
        return nothing_due(group, now_ns);
    }
    enum gleaner_status status = queue_claim(group->options.queue, asked, &worker->claimed, &error);
    if (status != GLEANER_OK) {
        base_log_debug("worker", "claim=failed status=%s error=\"%s\"", gleaner_status_name(status),
                       error.message);
        return now_ns + ERROR_POLL_MS * BASE_NS_PER_MS;
    }
    for (size_t i = 0; i < worker->claimed.count; i++) {
        submit(group, &worker->claimed.jobs[i], now_ns);
    }
    atomic_store_explicit(&group->is_hungry, worker->claimed.count < asked, memory_order_relaxed);
    return worker->claimed.count == 0 ? nothing_due(group, now_ns) : now_ns;
}

void supply_is_there(struct worker_group *group)
{
    sync_mutex_lock(group->supply_lock);
    group->next_claim_ns = 0;
    sync_mutex_unlock(group->supply_lock);
    atomic_store_explicit(&group->is_hungry, false, memory_order_relaxed);
}

uint64_t supply_fetchers(struct worker *worker, uint64_t now_ns)
{
    struct worker_group *group = worker->group;
    uint32_t prefetch = group->options.prefetch;

    sync_mutex_lock(group->supply_lock);
    if (now_ns >= group->next_renew_ns) {
        held_renew(group, now_ns);
        group->next_renew_ns = now_ns + queue_lease_ms(group->options.queue) * BASE_NS_PER_MS / 6;
    }
    uint32_t load = atomic_load_explicit(&group->in_engine, memory_order_relaxed);
    if (!group_is_stopping(group) && load <= prefetch / 2 && now_ns >= group->next_claim_ns) {
        group->next_claim_ns = claim_and_submit(worker, prefetch - load, now_ns);
    }
    uint64_t next_ns =
        load <= prefetch / 2 ? group->next_claim_ns : now_ns + IDLE_POLL_MS * BASE_NS_PER_MS;
    sync_mutex_unlock(group->supply_lock);
    return next_ns > now_ns ? next_ns : now_ns + BASE_NS_PER_MS;
}
