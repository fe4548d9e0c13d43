/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pool_word.h
 * The four packed words that the pool is built on, as pure functions: slot, gate, census, queue.
 * Nothing here touches memory that is shared; who may write which word stands in pool_internal.h.
 */
#ifndef POOL_WORD_H
#define POOL_WORD_H

#include <stdbool.h>
#include <stdint.h>

/* ---- slot word: loan:36 | generation:24 | state:4 ----------------------------------------------
 */

enum slot_state {
    SLOT_EMPTY,
    SLOT_CONNECTING, /* a connector owns the slot */
    SLOT_CONDEMNED,  /* given up on; the connector that hangs still owns it, the limits do not count
                        it */
    SLOT_IDLE,       /* nobody owns it; whoever wins the CAS does */
    SLOT_CLAIMED,    /* in the pool's own hands: on its way to a waiter, or out of the table */
    SLOT_BUSY,       /* a worker owns it */
    SLOT_RETIRING,   /* waits for the reaper */
    SLOT_REAPING,    /* the reaper owns it */
    SLOT_KEPT,       /* for the thread that had it last; its keep says whether it is out */
    SLOT_RECALLED,   /* was KEPT: whoever wins the keep's `recall` owns it */
    SLOT_STATE_COUNT
};
#define GENERATION_BITS 24
#define GENERATION_MAX ((UINT32_C(1) << GENERATION_BITS) - 1)

static inline enum slot_state slot_state_of(uint64_t word)
{
    return (enum slot_state)(word & 0xf);
}
static inline uint32_t slot_generation_of(uint64_t word)
{
    return (uint32_t)(word >> 4) & GENERATION_MAX;
}
static inline uint64_t slot_loan_of(uint64_t word)
{
    return word >> 28;
}
static inline uint64_t slot_word(uint64_t loan, uint32_t generation, enum slot_state state)
{
    return loan << 28 | (uint64_t)generation << 4 | (uint64_t)state;
}
/* Same loan and generation, another state. */
static inline uint64_t slot_word_as(uint64_t word, enum slot_state state)
{
    return (word & ~UINT64_C(0xf)) | (uint64_t)state;
}
/* A new loan: every earlier ticket of this slot is void from here on. */
static inline uint64_t slot_word_next(uint64_t word, enum slot_state state)
{
    return slot_word_as(word, state) + (UINT64_C(1) << 28);
}

/* ---- gate: generation:24 | floor:24 | flags:16 --------------------------------------------------
 */

/* `generation` is what new clients get; clients of `floor` and above may serve. They differ only
 * during (or after an aborted) refresh. */
#define GATE_READY UINT64_C(1)
#define GATE_CLOSED UINT64_C(2)
#define GATE_REFRESHING UINT64_C(4)
#define GATE_TRIM UINT64_C(8) /* more clients than max_size: surplus leaves as it returns */
#define GATE_SLOW                                                                                  \
    UINT64_C(16) /* for ever: the pool is timed, or cannot tell a forked child cheaply */
#define GATE_FLAGS UINT64_C(0xffff)

static inline uint32_t gate_generation_of(uint64_t gate)
{
    return (uint32_t)(gate >> 40);
}
static inline uint32_t gate_floor_of(uint64_t gate)
{
    return (uint32_t)(gate >> 16) & GENERATION_MAX;
}
static inline uint64_t gate_word(uint32_t generation, uint32_t floor_generation, uint64_t flags)
{
    return (uint64_t)generation << 40 | (uint64_t)floor_generation << 16 | flags;
}
/* Ready, not closed: a check out may succeed. */
static inline bool gate_is_open(uint64_t gate)
{
    return (gate & (GATE_READY | GATE_CLOSED)) == GATE_READY;
}
/* Open and nothing else going on: a return need not look further. */
static inline bool gate_is_plain(uint64_t gate)
{
    return (gate & (GATE_FLAGS & ~GATE_SLOW)) == GATE_READY;
}
/* May a check out / a check in take its fast path? One comparison each. */
static inline bool gate_is_fast_out(uint64_t gate)
{
    return (gate & (GATE_READY | GATE_CLOSED | GATE_SLOW)) == GATE_READY;
}
static inline bool gate_is_fast_in(uint64_t gate)
{
    return (gate & GATE_FLAGS) == GATE_READY;
}
static inline bool gate_admits(uint64_t gate, uint64_t word)
{
    return slot_generation_of(word) >= gate_floor_of(gate);
}
static inline bool gate_outdates(uint64_t gate, uint64_t word)
{
    return slot_generation_of(word) < gate_generation_of(gate);
}

/* ---- census: total:16 | pending:16 | stand-ins pending:16 | debt:16 -----------------------------
 */

/* total = idle + busy + claimed + connecting. debt = old clients whose stand-in is ready and who
 * therefore have to leave. Clients beyond max_size are exactly stand-ins pending + debt. */
struct census {
    uint16_t total;
    uint16_t pending;
    uint16_t standins;
    uint16_t debt;
};
static inline struct census census_unpack(uint64_t word)
{
    return (struct census){.total = (uint16_t)(word >> 48),
                           .pending = (uint16_t)(word >> 32),
                           .standins = (uint16_t)(word >> 16),
                           .debt = (uint16_t)word};
}
static inline uint64_t census_pack(struct census c)
{
    return (uint64_t)c.total << 48 | (uint64_t)c.pending << 32 | (uint64_t)c.standins << 16 |
           c.debt;
}
/* Clients that count against max_size. */
static inline uint32_t census_base(struct census c)
{
    uint32_t extra = (uint32_t)c.standins + c.debt;
    return c.total > extra ? c.total - extra : 0;
}

/* ---- queue: tail:32 | head:32; tickets [head, tail) wait
 * ----------------------------------------- */

static inline uint32_t queue_head_of(uint64_t queue)
{
    return (uint32_t)queue;
}
static inline uint32_t queue_tail_of(uint64_t queue)
{
    return (uint32_t)(queue >> 32);
}
static inline uint64_t queue_word(uint32_t head, uint32_t tail)
{
    return (uint64_t)tail << 32 | head;
}
static inline bool queue_is_empty(uint64_t queue)
{
    return queue_head_of(queue) == queue_tail_of(queue);
}

/* ---- waiter cell: ticket:16 | state:4 | payload:12
 * ------------------------------------------------ */

enum cell_state {
    CELL_FREE,     /* belongs to the ticket in the word: free to take, or taken and not asleep */
    CELL_PARKED,   /* its waiter sleeps (or is about to) on the word */
    CELL_GRANTED,  /* payload is the slot, which is CLAIMED for this waiter */
    CELL_REFUSED,  /* payload is the status to answer */
    CELL_CANCELLED /* its waiter went away; whoever pops it frees it */
};
static inline uint32_t cell_word(uint32_t ticket, enum cell_state state, uint32_t payload)
{
    return ticket << 16 | (uint32_t)state << 12 | payload;
}
static inline enum cell_state cell_state_of(uint32_t word)
{
    return (enum cell_state)(word >> 12 & 0xf);
}
static inline uint32_t cell_payload_of(uint32_t word)
{
    return word & 0xfff;
}

#endif
