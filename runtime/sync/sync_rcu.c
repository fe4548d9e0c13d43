/* SPDX-License-Identifier: Apache-2.0 */
/* Read sections and grace periods: liburcu's memb flavour behind one seam. */
#include "sync_internal.h"
#define RCU_MEMBARRIER
#include <urcu.h>

#if defined(__SANITIZE_THREAD__)
/* The edge "release at read-unlock, acquire after the grace period" for ThreadSanitizer. One tag
 * for all: a grace period waits for all readers, whichever object they read. */
static char grace_tag;
#endif

/* How often the calling thread registered; sync_reader_is_ensured: one of these is ensure()'s. */
static _Thread_local uint32_t registered_count;
_Thread_local bool sync_reader_is_ensured;

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

void sync_reader_ensure_first(void)
{
    sync_reader_is_ensured = true;
    sync_thread_watch_exit();
    sync_reader_register();
}

void sync_reader_thread_exit(void)
{
    if (sync_reader_is_ensured) {
        sync_reader_is_ensured = false;
        sync_reader_unregister();
    }
}

#if defined(__SANITIZE_THREAD__)
void sync_read_lock_called(void)
{
    rcu_read_lock();
}

void sync_read_unlock_called(void)
{
    TSAN_RELEASE(&grace_tag);
    rcu_read_unlock();
}
#endif

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
