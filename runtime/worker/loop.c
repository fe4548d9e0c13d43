/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_internal.h"

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Until when to wait for a page: the next claim, the batch's age, a settle to repeat, the stop. */
static uint64_t wait_until(const struct worker *worker, uint64_t supply_ns)
{
    uint64_t until = earlier(supply_ns, batch_due_ns(worker));
    uint64_t stop_ns = atomic_load_explicit(&worker->group->stop_ns, memory_order_acquire);
    return stop_ns != 0 ? earlier(until, stop_ns) : until;
}

/* Stopping: every page that the engine still owes is awaited, and a settle that fails is repeated,
 * until the deadline; done: neither is left. */
static bool may_leave(const struct worker *worker, bool is_engine_closed, uint64_t now_ns)
{
    const struct worker_group *group = worker->group;
    if (!group_is_stopping(group)) {
        return false;
    }
    uint64_t stop_ns = atomic_load_explicit(&group->stop_ns, memory_order_acquire);
    bool past_deadline = stop_ns != 0 && now_ns >= stop_ns;
    if (past_deadline || atomic_load_explicit(&group->has_given_up, memory_order_relaxed)) {
        return true;
    }
    bool engine_is_dry =
        is_engine_closed || atomic_load_explicit(&group->in_engine, memory_order_relaxed) == 0;
    return engine_is_dry && worker->batch.count == 0;
}

/* Nothing may or can be taken from the engine: sleep until the batch is tried again or the group's
 * state changes. The time is chosen under the lock, so that a stop is not slept through. */
static void rest(const struct worker *worker, uint64_t supply_ns)
{
    struct worker_group *group = worker->group;
    sync_mutex_lock(group->wait_lock);
    sync_cond_wait(group->changed, group->wait_lock, wait_until(worker, supply_ns));
    sync_mutex_unlock(group->wait_lock);
}

/* True when the engine will give no more. */
static bool take_page(struct worker *worker, uint64_t until_ns)
{
    struct worker_group *group = worker->group;
    struct fetch_result *result = NULL;
    enum gleaner_status status = fetch_next(group->options.fetch, until_ns, &result);
    if (status == GLEANER_OK) {
        page_process(worker, result);
        atomic_fetch_sub_explicit(&group->in_engine, 1, memory_order_relaxed);
        fetch_result_free(&result);
    }
    return status == GLEANER_E_CLOSED;
}

void worker_run(void *arg)
{
    struct worker *worker = arg;
    bool is_engine_closed = false;

    for (;;) {
        uint64_t now_ns = base_mono_ns();
        if (batch_is_due(worker, now_ns)) {
            batch_settle(worker);
            now_ns = base_mono_ns();
        }
        uint64_t supply_ns = supply_fetchers(worker, now_ns);
        if (may_leave(worker, is_engine_closed, now_ns)) {
            break;
        }
        if (is_engine_closed || batch_is_full(worker)) {
            rest(worker, supply_ns);
        } else {
            is_engine_closed = take_page(worker, wait_until(worker, supply_ns));
        }
    }
    if (worker->settling.since_ns == 0) {
        batch_settle(worker); /* what fails already is handed back by the join */
    }
}
