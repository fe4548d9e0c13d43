/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pool_fast.h
 * The fast path of check out and check in, as functions that a compiler can see.
 *
 * For this room, and for the facade (runtime/db) alone among the others (bench/facade).
 *
 * A thread that takes the same client again and again has it kept: one plain store each way on the
 * keep's own line. Else one CAS each way on the slot's own line, reads of one line that nobody
 * writes meanwhile (gate and queue), plain counters of the slot. No lock, no syscall, no clock, no
 * allocation. A forked child finds slots and keeps wiped (MADV_WIPEONFORK): no keep is bound, its
 * CAS fails, and the slow path tells it why.
 */
#ifndef POOL_FAST_H
#define POOL_FAST_H

#include "pool_internal.h"

#define POOL_LIKELY(x) __builtin_expect(!!(x), 1)

/* ---- the client that is kept for this thread: no locked instruction
 * --------------------------------- */

/* This thread's keep, if it is bound to this pool. */
static inline struct pool_keep *pool_keep_here(const struct pool *pool)
{
    struct pool_keep *keep = pool_self.keep[pool->hint];
    return keep != NULL && keep->pool == pool ? keep : NULL;
}

static inline bool pool_keep_is_out(const struct pool_keep *keep)
{
    return atomic_load_explicit(&keep->out, memory_order_relaxed) != 0; /* its own thread asks */
}

static inline bool pool_keep_is_recalled(const struct pool_keep *keep)
{
    /* acquire: who lost the slot sees what the winner did */
    return keep_state_of(atomic_load_explicit(&keep->recall, memory_order_acquire)) != KEEP_MINE;
}

/* Take what is in the keep (it must not be out). False: it was recalled, pool_keep_settle() it. Of
 * the pool nothing is touched before the client is ours. */
static inline bool pool_keep_take(const struct pool *pool, struct pool_keep *keep)
{
    uint64_t loan = keep->last + 1;
    atomic_store_explicit(&keep->out, loan, memory_order_relaxed);
    pool_stress_point();
    sync_light_barrier(); /* pairs with the heavy one between recall_begin() and recall_end() */
    /* relaxed: what happened before this call is seen, be it the end of a generation (H2) or the
     * coming of somebody who is to be served before us; for what happens later the recall counts.
     */
    if (!POOL_LIKELY(!pool_keep_is_recalled(keep) &&
                     atomic_load_explicit(&pool->gate, memory_order_relaxed) == keep->gate &&
                     atomic_load_explicit(&pool->queue, memory_order_relaxed) == keep->queue)) {
        return false;
    }
    keep->last = loan;
    uint64_t uses = atomic_load_explicit(&keep->slot->check_outs, memory_order_relaxed);
    atomic_store_explicit(&keep->slot->check_outs, uses + 1, memory_order_relaxed);
    return true;
}

/* Is this the loan that is out? */
static inline bool pool_keep_holds(const struct pool_keep *keep, uint32_t index, uint64_t loan)
{
    return keep->index == index && loan != 0 &&
           atomic_load_explicit(&keep->out, memory_order_relaxed) == loan;
}

/* Bring it in. False: it was recalled, pool_keep_settle() it. Only the keep is touched: once the
 * client is in, the pool may go away. */
static inline bool pool_keep_return(struct pool_keep *keep)
{
    pool_stress_point();
    /* release: who recalls the client sees it as we leave it */
    atomic_store_explicit(&keep->out, 0, memory_order_release);
    pool_stress_point();
    sync_light_barrier(); /* as above */
    return POOL_LIKELY(!pool_keep_is_recalled(keep));
}

static inline void pool_keep_describe(const struct pool_keep *keep, struct pool_handle *out)
{
    out->client = keep->slot->client;
    out->slot = keep->index;
    out->generation = keep->generation;
    out->loan = atomic_load_explicit(&keep->out, memory_order_relaxed);
    out->connection_id = atomic_load_explicit(&keep->slot->connection_id, memory_order_relaxed);
}

/* ---- any client: one CAS each way
 * -------------------------------------------------------------------- */

/* The slot is BUSY for this thread: count, sign, fill the handle. */
static inline void pool_begin_loan(struct pool *pool, struct pool_slot *slot, uint32_t index,
                                   uint64_t word, struct pool_handle *out)
{
    uint64_t uses = atomic_load_explicit(&slot->check_outs, memory_order_relaxed);
    atomic_store_explicit(&slot->check_outs, uses + 1, memory_order_relaxed);
    bool is_again = atomic_load_explicit(&slot->owner, memory_order_relaxed) == pool_self.id;
    uint32_t streak = atomic_load_explicit(&slot->streak, memory_order_relaxed);
    atomic_store_explicit(&slot->streak, is_again ? streak + 1 : 0, memory_order_relaxed);
    atomic_store_explicit(&slot->owner, pool_self.id, memory_order_relaxed);
    pool_self.hint[pool->hint] = index + 1;
    out->client = slot->client;
    out->slot = index;
    out->generation = slot_generation_of(word);
    out->loan = slot_loan_of(word);
    out->connection_id = atomic_load_explicit(&slot->connection_id, memory_order_relaxed);
}

/* The client this thread had last time, if it is there and nobody waits. */
static inline bool pool_take_hinted(struct pool *pool, struct pool_handle *out)
{
    uint32_t index = pool_self.hint[pool->hint] - 1; /* none: over slot_count */
    /* relaxed: looked at again, seq_cst, after the CAS */
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_relaxed);
    uint64_t queue = atomic_load_explicit(&pool->queue, memory_order_relaxed);
    if (!gate_is_fast_out(gate) || !queue_is_empty(queue) || index >= pool->slot_count) {
        return false;
    }
    struct pool_slot *slot = pool_slot_at(pool, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    uint64_t busy = slot_word_next(word, SLOT_BUSY);
    pool_stress_point();
    /* seq_cst: acquires the client, and pairs with the gate (H2). */
    if (slot_state_of(word) != SLOT_IDLE || !gate_admits(gate, word) ||
        !atomic_compare_exchange_strong_explicit(&slot->word, &word, busy, memory_order_seq_cst,
                                                 memory_order_relaxed)) {
        return false;
    }
    pool_stress_point();
    if (POOL_LIKELY(atomic_load_explicit(&pool->gate, memory_order_seq_cst) == gate)) {
        pool_begin_loan(pool, slot, index, busy, out);
        return true;
    }
    /* The gate moved under us: let the slow path judge anew. */
    atomic_store_explicit(&slot->word, slot_word_as(busy, SLOT_CLAIMED), memory_order_relaxed);
    pool_offer(pool, slot);
    return false;
}

static inline struct pool_slot *pool_slot_of(const struct pool *pool,
                                             const struct pool_handle *handle)
{
    return handle->slot < pool->slot_count ? pool_slot_at(pool, handle->slot) : NULL;
}

static inline uint64_t pool_busy_word(const struct pool_handle *handle)
{
    return slot_word(handle->loan, handle->generation, SLOT_BUSY);
}

/* Straight back to IDLE: nobody waits, nothing goes on, the client stays. The ticket comes in
 * pieces: copying a handle that was just written field by field stalls on its wide loads. */
static inline bool pool_return_idle(struct pool *pool, uint32_t index, uint32_t generation,
                                    uint64_t loan)
{
    struct pool_slot *slot = index < pool->slot_count ? pool_slot_at(pool, index) : NULL;
    uint64_t busy = slot_word(loan, generation, SLOT_BUSY);
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_relaxed);
    uint64_t queue = atomic_load_explicit(&pool->queue, memory_order_relaxed);
    if (slot == NULL || !gate_is_fast_in(gate) || !gate_admits(gate, busy) ||
        !queue_is_empty(queue) ||
        atomic_load_explicit(&slot->leave_on_return, memory_order_relaxed) != 0) {
        return false;
    }
    if (atomic_load_explicit(&slot->note, memory_order_relaxed) != NULL) {
        atomic_store_explicit(&slot->note, NULL, memory_order_relaxed);
    }
    if (atomic_load_explicit(&slot->streak, memory_order_relaxed) >= POOL_KEEP_AFTER &&
        pool_keep_bind(pool, slot, busy, gate, queue)) {
        return true;
    }
    uint64_t idle = slot_word_as(busy, SLOT_IDLE);
    pool_stress_point();
    /* seq_cst: releases the client, and pairs with gate (H3) and queue (H9) below. A failure means
     * that the ticket is not of this loan: the slow path says so. */
    if (!atomic_compare_exchange_strong_explicit(&slot->word, &busy, idle, memory_order_seq_cst,
                                                 memory_order_relaxed)) {
        return false;
    }
    pool_stress_point();
    if (POOL_LIKELY(atomic_load_explicit(&pool->gate, memory_order_seq_cst) == gate &&
                    queue_is_empty(atomic_load_explicit(&pool->queue, memory_order_seq_cst)))) {
        return true;
    }
    pool_after_idle(pool, slot, idle);
    return true;
}

#endif
