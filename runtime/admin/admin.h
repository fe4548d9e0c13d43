/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file admin.h
 * The door of runtime/admin: what a running process is doing, as figures, as text, as JSON, as
 * Prometheus metrics; and the local HTTP server that hands them out on a Unix socket in the data
 * directory. Nothing listens on the network.
 */
#ifndef ADMIN_H
#define ADMIN_H

#include "base.h"
#include "fetch.h"
#include "gleaner/db.h"
#include "gleaner/monitor.h"
#include "queue.h"
#include "store.h"
#include "worker.h"

/* ---- figures ---- */

/* Where figures come from. All borrowed; what does not exist is NULL. They outlive the server. */
struct admin_sources {
    const char *command; /* "crawl" or "run" */
    const char *target;  /* without a password */
    const char *data;    /* directory */
    uint64_t started_ns;
    uint64_t max_pages; /* 0 = no limit */
    struct worker_group *workers;
    struct fetch_engine *fetch;
    struct queue *queue;
    struct store_queue *jobs;
    struct store *tiered; /* the store with a spool */
    struct gleaner_db *db;
    const _Atomic bool *is_stopping;
};

/* One look at everything. Counters may be a moment apart from each other. */
struct admin_figures {
    uint64_t uptime_ms;
    bool is_stopping;
    struct worker_stats workers;
    struct fetch_stats fetch;
    struct queue_stats queue;
    struct store_counts jobs;
    bool has_jobs; /* false: the store did not answer */
    bool has_spool, has_db;
    struct store_spool_stats spool;
    struct gleaner_db_state db;
    struct gleaner_monitor_report monitor;
    uint64_t latency_p50_ns, latency_p95_ns, latency_p99_ns;
    double pages_per_s; /* since the start */
};

/**
 * Thread: [any]. Asks the store for its counts (a query) when `with_jobs`, else only memory.
 */
enum admin_depth { ADMIN_MEMORY_ONLY, ADMIN_WITH_STORE };
void admin_read(const struct admin_sources *sources, enum admin_depth depth,
                struct admin_figures *out);

/** Final failures of all classes. */
uint64_t admin_failures(const struct admin_figures *figures);
/** "primary connected", "embedded", "spooling (reconnecting)": a few words for one line. */
void admin_describe_database(const struct admin_figures *figures, char *out, size_t out_size);

/* Renderers: append to `out`. Thread: [any]. */
void admin_render_text(const struct admin_sources *sources, const struct admin_figures *figures,
                       struct base_buffer *out);
void admin_render_json(const struct admin_sources *sources, const struct admin_figures *figures,
                       struct base_buffer *out);
void admin_render_metrics(const struct admin_sources *sources, const struct admin_figures *figures,
                          struct base_buffer *out);

/* ---- the server ---- */

struct admin_server;

/* A request that the process itself answers: `text` is the body of a POST, "" for a GET; the answer
 * is appended to `out`. Called on the server's thread; may block. An error is told to the asker:
 * GLEANER_E_CONFIG, _INVALID and _NOT_FOUND as 400, others as 503. */
struct admin_control {
    const char *method; /* GET or POST */
    const char *path;
    enum gleaner_status (*answer)(void *ctx, const char *text, struct base_buffer *out,
                                  struct base_error *error);
};

struct admin_server_options {
    const struct admin_sources *sources; /* borrowed */
    const char *directory;               /* the socket is made here: gleaner.sock, mode 0600 */
    /* POST /jobs: put a job into the queue of this process. NULL = not offered. Called on the
     * server's thread; may block on the store. */
    enum gleaner_status (*submit)(void *ctx, const char *url, const char *type, bool *is_new,
                                  struct base_error *error);
    void *submit_ctx;
    const struct admin_control *controls; /* borrowed */
    size_t control_count;
    void *control_ctx;
};

/**
 * Serve GET /status (text), /status.json, /metrics, POST /jobs and the controls on one thread of
 * its own.
 *
 * Thread: [startup]. The caller holds the directory's lock, so an old socket there is a dead one
 *         and is replaced.
 * Errors: GLEANER_E_IO with the path; a process works without its server, the caller decides.
 */
GLEANER_MUST_CHECK enum gleaner_status
admin_server_start(const struct admin_server_options *options, struct admin_server **out,
                   struct base_error *error);
/** Finish the request in work, stop, remove the socket. NULL accepted. */
void admin_server_stop(struct admin_server **server);

/* ---- asking one ---- */

/**
 * One request to the process that works in `directory`. `body` NULL = GET, else POST.
 *
 * Thread: [any]; blocks up to 5 s.
 * Errors: GLEANER_E_NOT_FOUND no process answers there; GLEANER_E_NETWORK; GLEANER_E_REFUSED the
 *         answer was not 200: the error holds what it said.
 */
GLEANER_MUST_CHECK enum gleaner_status admin_ask(const char *directory, const char *path,
                                                 const char *body, struct base_buffer *out,
                                                 struct base_error *error);

#endif
