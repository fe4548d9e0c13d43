/* SPDX-License-Identifier: Apache-2.0 */
/* Failure reports: posted by anybody without waiting, sorted by the supervisor. */
#include "connection_internal.h"

#define KIND_BITS 8
#define TAKE_AT_ONCE 16

/* Who is first marks the snapshot: others see it before the supervisor is awake. The report comes
 * after the mark, so that for every mark the supervisor looks again and moves, or dismisses it. */
static void mark_present(struct connection *connection, uint32_t generation)
{
    uint64_t markable = atomic_load_explicit(&connection->markable, memory_order_acquire);
    if (generation < markable >> 32) {
        return; /* stale, or nothing serves */
    }
    uint32_t unmarked = (uint32_t)markable;
    /* relaxed on failure: it is marked already, or a newer one was published */
    if (atomic_load_explicit(&connection->version_word, memory_order_relaxed) == unmarked &&
        atomic_compare_exchange_strong_explicit(&connection->version_word, &unmarked, unmarked + 1,
                                                memory_order_acq_rel, memory_order_relaxed)) {
        sync_futex_wake(&connection->version_word, UINT32_MAX >> 1);
    }
}

void connection_report(struct connection *connection, uint32_t generation,
                       enum connection_failure kind, uint32_t slot, uint64_t now_ns)
{
    mark_present(connection, generation);
    /* kind >= 1, so the key is never 0 */
    uint64_t key = (uint64_t)generation << KIND_BITS | (uint64_t)kind;
    if (sync_mailbox_post(connection->mailbox, key, slot, now_ns) &&
        connection->on_report != NULL) {
        connection->on_report(connection->on_report_ctx);
    }
}

static void sort_report(const struct sync_report *report, uint32_t present_generation,
                        struct connection_reports *out)
{
    uint32_t generation = (uint32_t)(report->key >> KIND_BITS);
    size_t kind = report->key & ((1U << KIND_BITS) - 1);
    if (generation < present_generation) {
        out->stale += report->count;
        return;
    }
    if (out->fresh == 0 || report->first_ns < out->first_ns) {
        out->first_ns = report->first_ns;
        out->slot = (uint32_t)report->detail;
    }
    out->fresh += report->count;
    if (kind < BASE_ARRAY_LEN(out->by_kind)) {
        out->by_kind[kind] += report->count;
    }
}

void connection_take_reports(struct connection *connection, struct connection_reports *out)
{
    *out = (struct connection_reports){0};
    uint32_t present = connection_current(connection)->generation;
    struct sync_report taken[TAKE_AT_ONCE];
    size_t count;
    do { /* posters make it repeat; bounded by the cells of the mailbox per round */
        count = sync_mailbox_take(connection->mailbox, taken, BASE_ARRAY_LEN(taken));
        for (size_t i = 0; i < count; i++) {
            sort_report(&taken[i], present, out);
        }
    } while (count == BASE_ARRAY_LEN(taken));
    atomic_fetch_add_explicit(&connection->reports_all, out->fresh + out->stale,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&connection->reports_stale, out->stale, memory_order_relaxed);
}

void connection_report_counts(const struct connection *connection, uint64_t *all, uint64_t *stale)
{
    *all = atomic_load_explicit(&connection->reports_all, memory_order_relaxed);
    *stale = atomic_load_explicit(&connection->reports_stale, memory_order_relaxed);
}
