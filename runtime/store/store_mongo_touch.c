/* SPDX-License-Identifier: Apache-2.0 */
/* Documents on the server by id, and the dates of those that have not changed. */
#include "store_mongo_internal.h"

#include <stdio.h>
#include <string.h>

/* One find command: its reply is bounded by 16 MB, and a batch by this; `fields` keep it small. */
#define GET_BATCH 1000

static void append_id(bson_t *parent, const char *key, const uint8_t id[STORE_ID_BYTES])
{
    bson_oid_t oid;
    memcpy(oid.bytes, id, STORE_ID_BYTES);
    BSON_APPEND_OID(parent, key, &oid);
}

static void append_filter(bson_t *filter, const uint8_t (*ids)[STORE_ID_BYTES], size_t count)
{
    bson_t in, list;
    if (ids == NULL) {
        return;
    }
    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = 0; i < count; i++) {
        char key[24];
        (void)snprintf(key, sizeof key, "%zu", i);
        append_id(&list, key, ids[i]);
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
}

static void append_options(bson_t *opts, size_t count, const char *const *fields)
{
    bson_t projection;
    BSON_APPEND_INT64(opts, "limit", (int64_t)count);
    BSON_APPEND_INT32(opts, "batchSize", (int32_t)count);
    if (fields == NULL) {
        return;
    }
    BSON_APPEND_DOCUMENT_BEGIN(opts, "projection", &projection);
    BSON_APPEND_INT32(&projection, "_id", 1);
    for (size_t i = 0; fields[i] != NULL; i++) {
        BSON_APPEND_INT32(&projection, fields[i], 1);
    }
    bson_append_document_end(opts, &projection);
}

struct giving {
    const char *collection;
    bool (*row)(void *ctx, const char *collection, const uint8_t *bson, uint32_t len);
    void *ctx;
    bool stopped;
};

static bool give(void *ctx, const bson_t *document)
{
    struct giving *giving = ctx;
    giving->stopped =
        !giving->row(giving->ctx, giving->collection, bson_get_data(document), document->len);
    return !giving->stopped;
}

enum gleaner_status store_mongo_documents_get(struct store *store, const char *collection,
                                              const uint8_t (*ids)[STORE_ID_BYTES], size_t count,
                                              const char *const *fields,
                                              bool (*row)(void *ctx, const char *collection,
                                                          const uint8_t *bson, uint32_t len),
                                              void *ctx, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(store, error);
    struct giving giving = {.collection = collection, .row = row, .ctx = ctx};
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < count && status == GLEANER_OK && !giving.stopped; i += GET_BATCH) {
        const size_t some = count - i < GET_BATCH ? count - i : GET_BATCH;
        bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
        append_filter(&filter, ids != NULL ? ids + i : NULL, some);
        append_options(&opts, some, fields);
        status = store_mongo_walk(&op, collection, &filter, &opts, give, &giving);
        bson_destroy(&opts);
        bson_destroy(&filter);
    }
    return status;
}

/* {q: {_id, FIELD: {$type: "date"}}, u: {$set: {FIELD: date}}} */
static void append_touch(bson_t *updates, size_t index, const struct store_touch *touch)
{
    bson_t update, filter, type, change, set;
    char key[24];
    int len = snprintf(key, sizeof key, "%zu", index);
    bson_append_document_begin(updates, key, len, &update);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "q", &filter);
    append_id(&filter, "_id", touch->id);
    BSON_APPEND_DOCUMENT_BEGIN(&filter, touch->field, &type);
    BSON_APPEND_UTF8(&type, "$type", "date");
    bson_append_document_end(&filter, &type);
    bson_append_document_end(&update, &filter);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "u", &change);
    BSON_APPEND_DOCUMENT_BEGIN(&change, "$set", &set);
    BSON_APPEND_DATE_TIME(&set, touch->field, touch->ms_since_1970);
    bson_append_document_end(&change, &set);
    bson_append_document_end(&update, &change);
    bson_append_document_end(updates, &update);
}

/* Those at the front that are of one collection, as many as one command takes. */
static size_t some_of_one_collection(const struct store_touch *touches, size_t count)
{
    size_t n = 0;
    while (n < count && n < STORE_MONGO_BATCH_DOCUMENTS &&
           strcmp(touches[n].collection, touches[0].collection) == 0) {
        n++;
    }
    return n;
}

static enum gleaner_status touch_some(const struct mongo_op *op, const struct store_touch *touches,
                                      size_t count, struct store_settled *out)
{
    bson_t command, updates, reply;
    store_mongo_command(&command, op, "update", touches[0].collection);
    BSON_APPEND_BOOL(&command, "ordered", false);
    BSON_APPEND_ARRAY_BEGIN(&command, "updates", &updates);
    for (size_t i = 0; i < count; i++) {
        append_touch(&updates, i, &touches[i]);
    }
    bson_append_array_end(&command, &updates);
    enum gleaner_status status = store_mongo_run(op, MONGO_WRITE, &command, &reply);
    if (status == GLEANER_OK) {
        out->documents_touched += (uint64_t)store_mongo_number(&reply, "n");
        status = store_mongo_write_errors(op, &reply);
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

enum gleaner_status store_mongo_put_touches(const struct mongo_op *op,
                                            const struct store_touch *touches, size_t count,
                                            struct store_settled *out)
{
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < count && status == GLEANER_OK;) {
        size_t some = some_of_one_collection(touches + i, count - i);
        status = touch_some(op, touches + i, some, out);
        i += some;
    }
    return status;
}

enum gleaner_status store_mongo_touch_documents(struct store *store,
                                                const struct store_touch *touches, size_t count,
                                                struct store_settled *out, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(store, error);
    return store_mongo_put_touches(&op, touches, count, out);
}
