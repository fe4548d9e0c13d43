/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file db.h
 * libgleaner: a MongoDB client pool that recovers by itself, for any C program that uses libmongoc.
 *
 *     struct gleaner_db *db;
 *     struct gleaner_db_options options;
 *     gleaner_db_options_init(&options);
 *     options.uri = "mongodb://127.0.0.1/app";
 *     if (gleaner_db_open(&options, &db, &error) != GLEANER_OK) { ... error.message ... }
 *
 *     struct gleaner_client c;
 *     if (gleaner_db_check_out(db, 2000, &c) == GLEANER_OK) {
 *         bson_error_t e;
 *         bool ok = mongoc_client_command_simple(c.client, c.database, cmd, NULL, NULL, &e);
 *         gleaner_db_check_in(db, &c, ok ? NULL : &e);
 *     }
 *     gleaner_db_close(&db, 5000);
 *
 * One supervisor thread owns connecting, health and refresh. Callers never connect and never wait
 * in the driver for a server to be selected: they get a warm client, or a reason, by their
 * deadline.
 *
 * ABI: structs start with their size; fields are only appended.
 *   2026-11-23  version 1
 *   2026-11-24  gleaner_db_configure(), gleaner_db_run(), gleaner_set_deadline(),
 *               options.max_pool_size_limit, options.slow_ms
 *   2026-12-01  gleaner_set_log(), gleaner_leave_driver_log(); the pool's options in a URI hold
 */
#ifndef GLEANER_DB_H
#define GLEANER_DB_H

#include "gleaner/status.h"
#include <mongoc/mongoc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gleaner_db;

enum gleaner_log_level {
    GLEANER_LOG_NONE = -1,
    GLEANER_LOG_ERROR,
    GLEANER_LOG_WARN,
    GLEANER_LOG_INFO, /**< each transition of each database */
    GLEANER_LOG_DEBUG /**< and what the driver says of its own */
};
/**
 * Where libgleaner's log goes, of all databases: lines up to level `most`, to standard error when
 * `sink` is NULL. As long as this is not called: up to GLEANER_LOG_INFO, to standard error. A
 * daemon that closes descriptor 2 calls this, for whatever has that number then would get the
 * lines.
 *
 * `sink` gets a whole line (time, level, room, key=value; no password, no newline). It is called
 * on any thread, on several at once; must not block, nor call libgleaner.
 *
 * Thread: before the first gleaner_db_open(), or after the last gleaner_db_close() that returned
 *         GLEANER_OK; the level alone (same sink and ctx): any time.
 */
GLEANER_API void
gleaner_set_log(enum gleaner_log_level most,
                void (*sink)(void *ctx, enum gleaner_log_level level, const char *line), void *ctx);

/**
 * Leave the driver's own log where the program has directed it by mongoc_log_set_handler(), or to
 * the driver's default. libmongoc does not tell which handler is set. So unless this was called,
 * the first gleaner_db_open() directs it to libgleaner's log, at GLEANER_LOG_DEBUG: the default
 * handler would write to standard output, a line for each connection among them. It is done that
 * once; a handler that is set later stays.
 *
 * Thread: before the first gleaner_db_open().
 */
GLEANER_API void gleaner_leave_driver_log(void);

struct gleaner_error {
    enum gleaner_status status;
    char message[480]; /**< names the place and the remedy; holds no password */
};

/* What the URI says about the pool holds where the field is 0: maxPoolSize, minPoolSize,
 * maxConnecting, maxIdleTimeMS, waitQueueTimeoutMS (of `uri`; one pool serves both servers), within
 * the limits of the field. One that is beyond them, is no number, or has no meaning here
 * (waitQueueMultiple, timeoutMS), is named in the log with the remedy. Time-outs and heartbeats in
 * the URI go before the fields, serverSelectionTimeoutMS only when it is shorter.
 *
 * Every number's source: the application's defaults (where safe) or libmongoc's measured
 * behaviour; see runtime/db/README.md. 0 in a field means its default. */
struct gleaner_db_options {
    size_t size;              /**< sizeof(struct gleaner_db_options), set by the init function */
    const char *uri;          /**< primary; NULL: straight to embedded (no server wanted) */
    const char *fallback_uri; /**< second choice, or NULL */
    const char *app_name;     /**< prefix of the appName census, default "gleaner"; an appName in
                                   the URI gives way to it */
    const char *database;     /**< when the URI names none, default "bambisleep" */
    uint32_t max_pool_size;   /**< default 10 (1..100) */
    uint32_t min_pool_size;   /**< default 2 */
    uint32_t max_connecting;  /**< default 2 */
    uint32_t wait_queue_timeout_ms;        /**< default 0: the caller's deadline alone */
    uint32_t max_idle_ms;                  /**< default 60,000 */
    uint32_t server_selection_ms;          /**< default 2,000 */
    uint32_t connect_ms;                   /**< default 5,000: also the stuck-pending deadline */
    uint32_t socket_ms;                    /**< default 10,000 */
    uint32_t heartbeat_ms;                 /**< default 10,000 */
    uint32_t health_interval_ms;           /**< default 30,000 */
    uint32_t unhealthy_after;              /**< default 2 failed checks in a row */
    uint32_t pool_check_interval_ms;       /**< default 45,000, the first after 5,000 */
    uint32_t connection_check_interval_ms; /**< default 60,000 */
    uint32_t refresh_interval_ms;          /**< default 14,400,000 (4 h) less up to 2.5 % */
    uint32_t reconnect_limit;              /**< default 10 ... */
    uint32_t reconnect_window_ms;          /**< ... in 300,000 */
    uint32_t backoff_base_ms;              /**< default 500, full jitter */
    uint32_t backoff_cap_ms;               /**< default 30,000 */
    uint32_t return_checks;  /**< good checks before going back to the primary, default 3 */
    uint32_t return_span_ms; /**< ... over at least, default 3,000 */
    bool no_retry_writes;
    /* Called on the supervisor thread after each published transition; must not block: a wait for a
     * client or a state ends at once there, gleaner_db_close() and gleaner_db_configure() are
     * refused (GLEANER_E_INVALID). */
    void (*on_state)(void *ctx, const char *phase, const char *tier, const char *reason);
    void *on_state_ctx;
    /* Driver pools per generation, 1..16, default 2: what stalls for libmongoc's 1.0 s after a
     * socket error is one of them (runtime/supervisor/README.md). Each costs 2 threads and 2
     * connections. */
    uint32_t driver_pools;
    /* How long close waits beyond drain_ms for the driver's pools to be destroyed, 1..500, default
     * 500: libmongoc takes up to 0.5 s for each, healthy or not (fact 3). A program that leaves
     * right after takes less and ends with _exit(): the reaper is still at it in the background. */
    uint32_t close_wait_ms;
    /* What gleaner_db_configure() may raise max_pool_size to, default 32 or twice max_pool_size, at
     * most 100: the table's places are reserved when it is opened. */
    uint32_t max_pool_size_limit;
    /* Commands that take longer are slow: counted per shape, explained once (gleaner/monitor.h).
     * Default 100; UINT32_MAX: no commands are watched. */
    uint32_t slow_ms;
};
GLEANER_API void gleaner_db_options_init(struct gleaner_db_options *options);

/**
 * Start the supervisor. Returns before anything is connected; never fails because a server is away.
 *
 * Thread: [any]. Owns: *out until gleaner_db_close(). Signals: none is ever handled on its threads.
 * Fork:   a child can use nothing of this, not even a database of its own: fork before the first is
 *         opened, or exec. In a child every call answers GLEANER_E_CLOSED (a return
 *         GLEANER_E_STALE), at once.
 * Errors: GLEANER_E_CONFIG a URI or number is wrong; GLEANER_E_NOMEM; GLEANER_E_CLOSED in a forked
 *         child.
 */
GLEANER_API GLEANER_MUST_CHECK enum gleaner_status
gleaner_db_open(const struct gleaner_db_options *options, struct gleaner_db **out,
                struct gleaner_error *error);

/**
 * Other settings while it runs: `options` is the whole new set, as for gleaner_db_open(). All is
 * checked before anything is changed; then all of it holds at once, before this returns.
 *
 * Sizes, intervals, thresholds, the storm limit and back-off hold from now on. A changed URI,
 * app_name, database, driver_pools, time-out of the driver or no_retry_writes is taken up by a
 * rolling refresh: no operation fails; until a connection made the new way answers, the old ones
 * serve on (tried again every 5 s, said in the log). A server that is not in use now is asked at
 * its new address at once; a fallback that is taken away while in use is left.
 *
 * Thread: [any] but the one on_state is called on; one after the other.
 * Errors: GLEANER_E_CONFIG   a value is wrong, or cannot change while open: the message names it
 *                            (uri to NULL, on_state, max_pool_size_limit, max_pool_size above it);
 *         GLEANER_E_INVALID  called from on_state; GLEANER_E_NOMEM; GLEANER_E_CLOSED.
 *         Nothing was changed then.
 */
GLEANER_API GLEANER_MUST_CHECK enum gleaner_status
gleaner_db_configure(struct gleaner_db *db, const struct gleaner_db_options *options,
                     struct gleaner_error *error);

/* A client on loan. Plain data; give the same struct back. Whatever was made of the client
 * (cursors, collections, sessions, bulks, change streams) is destroyed before that: the client may
 * be gone with its return. */
struct gleaner_client {
    mongoc_client_t *client;
    const char *database; /**< of the endpoint's URI */
    const char *tier;     /**< "primary" or "fallback": where this client really is */
    uint64_t version;     /**< of the snapshot it was handed out under */
    uint64_t loan;
    uint64_t connection_id;
    uint32_t slot;
    uint32_t generation;
};

/**
 * A client, or a reason, within timeout_ms.
 *
 * Thread: [any]. Fast path: the client that this thread gave back last, without a locked
 * instruction; else one CAS. 0 = do not wait.
 * Errors: GLEANER_E_BUSY / GLEANER_E_TIMEOUT all taken; GLEANER_E_DOWN no server is reachable now
 *         (state says since when and when the next attempt is); GLEANER_E_CLOSED.
 * While a first or next connection is being looked for (starting, reconnecting) the caller waits,
 * within its deadline; once no server is known to answer (embedded) it is refused at once.
 */
GLEANER_API GLEANER_MUST_CHECK enum gleaner_status
gleaner_db_check_out(struct gleaner_db *db, uint32_t timeout_ms, struct gleaner_client *out);

/**
 * Give it back, with the driver's error if the operation failed (NULL if not). The error is
 * classified by code, reported to the supervisor without waiting, and decides whether the client
 * goes on serving. The error of a server's answer (duplicate key, a bad document) costs nothing.
 * Returns GLEANER_E_STALE for a double or foreign return (nothing happens).
 */
GLEANER_API enum gleaner_status gleaner_db_check_in(struct gleaner_db *db,
                                                    struct gleaner_client *client,
                                                    const bson_error_t *error);

/**
 * Until when the calling thread's operations may take: CLOCK_MONOTONIC in nanoseconds, 0 = no
 * deadline. Each wait for a server's answer, on a client of any gleaner_db, ends by then, though
 * the server be frozen in the middle of it; the operation fails with code 50 (MaxTimeMSExpired), as
 * by maxTimeMS, its connection is closed, the server is not held for dead. Give such a client back
 * with its error, on the same thread.
 *
 * Not bounded by it: check out, which has its own time; the driver's server selection, while its
 * monitor reports the server as gone (server_selection_ms; gleaner_db_run() asks before). A
 * retryable write on a replica set fails as by a broken socket, and is repeated by the driver once:
 * up to 150 ms for the new connection, and a server selection.
 *
 * Thread: [any]; holds for that thread alone, until set again. gleaner_db_run() sets it by itself.
 *         No effect with libmongoc 2, which knows its socket time-out only.
 */
GLEANER_API void gleaner_set_deadline(uint64_t deadline_ns);

/* ---- an operation, repeated where that is safe ---- */

struct gleaner_run_options {
    size_t size;          /**< sizeof(struct gleaner_run_options), set by the init function */
    uint32_t deadline_ms; /**< of everything, waits included, default 10,000 */
    uint32_t max_tries;   /**< default 5; 1 = never repeat */
    bool is_idempotent;   /**< doing it twice leaves the same as doing it once */
    const char *what;     /**< for the error message, such as "profile read" */
};
GLEANER_API void gleaner_run_options_init(struct gleaner_run_options *options);

/* What one try gets and gives. */
struct gleaner_try {
    size_t size;
    const struct gleaner_client *client;
    uint32_t number;  /**< 1, 2, 3 ... */
    uint32_t left_ms; /**< of the deadline: for maxTimeMS */
    /* In: an empty document. Out: the driver's reply of the call that failed, for its labels; give
     * the driver `&reply` of one call only, or destroy it in between. */
    bson_t reply;
    bson_error_t error; /**< out, when false is returned */
};
/** One try, on the caller's thread with a client of its own. True when the operation is done. */
typedef bool (*gleaner_operation)(void *ctx, struct gleaner_try *attempt);

/**
 * Check out, call back, check in with the error, and again where it is safe, within the deadline.
 *
 * It is safe when the operation is idempotent; or when the failure itself says that nothing was
 * done: no server could be chosen; the server is not primary (10107, 13435, 13436, 10058); it is
 * overloaded (label SystemOverloadedError); label NoWritesPerformed. A lost connection, a
 * time-out, a server that shuts down or steps down (91, 11600, 11602, 189) leave it open whether
 * the operation was done. Answers (duplicate key, refused rights, a wrong document, maxTimeMS) are
 * never repeated.
 *
 * Thread: [any]; takes the time it takes, up to the deadline plus one socket time-out of the driver
 *         (libmongoc 1.x: up to the deadline).
 * Errors: GLEANER_E_TIMEOUT, GLEANER_E_BUSY, GLEANER_E_DOWN, GLEANER_E_CLOSED: no client was had;
 *         else by the class of the last failure: GLEANER_E_NETWORK, GLEANER_E_TIMEOUT,
 *         GLEANER_E_BUSY (transient on the server), GLEANER_E_AUTH, GLEANER_E_CONFIG,
 *         GLEANER_E_EXISTS (duplicate key), GLEANER_E_INVALID, GLEANER_E_INTERNAL.
 *         error->message: what failed, how many tries, and why there was no other.
 */
GLEANER_API GLEANER_MUST_CHECK enum gleaner_status
gleaner_db_run(struct gleaner_db *db, const struct gleaner_run_options *options,
               gleaner_operation operation, void *ctx, struct gleaner_error *error);

/* What is published. Strings are copies. */
struct gleaner_db_state {
    size_t size;
    char phase[16]; /**< starting connected degraded reconnecting fallback embedded draining closed
                     */
    char tier[16];  /**< primary fallback embedded none: where operations go now */
    char address[192];
    char reason[160];
    uint64_t version;
    uint32_t generation;
    uint64_t since_ms;        /**< how long it has been so */
    uint64_t next_attempt_ms; /**< until the next attempt, 0 if none is planned */
};
/** One RCU read section. Thread: [any]. */
GLEANER_API void gleaner_db_read_state(struct gleaner_db *db, struct gleaner_db_state *out);
/** True while clients can be had (phase connected, degraded or fallback): a few nanoseconds. */
GLEANER_API bool gleaner_db_is_up(struct gleaner_db *db);
/** Wait until clients can be had. GLEANER_E_TIMEOUT otherwise. */
GLEANER_API GLEANER_MUST_CHECK enum gleaner_status gleaner_db_wait_up(struct gleaner_db *db,
                                                                      uint32_t timeout_ms);
/** Ask for a rolling refresh; joins one that is running. Returns at once. */
GLEANER_API void gleaner_db_refresh(struct gleaner_db *db);
/** Ask the supervisor to check health now (spends no more than the token bucket allows). */
GLEANER_API void gleaner_db_check_now(struct gleaner_db *db);
/**
 * Drain and stop: no new loans, loans are awaited for drain_ms, then abandoned (reported with
 * their owners). Bounded by drain_ms + 0.6 s even with a dead server. *db becomes NULL.
 *
 * Thread: one, and no call on this db may begin after it; callers that wait are answered
 * GLEANER_E_CLOSED. Loans that were abandoned may still be given back (through a kept pointer).
 * Returns GLEANER_OK; GLEANER_E_TIMEOUT when loans were abandoned, or a caller that waited had not
 * left yet; GLEANER_E_INVALID when called from on_state: nothing was done.
 */
GLEANER_API enum gleaner_status gleaner_db_close(struct gleaner_db **db, uint32_t drain_ms);

#ifdef __cplusplus
}
#endif
#endif
