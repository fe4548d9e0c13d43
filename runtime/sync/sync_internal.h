/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNC_INTERNAL_H
#define SYNC_INTERNAL_H

#include "sync.h"

/* liburcu is not instrumented, so ThreadSanitizer does not see the order it gives. These two name
 * an edge: what came before TSAN_RELEASE(tag) happens before what comes after TSAN_ACQUIRE(tag). */
#if defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *tag);
void __tsan_release(void *tag);
#define TSAN_ACQUIRE(tag) __tsan_acquire(tag)
#define TSAN_RELEASE(tag) __tsan_release(tag)
#else
#define TSAN_ACQUIRE(tag) ((void)0)
#define TSAN_RELEASE(tag) ((void)0)
#endif

/** Ask the kernel for the heavy barrier. Once, from sync_init(). */
void sync_barrier_init(void);

/** Drop what the calling thread holds with liburcu because of sync_reader_ensure(). At its end. */
void sync_reader_thread_exit(void);

/** Have sync_reader_thread_exit() called when this thread, whoever started it, ends. */
void sync_thread_watch_exit(void);

#endif
