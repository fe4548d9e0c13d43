/* SPDX-License-Identifier: Apache-2.0 */
#include "store_internal.h"
#include "store_rig.h"

#include <stdatomic.h>
#include <stdlib.h>

struct failing_store {
    struct store base;
    struct store *inner;
    /* writes: the test; reads: the tiered store's threads. seq_cst: a test's switch, off any path
     * that matters, and it must hold for the very next call. */
    _Atomic int mode, status, up;
    _Atomic uint64_t writes, attempts;
};

static struct failing_store *failing_of(struct store *store)
{
    return (struct failing_store *)store;
}

static enum gleaner_status write_documents(struct store *store,
                                           const struct store_document *documents, size_t count,
                                           struct store_settled *out, struct base_error *error)
{
    struct failing_store *failing = failing_of(store);
    int mode = atomic_load(&failing->mode);
    enum gleaner_status told = (enum gleaner_status)atomic_load(&failing->status);
    atomic_fetch_add(&failing->attempts, 1);
    if (mode == FAILING_BEFORE) {
        return base_error_set(error, told, "told to fail");
    }
    enum gleaner_status status =
        failing->inner->ops->write_documents(failing->inner, documents, count, out, error);
    atomic_fetch_add(&failing->writes, count);
    return mode == FAILING_AFTER ? base_error_set(error, told, "told to fail after writing")
                                 : status;
}

static enum gleaner_status documents(struct store *store, const char *collection,
                                     bool (*row)(void *ctx, const char *collection,
                                                 const uint8_t *bson, uint32_t len),
                                     void *ctx, struct base_error *error)
{
    return store_documents(failing_of(store)->inner, collection, row, ctx, error);
}

static enum gleaner_status
documents_get(struct store *store, const char *collection, const uint8_t (*ids)[STORE_ID_BYTES],
              size_t count, const char *const *fields,
              bool (*row)(void *ctx, const char *collection, const uint8_t *bson, uint32_t len),
              void *ctx, struct base_error *error)
{
    return store_documents_get(failing_of(store)->inner, collection, ids, count, fields, row, ctx,
                               error);
}

static enum gleaner_status touch_documents(struct store *store, const struct store_touch *touches,
                                           size_t count, struct store_settled *out,
                                           struct base_error *error)
{
    struct failing_store *failing = failing_of(store);
    if (atomic_load(&failing->mode) != FAILING_NOT) {
        return base_error_set(error, (enum gleaner_status)atomic_load(&failing->status),
                              "told to fail");
    }
    return failing->inner->ops->touch_documents(failing->inner, touches, count, out, error);
}

static enum gleaner_status document_count(struct store *store, const char *collection,
                                          uint64_t *out, struct base_error *error)
{
    return store_document_count(failing_of(store)->inner, collection, out, error);
}

static void describe(struct store *store, char *out, size_t out_size)
{
    store_describe(failing_of(store)->inner, out, out_size);
}

static void close_failing(struct store *store)
{
    free(store);
}

static const struct store_ops failing_ops = {
    .kind = "failing",
    .close = close_failing,
    .describe = describe,
    .write_documents = write_documents,
    .documents = documents,
    .documents_get = documents_get,
    .touch_documents = touch_documents,
    .document_count = document_count,
};

struct store *failing_store_create(struct store *inner)
{
    struct failing_store *failing = calloc(1, sizeof *failing);
    cr_assert_not_null(failing);
    failing->base.magic = STORE_MAGIC;
    failing->base.ops = &failing_ops;
    failing->inner = inner;
    failing->up = 1;
    return &failing->base;
}

void failing_store_set(struct store *store, enum failing_mode mode, enum gleaner_status status)
{
    atomic_store(&failing_of(store)->status, (int)status);
    atomic_store(&failing_of(store)->mode, (int)mode);
}

bool failing_store_is_up(void *ctx)
{
    return atomic_load(&failing_of(ctx)->up) != 0;
}

void failing_store_set_up(struct store *store, bool is_up)
{
    atomic_store(&failing_of(store)->up, is_up);
}

uint64_t failing_store_writes(struct store *store)
{
    return atomic_load(&failing_of(store)->writes);
}

uint64_t failing_store_attempts(struct store *store)
{
    return atomic_load(&failing_of(store)->attempts);
}
