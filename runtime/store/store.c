/* SPDX-License-Identifier: Apache-2.0 */
/* The door's calls: check what only our own mistake can break, then dispatch to the body. */
#include "store_internal.h"

#include <stdlib.h>
#include <string.h>

static struct store *checked(struct store *store)
{
    BASE_CHECK_MAGIC(store, STORE_MAGIC);
    return store;
}

static const struct store_ops *queue_ops(struct store_queue *queue)
{
    BASE_CHECK_MAGIC(queue, STORE_QUEUE_MAGIC);
    return checked(queue->store)->ops;
}

/* ---- store and queue as objects ---- */

void store_close(struct store **store)
{
    if (*store != NULL) {
        const struct store_ops *ops = checked(*store)->ops;
        (*store)->magic = 0;
        ops->close(*store);
        *store = NULL;
    }
}

const char *store_kind(const struct store *store)
{
    BASE_CHECK_MAGIC(store, STORE_MAGIC);
    return store->ops->kind;
}

void store_describe(struct store *store, char *out, size_t out_size)
{
    checked(store)->ops->describe(store, out, out_size);
}

enum gleaner_status store_queue_open(struct store *store, const char *name,
                                     struct store_queue **out, struct base_error *error)
{
    *out = NULL;
    return checked(store)->ops->queue_open(store, name, out, error);
}

void store_queue_close(struct store_queue **queue)
{
    if (*queue != NULL) {
        const struct store_ops *ops = queue_ops(*queue);
        ops->queue_close(*queue); /* the last one clears the magic: others may have it open */
        *queue = NULL;
    }
}

enum gleaner_status store_queue_drop(struct store *store, const char *name,
                                     struct base_error *error)
{
    return checked(store)->ops->queue_drop(store, name, error);
}

/* ---- jobs ---- */

enum gleaner_status store_enqueue(struct store_queue *queue, const struct store_job *jobs,
                                  size_t count, uint64_t *inserted, struct base_error *error)
{
    if (inserted != NULL) {
        *inserted = 0;
    }
    return queue_ops(queue)->enqueue(queue, jobs, count, inserted, error);
}

enum gleaner_status store_claim(struct store_queue *queue, const struct store_claim *how,
                                struct store_jobs *out, struct base_error *error)
{
    store_jobs_reset(out);
    return queue_ops(queue)->claim(queue, how, out, error);
}

enum gleaner_status store_settle(struct store_queue *queue,
                                 const struct store_settlement *settlement,
                                 struct store_settled *out, struct base_error *error)
{
    struct store_settled unused;
    out = out != NULL ? out : &unused;
    memset(out, 0, sizeof *out);
    return queue_ops(queue)->settle(queue, settlement, out, error);
}

enum gleaner_status store_renew(struct store_queue *queue, const struct store_outcome *held,
                                size_t count, uint32_t lease_ms, uint64_t *lost,
                                struct base_error *error)
{
    if (lost != NULL) {
        *lost = 0;
    }
    return queue_ops(queue)->renew(queue, held, count, lease_ms, lost, error);
}

enum gleaner_status store_release_owner(struct store_queue *queue, const char *owner,
                                        uint64_t *released, struct base_error *error)
{
    if (released != NULL) {
        *released = 0;
    }
    return queue_ops(queue)->release_owner(queue, owner, released, error);
}

enum gleaner_status store_count(struct store_queue *queue, struct store_counts *out,
                                struct base_error *error)
{
    memset(out, 0, sizeof *out);
    out->next_due_ms = UINT64_MAX;
    return queue_ops(queue)->count(queue, out, error);
}

enum gleaner_status store_change_jobs(struct store_queue *queue, enum store_change change,
                                      const struct store_job *jobs, size_t count, uint64_t *changed,
                                      struct base_error *error)
{
    uint64_t ignored = 0;
    uint64_t *out = changed != NULL ? changed : &ignored;
    *out = 0;
    return count == 0 ? GLEANER_OK
                      : queue_ops(queue)->change_jobs(queue, change, jobs, count, out, error);
}

enum gleaner_status store_queue_names(struct store *store, bool (*row)(void *ctx, const char *name),
                                      void *ctx, struct base_error *error)
{
    BASE_CHECK_MAGIC(store, STORE_MAGIC);
    return store->ops->queue_names(store, row, ctx, error);
}

enum gleaner_status store_list_jobs(struct store_queue *queue, const char *state, uint64_t limit,
                                    bool (*row)(void *ctx, const struct store_job_view *view),
                                    void *ctx, struct base_error *error)
{
    return queue_ops(queue)->list_jobs(queue, state, limit, row, ctx, error);
}

/* ---- documents and meta ---- */

enum gleaner_status store_documents(struct store *store, const char *collection,
                                    bool (*row)(void *ctx, const char *collection,
                                                const uint8_t *bson, uint32_t len),
                                    void *ctx, struct base_error *error)
{
    return checked(store)->ops->documents(store, collection, row, ctx, error);
}

enum gleaner_status store_documents_get(struct store *store, const char *collection,
                                        const uint8_t (*ids)[STORE_ID_BYTES], size_t count,
                                        const char *const *fields,
                                        bool (*row)(void *ctx, const char *collection,
                                                    const uint8_t *bson, uint32_t len),
                                        void *ctx, struct base_error *error)
{
    return count == 0 ? GLEANER_OK
                      : checked(store)->ops->documents_get(store, collection, ids, count, fields,
                                                           row, ctx, error);
}

enum gleaner_status store_document_count(struct store *store, const char *collection, uint64_t *out,
                                         struct base_error *error)
{
    *out = 0;
    return checked(store)->ops->document_count(store, collection, out, error);
}

enum gleaner_status store_meta_put(struct store *store, const char *name, const char *value,
                                   struct base_error *error)
{
    return checked(store)->ops->meta_put(store, name, value, error);
}

enum gleaner_status store_meta_get(struct store *store, const char *name, struct base_buffer *out,
                                   struct base_error *error)
{
    base_buffer_reset(out, SIZE_MAX);
    return checked(store)->ops->meta_get(store, name, out, error);
}
