/* SPDX-License-Identifier: Apache-2.0 */
/* The tiered store: settle decides which way each document goes; the rest is passed on. */
#include "store_tiered_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_DOCUMENTS_PER_S_DEFAULT 2000

struct tiered_queue {
    struct store_queue base;
    struct store_queue *local;
};

static struct store_tiered *tiered_of(struct store *store)
{
    return (struct store_tiered *)store;
}

static struct store_queue *local_queue(struct store_queue *queue)
{
    return ((struct tiered_queue *)queue)->local;
}

bool store_tiered_is_away(enum gleaner_status status)
{
    return status == GLEANER_E_DOWN || status == GLEANER_E_NETWORK || status == GLEANER_E_TIMEOUT ||
           status == GLEANER_E_BUSY; /* busy: no client by the deadline, so as good as away */
}

/* ---- settle ---- */

/* Documents parted into those for the remote and those that must follow an earlier version. */
struct parted {
    bool *held;
    struct store_document *live, *later;
    size_t live_count, later_count;
};

static void parted_fini(struct parted *parted)
{
    free(parted->held);
    free(parted->live);
    free(parted->later);
}

static enum gleaner_status part(struct store_tiered *tiered, const struct store_document *documents,
                                size_t count, struct parted *parted, struct base_error *error)
{
    bool any = false;
    parted->held = calloc(count, sizeof *parted->held);
    parted->live = calloc(count, sizeof *parted->live);
    parted->later = calloc(count, sizeof *parted->later);
    if (parted->held == NULL || parted->live == NULL || parted->later == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory for a settlement");
    }
    enum gleaner_status status =
        store_spool_held(tiered->local, documents, count, parted->held, &any, error);
    for (size_t i = 0; i < count && status == GLEANER_OK; i++) {
        if (parted->held[i]) {
            parted->later[parted->later_count++] = documents[i];
        } else {
            parted->live[parted->live_count++] = documents[i];
        }
    }
    return status;
}

/* Write what may go to the remote now; *for_spool is what is left. An error that is not the
 * remote's absence goes to the caller. */
static enum gleaner_status write_remote(struct store_tiered *tiered, struct parted *parted,
                                        struct store_settlement *for_spool,
                                        struct store_settled *out, struct base_error *error)
{
    enum gleaner_status status =
        part(tiered, for_spool->documents, for_spool->document_count, parted, error);
    if (status != GLEANER_OK) {
        return status;
    }
    struct store_settled before = *out;
    if (parted->live_count > 0) {
        status = tiered->remote->ops->write_documents(tiered->remote, parted->live,
                                                      parted->live_count, out, error);
    }
    if (status == GLEANER_OK) {
        for_spool->documents = parted->later;
        for_spool->document_count = parted->later_count;
    } else if (store_tiered_is_away(status)) {
        *out = before; /* part may have been written: all of it goes to the spool, in its order */
        status = GLEANER_OK;
    }
    return status;
}

typedef enum gleaner_status (*settle_locally)(void *target,
                                              const struct store_settlement *settlement,
                                              struct store_settled *out, struct base_error *error);

static enum gleaner_status settle_both(struct store_tiered *tiered, settle_locally local,
                                       void *target, const struct store_settlement *settlement,
                                       struct store_settled *out, struct base_error *error)
{
    struct parted parted = {0};
    struct store_settlement rest = *settlement;
    struct store_settled before = *out;
    enum gleaner_status status = GLEANER_OK;
    if (rest.document_count > 0 && tiered->remote_is_up(tiered->remote_ctx)) {
        status = write_remote(tiered, &parted, &rest, out, error);
    }
    if (status == GLEANER_OK) {
        status = local(target, &rest, out, error);
    }
    if (status != GLEANER_OK) {
        *out = before; /* documents may be in the remote: repeating the call is harmless */
    } else if (out->documents_spooled > before.documents_spooled) {
        store_drain_wake(tiered);
    }
    parted_fini(&parted);
    return status;
}

static enum gleaner_status settle_queue(void *target, const struct store_settlement *settlement,
                                        struct store_settled *out, struct base_error *error)
{
    return store_spool_settle(target, settlement, out, error);
}

static enum gleaner_status settle_spool(void *target, const struct store_settlement *settlement,
                                        struct store_settled *out, struct base_error *error)
{
    return settlement->document_count == 0
               ? GLEANER_OK
               : store_spool_write(target, settlement->documents, settlement->document_count, out,
                                   error);
}

static enum gleaner_status tiered_settle(struct store_queue *queue,
                                         const struct store_settlement *settlement,
                                         struct store_settled *out, struct base_error *error)
{
    return settle_both(tiered_of(queue->store), settle_queue, local_queue(queue), settlement, out,
                       error);
}

static enum gleaner_status tiered_write_documents(struct store *store,
                                                  const struct store_document *documents,
                                                  size_t count, struct store_settled *out,
                                                  struct base_error *error)
{
    struct store_tiered *tiered = tiered_of(store);
    const struct store_settlement settlement = {.documents = documents, .document_count = count};
    return settle_both(tiered, settle_spool, tiered->local, &settlement, out, error);
}

/* ---- reading documents: the remote's, with the spool's in place of their older versions ---- */

struct walking {
    struct store_tiered *tiered;
    bool (*row)(void *ctx, const char *collection, const uint8_t *bson, uint32_t len);
    void *ctx;
    bool stopped;
    enum gleaner_status status;
    struct base_error *error;
};

static bool is_superseded(struct walking *walking, const char *collection, const uint8_t *bson,
                          uint32_t len)
{
    static const uint8_t object_id[] = {0x07, '_', 'i', 'd', 0};
    bool held = false, any = false;
    struct store_document document = {.collection = collection};
    if (len < 4 + STORE_BSON_ID_BYTES || memcmp(bson + 4, object_id, sizeof object_id) != 0) {
        return false; /* not one of ours */
    }
    memcpy(document.id, bson + 4 + sizeof object_id, STORE_ID_BYTES);
    walking->status =
        store_spool_held(walking->tiered->local, &document, 1, &held, &any, walking->error);
    return held;
}

static bool remote_row(void *ctx, const char *collection, const uint8_t *bson, uint32_t len)
{
    struct walking *walking = ctx;
    bool superseded = is_superseded(walking, collection, bson, len);
    if (walking->status == GLEANER_OK && !superseded) {
        walking->stopped = !walking->row(walking->ctx, collection, bson, len);
    }
    return walking->status == GLEANER_OK && !walking->stopped;
}

static enum gleaner_status tiered_documents(struct store *store, const char *collection,
                                            bool (*row)(void *ctx, const char *collection,
                                                        const uint8_t *bson, uint32_t len),
                                            void *ctx, struct base_error *error)
{
    struct store_tiered *tiered = tiered_of(store);
    struct walking walking = {.tiered = tiered, .row = row, .ctx = ctx, .error = error};
    enum gleaner_status status =
        tiered->remote->ops->documents(tiered->remote, collection, remote_row, &walking, error);
    status = status != GLEANER_OK ? status : walking.status;
    if (status == GLEANER_OK && !walking.stopped) {
        status = store_spool_walk(tiered->local, collection, row, ctx, error);
    }
    return status;
}

static enum gleaner_status tiered_document_count(struct store *store, const char *collection,
                                                 uint64_t *out, struct base_error *error)
{
    struct store_tiered *tiered = tiered_of(store);
    return tiered->remote->ops->document_count(tiered->remote, collection, out, error);
}

/* ---- passed on to the local store ---- */

static enum gleaner_status tiered_queue_open(struct store *store, const char *name,
                                             struct store_queue **out, struct base_error *error)
{
    struct tiered_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory for queue %s", name);
    }
    enum gleaner_status status =
        store_queue_open(tiered_of(store)->local, name, &queue->local, error);
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
    return store_queue_drop(tiered_of(store)->local, name, error);
}

static enum gleaner_status tiered_enqueue(struct store_queue *queue, const struct store_job *jobs,
                                          size_t count, uint64_t *inserted,
                                          struct base_error *error)
{
    return store_enqueue(local_queue(queue), jobs, count, inserted, error);
}

static enum gleaner_status tiered_claim(struct store_queue *queue, const struct store_claim *how,
                                        struct store_jobs *out, struct base_error *error)
{
    return store_claim(local_queue(queue), how, out, error);
}

static enum gleaner_status tiered_renew(struct store_queue *queue, const struct store_outcome *held,
                                        size_t count, uint32_t lease_ms, uint64_t *lost,
                                        struct base_error *error)
{
    return store_renew(local_queue(queue), held, count, lease_ms, lost, error);
}

static enum gleaner_status tiered_release_owner(struct store_queue *queue, const char *owner,
                                                uint64_t *released, struct base_error *error)
{
    return store_release_owner(local_queue(queue), owner, released, error);
}

static enum gleaner_status tiered_count(struct store_queue *queue, struct store_counts *out,
                                        struct base_error *error)
{
    return store_count(local_queue(queue), out, error);
}

static enum gleaner_status tiered_change_jobs(struct store_queue *queue, enum store_change change,
                                              const struct store_job *jobs, size_t count,
                                              uint64_t *changed, struct base_error *error)
{
    return store_change_jobs(local_queue(queue), change, jobs, count, changed, error);
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
    return store_list_jobs(local_queue(queue), state, limit, row, ctx, error);
}

static enum gleaner_status tiered_meta_put(struct store *store, const char *name, const char *value,
                                           struct base_error *error)
{
    return store_meta_put(tiered_of(store)->local, name, value, error);
}

static enum gleaner_status tiered_meta_get(struct store *store, const char *name,
                                           struct base_buffer *out, struct base_error *error)
{
    return store_meta_get(tiered_of(store)->local, name, out, error);
}

static enum gleaner_status tiered_hosts_note(struct store *store, const struct store_host *hosts,
                                             size_t count, struct base_error *error)
{
    return store_hosts_note(tiered_of(store)->local, hosts, count, error);
}

static enum gleaner_status tiered_hosts_read(struct store *store, struct store_host *hosts,
                                             size_t count, struct base_error *error)
{
    return store_hosts_read(tiered_of(store)->local, hosts, count, error);
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
    struct store_tiered *tiered = tiered_of(store);
    store_drain_stop(tiered);
    tiered_free(tiered);
}

static void tiered_describe(struct store *store, char *out, size_t out_size)
{
    struct store_tiered *tiered = tiered_of(store);
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
    .settle = tiered_settle,
    .renew = tiered_renew,
    .release_owner = tiered_release_owner,
    .count = tiered_count,
    .list_jobs = tiered_list_jobs,
    .change_jobs = tiered_change_jobs,
    .queue_names = tiered_queue_names,
    .write_documents = tiered_write_documents,
    .documents = tiered_documents,
    .document_count = tiered_document_count,
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
    if (store_spool_read(tiered_of(store)->local, out, NULL) != GLEANER_OK) {
        memset(out, 0, sizeof *out);
    }
}

/* The lock is held over the look and the wait, and the drainer tells under it: no wake is lost. */
enum gleaner_status store_tiered_drain(struct store *store, uint64_t deadline_ns)
{
    struct store_tiered *tiered = tiered_of(store);
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
