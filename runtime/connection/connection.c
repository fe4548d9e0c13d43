/* SPDX-License-Identifier: Apache-2.0 */
/* The published snapshot and the one function that moves the state machine. */
#include "connection_internal.h"
#include <stdio.h>
#include <stdlib.h>

enum gleaner_status connection_create(struct pool *table, struct base_clock *clock,
                                      void (*on_report)(void *ctx), void *on_report_ctx,
                                      struct connection **out)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        return GLEANER_E_NOMEM;
    }
    if (sync_mailbox_create(&connection->mailbox, CONNECTION_MAILBOX_CELLS) != GLEANER_OK) {
        free(connection);
        return GLEANER_E_NOMEM;
    }
    connection->magic = CONNECTION_MAGIC;
    connection->clock = clock;
    connection->on_report = on_report;
    connection->on_report_ctx = on_report_ctx;
    struct connection_snapshot *first = &connection->buffers[0];
    first->version = 2;
    first->phase = CONNECTION_STARTING;
    first->tier = CONNECTION_NONE;
    first->table = table;
    first->since_ns = base_clock_now_ns(clock);
    snprintf(first->reason, sizeof(first->reason), "starting");
    atomic_store_explicit(&connection->version_word, 2, memory_order_relaxed);
    atomic_store_explicit(&connection->markable, CONNECTION_NOT_MARKABLE, memory_order_relaxed);
    (void)sync_publish(&connection->published, first);
    *out = connection;
    return GLEANER_OK;
}

void connection_destroy(struct connection **connection)
{
    if (*connection == NULL) {
        return;
    }
    BASE_CHECK_MAGIC(*connection, CONNECTION_MAGIC);
    (*connection)->magic = 0;
    sync_mailbox_destroy(&(*connection)->mailbox);
    free(*connection);
    *connection = NULL;
}

const struct connection_snapshot *connection_read(struct connection *connection)
{
    return sync_read(&connection->published);
}

const struct sync_published *connection_published(const struct connection *connection)
{
    return &connection->published;
}

const _Atomic uint32_t *connection_version_word(const struct connection *connection)
{
    return &connection->version_word;
}

static bool is_serving(enum connection_phase phase)
{
    return phase == CONNECTION_CONNECTED || phase == CONNECTION_FALLBACK;
}

void connection_copy(struct connection *connection, struct connection_snapshot *out)
{
    /* The number first: behind it is this snapshot or a newer one. So nobody who has seen the mark
     * sees the same snapshot without it later. */
    uint32_t word = atomic_load_explicit(&connection->version_word, memory_order_acquire);
    sync_reader_ensure();
    sync_read_lock();
    const struct connection_snapshot *snapshot = connection_read(connection);
    *out = *snapshot;
    sync_read_unlock();
    if (word == (uint32_t)out->version + 1) {
        BASE_ASSERT(is_serving(out->phase));
        out->version++;
        out->phase = CONNECTION_DEGRADED;
        snprintf(out->reason, sizeof(out->reason), "a failure was reported");
    }
}

const struct connection_snapshot *connection_current(const struct connection *connection)
{
    /* relaxed: the caller is the one writer of this pointer */
    return atomic_load_explicit(&connection->published.pointer, memory_order_relaxed);
}

bool connection_wait_newer(struct connection *connection, uint64_t seen_version,
                           uint64_t deadline_ns)
{
    for (;;) { /* repeats only on a spurious wake-up */
        uint32_t word = atomic_load_explicit(&connection->version_word, memory_order_acquire);
        if (word != (uint32_t)seen_version) {
            return true;
        }
        if (!sync_futex_wait(&connection->version_word, word, deadline_ns) &&
            base_mono_ns() >= deadline_ns) {
            return atomic_load_explicit(&connection->version_word, memory_order_acquire) != word;
        }
    }
}

/* The snapshot to build in: a copy of the present one, the next even version. */
static struct connection_snapshot *begin_snapshot(struct connection *connection)
{
    const struct connection_snapshot *now = connection_current(connection);
    struct connection_snapshot *next =
        now == &connection->buffers[0] ? &connection->buffers[1] : &connection->buffers[0];
    *next = *now;
    next->version += 2;
    return next;
}

static void apply_facts(struct connection_snapshot *next, const struct connection_facts *facts)
{
    next->tier = facts->tier;
    next->generation = facts->generation;
    next->next_attempt_ns = facts->next_attempt_ns;
    if (facts->address != NULL) {
        snprintf(next->address, sizeof(next->address), "%s", facts->address);
    }
    if (facts->database != NULL) {
        snprintf(next->database, sizeof(next->database), "%s", facts->database);
    }
    if (facts->reason != NULL) {
        snprintf(next->reason, sizeof(next->reason), "%s", facts->reason);
    }
}

/* Publish, wait for the grace period, give the old one back (as the buffer of the next turn). */
static void connection_publish(struct connection *connection, struct connection_snapshot *next)
{
    uint32_t word = (uint32_t)next->version;
    uint64_t markable = (uint64_t)next->generation << 32 | word;
    (void)sync_publish(&connection->published, next);
    atomic_store_explicit(&connection->version_word, word, memory_order_release);
    atomic_store_explicit(&connection->markable,
                          is_serving(next->phase) ? markable : CONNECTION_NOT_MARKABLE,
                          memory_order_release);
    sync_futex_wake(&connection->version_word, UINT32_MAX >> 1);
    sync_wait_readers(); /* from here on nobody reads the old one: begin_snapshot() may write it */
}

void connection_move(struct connection *connection, enum connection_event event,
                     const struct connection_facts *facts)
{
    BASE_CHECK_MAGIC(connection, CONNECTION_MAGIC);
    const struct connection_snapshot *now = connection_current(connection);
    enum connection_phase from = now->phase;
    enum connection_phase to = connection_edge(from, event);
    if (to == CONNECTION_ABSENT) {
        base_log_error("connection", "event=forbidden phase=%s event=%s",
                       connection_phase_name(from), connection_event_name(event));
        BASE_ASSERT(to != CONNECTION_ABSENT);
    }
    uint64_t now_ns = base_clock_now_ns(connection->clock);
    uint64_t lasted_ms = (now_ns - now->since_ns) / BASE_NS_PER_MS;
    struct connection_snapshot *next = begin_snapshot(connection);
    next->phase = to;
    next->since_ns = now_ns;
    apply_facts(next, facts);
    connection_publish(connection, next);
    atomic_fetch_add_explicit(&connection->transitions, 1, memory_order_relaxed);
    base_log(to == CONNECTION_RECONNECTING || to == CONNECTION_EMBEDDED ? BASE_LOG_WARN
                                                                        : BASE_LOG_INFO,
             "connection",
             "from=%s to=%s event=%s tier=%s generation=%u version=%llu after_ms=%llu why=\"%s\"",
             connection_phase_name(from), connection_phase_name(to), connection_event_name(event),
             connection_tier_name(next->tier), next->generation, (unsigned long long)next->version,
             (unsigned long long)lasted_ms, next->reason);
}

void connection_update(struct connection *connection, const struct connection_facts *facts)
{
    BASE_CHECK_MAGIC(connection, CONNECTION_MAGIC);
    struct connection_snapshot *next = begin_snapshot(connection);
    apply_facts(next, facts);
    connection_publish(connection, next);
}

void connection_dismiss_mark(struct connection *connection)
{
    BASE_CHECK_MAGIC(connection, CONNECTION_MAGIC);
    /* relaxed: a mark that comes this moment is followed by a report, and by another look */
    if ((atomic_load_explicit(&connection->version_word, memory_order_relaxed) & 1) != 0) {
        connection_publish(connection, begin_snapshot(connection));
    }
}

uint64_t connection_transitions(const struct connection *connection)
{
    return atomic_load_explicit(&connection->transitions, memory_order_relaxed);
}
