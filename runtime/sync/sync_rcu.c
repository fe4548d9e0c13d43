/* SPDX-License-Identifier: Apache-2.0 */
/* Read sections and grace periods: liburcu's memb flavour behind one seam. */
#include "sync_internal.h"

/* Permits liburcu's headers that know it to inline functions of ten lines or less under any
 * licence; 0.13 ignores it and gives calls. */
#define URCU_INLINE_SMALL_FUNCTIONS
#define RCU_MEMBARRIER
#include <urcu.h>

/* The edge "release at read-unlock, acquire after the grace period" for ThreadSanitizer. One tag
 * for all: a grace period waits for all readers, whichever object they read. */
static char grace_tag;

/* How often the calling thread registered, and whether ensure() did one of these. */
static _Thread_local uint32_t registered_count;
static _Thread_local bool registered_by_ensure;

void sync_reader_register(void)
{
    if (registered_count++ == 0) {
        rcu_register_thread();
    }
}

void sync_reader_unregister(void)
{
    BASE_ASSERT(registered_count > 0);
    if (--registered_count == 0) {
        rcu_unregister_thread();
    }
}

void sync_reader_ensure(void)
{
    if (registered_by_ensure) {
        return;
    }
    registered_by_ensure = true;
    sync_thread_watch_exit();
    sync_reader_register();
}

void sync_reader_thread_exit(void)
{
    if (registered_by_ensure) {
        registered_by_ensure = false;
        sync_reader_unregister();
    }
}

void sync_read_lock(void)
{
    rcu_read_lock();
}

void sync_read_unlock(void)
{
    TSAN_RELEASE(&grace_tag);
    rcu_read_unlock();
}

void *sync_publish(struct sync_published *published, void *object)
{
    /* acq_rel: release pairs with the acquire in sync_read, so that a reader sees the object whole;
     * acquire is for a publisher that takes over from another one. */
    return atomic_exchange_explicit(&published->pointer, object, memory_order_acq_rel);
}

void sync_wait_readers(void)
{
#if !defined(SYNC_MUTATE_NO_GRACE)
    BASE_ASSERT(registered_count == 0 || !rcu_read_ongoing());
    synchronize_rcu();
    TSAN_ACQUIRE(&grace_tag);
#endif
}
