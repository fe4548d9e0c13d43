/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts kept between pages, for modules whose handle runs on several threads at once. No
 * thread-local storage: its destructors could outlive the module's code. */
#ifndef PAGE_POOL_H
#define PAGE_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* More threads than these make and free their own. */
#define PAGE_POOL_SIZE 64

struct page_pool {
    /* Idle contexts, NULL where none. An exchange takes one out, a compare-and-swap puts one in; no
     * context is in two places, so there is no ABA problem.
     * writes, reads: every thread in handle; order: release in, acquire out; they pair
     * why: what the last page left in a context is seen by the thread that takes it */
    _Atomic(void *) idle[PAGE_POOL_SIZE];
};

/** An idle context, or NULL when there is none: make one. Thread: [any]. */
static inline void *page_pool_take(struct page_pool *pool)
{
    for (size_t i = 0; i < PAGE_POOL_SIZE; i++) {
        /* relaxed: only a hint that spares the exchange */
        if (atomic_load_explicit(&pool->idle[i], memory_order_relaxed) != NULL) {
            void *context = atomic_exchange_explicit(&pool->idle[i], NULL, memory_order_acquire);
            if (context != NULL) {
                return context;
            }
        }
    }
    return NULL;
}

/** False when the pool is full: the context stays the caller's. Thread: [any]. */
static inline bool page_pool_give(struct page_pool *pool, void *context)
{
    for (size_t i = 0; i < PAGE_POOL_SIZE; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&pool->idle[i], &none, context,
                                                    memory_order_release, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

#endif
