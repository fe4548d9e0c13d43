/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store_mongo_internal.h
 * The MongoDB body: what its files share.
 *
 *   store_mongo.c            the store as an object, named values
 *   store_mongo_run.c        running one command with one repetition, reading replies
 *   store_mongo_clock.c      the server's clock, tokens
 *   store_mongo_documents.c  writing documents (the hot path: raw BSON, no encoding)
 *   store_mongo_read.c       walking and counting documents
 *   store_mongo_touch.c      documents by id, and renewing their dates
 *   store_mongo_queue.c      queues: names of a job's fields, opening, enqueue, drop
 *   store_mongo_fields.c     what the commands on jobs have in common
 *   store_mongo_list.c       counting and listing jobs
 *   store_mongo_change.c     what a person does to jobs; which queues there are
 *   store_mongo_claim.c      claiming: candidates, choice, rounds
 *   store_mongo_lease.c      claiming: what is written
 *   store_mongo_settle.c     outcomes, renewing, releasing
 *   store_mongo_bson.c       is this BSON good enough for a batch
 *   store_mongo_hosts.c      holds and delays of hosts
 *   store_mongo_shares.c     which process owns which hosts of a queue
 */
#ifndef STORE_MONGO_INTERNAL_H
#define STORE_MONGO_INTERNAL_H

#include "gleaner/db.h"
#include "mongo.h"
#include "store_internal.h"
#include <stdatomic.h>

#define STORE_MONGO_META "gleaner_meta"
#define STORE_MONGO_HOSTS "gleaner_hosts"
#define STORE_MONGO_SHARES "gleaner_shares"
/* One insert command: as scraping.md says, batches of about 100 cost least; more only helps when
 * documents are tiny. Both limits hold; one document may pass the second alone. */
#define STORE_MONGO_BATCH_DOCUMENTS 1000
#define STORE_MONGO_BATCH_BYTES (8u * 1024 * 1024)
/* Jobs in one claim; a power of two. */
#define STORE_MONGO_CLAIM_MAX 1024
/* Jobs or outcomes in one command. */
#define STORE_MONGO_BATCH_JOBS 1000

struct store_mongo {
    struct store base;
    struct gleaner_db *db; /* borrowed */
    char *database;        /* NULL = of the client's URI */
    char *place;           /* HOSTS/DATABASE of the URI, to name while no server answers; or NULL */
    char *jobs_collection;
    char *frontier_collection;
    uint32_t operation_ms;

    /* writes/reads: any thread; relaxed: only uniqueness of the counter's values counts */
    _Atomic uint64_t token_counter;
    uint64_t token_seed; /* constant after open: makes tokens of different processes differ */

    /* The server's clock minus our monotonic one, for the due time of new jobs.
     * writes/reads: any thread; relaxed, each value stands for itself: a reader that mixes an old
     * bound with a new stamp measures again at worst. */
    _Atomic int64_t clock_low_ms, clock_high_ms;
    _Atomic uint64_t clock_measured_ns;

    /* The index by which the server forgets hosts was asked for. relaxed: asking twice is harmless
     */
    _Atomic bool hosts_have_index;

    /* A buffer for the next batch of documents, so that none is allocated (and its pages faulted
     * in) for each. writes/reads: any thread takes it by exchange with NULL (acquire) and gives it
     * back by exchange (release); they pair. */
    struct base_buffer *_Atomic spare;
};

/* One call of the door: all its commands share one deadline and one place for the reason. */
struct mongo_op {
    struct store_mongo *m;
    uint64_t deadline_ns;
    struct base_error *error;
};
struct mongo_op store_mongo_begin(struct store *store, struct base_error *error);

/** Start a command {name: collection, maxTimeMS: what is left}. */
void store_mongo_command(bson_t *command, const struct mongo_op *op, const char *name,
                         const char *collection);
uint64_t store_mongo_left_ms(const struct mongo_op *op);
/**
 * Run it; once more on another client when the error is of a kind that passes and the deadline
 * leaves time for it. So `command` must be idempotent. `reply` is initialised in every case. A call
 * ends by its deadline, or one socket timeout after it when the server falls silent at the end: the
 * driver cannot be told to wait less for one command.
 */
enum gleaner_status store_mongo_run(const struct mongo_op *op, enum mongo_command_kind kind,
                                    const bson_t *command, bson_t *reply);
/** store_mongo_run() for commands whose reply says nothing; destroys `command`. */
enum gleaner_status store_mongo_do(const struct mongo_op *op, bson_t *command);
/** The server's clock now, surely not later than (low) and not earlier than (high). */
enum gleaner_status store_mongo_now(const struct mongo_op *op, int64_t *low_ms, int64_t *high_ms);
/** First of STORE_MONGO_CLAIM_MAX tokens, for the jobs of one claim. */
uint64_t store_mongo_token(struct store_mongo *m);

/** A number, or a date in milliseconds, at a dotted path; 0 when there is none. */
int64_t store_mongo_number(const bson_t *reply, const char *path);
/** Walk an array of documents inside a reply ("cursor.firstBatch", "writeErrors"). */
bool store_mongo_array(const bson_t *reply, const char *path, bson_iter_t *out);
bool store_mongo_next(bson_iter_t *array, bson_t *document);
/** First write error that is no duplicate, as a status with its reason; GLEANER_OK if none. */
enum gleaner_status store_mongo_write_errors(const struct mongo_op *op, const bson_t *reply);

/* ---- jobs ---------------------------------------------------------------------------------------
 */

/* Names of the fields of a job. The frontier is ours: plain names. A submission is the
 * application's document: our fields are below `gleaner`, and the states are the only three that
 * the application's schema allows. A job is leased when it is open and has an owner. */
struct job_layout {
    const char *state, *open, *done, *dead;
    const char *due, *token, *deliveries, *attempts, *priority, *owner, *error_class, *reason,
        *settled_at;
};

struct mongo_queue {
    struct store_queue base;
    char *name;
    const char *collection;
    const struct job_layout *layout;
    bool submissions;
};

#define STORE_MONGO_PATH_MAX 64

/** `_id` of a job: its id when it has one, else a hash of queue and key. */
void store_mongo_job_id(const struct mongo_queue *queue, const char *id, uint64_t key,
                        bson_oid_t *out);
/** "$path" as the value of `key`. */
void store_mongo_append_path(bson_t *parent, const char *key, const char *path);
/** {q: name,} state: open. */
void store_mongo_append_open(const struct mongo_queue *queue, bson_t *filter);
/** $expr: due <= $$NOW; true for a job without due. */
void store_mongo_append_due(const struct mongo_queue *queue, bson_t *filter);
/** {$add: [$$NOW, ms]} as the value of `key`. */
void store_mongo_append_later(bson_t *set, const char *key, uint64_t ms);
/** {$add: [{$ifNull: [$path, 0]}, by]} as the value of `path`; never below 0. */
void store_mongo_append_plus(bson_t *set, const char *path, int32_t by);
/** Fill a job from its document; strings point into it or into `scratch`. */
void store_mongo_read_job(const struct mongo_queue *queue, const bson_t *document,
                          struct store_job *job, struct base_arena *scratch);
const char *store_mongo_text(const bson_t *document, const char *path);

/* `results` of a submission: every part must be there, or the application's next save fails. */
#define STORE_MONGO_RESULT_PARTS 3
extern const char *const store_mongo_result_types[STORE_MONGO_RESULT_PARTS];
/** {contentFound: false, content: ""} or [], as `type` has it. */
void store_mongo_append_empty_result(bson_t *results, const char *type);

/** Structure and UTF-8 of a whole document: what may stand in a batch with others. */
bool store_bson_check(const uint8_t *bson, uint32_t len);

/* the calls of the door, see store_ops */
enum gleaner_status store_mongo_queue_open(struct store *store, const char *name,
                                           struct store_queue **out, struct base_error *error);
void store_mongo_queue_close(struct store_queue *queue);
enum gleaner_status store_mongo_queue_drop(struct store *store, const char *name,
                                           struct base_error *error);
enum gleaner_status store_mongo_enqueue(struct store_queue *queue, const struct store_job *jobs,
                                        size_t count, uint64_t *inserted, struct base_error *error);
enum gleaner_status store_mongo_claim(struct store_queue *queue, const struct store_claim *how,
                                      struct store_jobs *out, struct base_error *error);
enum gleaner_status store_mongo_settle(struct store_queue *queue,
                                       const struct store_settlement *settlement,
                                       struct store_settled *out, struct base_error *error);
enum gleaner_status store_mongo_renew(struct store_queue *queue, const struct store_outcome *held,
                                      size_t count, uint32_t lease_ms, uint64_t *lost,
                                      struct base_error *error);
enum gleaner_status store_mongo_release_owner(struct store_queue *queue, const char *owner,
                                              uint64_t *released, struct base_error *error);
enum gleaner_status store_mongo_count(struct store_queue *queue, struct store_counts *out,
                                      struct base_error *error);
enum gleaner_status store_mongo_list_jobs(struct store_queue *queue, const char *state,
                                          uint64_t limit,
                                          bool (*row)(void *ctx, const struct store_job_view *view),
                                          void *ctx, struct base_error *error);
enum gleaner_status store_mongo_change_jobs(struct store_queue *queue, enum store_change change,
                                            const struct store_job *jobs, size_t count,
                                            uint64_t *changed, struct base_error *error);
enum gleaner_status store_mongo_queue_names(struct store *store,
                                            bool (*row)(void *ctx, const char *name), void *ctx,
                                            struct base_error *error);
enum gleaner_status store_mongo_write_documents(struct store *store,
                                                const struct store_document *documents,
                                                size_t count, struct store_settled *out,
                                                struct base_error *error);
enum gleaner_status store_mongo_documents(struct store *store, const char *collection,
                                          bool (*row)(void *ctx, const char *collection,
                                                      const uint8_t *bson, uint32_t len),
                                          void *ctx, struct base_error *error);
enum gleaner_status store_mongo_documents_get(struct store *store, const char *collection,
                                              const uint8_t (*ids)[STORE_ID_BYTES], size_t count,
                                              const char *const *fields,
                                              bool (*row)(void *ctx, const char *collection,
                                                          const uint8_t *bson, uint32_t len),
                                              void *ctx, struct base_error *error);
enum gleaner_status store_mongo_touch_documents(struct store *store,
                                                const struct store_touch *touches, size_t count,
                                                struct store_settled *out,
                                                struct base_error *error);
enum gleaner_status store_mongo_document_count(struct store *store, const char *collection,
                                               uint64_t *out, struct base_error *error);
enum gleaner_status store_mongo_hosts_note(struct store *store, const struct store_host *hosts,
                                           size_t count, struct base_error *error);
enum gleaner_status store_mongo_hosts_read(struct store *store, struct store_host *hosts,
                                           size_t count, struct base_error *error);
enum gleaner_status store_mongo_shares_keep(struct store_queue *queue,
                                            const struct store_share_wish *wish,
                                            struct store_share_state *out,
                                            struct base_error *error);
/** A walk over a cursor with a client of its own; used by list and documents. */
enum gleaner_status store_mongo_walk(const struct mongo_op *op, const char *collection,
                                     const bson_t *filter, const bson_t *opts,
                                     bool (*row)(void *ctx, const bson_t *document), void *ctx);

/** Insert jobs; the enqueue of a running operation (settle's links). */
enum gleaner_status store_mongo_insert_jobs(const struct mongo_op *op, struct mongo_queue *queue,
                                            const struct store_job *jobs, size_t count,
                                            uint64_t *inserted);
enum gleaner_status store_mongo_put_documents(const struct mongo_op *op,
                                              const struct store_document *documents, size_t count,
                                              struct store_settled *out);
enum gleaner_status store_mongo_put_touches(const struct mongo_op *op,
                                            const struct store_touch *touches, size_t count,
                                            struct store_settled *out);

#endif
