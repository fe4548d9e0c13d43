/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file connection.h
 * The door of runtime/connection: the state machine, the published snapshot, the failure mailbox.
 *
 * One writer (the supervisor) moves; everybody else reads one immutable snapshot per operation and
 * posts failures into the mailbox with the generation they were seen under. The first who does so
 * also marks the snapshot as suspected, so that others need not wait for the supervisor to be
 * awake; what comes of it the supervisor alone decides.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "base.h"
#include "pool.h"
#include "sync.h"

enum connection_phase {
    CONNECTION_ABSENT = 0, /* forbidden edge */
    CONNECTION_STARTING,
    CONNECTION_CONNECTED,
    CONNECTION_DEGRADED,
    CONNECTION_RECONNECTING,
    CONNECTION_FALLBACK,
    CONNECTION_EMBEDDED,
    CONNECTION_DRAINING,
    CONNECTION_CLOSED,
    CONNECTION_PHASE_COUNT
};
enum connection_tier {
    CONNECTION_NONE,
    CONNECTION_PRIMARY,
    CONNECTION_SECONDARY,
    CONNECTION_LOCAL
};

enum connection_event {
    CONNECTION_EV_PRIMARY_UP,  /* a validated handle of the primary exists */
    CONNECTION_EV_FALLBACK_UP, /* ... of the fallback */
    CONNECTION_EV_FAILURE,     /* a report of the present generation */
    CONNECTION_EV_PROBE_PASSED,
    CONNECTION_EV_PROBE_FAILED,
    CONNECTION_EV_TIERS_EXHAUSTED, /* neither server answers: the embedded store carries on */
    CONNECTION_EV_RETURN_READY,    /* hysteresis satisfied: back to the primary */
    CONNECTION_EV_DRAIN,
    CONNECTION_EV_CLOSE,
    CONNECTION_EVENT_COUNT
};

/* Immutable once published. Freed by the supervisor after the grace period. */
struct connection_snapshot {
    /* + 2 each. In a copy an odd number: the snapshot of the even one before, marked since */
    uint64_t version;
    enum connection_phase phase;
    enum connection_tier tier;
    uint32_t generation; /* of the handle table */
    struct pool *table;  /* lives as long as the connection */
    uint64_t since_ns;
    uint64_t next_attempt_ns; /* 0 = none planned */
    char address[192];
    char database[64];
    char reason[160];
};

struct connection;

GLEANER_MUST_CHECK enum gleaner_status
connection_create(struct pool *table, struct base_clock *clock, void (*on_report)(void *ctx),
                  void *on_report_ctx, struct connection **out);
/** After the last reader is gone. [owner] */
void connection_destroy(struct connection **connection);

/** Inside a read section; valid until its end. Thread: [reader]. */
const struct connection_snapshot *connection_read(struct connection *connection);
/** Where it is published: sync_read() gives the same, inlined. For callers that count nanoseconds.
 */
const struct sync_published *connection_published(const struct connection *connection);
/** Low half of the published version, as it is stored right after publishing, odd once it is
 * marked: for callers that need no more of the snapshot than its number. Lives as long as the
 * connection.
 */
const _Atomic uint32_t *connection_version_word(const struct connection *connection);
/** Copy it out: one read section. One that serves and is marked reads as DEGRADED, under the next
 *  (odd) version. Thread: [any] (registers the thread on first use). */
void connection_copy(struct connection *connection, struct connection_snapshot *out);

enum connection_failure {
    CONNECTION_FAIL_NETWORK = 1,
    CONNECTION_FAIL_TIMEOUT,
    CONNECTION_FAIL_NOT_PRIMARY,
    CONNECTION_FAIL_AUTH,
    CONNECTION_FAIL_SELECTION
};
/** Report a failure seen under `generation`; the first report against a snapshot marks it and wakes
 *  the sleepers of connection_wait_newer(). Thread: [any], wait-free. */
void connection_report(struct connection *connection, uint32_t generation,
                       enum connection_failure kind, uint32_t slot, uint64_t now_ns);

struct connection_reports {
    uint64_t fresh; /* of the present generation, all kinds */
    uint64_t stale; /* older: counted and dropped */
    uint64_t by_kind[8];
    uint64_t first_ns;
    uint32_t slot; /* of the first */
};
/** Take and sort everything posted: a report is stale when its generation is older than the
 *  published one. (A rolling refresh raises the table's generation while older clients still serve:
 *  the published generation follows only when the refresh is over, so their failures count.)
 *  [supervisor] */
void connection_take_reports(struct connection *connection, struct connection_reports *out);
/** What was reported was old news: publish the same facts again, if they are marked. [supervisor]
 */
void connection_dismiss_mark(struct connection *connection);

/** The facts that go with a move. NULL strings keep what was. */
struct connection_facts {
    enum connection_tier tier;
    uint32_t generation;
    const char *address;
    const char *database;
    const char *reason;
    uint64_t next_attempt_ns;
};
/**
 * The one function that moves. Looks the edge up in the table, publishes a new snapshot, waits for
 * the grace period, frees the old one, logs the transition. A forbidden edge asserts, naming state
 * and event. [supervisor]
 */
void connection_move(struct connection *connection, enum connection_event event,
                     const struct connection_facts *facts);
/** Publish changed facts without a change of phase (next attempt, reason). [supervisor] */
void connection_update(struct connection *connection, const struct connection_facts *facts);

/** The present snapshot as its writer sees it: no read section needed. [supervisor] */
const struct connection_snapshot *connection_current(const struct connection *connection);

/**
 * Sleep until a snapshot newer than `seen_version` is published, or that one is marked, or the
 * deadline (real monotonic).
 * Thread: [any], outside read sections; a slow path (futex). Returns false on timeout.
 */
bool connection_wait_newer(struct connection *connection, uint64_t seen_version,
                           uint64_t deadline_ns);

/** Reports in all, and those of them that were stale. [any] */
void connection_report_counts(const struct connection *connection, uint64_t *all, uint64_t *stale);
uint64_t connection_transitions(const struct connection *connection);
const char *connection_phase_name(enum connection_phase phase);
const char *connection_event_name(enum connection_event event);
/** Where the table leads, CONNECTION_ABSENT for a forbidden edge. Pure. */
enum connection_phase connection_edge(enum connection_phase phase, enum connection_event event);
const char *connection_tier_name(enum connection_tier tier);
/** The graph of the table in Graphviz form, for the README. */
void connection_print_graph(void (*write)(void *ctx, const char *line), void *ctx);

#endif
