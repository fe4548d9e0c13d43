/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pool_internal.h
 * What the files of runtime/pool share. Nobody else includes it but the room's own tests.
 */
#ifndef POOL_INTERNAL_H
#define POOL_INTERNAL_H

#include "pool.h"
#include "pool_word.h"

#define POOL_MAGIC UINT32_C(0x706f6f6c)
#define POOL_QUEUE_CELLS 1024u /* waiters in order; more wait outside until a cell is free */
#define POOL_MAX_CAPACITY 1024u
#define POOL_HINTS 4u

/* One place for a client. Allocated with the pool, freed with it. Two lines: what a check out
 * touches, and the rest. Slots are 128 bytes apart, so that the adjacent-line prefetcher of one
 * holder does not pull in the line of another. */
struct pool_slot {
    /* loan:36 | generation:24 | state:4
     * writes: who wins its CAS out of IDLE / EMPTY / RETIRING; after that only the owner of the
     *         state (table in README.md); CONNECTING alone can be taken away, by a condemning CAS
     * reads:  anybody
     * order:  seq_cst where it says so below (it then pairs with `queue` or `gate`), else
     *         acquire on winning and release on giving up
     * why:    the winner must see the client and counters that the last owner left */
    _Alignas(128) _Atomic uint64_t word;

    /* plain; guarded by word: written by the connector (CONNECTING or CONDEMNED, whose owner it
     * is), read by the holder, cleared by the reaper (REAPING) */
    void *client;

    /* Written by the owner of the slot, read by reports. Relaxed: nothing but a report depends on
     * them; the owner's own reads are ordered by word. Single writer at a time: no locked add. */
    _Atomic uint64_t connection_id;
    _Atomic uint64_t check_outs; /* since the pool was made; of a kept slot: by its thread */
    _Atomic uint64_t since_ns;   /* last change of state; only when the pool is timed */
    _Atomic(const char *) note;  /* of pool_note() */
    _Atomic uint32_t owner;      /* kernel thread id of the last holder */

    /* enum pool_event_reason, 0 = stay. Written by the supervisor and by pool_evict(), cleared by
     * the connector; relaxed: a holder that misses it is caught by the next pool_tick(), a mark
     * that comes late evicts the next client. */
    _Atomic uint32_t leave_on_return;

    /* Loans in a row by `owner`; holder, relaxed, by word: when to keep the client for it. */
    _Atomic uint32_t streak;

    /* -- second line -- */
    _Alignas(64) _Atomic uint64_t connected_ns; /* connector -> reports, relaxed */
    _Atomic uint64_t expires_ns;                /* connector -> pool_tick, relaxed; 0 = never */
    _Atomic uint64_t uses_before;               /* check_outs when this client came; as above */
    _Atomic uint32_t reason; /* why it retires: retiring owner -> reaper (word) */
    _Atomic bool is_standin; /* connector -> who condemns; relaxed, by word */

    /* The last (word, time) that pool_tick() saw; written by it alone, read by reports, relaxed.
     * An unchanged word means: in this state at least since then. So the fast path reads no
     * clock, and no age is ever overstated. */
    _Atomic uint64_t seen_word;
    _Atomic uint64_t seen_ns;

    /* For whom it is KEPT, and that keep's `recall` when it was bound. Written by the holder before
     * the word says KEPT (release), read by who sees KEPT or RECALLED (acquire). What they point to
     * is never unmapped. */
    _Atomic(struct pool_keep *) keep;
    _Atomic uint64_t keep_mine;
    _Atomic uint64_t keep_offset; /* last loan of a kept slot = check_outs + this */
};

/* Who may move a kept slot on: bind:61 | state:3. The number of the binding keeps a slow revoker of
 * an earlier one from winning a later one. */
enum keep_recall {
    KEEP_MINE,     /* its thread takes and returns by `out` alone */
    KEEP_RECALLED, /* somebody wants the slot: he if he sees it in, its thread when it is back */
    KEEP_BACK,     /* its thread gave it up. This and what follows: bound to nothing */
    KEEP_TAKEN,    /* somebody else has it: it was in */
    KEEP_STOLEN    /* somebody else has it: he returned our thread's loan */
};
#define KEEP_STATE UINT64_C(7)
static inline enum keep_recall keep_state_of(uint64_t recall)
{
    return (enum keep_recall)(recall & KEEP_STATE);
}
static inline uint64_t keep_recall_as(uint64_t recall, enum keep_recall state)
{
    return (recall & ~KEEP_STATE) | (uint64_t)state;
}

/* A client that is kept for one thread: check out and check in are one store each, without a locked
 * instruction. One line per thread and pool (of four). The memory outlives every pool, so that a
 * thread that has just returned a client may still look at it; a forked child finds it zeroed.
 *
 * The thread stores `out`, then looks at `recall`; who wants the slot sets `recall`, then looks at
 * `out`. Between the two steps: sync_light_barrier() there, sync_heavy_barrier() here. One of them
 * sees the other, and the CAS of `recall` out of KEEP_RECALLED decides who has the slot. */
struct pool_keep {
    /* The loan that is out, 0 = none. One word, so that a late return is told from the present
     * loan. writes: its thread alone (release when the client comes in); reads: revokers, who
     * return this thread's loans, reports (acquire) why: who takes the slot sees the client as the
     * last loan left it */
    _Alignas(64) _Atomic uint64_t out;
    /* writes: its thread (binding: release; KEEP_BACK), revokers; by CAS, seq_cst */
    _Atomic uint64_t recall;

    /* plain: its thread's own */
    struct pool *pool; /* NULL: bound to nothing */
    struct pool_slot *slot;
    uint64_t gate;  /* as it was when the slot was bound: the client is good while it stands */
    uint64_t queue; /* ... and nobody stood in line, nor has since */
    uint64_t last;  /* the last loan */
    uint32_t index; /* of the slot */
    uint32_t generation;
};
#ifndef POOL_KEEP_AFTER     /* the stress programs keep at once */
#define POOL_KEEP_AFTER 16u /* loans in a row by one thread: recalling costs a system call */
#endif
#define POOL_KEEP_THREADS 512u /* threads beyond this index share all clients */

/* One place in the line. 64 bytes apart: its waiter spins and sleeps on it. */
struct pool_cell {
    /* ticket:16 | state:4 | payload:12, the futex of the waiter
     * writes: its waiter (FREE -> PARKED -> CANCELLED, and FREE of the next round after a grant);
     *         who popped its ticket (-> GRANTED or REFUSED; FREE of the next round if CANCELLED)
     * order:  acq_rel exchange on granting, acquire on reading it
     * why:    the waiter must see the slot as its granter left it */
    _Alignas(64) _Atomic uint32_t word;
    _Atomic uint64_t since_ns; /* waiter -> reports, relaxed */
};

struct pool {
    uint32_t magic;

    /* -- read by every check out and check in, written by the slow path only: stays shared -- */

    /* generation:24 | floor:24 | flags:16
     * writes: supervisor (ready, clear, close, refresh), who finds a refresh complete; by CAS
     * reads:  everybody, before and after its CAS on a slot
     * order:  seq_cst. It pairs with slot.word: the supervisor writes the gate, then looks at
     *         every slot; a holder writes its slot, then looks at the gate. One of them sees the
     *         other (H2, H3). */
    _Alignas(128) _Atomic uint64_t gate;

    /* tail:32 | head:32, the tickets of the waiters
     * writes: a waiter (tail + 1), who has a client or a refusal for the first of them (head + 1)
     * order:  seq_cst. It pairs with slot.word: a waiter takes a ticket, then looks at every
     *         slot; a returner makes its slot IDLE, then looks at the queue. One of them sees the
     *         other (H9). */
    _Atomic uint64_t queue;

    /* constant after creation */
    struct pool_slot *slots;
    uint32_t slot_count; /* twice the capacity and some: retiring clients do not delay new ones */
    uint32_t hint;       /* which of a thread's hints this pool uses */
    bool is_timed;       /* somebody wants exact times (events), or the clock is virtual */
    uint32_t cell_mask;
    struct pool_cell *cells;
    struct base_clock *clock;
    struct pool_hooks hooks;
    char *address;
    uint32_t slot_capacity;

    /* -- the limits: written by pool_configure (supervisor), read by the slow paths, relaxed:
     *    a limit counts from when it is seen -- */
    _Alignas(128) _Atomic uint32_t max_size;
    _Atomic uint32_t min_size;
    _Atomic uint32_t max_connecting;
    _Atomic uint32_t refresh_extra;
    _Atomic uint32_t wait_queue_timeout_ms;
    _Atomic uint32_t max_idle_ms;
    _Atomic uint64_t max_lifetime_ms;
    _Atomic uint64_t random; /* splitmix64 state, fetch_add */

    /* -- slow path state -- */

    /* total:16 | pending:16 | stand-ins:16 | debt:16; by CAS, seq_cst: pairs with `queue` as
     * slot.word does (a client leaves, then looks for waiters; a waiter comes, then looks whether
     * a connection may be made). This word enforces maxPoolSize and maxConnecting. */
    _Alignas(128) _Atomic uint64_t census;
    _Atomic uint64_t next_id;         /* last connection id given; relaxed fetch_add */
    _Atomic uint32_t interrupt_floor; /* clients below are interrupted; release / acquire */
    _Atomic uint32_t retiring;        /* slots RETIRING; relaxed, a hint for the reaper */
    _Atomic uint32_t cancelled;       /* cells CANCELLED in [head, tail); seq_cst, demand */
    _Atomic uint32_t outside;    /* threads that wait for a free cell; seq_cst with cell.word */
    _Atomic uint32_t cell_freed; /* futex of those; bumped when a cell is freed */
    struct base_counter waits, timeouts, evictions, connects, connect_failures, closed,
        stale_returns;
};

/* Between two steps whose order with another thread matters. Nothing in the product; the stress
 * programs compile these sources once more, with threads that give up the processor here at random:
 * on few processors the window would hardly ever be hit otherwise. */
#ifdef POOL_STRESS_POINTS
void pool_stress_point(void);
#else
static inline void pool_stress_point(void)
{
}
#endif

/* ---- pool_event.c ------------------------------------------------------------------------------
 */

static inline uint64_t pool_now(const struct pool *pool)
{
    return base_clock_now_ns(pool->clock);
}
void pool_emit(struct pool *pool, const struct pool_event *event);
void pool_want_connection(struct pool *pool);
void pool_want_reaper(struct pool *pool);

/* ---- pool_slot.c: moving slots
 * ------------------------------------------------------------------- */

/* This thread's own corner: where it found a client last, per pool, and its kernel id.
 * initial-exec: 56 bytes of static TLS instead of a call per access in a shared library. */
struct pool_thread {
    uint32_t id;
    uint32_t hint[POOL_HINTS]; /* slot + 1; 0 = none yet, so the first check out is a slow one */
    struct pool_keep *keep[POOL_HINTS]; /* NULL as long as hint is 0 */
};
extern _Thread_local struct pool_thread pool_self __attribute__((tls_model("initial-exec")));

static inline struct pool_slot *pool_slot_at(const struct pool *pool, uint32_t index)
{
    return &pool->slots[index];
}
static inline uint32_t pool_slot_index(const struct pool *pool, const struct pool_slot *slot)
{
    return (uint32_t)(slot - pool->slots);
}
/** Win an IDLE slot (-> CLAIMED) that the gate admits; NULL when there is none. */
struct pool_slot *pool_claim_idle(struct pool *pool);
/** Win this slot if it is IDLE. */
bool pool_claim(struct pool_slot *slot, uint64_t word);
/** A claimed slot becomes available: to the first waiter, else IDLE; or leaves if it must. */
void pool_offer(struct pool *pool, struct pool_slot *slot);
/** After a slot became IDLE: it leaves if the gate changed, who came meanwhile is served (H3, H9).
 */
void pool_after_idle(struct pool *pool, struct pool_slot *slot, uint64_t word);
/** A claimed slot leaves the table for `reason`, its place in the census is given up already. */
void pool_retire_counted(struct pool *pool, struct pool_slot *slot, enum pool_event_reason reason);
/** The same, giving up its place. */
void pool_retire(struct pool *pool, struct pool_slot *slot, enum pool_event_reason reason);
/** Retire what the gate no longer admits, and what refresh or a smaller limit wants gone. */
void pool_tidy(struct pool *pool);
/** True when the idle client in this claimed slot is over its idle limit (exact times only). */
bool pool_is_idle_too_long(const struct pool *pool, const struct pool_slot *slot, uint64_t now_ns);

/* ---- pool_keep.c: clients that are kept for one thread
 * -----------------------------------------------------------------------------------------------
 */

/** Map the keeps, once per process; without them no client is kept. */
void pool_keeps_init(void);
/** The keep that this thread uses from now on; NULL if there is none. Once per thread and hint. */
struct pool_keep *pool_keep_first(const struct pool *pool);
/** Keep this slot, whose holder we are by `busy`, for this thread, as long as gate and queue (which
 *  is empty) stand; looks at them and at the mark after that. False: it was not done, the slot is
 * ours as before. */
bool pool_keep_bind(struct pool *pool, struct pool_slot *slot, uint64_t busy, uint64_t gate,
                    uint64_t queue);
/** This thread met a recall, when it took its client or after it had brought it in: the slot goes
 *  to the others. STALE: somebody else had returned this loan. May be called for a pool that is
 *  gone, if the slot is not ours any more. */
enum gleaner_status pool_keep_settle(struct pool *pool, struct pool_keep *keep);
/** The loan of this ticket is of a kept slot: claim the slot, whichever thread we are. */
bool pool_keep_claim_loan(struct pool *pool, struct pool_slot *slot,
                          const struct pool_handle *handle);
/** The kept slot of this thread's loan becomes an ordinary busy one. */
bool pool_keep_end(struct pool *pool, const struct pool_handle *handle);
/** Is the loan of this ticket out of this kept slot? */
bool pool_keep_is_loan(const struct pool_slot *slot, const struct pool_handle *handle);
/** Recall a kept slot: true when it was in, it is CLAIMED for the caller. Else it is (or will be)
 * an ordinary one: its thread offers it when it comes back. */
bool pool_recall(struct pool_slot *slot);
/** The same for all kept slots, which are offered; returns how many were kept. */
uint32_t pool_recall_all(struct pool *pool);
/** What a slot is for reports: a kept one is idle or busy. */
struct pool_slot_now {
    uint64_t word;
    uint64_t check_outs;
};
struct pool_slot_now pool_slot_look(const struct pool_slot *slot);
static inline bool slot_is_kept(uint64_t word)
{
    return slot_state_of(word) == SLOT_KEPT || slot_state_of(word) == SLOT_RECALLED;
}

/* ---- pool_census.c: the limits
 * ------------------------------------------------------------------- */

enum pool_demand { POOL_WANT_NONE, POOL_WANT_CLIENT, POOL_WANT_STANDIN };
struct census pool_census(const struct pool *pool);
/** Reserve a place for a connection if limits and demand allow. */
enum pool_demand pool_census_enter(struct pool *pool);
/** A pending connection is up (is_ready) or gone. Old clients owe a place to a ready stand-in. */
void pool_census_settle(struct pool *pool, bool is_ready, bool is_standin, bool owes);
/** A live client leaves for its own reasons; an old one takes a debt with it. */
void pool_census_leave(struct pool *pool, bool is_old);
/** A live client leaves only if one must: false = it stays. */
bool pool_census_leave_debt(struct pool *pool);
bool pool_census_leave_surplus(struct pool *pool);
void pool_census_forget_debt(struct pool *pool);
bool pool_has_surplus(const struct pool *pool);
bool pool_has_demand(struct pool *pool);

/* ---- pool_queue.c: the line
 * ----------------------------------------------------------------------- */

/** Give a claimed slot to the first waiter; false when nobody waits (the slot stays claimed). */
bool pool_hand_over(struct pool *pool, struct pool_slot *slot);
/** Give idle slots to waiters until one of them runs out. */
void pool_match(struct pool *pool);
/** Wait in line. OK: *out is claimed for the caller. BUSY: the line was full, try again. */
enum gleaner_status pool_wait_in_line(struct pool *pool, uint64_t deadline_ns,
                                      struct pool_slot **out);
/** Answer everybody who waits now (all), or the first of them, with `status`. */
void pool_refuse_waiters(struct pool *pool, enum gleaner_status status);
void pool_refuse_first(struct pool *pool, enum gleaner_status status);
uint32_t pool_waiting(const struct pool *pool);

/* ---- pool_control.c
 * --------------------------------------------------------------------------------- */

/** How long the slot has been in the state of `word`, at least. */
uint64_t pool_state_age(const struct pool *pool, const struct pool_slot *slot, uint64_t word,
                        uint64_t now_ns);

/* ---- pool_connect.c
 * --------------------------------------------------------------------------------- */

/** pool_connect_condemn() with the reason to tell. */
enum gleaner_status pool_condemn(struct pool *pool, const struct pool_connect_job *job,
                                 enum pool_event_reason reason);

/* ---- pool_refresh.c
 * --------------------------------------------------------------------------------- */

/** Ends the refresh when no old client is left. */
void pool_refresh_settle(struct pool *pool);
/** Ends the trimming when no surplus is left. */
void pool_trim_settle(struct pool *pool);

/* ---- pool.c
 * ----------------------------------------------------------------------------------------- */

/** pool_create with a line of `cells` (a power of two): tests fill it with few threads. */
enum gleaner_status pool_create_sized(const struct pool_config *config,
                                      const struct pool_hooks *hooks, struct base_clock *clock,
                                      uint32_t cells, struct pool **out, struct base_error *error);
/** Status that a check out gets from this gate; OK when open. */
static inline enum gleaner_status pool_gate_refusal(uint64_t gate)
{
    if (gate & GATE_CLOSED) {
        return GLEANER_E_CLOSED;
    }
    return gate & GATE_READY ? GLEANER_OK : GLEANER_E_DOWN;
}

#endif
