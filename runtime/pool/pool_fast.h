/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pool_fast.h
 * The fast path of check out and check in, as functions that a compiler can see.
 *
 * For pool_check.c, and for the facade (runtime/db) alone among the other rooms: it puts both into
 * the read sections it has anyway (bench/facade).
 *
 * One CAS on the slot's own line, reads of one line that nobody writes meanwhile (gate and queue),
 * plain counters of the slot. No lock, no syscall, no clock, no allocation. A forked child finds
 * the slots wiped (MADV_WIPEONFORK), so its CAS fails and the slow path tells it why.
 */
#ifndef POOL_FAST_H
#define POOL_FAST_H

#include "pool_internal.h"

#define POOL_LIKELY(x) __builtin_expect(!!(x), 1)

/* The slot is BUSY for this thread: count, sign, fill the handle. */
static inline void pool_begin_loan(struct pool *pool, struct pool_slot *slot, uint32_t index,
                                   uint64_t word, struct pool_handle *out)
{
    uint64_t uses = atomic_load_explicit(&slot->check_outs, memory_order_relaxed);
    atomic_store_explicit(&slot->check_outs, uses + 1, memory_order_relaxed);
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
    pool_after_idle(pool, idle);
    return true;
}

#endif
