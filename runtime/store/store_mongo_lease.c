/* SPDX-License-Identifier: Apache-2.0 */
/* The writing half of claiming: leases, and the burial of poison. */
#include "store_mongo_claim.h"

#include <stdio.h>

uint32_t store_mongo_unended(const struct store_job *job)
{
    return job->deliveries > job->attempts ? job->deliveries - job->attempts : 0;
}

static void append_id_list(const struct chosen *chosen, size_t count, bson_t *parent,
                           const char *key)
{
    bson_t list;
    BSON_APPEND_ARRAY_BEGIN(parent, key, &list);
    for (size_t i = 0; i < count; i++) {
        char number[24];
        bson_iter_t id;
        int len = snprintf(number, sizeof number, "%zu", i);
        if (bson_iter_init_from_data(&id, chosen[i].bson, chosen[i].bson_len) &&
            bson_iter_find(&id, "_id")) {
            bson_append_iter(&list, number, len, &id);
        }
    }
    bson_append_array_end(parent, &list);
}

void store_mongo_append_ids(const struct chosen *chosen, size_t count, bson_t *filter)
{
    bson_t expr;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &expr);
    append_id_list(chosen, count, &expr, "$in");
    bson_append_document_end(filter, &expr);
}

/* Each job its own token, though one statement changes all: the claim's first token plus the place
 * of the job among the candidates. */
static void append_token(const struct claiming *c, const struct choice *choice, bson_t *set)
{
    bson_t sum, terms, place, arguments;
    BSON_APPEND_DOCUMENT_BEGIN(set, c->queue->layout->token, &sum);
    BSON_APPEND_ARRAY_BEGIN(&sum, "$add", &terms);
    BSON_APPEND_INT64(&terms, "0", (int64_t)c->token);
    BSON_APPEND_DOCUMENT_BEGIN(&terms, "1", &place);
    BSON_APPEND_ARRAY_BEGIN(&place, "$indexOfArray", &arguments);
    append_id_list(choice->claimed, choice->claimed_count, &arguments, "0");
    BSON_APPEND_UTF8(&arguments, "1", "$_id");
    bson_append_array_end(&place, &arguments);
    bson_append_document_end(&terms, &place);
    bson_append_array_end(&sum, &terms);
    bson_append_document_end(set, &sum);
}

/* Open the one statement of an update command, its filter filled: still open, still due. */
static void update_begin(struct claiming *c, bson_t *command, const struct chosen *chosen,
                         size_t count, bson_t *updates, bson_t *update)
{
    bson_t filter;
    store_mongo_command(command, c->op, "update", c->queue->collection);
    BSON_APPEND_ARRAY_BEGIN(command, "updates", updates);
    BSON_APPEND_DOCUMENT_BEGIN(updates, "0", update);
    BSON_APPEND_DOCUMENT_BEGIN(update, "q", &filter);
    store_mongo_append_ids(chosen, count, &filter);
    store_mongo_append_open(c->queue, &filter);
    store_mongo_append_due(c->queue, &filter);
    bson_append_document_end(update, &filter);
}

static enum gleaner_status update_end(struct claiming *c, bson_t *command, bson_t *updates,
                                      bson_t *update, uint64_t *changed)
{
    bson_t reply;
    BSON_APPEND_BOOL(update, "multi", true);
    bson_append_document_end(updates, update);
    bson_append_array_end(command, updates);
    enum gleaner_status status = store_mongo_run(c->op, MONGO_WRITE, command, &reply);
    if (status == GLEANER_OK) {
        *changed = (uint64_t)store_mongo_number(&reply, "n");
        status = store_mongo_write_errors(c->op, &reply);
    }
    bson_destroy(&reply);
    bson_destroy(command);
    return status;
}

static void append_literal(bson_t *set, const char *key, const char *text)
{
    bson_t expr;
    BSON_APPEND_DOCUMENT_BEGIN(set, key, &expr);
    BSON_APPEND_UTF8(&expr, "$literal", text);
    bson_append_document_end(set, &expr);
}

/* Open {$cond: [has it ended before?,  for the values of yes and no. */
static void anew_begin(const struct job_layout *layout, const char *key, bson_t *set, bson_t *cond,
                       bson_t *values)
{
    bson_t test, both;
    BSON_APPEND_DOCUMENT_BEGIN(set, key, cond);
    BSON_APPEND_ARRAY_BEGIN(cond, "$cond", values);
    BSON_APPEND_DOCUMENT_BEGIN(values, "0", &test);
    BSON_APPEND_ARRAY_BEGIN(&test, "$gt", &both);
    store_mongo_append_path(&both, "0", layout->settled_at);
    BSON_APPEND_NULL(&both, "1");
    bson_append_array_end(&test, &both);
    bson_append_document_end(values, &test);
}

static void anew_end(bson_t *set, bson_t *cond, bson_t *values)
{
    bson_append_array_end(cond, values);
    bson_append_document_end(set, cond);
}

static void append_deliveries(const struct job_layout *layout, bson_t *set)
{
    bson_t cond, values, counted = BSON_INITIALIZER;
    bson_iter_t iter;
    anew_begin(layout, layout->deliveries, set, &cond, &values);
    BSON_APPEND_INT32(&values, "1", 1);
    store_mongo_append_plus(&counted, layout->deliveries, 1);
    if (bson_iter_init(&iter, &counted) && bson_iter_next(&iter)) {
        bson_append_iter(&values, "2", 1, &iter);
    }
    bson_destroy(&counted);
    anew_end(set, &cond, &values);
}

/* Missing stays missing. */
static void append_attempts(const struct job_layout *layout, bson_t *set)
{
    bson_t cond, values;
    anew_begin(layout, layout->attempts, set, &cond, &values);
    BSON_APPEND_UTF8(&values, "1", "$$REMOVE");
    store_mongo_append_path(&values, "2", layout->attempts);
    anew_end(set, &cond, &values);
}

enum gleaner_status store_mongo_lease(struct claiming *c, const struct choice *choice,
                                      uint64_t *changed)
{
    const struct job_layout *layout = c->queue->layout;
    bson_t command, updates, update, pipeline, stage, set;
    update_begin(c, &command, choice->claimed, choice->claimed_count, &updates, &update);
    BSON_APPEND_ARRAY_BEGIN(&update, "u", &pipeline);
    BSON_APPEND_DOCUMENT_BEGIN(&pipeline, "0", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$set", &set);
    store_mongo_append_later(&set, layout->due, c->how->lease_ms);
    append_token(c, choice, &set);
    append_literal(&set, layout->owner, c->how->owner != NULL ? c->how->owner : "?");
    append_deliveries(layout, &set);
    append_attempts(layout, &set);
    BSON_APPEND_UTF8(&set, layout->settled_at, "$$REMOVE");
    bson_append_document_end(&stage, &set);
    bson_append_document_end(&pipeline, &stage);
    bson_append_array_end(&update, &pipeline);
    return update_end(c, &command, &updates, &update, changed);
}

enum gleaner_status store_mongo_bury(struct claiming *c, const struct choice *choice)
{
    const struct job_layout *layout = c->queue->layout;
    bson_t command, updates, update, change, part;
    uint64_t changed = 0;
    char reason[128];
    snprintf(reason, sizeof reason,
             "claimed %u times without an outcome: it may bring down whoever works on it",
             (unsigned)store_mongo_unended(&choice->poison[0].job));
    update_begin(c, &command, choice->poison, choice->poison_count, &updates, &update);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "u", &change);
    BSON_APPEND_DOCUMENT_BEGIN(&change, "$set", &part);
    if (c->queue->submissions) {
        bson_t results;
        BSON_APPEND_DOCUMENT_BEGIN(&part, "results", &results);
        for (size_t i = 0; i < STORE_MONGO_RESULT_PARTS; i++) {
            store_mongo_append_empty_result(&results, store_mongo_result_types[i]);
        }
        bson_append_document_end(&part, &results);
    }
    BSON_APPEND_UTF8(&part, layout->state, layout->dead);
    BSON_APPEND_INT64(&part, layout->token, 0);
    BSON_APPEND_UTF8(&part, layout->error_class, "poison");
    BSON_APPEND_UTF8(&part, layout->reason, reason);
    bson_append_document_end(&change, &part);
    BSON_APPEND_DOCUMENT_BEGIN(&change, "$unset", &part);
    BSON_APPEND_BOOL(&part, layout->due, true);
    BSON_APPEND_BOOL(&part, layout->owner, true);
    bson_append_document_end(&change, &part);
    BSON_APPEND_DOCUMENT_BEGIN(&change, "$currentDate", &part);
    BSON_APPEND_BOOL(&part, layout->settled_at, true);
    bson_append_document_end(&change, &part);
    bson_append_document_end(&update, &change);
    return update_end(c, &command, &updates, &update, &changed);
}
