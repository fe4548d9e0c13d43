/* SPDX-License-Identifier: Apache-2.0 */
/* Counting and listing the jobs of a queue. */
#include "store_mongo_internal.h"

#include <string.h>

/* ---- counting ---- */

static void append_compare_now(bson_t *parent, const char *key, const char *path)
{
    bson_t expr, pair;
    BSON_APPEND_DOCUMENT_BEGIN(parent, key, &expr);
    BSON_APPEND_ARRAY_BEGIN(&expr, "$lte", &pair);
    store_mongo_append_path(&pair, "0", path);
    BSON_APPEND_UTF8(&pair, "1", "$$NOW");
    bson_append_array_end(&expr, &pair);
    bson_append_document_end(parent, &expr);
}

/* [{$match: open}, {$group: {_id: {due now?, has an owner?}, n, next: least (due - now)}}] */
static void append_open_groups(const struct mongo_queue *queue, bson_t *pipeline)
{
    bson_t stage, part, inner, sub, list;
    BSON_APPEND_DOCUMENT_BEGIN(pipeline, "0", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$match", &part);
    store_mongo_append_open(queue, &part);
    bson_append_document_end(&stage, &part);
    bson_append_document_end(pipeline, &stage);
    BSON_APPEND_DOCUMENT_BEGIN(pipeline, "1", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$group", &part);
    BSON_APPEND_DOCUMENT_BEGIN(&part, "_id", &inner);
    append_compare_now(&inner, "due", queue->layout->due);
    BSON_APPEND_DOCUMENT_BEGIN(&inner, "owned", &sub);
    BSON_APPEND_ARRAY_BEGIN(&sub, "$gt", &list);
    store_mongo_append_path(&list, "0", queue->layout->owner);
    BSON_APPEND_NULL(&list, "1");
    bson_append_array_end(&sub, &list);
    bson_append_document_end(&inner, &sub);
    bson_append_document_end(&part, &inner);
    BSON_APPEND_DOCUMENT_BEGIN(&part, "n", &inner);
    BSON_APPEND_INT32(&inner, "$sum", 1);
    bson_append_document_end(&part, &inner);
    BSON_APPEND_DOCUMENT_BEGIN(&part, "next", &inner);
    BSON_APPEND_DOCUMENT_BEGIN(&inner, "$min", &sub);
    BSON_APPEND_ARRAY_BEGIN(&sub, "$subtract", &list);
    store_mongo_append_path(&list, "0", queue->layout->due);
    BSON_APPEND_UTF8(&list, "1", "$$NOW");
    bson_append_array_end(&sub, &list);
    bson_append_document_end(&inner, &sub);
    bson_append_document_end(&part, &inner);
    bson_append_document_end(&stage, &part);
    bson_append_document_end(pipeline, &stage);
}

static void read_open_group(const bson_t *group, struct store_counts *out)
{
    bson_iter_t iter, found;
    uint64_t n = (uint64_t)store_mongo_number(group, "n");
    bool due = bson_iter_init(&iter, group) &&
               bson_iter_find_descendant(&iter, "_id.due", &found) && bson_iter_as_bool(&found);
    bool owned = bson_iter_init(&iter, group) &&
                 bson_iter_find_descendant(&iter, "_id.owned", &found) && bson_iter_as_bool(&found);
    if (due) {
        out->ready += n;
        return;
    }
    *(owned ? &out->leased : &out->waiting) += n;
    int64_t next = store_mongo_number(group, "next");
    if (next >= 0 && (uint64_t)next < out->next_due_ms) {
        out->next_due_ms = (uint64_t)next;
    }
}

static enum gleaner_status count_open(const struct mongo_op *op, const struct mongo_queue *queue,
                                      struct store_counts *out)
{
    bson_t command, part, reply, group;
    bson_iter_t rows;
    store_mongo_command(&command, op, "aggregate", queue->collection);
    BSON_APPEND_ARRAY_BEGIN(&command, "pipeline", &part);
    append_open_groups(queue, &part);
    bson_append_array_end(&command, &part);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "cursor", &part);
    bson_append_document_end(&command, &part);
    enum gleaner_status status = store_mongo_run(op, MONGO_READ, &command, &reply);
    if (status == GLEANER_OK && store_mongo_array(&reply, "cursor.firstBatch", &rows)) {
        while (store_mongo_next(&rows, &group)) {
            read_open_group(&group, out);
        }
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

/* Closed jobs of one state, counted in the index alone. */
static enum gleaner_status count_closed(const struct mongo_op *op, const struct mongo_queue *queue,
                                        const char *state, uint64_t *out)
{
    bson_t command, filter, reply;
    store_mongo_command(&command, op, "count", queue->collection);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "query", &filter);
    if (!queue->submissions) {
        BSON_APPEND_UTF8(&filter, "q", queue->name);
    }
    BSON_APPEND_UTF8(&filter, queue->layout->state, state);
    bson_append_document_end(&command, &filter);
    enum gleaner_status status = store_mongo_run(op, MONGO_READ, &command, &reply);
    *out = (uint64_t)store_mongo_number(&reply, "n");
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

enum gleaner_status store_mongo_count(struct store_queue *base, struct store_counts *out,
                                      struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(base->store, error);
    struct mongo_queue *queue = (struct mongo_queue *)base;
    enum gleaner_status status = count_open(&op, queue, out);
    if (status == GLEANER_OK) {
        status = count_closed(&op, queue, queue->layout->done, &out->done);
    }
    return status != GLEANER_OK ? status
                                : count_closed(&op, queue, queue->layout->dead, &out->dead);
}

/* ---- listing ---- */

struct listing {
    const struct mongo_queue *queue;
    const char *state; /* NULL = all */
    uint64_t left;
    int64_t now_ms;
    struct base_arena scratch;
    bool (*row)(void *ctx, const struct store_job_view *view);
    void *ctx;
};

static const char *state_of(const struct listing *l, const bson_t *document, int64_t due_ms)
{
    const struct job_layout *layout = l->queue->layout;
    const char *stored = store_mongo_text(document, layout->state);
    if (strcmp(stored, layout->done) == 0) {
        return "done";
    }
    if (strcmp(stored, layout->dead) == 0) {
        return "dead";
    }
    if (due_ms <= l->now_ms) {
        return "ready";
    }
    return store_mongo_text(document, layout->owner)[0] != '\0' ? "leased" : "waiting";
}

static bool list_row(void *ctx, const bson_t *document)
{
    struct listing *l = ctx;
    struct store_job job;
    base_arena_reset(&l->scratch);
    int64_t due_ms = store_mongo_number(document, l->queue->layout->due);
    const char *state = state_of(l, document, due_ms);
    if (l->state != NULL && strcmp(l->state, state) != 0) {
        return true;
    }
    store_mongo_read_job(l->queue, document, &job, &l->scratch);
    uint64_t ahead = due_ms > l->now_ms ? (uint64_t)(due_ms - l->now_ms) : 0;
    job.lease_left_ms = strcmp(state, "leased") == 0 ? ahead : 0;
    job.delay_ms = strcmp(state, "waiting") == 0 ? ahead : 0;
    struct store_job_view view = {.job = &job,
                                  .state = state,
                                  .error_class =
                                      store_mongo_text(document, l->queue->layout->error_class),
                                  .reason = store_mongo_text(document, l->queue->layout->reason)};
    view.content_found = l->queue->submissions
                             ? store_mongo_number(document, "gleaner.contentFound") != 0
                             : strcmp(state, "done") == 0 && view.error_class[0] == '\0';
    return l->row(l->ctx, &view) && --l->left > 0;
}

enum gleaner_status store_mongo_list_jobs(struct store_queue *base, const char *state,
                                          uint64_t limit,
                                          bool (*row)(void *ctx, const struct store_job_view *view),
                                          void *ctx, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(base->store, error);
    struct listing l = {.queue = (struct mongo_queue *)base,
                        .state = state,
                        .left = limit > 0 ? limit : UINT64_MAX,
                        .row = row,
                        .ctx = ctx};
    const struct job_layout *layout = l.queue->layout;
    bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
    int64_t high_ms;
    enum gleaner_status status = store_mongo_now(&op, &l.now_ms, &high_ms);
    if (!l.queue->submissions) {
        BSON_APPEND_UTF8(&filter, "q", l.queue->name);
    }
    if (state != NULL) {
        bool done = strcmp(state, "done") == 0, dead = strcmp(state, "dead") == 0;
        BSON_APPEND_UTF8(&filter, layout->state,
                         done   ? layout->done
                         : dead ? layout->dead
                                : layout->open);
    }
    if (status == GLEANER_OK) {
        status = store_mongo_walk(&op, l.queue->collection, &filter, &opts, list_row, &l);
    }
    base_arena_fini(&l.scratch);
    bson_destroy(&opts);
    bson_destroy(&filter);
    return status;
}
