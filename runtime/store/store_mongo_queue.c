/* SPDX-License-Identifier: Apache-2.0 */
/* Queues: what a job looks like in the database, putting jobs in, counting, listing, dropping. */
#include "store_mongo_internal.h"

#include <ctype.h>
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

/* ---- pieces of commands -------------------------------------------------------------------------
 */

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void store_mongo_job_id(const struct mongo_queue *queue, const char *id, uint64_t key,
                        bson_oid_t *out)
{
    bool hex = id != NULL && strlen(id) == 24;
    for (int i = 0; hex && i < 12; i++) {
        int high = nibble(id[2 * i]), low = nibble(id[2 * i + 1]);
        hex = high >= 0 && low >= 0;
        out->bytes[i] = (uint8_t)(hex ? high * 16 + low : 0);
    }
    if (!hex) {
        store_document_id(queue->name, (const char *)&key, sizeof key, out->bytes);
    }
}

void store_mongo_append_open(const struct mongo_queue *queue, bson_t *filter)
{
    if (!queue->submissions) {
        BSON_APPEND_UTF8(filter, "q", queue->name);
    }
    BSON_APPEND_UTF8(filter, queue->layout->state, queue->layout->open);
}

void store_mongo_append_path(bson_t *parent, const char *key, const char *path)
{
    char text[STORE_MONGO_PATH_MAX];
    snprintf(text, sizeof text, "$%s", path);
    BSON_APPEND_UTF8(parent, key, text);
}

/* In $expr a missing field sorts before every date, so a submission that the application has just
 * inserted is due, and the index on the field still serves (explained on 6.0.5: bounds from MinKey
 * to now). */
void store_mongo_append_due(const struct mongo_queue *queue, bson_t *filter)
{
    bson_t expr, pair;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "$expr", &expr);
    BSON_APPEND_ARRAY_BEGIN(&expr, "$lte", &pair);
    store_mongo_append_path(&pair, "0", queue->layout->due);
    BSON_APPEND_UTF8(&pair, "1", "$$NOW");
    bson_append_array_end(&expr, &pair);
    bson_append_document_end(filter, &expr);
}

void store_mongo_append_later(bson_t *set, const char *key, uint64_t ms)
{
    bson_t expr, terms;
    BSON_APPEND_DOCUMENT_BEGIN(set, key, &expr);
    BSON_APPEND_ARRAY_BEGIN(&expr, "$add", &terms);
    BSON_APPEND_UTF8(&terms, "0", "$$NOW");
    BSON_APPEND_INT64(&terms, "1", (int64_t)ms);
    bson_append_array_end(&expr, &terms);
    bson_append_document_end(set, &expr);
}

static void append_or_zero(bson_t *parent, const char *key, const char *path)
{
    bson_t expr, terms;
    BSON_APPEND_DOCUMENT_BEGIN(parent, key, &expr);
    BSON_APPEND_ARRAY_BEGIN(&expr, "$ifNull", &terms);
    store_mongo_append_path(&terms, "0", path);
    BSON_APPEND_INT32(&terms, "1", 0);
    bson_append_array_end(&expr, &terms);
    bson_append_document_end(parent, &expr);
}

void store_mongo_append_plus(bson_t *set, const char *path, int32_t by)
{
    bson_t largest, limits, sum, terms;
    BSON_APPEND_DOCUMENT_BEGIN(set, path, &largest);
    BSON_APPEND_ARRAY_BEGIN(&largest, "$max", &limits);
    BSON_APPEND_INT32(&limits, "0", 0);
    BSON_APPEND_DOCUMENT_BEGIN(&limits, "1", &sum);
    BSON_APPEND_ARRAY_BEGIN(&sum, "$add", &terms);
    append_or_zero(&terms, "0", path);
    BSON_APPEND_INT32(&terms, "1", by);
    bson_append_array_end(&sum, &terms);
    bson_append_document_end(&limits, &sum);
    bson_append_array_end(&largest, &limits);
    bson_append_document_end(set, &largest);
}

/* ---- reading a job
 * --------------------------------------------------------------------------------- */

static uint32_t count_at(const bson_t *document, const char *path)
{
    int64_t value = store_mongo_number(document, path);
    return value > 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

/* Politeness key of a URL that we did not normalise: scheme://authority in lower case, no user. */
static const char *origin_of(const char *url, struct base_arena *scratch)
{
    const char *authority = strstr(url, "://");
    if (authority == NULL) {
        return "";
    }
    authority += 3;
    size_t scheme_len = (size_t)(authority - url);
    size_t len = strcspn(authority, "/?#\\");
    for (size_t i = len; i > 0; i--) {
        if (authority[i - 1] == '@') {
            authority += i;
            len -= i;
            break;
        }
    }
    char *origin = base_arena_alloc(scratch, scheme_len + len + 1);
    if (origin == NULL) {
        return "";
    }
    memcpy(origin, url, scheme_len);
    memcpy(origin + scheme_len, authority, len);
    origin[scheme_len + len] = '\0';
    for (char *c = origin; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return origin;
}

/* As queue_key_of_submission(): type NUL url. */
static uint64_t submission_key(const char *type, const char *url, struct base_arena *scratch)
{
    size_t type_len = strlen(type) + 1, url_len = strlen(url);
    char *joined = base_arena_alloc(scratch, type_len + url_len);
    if (joined == NULL) {
        return 0;
    }
    memcpy(joined, type, type_len);
    memcpy(joined + type_len, url, url_len);
    return base_hash64(joined, type_len + url_len);
}

void store_mongo_read_job(const struct mongo_queue *queue, const bson_t *document,
                          struct store_job *job, struct base_arena *scratch)
{
    const struct job_layout *layout = queue->layout;
    bson_iter_t iter;
    memset(job, 0, sizeof *job);
    job->url = store_mongo_text(document, "url");
    job->type = store_mongo_text(document, "type");
    job->priority = count_at(document, layout->priority);
    job->deliveries = count_at(document, layout->deliveries);
    job->attempts = count_at(document, layout->attempts);
    int64_t token = store_mongo_number(document, layout->token);
    job->token = (uint64_t)(token < 0 ? -token : token);
    if (!queue->submissions) {
        job->key = (uint64_t)store_mongo_number(document, "k");
        job->host = store_mongo_text(document, "host");
        job->via = store_mongo_text(document, "via");
        job->depth = count_at(document, "depth");
        return;
    }
    if (job->type[0] == '\0') {
        job->type = store_mongo_text(document, "scrapeType"); /* older submissions */
    }
    job->via = "";
    job->host = origin_of(job->url, scratch);
    job->key = submission_key(job->type, job->url, scratch);
    if (bson_iter_init_find(&iter, document, "_id") && BSON_ITER_HOLDS_OID(&iter)) {
        bson_oid_to_string(bson_iter_oid(&iter), job->id);
    }
}

/* ---- opening and dropping
 * -------------------------------------------------------------------------------- */

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

/* ---- jobs in
 * ------------------------------------------------------------------------------------------------
 */

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static void append_frontier_job(const struct mongo_queue *queue, const struct store_job *job,
                                int64_t due_ms, bson_t *document)
{
    BSON_APPEND_UTF8(document, "q", queue->name);
    BSON_APPEND_INT64(document, "k", (int64_t)job->key);
    BSON_APPEND_UTF8(document, "state", "open");
    BSON_APPEND_INT32(document, "priority", (int32_t)(job->priority & INT32_MAX));
    BSON_APPEND_DATE_TIME(document, "due", due_ms);
    BSON_APPEND_UTF8(document, "url", text_or_empty(job->url));
    BSON_APPEND_UTF8(document, "host", text_or_empty(job->host));
    BSON_APPEND_UTF8(document, "type", text_or_empty(job->type));
    if (job->via != NULL && job->via[0] != '\0') {
        BSON_APPEND_UTF8(document, "via", job->via);
    }
    BSON_APPEND_INT32(document, "depth", (int32_t)(job->depth & INT32_MAX));
}

/* `results` as the application's schema wants it: every part there. */
static void append_result_part(bson_t *results, const char *type, bool is_list)
{
    bson_t part, list;
    BSON_APPEND_DOCUMENT_BEGIN(results, type, &part);
    BSON_APPEND_BOOL(&part, "contentFound", false);
    if (is_list) {
        BSON_APPEND_ARRAY_BEGIN(&part, "content", &list);
        bson_append_array_end(&part, &list);
    } else {
        BSON_APPEND_UTF8(&part, "content", "");
    }
    bson_append_document_end(results, &part);
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
    append_result_part(&part, "text", false);
    append_result_part(&part, "image", true);
    append_result_part(&part, "video", true);
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
