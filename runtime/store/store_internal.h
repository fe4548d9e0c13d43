/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store_internal.h
 * What the bodies of the store share. store.c dispatches every call of the door through `ops`;
 * a body embeds struct store and struct store_queue as its first member and fills the table.
 *
 * Contract of a body, beside what store.h says of each call:
 *  - store.c has checked arguments: out-pointers are not NULL (but *inserted, *lost, *released and
 *    `error` may be), claim's `out` was reset, settle's `out` is zero-filled, count's too.
 *  - settle, write_documents ADD to the counters of `out`.
 *  - Every function is Thread [any], several threads at once on one store and one queue.
 *  - After an error nothing, or an idempotent part, was applied.
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "store.h"

struct store_ops {
    const char *kind; /* "embedded", "mongodb", "tiered" */
    /* Free the store. Its queues are closed already. */
    void (*close)(struct store *store);
    void (*describe)(struct store *store, char *out, size_t out_size);

    enum gleaner_status (*queue_open)(struct store *store, const char *name,
                                      struct store_queue **out, struct base_error *error);
    /* The last close of a queue that is shared clears its magic and frees it. */
    void (*queue_close)(struct store_queue *queue);
    enum gleaner_status (*queue_drop)(struct store *store, const char *name,
                                      struct base_error *error);

    enum gleaner_status (*enqueue)(struct store_queue *queue, const struct store_job *jobs,
                                   size_t count, uint64_t *inserted, struct base_error *error);
    enum gleaner_status (*claim)(struct store_queue *queue, const struct store_claim *how,
                                 struct store_jobs *out, struct base_error *error);
    enum gleaner_status (*settle)(struct store_queue *queue,
                                  const struct store_settlement *settlement,
                                  struct store_settled *out, struct base_error *error);
    enum gleaner_status (*renew)(struct store_queue *queue, const struct store_outcome *held,
                                 size_t count, uint32_t lease_ms, uint64_t *lost,
                                 struct base_error *error);
    enum gleaner_status (*release_owner)(struct store_queue *queue, const char *owner,
                                         uint64_t *released, struct base_error *error);
    enum gleaner_status (*count)(struct store_queue *queue, struct store_counts *out,
                                 struct base_error *error);
    enum gleaner_status (*list_jobs)(struct store_queue *queue, const char *state, uint64_t limit,
                                     bool (*row)(void *ctx, const struct store_job_view *view),
                                     void *ctx, struct base_error *error);
    enum gleaner_status (*change_jobs)(struct store_queue *queue, enum store_change change,
                                       const struct store_job *jobs, size_t count,
                                       uint64_t *changed, struct base_error *error);
    enum gleaner_status (*queue_names)(struct store *store,
                                       bool (*row)(void *ctx, const char *name), void *ctx,
                                       struct base_error *error);

    /* The document part of settle alone: the tiered store and its drainer use it on the remote.
     * GLEANER_OK: every document was written, or refused for its own sake (documents_refused). */
    enum gleaner_status (*write_documents)(struct store *store,
                                           const struct store_document *documents, size_t count,
                                           struct store_settled *out, struct base_error *error);
    enum gleaner_status (*documents)(struct store *store, const char *collection,
                                     bool (*row)(void *ctx, const char *collection,
                                                 const uint8_t *bson, uint32_t len),
                                     void *ctx, struct base_error *error);
    enum gleaner_status (*documents_get)(struct store *store, const char *collection,
                                         const uint8_t (*ids)[STORE_ID_BYTES], size_t count,
                                         const char *const *fields,
                                         bool (*row)(void *ctx, const char *collection,
                                                     const uint8_t *bson, uint32_t len),
                                         void *ctx, struct base_error *error);
    /* The touches of settle alone: the tiered store uses it on the remote. */
    enum gleaner_status (*touch_documents)(struct store *store, const struct store_touch *touches,
                                           size_t count, struct store_settled *out,
                                           struct base_error *error);
    enum gleaner_status (*document_count)(struct store *store, const char *collection,
                                          uint64_t *out, struct base_error *error);
    enum gleaner_status (*meta_put)(struct store *store, const char *name, const char *value,
                                    struct base_error *error);
    enum gleaner_status (*meta_get)(struct store *store, const char *name, struct base_buffer *out,
                                    struct base_error *error);
    enum gleaner_status (*hosts_note)(struct store *store, const struct store_host *hosts,
                                      size_t count, struct base_error *error);
    enum gleaner_status (*hosts_read)(struct store *store, struct store_host *hosts, size_t count,
                                      struct base_error *error);
    /* NULL: all shares belong to whoever has the store open. `out` is zero-filled. */
    enum gleaner_status (*shares_keep)(struct store_queue *queue,
                                       const struct store_share_wish *wish,
                                       struct store_share_state *out, struct base_error *error);
};

#define STORE_MAGIC UINT32_C(0x53544f52)
#define STORE_QUEUE_MAGIC UINT32_C(0x53545155)

/* First member of every body; filled before the door's open function returns it. */
struct store {
    uint32_t magic; /* STORE_MAGIC; store_close() clears it */
    const struct store_ops *ops;
};
struct store_queue {
    uint32_t magic; /* STORE_QUEUE_MAGIC */
    struct store *store;
};

/* ---- small things that every body needs ---- */

/* What a document may weigh with its `_id`: MongoDB's limit, so that both bodies refuse the same.
 */
#define STORE_BSON_MAX_BYTES (16u * 1024 * 1024)
/* The `_id` element: type byte, "_id" with its NUL, 12 bytes. */
#define STORE_BSON_ID_BYTES 17u

/** Framed like BSON (length, final NUL) and not too large: what a body may store unseen. */
bool store_document_is_sane(const struct store_document *document);
/** Append the document to `out` with its `_id` as the first field; false without memory. */
bool store_bson_with_id(const uint8_t id[STORE_ID_BYTES], const uint8_t *bson, uint32_t bson_len,
                        struct base_buffer *out);

/** Append a zeroed job to a claim's result, growing it; NULL without memory. The array grows by
 *  realloc: earlier pointers into it are stale afterwards. */
struct store_job *store_jobs_add(struct store_jobs *jobs);
/** Copy into the claim's arena; NULL text becomes "". NULL without memory. */
const char *store_jobs_text(struct store_jobs *jobs, const char *text);

bool store_type_matches(const struct store_claim *how, const char *type);

/* ---- the spool: documents in the embedded file that the remote cannot take now ----
 *
 * One entry a document (collection, id), in the order of arrival; a later version replaces the
 * earlier and moves to the end. An entry carries a CRC-32C; one that does not check out is set
 * aside (table spool_damaged), logged and never replayed; so is one that its server refuses for its
 * own sake, which people can still list, show and export. `local` is an embedded store. */

/** store_settle() with documents going to the spool instead of `documents`, in the same one
 *  transaction as links and outcomes. GLEANER_E_FULL when the spool's limit would be passed. */
enum gleaner_status store_spool_settle(struct store_queue *local_queue,
                                       const struct store_settlement *settlement,
                                       struct store_settled *out, struct base_error *error);
/** The documents alone. */
enum gleaner_status store_spool_write(struct store *local, const struct store_document *documents,
                                      size_t count, struct store_settled *out,
                                      struct base_error *error);
/** held[i] = an earlier version of documents[i] is in the spool; *any = some are. */
enum gleaner_status store_spool_held(struct store *local, const struct store_document *documents,
                                     size_t count, bool *held, bool *any, struct base_error *error);

struct store_spool_batch { /* zero-initialise; the arena owns what documents point to */
    struct store_document *documents;
    int64_t *sequence;
    size_t count, cap;
    struct base_arena arena;
};
/** The oldest entries: up to max_documents, and max_bytes (but at least one). */
enum gleaner_status store_spool_take(struct store *local, size_t max_documents, uint64_t max_bytes,
                                     struct store_spool_batch *batch, struct base_error *error);
/** Forget entries that the remote has acknowledged. One that was replaced meanwhile stays: its
 *  sequence number is another. */
enum gleaner_status store_spool_remove(struct store *local, const struct store_spool_batch *batch,
                                       struct base_error *error);
/** Set one aside that the remote refuses for its own sake: kept and shown, not replayed. */
enum gleaner_status store_spool_refuse(struct store *local, int64_t sequence,
                                       struct base_error *error);
void store_spool_batch_fini(struct store_spool_batch *batch);
enum gleaner_status store_spool_read(struct store *local, struct store_spool_stats *out,
                                     struct base_error *error);
/** Walk the entries of a collection (NULL = all) as BSON with `_id`, oldest first. */
enum gleaner_status store_spool_walk(struct store *local, const char *collection,
                                     bool (*row)(void *ctx, const char *collection,
                                                 const uint8_t *bson, uint32_t len),
                                     void *ctx, struct base_error *error);

#endif
