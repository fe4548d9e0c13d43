/* SPDX-License-Identifier: Apache-2.0 */
/* Documents. Writing is the hot path: one insert command for a batch, whose array is put together
 * by memcpy from the callers' bytes; what the server refuses as a duplicate is replaced in one
 * update command. Measured in bench/store_mongo against the driver's bulk operation. */
#include "store_mongo_internal.h"

#include <stdlib.h>
#include <string.h>

#define SPARE_KEEP_BYTES (1u << 20)

/* ---- raw BSON ---- */

static void put_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    at[2] = (uint8_t)(value >> 16);
    at[3] = (uint8_t)(value >> 24);
}

/* A document or array under construction: where its length goes. */
static size_t raw_begin(struct base_buffer *out)
{
    size_t at = out->len;
    base_buffer_append(out, "\0\0\0", 4);
    return at;
}

static void raw_end(struct base_buffer *out, size_t at)
{
    base_buffer_append_char(out, '\0');
    if (!out->failed) {
        put_u32((uint8_t *)out->data + at, (uint32_t)(out->len - at));
    }
}

/* Type byte and key. */
static void raw_key(struct base_buffer *out, uint8_t type, const char *key)
{
    base_buffer_append_char(out, (char)type);
    base_buffer_append(out, key, strlen(key) + 1);
}

static void raw_index(struct base_buffer *out, uint8_t type, size_t index)
{
    char key[24];
    size_t at = sizeof key;
    key[--at] = '\0';
    do {
        key[--at] = (char)('0' + index % 10);
        index /= 10;
    } while (index > 0);
    raw_key(out, type, key + at);
}

static void raw_bool(struct base_buffer *out, const char *key, bool value)
{
    raw_key(out, 0x08, key);
    base_buffer_append_char(out, value ? 1 : 0);
}

static void raw_text(struct base_buffer *out, const char *key, const char *value)
{
    uint8_t len[4];
    put_u32(len, (uint32_t)strlen(value) + 1);
    raw_key(out, 0x02, key);
    base_buffer_append(out, len, 4);
    base_buffer_append(out, value, strlen(value) + 1);
}

static void raw_number(struct base_buffer *out, const char *key, uint64_t value)
{
    uint8_t bytes[8];
    put_u32(bytes, (uint32_t)value);
    put_u32(bytes + 4, (uint32_t)(value >> 32));
    raw_key(out, 0x12, key);
    base_buffer_append(out, bytes, 8);
}

/* ---- a batch: documents of one collection ---- */

struct batch {
    const struct mongo_op *op;
    const struct store_document *documents; /* all of the call */
    const char *collection;
    size_t *chosen; /* indexes into documents */
    size_t count;
    uint64_t bytes;
    struct base_buffer *buffer;
    struct store_settled *out;
};

static size_t command_begin(struct batch *b, const char *name, const char *array, size_t *array_at)
{
    uint64_t left = store_mongo_left_ms(b->op);
    base_buffer_reset(b->buffer, SIZE_MAX);
    size_t at = raw_begin(b->buffer);
    raw_text(b->buffer, name, b->collection);
    raw_number(b->buffer, "maxTimeMS", left > 0 ? left : 1);
    raw_bool(b->buffer, "ordered", false);
    raw_key(b->buffer, 0x04, array);
    *array_at = raw_begin(b->buffer);
    return at;
}

static enum gleaner_status command_run(struct batch *b, size_t at, size_t array_at, bson_t *reply)
{
    bson_t command;
    raw_end(b->buffer, array_at);
    raw_end(b->buffer, at);
    if (b->buffer->failed ||
        !bson_init_static(&command, (const uint8_t *)b->buffer->data, b->buffer->len)) {
        bson_init(reply);
        return base_error_set(b->op->error, GLEANER_E_NOMEM, "no memory for a batch of documents");
    }
    return store_mongo_run(b->op, MONGO_WRITE, &command, reply);
}

static enum gleaner_status run_insert(struct batch *b, const size_t *chosen, size_t count,
                                      bson_t *reply)
{
    size_t array_at, at = command_begin(b, "insert", "documents", &array_at);
    for (size_t i = 0; i < count; i++) {
        const struct store_document *d = &b->documents[chosen[i]];
        raw_index(b->buffer, 0x03, i);
        store_bson_with_id(d->id, d->bson, d->bson_len, b->buffer);
    }
    return command_run(b, at, array_at, reply);
}

enum replace_by { BY_ID, BY_URL };

/* One update statement: {q, u: the document, upsert}. By URL the found document keeps its _id. */
static void append_replace(struct batch *b, const struct store_document *d, enum replace_by by)
{
    size_t statement = raw_begin(b->buffer);
    raw_key(b->buffer, 0x03, "q");
    size_t filter = raw_begin(b->buffer);
    if (by == BY_ID) {
        raw_key(b->buffer, 0x07, "_id");
        base_buffer_append(b->buffer, d->id, STORE_ID_BYTES);
    } else {
        raw_text(b->buffer, "url", d->url);
    }
    raw_end(b->buffer, filter);
    raw_key(b->buffer, 0x03, "u");
    if (by == BY_ID) {
        store_bson_with_id(d->id, d->bson, d->bson_len, b->buffer);
    } else {
        base_buffer_append(b->buffer, d->bson, d->bson_len);
    }
    raw_bool(b->buffer, "upsert", by == BY_ID);
    raw_end(b->buffer, statement);
}

static enum gleaner_status run_replace(struct batch *b, const size_t *chosen, size_t count,
                                       enum replace_by by, bson_t *reply)
{
    size_t array_at, at = command_begin(b, "update", "updates", &array_at);
    for (size_t i = 0; i < count; i++) {
        raw_index(b->buffer, 0x03, i);
        append_replace(b, &b->documents[chosen[i]], by);
    }
    return command_run(b, at, array_at, reply);
}

/* What a command did with its documents: the refused duplicates stay in `chosen`, moved to its
 * front; the others are done. *wrong counts those that are wrong by themselves. */
static enum gleaner_status sort_out(struct batch *b, const bson_t *reply, size_t *chosen,
                                    size_t count, size_t *left, size_t *wrong)
{
    bson_iter_t errors;
    bson_t one;
    *left = 0;
    *wrong = 0;
    if (!store_mongo_array(reply, "writeErrors", &errors)) {
        return GLEANER_OK;
    }
    while (store_mongo_next(&errors, &one)) {
        int64_t index = store_mongo_number(&one, "index");
        enum mongo_error_class why =
            mongo_classify_code((uint32_t)store_mongo_number(&one, "code"));
        if (index < 0 || (size_t)index >= count) {
            continue;
        }
        if (why == MONGO_DUPLICATE) {
            chosen[(*left)++] =
                chosen[index]; /* indexes come in order: never overwrites one ahead */
        } else if (why == MONGO_DATA) {
            *wrong += 1;
            base_log_warn("store", "collection=%s refused=document reason=\"%s\"", b->collection,
                          store_mongo_text(&one, "errmsg"));
        } else {
            return store_mongo_write_errors(b->op, reply);
        }
    }
    return GLEANER_OK;
}

/* Duplicates: replace by _id; where another unique field (old data: url) is in the way, by url. */
static enum gleaner_status replace_duplicates(struct batch *b, size_t *chosen, size_t count)
{
    bson_t reply;
    size_t left = 0, wrong = 0, with_url = 0;
    enum gleaner_status status = run_replace(b, chosen, count, BY_ID, &reply);
    if (status == GLEANER_OK) {
        status = sort_out(b, &reply, chosen, count, &left, &wrong);
    }
    bson_destroy(&reply);
    if (status != GLEANER_OK) {
        return status;
    }
    b->out->documents_refused += wrong;
    b->out->documents_replaced += count - left - wrong;
    for (size_t i = 0; i < left; i++) {
        if (b->documents[chosen[i]].url != NULL) {
            chosen[with_url++] = chosen[i];
        }
    }
    b->out->documents_refused += left - with_url;
    if (with_url == 0) {
        return GLEANER_OK;
    }
    status = run_replace(b, chosen, with_url, BY_URL, &reply);
    if (status == GLEANER_OK) {
        status = sort_out(b, &reply, chosen, with_url, &left, &wrong);
    }
    bson_destroy(&reply);
    if (status == GLEANER_OK) {
        b->out->documents_refused += left + wrong;
        b->out->documents_replaced += with_url - left - wrong;
    }
    return status;
}

static enum gleaner_status write_batch(struct batch *b)
{
    bson_t reply;
    size_t left = 0, wrong = 0;
    enum gleaner_status status = run_insert(b, b->chosen, b->count, &reply);
    if (status == GLEANER_OK) {
        status = sort_out(b, &reply, b->chosen, b->count, &left, &wrong);
    }
    bson_destroy(&reply);
    if (status == GLEANER_OK) {
        b->out->documents_refused += wrong;
        b->out->documents_new += b->count - left - wrong;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): chosen is freed where it was made */
        status = left > 0 ? replace_duplicates(b, b->chosen, left) : GLEANER_OK;
    }
    b->count = 0;
    b->bytes = 0;
    return status;
}

/* ---- the call ---- */

static bool is_first_of_collection(const struct store_document *documents, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (documents[i].collection == documents[index].collection ||
            strcmp(documents[i].collection, documents[index].collection) == 0) {
            return false;
        }
    }
    return true;
}

static bool is_good(const struct store_document *document)
{
    return store_document_is_sane(document) && store_bson_check(document->bson, document->bson_len);
}

static enum gleaner_status write_collection(struct batch *b, size_t from, size_t count)
{
    enum gleaner_status status = GLEANER_OK;
    b->collection = b->documents[from].collection;
    for (size_t i = from; i < count && status == GLEANER_OK; i++) {
        const struct store_document *d = &b->documents[i];
        if (d->collection != b->collection && strcmp(d->collection, b->collection) != 0) {
            continue;
        }
        if (!is_good(d)) {
            b->out->documents_refused++;
            continue;
        }
        if (b->count == STORE_MONGO_BATCH_DOCUMENTS ||
            (b->count > 0 && b->bytes + d->bson_len > STORE_MONGO_BATCH_BYTES)) {
            status = write_batch(b);
        }
        b->chosen[b->count++] = i;
        b->bytes += d->bson_len;
    }
    return status == GLEANER_OK && b->count > 0 ? write_batch(b) : status;
}

static struct base_buffer *take_buffer(struct store_mongo *m)
{
    struct base_buffer *buffer = atomic_exchange_explicit(&m->spare, NULL, memory_order_acquire);
    return buffer != NULL ? buffer : calloc(1, sizeof *buffer);
}

static void keep_buffer(struct store_mongo *m, struct base_buffer *buffer)
{
    base_buffer_reset(buffer, SPARE_KEEP_BYTES);
    buffer->failed = false;
    buffer = atomic_exchange_explicit(&m->spare, buffer, memory_order_acq_rel);
    if (buffer != NULL) { /* another thread gave one back meanwhile */
        base_buffer_fini(buffer);
        free(buffer);
    }
}

enum gleaner_status store_mongo_put_documents(const struct mongo_op *op,
                                              const struct store_document *documents, size_t count,
                                              struct store_settled *out)
{
    enum gleaner_status status = GLEANER_OK;
    size_t places = count < STORE_MONGO_BATCH_DOCUMENTS ? count : STORE_MONGO_BATCH_DOCUMENTS;
    if (count == 0) {
        return GLEANER_OK;
    }
    struct batch b = {.op = op, .documents = documents, .out = out};
    b.buffer = take_buffer(op->m);
    b.chosen = malloc(places * sizeof *b.chosen);
    if (b.buffer == NULL || b.chosen == NULL) {
        status = base_error_set(op->error, GLEANER_E_NOMEM, "no memory for a batch of documents");
    }
    for (size_t i = 0; i < count && status == GLEANER_OK; i++) {
        if (is_first_of_collection(documents, i)) {
            status = write_collection(&b, i, count);
        }
    }
    free(b.chosen);
    if (b.buffer != NULL) {
        keep_buffer(op->m, b.buffer);
    }
    return status;
}

enum gleaner_status store_mongo_write_documents(struct store *store,
                                                const struct store_document *documents,
                                                size_t count, struct store_settled *out,
                                                struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(store, error);
    return store_mongo_put_documents(&op, documents, count, out);
}
