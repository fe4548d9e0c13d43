/* SPDX-License-Identifier: Apache-2.0 */
/* Moving slots between IDLE, CLAIMED and RETIRING. */
#include "pool_internal.h"

_Thread_local struct pool_thread pool_self;

bool pool_claim(struct pool_slot *slot, uint64_t word)
{
    /* seq_cst on success, pairs with the gate (claimed, then the gate is looked at again); acquire
     * would do for the client, which the last owner left with its release. */
    return slot_state_of(word) == SLOT_IDLE &&
           atomic_compare_exchange_strong_explicit(&slot->word, &word,
                                                   slot_word_next(word, SLOT_CLAIMED),
                                                   memory_order_seq_cst, memory_order_relaxed);
}

bool pool_is_idle_too_long(const struct pool *pool, const struct pool_slot *slot, uint64_t now_ns)
{
    uint64_t limit_ns =
        atomic_load_explicit(&pool->max_idle_ms, memory_order_relaxed) * BASE_NS_PER_MS;
    uint64_t since_ns = atomic_load_explicit(&slot->since_ns, memory_order_relaxed);
    return limit_ns != 0 && pool->is_timed && now_ns > since_ns && now_ns - since_ns > limit_ns &&
           pool_census(pool).total > atomic_load_explicit(&pool->min_size, memory_order_relaxed);
}

/* A slot that was just claimed: fit to serve? A stale or overdue one is retired. */
static bool is_fit(struct pool *pool, struct pool_slot *slot, uint64_t now_ns)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed); /* ours */
    pool_stress_point();
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
    if ((gate & GATE_CLOSED) || !gate_admits(gate, word)) {
        pool_retire(pool, slot, gate & GATE_CLOSED ? POOL_REASON_POOL_CLOSED : POOL_REASON_STALE);
        return false;
    }
    if (pool_is_idle_too_long(pool, slot, now_ns)) {
        pool_retire(pool, slot, POOL_REASON_IDLE);
        return false;
    }
    return true;
}

static bool claim_idle(struct pool_slot *slot)
{
    /* seq_cst: a waiter looks here after taking its ticket (H9). */
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_seq_cst);
    pool_stress_point();
    return pool_claim(slot, word);
}

/* Kept for another thread and not out at a glance: the recall decides. */
static bool claim_kept(struct pool_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_seq_cst);
    return slot_state_of(word) == SLOT_KEPT &&
           slot_state_of(pool_slot_look(slot).word) == SLOT_IDLE && pool_recall(slot);
}

static struct pool_slot *claim_first(struct pool *pool, bool (*claim)(struct pool_slot *slot))
{
    uint64_t now_ns = pool->is_timed ? pool_now(pool) : 0;
    uint32_t start = (pool_self.hint[pool->hint] - 1) % pool->slot_count;
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        uint32_t index = start + i < pool->slot_count ? start + i : start + i - pool->slot_count;
        struct pool_slot *slot = pool_slot_at(pool, index);
        if (claim(slot) && is_fit(pool, slot, now_ns)) {
            return slot;
        }
    }
    return NULL;
}

struct pool_slot *pool_claim_idle(struct pool *pool)
{
    struct pool_slot *slot = claim_first(pool, claim_idle);
    return slot != NULL ? slot : claim_first(pool, claim_kept);
}

void pool_retire_counted(struct pool *pool, struct pool_slot *slot, enum pool_event_reason reason)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed); /* ours */
    BASE_ASSERT(slot_state_of(word) == SLOT_CLAIMED);
    pool_emit(pool, &(struct pool_event){.type = POOL_EV_CONNECTION_CLOSED,
                                         .reason = reason,
                                         .connection_id = atomic_load_explicit(
                                             &slot->connection_id, memory_order_relaxed),
                                         .generation = slot_generation_of(word)});
    base_counter_add(&pool->closed, 1);
    if (reason != POOL_REASON_ERROR && reason != POOL_REASON_POOL_CLOSED) {
        base_counter_add(&pool->evictions, 1);
    }
    atomic_store_explicit(&slot->reason, (uint32_t)reason, memory_order_relaxed);
    if (pool->is_timed) {
        atomic_store_explicit(&slot->since_ns, pool_now(pool), memory_order_relaxed);
    }
    /* Counted first: the reaper may only find more than the hint says, never less. */
    atomic_fetch_add_explicit(&pool->retiring, 1, memory_order_relaxed);
    /* release: the reaper sees the client and the reason. Nothing of the slot is ours after it. */
    atomic_store_explicit(&slot->word, slot_word_next(word, SLOT_RETIRING), memory_order_release);
    pool_want_reaper(pool);
    if (pool_has_demand(pool)) {
        pool_want_connection(pool);
    }
}

void pool_retire(struct pool *pool, struct pool_slot *slot, enum pool_event_reason reason)
{
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed); /* ours */
    pool_census_leave(pool, gate_outdates(gate, word));
    pool_retire_counted(pool, slot, reason);
}

/* A claimed slot that may not serve again leaves. True when it is gone. */
static bool leaves(struct pool *pool, struct pool_slot *slot, uint64_t gate)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed); /* ours */
    uint32_t marked = atomic_load_explicit(&slot->leave_on_return, memory_order_relaxed);
    if (gate & GATE_CLOSED) {
        pool_retire(pool, slot, POOL_REASON_POOL_CLOSED);
    } else if (!gate_admits(gate, word)) {
        pool_retire(pool, slot, POOL_REASON_STALE);
    } else if (marked != POOL_REASON_NONE) {
        pool_retire(pool, slot, (enum pool_event_reason)marked);
    } else if ((gate & GATE_REFRESHING) && gate_outdates(gate, word) &&
               pool_census_leave_debt(pool)) {
        pool_retire_counted(pool, slot, POOL_REASON_REFRESH);
    } else if ((gate & GATE_TRIM) && pool_census_leave_surplus(pool)) {
        pool_retire_counted(pool, slot, POOL_REASON_SURPLUS);
    } else {
        return false;
    }
    pool_refresh_settle(pool);
    return true;
}

void pool_offer(struct pool *pool, struct pool_slot *slot)
{
    if (leaves(pool, slot, atomic_load_explicit(&pool->gate, memory_order_seq_cst)) ||
        pool_hand_over(pool, slot)) {
        return;
    }
    uint64_t word = slot_word_as(atomic_load_explicit(&slot->word, memory_order_relaxed), /* ours */
                                 SLOT_IDLE);
    if (pool->is_timed) {
        atomic_store_explicit(&slot->since_ns, pool_now(pool), memory_order_relaxed);
    }
    pool_stress_point();
    /* seq_cst: IDLE first, then queue and gate are looked at (H9, H3). */
    atomic_store_explicit(&slot->word, word, memory_order_seq_cst);
    pool_after_idle(pool, slot, word);
}

/* Should this idle slot be claimed to see whether it leaves? Cheap and optimistic. */
static bool is_suspect(struct pool *pool, uint64_t gate, uint64_t word)
{
    if (slot_state_of(word) != SLOT_IDLE) {
        return false;
    }
    return (gate & GATE_CLOSED) || !gate_admits(gate, word) ||
           ((gate & GATE_REFRESHING) && gate_outdates(gate, word) && pool_census(pool).debt > 0) ||
           ((gate & GATE_TRIM) && pool_has_surplus(pool));
}

/* Only this slot: who changes the gate, or owes, looks at all of them after that. A refresh lasts,
 * and all come by here meanwhile: looking at all of them each time cost 4 % of the operations. */
void pool_after_idle(struct pool *pool, struct pool_slot *slot, uint64_t word)
{
    pool_stress_point();
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
    if ((!gate_is_plain(gate) || !gate_admits(gate, word)) && is_suspect(pool, gate, word) &&
        pool_claim(slot, word)) {
        pool_offer(pool, slot); /* it leaves, unless another one did instead */
    }
    if (!queue_is_empty(atomic_load_explicit(&pool->queue, memory_order_seq_cst))) {
        pool_match(pool);
    }
}

void pool_tidy(struct pool *pool)
{
    (void)pool_recall_all(pool); /* whose return has to look at the gate from now on */
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        struct pool_slot *slot = pool_slot_at(pool, i);
        uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_seq_cst);
        if (is_suspect(pool, gate, word) && pool_claim(slot, word)) {
            /* Another thread may have paid the debt meanwhile; then it is offered again, and the
             * recursion ends because nothing is suspect any more. */
            pool_offer(pool, slot);
        }
    }
    pool_refresh_settle(pool);
}
