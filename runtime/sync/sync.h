/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sync.h
 * The door of runtime/sync, the only user of liburcu and raw pthreads: threads, locks, parking,
 * publish / read / grace period, queues and mailboxes. It is also the one seam that tells
 * ThreadSanitizer about publishing and grace periods.
 */
#ifndef SYNC_H
#define SYNC_H

#include "base.h"
#include "sync_read.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- threads ------------------------------------------------------------------------------ */

struct sync_thread;
typedef void (*sync_thread_main)(void *arg);

/* SYNC_READER threads are registered with RCU for their whole life and may use sync_read_*(). */
enum sync_thread_kind { SYNC_PLAIN, SYNC_READER };

/**
 * Start a thread with all signals blocked (but those of its own faults) and a name of at most 15
 * characters.
 *
 * Thread: [any]. Finish building what the thread uses first: the thread starts last.
 * Errors: GLEANER_E_NOMEM when the system gives no thread.
 */
GLEANER_MUST_CHECK enum gleaner_status sync_thread_start(struct sync_thread **out, const char *name,
                                                         enum sync_thread_kind kind,
                                                         sync_thread_main run, void *arg);
/** Wait for its end and free it; *thread becomes NULL. NULL is accepted. Thread: [owner]. */
void sync_thread_join(struct sync_thread **thread);
/** Join only if it ends before the deadline (real clock); false leaves it running. */
bool sync_thread_join_until(struct sync_thread **thread, uint64_t deadline_ns);
/** Forget a thread that may never end (a stuck connector); it frees itself. *thread becomes NULL.
 */
void sync_thread_abandon(struct sync_thread **thread);

/** Kernel thread id of the caller, cached per thread. Thread: [any]. Names owners in reports. */
uint32_t sync_thread_id(void);
/** Name of the caller's thread as given at start, "main" otherwise. */
const char *sync_thread_name(void);
/** Small dense index of the calling thread (0, 1, 2, ... reused after exit): start hints. */
uint32_t sync_thread_index(void);

/** Register the calling thread as an RCU reader (main, test threads, foreign host threads).
 *  Nests by count. Thread: [any]. */
void sync_reader_register(void);
void sync_reader_unregister(void);
/* sync_reader_ensure() registers on first use and unregisters at thread exit by itself. */

/* ---- locks (never on a fast path; each lock has one line in its room's README) -------------- */

struct sync_mutex;
GLEANER_MUST_CHECK enum gleaner_status sync_mutex_create(struct sync_mutex **out);
void sync_mutex_destroy(struct sync_mutex **mutex);
void sync_mutex_lock(struct sync_mutex *mutex);
void sync_mutex_unlock(struct sync_mutex *mutex);
/** True when the calling thread holds it (for `_locked` assertions). */
bool sync_mutex_is_mine(const struct sync_mutex *mutex);

struct sync_cond;
GLEANER_MUST_CHECK enum gleaner_status sync_cond_create(struct sync_cond **out);
void sync_cond_destroy(struct sync_cond **cond);
/** Wait; monotonic deadline or BASE_NO_DEADLINE. False when the deadline passed. */
bool sync_cond_wait(struct sync_cond *cond, struct sync_mutex *mutex, uint64_t deadline_ns);
void sync_cond_signal(struct sync_cond *cond);
void sync_cond_broadcast(struct sync_cond *cond);

/* ---- parking --------------------------------------------------------------------------------- */

/* One thread sleeps, any thread wakes it. A wake before the sleep is not lost (one is kept).
 * The word is a futex; waking costs no syscall when nobody sleeps. */
struct sync_parker {
    /* 0 empty, 1 parked, 2 token
     * writes: the parking thread and any waker; order: release on wake, acquire on return */
    _Atomic uint32_t word;
};
void sync_park_init(struct sync_parker *parker);
/** Sleep until woken or the deadline (real monotonic). True when woken. Thread: one at a time. */
bool sync_park(struct sync_parker *parker, uint64_t deadline_ns);
/** The same against `clock`: on a virtual clock it sleeps until woken or the clock is advanced. */
bool sync_park_until(struct sync_parker *parker, struct base_clock *clock, uint64_t deadline_ns);
/** Wake it. Thread: [any]; wait-free; safe in signal handlers. */
void sync_unpark(struct sync_parker *parker);

/** Raw futex for rooms that keep their own word (the pool's wait queue). Real monotonic deadline.
 *  Returns false on timeout; may wake spuriously. */
bool sync_futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);
void sync_futex_wake(_Atomic uint32_t *word, uint32_t count);

/** Hint to the processor inside a bounded spin. */
static inline void sync_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* ---- publish / read / grace period (RCU, memb flavour) ----------------------------------------
 */

/* struct sync_published, sync_read_lock(), sync_read_unlock(), sync_read() and sync_reader_ensure()
 * are in sync_read.h. */
/** Publish `object` and return the one it replaces, which readers may still use.
 *  Thread: the one publisher. Follow with sync_wait_readers(), then free. */
void *sync_publish(struct sync_published *published, void *object);
/** Wait until every read section that was open at the call is over. Never inside one, never while
 *  holding a lock that a reader could want. Blocks for microseconds to milliseconds. */
void sync_wait_readers(void);
/** For the mutation check only: SYNC_MUTATE_NO_GRACE at build time makes sync_wait_readers() a
 *  no-op, and ThreadSanitizer must report it. */

/* ---- a pair of barriers, light and heavy ------------------------------------------------------
 *
 * One thread stores, then looks; another stores, then looks: one of them must see the other. Both
 * need a full barrier between their two steps. When one side runs millions of times a second and
 * the other hardly ever, the first takes the light barrier, which costs nothing (it only keeps the
 * compiler from reordering), and the second the heavy one, which interrupts every processor that
 * runs a thread of this process (Linux: membarrier(2), 1 to 10 us). */
static inline void sync_light_barrier(void)
{
    atomic_signal_fence(memory_order_seq_cst); /* pairs with sync_heavy_barrier() */
}
/** Thread: [any]; a system call, never waits for a thread. Only if sync_has_heavy_barrier(). */
void sync_heavy_barrier(void);
/** False where the kernel has none (before 4.14, some sandboxes): then do without the light one.
 *  Constant after sync_init(). */
bool sync_has_heavy_barrier(void);

/* ---- queues -----------------------------------------------------------------------------------
 */

/* An intrusive many-producer single-consumer queue; pushing is wait-free (liburcu's wfcqueue). */
struct sync_mpsc_node {
    void *opaque[1];
};
struct sync_mpsc;
GLEANER_MUST_CHECK enum gleaner_status sync_mpsc_create(struct sync_mpsc **out);
void sync_mpsc_destroy(struct sync_mpsc **queue);
/** Thread: [any]. Wait-free; usable in driver callbacks. Ownership of the node goes in. */
void sync_mpsc_push(struct sync_mpsc *queue, struct sync_mpsc_node *node);
/** Thread: the consumer; never waits. NULL when empty, or when the oldest push is still under way:
 *  wake the consumer after each push, not only after the first. */
struct sync_mpsc_node *sync_mpsc_pop(struct sync_mpsc *queue);

/* A bounded many-producer many-consumer ring of pointers with blocking on both sides; a lock and
 * two conditions: for pages (hundreds to thousands a second), not for the handle table. */
struct sync_ring;
GLEANER_MUST_CHECK enum gleaner_status sync_ring_create(struct sync_ring **out, size_t capacity);
void sync_ring_destroy(struct sync_ring **ring);
/** GLEANER_E_TIMEOUT when full until the deadline, GLEANER_E_CLOSED after close. */
enum gleaner_status sync_ring_push(struct sync_ring *ring, void *item, uint64_t deadline_ns);
/** GLEANER_E_TIMEOUT when empty until the deadline, GLEANER_E_CLOSED when closed and empty. */
enum gleaner_status sync_ring_pop(struct sync_ring *ring, void **item, uint64_t deadline_ns);
size_t sync_ring_count(struct sync_ring *ring);
/** Wake one consumer without an item: its pop returns GLEANER_E_CANCELLED. */
void sync_ring_nudge(struct sync_ring *ring);
void sync_ring_close(struct sync_ring *ring);

/* A failure mailbox: wait-free posting of small fixed-size reports, lossy only by coalescing:
 * reports with the same 64-bit key that were not yet taken are counted together. The capacity is
 * fixed at creation (a power of two); when all cells hold other keys, the report is counted in
 * `overflow` and merged into the last cell: the fact of a failure is never lost. */
struct sync_mailbox;
struct sync_report {
    uint64_t key;      /**< what coalesces: packed by the owner (endpoint, generation, kind) */
    uint64_t detail;   /**< of the first report of that key (slot, code) */
    uint64_t first_ns; /**< when the first of them was posted */
    uint64_t count;    /**< how many */
};
GLEANER_MUST_CHECK enum gleaner_status sync_mailbox_create(struct sync_mailbox **out,
                                                           size_t capacity);
void sync_mailbox_destroy(struct sync_mailbox **mailbox);
/** Post. Thread: [any], wait-free, no allocation; usable in driver callbacks. key != 0.
 *  True when the box was empty before, or was taken from meanwhile: wake the consumer. */
bool sync_mailbox_post(struct sync_mailbox *mailbox, uint64_t key, uint64_t detail,
                       uint64_t now_ns);
/** Take everything that is there. Thread: the one consumer; never waits. Returns how many of `out`
 *  are filled; when that is `max`, call again. One key may come twice in a take, and the report of
 * a post that is under way may come with a later one, for which its poster is told to wake you. Sum
 * of `count` over all takes equals the number of posts. */
size_t sync_mailbox_take(struct sync_mailbox *mailbox, struct sync_report *out, size_t max);
/** How many reports found all cells taken by other keys, since the creation. Thread: [any]. */
uint64_t sync_mailbox_overflow(const struct sync_mailbox *mailbox);

/* ---- shutdown ---------------------------------------------------------------------------------
 */

/** True in a child after fork() without exec: everything of libgleaner refuses to work there. */
bool sync_in_forked_child(void);
/** Register the fork detector. [startup]; idempotent. */
void sync_init(void);

#endif
