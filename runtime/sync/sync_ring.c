/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded ring of pages: a lock and two conditions. */
#include "sync_internal.h"
#include <stdlib.h>

struct sync_ring {
    struct sync_mutex *lock; /* protects everything below; a leaf: nothing is taken under it */
    struct sync_cond *not_empty;
    struct sync_cond *not_full;
    size_t capacity;
    size_t head; /* next to pop */
    size_t count;
    size_t nudges; /* pops that have to return without an item */
    bool closed;
    void *items[];
};

enum gleaner_status sync_ring_create(struct sync_ring **out, size_t capacity)
{
    if (capacity == 0 || capacity > (SIZE_MAX / 2) / sizeof(void *)) {
        return GLEANER_E_INVALID;
    }
    struct sync_ring *ring = calloc(1, sizeof(*ring) + capacity * sizeof(ring->items[0]));
    if (ring == NULL) {
        return GLEANER_E_NOMEM;
    }
    ring->capacity = capacity;
    if (sync_mutex_create(&ring->lock) != GLEANER_OK ||
        sync_cond_create(&ring->not_empty) != GLEANER_OK ||
        sync_cond_create(&ring->not_full) != GLEANER_OK) {
        sync_ring_destroy(&ring);
        return GLEANER_E_NOMEM;
    }
    *out = ring;
    return GLEANER_OK;
}

void sync_ring_destroy(struct sync_ring **ring)
{
    if (*ring == NULL) {
        return;
    }
    sync_cond_destroy(&(*ring)->not_full);
    sync_cond_destroy(&(*ring)->not_empty);
    sync_mutex_destroy(&(*ring)->lock);
    free(*ring);
    *ring = NULL;
}

static enum gleaner_status push_locked(struct sync_ring *ring, void *item, uint64_t deadline_ns)
{
    BASE_ASSERT(sync_mutex_is_mine(ring->lock));
    while (!ring->closed && ring->count == ring->capacity) {
        if (!sync_cond_wait(ring->not_full, ring->lock, deadline_ns) && !ring->closed &&
            ring->count == ring->capacity) {
            return GLEANER_E_TIMEOUT;
        }
    }
    if (ring->closed) {
        return GLEANER_E_CLOSED;
    }
    ring->items[(ring->head + ring->count) % ring->capacity] = item;
    ring->count++;
    return GLEANER_OK;
}

enum gleaner_status sync_ring_push(struct sync_ring *ring, void *item, uint64_t deadline_ns)
{
    sync_mutex_lock(ring->lock);
    enum gleaner_status status = push_locked(ring, item, deadline_ns);
    sync_mutex_unlock(ring->lock);
    if (status == GLEANER_OK) {
        sync_cond_signal(ring->not_empty);
    }
    return status;
}

static bool has_reason_to_return(const struct sync_ring *ring)
{
    return ring->count > 0 || ring->nudges > 0 || ring->closed;
}

static enum gleaner_status pop_locked(struct sync_ring *ring, void **item, uint64_t deadline_ns)
{
    BASE_ASSERT(sync_mutex_is_mine(ring->lock));
    while (!has_reason_to_return(ring)) {
        if (!sync_cond_wait(ring->not_empty, ring->lock, deadline_ns) &&
            !has_reason_to_return(ring)) {
            return GLEANER_E_TIMEOUT;
        }
    }
    if (ring->nudges > 0) {
        ring->nudges--;
        return GLEANER_E_CANCELLED;
    }
    if (ring->count == 0) {
        return GLEANER_E_CLOSED;
    }
    *item = ring->items[ring->head];
    ring->head = (ring->head + 1) % ring->capacity;
    ring->count--;
    return GLEANER_OK;
}

enum gleaner_status sync_ring_pop(struct sync_ring *ring, void **item, uint64_t deadline_ns)
{
    *item = NULL;
    sync_mutex_lock(ring->lock);
    enum gleaner_status status = pop_locked(ring, item, deadline_ns);
    /* A nudge may have used up the wake that an item had sent: hand it on. */
    bool more = status == GLEANER_E_CANCELLED && ring->count > 0;
    sync_mutex_unlock(ring->lock);
    if (status == GLEANER_OK) {
        sync_cond_signal(ring->not_full);
    }
    if (more) {
        sync_cond_signal(ring->not_empty);
    }
    return status;
}

size_t sync_ring_count(struct sync_ring *ring)
{
    sync_mutex_lock(ring->lock);
    size_t count = ring->count;
    sync_mutex_unlock(ring->lock);
    return count;
}

void sync_ring_nudge(struct sync_ring *ring)
{
    sync_mutex_lock(ring->lock);
    ring->nudges++;
    sync_mutex_unlock(ring->lock);
    sync_cond_signal(ring->not_empty);
}

void sync_ring_close(struct sync_ring *ring)
{
    sync_mutex_lock(ring->lock);
    ring->closed = true;
    sync_mutex_unlock(ring->lock);
    sync_cond_broadcast(ring->not_empty);
    sync_cond_broadcast(ring->not_full);
}
