/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's side: ready, clear, close, and the housekeeping of each tick. */
#include "pool_internal.h"

#include <sched.h>

static uint64_t gate_now(const struct pool *pool)
{
    return atomic_load_explicit(&pool->gate, memory_order_seq_cst);
}

static bool replace_gate(struct pool *pool, uint64_t *from, uint64_t to)
{
    return atomic_compare_exchange_strong_explicit(&pool->gate, from, to, memory_order_seq_cst,
                                                   memory_order_seq_cst);
}

void pool_ready(struct pool *pool)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    uint64_t gate = gate_now(pool);
    if (gate & (GATE_READY | GATE_CLOSED)) {
        return;
    }
    /* Told first: no ConnectionCreated may come before it. */
    pool_emit(pool,
              &(struct pool_event){.type = POOL_EV_READY, .generation = gate_generation_of(gate)});
    (void)atomic_fetch_or_explicit(&pool->gate, GATE_READY, memory_order_seq_cst);
    if (pool_has_demand(pool)) {
        pool_want_connection(pool);
    }
}

/* A connector tells that it begins, and only then makes the slot CONNECTING. Who watches events is
 * told of the end of what began before the clear; the moment in between has to pass first. */
static uint64_t await_begun(const struct pool *pool, struct pool_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    while (pool->is_timed && slot_state_of(word) == SLOT_CLAIMED) {
        (void)sched_yield();
        word = atomic_load_explicit(&slot->word, memory_order_acquire);
    }
    return word;
}

/* Pending connections of a cleared pool are given up at once; their connectors find out later. */
static void condemn_pending(struct pool *pool, uint64_t gate)
{
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        struct pool_slot *slot = pool_slot_at(pool, i);
        uint64_t word = await_begun(pool, slot);
        if (slot_state_of(word) != SLOT_CONNECTING || gate_admits(gate, word)) {
            continue;
        }
        struct pool_connect_job job = {
            .slot = i,
            .generation = slot_generation_of(word),
            .connection_id = atomic_load_explicit(&slot->connection_id, memory_order_relaxed),
            .is_refresh = atomic_load_explicit(&slot->is_standin, memory_order_relaxed),
            .loan = slot_loan_of(word)};
        (void)pool_condemn(pool, &job, POOL_REASON_STALE);
    }
}

uint32_t pool_clear(struct pool *pool, bool interrupt_in_use)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    uint64_t before = gate_now(pool);
    uint64_t after;
    do { /* repeats only when another change of the gate succeeded */
        uint32_t generation = gate_generation_of(before) + 1;
        BASE_ASSERT(generation <= GENERATION_MAX);
        after = gate_word(generation, generation, before & (GATE_CLOSED | GATE_SLOW));
    } while (!replace_gate(pool, &before, after));
    if (interrupt_in_use) {
        atomic_store_explicit(&pool->interrupt_floor, gate_generation_of(after),
                              memory_order_release);
    }
    if (before & GATE_READY) {
        pool_emit(pool, &(struct pool_event){.type = POOL_EV_CLEARED,
                                             .generation = gate_generation_of(after),
                                             .interrupt_in_use = interrupt_in_use});
    }
    pool_census_forget_debt(pool);
    pool_tidy(pool);
    if (interrupt_in_use) {
        condemn_pending(pool, after);
    }
    pool_refuse_waiters(pool, after & GATE_CLOSED ? GLEANER_E_CLOSED : GLEANER_E_DOWN);
    return gate_generation_of(after);
}

void pool_close(struct pool *pool)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    uint64_t before = gate_now(pool);
    do { /* repeats only when another change of the gate succeeded */
        if (before & GATE_CLOSED) {
            return;
        }
    } while (!replace_gate(pool, &before,
                           gate_word(gate_generation_of(before), gate_floor_of(before),
                                     GATE_CLOSED | (before & GATE_SLOW))));
    pool_census_forget_debt(pool);
    pool_tidy(pool); /* CMAP: available connections first, then the event */
    pool_emit(pool, &(struct pool_event){.type = POOL_EV_CLOSED,
                                         .generation = gate_generation_of(before)});
    pool_refuse_waiters(pool, GLEANER_E_CLOSED);
}

/* ---- housekeeping
 * ------------------------------------------------------------------------------------ */

/* How long the slot has been in this state, at least. */
uint64_t pool_state_age(const struct pool *pool, const struct pool_slot *slot, uint64_t word,
                        uint64_t now_ns)
{
    enum slot_state state = slot_state_of(word);
    bool has_stamp = pool->is_timed || state == SLOT_CONNECTING || state == SLOT_CONDEMNED;
    uint64_t since_ns = now_ns;
    if (has_stamp) {
        since_ns = atomic_load_explicit(&slot->since_ns, memory_order_relaxed);
    } else if (atomic_load_explicit(&slot->seen_word, memory_order_relaxed) == word) {
        since_ns = atomic_load_explicit(&slot->seen_ns, memory_order_relaxed);
    }
    return now_ns > since_ns ? now_ns - since_ns : 0;
}

static void observe(struct pool_slot *slot, uint64_t word, uint64_t now_ns)
{
    if (atomic_load_explicit(&slot->seen_word, memory_order_relaxed) != word) {
        atomic_store_explicit(&slot->seen_ns, now_ns, memory_order_relaxed);
        atomic_store_explicit(&slot->seen_word, word, memory_order_relaxed);
    }
}

static bool is_expired(const struct pool_slot *slot, uint64_t now_ns)
{
    uint64_t expires_ns = atomic_load_explicit(&slot->expires_ns, memory_order_relaxed);
    return expires_ns != 0 && now_ns >= expires_ns;
}

static bool is_idle_over_limit(const struct pool *pool, const struct pool_slot *slot, uint64_t word,
                               uint64_t now_ns)
{
    uint64_t limit_ns =
        atomic_load_explicit(&pool->max_idle_ms, memory_order_relaxed) * BASE_NS_PER_MS;
    return limit_ns != 0 && pool_state_age(pool, slot, word, now_ns) > limit_ns &&
           pool_census(pool).total > atomic_load_explicit(&pool->min_size, memory_order_relaxed);
}

/* An idle client over one of its limits leaves. */
static void expire_idle(struct pool *pool, struct pool_slot *slot, uint64_t word, uint64_t now_ns)
{
    bool expired = is_expired(slot, now_ns);
    if ((expired || is_idle_over_limit(pool, slot, word, now_ns)) &&
        (pool_claim(slot, word) || pool_recall(slot))) {
        pool_retire(pool, slot, expired ? POOL_REASON_LIFETIME : POOL_REASON_IDLE);
    }
}

static void tick_slot(struct pool *pool, struct pool_slot *slot, uint64_t now_ns)
{
    uint64_t word = pool_slot_look(slot).word;
    observe(slot, word, now_ns);
    if (slot_state_of(word) == SLOT_BUSY && is_expired(slot, now_ns)) {
        /* seq_cst: who binds the slot to a keep looks at the mark after that; else it is seen by
         * the holder's check in or by the next tick */
        atomic_store_explicit(&slot->leave_on_return, POOL_REASON_LIFETIME, memory_order_seq_cst);
        if (pool_recall(slot)) {
            pool_offer(pool, slot); /* it came in meanwhile; leaves */
        }
    } else if (slot_state_of(word) == SLOT_IDLE) {
        expire_idle(pool, slot, word, now_ns);
    }
}

void pool_tick(struct pool *pool, uint64_t now_ns)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        tick_slot(pool, pool_slot_at(pool, i), now_ns);
    }
    if (!gate_is_plain(gate_now(pool))) {
        pool_tidy(pool);
        pool_trim_settle(pool);
    }
    if (pool_has_demand(pool)) {
        pool_want_connection(pool);
    }
    if (atomic_load_explicit(&pool->retiring, memory_order_relaxed) != 0) {
        pool_want_reaper(pool);
    }
}

uint32_t pool_slot_count(const struct pool *pool)
{
    return pool->slot_count;
}

void pool_evict(struct pool *pool, uint32_t index)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    struct pool_slot *slot = index < pool->slot_count ? pool_slot_at(pool, index) : NULL;
    if (slot == NULL) {
        return;
    }
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_seq_cst);
    enum slot_state state = slot_state_of(word);
    if (state != SLOT_BUSY && state != SLOT_CLAIMED && state != SLOT_IDLE && !slot_is_kept(word)) {
        return;
    }
    /* A holder who looked at the mark just before, and makes it IDLE just after our second look,
     * keeps it for one more loan. */
    atomic_store_explicit(&slot->leave_on_return, POOL_REASON_ERROR, memory_order_seq_cst);
    word = atomic_load_explicit(&slot->word, memory_order_seq_cst);
    if (pool_claim(slot, word) || pool_recall(slot)) {
        pool_offer(pool, slot); /* sees the mark */
    }
}
