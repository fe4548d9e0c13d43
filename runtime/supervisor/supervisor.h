/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file supervisor.h
 * The door of runtime/supervisor: one thread that decides (state changes, storm limit, back-off,
 * refresh) and never blocks, the connectors that do what can block, and the reaper that destroys.
 *
 * Workers never see this door: they meet the supervisor in pool.h and connection.h.
 */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include "base.h"
#include "connection.h"
#include "mongo.h"
#include "mongo_watch.h"
#include "pool.h"
#include "sync.h"

struct supervisor;

/* ---- the driver: what can block, behind a table of functions ------------------------------------
 */

/* What to open. Strings live as long as what is opened. */
struct supervisor_target {
    const char *uri;
    const struct mongo_options *options; /* NULL: the table's own */
    const char *app_name;                /* copied by open() */
    uint32_t max_clients;
    void (*on_heartbeat)(void *ctx, bool ok, int64_t duration_us,
                         bool awaited); /* driver threads */
    void *heartbeat_ctx;
};

struct poke_report;
/* The server's own count of connections. */
struct supervisor_server_connections {
    int64_t current, available, total_created;
    bool has_status; /* the rest of what the server said with it */
    struct mongo_server_status status;
};

/* runtime/mongo in earnest (supervisor_mongo_driver()), a fault-injecting table in tests.
 * open, connect, ping, server_connections: [connector]; destroy, close: [reaper]. All may block. */
struct supervisor_driver {
    void *ctx;
    bool isolates_errors; /* a client's socket error does not stall its neighbours */
    enum gleaner_status (*open)(void *ctx, const struct supervisor_target *target, void **endpoint,
                                struct base_error *error);
    void (*close)(void *ctx, void *endpoint);
    const char *(*address)(void *ctx, void *endpoint);
    const char *(*database)(void *ctx, void *endpoint);
    enum gleaner_status (*connect)(void *ctx, void *endpoint, void **client, int64_t *connection_id,
                                   struct mongo_error *error);
    void (*destroy)(void *ctx, void *endpoint, void *client);
    enum gleaner_status (*ping)(void *ctx, void *client, struct mongo_error *error);
    /* Is anybody there? A few bytes on connections of its own to every seed, within timeout_ms
     * (poke.h); proves nothing about passwords or roles. NULL: never asked. */
    void (*poke)(void *ctx, const char *uri, uint32_t timeout_ms, const _Atomic bool *must_end,
                 struct poke_report *out);
    enum gleaner_status (*server_connections)(void *ctx, void *client,
                                              struct supervisor_server_connections *out,
                                              struct mongo_error *error);
    /* `uri` with the members of its replica set that this client's driver pool has found, to be
     * freed; NULL: nothing to add. Asks nobody. NULL: never asked. */
    char *(*find_members)(void *ctx, void *client, const char *uri);
    /* What the driver's monitors know; asks nobody. NULL: nothing. */
    void (*known)(void *ctx, void *client, struct mongo_known *out);
};
/** The table over runtime/mongo; `ctx` is the options every endpoint shares, copied strings must
 *  outlive the supervisor. */
struct supervisor_driver supervisor_mongo_driver(const struct mongo_options *shared);

/* ---- configuration
 * -------------------------------------------------------------------------------- */

#define SUPERVISOR_MAX_SHARDS 16

struct supervisor_config {
    const char *primary_uri;  /* NULL: no server is wanted, straight to embedded */
    const char *fallback_uri; /* or NULL */
    const char *app_name;     /* prefix of the census: <app_name>/<pid>/<generation> */
    struct pool_config pool;
    uint32_t shards;     /* driver pools per generation (fact 1), 1..SUPERVISOR_MAX_SHARDS; one is
                            enough for a driver that isolates errors */
    uint32_t connect_ms; /* a connector past it is condemned */
    uint32_t refresh_interval_ms;
    uint32_t reconnect_limit;
    uint32_t stop_within_ms; /* of the end after the drain; 0 = 500, the facade promises 600 */
    uint32_t reconnect_window_ms;
    uint32_t backoff_base_ms;
    uint32_t backoff_cap_ms;
    uint32_t return_checks;
    uint32_t return_span_ms;
    uint64_t random_seed; /* 0 = from the kernel */
    struct base_clock *clock;
    struct supervisor_driver driver;
    /* What the connections of both tiers share; copied. NULL: the driver table's own. */
    const struct mongo_options *mongo;
    /* No threads at all: the test calls supervisor_step() and advances a virtual clock; driver
     * calls run inside it. */
    bool is_manual;
    pool_event_fn on_pool_event; /* CMAP events, may be NULL */
    void *pool_event_ctx;
    void (*on_state)(void *ctx, const struct connection_snapshot *snapshot); /* [supervisor] */
    void *on_state_ctx;
};

/* What a client of the pool points to: the driver's client and where it really is. Immutable while
 * it is in the pool. */
struct supervisor_client {
    void *client; /* mongoc_client_t */
    const char *database;
    const char *address;
    enum connection_tier tier;
    const char *tier_name;
    int64_t server_connection_id;
};

/* ---- life
 * -------------------------------------------------------------------------------------------- */

/**
 * Build pool, connection and schedule; start nothing yet, so that monitors can be added.
 *
 * Thread: [startup]. Errors: GLEANER_E_CONFIG, GLEANER_E_INVALID, GLEANER_E_NOMEM.
 */
GLEANER_MUST_CHECK enum gleaner_status supervisor_create(const struct supervisor_config *config,
                                                         struct supervisor **out,
                                                         struct base_error *error);
/** Start the threads (none when manual) and the first attempt. Thread: [startup], once. */
GLEANER_MUST_CHECK enum gleaner_status supervisor_start(struct supervisor *supervisor);

enum supervisor_end {
    SUPERVISOR_CLEAN,      /* everything is freed */
    SUPERVISOR_BACKGROUND, /* a stuck thread or a dead server: it is freed later, by the reaper */
    SUPERVISOR_ABANDONED   /* loans or callers are out: the pool stays for their late returns */
};
/**
 * Drain for drain_ms, then stop within 0.6 s whatever the servers do. *supervisor becomes NULL.
 *
 * Thread: [owner], the only one that still uses it, but for the holders of abandoned loans.
 */
enum supervisor_end supervisor_stop(struct supervisor **supervisor, uint32_t drain_ms);
/** The same; calls `leave` when the pool is closed and drained, before anything is freed: there the
 *  facade waits until its last caller is out. False, when one is not: then nothing is freed, as for
 *  loans that are out. */
enum supervisor_end supervisor_stop_after(struct supervisor **supervisor, uint32_t drain_ms,
                                          bool (*leave)(void *ctx), void *leave_ctx);

/** Manual mode: handle everything that is due now. Returns false when nothing happened. */
bool supervisor_step(struct supervisor *supervisor);
/** When the next task is due; BASE_NO_DEADLINE if none. [supervisor] */
uint64_t supervisor_next_due_ns(const struct supervisor *supervisor);

/* ---- for the facade: [any]
 * ------------------------------------------------------------------------------ */

struct pool *supervisor_pool(struct supervisor *supervisor);
struct connection *supervisor_connection(struct supervisor *supervisor);
struct base_clock *supervisor_clock(struct supervisor *supervisor);
/**
 * The holder of this loan saw its socket break. The driver stalls every client of the same driver
 * pool for 1.0 s now (fact 1): the others leave the table at once, idle ones now, the rest as they
 * come back, and new ones connect through the other driver pools meanwhile. Does nothing when no
 * driver pool is left that did not stall just now. Call it before the check in. Lock-free.
 */
void supervisor_isolate(struct supervisor *supervisor, const struct pool_handle *handle);
/** Ask for a rolling refresh; joins one that runs. Wait-free. */
void supervisor_request_refresh(struct supervisor *supervisor);
/** Ask for a health check of the present tier now. Wait-free. */
void supervisor_request_check(struct supervisor *supervisor);
/** Wake the loop. Wait-free, safe anywhere. */
void supervisor_wake(struct supervisor *supervisor);

/* ---- change at run time: configure.c
 * ------------------------------------------------------------------ */

/* Something to run on the supervisor thread; lives in what it is about. */
struct supervisor_message {
    struct sync_mpsc_node node;
    /* [supervisor], or the thread that stops it when it came too late: `is_stopped` then */
    void (*run)(struct supervisor_message *message, bool is_stopped);
};
/** Run it on the supervisor thread. Every message is run exactly once. Wait-free. Not after
 *  supervisor_stop() began. Thread: [any]. */
void supervisor_post(struct supervisor *supervisor, struct supervisor_message *message);

/** Is the caller the supervisor thread? Then it must not wait for a message. [any] */
bool supervisor_is_caller(const struct supervisor *supervisor);

struct supervisor_change;
/**
 * Check a whole new configuration and get ready all that it takes, so that applying cannot fail.
 * What cannot change is kept: clock, driver, is_manual, slot_capacity, callbacks, random_seed.
 *
 * Thread: [any]. Errors: GLEANER_E_INVALID names the number; GLEANER_E_NOMEM.
 */
GLEANER_MUST_CHECK enum gleaner_status
supervisor_change_create(struct supervisor *supervisor, const struct supervisor_config *config,
                         struct supervisor_change **out, struct base_error *error);
/**
 * Put it in force. Numbers hold from now on. A tier that serves is left by a rolling refresh once
 * the new way of connecting works, and serves on as it is until then (tried again every 5 s); one
 * that does not is asked at its new address at once. The change is empty afterwards.
 *
 * Thread: [supervisor].
 */
void supervisor_change_apply(struct supervisor *supervisor, struct supervisor_change *change);
/** Thread: [any]; NULL accepted. */
void supervisor_change_destroy(struct supervisor_change **change);

struct supervisor_counts {
    uint64_t reconnects;        /* attempts that the storm limit was asked for and allowed */
    uint64_t reconnects_denied; /* ... and refused */
    uint32_t reconnect_tokens;  /* left of the window */
    uint64_t refreshes, forced_refreshes;
    uint64_t condemned;  /* connectors given up in all */
    uint32_t stuck;      /* of them, still hanging */
    uint32_t connectors; /* threads */
    uint32_t endpoints;  /* driver endpoint sets alive */
};
void supervisor_read_counts(struct supervisor *supervisor, struct supervisor_counts *out);

/* The driver's own heartbeats of the tier in use, between our checks. */
struct supervisor_heartbeats {
    uint64_t passed, failed;
    uint64_t last_ns;       /* the last that passed, 0 = none yet */
    uint64_t round_trip_ns; /* the last that did not wait for news, with its connecting; 0 = none */
};
void supervisor_read_heartbeats(struct supervisor *supervisor, struct supervisor_heartbeats *out);

/* ---- for monitors: [supervisor], but supervisor_add_task() [startup]
 * ------------------------------------ */

/** A task: does its work and returns when it wants to run next (absolute), BASE_NO_DEADLINE: when
 *  woken by supervisor_run_task_at(). Must not block. */
typedef uint64_t (*supervisor_task_fn)(void *ctx, uint64_t now_ns);
/** Returns the task's number, or -1 when the table is full. */
int supervisor_add_task(struct supervisor *supervisor, const char *name, uint64_t first_delay_ms,
                        supervisor_task_fn run, void *ctx);
void supervisor_run_task_at(struct supervisor *supervisor, int task, uint64_t due_ns);

/* One command on the probe client of the tier in use, on a connector thread. */
enum supervisor_call { SUPERVISOR_PING, SUPERVISOR_SERVER_CONNECTIONS, SUPERVISOR_ERRAND };
/* Something else that may block. It owns all it needs: a connector that hangs keeps it. */
struct supervisor_errand {
    /* [connector] `client` is the driver's. What the server refuses is an answer, GLEANER_OK: other
     * statuses cost the probe client. */
    enum gleaner_status (*run)(struct supervisor_errand *errand, void *client,
                               struct mongo_error *error);
    /* [any] once, after `done`, or when it came back too late */
    void (*dispose)(struct supervisor_errand *errand);
};
struct supervisor_answer {
    enum gleaner_status status;
    struct mongo_error error;
    uint64_t round_trip_ns;
    struct supervisor_server_connections connections;
    struct mongo_known known;
    struct supervisor_errand *errand; /* NULL: it hangs; valid until `done` returns */
};
typedef void (*supervisor_answer_fn)(void *ctx, const struct supervisor_answer *answer);
/** GLEANER_E_DOWN when no server is in use, GLEANER_E_BUSY when the probe client or all connectors
 *  are taken: ask again with the next tick. */
enum gleaner_status supervisor_call(struct supervisor *supervisor, enum supervisor_call call,
                                    supervisor_answer_fn done, void *ctx);
/** The same with an errand. GLEANER_E_DOWN and GLEANER_E_BUSY leave it with the caller. */
enum gleaner_status supervisor_send(struct supervisor *supervisor, struct supervisor_errand *errand,
                                    supervisor_answer_fn done, void *ctx);
/** A monitor's evidence that the server in use is sick: DEGRADED and a probe. */
void supervisor_suspect(struct supervisor *supervisor, const char *reason);
/** Why a server does not answer, in words, as three witnesses see it: our clock, the kernel's
 * socket table, the server; "" when nothing is wrong. Valid until the next step. [supervisor] */
const char *supervisor_verdict(const struct supervisor *supervisor);
/** Start a forced refresh (counted as such). */
void supervisor_force_refresh(struct supervisor *supervisor, const char *reason);

#endif
