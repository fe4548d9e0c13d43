/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store_sqlite_internal.h
 * The embedded body: one SQLite file, one writing connection behind one mutex.
 *
 * What the file keeps (schema and its versions: store_sqlite_schema.c):
 *   a job is READY (in index jobs_ready by priority and rank), or WAITING / LEASED (in index
 *   jobs_due by when that ends), or closed (in neither). A claim first promotes what is due, then
 *   takes from the front of jobs_ready: nothing is ever scanned to be skipped, except hosts over
 *   max_per_host. `rank` interleaves hosts (fair queuing: a host's n-th job ranks n after the
 * front). `token` is the fencing token of the last claim, negated once an outcome was applied under
 * it: so a repeated settle is told from a stale one.
 */
#ifndef STORE_SQLITE_INTERNAL_H
#define STORE_SQLITE_INTERNAL_H

#include "store_internal.h"
#include "sync.h"

#include <sqlite3.h>

/* Stored in jobs.state: never renumber. */
enum job_state { JOB_READY, JOB_WAITING, JOB_LEASED, JOB_DONE, JOB_DEAD, JOB_STATE_COUNT };

/* Statements of the writing connection, prepared on first use. Text: store_sqlite_schema.c. */
enum store_sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_COLLECTION_GET,
    SQL_COLLECTION_ADD,
    SQL_COLLECTION_COUNT,
    SQL_COLLECTION_SUM,
    SQL_DOCUMENT_INSERT,
    SQL_DOCUMENT_REPLACE,
    SQL_DOCUMENT_GET,
    SQL_DOCUMENT_ANY,
    SQL_QUEUE_GET,
    SQL_QUEUE_ADD,
    SQL_QUEUE_LOAD,
    SQL_QUEUE_SAVE,
    SQL_QUEUE_FRONT,
    SQL_QUEUE_CLEAR,
    SQL_JOB_INSERT,
    SQL_JOB_OVERDUE,
    SQL_JOB_PROMOTE,
    SQL_JOB_SCAN,
    SQL_JOB_SCAN_TYPED,
    SQL_JOB_FETCH,
    SQL_JOB_LEASE,
    SQL_JOB_FIND,
    SQL_JOB_CLOSE,
    SQL_JOB_BURY,
    SQL_JOB_RETRY,
    SQL_JOB_RELEASE,
    SQL_JOB_RENEW,
    SQL_JOB_ANEW,
    SQL_JOB_DROP,
    SQL_JOB_LEASES,
    SQL_JOB_COUNT_OVERDUE,
    SQL_JOB_NEXT_DUE,
    SQL_META_PUT,
    SQL_META_GET,
    SQL_HOST_PUT,
    SQL_HOST_GET,
    SQL_HOST_FORGET,
    SQL_SPOOL_STATE,
    SQL_SPOOL_STATE_SAVE,
    SQL_SPOOL_FIND,
    SQL_SPOOL_PUT,
    SQL_SPOOL_TAKE,
    SQL_SPOOL_DELETE,
    SQL_SPOOL_SET_ASIDE,
    SQL_SPOOL_OLDEST,
    SQL_STATEMENT_COUNT
};
extern const char *const store_sql_text[SQL_STATEMENT_COUNT];

struct sqlite_queue;

struct store_sqlite {
    struct store base;
    /* constant after open */
    char *directory;
    char *path; /* of gleaner.db */
    int lock_fd;
    bool read_only;
    bool in_memory;
    bool drops_documents; /* counted, not kept; in memory always */
    uint64_t spool_max_bytes;
    /* guards everything below, the writing connection above all */
    struct sync_mutex *mutex;
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_STATEMENT_COUNT];
    struct sqlite_queue *queues; /* open ones, one object a name */
    /* The store's clock: wall time when it was ahead of what went before, and the monotonic time
     * of that look; from there it goes on by the latter. */
    int64_t clock_ms;
    uint64_t clock_at_ns;
    bool hosts_are_clean; /* old ones were forgotten since it was opened */
};

/* Ranks of the last job of each host; hosts that collide share a rank counter, which only makes
 * both advance together. In memory alone: after a restart every host starts at the front again. */
#define QUEUE_RANK_SLOTS 4096

/* One queue that is open; shared by all who opened it. Guarded by the store's mutex. */
struct sqlite_queue {
    struct store_queue base;
    struct sqlite_queue *next;
    char *name;
    int64_t id;
    uint32_t references;
    int64_t front_rank; /* of the last claimed job: a host seen anew starts here */
    int64_t ranks[QUEUE_RANK_SLOTS];
};

/* The row of a queue, loaded and saved inside each transaction that changes it. */
struct queue_row {
    int64_t states[JOB_STATE_COUNT];
    int64_t token; /* last one given */
};

/* ---- store_sqlite_file.c: the directory around the database ---- */

/** Make the directory and take the lock file. Errors name the holder's pid. */
enum gleaner_status store_file_lock(const char *directory, int *lock_fd, struct base_error *error);
/** Refuse a file that is no SQLite database, or lost pages that its log does not hold either. Reads
 *  a few bytes a page of the log; writes nothing. */
enum gleaner_status store_file_check(const char *path, struct base_error *error);

/* ---- store_sqlite_schema.c ---- */

/** Refuse a foreign or newer file; tell the version of ours (0 = new). Writes nothing. */
enum gleaner_status store_schema_check(struct store_sqlite *s, int *version,
                                       struct base_error *error);
/** Create or migrate the tables, in one transaction. */
enum gleaner_status store_schema_migrate(struct store_sqlite *s, int version,
                                         struct base_error *error);

/* ---- store_sqlite_db.c: the connection ---- */

enum gleaner_status store_db_connect(struct store_sqlite *s, int flags, sqlite3 **out,
                                     struct base_error *error);
/** Turn the last error of `db` into a status and a sentence with the remedy. */
enum gleaner_status store_db_error(struct store_sqlite *s, sqlite3 *db, struct base_error *error);
/** A prepared statement, reset; NULL after an error (store_db_error tells it). */
sqlite3_stmt *store_sql(struct store_sqlite *s, enum store_sql which);
/** Step a statement that returns no row, and reset it. */
enum gleaner_status store_sql_run(struct store_sqlite *s, sqlite3_stmt *statement,
                                  struct base_error *error);
/** Step to the next row: *row tells whether there is one; the statement is reset when not. */
enum gleaner_status store_sql_next(struct store_sqlite *s, sqlite3_stmt *statement, bool *row,
                                   struct base_error *error);
enum gleaner_status store_db_exec(struct store_sqlite *s, sqlite3 *db, const char *sql,
                                  struct base_error *error);
/** Lock the store and begin. A failure leaves it unlocked. */
enum gleaner_status store_db_begin(struct store_sqlite *s, struct base_error *error);
/** Commit when `status` is GLEANER_OK, else roll back; unlock. Returns what became of it. */
enum gleaner_status store_db_end(struct store_sqlite *s, enum gleaner_status status,
                                 struct base_error *error);
/** The store's clock: wall milliseconds that never go back while it is open. */
int64_t store_db_now_locked(struct store_sqlite *s);

/* Text that SQLite must copy is none of ours: everything bound lives until the step is over. */
static inline void store_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text != NULL ? text : "", -1, SQLITE_STATIC);
}
static inline const char *store_column_text(sqlite3_stmt *statement, int index)
{
    const unsigned char *text = sqlite3_column_text(statement, index);
    return text != NULL ? (const char *)text : "";
}

/* ---- store_sqlite_documents.c ---- */

/* Collections met in one transaction, with how many documents it adds to each. */
#define COLLECTIONS_CACHED 8
/* The caller writes the counts and empties it when it is full. */
struct collection_cache {
    struct {
        const char *name; /* the caller's; lives through the call */
        int64_t id, added;
    } entries[COLLECTIONS_CACHED];
    size_t count;
};
enum gleaner_status store_collection_id_locked(struct store_sqlite *s,
                                               struct collection_cache *cache, const char *name,
                                               size_t *entry, struct base_error *error);
enum gleaner_status store_documents_put_locked(struct store_sqlite *s,
                                               const struct store_document *documents, size_t count,
                                               struct store_settled *out, struct base_error *error);
enum gleaner_status store_sqlite_write_documents(struct store *store,
                                                 const struct store_document *documents,
                                                 size_t count, struct store_settled *out,
                                                 struct base_error *error);
enum gleaner_status store_sqlite_documents(struct store *store, const char *collection,
                                           bool (*row)(void *ctx, const char *collection,
                                                       const uint8_t *bson, uint32_t len),
                                           void *ctx, struct base_error *error);
enum gleaner_status store_sqlite_document_count(struct store *store, const char *collection,
                                                uint64_t *out, struct base_error *error);
enum gleaner_status store_sqlite_meta_put(struct store *store, const char *name, const char *value,
                                          struct base_error *error);
enum gleaner_status store_sqlite_meta_get(struct store *store, const char *name,
                                          struct base_buffer *out, struct base_error *error);

/* ---- store_sqlite_touch.c ---- */

enum gleaner_status store_sqlite_documents_get(struct store *store, const char *collection,
                                               const uint8_t (*ids)[STORE_ID_BYTES], size_t count,
                                               const char *const *fields,
                                               bool (*row)(void *ctx, const char *collection,
                                                           const uint8_t *bson, uint32_t len),
                                               void *ctx, struct base_error *error);
enum gleaner_status store_touch_locked(struct store_sqlite *s, const struct store_touch *touches,
                                       size_t count, struct store_settled *out,
                                       struct base_error *error);
enum gleaner_status store_sqlite_touch_documents(struct store *store,
                                                 const struct store_touch *touches, size_t count,
                                                 struct store_settled *out,
                                                 struct base_error *error);

/* ---- store_sqlite_hosts.c ---- */

enum gleaner_status store_sqlite_hosts_note(struct store *store, const struct store_host *hosts,
                                            size_t count, struct base_error *error);
enum gleaner_status store_sqlite_hosts_read(struct store *store, struct store_host *hosts,
                                            size_t count, struct base_error *error);

/* ---- store_sqlite_queue.c ---- */

enum gleaner_status store_queue_load_locked(struct store_sqlite *s,
                                            const struct sqlite_queue *queue, struct queue_row *row,
                                            struct base_error *error);
enum gleaner_status store_queue_save_locked(struct store_sqlite *s,
                                            const struct sqlite_queue *queue,
                                            const struct queue_row *row, struct base_error *error);
enum gleaner_status store_jobs_insert_locked(struct store_sqlite *s, struct sqlite_queue *queue,
                                             struct queue_row *row, const struct store_job *jobs,
                                             size_t count, uint64_t *inserted,
                                             struct base_error *error);
enum gleaner_status store_sqlite_queue_open(struct store *store, const char *name,
                                            struct store_queue **out, struct base_error *error);
void store_sqlite_queue_close(struct store_queue *queue);
enum gleaner_status store_sqlite_queue_drop(struct store *store, const char *name,
                                            struct base_error *error);
enum gleaner_status store_sqlite_enqueue(struct store_queue *queue, const struct store_job *jobs,
                                         size_t count, uint64_t *inserted,
                                         struct base_error *error);
enum gleaner_status store_sqlite_count(struct store_queue *queue, struct store_counts *out,
                                       struct base_error *error);
enum gleaner_status
store_sqlite_list_jobs(struct store_queue *queue, const char *state, uint64_t limit,
                       bool (*row)(void *ctx, const struct store_job_view *view), void *ctx,
                       struct base_error *error);

/* ---- store_sqlite_change.c ---- */

enum gleaner_status store_sqlite_change_jobs(struct store_queue *queue, enum store_change change,
                                             const struct store_job *jobs, size_t count,
                                             uint64_t *changed, struct base_error *error);
enum gleaner_status store_sqlite_queue_names(struct store *store,
                                             bool (*row)(void *ctx, const char *name), void *ctx,
                                             struct base_error *error);

/* ---- store_sqlite_claim.c ---- */

enum gleaner_status store_sqlite_claim(struct store_queue *queue, const struct store_claim *how,
                                       struct store_jobs *out, struct base_error *error);

/* ---- store_sqlite_settle.c ---- */

enum gleaner_status store_sqlite_settle(struct store_queue *queue,
                                        const struct store_settlement *settlement,
                                        struct store_settled *out, struct base_error *error);
enum gleaner_status store_sqlite_renew(struct store_queue *queue, const struct store_outcome *held,
                                       size_t count, uint32_t lease_ms, uint64_t *lost,
                                       struct base_error *error);
enum gleaner_status store_sqlite_release_owner(struct store_queue *queue, const char *owner,
                                               uint64_t *released, struct base_error *error);

/* ---- store_spool.c ---- */

enum gleaner_status store_spool_put_locked(struct store_sqlite *s,
                                           const struct store_document *documents, size_t count,
                                           struct store_settled *out, struct base_error *error);

#endif
