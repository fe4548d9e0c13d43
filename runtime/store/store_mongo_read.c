/* SPDX-License-Identifier: Apache-2.0 */
/* Reading documents back: walking and counting them. */
#include "store_mongo_internal.h"

#include <string.h>

struct walk {
    const char *collection;
    bool (*row)(void *ctx, const char *collection, const uint8_t *bson, uint32_t len);
    void *ctx;
    bool stopped;
    bson_t last_id; /* {_id: ...} of the last row */
};

static bool walk_row(void *ctx, const bson_t *document)
{
    struct walk *walk = ctx;
    bson_iter_t id;
    if (bson_iter_init_find(&id, document, "_id")) {
        bson_reinit(&walk->last_id);
        bson_append_iter(&walk->last_id, "$gt", 3, &id);
    }
    walk->stopped = !walk->row(walk->ctx, walk->collection, bson_get_data(document), document->len);
    return !walk->stopped;
}

/* A walk that loses its server goes on behind the last row that it gave, once for each row given:
 * so it ends. Its time is not bounded by operation_ms, only each of its batches is. */
static enum gleaner_status walk_collection(struct store *store, struct walk *walk,
                                           struct base_error *error)
{
    bson_t opts = BSON_INITIALIZER, sort;
    enum gleaner_status status;
    BSON_APPEND_DOCUMENT_BEGIN(&opts, "sort", &sort);
    BSON_APPEND_INT32(&sort, "_id", 1);
    bson_append_document_end(&opts, &sort);
    bson_init(&walk->last_id);
    for (bool again = true; again;) {
        struct mongo_op op = store_mongo_begin(store, error);
        bson_t filter = BSON_INITIALIZER, before;
        bson_copy_to(&walk->last_id, &before);
        if (!bson_empty(&before)) {
            BSON_APPEND_DOCUMENT(&filter, "_id", &before);
        }
        status = store_mongo_walk(&op, walk->collection, &filter, &opts, walk_row, walk);
        again =
            status == GLEANER_E_NETWORK && !walk->stopped && !bson_equal(&before, &walk->last_id);
        bson_destroy(&before);
        bson_destroy(&filter);
    }
    bson_destroy(&walk->last_id);
    bson_destroy(&opts);
    return status;
}

static bool holds_documents(const struct store_mongo *m, const char *name)
{
    return strncmp(name, "system.", 7) != 0 && strcmp(name, STORE_MONGO_META) != 0 &&
           strcmp(name, m->jobs_collection) != 0 && strcmp(name, m->frontier_collection) != 0;
}

/* Call `each` with the names of all collections that hold documents. */
static enum gleaner_status each_collection(struct store *store,
                                           enum gleaner_status (*each)(void *ctx, const char *name),
                                           void *ctx, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(store, error);
    bson_t command = BSON_INITIALIZER, reply, cursor, one;
    bson_iter_t rows;
    BSON_APPEND_INT32(&command, "listCollections", 1);
    BSON_APPEND_BOOL(&command, "nameOnly", true);
    BSON_APPEND_BOOL(&command, "authorizedCollections", true);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "cursor", &cursor);
    BSON_APPEND_INT32(&cursor, "batchSize", 100000);
    bson_append_document_end(&command, &cursor);
    enum gleaner_status status = store_mongo_run(&op, MONGO_READ, &command, &reply);
    if (status == GLEANER_OK && store_mongo_array(&reply, "cursor.firstBatch", &rows)) {
        while (status == GLEANER_OK && store_mongo_next(&rows, &one)) {
            const char *name = store_mongo_text(&one, "name");
            if (holds_documents(op.m, name) &&
                strcmp(store_mongo_text(&one, "type"), "view") != 0) {
                status = each(ctx, name);
            }
        }
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

struct walk_all {
    struct store *store;
    struct walk *walk;
    struct base_error *error;
};

static enum gleaner_status walk_one_of_all(void *ctx, const char *name)
{
    struct walk_all *all = ctx;
    all->walk->collection = name;
    return all->walk->stopped ? GLEANER_OK : walk_collection(all->store, all->walk, all->error);
}

enum gleaner_status store_mongo_documents(struct store *store, const char *collection,
                                          bool (*row)(void *ctx, const char *collection,
                                                      const uint8_t *bson, uint32_t len),
                                          void *ctx, struct base_error *error)
{
    struct walk walk = {.collection = collection, .row = row, .ctx = ctx};
    struct walk_all all = {.store = store, .walk = &walk, .error = error};
    return collection != NULL ? walk_collection(store, &walk, error)
                              : each_collection(store, walk_one_of_all, &all, error);
}

struct count_all {
    struct store *store;
    uint64_t total;
    struct base_error *error;
};

/* Counted through the _id index: the count in the collection's own data may be wrong after a crash
 * of the server, and these numbers are compared with what was written. */
static enum gleaner_status count_one(void *ctx, const char *name)
{
    struct count_all *all = ctx;
    struct mongo_op op = store_mongo_begin(all->store, all->error);
    bson_t command, filter, id, reply;
    store_mongo_command(&command, &op, "count", name);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "query", &filter);
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "_id", &id);
    BSON_APPEND_MINKEY(&id, "$gte");
    bson_append_document_end(&filter, &id);
    bson_append_document_end(&command, &filter);
    enum gleaner_status status = store_mongo_run(&op, MONGO_READ, &command, &reply);
    all->total += status == GLEANER_OK ? (uint64_t)store_mongo_number(&reply, "n") : 0;
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

enum gleaner_status store_mongo_document_count(struct store *store, const char *collection,
                                               uint64_t *out, struct base_error *error)
{
    struct count_all all = {.store = store, .error = error};
    enum gleaner_status status = collection != NULL
                                     ? count_one(&all, collection)
                                     : each_collection(store, count_one, &all, error);
    *out = all.total;
    return status;
}
