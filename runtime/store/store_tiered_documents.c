/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of the tiered store: settle decides which way each one goes, and a walk shows the
 * remote's with the spool's in place of their older versions. */
#include "store_tiered_internal.h"

#include <stdlib.h>
#include <string.h>

/* Errors of the remote that the spool answers: it is away, not unwilling. */
static bool is_away(enum gleaner_status status)
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
    } else if (is_away(status)) {
        *out = before; /* part may have been written: all of it goes to the spool, in its order */
        status = GLEANER_OK;
    }
    return status;
}

/* Dates are let go when the remote cannot take them: see store_settlement.touches. */
static void touch_remote(struct store_tiered *tiered, const struct store_settlement *settlement,
                         struct store_settled *out)
{
    struct base_error error = {0};
    if (settlement->touch_count > 0 && tiered->remote_is_up(tiered->remote_ctx) &&
        tiered->remote->ops->touch_documents(tiered->remote, settlement->touches,
                                             settlement->touch_count, out, &error) != GLEANER_OK) {
        base_log_debug("store", "event=dates_not_renewed count=%zu reason=\"%s\"",
                       settlement->touch_count, error.message);
    }
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
    rest.touch_count = 0; /* the local store has no documents */
    if (rest.document_count > 0 && tiered->remote_is_up(tiered->remote_ctx)) {
        status = write_remote(tiered, &parted, &rest, out, error);
    }
    if (status == GLEANER_OK) {
        touch_remote(tiered, settlement, out);
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

enum gleaner_status store_tiered_settle(struct store_queue *queue,
                                        const struct store_settlement *settlement,
                                        struct store_settled *out, struct base_error *error)
{
    return settle_both(store_tiered_of(queue->store), settle_queue, store_tiered_local(queue),
                       settlement, out, error);
}

enum gleaner_status store_tiered_write_documents(struct store *store,
                                                 const struct store_document *documents,
                                                 size_t count, struct store_settled *out,
                                                 struct base_error *error)
{
    struct store_tiered *tiered = store_tiered_of(store);
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

enum gleaner_status store_tiered_documents(struct store *store, const char *collection,
                                           bool (*row)(void *ctx, const char *collection,
                                                       const uint8_t *bson, uint32_t len),
                                           void *ctx, struct base_error *error)
{
    struct store_tiered *tiered = store_tiered_of(store);
    struct walking walking = {.tiered = tiered, .row = row, .ctx = ctx, .error = error};
    enum gleaner_status status =
        tiered->remote->ops->documents(tiered->remote, collection, remote_row, &walking, error);
    status = status != GLEANER_OK ? status : walking.status;
    if (status == GLEANER_OK && !walking.stopped) {
        status = store_spool_walk(tiered->local, collection, row, ctx, error);
    }
    return status;
}

enum gleaner_status store_tiered_documents_get(struct store *store, const char *collection,
                                               const uint8_t (*ids)[STORE_ID_BYTES], size_t count,
                                               const char *const *fields,
                                               bool (*row)(void *ctx, const char *collection,
                                                           const uint8_t *bson, uint32_t len),
                                               void *ctx, struct base_error *error)
{
    struct store_tiered *tiered = store_tiered_of(store);
    struct walking walking = {.tiered = tiered, .row = row, .ctx = ctx, .error = error};
    if (!tiered->remote_is_up(tiered->remote_ctx)) {
        return base_error_set(error, GLEANER_E_DOWN, "the documents' server is away");
    }
    enum gleaner_status status = tiered->remote->ops->documents_get(
        tiered->remote, collection, ids, count, fields, remote_row, &walking, error);
    return status != GLEANER_OK ? status : walking.status;
}

enum gleaner_status store_tiered_document_count(struct store *store, const char *collection,
                                                uint64_t *out, struct base_error *error)
{
    struct store_tiered *tiered = store_tiered_of(store);
    return tiered->remote->ops->document_count(tiered->remote, collection, out, error);
}
