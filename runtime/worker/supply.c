/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping the fetchers supplied: claim jobs under leases, submit them, know when all is done. */
#include "worker_internal.h"

enum {
    IDLE_POLL_MS = 600,   /* an idle process makes fewer than 2 store operations a second */
    CRAWL_POLL_MS = 2000, /* nobody else fills the frontier of a crawl: only its own delays count */
    SHARED_POLL_MS = 250, /* other processes find links of our hosts, we of theirs */
    PARTIAL_POLL_MS = 20, /* a claim gave less than asked: a store may have had to share */
    FIRST_POLL_MS = 1
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
    for (uint32_t i = 0; i < group->options.threads; i++) {
        fetch_nudge(group->options.fetch);
    }
}

/* With a page limit: never more on lease than pages that may still come. A page that is done and
 * not settled counts twice for a moment; held is read first, so that none is missed between. */
static uint32_t room_for(const struct worker_group *group, uint32_t wanted)
{
    const uint64_t max_pages = group_max_pages(group);
    if (max_pages == 0) {
        return wanted;
    }
    uint64_t held = held_count(&group->held); /* acquire, before the pages */
    uint64_t spoken_for = held + group->options.pages_before + base_counter_get(&group->pages) +
                          base_counter_get(&group->unchanged);
    uint64_t left = spoken_for < max_pages ? max_pages - spoken_for : 0;
    return left < wanted ? (uint32_t)left : wanted;
}

/* Many in a row make a batch: its links must not pile up. */
static void leave(struct worker *worker, struct held_job *held)
{
    if (batch_is_large(worker) && !batch_settle(worker)) {
        page_release(worker, held);
        return;
    }
    page_leave(worker, held);
}

static void submit(struct worker *worker, size_t index, uint64_t now_ns)
{
    struct worker_group *group = worker->group;
    const struct store_job *job = &worker->claimed.jobs[index];
    uint32_t crashes = suspects_crashes(group->suspects, job);
    struct held_job *held = held_add(&group->held, job, now_ns);
    if (held == NULL) {
        return; /* no memory: its lease runs out and it is claimed again */
    }
    if (crashes > 0 && crashes >= queue_max_deliveries(group->options.queue)) {
        page_bury(worker, held, crashes);
        return;
    }
    struct fetch_request request = {
        .url = held->job.url,
        .user = held,
        .follow_redirects = !group->options.is_crawl || sitemap_is_one(job),
        .ignore_robots = sitemap_is_one(job) && sitemap_is_robots(job->url),
    };
    if (revisit_choose(worker, index, &request) == REVISIT_LEAVE) {
        leave(worker, held);
        return;
    }
    held->is_conditional = request.etag != NULL || request.last_modified != NULL;
    atomic_fetch_add_explicit(&group->in_engine, 1, memory_order_relaxed);
    if (fetch_submit(group->options.fetch, &request) != GLEANER_OK) {
        atomic_fetch_sub_explicit(&group->in_engine, 1, memory_order_relaxed);
        page_release(worker, held); /* stopping, or no memory */
    }
}

static uint64_t claim_failed(struct worker_group *group, enum gleaner_status status,
                             struct base_error *error)
{
    error->status = status;
    trouble_note(group, &group->claiming, "claim", error);
    return group->claiming.retry_ns;
}

/* Nothing is due and nothing is held: either all is done, or jobs wait for their time. Whoever
 * settles something calls supply_at(), so this poll is for time and other processes alone. */
static uint64_t nothing_due(struct worker_group *group, uint64_t now_ns)
{
    struct store_counts counts;
    struct base_error error = {0};

    if (held_count(&group->held) > 0 || !group->options.is_crawl) {
        return now_ns + IDLE_POLL_MS * BASE_NS_PER_MS;
    }
    enum gleaner_status status = store_count(queue_store(group->options.queue), &counts, &error);
    if (status != GLEANER_OK) {
        return claim_failed(group, status, &error);
    }
    bool at_limit = group_max_pages(group) > 0 && room_for(group, 1) == 0;
    if (at_limit || counts.ready + counts.waiting + counts.leased == 0) {
        group_finish(group);
    }
    if (group->options.shares != NULL) {
        return now_ns + SHARED_POLL_MS * BASE_NS_PER_MS;
    }
    if (counts.ready > 0) {
        return now_ns + PARTIAL_POLL_MS * BASE_NS_PER_MS; /* became due since the claim */
    }
    uint64_t due_ms = counts.next_due_ms < CRAWL_POLL_MS ? counts.next_due_ms : CRAWL_POLL_MS;
    return now_ns + (due_ms > FIRST_POLL_MS ? due_ms : FIRST_POLL_MS) * BASE_NS_PER_MS;
}

/* Claim, and tell the fetchers of the hosts before they get their first request. */
static enum gleaner_status claim(struct worker *worker, uint32_t asked, struct base_error *error)
{
    struct worker_group *group = worker->group;
    bool shares[STORE_SHARES];
    bool is_shared = group->options.shares != NULL;
    if (is_shared && !shares_choose(group->options.shares, shares)) {
        store_jobs_reset(&worker->claimed);
        return GLEANER_OK;
    }
    enum gleaner_status status = queue_claim(group->options.queue, asked, is_shared ? shares : NULL,
                                             &worker->claimed, error);
    return status == GLEANER_OK ? hosts_recall(worker, error) : status;
}

/* Their hosts are not known: nothing may be asked of them. */
static void hand_back_claimed(struct worker *worker, uint64_t now_ns)
{
    for (size_t i = 0; i < worker->claimed.count; i++) {
        struct held_job *held = held_add(&worker->group->held, &worker->claimed.jobs[i], now_ns);
        if (held != NULL) {
            page_release(worker, held);
        }
    }
}

static uint64_t claim_and_submit(struct worker *worker, uint32_t wanted, uint64_t now_ns)
{
    struct worker_group *group = worker->group;
    struct base_error error = {0};
    uint32_t asked = room_for(group, wanted);

    if (asked == 0) {
        return nothing_due(group, now_ns);
    }
    enum gleaner_status status = claim(worker, asked, &error);
    if (status != GLEANER_OK) {
        hand_back_claimed(worker, now_ns);
        return claim_failed(group, status, &error);
    }
    trouble_over(&group->claiming, "claim");
    revisit_look(worker);
    for (size_t i = 0; i < worker->claimed.count; i++) {
        submit(worker, i, now_ns);
    }
    atomic_store_explicit(&group->is_hungry, worker->claimed.count < asked, memory_order_relaxed);
    if (worker->claimed.count == 0) {
        return nothing_due(group, now_ns);
    }
    uint64_t poll_ms = group->options.shares != NULL ? SHARED_POLL_MS : PARTIAL_POLL_MS;
    return worker->claimed.count < asked ? now_ns + poll_ms * BASE_NS_PER_MS : now_ns;
}

void supply_at(struct worker_group *group, uint64_t when_ns)
{
    sync_mutex_lock(group->supply_lock);
    if (when_ns < group->next_claim_ns) {
        group->next_claim_ns = when_ns;
    }
    if (when_ns < group->wanted_ns) {
        group->wanted_ns = when_ns;
    }
    sync_mutex_unlock(group->supply_lock);
}

/* Take the supply over if there is something to do and nobody else does it. */
static bool take_supply(struct worker_group *group, uint64_t now_ns, uint32_t load,
                        uint64_t *next_ns)
{
    bool is_wanted = load <= group_live_value(&group->live.prefetch) / 2 &&
                     !group_is_stopping(group) &&
                     atomic_load_explicit(&group->failing, memory_order_relaxed) == 0;
    *next_ns = now_ns + IDLE_POLL_MS * BASE_NS_PER_MS;
    if (!is_wanted) {
        return false;
    }
    sync_mutex_lock(group->supply_lock);
    bool is_mine = !group->is_supplying && now_ns >= group->next_claim_ns;
    if (is_mine) {
        group->is_supplying = true;
        group->wanted_ns = UINT64_MAX;
    } else if (!group->is_supplying && group->next_claim_ns < *next_ns) {
        *next_ns = group->next_claim_ns;
    }
    sync_mutex_unlock(group->supply_lock);
    return is_mine;
}

static uint64_t give_supply(struct worker_group *group, uint64_t next_ns)
{
    sync_mutex_lock(group->supply_lock);
    group->is_supplying = false;
    group->next_claim_ns = next_ns < group->wanted_ns ? next_ns : group->wanted_ns;
    next_ns = group->next_claim_ns;
    sync_mutex_unlock(group->supply_lock);
    return next_ns;
}

uint64_t supply_fetchers(struct worker *worker, uint64_t now_ns)
{
    struct worker_group *group = worker->group;
    uint32_t prefetch = group_live_value(&group->live.prefetch);
    uint32_t load = atomic_load_explicit(&group->in_engine, memory_order_relaxed);
    uint64_t next_ns;

    if (!take_supply(group, now_ns, load, &next_ns)) {
        return next_ns;
    }
    uint64_t again_ns = give_supply(group, claim_and_submit(worker, prefetch - load, now_ns));
    load = atomic_load_explicit(&group->in_engine, memory_order_relaxed);
    return load <= prefetch / 2 ? again_ns : now_ns + IDLE_POLL_MS * BASE_NS_PER_MS;
}
