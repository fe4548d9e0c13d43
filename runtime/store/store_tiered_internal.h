/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store_tiered_internal.h
 * Jobs in `local`, documents in `remote`, and what the remote cannot take in the local spool.
 *
 * Order per document: a document whose earlier version is in the spool goes to the spool, too,
 * until the drainer has had that acknowledged and removed it. So the remote sees the versions of
 * one writer in their order, whichever way each took.
 */
#ifndef STORE_TIERED_INTERNAL_H
#define STORE_TIERED_INTERNAL_H

#include "store_internal.h"
#include "sync.h"

struct store_tiered {
    struct store base;
    /* constant after open */
    struct store *local, *remote;
    bool (*remote_is_up)(void *ctx);
    void *remote_ctx;
    uint32_t drain_documents_per_s;
    struct sync_thread *drainer;
    /* guards the rest; may be taken before the local store's mutex, never after it */
    struct sync_mutex *mutex;
    struct sync_cond *changed; /* something was spooled, replayed, or close was asked for */
    bool stopping;
    bool spooled; /* since the drainer last looked */
};

struct tiered_queue {
    struct store_queue base;
    struct store_queue *local;
};

static inline struct store_tiered *store_tiered_of(struct store *store)
{
    return (struct store_tiered *)store;
}

static inline struct store_queue *store_tiered_local(struct store_queue *queue)
{
    return ((struct tiered_queue *)queue)->local;
}

/* ---- store_tiered_documents.c ---- */
enum gleaner_status store_tiered_settle(struct store_queue *queue,
                                        const struct store_settlement *settlement,
                                        struct store_settled *out, struct base_error *error);
enum gleaner_status store_tiered_write_documents(struct store *store,
                                                 const struct store_document *documents,
                                                 size_t count, struct store_settled *out,
                                                 struct base_error *error);
enum gleaner_status store_tiered_documents(struct store *store, const char *collection,
                                           bool (*row)(void *ctx, const char *collection,
                                                       const uint8_t *bson, uint32_t len),
                                           void *ctx, struct base_error *error);
enum gleaner_status store_tiered_documents_get(struct store *store, const char *collection,
                                               const uint8_t (*ids)[STORE_ID_BYTES], size_t count,
                                               const char *const *fields,
                                               bool (*row)(void *ctx, const char *collection,
                                                           const uint8_t *bson, uint32_t len),
                                               void *ctx, struct base_error *error);
enum gleaner_status store_tiered_document_count(struct store *store, const char *collection,
                                                uint64_t *out, struct base_error *error);

/* ---- store_drain.c ---- */
enum gleaner_status store_drain_start(struct store_tiered *tiered, struct base_error *error);
/** Ask the drainer to end and wait for it: at most one remote write long. */
void store_drain_stop(struct store_tiered *tiered);
/** Tell it that something was spooled. */
void store_drain_wake(struct store_tiered *tiered);

#endif
