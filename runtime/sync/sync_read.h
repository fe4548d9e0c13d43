/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sync_read.h
 * The part of the door that a compiler has to see: read sections. Include sync.h.
 *
 * This is the one header that shows liburcu to other rooms, and it shows functions, no types in a
 * signature. Why: a section is about 2 ns, calls into liburcu.so made it 10 ns (two jumps and two
 * __tls_get_addr), a call into this room 3.5 ns, and a rwlock's lock and unlock are 6 to 8 ns
 * (bench/published_read). What is inlined are functions of ten lines or less, which section 5 of
 * the LGPL 2.1 leaves free; liburcu's README promises that they match its library within a major
 * version. Under ThreadSanitizer they are calls, which name the edges that it cannot see.
 */
#ifndef SYNC_READ_H
#define SYNC_READ_H

#include <stdatomic.h>
#include <stdbool.h>

/* A published pointer: one writer at a time publishes, any number of readers read. */
struct sync_published {
    /* writes: the one publisher (release); reads: any registered reader (acquire/consume)
     * why: a reader that sees the pointer sees the object complete; the publisher owns the grace
     * period of the old one */
    _Atomic(void *) pointer;
};

/* True once sync_reader_ensure() has done its work on this thread. Only this room writes it. */
extern _Thread_local bool sync_reader_is_ensured;
void sync_reader_ensure_first(void);

/** Register on first use and unregister at thread exit by itself; cheap when done already. */
static inline void sync_reader_ensure(void)
{
    if (!sync_reader_is_ensured) {
        sync_reader_ensure_first();
    }
}

/** Enter / leave a read section. Thread: [reader]. Nests. Inside: no driver call, no lock, no
 *  allocation, no log line. About 2 ns (bench/published_read). */
static inline void sync_read_lock(void);
static inline void sync_read_unlock(void);

#if defined(__SANITIZE_THREAD__)
void sync_read_lock_called(void);
void sync_read_unlock_called(void);

static inline void sync_read_lock(void)
{
    sync_read_lock_called();
}

static inline void sync_read_unlock(void)
{
    sync_read_unlock_called();
}
#else
#include <urcu/static/urcu-memb.h>

static inline void sync_read_lock(void)
{
    _urcu_memb_read_lock();
}

static inline void sync_read_unlock(void)
{
    _urcu_memb_read_unlock();
}
#endif

/** The present object; valid until sync_read_unlock(). Thread: [reader], inside a section. */
static inline void *sync_read(const struct sync_published *published)
{
    /* acquire: pairs with the release in sync_publish */
    return atomic_load_explicit(&published->pointer, memory_order_acquire);
}

#endif
