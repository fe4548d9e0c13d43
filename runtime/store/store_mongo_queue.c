/* SPDX-License-Identifier: Apache-2.0 */
/* Queues: what a job looks like in the database, putting jobs in, counting, listing, dropping. */
#include "store_mongo_internal.h"

#include <stdlib.h>
#include <string.h>

static const struct job_layout frontier_layout = {
    .state = "state",
    .open = "open",
    .done = "done",
    .dead = "dead",
    .due = "due",
    .token = "token",
    .deliveries = "deliveries",
    .attempts = "attempts",
    .priority = "priority",
    .owner = "owner",
    .error_class = "class",
    .reason = "reason",
    .settled_at = "settled_at",
};
static const struct job_layout submission_layout = {
    .state = "status",
    .open = "pending",
    .done = "completed",
    .dead = "failed",
    .due = "gleaner.due",
    .token = "gleaner.token",
    .deliveries = "gleaner.deliveries",
    .attempts = "gleaner.attempts",
    .priority = "gleaner.priority",
    .owner = "gleaner.owner",
    .error_class = "gleaner.class",
    .reason = "gleaner.reason",
    .settled_at = "gleaner.settled_at",
};

/* ---- opening and dropping ---- */

static void append_index(bson_t *indexes, const char *at, const char *name,
                         const char *const *fields, const int *order)
{
    bson_t index, key;
    BSON_APPEND_DOCUMENT_BEGIN(indexes, at, &index);
    BSON_APPEND_UTF8(&index, "name", name);
    BSON_APPEND_DOCUMENT_BEGIN(&index, "key", &key);
    for (int i = 0; fields[i] != NULL; i++) {
        BSON_APPEND_INT32(&key, fields[i], order[i]);
    }
    bson_append_document_end(&index, &key);
    bson_append_document_end(indexes, &index);
}

/* Claims walk an index in their order: priority, then how long it is due (frontier) or submitted.
 */
static void append_indexes(const struct mongo_queue *queue, bson_t *indexes)
{
    static const int up[] = {1, 1, 1, 1, 1}, newest[] = {1, -1};
    if (!queue->submissions) {
        append_index(indexes, "0", "gleaner_claim",
                     (const char *[]){"q", "state", "priority", "due", NULL}, up);
        append_index(indexes, "1", "gleaner_claim_share",
                     (const char *[]){"q", "state", "share", "priority", "due", NULL}, up);
        return;
    }
    append_index(indexes, "0", "status_1_submittedAt_1",
                 (const char *[]){"status", "submittedAt", NULL}, up);
    append_index(indexes, "1", "type_1_submittedAt_-1",
                 (const char *[]){"type", "submittedAt", NULL}, newest);
    append_index(indexes, "2", "gleaner_claim",
                 (const char *[]){"status", "gleaner.priority", "submittedAt", "gleaner.due", NULL},
                 up);
}

static enum gleaner_status ensure_indexes(const struct mongo_op *op, struct mongo_queue *queue)
{
    bson_t command, indexes;
    store_mongo_command(&command, op, "createIndexes", queue->collection);
    BSON_APPEND_ARRAY_BEGIN(&command, "indexes", &indexes);
    append_indexes(queue, &indexes);
    bson_append_array_end(&command, &indexes);
    enum gleaner_status status = store_mongo_do(op, &command);
    if (status == GLEANER_E_AUTH || status == GLEANER_E_INVALID) {
        /* No right to, or made already with other options: slower, not wrong. */
        base_log_warn("store", "collection=%s indexes=not-made reason=%s", queue->collection,
                      op->error != NULL ? op->error->message : gleaner_status_name(status));
        return GLEANER_OK;
    }
    return status;
}

static enum gleaner_status make_queue(struct store_mongo *m, const char *name,
                                      struct mongo_queue **out, struct base_error *error)
{
    struct mongo_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL || (queue->name = strdup(name)) == NULL) {
        free(queue);
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for queue %s", name);
    }
    queue->base.magic = STORE_QUEUE_MAGIC;
    queue->base.store = &m->base;
    queue->submissions = strcmp(name, "jobs") == 0;
    queue->layout = queue->submissions ? &submission_layout : &frontier_layout;
    queue->collection = queue->submissions ? m->jobs_collection : m->frontier_collection;
    *out = queue;
    return GLEANER_OK;
}

enum gleaner_status store_mongo_queue_open(struct store *store, const char *name,
                                           struct store_queue **out, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(store, error);
    struct mongo_queue *queue = NULL;
    enum gleaner_status status = make_queue(op.m, name, &queue, error);
    if (status != GLEANER_OK) {
        return status;
    }
    status = ensure_indexes(&op, queue);
    if (status != GLEANER_OK) {
        store_mongo_queue_close(&queue->base);
        return status;
    }
    *out = &queue->base;
    return GLEANER_OK;
}

void store_mongo_queue_close(struct store_queue *base)
{
    struct mongo_queue *queue = (struct mongo_queue *)base;
    base->magic = 0;
    free(queue->name);
    free(queue);
}

/* Submissions belong to the application: its queue is never dropped by us. */
enum gleaner_status store_mongo_queue_drop(struct store *store, const char *name,
                                           struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(store, error);
    bson_t command, deletes, one, filter;
    if (strcmp(name, "jobs") == 0) {
        return base_error_set(error, GLEANER_E_REFUSED,
                              "queue jobs is the application's collection %s: delete submissions "
                              "there",
                              op.m->jobs_collection);
    }
    store_mongo_command(&command, &op, "delete", op.m->frontier_collection);
    BSON_APPEND_ARRAY_BEGIN(&command, "deletes", &deletes);
    BSON_APPEND_DOCUMENT_BEGIN(&deletes, "0", &one);
    BSON_APPEND_DOCUMENT_BEGIN(&one, "q", &filter);
    BSON_APPEND_UTF8(&filter, "q", name);
    bson_append_document_end(&one, &filter);
    BSON_APPEND_INT32(&one, "limit", 0);
    bson_append_document_end(&deletes, &one);
    bson_append_array_end(&command, &deletes);
    return store_mongo_do(&op, &command);
}

/* ---- jobs in ---- */

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static void append_frontier_job(const struct mongo_queue *queue, const struct store_job *job,
                                int64_t due_ms, bson_t *document)
{
    const char *name;
    size_t name_len;
    BSON_APPEND_UTF8(document, "q", queue->name);
    BSON_APPEND_INT64(document, "k", (int64_t)job->key);
    BSON_APPEND_UTF8(document, "state", "open");
    BSON_APPEND_INT32(document, "priority", (int32_t)(job->priority & INT32_MAX));
    BSON_APPEND_DATE_TIME(document, "due", due_ms);
    BSON_APPEND_UTF8(document, "url", text_or_empty(job->url));
    BSON_APPEND_UTF8(document, "host", text_or_empty(job->host));
    store_share_name(text_or_empty(job->host), &name, &name_len);
    BSON_APPEND_INT32(document, "share", (int32_t)store_share_of(name, name_len));
    BSON_APPEND_UTF8(document, "type", text_or_empty(job->type));
    if (job->via != NULL && job->via[0] != '\0') {
        BSON_APPEND_UTF8(document, "via", job->via);
    }
    BSON_APPEND_INT32(document, "depth", (int32_t)(job->depth & INT32_MAX));
}

static void append_submission(const struct store_job *job, int64_t now_ms, int64_t due_ms,
                              bson_t *document)
{
    bson_t part;
    BSON_APPEND_UTF8(document, "type", text_or_empty(job->type));
    BSON_APPEND_UTF8(document, "url", text_or_empty(job->url));
    BSON_APPEND_UTF8(document, "bambiname", "gleaner");
    BSON_APPEND_UTF8(document, "status", "pending");
    BSON_APPEND_DOCUMENT_BEGIN(document, "results", &part);
    for (size_t i = 0; i < STORE_MONGO_RESULT_PARTS; i++) {
        store_mongo_append_empty_result(&part, store_mongo_result_types[i]);
    }
    bson_append_document_end(document, &part);
    BSON_APPEND_INT32(document, "upvotes", 0);
    BSON_APPEND_INT32(document, "downvotes", 0);
    BSON_APPEND_ARRAY_BEGIN(document, "comments", &part);
    bson_append_array_end(document, &part);
    BSON_APPEND_DATE_TIME(document, "submittedAt", now_ms);
    BSON_APPEND_INT32(document, "__v", 0);
    if (job->priority == 0 && job->delay_ms == 0) {
        return;
    }
    BSON_APPEND_DOCUMENT_BEGIN(document, "gleaner", &part);
    if (job->priority > 0) {
        BSON_APPEND_INT32(&part, "priority", (int32_t)(job->priority & INT32_MAX));
    }
    if (job->delay_ms > 0) {
        BSON_APPEND_DATE_TIME(&part, "due", due_ms);
    }
    bson_append_document_end(document, &part);
}

static enum gleaner_status insert_some(const struct mongo_op *op, struct mongo_queue *queue,
                                       const struct store_job *jobs, size_t count,
                                       uint64_t *inserted)
{
    bson_t command, documents, document, reply;
    int64_t low_ms, high_ms;
    enum gleaner_status status = store_mongo_now(op, &low_ms, &high_ms);
    if (status != GLEANER_OK) {
        return status;
    }
    store_mongo_command(&command, op, "insert", queue->collection);
    BSON_APPEND_BOOL(&command, "ordered", false);
    BSON_APPEND_ARRAY_BEGIN(&command, "documents", &documents);
    for (size_t i = 0; i < count; i++) {
        char text[16];
        const char *key;
        bson_oid_t id;
        size_t key_len = bson_uint32_to_string((uint32_t)i, &key, text, sizeof text);
        /* due at once: never in the server's future; delayed: never before its time */
        int64_t due_ms = jobs[i].delay_ms > 0 ? high_ms + (int64_t)jobs[i].delay_ms : low_ms;
        store_mongo_job_id(queue, NULL, jobs[i].key, &id);
        bson_append_document_begin(&documents, key, (int)key_len, &document);
        BSON_APPEND_OID(&document, "_id", &id);
        if (queue->submissions) {
            append_submission(&jobs[i], low_ms, due_ms, &document);
        } else {
            append_frontier_job(queue, &jobs[i], due_ms, &document);
        }
        bson_append_document_end(&documents, &document);
    }
    bson_append_array_end(&command, &documents);
    status = store_mongo_run(op, MONGO_WRITE, &command, &reply);
    if (status == GLEANER_OK) {
        *inserted += (uint64_t)store_mongo_number(&reply, "n");
        status = store_mongo_write_errors(op, &reply);
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

enum gleaner_status store_mongo_insert_jobs(const struct mongo_op *op, struct mongo_queue *queue,
                                            const struct store_job *jobs, size_t count,
                                            uint64_t *inserted)
{
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < count && status == GLEANER_OK; i += STORE_MONGO_BATCH_JOBS) {
        size_t some = count - i < STORE_MONGO_BATCH_JOBS ? count - i : STORE_MONGO_BATCH_JOBS;
        status = insert_some(op, queue, jobs + i, some, inserted);
    }
    return status;
}

enum gleaner_status store_mongo_enqueue(struct store_queue *base, const struct store_job *jobs,
                                        size_t count, uint64_t *inserted, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(base->store, error);
    uint64_t added = 0;
    enum gleaner_status status =
        store_mongo_insert_jobs(&op, (struct mongo_queue *)base, jobs, count, &added);
    if (inserted != NULL) {
        *inserted = added;
    }
    return status;
}
