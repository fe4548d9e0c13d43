/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_internal.h"

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Until when to wait for a page: the next claim, the batch's age, a settle to repeat, the stop. */
static uint64_t wait_until(const struct worker *worker, uint64_t supply_ns)
{
    const struct worker_group *group = worker->group;
    uint64_t until = supply_ns;
    if (worker->batch.count > 0) {
        uint64_t due = worker->batch.oldest_ns + group->options.batch_ms * BASE_NS_PER_MS;
        until = earlier(until, due > worker->settle_retry_ns ? due : worker->settle_retry_ns);
    }
    uint64_t stop_ns = atomic_load_explicit(&group->stop_ns, memory_order_acquire);
    return stop_ns != 0 ? earlier(until, stop_ns) : until;
}

/* Stopping: every page that the engine still owes is awaited until the deadline; done: it owes
 * none. */
static bool may_leave(const struct worker *worker, uint64_t now_ns)
{
    const struct worker_group *group = worker->group;
    uint64_t stop_ns = atomic_load_explicit(&group->stop_ns, memory_order_acquire);
    bool engine_is_dry = atomic_load_explicit(&group->in_engine, memory_order_relaxed) == 0;
    bool past_deadline = stop_ns != 0 && now_ns >= stop_ns;

    if (!group_is_stopping(group)) {
        return false;
    }
    if (atomic_load_explicit(&group->has_given_up, memory_order_relaxed) || past_deadline) {
        return true;
    }
    return engine_is_dry && worker->batch.count == 0;
}

void worker_run(void *arg)
{
    struct worker *worker = arg;
    struct worker_group *group = worker->group;

    for (;;) {
        uint64_t now_ns = base_mono_ns();
        uint64_t supply_ns = supply_fetchers(worker, now_ns);
        if (batch_is_due(worker, now_ns)) {
            batch_settle(worker);
            now_ns = base_mono_ns();
            supply_ns = now_ns; /* new links may be claimable at once */
        }
        if (may_leave(worker, now_ns)) {
            break;
        }
        struct fetch_result *result = NULL;
        uint64_t until = supply_ns <= now_ns ? now_ns : wait_until(worker, supply_ns);
        enum gleaner_status status = fetch_next(group->options.fetch, until, &result);
        if (status == GLEANER_OK) {
            page_process(worker, result);
            atomic_fetch_sub_explicit(&group->in_engine, 1, memory_order_relaxed);
            fetch_result_free(&result);
        } else if (status == GLEANER_E_CLOSED) {
            break;
        }
    }
    batch_settle(worker);
}
