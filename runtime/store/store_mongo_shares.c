/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns which hosts of a queue. One small document a share and one a process:
 *
 *   {_id: "crawl/x#17", q, n: 17, owner, token, until, delay, clear}
 *   {_id: "crawl/x@gleaner/host/5e0c1d2a/1", q, until}
 *
 * A share is free when `until` has passed: its owner died, or gave it back by setting it to now.
 * `until + delay` of the last owner is the earliest time of the next owner's first request, kept as
 * `clear`: what the last one began before `until` is a delay ago by then, however it ended. All
 * times are the server's ($$NOW), each document changes atomically, every command may be repeated.
 */
#include "store_mongo_internal.h"

#include <stdio.h>
#include <string.h>

/* $$NOW is the server's coarse clock (store_mongo_clock.c). */
#define CLOCK_COARSE_MS 100
#define NAME_MAX_BYTES 160

struct sharing {
    const struct mongo_op *op;
    const char *queue;
    const struct store_share_wish *wish;
    struct store_share_state *out;
    char low[NAME_MAX_BYTES], high[NAME_MAX_BYTES]; /* range of this queue's documents */
    char member[2 * NAME_MAX_BYTES];
    bool is_there[STORE_SHARES]; /* has a document */
    bool is_free[STORE_SHARES];
};

static void update_begin(const struct sharing *s, bson_t *command, bson_t *updates)
{
    store_mongo_command(command, s->op, "update", STORE_MONGO_SHARES);
    BSON_APPEND_BOOL(command, "ordered", false);
    BSON_APPEND_ARRAY_BEGIN(command, "updates", updates);
}

static enum gleaner_status update_end(const struct sharing *s, bson_t *command, bson_t *updates)
{
    bson_append_array_end(command, updates);
    return store_mongo_do(s->op, command);
}

/* ---- prolong and give ---- */

static void append_member(const struct sharing *s, bson_t *updates)
{
    BCON_APPEND(updates, "0", "{", "q", "{", "_id", BCON_UTF8(s->member), "}", "u", "[", "{",
                "$set", "{", "q", BCON_UTF8(s->queue), "until", "{", "$add", "[",
                BCON_UTF8("$$NOW"), BCON_INT64(s->wish->lease_ms), "]", "}", "}", "}", "]",
                "upsert", BCON_BOOL(true), "}");
}

/* One whose lease ran out is not prolonged: it is free, and taken like any other if it still is. */
static void append_renewal(const struct sharing *s, bson_t *updates)
{
    BCON_APPEND(updates, "2", "{", "q", "{", "_id", "{", "$gte", BCON_UTF8(s->low), "$lt",
                BCON_UTF8(s->high), "}", "owner", BCON_UTF8(s->wish->owner), "$expr", "{", "$gt",
                "[", BCON_UTF8("$until"), BCON_UTF8("$$NOW"), "]", "}", "}", "u", "[", "{", "$set",
                "{", "until", "{", "$add", "[", BCON_UTF8("$$NOW"), BCON_INT64(s->wish->lease_ms),
                "]", "}", "delay", BCON_INT64((int64_t)s->wish->delay_ms), "}", "}", "]", "multi",
                BCON_BOOL(true), "}");
}

/* Not `until` of an expired one: its next owner's pause counts from there. The longer delay: who
 * gives for a dead process does not know what that one had learnt. */
static void append_gift(const struct sharing *s, bson_t *updates, const char *at)
{
    bson_t given = BSON_INITIALIZER;
    uint32_t count = 0;
    for (uint32_t i = 0; i < STORE_SHARES; i++) {
        if (s->wish->is_leaving || (s->wish->give != NULL && s->wish->give[i])) {
            char room[16];
            const char *key;
            size_t len = bson_uint32_to_string(count++, &key, room, sizeof room);
            bson_append_int32(&given, key, (int)len, (int32_t)i);
        }
    }
    BCON_APPEND(updates, at, "{", "q", "{", "_id", "{", "$gte", BCON_UTF8(s->low), "$lt",
                BCON_UTF8(s->high), "}", "owner", BCON_UTF8(s->wish->owner), "n", "{", "$in",
                BCON_ARRAY(&given), "}", "}", "u", "[", "{", "$set", "{", "until", "{", "$min", "[",
                BCON_UTF8("$until"), BCON_UTF8("$$NOW"), "]", "}", "delay", "{", "$max", "[",
                BCON_UTF8("$delay"), BCON_INT64((int64_t)s->wish->delay_ms), "]", "}", "owner",
                BCON_UTF8("$$REMOVE"), "}", "}", "]", "multi", BCON_BOOL(true), "}");
    bson_destroy(&given);
}

static enum gleaner_status prolong(const struct sharing *s)
{
    bson_t command, updates;
    update_begin(s, &command, &updates);
    append_member(s, &updates);
    append_gift(s, &updates, "1"); /* what is given is not prolonged: it has no owner any more */
    append_renewal(s, &updates);
    return update_end(s, &command, &updates);
}

static enum gleaner_status leave(const struct sharing *s)
{
    bson_t command, updates, deletes;
    update_begin(s, &command, &updates);
    append_gift(s, &updates, "0");
    enum gleaner_status status = update_end(s, &command, &updates);
    if (status != GLEANER_OK) {
        return status;
    }
    store_mongo_command(&command, s->op, "delete", STORE_MONGO_SHARES);
    BSON_APPEND_ARRAY_BEGIN(&command, "deletes", &deletes);
    BCON_APPEND(&deletes, "0", "{", "q", "{", "_id", BCON_UTF8(s->member), "}", "limit",
                BCON_INT32(1), "}");
    bson_append_array_end(&command, &deletes);
    return store_mongo_do(s->op, &command);
}

/* ---- look ---- */

static void take_row(struct sharing *s, const bson_t *row)
{
    bson_iter_t iter;
    int64_t left = store_mongo_number(row, "left");
    if (!bson_iter_init_find(&iter, row, "n")) {
        s->out->members += left > 0;
        return;
    }
    int64_t n = store_mongo_number(row, "n"), clear = store_mongo_number(row, "clear_left");
    if (n < 0 || n >= (int64_t)STORE_SHARES) {
        return;
    }
    s->is_there[n] = true;
    s->is_free[n] = left <= 0;
    if (left > 0 && strcmp(store_mongo_text(row, "owner"), s->wish->owner) == 0) {
        s->out->is_mine[n] = true;
        s->out->token[n] = (uint64_t)store_mongo_number(row, "token");
        s->out->pause_ms[n] = clear > 0 ? (uint64_t)clear : 0;
        s->out->mine++;
    }
}

static enum gleaner_status look(struct sharing *s)
{
    bson_t command, reply, row;
    bson_iter_t rows;
    memset(s->out, 0, sizeof *s->out);
    store_mongo_command(&command, s->op, "aggregate", STORE_MONGO_SHARES);
    BCON_APPEND(&command, "pipeline", "[", "{", "$match", "{", "_id", "{", "$gte",
                BCON_UTF8(s->low), "$lt", BCON_UTF8(s->high), "}", "}", "}", "{", "$project", "{",
                "n", BCON_INT32(1), "owner", BCON_INT32(1), "token", BCON_INT32(1), "left", "{",
                "$subtract", "[", BCON_UTF8("$until"), BCON_UTF8("$$NOW"), "]", "}", "clear_left",
                "{", "$subtract", "[", BCON_UTF8("$clear"), BCON_UTF8("$$NOW"), "]", "}", "}", "}",
                "]", "cursor", "{", "batchSize", BCON_INT32(10000), "}");
    enum gleaner_status status = store_mongo_run(s->op, MONGO_READ, &command, &reply);
    if (status == GLEANER_OK && store_mongo_array(&reply, "cursor.firstBatch", &rows)) {
        while (store_mongo_next(&rows, &row)) {
            take_row(s, &row);
        }
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

/* ---- take ---- */

static enum gleaner_status make_missing(const struct sharing *s)
{
    bson_t command, documents, one;
    uint32_t count = 0;
    store_mongo_command(&command, s->op, "insert", STORE_MONGO_SHARES);
    BSON_APPEND_BOOL(&command, "ordered", false); /* what another process made meanwhile is fine */
    BSON_APPEND_ARRAY_BEGIN(&command, "documents", &documents);
    for (uint32_t i = 0; i < STORE_SHARES; i++) {
        char room[16], id[NAME_MAX_BYTES + 16];
        const char *key;
        if (s->is_there[i]) {
            continue;
        }
        snprintf(id, sizeof id, "%s%u", s->low, i);
        size_t len = bson_uint32_to_string(count++, &key, room, sizeof room);
        bson_append_document_begin(&documents, key, (int)len, &one);
        BCON_APPEND(&one, "_id", BCON_UTF8(id), "q", BCON_UTF8(s->queue), "n",
                    BCON_INT32((int32_t)i), "until", BCON_DATE_TIME(0), "delay", BCON_INT64(0));
        bson_append_document_end(&documents, &one);
    }
    bson_append_array_end(&command, &documents);
    if (count == 0) {
        bson_destroy(&command);
        return GLEANER_OK;
    }
    return store_mongo_do(s->op, &command);
}

static void append_take(const struct sharing *s, bson_t *updates, const char *key, uint32_t n)
{
    char id[NAME_MAX_BYTES + 16];
    snprintf(id, sizeof id, "%s%u", s->low, n);
    BCON_APPEND(updates, key, "{", "q", "{", "_id", BCON_UTF8(id), "$expr", "{", "$lte", "[",
                BCON_UTF8("$until"), BCON_UTF8("$$NOW"), "]", "}", "}", "u", "[", "{", "$set", "{",
                "owner", "{", "$literal", BCON_UTF8(s->wish->owner), "}", "token", "{", "$add", "[",
                "{", "$ifNull", "[", BCON_UTF8("$token"), BCON_INT64(0), "]", "}", BCON_INT64(1),
                "]", "}", "clear", "{", "$add", "[", BCON_UTF8("$until"), BCON_UTF8("$delay"),
                BCON_INT64(CLOCK_COARSE_MS), "]", "}", "until", "{", "$add", "[",
                BCON_UTF8("$$NOW"), BCON_INT64(s->wish->lease_ms), "]", "}", "delay",
                BCON_INT64((int64_t)s->wish->delay_ms), "}", "}", "]", "}");
}

/* Each begins somewhere else, or all fight for the same ones. */
static enum gleaner_status take(const struct sharing *s, uint32_t wanted)
{
    bson_t command, updates;
    uint32_t count = 0;
    uint64_t from = store_mongo_token(s->op->m) / STORE_MONGO_CLAIM_MAX;
    update_begin(s, &command, &updates);
    for (uint32_t i = 0; i < STORE_SHARES && count < wanted; i++) {
        uint32_t n = (uint32_t)((from + i) % STORE_SHARES);
        char room[16];
        const char *key;
        if (s->is_free[n] || !s->is_there[n]) {
            bson_uint32_to_string(count++, &key, room, sizeof room);
            append_take(s, &updates, key, n);
        }
    }
    if (count == 0) {
        bson_append_array_end(&command, &updates);
        bson_destroy(&command);
        return GLEANER_OK;
    }
    return update_end(s, &command, &updates);
}

static enum gleaner_status take_fair_share(struct sharing *s)
{
    struct store_share_state *out = s->out;
    uint32_t members = out->members > 0 ? out->members : 1;
    uint32_t fair = (STORE_SHARES + members - 1) / members;
    if (out->mine >= fair) {
        out->surplus = out->mine - fair;
        return GLEANER_OK;
    }
    enum gleaner_status status = make_missing(s);
    if (status == GLEANER_OK) {
        status = take(s, fair - out->mine);
    }
    return status == GLEANER_OK ? look(s) : status;
}

enum gleaner_status store_mongo_shares_keep(struct store_queue *base,
                                            const struct store_share_wish *wish,
                                            struct store_share_state *out, struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(base->store, error);
    const char *queue = ((struct mongo_queue *)base)->name;
    struct sharing s = {.op = &op, .queue = queue, .wish = wish, .out = out};
    snprintf(s.low, sizeof s.low, "%.128s#", queue);
    snprintf(s.high, sizeof s.high, "%.128sA", queue); /* behind '#' and '@' */
    snprintf(s.member, sizeof s.member, "%.128s@%.128s", queue, wish->owner);
    if (wish->is_leaving) {
        return leave(&s);
    }
    enum gleaner_status status = prolong(&s);
    if (status == GLEANER_OK) {
        status = look(&s);
    }
    return status == GLEANER_OK ? take_fair_share(&s) : status;
}
