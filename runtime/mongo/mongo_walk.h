/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the room: a walk over BSON that the driver has made, for the path of every command. It
 * does what bson_iter_t does at a third of the price (bench monitor_cost), because it validates
 * nothing but lengths: what does not fit ends the walk. */
#ifndef MONGO_WALK_H
#define MONGO_WALK_H

#include <bson/bson.h>
#include <string.h>

struct walk {
    const uint8_t *next, *end; /* of the document that is walked */
    /* the element */
    uint8_t type;
    uint32_t key_len;
    const char *key;
    const uint8_t *value;
};

static inline int32_t walk_int32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return (int32_t)BSON_UINT32_FROM_LE(value);
}

/** Over the document that begins at `data`; `most` bytes are there. */
static inline bool walk_begin(struct walk *walk, const uint8_t *data, size_t most)
{
    int32_t size = most >= 5 ? walk_int32(data) : 0;
    if (size < 5 || (size_t)size > most) {
        return false;
    }
    walk->next = data + 4;
    walk->end = data + size - 1; /* without its last NUL */
    return true;
}

/** Over the document or array that the element is. */
static inline bool walk_into(const struct walk *at, struct walk *inside)
{
    return (at->type == BSON_TYPE_DOCUMENT || at->type == BSON_TYPE_ARRAY) &&
           walk_begin(inside, at->value, (size_t)(at->end - at->value));
}

/* Bytes of a value; -1 = a type that is rare here (regular expression, DBPointer, code with scope):
 * the walk ends. */
static inline int64_t walk_value_size(uint8_t type, const uint8_t *value, size_t most)
{
    switch (type) {
    case BSON_TYPE_NULL:
    case BSON_TYPE_UNDEFINED:
    case BSON_TYPE_MAXKEY:
    case BSON_TYPE_MINKEY:
        return 0;
    case BSON_TYPE_BOOL:
        return 1;
    case BSON_TYPE_INT32:
        return 4;
    case BSON_TYPE_DOUBLE:
    case BSON_TYPE_DATE_TIME:
    case BSON_TYPE_TIMESTAMP:
    case BSON_TYPE_INT64:
        return 8;
    case BSON_TYPE_OID:
        return 12;
    case BSON_TYPE_DECIMAL128:
        return 16;
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
    case BSON_TYPE_CODEWSCOPE:
        return most >= 4 ? walk_int32(value) : -1;
    case BSON_TYPE_UTF8:
    case BSON_TYPE_CODE:
    case BSON_TYPE_SYMBOL:
        return most >= 4 ? (int64_t)walk_int32(value) + 4 : -1;
    case BSON_TYPE_BINARY:
        return most >= 4 ? (int64_t)walk_int32(value) + 5 : -1;
    case BSON_TYPE_DBPOINTER:
        return most >= 4 ? (int64_t)walk_int32(value) + 16 : -1;
    case BSON_TYPE_REGEX: {
        size_t pattern = strnlen((const char *)value, most);
        return pattern < most
                   ? (int64_t)(pattern + 2 +
                               strnlen((const char *)value + pattern + 1, most - pattern - 1))
                   : -1;
    }
    default:
        return -1;
    }
}

static inline bool walk_next(struct walk *walk)
{
    if (walk->next + 2 > walk->end) {
        return false;
    }
    walk->type = *walk->next;
    walk->key = (const char *)walk->next + 1;
    size_t key_len = strnlen(walk->key, (size_t)(walk->end - walk->next - 1));
    walk->key_len = (uint32_t)key_len;
    walk->value = walk->next + 1 + key_len + 1;
    if (walk->value > walk->end) {
        return false;
    }
    size_t most = (size_t)(walk->end - walk->value);
    int64_t size = walk_value_size(walk->type, walk->value, most);
    if (size < 0 || (uint64_t)size > most) {
        return false;
    }
    walk->next = walk->value + size;
    return true;
}

static inline bool walk_is(const struct walk *at, const char *key, uint32_t len)
{
    return at->key_len == len && memcmp(at->key, key, len) == 0;
}
#define WALK_IS(at, literal) walk_is(at, literal, (uint32_t)sizeof(literal) - 1)

/** -1, 0 or 1 of a number; 0 of anything else. */
static inline int walk_sign(const struct walk *at)
{
    double real;
    int64_t integer = 0;
    if (at->type == BSON_TYPE_INT32) {
        integer = walk_int32(at->value);
    } else if (at->type == BSON_TYPE_INT64) {
        memcpy(&integer, at->value, sizeof integer);
        integer = (int64_t)BSON_UINT64_FROM_LE((uint64_t)integer);
    } else if (at->type == BSON_TYPE_DOUBLE) {
        memcpy(&real, at->value, sizeof real);
        return real > 0 ? 1 : real < 0 ? -1 : 0;
    }
    return integer > 0 ? 1 : integer < 0 ? -1 : 0;
}

/** Text of a string, its length without the NUL in *len; NULL when it is none. */
static inline const char *walk_text(const struct walk *at, uint32_t *len)
{
    if (at->type != BSON_TYPE_UTF8 || walk_int32(at->value) < 1) {
        return NULL;
    }
    *len = (uint32_t)walk_int32(at->value) - 1;
    return (const char *)at->value + 4;
}

#endif
