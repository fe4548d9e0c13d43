/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store.h
 * The door of runtime/store: where jobs, frontier and documents live. One interface, three bodies:
 *
 *   store_sqlite_open()  the embedded file (WAL): a whole job without any server; also the spool
 *   store_mongo_open()   MongoDB through libgleaner (shared by many processes)
 *   store_tiered_open()  jobs and frontier in `local`, documents in `remote`; what the remote
 *                        cannot take now goes to the spool in `local` and is replayed once
 *
 * Everything is idempotent: a document has a deterministic id, a job a unique key, an outcome a
 * fencing token. Doing any call twice changes nothing. Time is the store's own clock, never the
 * caller's. All calls: Thread [any but fetchers and the supervisor]; they block on I/O. One
 * behaviour suite (tests/store) runs against every body.
 */
#ifndef STORE_H
#define STORE_H

#include "base.h"

struct store;
struct gleaner_db;

/* ---- what is stored ---- */

#define STORE_ID_BYTES 12
#define STORE_JOB_ID_MAX 32

/* A document on its way: BSON without `_id`, which is `id` (store_document_id()). */
struct store_document {
    const char *collection;
    uint8_t id[STORE_ID_BYTES]; /* becomes the ObjectId */
    const uint8_t *bson;
    uint32_t bson_len;
    const char *url; /* the value of its `url` field, for replace-by-url on old data; or NULL */
};
/** Deterministic id: the first 12 bytes of base_hash128(collection NUL key). */
void store_document_id(const char *collection, const char *key, size_t key_len,
                       uint8_t out[STORE_ID_BYTES]);

/* A job: one URL to fetch for a purpose. Input of enqueue and settle's links; output of claim
 * (strings then live in the claim's arena). */
struct store_job {
    uint64_t key; /* base_hash64 of the normalised URL (crawl) or of type NUL url (jobs) */
    const char *url;
    const char *host; /* scheme://host:port in lower case: the politeness key */
    const char *type; /* "page" in a crawl; text, image, video, files */
    const char *via;  /* keys of the redirects before it in hex, "" for none */
    uint32_t depth;
    uint32_t priority; /* 0 first */
    uint64_t delay_ms; /* not before store-now + delay (enqueue only) */
    /* claim only */
    char id[STORE_JOB_ID_MAX]; /* the store's own name of it: the ObjectId in hex; "" = by key */
    uint64_t token;            /* fencing: unique per claim */
    uint32_t deliveries;       /* how often it was claimed, this time included */
    uint32_t attempts;         /* how often it failed in a way that counts */
    uint64_t lease_left_ms;
};

enum store_outcome_kind {
    STORE_DONE,   /* processed; never again */
    STORE_RETRY,  /* not before delay_ms; attempts + 1 */
    STORE_DEAD,   /* dead letter: kept with class and reason */
    STORE_RELEASE /* handed back untouched: attempts and deliveries as if never claimed; with
                     delay_ms it is postponed */
};
struct store_outcome {
    uint64_t key;
    char id[STORE_JOB_ID_MAX];
    uint64_t token;
    enum store_outcome_kind kind;
    uint64_t delay_ms;       /* of STORE_RETRY and STORE_RELEASE: not before so long from now */
    const char *error_class; /* "http_4xx", "timeout", ...; "" when none */
    const char *reason;      /* a sentence; "" when none */
    bool content_found;      /* of a submission */
    const uint8_t *results;  /* BSON for a submission's `results`, or NULL for the empty skeleton */
    uint32_t results_len;
};

/* A date of a stored document that is renewed, the rest of it untouched: its page was asked for
 * again and has not changed. A document that is not there, or has no such date, stays so. */
struct store_touch {
    const char *collection;
    uint8_t id[STORE_ID_BYTES];
    const char *field; /* at the top of the document */
    int64_t ms_since_1970;
};

/* Everything that one batch of work changes, in one call. Bodies apply it in this order, as
 * atomically as they can (SQLite: one transaction): documents, touches, links, outcomes. */
struct store_settlement {
    const struct store_document *documents;
    size_t document_count;
    /* Of little weight: a tiered store whose remote is away lets them go, and the documents only
     * look older than they are. */
    const struct store_touch *touches;
    size_t touch_count;
    const struct store_job *links; /* enqueued if absent */
    size_t link_count;
    const struct store_outcome *outcomes;
    size_t outcome_count;
};
struct store_settled {
    uint64_t documents_new, documents_replaced, documents_spooled;
    uint64_t documents_refused; /* wrong by themselves (too large, say); the others were written */
    uint64_t documents_touched; /* an embedded store may count one that had that very date */
    uint64_t links_new;
    uint64_t outcomes_stale; /* token no longer valid: somebody else has the job; nothing changed */
};

struct store_counts {
    uint64_t ready, waiting, leased, done, dead; /* waiting = due later */
    uint64_t next_due_ms; /* until the first waiting or leased job is due; UINT64_MAX = none */
};

struct store_claim {
    uint32_t max_jobs;
    uint32_t lease_ms;
    const char *owner;        /* gleaner/<host>/<pid>, kept in the job for people */
    const char *const *types; /* NULL = any */
    size_t type_count;
    uint32_t max_deliveries; /* claimed so often without an outcome (deliveries - attempts), a job
                                becomes dead ("poison") instead of claimed; 0 = no limit */
    uint32_t max_per_host;   /* at most so many of one host in one claim; 0 = no limit */
    const bool *shares; /* [STORE_SHARES]: only of these hosts; NULL = any. Where every share is
                           this process's own (store_shares_keep) it changes nothing. */
};
struct store_jobs {
    struct store_job *jobs;
    size_t count;
    struct base_arena arena; /* owns the strings; zero-initialise before the first use */
};
void store_jobs_reset(struct store_jobs *jobs);
void store_jobs_fini(struct store_jobs *jobs);

/* A queue inside a store. `name` is "jobs" (submissions) or "crawl/<id>" (one crawl's frontier). */
struct store_queue;

/* ---- calls ---- */
/* Errors of all: GLEANER_E_DOWN / _NETWORK / _TIMEOUT the server is away (retry after the state
 * changes), GLEANER_E_FULL the disk or the spool's limit, GLEANER_E_CORRUPT, GLEANER_E_IO,
 * GLEANER_E_AUTH. After an error nothing, or an idempotent part, was applied: repeat the call. */

void store_close(struct store **store);
const char *store_kind(const struct store *store); /* "embedded", "mongodb", "tiered" */
/** Where the data is and how to look at it, for the summary: two lines at most. */
void store_describe(struct store *store, char *out, size_t out_size);

GLEANER_MUST_CHECK enum gleaner_status store_queue_open(struct store *store, const char *name,
                                                        struct store_queue **out,
                                                        struct base_error *error);
void store_queue_close(struct store_queue **queue);
/** The store that a queue is in; borrowed. */
struct store *store_of_queue(struct store_queue *queue);
/** Enqueue if absent. *inserted (may be NULL) counts the new ones. */
GLEANER_MUST_CHECK enum gleaner_status store_enqueue(struct store_queue *queue,
                                                     const struct store_job *jobs, size_t count,
                                                     uint64_t *inserted, struct base_error *error);
/** Claim jobs that are due under a lease; `out` is reset first. GLEANER_OK with count 0 = none due.
 */
GLEANER_MUST_CHECK enum gleaner_status store_claim(struct store_queue *queue,
                                                   const struct store_claim *how,
                                                   struct store_jobs *out,
                                                   struct base_error *error);
GLEANER_MUST_CHECK enum gleaner_status store_settle(struct store_queue *queue,
                                                    const struct store_settlement *settlement,
                                                    struct store_settled *out,
                                                    struct base_error *error);
/** Prolong leases that are still ours; *lost counts those that are not. */
GLEANER_MUST_CHECK enum gleaner_status store_renew(struct store_queue *queue,
                                                   const struct store_outcome *held, size_t count,
                                                   uint32_t lease_ms, uint64_t *lost,
                                                   struct base_error *error);
/** Give every lease of `owner` back at once. NULL = of everybody: right after opening an embedded
 * or tiered store, because the data lock proves that whoever held a lease is dead. Never NULL on
 * MongoDB, which is shared: there the data directory remembers the names of its processes. */
GLEANER_MUST_CHECK enum gleaner_status store_release_owner(struct store_queue *queue,
                                                           const char *owner, uint64_t *released,
                                                           struct base_error *error);
GLEANER_MUST_CHECK enum gleaner_status
store_count(struct store_queue *queue, struct store_counts *out, struct base_error *error);
/** Walk jobs in a state ("ready", "waiting", "leased", "done", "dead", NULL = all; limit 0 = no
 * limit): class and reason included.
 */
struct store_job_view {
    const struct store_job *job;
    const char *state, *error_class, *reason;
    bool content_found; /* of a done job; the frontier in MongoDB does not keep it: done, and
                           without a class (a redirect has one) */
};
GLEANER_MUST_CHECK enum gleaner_status
store_list_jobs(struct store_queue *queue, const char *state, uint64_t limit,
                bool (*row)(void *ctx, const struct store_job_view *view), void *ctx,
                struct base_error *error);
/* ---- by hand ---- */

enum store_change {
    /* dead and waiting jobs can be claimed at once, with attempts and deliveries counted anew */
    STORE_CHANGE_RETRY,
    /* jobs that are not done become dead letters of the class STORE_DROPPED: never worked on, and
     * not found anew either; who has one on lease finds it taken away (its outcome is stale) */
    STORE_CHANGE_DROP
};
#define STORE_DROPPED "dropped"
/** Change jobs named by id, or by key when they have none, as listed. Others and jobs in another
 *  state are left alone; *changed (may be NULL) counts the rest. */
GLEANER_MUST_CHECK enum gleaner_status
store_change_jobs(struct store_queue *queue, enum store_change change, const struct store_job *jobs,
                  size_t count, uint64_t *changed, struct base_error *error);
/** Names of the queues that there are; `row` returns false to stop. */
GLEANER_MUST_CHECK enum gleaner_status store_queue_names(struct store *store,
                                                         bool (*row)(void *ctx, const char *name),
                                                         void *ctx, struct base_error *error);

/** Drop a queue and its jobs (a finished crawl that is started anew). */
GLEANER_MUST_CHECK enum gleaner_status store_queue_drop(struct store *store, const char *name,
                                                        struct base_error *error);

/** Walk the documents of a collection in `_id` order: BSON with `_id`. NULL collection = all. */
GLEANER_MUST_CHECK enum gleaner_status
store_documents(struct store *store, const char *collection,
                bool (*row)(void *ctx, const char *collection, const uint8_t *bson, uint32_t len),
                void *ctx, struct base_error *error);
/**
 * Documents by their ids: `row` is called for each that is there, in any order, with BSON that
 * holds `_id` and at least the top-level `fields` (NULL-terminated; NULL = all). `ids` NULL: any
 * `count` documents. On a tiered store those that wait in the spool are as good as absent.
 * `row` calls nothing of this room: a lock may be held. False ends it.
 */
GLEANER_MUST_CHECK enum gleaner_status store_documents_get(
    struct store *store, const char *collection, const uint8_t (*ids)[STORE_ID_BYTES], size_t count,
    const char *const *fields,
    bool (*row)(void *ctx, const char *collection, const uint8_t *bson, uint32_t len), void *ctx,
    struct base_error *error);
GLEANER_MUST_CHECK enum gleaner_status store_document_count(struct store *store,
                                                            const char *collection, uint64_t *out,
                                                            struct base_error *error);
/** Small named values (crawl registrations, host holds): put replaces; get gives
 * GLEANER_E_NOT_FOUND. */
GLEANER_MUST_CHECK enum gleaner_status store_meta_put(struct store *store, const char *name,
                                                      const char *value, struct base_error *error);
GLEANER_MUST_CHECK enum gleaner_status store_meta_get(struct store *store, const char *name,
                                                      struct base_buffer *out,
                                                      struct base_error *error);

/* ---- hosts: what politeness must not forget over restarts and between processes ---- */

/* `name` as in a URL: host, with the port unless it is the scheme's own. */
struct store_host {
    const char *name;
    uint64_t hold_ms; /* it asked for a pause (429, 503): so much of it is left */
    uint64_t
        delay_ms; /* between its requests, in force when it was noted (Crawl-delay, adaptive) */
};
/** Note hosts. A hold never gets shorter by it; a delay is replaced. Forgotten a day after the last
 *  note. */
GLEANER_MUST_CHECK enum gleaner_status store_hosts_note(struct store *store,
                                                        const struct store_host *hosts,
                                                        size_t count, struct base_error *error);
/** Fill in hold and delay of hosts whose names are given; 0 where nothing is known. */
GLEANER_MUST_CHECK enum gleaner_status store_hosts_read(struct store *store,
                                                        struct store_host *hosts, size_t count,
                                                        struct base_error *error);

/*
 * Shares: the hosts of a queue, divided by the hash of their name (without port) into STORE_SHARES
 * parts. Each part is leased to one process at a time, so each host belongs to one process at a
 * time, however many hosts there are. On an embedded store, which one process has alone, all are
 * its own.
 */
#define STORE_SHARES 128u
uint32_t store_share_of(const char *name, size_t len);
/** The name inside "scheme://name:port"; IPv6 without its brackets. */
void store_share_name(const char *origin, const char **name, size_t *len);

struct store_share_wish {
    const char *owner;
    uint32_t lease_ms;
    uint64_t delay_ms; /* the longest delay in force at the hosts of its shares */
    const bool *give;  /* [STORE_SHARES]: hand these on; NULL = none */
    bool is_leaving;   /* hand all on and take none */
};
struct store_share_state {
    bool is_mine[STORE_SHARES];
    uint64_t token[STORE_SHARES];    /* of mine: fencing, grows with each owner */
    uint64_t pause_ms[STORE_SHARES]; /* of mine: no request before so long from now, for the sake of
                                        the last owner's last one */
    uint32_t mine;                   /* how many */
    uint32_t surplus; /* so many of mine are others' fair share: give them when they are idle */
    uint32_t members; /* processes on this queue */
};
/**
 * Prolong the leases of `owner`'s shares, hand on what it gives, take free ones up to its fair
 * share. To be called several times within a lease; the lease counts from before the call.
 * A share whose owner died is free when its lease has run out.
 */
GLEANER_MUST_CHECK enum gleaner_status store_shares_keep(struct store_queue *queue,
                                                         const struct store_share_wish *wish,
                                                         struct store_share_state *out,
                                                         struct base_error *error);

/* ---- embedded ---- */

struct store_sqlite_options {
    const char *directory;    /* made if missing; holds gleaner.db and a lock file */
    bool durable;             /* synchronous=FULL; false: a crash of the machine may lose it all */
    bool in_memory;           /* for --to none: jobs live in this process alone, documents are
                                 counted and dropped; the directory holds the lock file only */
    bool drops_documents;     /* jobs are kept, documents counted and dropped: who opens it has
                                 another place for them */
    bool read_only;           /* for export and status beside a running process: takes no lock */
    uint64_t spool_max_bytes; /* default 1 GiB */
};
/** Errors name the directory and the remedy: unwritable, full, locked by pid N, truncated,
 *  written by a newer version. A damaged file is never overwritten. */
GLEANER_MUST_CHECK enum gleaner_status store_sqlite_open(const struct store_sqlite_options *options,
                                                         struct store **out,
                                                         struct base_error *error);

/* ---- MongoDB ---- */

struct store_mongo_options {
    struct gleaner_db *db;           /* borrowed */
    const char *database;            /* NULL = of the URI */
    const char *uri;                 /* names the store while no server answers; may be NULL */
    const char *jobs_collection;     /* default scrapersubmissions */
    const char *frontier_collection; /* default gleaner_frontier */
    uint32_t operation_ms; /* deadline of one call, wait for a client included; default 30,000 */
};
GLEANER_MUST_CHECK enum gleaner_status store_mongo_open(const struct store_mongo_options *options,
                                                        struct store **out,
                                                        struct base_error *error);

/* ---- tiered, and its spool ---- */

struct store_tiered_options {
    struct store *local;             /* sqlite; borrowed */
    struct store *remote;            /* mongo; borrowed */
    bool (*remote_is_up)(void *ctx); /* asked before each remote write: no waiting while down */
    void *remote_ctx;
    uint32_t drain_documents_per_s; /* default 2,000 */
};
/** Starts the drainer thread, which replays the spool whenever the remote is up. */
GLEANER_MUST_CHECK enum gleaner_status store_tiered_open(const struct store_tiered_options *options,
                                                         struct store **out,
                                                         struct base_error *error);
struct store_spool_stats {
    uint64_t documents, bytes, max_bytes, replayed, oldest_age_ms;
};
void store_tiered_spool(struct store *store, struct store_spool_stats *out);
/** Wait until the spool is empty. GLEANER_E_TIMEOUT at the deadline (monotonic). */
GLEANER_MUST_CHECK enum gleaner_status store_tiered_drain(struct store *store,
                                                          uint64_t deadline_ns);

/* An entry of the spool, for people. */
struct store_spool_entry {
    uint64_t number; /* its name: in the order of arrival, never given twice */
    const char *collection, *url;
    uint64_t age_ms;
    uint32_t bytes;      /* of the document, without its `_id` */
    const uint8_t *bson; /* with `_id`; NULL when damaged */
    uint32_t bson_len;
    bool is_damaged; /* its checksum does not fit: kept, never replayed */
    bool is_refused; /* whole, but its server would not take it: kept, never replayed */
};
/** Walk the spool of an embedded store, also one opened read-only beside a running process; only
 *  entry `number`, 0 = all. */
GLEANER_MUST_CHECK enum gleaner_status
store_spool_list(struct store *embedded, uint64_t number,
                 bool (*row)(void *ctx, const struct store_spool_entry *entry), void *ctx,
                 struct base_error *error);

#endif
