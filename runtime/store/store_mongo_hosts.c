/* SPDX-License-Identifier: Apache-2.0 */
/* Holds and delays of hosts, shared by all processes on a server. The server's clock decides. */
#include "store_mongo_internal.h"

#include <string.h>

#define FORGET_AFTER_S 86400
#define HOSTS_PER_COMMAND 500

/* Without the right to make an index the collection grows by one small document a host. */
static void ensure_index(const struct mongo_op *op)
{
    bson_t command, indexes, index, key;
    struct mongo_op quiet = *op;
    quiet.error = NULL;
    if (atomic_exchange_explicit(&op->m->hosts_have_index, true, memory_order_relaxed)) {
        return;
    }
    store_mongo_command(&command, op, "createIndexes", STORE_MONGO_HOSTS);
    BSON_APPEND_ARRAY_BEGIN(&command, "indexes", &indexes);
    BSON_APPEND_DOCUMENT_BEGIN(&indexes, "0", &index);
    BSON_APPEND_UTF8(&index, "name", "gleaner_forget");
    BSON_APPEND_DOCUMENT_BEGIN(&index, "key", &key);
    BSON_APPEND_INT32(&key, "at", 1);
    bson_append_document_end(&index, &key);
    BSON_APPEND_INT32(&index, "expireAfterSeconds", FORGET_AFTER_S);
    bson_append_document_end(&indexes, &index);
    bson_append_array_end(&command, &indexes);
    if (store_mongo_do(&quiet, &command) != GLEANER_OK) {
        base_log_info("store", "collection=%s index=gleaner_forget made=no", STORE_MONGO_HOSTS);
    }
}

/* {$max: [$hold, now + ms]}: a missing hold is smaller than any date. */
static void append_hold(bson_t *set, uint64_t hold_ms)
{
    bson_t largest, values;
    if (hold_ms == 0) {
        return;
    }
    BSON_APPEND_DOCUMENT_BEGIN(set, "hold", &largest);
    BSON_APPEND_ARRAY_BEGIN(&largest, "$max", &values);
    BSON_APPEND_UTF8(&values, "0", "$hold");
    store_mongo_append_later(&values, "1", hold_ms);
    bson_append_array_end(&largest, &values);
    bson_append_document_end(set, &largest);
}

static void append_note(bson_t *updates, size_t i, const struct store_host *host)
{
    bson_t update, filter, pipeline, stage, set;
    char number[24];
    snprintf(number, sizeof number, "%zu", i);
    BSON_APPEND_DOCUMENT_BEGIN(updates, number, &update);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "q", &filter);
    BSON_APPEND_UTF8(&filter, "_id", host->name);
    bson_append_document_end(&update, &filter);
    BSON_APPEND_ARRAY_BEGIN(&update, "u", &pipeline);
    BSON_APPEND_DOCUMENT_BEGIN(&pipeline, "0", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$set", &set);
    append_hold(&set, host->hold_ms);
    BSON_APPEND_INT64(&set, "delay", (int64_t)host->delay_ms);
    BSON_APPEND_UTF8(&set, "at", "$$NOW");
    bson_append_document_end(&stage, &set);
    bson_append_document_end(&pipeline, &stage);
    bson_append_array_end(&update, &pipeline);
    BSON_APPEND_BOOL(&update, "upsert", true);
    bson_append_document_end(updates, &update);
}

static enum gleaner_status note_some(const struct mongo_op *op, const struct store_host *hosts,
                                     size_t count)
{
    bson_t command, updates;
    store_mongo_command(&command, op, "update", STORE_MONGO_HOSTS);
    BSON_APPEND_BOOL(&command, "ordered", false);
    BSON_APPEND_ARRAY_BEGIN(&command, "updates", &updates);
    for (size_t i = 0; i < count; i++) {
        append_note(&updates, i, &hosts[i]);
    }
    bson_append_array_end(&command, &updates);
    return store_mongo_do(op, &command);
}

enum gleaner_status store_mongo_hosts_note(struct store *store, const struct store_host *hosts,
                                           size_t count, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(store, error);
    enum gleaner_status status = GLEANER_OK;
    ensure_index(&op);
    for (size_t i = 0; i < count && status == GLEANER_OK; i += HOSTS_PER_COMMAND) {
        size_t some = count - i < HOSTS_PER_COMMAND ? count - i : HOSTS_PER_COMMAND;
        status = note_some(&op, hosts + i, some);
    }
    return status;
}

/* ---- reading ---- */

static void append_stages(bson_t *command, const struct store_host *hosts, size_t count)
{
    bson_t pipeline, stage, part, expr, list;
    BSON_APPEND_ARRAY_BEGIN(command, "pipeline", &pipeline);
    BSON_APPEND_DOCUMENT_BEGIN(&pipeline, "0", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$match", &part);
    BSON_APPEND_DOCUMENT_BEGIN(&part, "_id", &expr);
    BSON_APPEND_ARRAY_BEGIN(&expr, "$in", &list);
    for (size_t i = 0; i < count; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        BSON_APPEND_UTF8(&list, number, hosts[i].name);
    }
    bson_append_array_end(&expr, &list);
    bson_append_document_end(&part, &expr);
    bson_append_document_end(&stage, &part);
    bson_append_document_end(&pipeline, &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&pipeline, "1", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$project", &part);
    BSON_APPEND_INT32(&part, "delay", 1);
    BSON_APPEND_DOCUMENT_BEGIN(&part, "left", &expr); /* null without a hold */
    BSON_APPEND_ARRAY_BEGIN(&expr, "$subtract", &list);
    BSON_APPEND_UTF8(&list, "0", "$hold");
    BSON_APPEND_UTF8(&list, "1", "$$NOW");
    bson_append_array_end(&expr, &list);
    bson_append_document_end(&part, &expr);
    bson_append_document_end(&stage, &part);
    bson_append_document_end(&pipeline, &stage);
    bson_append_array_end(command, &pipeline);
}

static void take_row(const bson_t *row, struct store_host *hosts, size_t count)
{
    const char *name = store_mongo_text(row, "_id");
    int64_t left = store_mongo_number(row, "left"), delay = store_mongo_number(row, "delay");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(hosts[i].name, name) == 0) {
            hosts[i].hold_ms = left > 0 ? (uint64_t)left : 0;
            hosts[i].delay_ms = delay > 0 ? (uint64_t)delay : 0;
        }
    }
}

static enum gleaner_status read_some(const struct mongo_op *op, struct store_host *hosts,
                                     size_t count)
{
    bson_t command, cursor, reply, row;
    bson_iter_t rows;
    store_mongo_command(&command, op, "aggregate", STORE_MONGO_HOSTS);
    append_stages(&command, hosts, count);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "cursor", &cursor);
    BSON_APPEND_INT64(&cursor, "batchSize", (int64_t)count + 1); /* the cursor is closed at once */
    bson_append_document_end(&command, &cursor);
    enum gleaner_status status = store_mongo_run(op, MONGO_READ, &command, &reply);
    if (status == GLEANER_OK && store_mongo_array(&reply, "cursor.firstBatch", &rows)) {
        while (store_mongo_next(&rows, &row)) {
            take_row(&row, hosts, count);
        }
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

enum gleaner_status store_mongo_hosts_read(struct store *store, struct store_host *hosts,
                                           size_t count, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(store, error);
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < count && status == GLEANER_OK; i += HOSTS_PER_COMMAND) {
        size_t some = count - i < HOSTS_PER_COMMAND ? count - i : HOSTS_PER_COMMAND;
        status = read_some(&op, hosts + i, some);
    }
    return status;
}
