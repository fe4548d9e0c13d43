/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that are kept for the thread that always takes them. Binding, recalling, reporting;
 * taking and returning are inline, in pool_fast.h. tests/model holds the proof. */
#include "pool_fast.h"

#include <sys/mman.h>

#define RECALLS_AT_ONCE 64u

/* POOL_KEEP_THREADS x POOL_HINTS of them, for the life of the process; NULL where the kernel cannot
 * wipe them in a forked child or has no heavy barrier.
 * writes: the first pool's maker (CAS, release); reads: threads (acquire) */
static _Atomic(struct pool_keep *) keeps;

static struct pool_keep *map_keeps(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        return NULL;
    }
    if (madvise(pages, bytes, MADV_WIPEONFORK) != 0) {
        (void)munmap(pages, bytes);
        return NULL;
    }
    return pages;
}

void pool_keeps_init(void)
{
    size_t bytes = sizeof(struct pool_keep) * POOL_KEEP_THREADS * POOL_HINTS;
    struct pool_keep *none = NULL;
    if (!sync_has_heavy_barrier() || atomic_load_explicit(&keeps, memory_order_acquire) != NULL) {
        return;
    }
    struct pool_keep *mapped = map_keeps(bytes);
    if (mapped != NULL && !atomic_compare_exchange_strong_explicit(
                              &keeps, &none, mapped, memory_order_release, memory_order_relaxed)) {
        (void)munmap(mapped, bytes); /* another pool was made at the same time */
    }
}

struct pool_keep *pool_keep_first(const struct pool *pool)
{
    struct pool_keep *first = atomic_load_explicit(&keeps, memory_order_acquire);
    uint32_t index = sync_thread_index();
    if (first == NULL || index >= POOL_KEEP_THREADS) {
        return NULL;
    }
    struct pool_keep *keep = &first[index * POOL_HINTS + pool->hint];
    /* What a thread of this index left in it when it ended is for everybody. (A pool that is gone
     * has taken its clients back: settling does not touch it.) */
    if (keep->pool != NULL && !pool_keep_is_out(keep)) {
        (void)pool_keep_settle(keep->pool, keep);
    }
    return keep;
}

/* Move `recall` of this binding; false when it is somewhere else. */
static bool move_recall(struct pool_keep *keep, uint64_t mine, enum keep_recall from,
                        enum keep_recall to)
{
    uint64_t expected = keep_recall_as(mine, from);
    /* seq_cst: the heavy barrier does the rest; acquire what the other side left */
    return atomic_compare_exchange_strong_explicit(&keep->recall, &expected,
                                                   keep_recall_as(mine, to), memory_order_seq_cst,
                                                   memory_order_acquire);
}

/* The last loan of a kept slot. */
static uint64_t kept_loan(const struct pool_slot *slot)
{
    return atomic_load_explicit(&slot->check_outs, memory_order_relaxed) +
           atomic_load_explicit(&slot->keep_offset, memory_order_relaxed);
}

/* Who won the keep's `recall` takes the slot out: from here on it is his, in state `to`. */
static void unkeep(struct pool_slot *slot, uint64_t loan, enum slot_state to)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    atomic_store_explicit(&slot->streak, 0, memory_order_relaxed);
    pool_stress_point();
    /* An exchange, as a revoker may make it RECALLED meanwhile. seq_cst: as in pool_claim(). */
    (void)atomic_exchange_explicit(&slot->word, slot_word(loan, slot_generation_of(word), to),
                                   memory_order_seq_cst);
}

/* ---- its thread
 * ----------------------------------------------------------------------------------------- */

/* The binding ends. True when the slot is its thread's own, still to be taken out. */
static bool win_own(struct pool_keep *keep, enum keep_recall *lost_to)
{
    uint64_t mine =
        keep_recall_as(atomic_load_explicit(&keep->recall, memory_order_relaxed), KEEP_MINE);
    bool won = move_recall(keep, mine, KEEP_MINE, KEEP_BACK) ||
               move_recall(keep, mine, KEEP_RECALLED, KEEP_BACK);
    *lost_to = keep_state_of(atomic_load_explicit(&keep->recall, memory_order_acquire));
    keep->pool = NULL;
    /* release: reports and a slow revoker may see it, nobody decides by it any more */
    atomic_store_explicit(&keep->out, 0, memory_order_release);
    return won;
}

enum gleaner_status pool_keep_settle(struct pool *pool, struct pool_keep *keep)
{
    enum keep_recall lost_to;
    if (!win_own(keep, &lost_to)) {
        if (lost_to != KEEP_STOLEN) {
            return GLEANER_OK;
        }
        base_counter_add(&pool->stale_returns, 1);
        return GLEANER_E_STALE;
    }
    struct pool_slot *slot = keep->slot; /* pinned: it is ours */
    unkeep(slot, kept_loan(slot) + 1, SLOT_CLAIMED);
    pool_offer(pool, slot);
    return GLEANER_OK;
}

/* A keep that is bound to nothing, or NULL. */
static struct pool_keep *free_keep(const struct pool *pool)
{
    struct pool_keep *keep = pool_self.keep[pool->hint];
    if (keep == NULL) {
        return NULL;
    }
    uint64_t recall = atomic_load_explicit(&keep->recall, memory_order_acquire);
    bool is_virgin = recall == 0;
    if (!is_virgin &&
        (keep_state_of(recall) == KEEP_MINE || keep_state_of(recall) == KEEP_RECALLED)) {
        return NULL;
    }
    return keep;
}

static void fill_keep(struct pool *pool, struct pool_slot *slot, struct pool_keep *keep,
                      uint64_t busy)
{
    uint64_t uses = atomic_load_explicit(&slot->check_outs, memory_order_relaxed);
    /* the next binding, KEEP_MINE */
    uint64_t mine =
        (atomic_load_explicit(&keep->recall, memory_order_relaxed) & ~KEEP_STATE) + KEEP_STATE + 1;
    keep->pool = pool;
    keep->slot = slot;
    keep->index = pool_slot_index(pool, slot);
    keep->last = slot_loan_of(busy);
    keep->generation = slot_generation_of(busy);
    atomic_store_explicit(&keep->out, 0, memory_order_relaxed);
    atomic_store_explicit(&keep->recall, mine, memory_order_release);
    atomic_store_explicit(&slot->keep, keep, memory_order_relaxed);
    atomic_store_explicit(&slot->keep_mine, mine, memory_order_relaxed);
    atomic_store_explicit(&slot->keep_offset, keep->last - uses, memory_order_relaxed);
}

bool pool_keep_bind(struct pool *pool, struct pool_slot *slot, uint64_t busy, uint64_t gate,
                    uint64_t queue)
{
    struct pool_keep *keep = free_keep(pool);
    uint64_t claimed = slot_word_as(busy, SLOT_CLAIMED);
    if (keep == NULL || atomic_load_explicit(&slot->owner, memory_order_relaxed) != pool_self.id ||
        !atomic_compare_exchange_strong_explicit(&slot->word, &busy, claimed, memory_order_acquire,
                                                 memory_order_relaxed)) {
        return false;
    }
    fill_keep(pool, slot, keep, busy);
    keep->gate = gate;
    keep->queue = queue;
    pool_stress_point();
    /* seq_cst: releases the client and the keep, pairs with gate, queue and mark as IDLE does. */
    atomic_store_explicit(&slot->word, slot_word_as(busy, SLOT_KEPT), memory_order_seq_cst);
    pool_stress_point();
    if (atomic_load_explicit(&pool->gate, memory_order_seq_cst) != gate ||
        atomic_load_explicit(&pool->queue, memory_order_seq_cst) != queue ||
        atomic_load_explicit(&slot->leave_on_return, memory_order_seq_cst) != POOL_REASON_NONE) {
        (void)pool_keep_settle(pool, keep);
    }
    return true;
}

bool pool_keep_end(struct pool *pool, const struct pool_handle *handle)
{
    struct pool_keep *keep = pool_keep_here(pool);
    enum keep_recall lost_to;
    if (keep == NULL || !pool_keep_holds(keep, handle->slot, handle->loan) ||
        !win_own(keep, &lost_to)) {
        return false;
    }
    unkeep(pool_slot_at(pool, handle->slot), handle->loan, SLOT_BUSY);
    return true;
}

/* ---- recalling
 * ------------------------------------------------------------------------------------------ */

struct recall {
    struct pool_slot *slot;
    struct pool_keep *keep;
    uint64_t mine;
};

/* What a kept slot was bound to; false when it moved on meanwhile. */
static bool look_up(struct pool_slot *slot, uint64_t word, struct recall *out)
{
    out->slot = slot;
    out->keep = atomic_load_explicit(&slot->keep, memory_order_relaxed);
    out->mine = atomic_load_explicit(&slot->keep_mine, memory_order_relaxed);
    /* Ordered by the acquire of `word` before, and by this: the same loan is the same binding. */
    atomic_thread_fence(memory_order_acquire);
    uint64_t again = atomic_load_explicit(&slot->word, memory_order_relaxed);
    return slot_is_kept(again) && slot_word_as(again, SLOT_KEPT) == slot_word_as(word, SLOT_KEPT);
}

/* First half: say that the slot is wanted. A heavy barrier has to follow. */
static bool recall_begin(struct pool_slot *slot, struct recall *out)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_seq_cst);
    if (slot_state_of(word) != SLOT_KEPT || !look_up(slot, word, out) ||
        !atomic_compare_exchange_strong_explicit(&slot->word, &word,
                                                 slot_word_as(word, SLOT_RECALLED),
                                                 memory_order_seq_cst, memory_order_relaxed)) {
        return false;
    }
    pool_stress_point();
    /* Fails when its thread gives the slot up this moment: it offers it. */
    return move_recall(out->keep, out->mine, KEEP_MINE, KEEP_RECALLED);
}

/* Second half, after the barrier: true when the client is in, the slot is CLAIMED and ours. */
static bool recall_end(const struct recall *r)
{
    /* acquire: what its thread did with the client */
    bool is_out = atomic_load_explicit(&r->keep->out, memory_order_acquire) != 0;
    uint64_t loan = kept_loan(r->slot); /* stands: it is in */
    pool_stress_point();
    if (is_out || !move_recall(r->keep, r->mine, KEEP_RECALLED, KEEP_TAKEN)) {
        return false;
    }
    unkeep(r->slot, loan + 1, SLOT_CLAIMED);
    return true;
}

bool pool_recall(struct pool_slot *slot)
{
    struct recall r;
    if (!recall_begin(slot, &r)) {
        return false;
    }
    sync_heavy_barrier();
    return recall_end(&r);
}

uint32_t pool_recall_all(struct pool *pool)
{
    struct recall recalls[RECALLS_AT_ONCE];
    uint32_t all = 0;
    for (uint32_t at = 0; at < pool->slot_count;) {
        uint32_t count = 0;
        for (; at < pool->slot_count && count < RECALLS_AT_ONCE; at++) {
            if (recall_begin(pool_slot_at(pool, at), &recalls[count])) {
                count++;
            }
        }
        if (count > 0) {
            sync_heavy_barrier();
        }
        for (uint32_t i = 0; i < count; i++) {
            if (recall_end(&recalls[i])) {
                pool_offer(pool, recalls[i].slot);
            }
        }
        all += count;
    }
    return all;
}

/* Another thread than the one it is kept for returns the loan. */
static bool steal_loan(struct pool *pool, struct pool_slot *slot, const struct pool_handle *handle)
{
    struct recall r;
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    if (!slot_is_kept(word) || slot_generation_of(word) != handle->generation ||
        !look_up(slot, word, &r) || !pool_keep_is_loan(slot, handle)) {
        return false;
    }
    /* Who moves `recall` has to see it through. */
    bool is_begun = recall_begin(slot, &r) || move_recall(r.keep, r.mine, KEEP_MINE, KEEP_RECALLED);
    sync_heavy_barrier();
    if (pool_keep_is_loan(slot, handle) &&
        move_recall(r.keep, r.mine, KEEP_RECALLED, KEEP_STOLEN)) {
        unkeep(slot, handle->loan + 1, SLOT_CLAIMED);
        return true;
    }
    /* Its own thread was faster. */
    if (is_begun && recall_end(&r)) {
        pool_offer(pool, slot);
    }
    return false;
}

bool pool_keep_claim_loan(struct pool *pool, struct pool_slot *slot,
                          const struct pool_handle *handle)
{
    struct pool_keep *keep = pool_keep_here(pool);
    if (keep == NULL || !pool_keep_holds(keep, handle->slot, handle->loan)) {
        return steal_loan(pool, slot, handle);
    }
    enum keep_recall lost_to;
    if (!win_own(keep, &lost_to)) {
        return false;
    }
    unkeep(slot, handle->loan + 1, SLOT_CLAIMED);
    return true;
}

/* ---- looking
 * -------------------------------------------------------------------------------------------- */

bool pool_keep_is_loan(const struct pool_slot *slot, const struct pool_handle *handle)
{
    struct pool_slot_now now = pool_slot_look(slot);
    return now.word == pool_busy_word(handle);
}

struct pool_slot_now pool_slot_look(const struct pool_slot *slot)
{
    for (;;) { /* repeats only when the slot moved on */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
        uint64_t uses = atomic_load_explicit(&slot->check_outs, memory_order_relaxed);
        if (!slot_is_kept(word)) {
            return (struct pool_slot_now){word, uses};
        }
        const struct pool_keep *keep = atomic_load_explicit(&slot->keep, memory_order_relaxed);
        uint64_t out = atomic_load_explicit(&keep->out, memory_order_acquire);
        uint64_t last = uses + atomic_load_explicit(&slot->keep_offset, memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        uint64_t again = atomic_load_explicit(&slot->word, memory_order_relaxed);
        if (slot_is_kept(again) && slot_loan_of(again) == slot_loan_of(word)) {
            return (struct pool_slot_now){slot_word(out != 0 ? out : last, slot_generation_of(word),
                                                    out != 0 ? SLOT_BUSY : SLOT_IDLE),
                                          uses};
        }
    }
}
