/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUEUE_INTERNAL_H
#define QUEUE_INTERNAL_H

#include "queue.h"
#include "sync.h"

struct queue {
    struct queue_options options; /* owner points to `owner` below; immutable after creation;
                                     what can change is read from the atomics below */
    char *owner;
    /* writes: queue_configure() (any thread, relaxed); reads: who decides a failure, relaxed: each
     * value stands for itself */
    _Atomic uint32_t max_attempts, retry_base_ms, retry_cap_ms;

    /* The seen-filter: keys whose jobs are durably in the store. Guarded by `lock`. */
    struct sync_mutex *lock;
    struct base_keyset seen;
    struct base_random random;

    /* Written by any worker, relaxed; only reports read them. */
    struct base_counter claimed, settled, retried, dead, released, links_offered, links_new, stale;
};

/* Host part of a normalised URL: scheme://host[:port]. */
size_t queue_origin_length(const char *url, size_t len);

#endif
