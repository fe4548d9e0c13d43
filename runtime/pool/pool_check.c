/* SPDX-License-Identifier: Apache-2.0 */
/* Check out and check in: the fast path first (pool_fast.h), then everything it leaves to the slow
 * one. */
#include "pool_fast.h"

/* ---- check out
 * ------------------------------------------------------------------------------------ */

/* A claimed slot becomes this thread's, unless the gate has shut it out meanwhile (H2). */
static bool take_claimed(struct pool *pool, struct pool_slot *slot, struct pool_handle *out)
{
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire); /* ours */
    if (!gate_is_open(gate) || !gate_admits(gate, word)) {
        pool_retire(pool, slot, gate & GATE_CLOSED ? POOL_REASON_POOL_CLOSED : POOL_REASON_STALE);
        return false;
    }
    if (pool->is_timed) {
        atomic_store_explicit(&slot->since_ns, pool_now(pool), memory_order_relaxed);
    }
    pool_begin_loan(pool, slot, pool_slot_index(pool, slot), word, out);
    atomic_store_explicit(&slot->word, slot_word_as(word, SLOT_BUSY), memory_order_release);
    return true;
}

static uint64_t bounded_deadline(const struct pool *pool, uint64_t deadline_ns)
{
    uint64_t limit_ms = atomic_load_explicit(&pool->wait_queue_timeout_ms, memory_order_relaxed);
    if (limit_ms == 0) {
        return deadline_ns;
    }
    uint64_t limit_ns = base_mono_ns() + limit_ms * BASE_NS_PER_MS;
    return limit_ns < deadline_ns ? limit_ns : deadline_ns;
}

/* Without waiting: only when nobody else waits. */
static bool take_idle(struct pool *pool, struct pool_handle *out)
{
    if (!queue_is_empty(atomic_load_explicit(&pool->queue, memory_order_seq_cst))) {
        return false;
    }
    struct pool_slot *slot = pool_claim_idle(pool);
    return slot != NULL && take_claimed(pool, slot, out);
}

/* Cleared or closed between the grant and the waking: answered as those still in line were, for a
 * second try would start at the end of it. */
static enum gleaner_status cleared_meanwhile(const struct pool *pool)
{
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
    return gate & GATE_CLOSED ? GLEANER_E_CLOSED : GLEANER_E_DOWN;
}

static enum gleaner_status acquire(struct pool *pool, uint64_t deadline_ns, struct pool_handle *out)
{
    uint64_t limit_ns = 0;
    for (;;) { /* repeats when the line was full */
        enum gleaner_status refusal =
            pool_gate_refusal(atomic_load_explicit(&pool->gate, memory_order_seq_cst));
        if (refusal != GLEANER_OK) {
            return refusal;
        }
        if (take_idle(pool, out)) {
            return GLEANER_OK;
        }
        if (deadline_ns == 0) {
            return GLEANER_E_BUSY;
        }
        if (limit_ns == 0) {
            limit_ns = bounded_deadline(pool, deadline_ns);
            base_counter_add(&pool->waits, 1);
        }
        struct pool_slot *slot = NULL;
        enum gleaner_status status = pool_wait_in_line(pool, limit_ns, &slot);
        if (status == GLEANER_OK) {
            return take_claimed(pool, slot, out) ? GLEANER_OK : cleared_meanwhile(pool);
        }
        if (status != GLEANER_E_BUSY) {
            return status;
        }
    }
}

static enum pool_event_reason reason_of(enum gleaner_status status)
{
    switch (status) {
    case GLEANER_E_CLOSED:
        return POOL_REASON_POOL_CLOSED;
    case GLEANER_E_TIMEOUT:
    case GLEANER_E_BUSY:
        return POOL_REASON_TIMEOUT;
    default:
        return POOL_REASON_CONNECTION_ERROR;
    }
}

/* With events and exact times, waiting, refusals, a new thread, a slot that somebody else has. */
static __attribute__((noinline)) enum gleaner_status
check_out_slow(struct pool *pool, uint64_t deadline_ns, struct pool_handle *out)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    if (sync_in_forked_child()) {
        return GLEANER_E_CLOSED;
    }
    if (pool_self.id == 0) {
        pool_self.id = sync_thread_id();
    }
    if (pool_self.hint[pool->hint] == 0) { /* threads start at different slots */
        pool_self.hint[pool->hint] = sync_thread_index() % pool->slot_capacity + 1;
        pool_self.keep[pool->hint] = pool_keep_first(pool);
    }
    uint64_t started_ns = pool->is_timed ? pool_now(pool) : 0;
    pool_emit(pool, &(struct pool_event){.type = POOL_EV_CHECK_OUT_STARTED});
    enum gleaner_status status = acquire(pool, deadline_ns, out);
    if (status == GLEANER_E_TIMEOUT) {
        base_counter_add(&pool->timeouts, 1);
    }
    struct pool_event event = {.type = POOL_EV_CHECK_OUT_FAILED, .reason = reason_of(status)};
    if (status == GLEANER_OK) {
        event = (struct pool_event){.type = POOL_EV_CHECKED_OUT,
                                    .connection_id = out->connection_id,
                                    .generation = out->generation};
    }
    event.duration_ns = pool->is_timed ? pool_now(pool) - started_ns : 0;
    pool_emit(pool, &event);
    return status;
}

enum gleaner_status pool_check_out(struct pool *pool, uint64_t deadline_ns, struct pool_handle *out)
{
    struct pool_keep *keep = pool_keep_here(pool);
    if (keep != NULL && !pool_keep_is_out(keep)) {
        if (pool_keep_take(pool, keep)) {
            pool_keep_describe(keep, out);
            return GLEANER_OK;
        }
        (void)pool_keep_settle(pool, keep);
    }
    if (pool_take_hinted(pool, out)) {
        return GLEANER_OK;
    }
    return check_out_slow(pool, deadline_ns, out);
}

/* ---- check in
 * ------------------------------------------------------------------------------------- */

/* Claimed: from here on this ticket is void, a second return fails (H10). */
static bool claim_loan(struct pool *pool, struct pool_slot *slot, const struct pool_handle *handle)
{
    uint64_t busy = pool_busy_word(handle);
    /* acq_rel: we may write the slot now */
    return atomic_compare_exchange_strong_explicit(&slot->word, &busy,
                                                   slot_word_next(busy, SLOT_CLAIMED),
                                                   memory_order_acq_rel, memory_order_relaxed) ||
           pool_keep_claim_loan(pool, slot, handle);
}

static __attribute__((noinline)) enum gleaner_status
check_in_slow(struct pool *pool, const struct pool_handle *handle, enum pool_verdict verdict)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    struct pool_slot *slot = pool_slot_of(pool, handle);
    if (sync_in_forked_child() || slot == NULL || !claim_loan(pool, slot, handle)) {
        base_counter_add(&pool->stale_returns, 1);
        return GLEANER_E_STALE;
    }
    atomic_store_explicit(&slot->note, NULL, memory_order_relaxed);
    pool_emit(pool, &(struct pool_event){.type = POOL_EV_CHECKED_IN,
                                         .connection_id = handle->connection_id,
                                         .generation = handle->generation});
    if (verdict == POOL_CLIENT_BROKEN) {
        pool_retire(pool, slot, POOL_REASON_ERROR);
        pool_refresh_settle(pool);
    } else {
        pool_offer(pool, slot);
    }
    return GLEANER_OK;
}

enum gleaner_status pool_check_in(struct pool *pool, const struct pool_handle *handle,
                                  enum pool_verdict verdict)
{
    struct pool_keep *keep = pool_keep_here(pool);
    if (verdict == POOL_CLIENT_GOOD && keep != NULL &&
        pool_keep_holds(keep, handle->slot, handle->loan)) {
        if (pool_keep_return(keep)) {
            return GLEANER_OK;
        }
        return pool_keep_settle(pool, keep);
    }
    if (verdict == POOL_CLIENT_GOOD &&
        pool_return_idle(pool, handle->slot, handle->generation, handle->loan)) {
        return GLEANER_OK;
    }
    return check_in_slow(pool, handle, verdict);
}

void pool_note(struct pool *pool, const struct pool_handle *handle, const char *what)
{
    struct pool_slot *slot = pool_slot_of(pool, handle);
    (void)pool_keep_end(pool, handle); /* check in has to look at the note, then */
    /* relaxed: only the holder may call this, and only reports read it */
    if (slot != NULL &&
        atomic_load_explicit(&slot->word, memory_order_relaxed) == pool_busy_word(handle)) {
        atomic_store_explicit(&slot->note, what, memory_order_relaxed);
    }
}

void *pool_loaned_client(struct pool *pool, const struct pool_handle *handle)
{
    struct pool_slot *slot = pool_slot_of(pool, handle);
    return slot != NULL && pool_keep_is_loan(slot, handle) ? slot->client : NULL;
}

bool pool_is_interrupted(struct pool *pool, const struct pool_handle *handle)
{
    return handle->generation < atomic_load_explicit(&pool->interrupt_floor, memory_order_acquire);
}
