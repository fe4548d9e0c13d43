/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUEUE_INTERNAL_H
#define QUEUE_INTERNAL_H

#include "queue.h"
#include "sync.h"

/* How many URLs share a key: open addressing, bounded. What finds no place is not limited. */
struct budget_table {
    struct budget_slot {
        uint64_t key; /* 0 = empty */
        uint64_t count;
    } * slots;
    size_t cap, used;
};

/* A date in a URL. */
struct url_date {
    uint32_t year, month; /* month 0 = a year alone */
    struct {
        size_t at, len;
    } parts[3]; /* its digits: year, month, day, in the order of the URL */
    size_t part_count;
};

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
    struct budget_table budgets; /* guarded by lock */

    /* Written by any worker, relaxed; only reports read them. */
    struct base_counter claimed, settled, retried, dead, released, links_offered, links_new, stale,
        links_over_budget;
};

/* Host part of a normalised URL: scheme://host[:port]. */
size_t queue_origin_length(const char *url, size_t len);

/* date.c */
/** The first date behind the origin: 2024-05, 2024/05/12, 20240512, year=2024&month=5. */
bool queue_find_date(const char *url, size_t len, struct url_date *out);

/* budget.c */
bool budget_is_on(const struct queue *queue);
/** Count the URL if every budget has room for it. Takes the lock. */
bool budget_take(struct queue *queue, const char *url, size_t len);
/** It was counted twice: two batches had it. The lock is held. */
void budget_give_locked(struct queue *queue, const char *url, size_t len);
/** Count what is in the store. */
enum gleaner_status budget_load(struct queue *queue);
void budget_fini(struct budget_table *table);

#endif
