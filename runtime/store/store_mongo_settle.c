/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes, renewing and releasing. Each change asks for the token of the claim and replaces it by
 * its negative, as the embedded body does: a repeated call finds "settled by me" and changes
 * nothing, a late one finds somebody else's token and is counted as stale. */
#include "store_mongo_internal.h"

#include <string.h>

/* Results larger than this cannot be stored beside the rest of a submission. */
#define RESULTS_MAX_BYTES (15u * 1024 * 1024)

/* ---- one statement of an update command ---- */

static void statement_begin(const struct mongo_queue *queue, const struct store_outcome *outcome,
                            size_t index, bson_t *updates, bson_t *update)
{
    bson_t filter;
    bson_oid_t id;
    char text[24];
    int len = snprintf(text, sizeof text, "%zu", index);
    store_mongo_job_id(queue, outcome->id, outcome->key, &id);
    bson_append_document_begin(updates, text, len, update);
    BSON_APPEND_DOCUMENT_BEGIN(update, "q", &filter);
    BSON_APPEND_OID(&filter, "_id", &id);
    BSON_APPEND_INT64(&filter, queue->layout->token, (int64_t)outcome->token);
    bson_append_document_end(update, &filter);
}

static bool has_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* ---- results of a submission ---- */

/* The whole skeleton always: what the module gave, and the parts that it did not give, empty. */
static void append_results(const struct store_outcome *outcome, bson_t *set)
{
    bson_t results, given;
    bson_iter_t iter;
    bool usable = outcome->results != NULL && outcome->results_len <= RESULTS_MAX_BYTES &&
                  store_bson_check(outcome->results, outcome->results_len) &&
                  bson_init_static(&given, outcome->results, outcome->results_len);
    BSON_APPEND_DOCUMENT_BEGIN(set, "results", &results);
    if (usable) {
        bson_concat(&results, &given);
    }
    for (size_t i = 0; i < STORE_MONGO_RESULT_PARTS; i++) {
        const char *type = store_mongo_result_types[i];
        if (!usable || !bson_iter_init_find(&iter, &given, type)) {
            store_mongo_append_empty_result(&results, type);
        }
    }
    bson_append_document_end(set, &results);
}

/* ---- the four outcomes ---- */

static void append_text_or_unset(bson_t *set, bson_t *unset, const char *key, const char *text)
{
    if (has_text(text)) {
        BSON_APPEND_UTF8(set, key, text);
    } else {
        BSON_APPEND_BOOL(unset, key, true);
    }
}

/* {$set, $unset, $currentDate}: done or dead. */
static void append_close(const struct mongo_queue *queue, const struct store_outcome *outcome,
                         bson_t *update)
{
    const struct job_layout *layout = queue->layout;
    bson_t change, part, set = BSON_INITIALIZER, unset = BSON_INITIALIZER;
    bool done = outcome->kind == STORE_DONE;
    BSON_APPEND_UTF8(&set, layout->state, done ? layout->done : layout->dead);
    BSON_APPEND_INT64(&set, layout->token, -(int64_t)outcome->token);
    append_text_or_unset(&set, &unset, layout->error_class, outcome->error_class);
    append_text_or_unset(&set, &unset, layout->reason, outcome->reason);
    if (queue->submissions) {
        append_results(outcome, &set);
        BSON_APPEND_BOOL(&set, "gleaner.contentFound", outcome->content_found);
    }
    BSON_APPEND_BOOL(&unset, layout->due, true);
    BSON_APPEND_BOOL(&unset, layout->owner, true);
    BSON_APPEND_DOCUMENT_BEGIN(update, "u", &change);
    BSON_APPEND_DOCUMENT(&change, "$set", &set);
    BSON_APPEND_DOCUMENT(&change, "$unset", &unset);
    BSON_APPEND_DOCUMENT_BEGIN(&change, "$currentDate", &part);
    BSON_APPEND_BOOL(&part, layout->settled_at, true);
    bson_append_document_end(&change, &part);
    bson_append_document_end(update, &change);
    bson_destroy(&set);
    bson_destroy(&unset);
}

static void append_literal(bson_t *set, const char *key, const char *text)
{
    bson_t expr;
    BSON_APPEND_DOCUMENT_BEGIN(set, key, &expr);
    BSON_APPEND_UTF8(&expr, "$literal", text != NULL ? text : "");
    bson_append_document_end(set, &expr);
}

/* A pipeline's two stages: $set (filled by the caller between), then $unset of the owner. */
static void reopen_begin(bson_t *update, bson_t *pipeline, bson_t *stage, bson_t *set)
{
    BSON_APPEND_ARRAY_BEGIN(update, "u", pipeline);
    BSON_APPEND_DOCUMENT_BEGIN(pipeline, "0", stage);
    BSON_APPEND_DOCUMENT_BEGIN(stage, "$set", set);
}

static void reopen_end(const struct mongo_queue *queue, bson_t *update, bson_t *pipeline,
                       bson_t *stage, bson_t *set)
{
    bson_append_document_end(stage, set);
    bson_append_document_end(pipeline, stage);
    BSON_APPEND_DOCUMENT_BEGIN(pipeline, "1", stage);
    BSON_APPEND_UTF8(stage, "$unset", queue->layout->owner);
    bson_append_document_end(pipeline, stage);
    bson_append_array_end(update, pipeline);
}

static void append_retry(const struct mongo_queue *queue, const struct store_outcome *outcome,
                         bson_t *update)
{
    const struct job_layout *layout = queue->layout;
    bson_t pipeline, stage, set;
    reopen_begin(update, &pipeline, &stage, &set);
    store_mongo_append_later(&set, layout->due, outcome->delay_ms);
    BSON_APPEND_INT64(&set, layout->token, -(int64_t)outcome->token);
    store_mongo_append_plus(&set, layout->attempts, 1);
    append_literal(&set, layout->error_class, outcome->error_class);
    append_literal(&set, layout->reason, outcome->reason);
    reopen_end(queue, update, &pipeline, &stage, &set);
}

/* Handed back untouched: to the front of its priority, where it came from; or postponed. */
#define FRONT_MS 1

static void append_release(const struct mongo_queue *queue, uint64_t delay_ms, bson_t *update)
{
    const struct job_layout *layout = queue->layout;
    bson_t pipeline, stage, set, expr, terms;
    char token[STORE_MONGO_PATH_MAX];
    snprintf(token, sizeof token, "$%s", layout->token);
    reopen_begin(update, &pipeline, &stage, &set);
    if (delay_ms > 0) {
        store_mongo_append_later(&set, layout->due, delay_ms);
    } else {
        BSON_APPEND_DATE_TIME(&set, layout->due, FRONT_MS);
    }
    BSON_APPEND_DOCUMENT_BEGIN(&set, layout->token, &expr);
    BSON_APPEND_ARRAY_BEGIN(&expr, "$multiply", &terms);
    BSON_APPEND_UTF8(&terms, "0", token);
    BSON_APPEND_INT64(&terms, "1", -1);
    bson_append_array_end(&expr, &terms);
    bson_append_document_end(&set, &expr);
    store_mongo_append_plus(&set, layout->deliveries, -1);
    reopen_end(queue, update, &pipeline, &stage, &set);
}

static void append_outcome(const struct mongo_queue *queue, const struct store_outcome *outcome,
                           bson_t *update)
{
    switch (outcome->kind) {
    case STORE_DONE:
    case STORE_DEAD:
        append_close(queue, outcome, update);
        break;
    case STORE_RETRY:
        append_retry(queue, outcome, update);
        break;
    case STORE_RELEASE:
        append_release(queue, outcome->delay_ms, update);
        break;
    }
}

/* ---- a batch of statements ---- */

struct statements {
    bson_t command, updates;
    size_t count;
};

static void statements_begin(struct statements *s, const struct mongo_op *op,
                             const struct mongo_queue *queue)
{
    store_mongo_command(&s->command, op, "update", queue->collection);
    BSON_APPEND_BOOL(&s->command, "ordered", false);
    BSON_APPEND_ARRAY_BEGIN(&s->command, "updates", &s->updates);
    s->count = 0;
}

static enum gleaner_status statements_run(struct statements *s, const struct mongo_op *op,
                                          uint64_t *changed)
{
    bson_t reply;
    bson_append_array_end(&s->command, &s->updates);
    *changed = 0;
    enum gleaner_status status = store_mongo_run(op, MONGO_WRITE, &s->command, &reply);
    if (status == GLEANER_OK) {
        *changed = (uint64_t)store_mongo_number(&reply, "n");
        status = store_mongo_write_errors(op, &reply);
    }
    bson_destroy(&reply);
    bson_destroy(&s->command);
    return status;
}

/* ---- who is stale ---- */

enum sign { SETTLED_IS_FINE, MUST_BE_OPEN };

/* Fewer changed than asked for: a repeated call, or jobs that are not ours any more. */
static enum gleaner_status count_strangers(const struct mongo_op *op,
                                           const struct mongo_queue *queue,
                                           const struct store_outcome *outcomes, size_t count,
                                           enum sign sign, uint64_t *strangers)
{
    bson_t command, filter, either, one, reply;
    store_mongo_command(&command, op, "count", queue->collection);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "query", &filter);
    BSON_APPEND_ARRAY_BEGIN(&filter, "$or", &either);
    for (size_t i = 0; i < count; i++) {
        char text[24];
        bson_oid_t id;
        bson_t in, list;
        int len = snprintf(text, sizeof text, "%zu", i);
        store_mongo_job_id(queue, outcomes[i].id, outcomes[i].key, &id);
        bson_append_document_begin(&either, text, len, &one);
        BSON_APPEND_OID(&one, "_id", &id);
        BSON_APPEND_DOCUMENT_BEGIN(&one, queue->layout->token, &in);
        BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
        BSON_APPEND_INT64(&list, "0", (int64_t)outcomes[i].token);
        if (sign == SETTLED_IS_FINE) {
            BSON_APPEND_INT64(&list, "1", -(int64_t)outcomes[i].token);
        }
        bson_append_array_end(&in, &list);
        bson_append_document_end(&one, &in);
        bson_append_document_end(&either, &one);
    }
    bson_append_array_end(&filter, &either);
    bson_append_document_end(&command, &filter);
    enum gleaner_status status = store_mongo_run(op, MONGO_READ, &command, &reply);
    uint64_t ours = (uint64_t)store_mongo_number(&reply, "n");
    if (status == GLEANER_OK && ours < count) {
        *strangers += count - ours;
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

/* ---- settle ---- */

static enum gleaner_status settle_some(const struct mongo_op *op, struct mongo_queue *queue,
                                       const struct store_outcome *outcomes, size_t count,
                                       struct store_settled *out)
{
    struct statements s;
    uint64_t changed = 0;
    statements_begin(&s, op, queue);
    for (size_t i = 0; i < count; i++) {
        bson_t update;
        statement_begin(queue, &outcomes[i], i, &s.updates, &update);
        append_outcome(queue, &outcomes[i], &update);
        bson_append_document_end(&s.updates, &update);
    }
    enum gleaner_status status = statements_run(&s, op, &changed);
    if (status != GLEANER_OK || changed == count) {
        return status;
    }
    return count_strangers(op, queue, outcomes, count, SETTLED_IS_FINE, &out->outcomes_stale);
}

/* Results may be large: a command holds at most so many bytes of them, and so many outcomes. */
static size_t batch_of(const struct store_outcome *outcomes, size_t count)
{
    uint64_t bytes = 0;
    size_t n = 0;
    while (n < count && n < STORE_MONGO_BATCH_JOBS) {
        bytes += outcomes[n].results_len <= RESULTS_MAX_BYTES ? outcomes[n].results_len : 0;
        if (n > 0 && bytes > STORE_MONGO_BATCH_BYTES) {
            break;
        }
        n++;
    }
    return n;
}

/* Documents first, then links, then outcomes: a failure between them leaves a job that is done
 * again, and doing it again changes nothing. */
enum gleaner_status store_mongo_settle(struct store_queue *base,
                                       const struct store_settlement *settlement,
                                       struct store_settled *out, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(base->store, error);
    struct mongo_queue *queue = (struct mongo_queue *)base;
    enum gleaner_status status =
        store_mongo_put_documents(&op, settlement->documents, settlement->document_count, out);
    if (status == GLEANER_OK) {
        status = store_mongo_put_touches(&op, settlement->touches, settlement->touch_count, out);
    }
    if (status == GLEANER_OK) {
        status = store_mongo_insert_jobs(&op, queue, settlement->links, settlement->link_count,
                                         &out->links_new);
    }
    for (size_t i = 0; i < settlement->outcome_count && status == GLEANER_OK;) {
        size_t some = batch_of(settlement->outcomes + i, settlement->outcome_count - i);
        status = settle_some(&op, queue, settlement->outcomes + i, some, out);
        i += some;
    }
    return status;
}

/* ---- leases ---- */

/* A lease that ran out but was not claimed since is still its owner's: it is taken back. */
static void append_renewal(const struct mongo_queue *queue, uint32_t lease_ms, bson_t *update)
{
    bson_t pipeline, stage, set;
    BSON_APPEND_ARRAY_BEGIN(update, "u", &pipeline);
    BSON_APPEND_DOCUMENT_BEGIN(&pipeline, "0", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$set", &set);
    store_mongo_append_later(&set, queue->layout->due, lease_ms);
    bson_append_document_end(&stage, &set);
    bson_append_document_end(&pipeline, &stage);
    bson_append_array_end(update, &pipeline);
}

static enum gleaner_status renew_some(const struct mongo_op *op, struct mongo_queue *queue,
                                      const struct store_outcome *held, size_t count,
                                      uint32_t lease_ms, uint64_t *lost)
{
    struct statements s;
    uint64_t changed = 0;
    statements_begin(&s, op, queue);
    for (size_t i = 0; i < count; i++) {
        bson_t update;
        statement_begin(queue, &held[i], i, &s.updates, &update);
        append_renewal(queue, lease_ms, &update);
        bson_append_document_end(&s.updates, &update);
    }
    enum gleaner_status status = statements_run(&s, op, &changed);
    if (status != GLEANER_OK || changed == count) {
        return status;
    }
    return count_strangers(op, queue, held, count, MUST_BE_OPEN, lost);
}

enum gleaner_status store_mongo_renew(struct store_queue *base, const struct store_outcome *held,
                                      size_t count, uint32_t lease_ms, uint64_t *lost,
                                      struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(base->store, error);
    enum gleaner_status status = GLEANER_OK;
    uint64_t gone = 0;
    for (size_t i = 0; i < count && status == GLEANER_OK; i += STORE_MONGO_BATCH_JOBS) {
        size_t some = count - i < STORE_MONGO_BATCH_JOBS ? count - i : STORE_MONGO_BATCH_JOBS;
        status = renew_some(&op, (struct mongo_queue *)base, held + i, some, lease_ms, &gone);
    }
    if (lost != NULL) {
        *lost = gone;
    }
    return status;
}

enum gleaner_status store_mongo_release_owner(struct store_queue *base, const char *owner,
                                              uint64_t *released, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(base->store, error);
    struct mongo_queue *queue = (struct mongo_queue *)base;
    struct statements s;
    bson_t update, filter, any;
    uint64_t changed = 0;
    statements_begin(&s, &op, queue);
    BSON_APPEND_DOCUMENT_BEGIN(&s.updates, "0", &update);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "q", &filter);
    store_mongo_append_open(queue, &filter);
    if (owner != NULL) {
        BSON_APPEND_UTF8(&filter, queue->layout->owner, owner);
    } else {
        BSON_APPEND_DOCUMENT_BEGIN(&filter, queue->layout->owner, &any);
        BSON_APPEND_BOOL(&any, "$exists", true);
        bson_append_document_end(&filter, &any);
    }
    bson_append_document_end(&update, &filter);
    append_release(queue, 0, &update);
    BSON_APPEND_BOOL(&update, "multi", true);
    bson_append_document_end(&s.updates, &update);
    enum gleaner_status status = statements_run(&s, &op, &changed);
    if (released != NULL) {
        *released = changed;
    }
    return status;
}
