/* SPDX-License-Identifier: Apache-2.0 */
/* What a person does to jobs in MongoDB: retry, drop; and which queues there are. */
#include "store_mongo_internal.h"

#include <string.h>

/* ---- the change ---- */

static void append_ids(const struct mongo_queue *queue, const struct store_job *jobs, size_t count,
                       bson_t *filter)
{
    bson_t in, list;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = 0; i < count; i++) {
        char number[24];
        bson_oid_t id;
        int len = snprintf(number, sizeof number, "%zu", i);
        store_mongo_job_id(queue, jobs[i].id, jobs[i].key, &id);
        bson_append_oid(&list, number, len, &id);
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
}

/* Dead, or open and nobody's. */
static void append_retryable(const struct job_layout *layout, bson_t *filter)
{
    bson_t either, one;
    BSON_APPEND_ARRAY_BEGIN(filter, "$or", &either);
    BSON_APPEND_DOCUMENT_BEGIN(&either, "0", &one);
    BSON_APPEND_UTF8(&one, layout->state, layout->dead);
    bson_append_document_end(&either, &one);
    BSON_APPEND_DOCUMENT_BEGIN(&either, "1", &one);
    BSON_APPEND_UTF8(&one, layout->state, layout->open);
    BSON_APPEND_NULL(&one, layout->owner); /* or missing */
    bson_append_document_end(&either, &one);
    bson_append_array_end(filter, &either);
}

static void append_unset(const char *const fields[], size_t count, bson_t *change)
{
    bson_t unset;
    BSON_APPEND_DOCUMENT_BEGIN(change, "$unset", &unset);
    for (size_t i = 0; i < count; i++) {
        BSON_APPEND_BOOL(&unset, fields[i], true);
    }
    bson_append_document_end(change, &unset);
}

#define FIRST_MS 1 /* due since long ago: to the front of its priority */

static void append_anew(const struct job_layout *layout, bson_t *change)
{
    bson_t set;
    BSON_APPEND_DOCUMENT_BEGIN(change, "$set", &set);
    BSON_APPEND_UTF8(&set, layout->state, layout->open);
    BSON_APPEND_DATE_TIME(&set, layout->due, FIRST_MS);
    bson_append_document_end(change, &set);
    const char *const gone[] = {layout->token,     layout->deliveries,  layout->attempts,
                                layout->owner,     layout->error_class, layout->reason,
                                layout->settled_at};
    append_unset(gone, BASE_ARRAY_LEN(gone), change);
}

/* Without a token no outcome of whoever has it on lease fits any more. A submission keeps its
 * document: votes and comments are the application's. */
static void append_drop(const struct job_layout *layout, bson_t *change)
{
    bson_t part;
    BSON_APPEND_DOCUMENT_BEGIN(change, "$set", &part);
    BSON_APPEND_UTF8(&part, layout->state, layout->dead);
    BSON_APPEND_UTF8(&part, layout->error_class, STORE_DROPPED);
    BSON_APPEND_UTF8(&part, layout->reason, "dropped by hand");
    bson_append_document_end(change, &part);
    const char *const gone[] = {layout->token, layout->owner, layout->due};
    append_unset(gone, BASE_ARRAY_LEN(gone), change);
    BSON_APPEND_DOCUMENT_BEGIN(change, "$currentDate", &part);
    BSON_APPEND_BOOL(&part, layout->settled_at, true);
    bson_append_document_end(change, &part);
}

static enum gleaner_status change_some(const struct mongo_op *op, const struct mongo_queue *queue,
                                       enum store_change change, const struct store_job *jobs,
                                       size_t count, uint64_t *changed)
{
    bson_t command, updates, update, part, reply;
    store_mongo_command(&command, op, "update", queue->collection);
    BSON_APPEND_ARRAY_BEGIN(&command, "updates", &updates);
    BSON_APPEND_DOCUMENT_BEGIN(&updates, "0", &update);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "q", &part);
    append_ids(queue, jobs, count, &part);
    if (change == STORE_CHANGE_RETRY) {
        append_retryable(queue->layout, &part);
    } else {
        BSON_APPEND_UTF8(&part, queue->layout->state, queue->layout->open);
    }
    bson_append_document_end(&update, &part);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "u", &part);
    (change == STORE_CHANGE_RETRY ? append_anew : append_drop)(queue->layout, &part);
    bson_append_document_end(&update, &part);
    BSON_APPEND_BOOL(&update, "multi", true);
    bson_append_document_end(&updates, &update);
    bson_append_array_end(&command, &updates);
    enum gleaner_status status = store_mongo_run(op, MONGO_WRITE, &command, &reply);
    if (status == GLEANER_OK) {
        *changed += (uint64_t)store_mongo_number(&reply, "nModified");
        status = store_mongo_write_errors(op, &reply);
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

enum gleaner_status store_mongo_change_jobs(struct store_queue *base, enum store_change change,
                                            const struct store_job *jobs, size_t count,
                                            uint64_t *changed, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(base->store, error);
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < count && status == GLEANER_OK; i += STORE_MONGO_BATCH_JOBS) {
        size_t some = count - i < STORE_MONGO_BATCH_JOBS ? count - i : STORE_MONGO_BATCH_JOBS;
        status = change_some(&op, (struct mongo_queue *)base, change, jobs + i, some, changed);
    }
    return status;
}

/* ---- names ---- */

/* The submissions always; then the crawls that share the frontier. */
enum gleaner_status store_mongo_queue_names(struct store *store,
                                            bool (*row)(void *ctx, const char *name), void *ctx,
                                            struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(store, error);
    bson_t command, reply;
    bson_iter_t names;
    store_mongo_command(&command, &op, "distinct", op.m->frontier_collection);
    BSON_APPEND_UTF8(&command, "key", "q");
    enum gleaner_status status = store_mongo_run(&op, MONGO_READ, &command, &reply);
    bool goes_on = status == GLEANER_OK && row(ctx, "jobs");
    if (goes_on && store_mongo_array(&reply, "values", &names)) {
        while (goes_on && bson_iter_next(&names)) {
            goes_on = !BSON_ITER_HOLDS_UTF8(&names) || row(ctx, bson_iter_utf8(&names, NULL));
        }
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}
