/* SPDX-License-Identifier: Apache-2.0 */
/* The tiered store: jobs are the local store's, documents are store_tiered_documents.c's. */
#include "store_tiered_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_DOCUMENTS_PER_S_DEFAULT 2000

/* ---- passed on to the local store ---- */

static enum gleaner_status tiered_queue_open(struct store *store, const char *name,
                                             struct store_queue **out, struct base_error *error)
{
    struct tiered_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory for queue %s", name);
    }
    enum gleaner_status status =
        store_queue_open(store_tiered_of(store)->local, name, &queue->local, error);
    if (status != GLEANER_OK) {
        free(queue);
        return status;
    }
    queue->base.magic = STORE_QUEUE_MAGIC;
    queue->base.store = store;
    *out = &queue->base;
    return GLEANER_OK;
}

static void tiered_queue_close(struct store_queue *queue)
{
    store_queue_close(&((struct tiered_queue *)queue)->local);
    queue->magic = 0;
    free(queue);
}

static enum gleaner_status tiered_queue_drop(struct store *store, const char *name,
                                             struct base_error *error)
{
    return store_queue_drop(store_tiered_of(store)->local, name, error);
}

static enum gleaner_status tiered_enqueue(struct store_queue *queue, const struct store_job *jobs,
                                          size_t count, uint64_t *inserted,
                                          struct base_error *error)
{
    return store_enqueue(store_tiered_local(queue), jobs, count, inserted, error);
}

static enum gleaner_status tiered_claim(struct store_queue *queue, const struct store_claim *how,
                                        struct store_jobs *out, struct base_error *error)
{
    return store_claim(store_tiered_local(queue), how, out, error);
}

static enum gleaner_status tiered_renew(struct store_queue *queue, const struct store_outcome *held,
                                        size_t count, uint32_t lease_ms, uint64_t *lost,
                                        struct base_error *error)
{
    return store_renew(store_tiered_local(queue), held, count, lease_ms, lost, error);
}

static enum gleaner_status tiered_release_owner(struct store_queue *queue, const char *owner,
                                                uint64_t *released, struct base_error *error)
{
    return store_release_owner(store_tiered_local(queue), owner, released, error);
}

static enum gleaner_status tiered_count(struct store_queue *queue, struct store_counts *out,
                                        struct base_error *error)
{
    return store_count(store_tiered_local(queue), out, error);
}

static enum gleaner_status tiered_change_jobs(struct store_queue *queue, enum store_change change,
                                              const struct store_job *jobs, size_t count,
                                              uint64_t *changed, struct base_error *error)
{
    return store_change_jobs(store_tiered_local(queue), change, jobs, count, changed, error);
}

static enum gleaner_status tiered_queue_names(struct store *store,
                                              bool (*row)(void *ctx, const char *name), void *ctx,
                                              struct base_error *error)
{
    return store_queue_names(((struct store_tiered *)store)->local, row, ctx, error);
}

static enum gleaner_status
tiered_list_jobs(struct store_queue *queue, const char *state, uint64_t limit,
                 bool (*row)(void *ctx, const struct store_job_view *view), void *ctx,
                 struct base_error *error)
{
    return store_list_jobs(store_tiered_local(queue), state, limit, row, ctx, error);
}

static enum gleaner_status tiered_meta_put(struct store *store, const char *name, const char *value,
                                           struct base_error *error)
{
    return store_meta_put(store_tiered_of(store)->local, name, value, error);
}

static enum gleaner_status tiered_meta_get(struct store *store, const char *name,
                                           struct base_buffer *out, struct base_error *error)
{
    return store_meta_get(store_tiered_of(store)->local, name, out, error);
}

static enum gleaner_status tiered_hosts_note(struct store *store, const struct store_host *hosts,
                                             size_t count, struct base_error *error)
{
    return store_hosts_note(store_tiered_of(store)->local, hosts, count, error);
}

static enum gleaner_status tiered_hosts_read(struct store *store, struct store_host *hosts,
                                             size_t count, struct base_error *error)
{
    return store_hosts_read(store_tiered_of(store)->local, hosts, count, error);
}

/* ---- the object ---- */

static void tiered_free(struct store_tiered *tiered)
{
    sync_cond_destroy(&tiered->changed);
    sync_mutex_destroy(&tiered->mutex);
    free(tiered);
}

static void tiered_close(struct store *store)
{
    struct store_tiered *tiered = store_tiered_of(store);
    store_drain_stop(tiered);
    tiered_free(tiered);
}

static void tiered_describe(struct store *store, char *out, size_t out_size)
{
    struct store_tiered *tiered = store_tiered_of(store);
    struct store_spool_stats spool;
    store_describe(tiered->remote, out, out_size);
    store_tiered_spool(store, &spool);
    size_t line = strcspn(out, "\n");
    if (spool.documents > 0 && line < out_size) { /* the second line says what matters more */
        snprintf(out + line, out_size - line,
                 "\n%llu documents wait in the local spool and are replayed when it is back",
                 (unsigned long long)spool.documents);
    }
}

static const struct store_ops tiered_ops = {
    .kind = "tiered",
    .close = tiered_close,
    .describe = tiered_describe,
    .queue_open = tiered_queue_open,
    .queue_close = tiered_queue_close,
    .queue_drop = tiered_queue_drop,
    .enqueue = tiered_enqueue,
    .claim = tiered_claim,
    .settle = store_tiered_settle,
    .renew = tiered_renew,
    .release_owner = tiered_release_owner,
    .count = tiered_count,
    .list_jobs = tiered_list_jobs,
    .change_jobs = tiered_change_jobs,
    .queue_names = tiered_queue_names,
    .write_documents = store_tiered_write_documents,
    .documents = store_tiered_documents,
    .documents_get = store_tiered_documents_get,
    .document_count = store_tiered_document_count,
    .meta_put = tiered_meta_put,
    .meta_get = tiered_meta_get,
    .hosts_note = tiered_hosts_note,
    .hosts_read = tiered_hosts_read,
};

enum gleaner_status store_tiered_open(const struct store_tiered_options *options,
                                      struct store **out, struct base_error *error)
{
    *out = NULL;
    struct store_tiered *tiered = calloc(1, sizeof *tiered);
    if (tiered == NULL || sync_mutex_create(&tiered->mutex) != GLEANER_OK ||
        sync_cond_create(&tiered->changed) != GLEANER_OK) {
        if (tiered != NULL) {
            tiered_free(tiered);
        }
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory for the store");
    }
    BASE_ASSERT(strcmp(store_kind(options->local), "embedded") == 0); /* the spool lives there */
    tiered->base.magic = STORE_MAGIC;
    tiered->base.ops = &tiered_ops;
    tiered->local = options->local;
    tiered->remote = options->remote;
    tiered->remote_is_up = options->remote_is_up;
    tiered->remote_ctx = options->remote_ctx;
    tiered->drain_documents_per_s = options->drain_documents_per_s > 0
                                        ? options->drain_documents_per_s
                                        : DRAIN_DOCUMENTS_PER_S_DEFAULT;
    enum gleaner_status status = store_drain_start(tiered, error);
    if (status != GLEANER_OK) {
        tiered_free(tiered);
        return status;
    }
    *out = &tiered->base;
    return GLEANER_OK;
}

/* ---- the spool, for who shows or awaits it ---- */

void store_tiered_spool(struct store *store, struct store_spool_stats *out)
{
    BASE_CHECK_MAGIC(store, STORE_MAGIC);
    BASE_ASSERT(store->ops == &tiered_ops);
    if (store_spool_read(store_tiered_of(store)->local, out, NULL) != GLEANER_OK) {
        memset(out, 0, sizeof *out);
    }
}

/* The lock is held over the look and the wait, and the drainer tells under it: no wake is lost. */
enum gleaner_status store_tiered_drain(struct store *store, uint64_t deadline_ns)
{
    struct store_tiered *tiered = store_tiered_of(store);
    struct store_spool_stats spool;
    enum gleaner_status status = GLEANER_E_TIMEOUT;
    BASE_CHECK_MAGIC(store, STORE_MAGIC);
    BASE_ASSERT(store->ops == &tiered_ops);
    sync_mutex_lock(tiered->mutex);
    do {
        status = store_spool_read(tiered->local, &spool, NULL);
        if (status == GLEANER_OK && spool.documents > 0) {
            status = GLEANER_E_TIMEOUT;
        }
    } while (status == GLEANER_E_TIMEOUT &&
             sync_cond_wait(tiered->changed, tiered->mutex, deadline_ns));
    sync_mutex_unlock(tiered->mutex);
    return status;
}
