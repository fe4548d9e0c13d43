/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mongo_watch.h
 * The second half of the door of runtime/mongo: what commands cost and why. Times per shape of
 * command, taken where requests and answers pass our streams (libmongoc 2, and compressed messages:
 * out of the driver's command events), the plan behind a slow one, and what the server says about
 * itself.
 *
 * A shape is a command without its values: "find app.jobs {status,due:{$lte}} sort:{due:1}". Values
 * may be secrets: none is in a shape. One command per slow shape is copied, to be explained
 * once; it is shown nowhere and freed afterwards.
 */
#ifndef MONGO_WATCH_H
#define MONGO_WATCH_H

#include "mongo.h"

/* ---- shapes ---- */

#define MONGO_SHAPES 128 /* more than these are counted together, as "everything else" */
#define MONGO_SHAPE_TEXT 256
#define MONGO_WATCH_OFF UINT32_MAX

struct mongo_watch;

/** slow_ms: from then on a command is slow. Owns *out: until the last endpoint with it is closed.
 */
GLEANER_MUST_CHECK enum gleaner_status mongo_watch_create(uint32_t slow_ms,
                                                          struct mongo_watch **out);
void mongo_watch_destroy(struct mongo_watch **watch); /* NULL accepted */
/** Another threshold from now on. [any] */
void mongo_watch_set_slow(struct mongo_watch *watch, uint32_t slow_ms);
/** A new window of time begins; the last one still counts. One thread, the supervisor's. */
void mongo_watch_turn(struct mongo_watch *watch);
/** Commands seen, and slow ones among them, since the start. [any] */
uint64_t mongo_watch_count(const struct mongo_watch *watch);
uint64_t mongo_watch_slow_count(const struct mongo_watch *watch);

/* What a shape cost. Times are of this window and the one before it, count and failed of all. */
struct mongo_shape {
    uint32_t id; /* stays its own: 0..MONGO_SHAPES, the last one is everything else */
    uint64_t count, failed;
    uint64_t recent, slow; /* of the windows */
    uint64_t total_us, p50_us, p95_us, max_us;
    char command[32];
    char where[128]; /* database.collection */
    char text[MONGO_SHAPE_TEXT];
};
/** False when that id was not seen yet. [any] */
bool mongo_watch_read(const struct mongo_watch *watch, uint32_t id, struct mongo_shape *out);

/** [any] What the driver's events call, and in other words our streams; the thread that begins a
 * command ends it. Lock-free; bench monitor_cost measures it. */
void mongo_watch_begin(struct mongo_watch *watch, const char *database, const char *name,
                       const struct _bson_t *command, int64_t request_id);
enum mongo_outcome { MONGO_SUCCEEDED, MONGO_FAILED };
void mongo_watch_end(struct mongo_watch *watch, int64_t request_id, int64_t duration_us,
                     enum mongo_outcome outcome);

/* ---- plans ---- */

struct mongo_sample; /* one command of a slow shape, with its values: never shown */

enum mongo_sample_state {
    MONGO_SAMPLE_NONE,      /* no slow one yet, or none since */
    MONGO_SAMPLE_READY,     /* to be had */
    MONGO_SAMPLE_TAKEN,     /* once */
    MONGO_SAMPLE_IMPOSSIBLE /* no such command can be explained (insert, getMore), or too large */
};
/** The sample of a shape, at most once: *out is the caller's on MONGO_SAMPLE_READY. One thread. */
enum mongo_sample_state mongo_watch_take_sample(struct mongo_watch *watch, uint32_t id,
                                                struct mongo_sample **out);
/** It could not be used now: READY again. The same thread. */
void mongo_watch_return_sample(struct mongo_watch *watch, uint32_t id, struct mongo_sample *sample);
void mongo_sample_destroy(struct mongo_sample **sample); /* NULL accepted */

/* What the planner means to do; nothing is executed. */
struct mongo_plan {
    bool is_scan;      /* it reads the whole collection */
    bool is_sort;      /* it sorts in memory */
    bool is_empty;     /* there is no filter */
    bool has_branches; /* $or at the top: an index for each branch */
    bool is_computed;  /* $where, $expr, $function: no index helps these */
    int64_t skip;
    char index[96];   /* names of the indexes used, "" = none */
    char fields[160]; /* "status, due": the filter's */
    char wanted[200]; /* "{status: 1, due: 1}": equality, sort, range; "" = none can be told */
};
/** Thread: whoever holds the client. One command. */
enum gleaner_status mongo_explain(mongo_client *client, const struct mongo_sample *sample,
                                  struct mongo_plan *out, struct mongo_error *error);

/* ---- the server about itself ---- */

/* -1 = it does not say (another engine or version, missing rights). */
struct mongo_server_status {
    int64_t connections_current, connections_available, connections_created;
    int64_t queued_readers, queued_writers; /* operations waiting for a lock or a ticket */
    int64_t read_tickets_out, read_tickets, write_tickets_out, write_tickets;
    int64_t cache_used_percent, cache_dirty_percent;
    int64_t evicted_by_operations; /* pages that operations had to evict themselves, in all */
    int64_t operations;            /* opcounters, all kinds, in all */
};
/** One serverStatus. Thread: whoever holds the client. GLEANER_E_AUTH without the right to. */
enum gleaner_status mongo_server_status(mongo_client *client, struct mongo_server_status *out,
                                        struct mongo_error *error);

/* What the driver's own monitors know: costs the server nothing. -1 = not known. */
struct mongo_known {
    int64_t round_trip_ms;   /* of the primary, the driver's moving average */
    int64_t majority_lag_ms; /* of a replica set: how far the majority is behind the primary */
    int64_t slowest_lag_ms;  /* ... and its last secondary */
};
/** How often the driver's monitors ask: what the URI says, or `otherwise`. NULL and a wrong URI:
 *  otherwise. */
uint32_t mongo_uri_heartbeat_ms(const char *uri, uint32_t otherwise);
void mongo_client_known(mongo_client *client, struct mongo_known *out);

#endif
