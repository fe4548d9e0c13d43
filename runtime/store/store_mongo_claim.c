/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claiming, by any number of processes at once:
 *   1. find candidates: one indexed predicate (open, due), in the index's order;
 *   2. one update of many: those of the candidates that are still open and due get our token and a
 *      lease, each document atomically, so one of the rivals gets it;
 *   3. when fewer changed than asked for (a rival, or a repetition after a lost reply): read which
 *      carry our token.
 * The server's clock decides ($$NOW); `due` moves to the lease's end, so an expired lease is found
 * by the same predicate. A repeated update changes nothing, since due is in the future then, and
 * step 3 finds what the first one did: a lost reply loses no job.
 */
#include "store_mongo_claim.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 8 /* of looking past full hosts and poison */

/* ---- 1. candidates ---- */

static void append_texts(bson_t *parent, const char *key, const char *operator_name,
                         const char *const *texts, size_t count)
{
    bson_t expr, list;
    BSON_APPEND_DOCUMENT_BEGIN(parent, key, &expr);
    BSON_APPEND_ARRAY_BEGIN(&expr, operator_name, &list);
    for (size_t i = 0; i < count; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        BSON_APPEND_UTF8(&list, number, texts[i]);
    }
    bson_append_array_end(&expr, &list);
    bson_append_document_end(parent, &expr);
}

/* A submission's type is in `type`, in older ones in `scrapeType`. */
static void append_types(const struct claiming *c, bson_t *filter)
{
    if (c->how->types == NULL || c->how->type_count == 0) {
        return;
    }
    if (!c->queue->submissions) {
        append_texts(filter, "type", "$in", c->how->types, c->how->type_count);
        return;
    }
    bson_t either, one;
    BSON_APPEND_ARRAY_BEGIN(filter, "$or", &either); /* residual: the index serves the rest */
    BSON_APPEND_DOCUMENT_BEGIN(&either, "0", &one);
    append_texts(&one, "type", "$in", c->how->types, c->how->type_count);
    bson_append_document_end(&either, &one);
    BSON_APPEND_DOCUMENT_BEGIN(&either, "1", &one);
    append_texts(&one, "scrapeType", "$in", c->how->types, c->how->type_count);
    BSON_APPEND_NULL(&one, "type");
    bson_append_document_end(&either, &one);
    bson_append_array_end(filter, &either);
}

/* A process alone owns every share and need not say so. */
static void append_shares(const struct claiming *c, bson_t *filter)
{
    bson_t expr, list;
    const bool *shares = c->how->shares;
    if (shares == NULL || c->queue->submissions || memchr(shares, 0, STORE_SHARES) == NULL) {
        return;
    }
    BSON_APPEND_DOCUMENT_BEGIN(filter, "share", &expr);
    BSON_APPEND_ARRAY_BEGIN(&expr, "$in", &list);
    for (uint32_t i = 0, count = 0; i < STORE_SHARES; i++) {
        char room[16];
        const char *key;
        if (shares[i]) {
            size_t len = bson_uint32_to_string(count++, &key, room, sizeof room);
            bson_append_int32(&list, key, (int)len, (int32_t)i);
        }
    }
    bson_append_array_end(&expr, &list);
    bson_append_document_end(filter, &expr);
}

static void append_order(const struct mongo_queue *queue, bson_t *command)
{
    bson_t sort;
    BSON_APPEND_DOCUMENT_BEGIN(command, "sort", &sort);
    BSON_APPEND_INT32(&sort, queue->layout->priority, 1);
    BSON_APPEND_INT32(&sort, queue->submissions ? "submittedAt" : queue->layout->due, 1);
    bson_append_document_end(command, &sort);
}

static enum gleaner_status find_candidates(struct claiming *c, size_t limit, bson_t *reply)
{
    bson_t command, filter;
    store_mongo_command(&command, c->op, "find", c->queue->collection);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "filter", &filter);
    store_mongo_append_open(c->queue, &filter);
    store_mongo_append_due(c->queue, &filter);
    append_types(c, &filter);
    append_shares(c, &filter);
    if (c->full_host_count > 0 && !c->queue->submissions) {
        append_texts(&filter, "host", "$nin", c->full_hosts, c->full_host_count);
    }
    bson_append_document_end(&command, &filter);
    append_order(c->queue, &command);
    if (c->skip > 0) {
        BSON_APPEND_INT64(&command, "skip", (int64_t)c->skip);
    }
    BSON_APPEND_INT64(&command, "limit", (int64_t)limit);
    BSON_APPEND_INT64(&command, "batchSize", (int64_t)limit);
    BSON_APPEND_BOOL(&command, "singleBatch", true);
    enum gleaner_status status = store_mongo_run(c->op, MONGO_READ, &command, reply);
    bson_destroy(&command);
    return status;
}

/* ---- choosing among them ---- */

static uint32_t host_jobs(const struct claiming *c, const struct choice *choice, const char *host)
{
    uint32_t n = 0;
    for (size_t i = 0; i < c->out->count; i++) {
        n += strcmp(c->out->jobs[i].host, host) == 0;
    }
    for (size_t i = 0; i < choice->claimed_count; i++) {
        n += strcmp(choice->claimed[i].job.host, host) == 0;
    }
    return n;
}

static void note_full_host(struct claiming *c, const char *host)
{
    for (size_t i = 0; i < c->full_host_count; i++) {
        if (strcmp(c->full_hosts[i], host) == 0) {
            return;
        }
    }
    char *copy = c->full_host_count < FULL_HOSTS_MAX
                     ? base_arena_strndup(&c->scratch, host, strlen(host))
                     : NULL;
    if (copy != NULL) {
        c->full_hosts[c->full_host_count++] = copy;
    }
}

static void choose(struct claiming *c, const bson_t *reply, size_t wanted, struct choice *choice)
{
    bson_iter_t rows;
    bson_t document;
    if (!store_mongo_array(reply, "cursor.firstBatch", &rows)) {
        return;
    }
    while (store_mongo_next(&rows, &document)) {
        struct chosen one = {.bson = bson_get_data(&document), .bson_len = document.len};
        choice->seen++;
        if (choice->claimed_count == wanted) {
            continue;
        }
        store_mongo_read_job(c->queue, &document, &one.job, &c->scratch);
        if (store_mongo_number(&document, c->queue->layout->settled_at) != 0) {
            one.job.deliveries = one.job.attempts = 0; /* opened again: the lease says so, too */
        }
        if (c->how->max_deliveries > 0 && store_mongo_unended(&one.job) >= c->how->max_deliveries) {
            choice->poison[choice->poison_count++] = one;
        } else if (c->how->max_per_host > 0 &&
                   host_jobs(c, choice, one.job.host) >= c->how->max_per_host) {
            note_full_host(c, one.job.host);
        } else {
            choice->claimed[choice->claimed_count++] = one;
        }
    }
}

/* ---- 3. what is ours ---- */

static enum gleaner_status take_job(struct claiming *c, const struct store_job *from,
                                    uint64_t token, uint32_t deliveries)
{
    struct store_job *job = store_jobs_add(c->out);
    if (job == NULL) {
        return base_error_set(c->op->error, GLEANER_E_NOMEM, "no memory for a claim");
    }
    *job = *from;
    job->url = store_jobs_text(c->out, from->url);
    job->host = store_jobs_text(c->out, from->host);
    job->type = store_jobs_text(c->out, from->type);
    job->via = store_jobs_text(c->out, from->via);
    job->token = token;
    job->deliveries = deliveries;
    job->lease_left_ms = c->how->lease_ms;
    if (job->url == NULL || job->host == NULL || job->type == NULL || job->via == NULL) {
        c->out->count--;
        return base_error_set(c->op->error, GLEANER_E_NOMEM, "no memory for a claim");
    }
    return GLEANER_OK;
}

static enum gleaner_status take_all(struct claiming *c, const struct choice *choice)
{
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < choice->claimed_count && status == GLEANER_OK; i++) {
        const struct store_job *job = &choice->claimed[i].job;
        status = take_job(c, job, c->token + i, job->deliveries + 1);
    }
    return status;
}

static enum gleaner_status take_won(struct claiming *c, const struct choice *choice)
{
    bson_t command, filter, range, reply, document;
    bson_iter_t rows;
    store_mongo_command(&command, c->op, "find", c->queue->collection);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "filter", &filter);
    store_mongo_append_ids(choice->claimed, choice->claimed_count, &filter);
    BSON_APPEND_DOCUMENT_BEGIN(&filter, c->queue->layout->token, &range);
    BSON_APPEND_INT64(&range, "$gte", (int64_t)c->token);
    BSON_APPEND_INT64(&range, "$lt", (int64_t)c->token + STORE_MONGO_CLAIM_MAX);
    bson_append_document_end(&filter, &range);
    bson_append_document_end(&command, &filter);
    append_order(c->queue, &command);
    BSON_APPEND_INT64(&command, "batchSize", (int64_t)choice->claimed_count);
    BSON_APPEND_BOOL(&command, "singleBatch", true);
    enum gleaner_status status = store_mongo_run(c->op, MONGO_READ, &command, &reply);
    if (status == GLEANER_OK && store_mongo_array(&reply, "cursor.firstBatch", &rows)) {
        while (status == GLEANER_OK && store_mongo_next(&rows, &document)) {
            struct store_job job;
            store_mongo_read_job(c->queue, &document, &job, &c->scratch);
            status = take_job(c, &job, job.token, job.deliveries);
        }
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

/* ---- rounds ---- */

enum round_end { ROUND_ENOUGH, ROUND_AGAIN };

static size_t candidates_for(const struct claiming *c, size_t wanted)
{
    size_t limit = c->how->max_per_host > 0 ? 4 * wanted + 16 : wanted;
    return limit > STORE_MONGO_CLAIM_MAX ? STORE_MONGO_CLAIM_MAX : limit;
}

static enum gleaner_status apply_choice(struct claiming *c, const struct choice *choice,
                                        size_t *won)
{
    uint64_t changed = 0;
    size_t before = c->out->count;
    enum gleaner_status status = GLEANER_OK;
    *won = 0;
    if (choice->poison_count > 0) {
        status = store_mongo_bury(c, choice);
    }
    if (status == GLEANER_OK && choice->claimed_count > 0) {
        status = store_mongo_lease(c, choice, &changed);
    }
    if (status != GLEANER_OK || choice->claimed_count == 0) {
        return status;
    }
    status = changed == choice->claimed_count ? take_all(c, choice) : take_won(c, choice);
    *won = c->out->count - before;
    return status;
}

/* Rivals took more than half of what we chose: look further back next time, each at its own place,
 * or all fight for the same documents (rocketjob#46: five times slower). */
static void step_aside(struct claiming *c, size_t chosen, size_t won, struct base_random *random)
{
    c->skip = chosen > 0 && won * 2 < chosen ? base_random_below(random, 4 * chosen + 1) : 0;
}

static enum gleaner_status claim_round(struct claiming *c, struct choice *choice,
                                       struct base_random *random, enum round_end *end)
{
    bson_t reply;
    size_t won = 0;
    size_t wanted = c->how->max_jobs - c->out->count;
    size_t limit = candidates_for(c, wanted);
    uint64_t skipped = c->skip;
    size_t full_before = c->full_host_count;
    choice->claimed_count = choice->poison_count = choice->seen = 0;
    c->token = store_mongo_token(c->op->m); /* places of rounds must not meet */
    enum gleaner_status status = find_candidates(c, limit, &reply);
    if (status == GLEANER_OK) {
        choose(c, &reply, wanted < limit ? wanted : limit, choice);
        status = apply_choice(c, choice, &won);
    }
    bson_destroy(&reply);
    step_aside(c, choice->claimed_count, won, random);
    bool lost_some = won < choice->claimed_count;
    bool more_behind = choice->seen == limit && c->full_host_count > full_before;
    *end = c->out->count < c->how->max_jobs &&
                   (lost_some || more_behind || choice->poison_count > 0 || skipped > 0)
               ? ROUND_AGAIN
               : ROUND_ENOUGH;
    return status;
}

enum gleaner_status store_mongo_claim(struct store_queue *base, const struct store_claim *how,
                                      struct store_jobs *out, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(base->store, error);
    struct store_claim bounded = *how;
    bounded.max_jobs =
        how->max_jobs < STORE_MONGO_CLAIM_MAX ? how->max_jobs : STORE_MONGO_CLAIM_MAX;
    struct claiming c = {
        .op = &op, .queue = (struct mongo_queue *)base, .how = &bounded, .out = out};
    struct base_random random;
    struct choice choice = {0};
    enum round_end end = bounded.max_jobs > 0 ? ROUND_AGAIN : ROUND_ENOUGH;
    enum gleaner_status status = GLEANER_OK;
    base_random_init(&random, store_mongo_token(op.m) | 1);
    choice.claimed = malloc(2 * STORE_MONGO_CLAIM_MAX * sizeof *choice.claimed);
    if (choice.claimed == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for a claim");
    }
    choice.poison = choice.claimed + STORE_MONGO_CLAIM_MAX;
    for (int i = 0; i < ROUNDS_MAX && end == ROUND_AGAIN && status == GLEANER_OK; i++) {
        status = claim_round(&c, &choice, &random, &end);
    }
    free(choice.claimed);
    base_arena_fini(&c.scratch);
    /* What was won before the error is ours: hand it out, the next call meets the error again. */
    return out->count > 0 && status != GLEANER_E_NOMEM ? GLEANER_OK : status;
}
