/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pool.h
 * The door of runtime/pool: the lock-free handle table, its fair wait queue, CMAP events, gauges.
 *
 * The pool has no threads and knows no driver. It hands out opaque clients that connectors put in
 * and that the reaper takes out. Workers only check out and check in; they never connect.
 *
 *   EMPTY -> CONNECTING -> IDLE -> BUSY -> IDLE ...
 *                 |          |       |
 *                 v          v       v
 *               EMPTY     RETIRING <-+     RETIRING -> EMPTY (by the reaper)
 *
 * One slot has one CAS word that holds (loan, generation, state); a check out is one CAS, a check
 * in one CAS when nobody waits. (More states inside: see README.md.) Waiters are served in order; a
 * returned or new handle is handed to the first of them directly; nobody newer is preferred to
 * somebody who waits.
 */
#ifndef POOL_H
#define POOL_H

#include "base.h"
#include "sync.h"

struct pool;

/* ---- configuration: all changeable at run time by pool_configure() except slot_capacity ------ */

struct pool_config {
    uint32_t slot_capacity;         /**< most clients alive (1..1024), fixed at creation; must be
                                         >= max_size + refresh_extra. The table has room for as
                                         many again that wait for the reaper or hang connecting. */
    uint32_t max_size;              /**< clients at most, pending included (CMAP maxPoolSize) */
    uint32_t min_size;              /**< kept connected in the background when ready */
    uint32_t max_connecting;        /**< CMAP maxConnecting, default 2 */
    uint32_t refresh_extra;         /**< clients above max_size while refreshing (default 2;
                                         0 counts as 1, else a refresh would never end) */
    uint32_t wait_queue_timeout_ms; /**< default bound of a wait; 0 = only the caller's deadline */
    uint32_t max_idle_ms;           /**< idle limit, 0 = none (default 60,000) */
    uint64_t max_lifetime_ms;       /**< life limit, 0 = none; less up to 2.5 % jitter */
    uint64_t random_seed;           /**< 0 = from the kernel */
    const char *address;            /**< shown in events; copied */
};

/* ---- events (CMAP names) --------------------------------------------------------------------- */

enum pool_event_type {
    POOL_EV_CREATED,
    POOL_EV_READY,
    POOL_EV_CLEARED,
    POOL_EV_CLOSED,
    POOL_EV_CONNECTION_CREATED,
    POOL_EV_CONNECTION_READY,
    POOL_EV_CONNECTION_CLOSED,
    POOL_EV_CHECK_OUT_STARTED,
    POOL_EV_CHECK_OUT_FAILED,
    POOL_EV_CHECKED_OUT,
    POOL_EV_CHECKED_IN
};
enum pool_event_reason {
    POOL_REASON_NONE,
    POOL_REASON_STALE,
    POOL_REASON_IDLE,
    POOL_REASON_ERROR,
    POOL_REASON_POOL_CLOSED,
    POOL_REASON_TIMEOUT,
    POOL_REASON_CONNECTION_ERROR,
    POOL_REASON_REFRESH,
    POOL_REASON_LIFETIME,
    POOL_REASON_SURPLUS /**< max_size was lowered */
};
struct pool_event {
    enum pool_event_type type;
    enum pool_event_reason reason;
    uint64_t connection_id; /**< 1, 2, 3 ... ; 0 where the event has none */
    uint32_t generation;
    uint64_t duration_ns;  /**< check out and connect durations, monotonic */
    bool interrupt_in_use; /**< of POOL_EV_CLEARED */
    const char *address;
    const struct pool_config *options; /**< of POOL_EV_CREATED */
};
/* Called on the thread where it happens, outside any lock; must not call back into the pool and
 * must not block. NULL = no events: then nothing is spent on them. */
typedef void (*pool_event_fn)(void *ctx, const struct pool_event *event);

/* Called when there is work for connectors or the reaper (a waiter without a client, below
 * min_size, a client to destroy). Wait-free expected (sync_unpark). */
typedef void (*pool_work_fn)(void *ctx);

struct pool_hooks {
    pool_event_fn on_event;
    void *event_ctx;
    pool_work_fn on_connect_wanted;
    void *connect_ctx;
    pool_work_fn on_reap_wanted;
    void *reap_ctx;
};

/**
 * Create a pool, paused (CMAP), generation 0, all slots empty.
 *
 * Thread: [startup]. Owns: *out; pool_destroy() after every client is reaped.
 * Errors: GLEANER_E_INVALID a limit is out of its range (the error names it); GLEANER_E_NOMEM.
 */
GLEANER_MUST_CHECK enum gleaner_status pool_create(const struct pool_config *config,
                                                   const struct pool_hooks *hooks,
                                                   struct base_clock *clock, struct pool **out,
                                                   struct base_error *error);
/** Thread: [owner]; asserts that all slots are EMPTY and nobody waits. NULL accepted. */
void pool_destroy(struct pool **pool);

/** Change limits at run time. Thread: [supervisor]. Larger: takes effect at once. Smaller: surplus
 *  idle clients are retired, busy ones as they return. GLEANER_E_INVALID names the bad limit. */
GLEANER_MUST_CHECK enum gleaner_status
pool_configure(struct pool *pool, const struct pool_config *config, struct base_error *error);

/* ---- workers --------------------------------------------------------------------------------- */

/* What a worker holds. Plain data; the ticket (slot, generation, loan number) makes a second,
 * foreign or late return detectable. */
struct pool_handle {
    void *client;
    uint32_t slot;
    uint32_t generation;
    uint64_t loan; /**< unique per check out of that slot */
    uint64_t connection_id;
};

/**
 * Check out one client, waiting in order when all are taken.
 *
 * Thread: [any] ([worker] usually). Uncontended: one CAS, no lock, no allocation, no syscall, no
 *         driver call (clock reads only when events are on or the clock is virtual; otherwise
 *         ages count from the pool_tick() that first saw a state). Waiting: a futex.
 * Owns:   on GLEANER_OK the caller holds *out until pool_check_in().
 * Errors: GLEANER_E_TIMEOUT  deadline_ns (monotonic, real) or wait_queue_timeout_ms passed
 *         GLEANER_E_DOWN     the pool is paused or was cleared while waiting (retryable)
 *         GLEANER_E_CLOSED   the pool is closed, or this is a forked child
 * Units:  deadline_ns 0 = do not wait at all (GLEANER_E_BUSY when all are taken).
 */
GLEANER_MUST_CHECK enum gleaner_status pool_check_out(struct pool *pool, uint64_t deadline_ns,
                                                      struct pool_handle *out);

/** The client of a loan that is the caller's own; NULL when the ticket is void. Thread: [worker],
 *  the holder. */
void *pool_loaned_client(struct pool *pool, const struct pool_handle *handle);
/** How many slots the table has: indexes run below it. Constant. */
uint32_t pool_slot_count(const struct pool *pool);
/** Whatever client is in this slot leaves (reason error): now if it is idle, else when it is given
 *  back. Thread: [any], lock-free. A client that came into the slot meanwhile may leave instead. */
void pool_evict(struct pool *pool, uint32_t slot);

enum pool_verdict {
    POOL_CLIENT_GOOD,  /**< give it to the next one */
    POOL_CLIENT_BROKEN /**< retire it (reason error) */
};
/**
 * Give it back. Always succeeds for the rightful holder; never blocks.
 *
 * Thread: [any]; not bound to the thread that checked out.
 * Errors: GLEANER_E_STALE  double, foreign or forked return: counted, nothing is changed.
 */
enum gleaner_status pool_check_in(struct pool *pool, const struct pool_handle *handle,
                                  enum pool_verdict verdict);

/** Note what the holder is doing, for stuck-operation reports; `what` must be a literal. */
void pool_note(struct pool *pool, const struct pool_handle *handle, const char *what);

/* ---- supervisor ------------------------------------------------------------------------------ */

/** paused -> ready: waiters and the background filling may connect. Thread: [supervisor].
 *  No effect (and no event) when ready already. */
void pool_ready(struct pool *pool);
/** generation + 1, paused, waiters answered GLEANER_E_DOWN, idle clients of older generations
 *  retired, busy ones retired when they return (or, interrupt_in_use, marked interrupted: see
 *  pool_is_interrupted()). Thread: [supervisor]. Returns the new generation. */
uint32_t pool_clear(struct pool *pool, bool interrupt_in_use);
/** Answer waiters GLEANER_E_CLOSED, retire everything idle; busy ones as they return.
 *  Thread: [supervisor]. Never blocks. */
void pool_close(struct pool *pool);
/** True when the holder's client was condemned by an interrupting clear. [any], one load. */
bool pool_is_interrupted(struct pool *pool, const struct pool_handle *handle);

/**
 * Begin a rolling refresh: generation + 1 without pausing. Clients of the old generation go on
 * serving until a warmed new one stands in for each. Thread: [supervisor]. One at a time:
 * GLEANER_E_BUSY while one is running (the caller joins it). Returns the new generation in *out.
 */
enum gleaner_status pool_refresh_begin(struct pool *pool, uint32_t *out);
/** Old-generation clients still in the table; 0 = the refresh is complete. [supervisor] */
uint32_t pool_refresh_left(const struct pool *pool);
/** Give up: the rest of the old generation becomes current again (F4). [supervisor] */
void pool_refresh_abort(struct pool *pool);

/** Housekeeping at `now`: retire idle clients over max_idle (not below min_size) and over their
 *  lifetime, ask for min_size. Thread: [supervisor], each second or on events. */
void pool_tick(struct pool *pool, uint64_t now_ns);

/* ---- connectors ------------------------------------------------------------------------------ */

struct pool_connect_job {
    uint32_t slot;
    uint32_t generation;
    uint64_t connection_id;
    uint64_t started_ns;
    bool is_refresh; /**< stands in for an old client, which is retired when this one is ready */
    uint64_t loan;   /**< tells this job from an earlier one in the same slot */
};
/**
 * Take one connection to make: slot EMPTY -> CONNECTING, if the limits (max_size, max_connecting)
 * and the demand (waiters, min_size, refresh) allow one. Thread: [any connector].
 * Errors: GLEANER_E_BUSY nothing to do now.
 */
GLEANER_MUST_CHECK enum gleaner_status pool_connect_begin(struct pool *pool,
                                                          struct pool_connect_job *out);
/**
 * The client is connected and warmed: CONNECTING -> IDLE, or straight to the first waiter.
 * Ownership of `client` goes to the pool, even when the job is stale by now (then it is RETIRING
 * and GLEANER_E_STALE is returned: the reaper destroys it).
 */
enum gleaner_status pool_connect_done(struct pool *pool, const struct pool_connect_job *job,
                                      void *client);
/** It failed: CONNECTING -> EMPTY, ConnectionClosed(error); the waiter at the head of the queue
 *  is answered GLEANER_E_DOWN only if `fail_waiter` (CMAP: checkOut fails with its connection). */
void pool_connect_failed(struct pool *pool, const struct pool_connect_job *job, bool fail_waiter);
/** Give up on a connector that hangs: the slot is freed for another try, the late result of that
 *  job will be GLEANER_E_STALE. Thread: [supervisor]. */
enum gleaner_status pool_connect_condemn(struct pool *pool, const struct pool_connect_job *job);

/* ---- reaper ---------------------------------------------------------------------------------- */

struct pool_reap_job {
    uint32_t slot;
    uint32_t generation;
    uint64_t connection_id;
    enum pool_event_reason reason;
    void *client;
    uint64_t loan; /**< tells this job from an earlier one in the same slot */
};
/** Take one retired client out of the table to destroy it. Thread: [the reaper].
 *  GLEANER_E_BUSY when there is none. (ConnectionClosed was emitted when it was retired, as CMAP
 *  wants: before PoolClosed, after CheckedIn.) */
GLEANER_MUST_CHECK enum gleaner_status pool_reap_begin(struct pool *pool,
                                                       struct pool_reap_job *out);
/** It is destroyed: RETIRING -> EMPTY. */
void pool_reap_done(struct pool *pool, const struct pool_reap_job *job);

/* ---- looking --------------------------------------------------------------------------------- */

struct pool_stats {
    uint32_t generation;
    bool is_ready, is_closed, is_refreshing;
    /** Gauges; total = available + in use + pending. */
    uint32_t total, available, in_use, pending, retiring, waiting;
    /** Ages, 0 = none. */
    uint64_t oldest_idle_ns, oldest_in_use_ns, oldest_pending_ns, oldest_wait_ns;
    uint64_t check_outs, check_ins, waits, timeouts, evictions, connects, connect_failures, closed;
    uint64_t stale_returns; /**< double + foreign + forked */
};
/** Sum up the slots. Thread: [any]; a consistent-enough picture (slots are read one by one). */
void pool_read_stats(const struct pool *pool, uint64_t now_ns, struct pool_stats *out);

struct pool_slot_view {
    uint32_t slot;
    const char *state;
    uint32_t generation;
    uint64_t connection_id;
    uint32_t owner_thread;  /**< kernel thread id of the holder */
    const char *owner_note; /**< of pool_note(), or NULL */
    uint64_t state_age_ns;  /**< since the last change of state */
    uint64_t client_age_ns;
    uint64_t uses;
};
/** Fill up to `max` views of non-empty slots; returns how many there are. Thread: [any]. */
size_t pool_view_slots(const struct pool *pool, uint64_t now_ns, struct pool_slot_view *out,
                       size_t max);
const char *pool_event_type_name(enum pool_event_type type);
const char *pool_event_reason_name(enum pool_event_reason reason);

#endif
