/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers of a server on their way to the driver. Two things are done to them.
 *
 * Old news. "Not primary", "stepped down", "shutting down": libmongoc takes such an answer to one
 * client as news about the server, forgets it, and all clients of the pool wait until its monitor
 * has asked again. The monitor sits in an awaited hello just then: that is up to 10 s. The answer
 * is no news when it names a topologyVersion that the driver knows (the SDAM specification's rule):
 * then it is the answer to one operation and no more. Members of a replica set name theirs, so a
 * real change counts there; a single server names none.
 *
 * So an answer without one gets the version of the hello with which its connection began. Of a real
 * change the driver hears by its monitor, at once: a server that has topologyVersion (4.4) ends the
 * awaited hello then. A server that has none in its hello: nothing is added.
 *
 * No answer. When the thread's deadline ends a wait, the driver gets the answer that the server
 * would have given to a maxTimeMS: error 50. With a broken or silent socket it would repeat a read
 * by itself, on a new connection, and wait for a server to be known for that: past the deadline; or
 * try in vain to end a cursor there, and take that for a dead server. The connection is dead
 * afterwards: the real answer may still come over it.
 *
 * Every message up to MONGO_REPLY_MAX bytes is read whole and handed out in the pieces that the
 * driver asks for; longer ones, and compressed ones, pass through.
 */
#include "mongo_reply.h"
#include "mongo_walk.h"

#include <string.h>

enum { OP_MSG = 2013, LENGTH_BYTES = 4, OPCODE_AT = 12, FLAGS_AT = 16, KIND_AT = 20, BODY_AT = 21 };

static const char field[] = "topologyVersion";

static uint32_t number_at(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return BSON_UINT32_FROM_LE(value);
}

static void put_number(uint8_t *bytes, uint32_t value)
{
    value = BSON_UINT32_TO_LE(value);
    memcpy(bytes, &value, sizeof value);
}

void mongo_replies_init(struct mongo_replies *replies, const bson_t *hello)
{
    bson_iter_t iter;
    const uint8_t *bytes = NULL;
    uint32_t len = 0;
    memset(replies, 0, sizeof *replies);
    if (hello == NULL || !bson_iter_init_find(&iter, hello, field) ||
        !BSON_ITER_HOLDS_DOCUMENT(&iter)) {
        return;
    }
    bson_iter_document(&iter, &len, &bytes);
    if (len <= sizeof replies->version) {
        memcpy(replies->version, bytes, len);
        replies->version_len = len;
    }
}

/* ---- one answer ---- */

/* What libmongoc holds for a change of the server's state (mongoc-error.c). */
static bool is_state_change(int64_t code)
{
    static const int64_t codes[] = {91, 189, 10058, 10107, 11600, 11602, 13435, 13436};
    for (size_t i = 0; i < BASE_ARRAY_LEN(codes); i++) {
        if (codes[i] == code) {
            return true;
        }
    }
    return false;
}

/* Of every answer. */
static bool is_refusal(const uint8_t *body, size_t len)
{
    struct walk walk;
    for (bool more = walk_begin(&walk, body, len); more && walk_next(&walk);) {
        if (WALK_IS(&walk, "ok")) {
            return walk.type == BSON_TYPE_BOOL ? walk.value[0] == 0 : walk_sign(&walk) == 0;
        }
    }
    return false;
}

static bool is_undated_change(const bson_t *body)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, body, "code") && is_state_change(bson_iter_as_int64(&iter)) &&
           !bson_iter_init_find(&iter, body, field);
}

/* Before the zero that ends the body. */
static void append_version(struct mongo_replies *replies)
{
    uint32_t body_len = number_at(replies->bytes + BODY_AT);
    uint8_t *at = replies->bytes + replies->len - 1;
    *at++ = BSON_TYPE_DOCUMENT;
    memcpy(at, field, sizeof field);
    at += sizeof field;
    memcpy(at, replies->version, replies->version_len);
    at += replies->version_len;
    *at++ = 0;
    uint32_t added = (uint32_t)(at - replies->bytes) - replies->len;
    replies->len += added;
    put_number(replies->bytes, replies->len);
    put_number(replies->bytes + BODY_AT, body_len + added);
}

static void look_at(struct mongo_replies *replies)
{
    const uint8_t *bytes = replies->bytes;
    bson_t body;
    bool is_one_body = replies->len > BODY_AT + LENGTH_BYTES &&
                       number_at(bytes + OPCODE_AT) == OP_MSG && number_at(bytes + FLAGS_AT) == 0 &&
                       bytes[KIND_AT] == 0 && number_at(bytes + BODY_AT) == replies->len - BODY_AT;
    replies->was_refused = is_one_body && is_refusal(bytes + BODY_AT, replies->len - BODY_AT);
    if (replies->was_refused && replies->version_len > 0 &&
        bson_init_static(&body, bytes + BODY_AT, replies->len - BODY_AT) &&
        is_undated_change(&body)) {
        append_version(replies);
    }
}

/* ---- no answer ---- */

enum { PADDING_BYTES = sizeof "?padding" + 4 + 1 }; /* of a binary field without its content */

static void build_answer(bson_t *body)
{
    bson_init(body);
    BSON_APPEND_DOUBLE(body, "ok", 0);
    BSON_APPEND_UTF8(body, "errmsg", "the operation's deadline came before the server's answer");
    BSON_APPEND_INT32(body, "code", MONGO_CODE_OVER_TIME);
    BSON_APPEND_UTF8(body, "codeName", "MaxTimeMSExpired");
}

/* The answer as a message of `len` bytes (padded), all but its length, which is known. False: it
 * needs more. */
static bool put_answer(uint8_t *out, uint32_t len)
{
    bson_t body;
    build_answer(&body);
    uint32_t at = BODY_AT - LENGTH_BYTES, body_len = len - BODY_AT;
    bool is_plain = body.len == body_len;
    bool fits = len > BODY_AT && (is_plain || body.len + PADDING_BYTES <= body_len);
    if (fits) {
        memset(out, 0, len - LENGTH_BYTES);
        put_number(out + OPCODE_AT - LENGTH_BYTES, OP_MSG);
        memcpy(out + at, bson_get_data(&body), body.len - 1);
        put_number(out + at, body_len);
    }
    if (fits && !is_plain) {
        uint8_t *padding = out + at + body.len - 1;
        *padding++ = BSON_TYPE_BINARY;
        memcpy(padding, "padding", sizeof "padding");
        put_number(padding + sizeof "padding", body_len - body.len - PADDING_BYTES);
    }
    bson_destroy(&body);
    return fits;
}

void mongo_replies_give_up(struct mongo_replies *replies)
{
    replies->state = MONGO_REPLY_GIVEN_UP;
}

static ssize_t serve(struct mongo_replies *replies, uint8_t *out, size_t wanted)
{
    size_t left = replies->len - replies->at;
    size_t count = wanted < left ? wanted : left;
    memcpy(out, replies->bytes + replies->at, count);
    replies->at += (uint32_t)count;
    return (ssize_t)count;
}

/* In the middle of a long message its length is told already: the answer is made as long. */
ssize_t mongo_replies_answer(struct mongo_replies *replies, uint8_t *out, size_t wanted)
{
    bson_t body;
    if (replies->state == MONGO_REPLY_DEAD) {
        return -1;
    }
    replies->state = MONGO_REPLY_DEAD;
    replies->was_refused = true;
    if (replies->passing > 0) {
        bool is_at_start = replies->passing + LENGTH_BYTES == replies->passing_len;
        bool done =
            is_at_start && wanted == replies->passing && put_answer(out, replies->passing_len);
        replies->passing = 0;
        return done ? (ssize_t)wanted : -1;
    }
    if (wanted != LENGTH_BYTES) {
        return -1;
    }
    build_answer(&body);
    replies->len = BODY_AT + body.len;
    replies->at = 0;
    put_number(replies->bytes, replies->len);
    bool done = put_answer(replies->bytes + LENGTH_BYTES, replies->len);
    bson_destroy(&body);
    BASE_ASSERT(done);
    return serve(replies, out, wanted);
}

/* ---- reading ---- */

/* The first bytes of a message that is not looked at are in `out`: how many are to follow. */
static void let_pass(struct mongo_replies *replies, const uint8_t *out, ssize_t got)
{
    replies->was_refused = false; /* a refusal is short */
    uint32_t len = got >= LENGTH_BYTES ? number_at(out) : 0;
    replies->passing_len = len;
    replies->passing = len > (uint32_t)got ? len - (uint32_t)got : 0;
}

static ssize_t read_first(struct mongo_replies *replies, mongoc_stream_t *from, uint8_t *out,
                          size_t wanted, int32_t timeout_ms)
{
    ssize_t got = mongoc_stream_read(from, out, wanted, wanted, timeout_ms);
    uint32_t len = got == LENGTH_BYTES ? number_at(out) : 0;
    if (len <= BODY_AT || len > MONGO_REPLY_MAX) {
        if (got > 0) {
            let_pass(replies, out, got);
        }
        return got;
    }
    size_t rest = len - LENGTH_BYTES;
    memcpy(replies->bytes, out, LENGTH_BYTES);
    if (mongoc_stream_read(from, replies->bytes + LENGTH_BYTES, rest, rest,
                           mongo_bounded_ms(timeout_ms)) != (ssize_t)rest) {
        return -1;
    }
    replies->len = len;
    replies->at = 0;
    look_at(replies);
    return serve(replies, out, wanted);
}

ssize_t mongo_replies_read(struct mongo_replies *replies, mongoc_stream_t *from, uint8_t *out,
                           size_t wanted, size_t min_bytes, int32_t timeout_ms)
{
    if (replies->at < replies->len) {
        return serve(replies, out, wanted);
    }
    if (replies->state != MONGO_REPLY_LIVE) {
        return -1;
    }
    if (replies->passing == 0) {
        return read_first(replies, from, out, wanted, timeout_ms);
    }
    ssize_t got = mongoc_stream_read(from, out, wanted, min_bytes, timeout_ms);
    uint32_t count = got > 0 ? (uint32_t)got : 0;
    replies->passing -= count < replies->passing ? count : replies->passing;
    return got;
}
