/* SPDX-License-Identifier: Apache-2.0 */
/* OP_MSG: a header, flags, then sections, each with its kind: 0 is the body, 1 a list of statements
 * (MongoDB wire protocol). The driver hands it over in pieces, a field or a document each. */
#include "mongo_request.h"
#include "mongo_walk.h"

#include <string.h>

enum { OP_MSG = 2013, ID_AT = 4, OPCODE_AT = 12, FLAGS_AT = 16, KIND_AT = 20, HEAD_BYTES = 21 };
enum { MORE_TO_COME = 2, KIND_BODY = 0, KIND_LIST = 1 };

struct pieces {
    const mongoc_iovec_t *iov;
    size_t count, used; /* pieces; bytes of the first of them */
};

/* What is left of the present piece. */
static const uint8_t *peek(struct pieces *pieces, size_t *len)
{
    while (pieces->count > 0 && pieces->used == pieces->iov->iov_len) {
        pieces->iov++;
        pieces->count--;
        pieces->used = 0;
    }
    *len = pieces->count > 0 ? pieces->iov->iov_len - pieces->used : 0;
    return *len > 0 ? (const uint8_t *)pieces->iov->iov_base + pieces->used : NULL;
}

static bool take(struct pieces *pieces, uint8_t *out, size_t wanted)
{
    while (wanted > 0) {
        size_t len;
        const uint8_t *at = peek(pieces, &len);
        if (at == NULL) {
            return false;
        }
        size_t count = len < wanted ? len : wanted;
        memcpy(out, at, count);
        pieces->used += count;
        out += count;
        wanted -= count;
    }
    return true;
}

/* A document that lies in one piece, as all do: the piece may hold more of them. */
static const uint8_t *peek_document(struct pieces *pieces, uint32_t *len)
{
    struct walk walk;
    size_t most;
    const uint8_t *at = peek(pieces, &most);
    if (at == NULL || !walk_begin(&walk, at, most)) {
        return NULL;
    }
    *len = (uint32_t)walk_int32(at);
    return at;
}

/* The name ends in one piece, too. */
static const char *take_name(struct pieces *pieces)
{
    size_t most;
    const uint8_t *at = peek(pieces, &most);
    size_t len = at != NULL ? strnlen((const char *)at, most) : 0;
    if (at == NULL || len == most) {
        return NULL;
    }
    pieces->used += len + 1;
    return (const char *)at;
}

static void read_list(struct pieces *pieces, struct mongo_request *out)
{
    uint8_t head[5]; /* kind, size */
    if (!take(pieces, head, sizeof head) || head[0] != KIND_LIST) {
        return;
    }
    const char *name = take_name(pieces);
    out->first = name != NULL ? peek_document(pieces, &out->first_len) : NULL;
    out->list = out->first != NULL ? name : NULL;
}

const char *mongo_request_database(const struct mongo_request *request)
{
    struct walk walk;
    uint32_t text_len;
    const bson_t *body = &request->command;
    for (bool more = walk_begin(&walk, bson_get_data(body), body->len); more && walk_next(&walk);) {
        if (WALK_IS(&walk, "$db") && walk_text(&walk, &text_len) != NULL) {
            return walk_text(&walk, &text_len);
        }
    }
    return "";
}

void mongo_request_read(const mongoc_iovec_t *iov, size_t count, struct mongo_request *out)
{
    struct pieces pieces = {iov, count, 0};
    struct walk first;
    uint8_t head[HEAD_BYTES];
    uint32_t len;
    out->is_command = false;
    if (!take(&pieces, head, sizeof head) || walk_int32(head + OPCODE_AT) != OP_MSG ||
        head[KIND_AT] != KIND_BODY) {
        return;
    }
    const uint8_t *body = peek_document(&pieces, &len);
    if (body == NULL || !walk_begin(&first, body, len) || !walk_next(&first) ||
        !bson_init_static(&out->command, body, len)) {
        return;
    }
    pieces.used += len;
    out->is_command = true;
    out->has_answer = (walk_int32(head + FLAGS_AT) & MORE_TO_COME) == 0;
    out->id = walk_int32(head + ID_AT);
    out->name = first.key;
    out->list = NULL;
    read_list(&pieces, out);
}
