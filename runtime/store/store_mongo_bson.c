/* SPDX-License-Identifier: Apache-2.0 */
/* Is a document good enough to stand in a batch with others? The server refuses a whole command for
 * one damaged element, and readers in other languages fail on bad UTF-8; so each document is looked
 * through before. Iterative: depth is bounded, not the stack. */
#include "store_mongo_internal.h"

#include <string.h>

#define DEPTH_MAX 180 /* the server's limit is 200, and the command around it counts */

/* Bytes of a value by its type; SPECIAL ones are looked at below. 0 = a type without value. */
#define UNKNOWN 0xff
#define SPECIAL 0xfe
static const uint8_t value_bytes[0x14] = {
    [0x00] = UNKNOWN, [0x01] = 8,       [0x02] = SPECIAL, [0x03] = SPECIAL, [0x04] = SPECIAL,
    [0x05] = SPECIAL, [0x06] = 0,       [0x07] = 12,      [0x08] = SPECIAL, [0x09] = 8,
    [0x0a] = 0,       [0x0b] = SPECIAL, [0x0c] = UNKNOWN, [0x0d] = SPECIAL, [0x0e] = SPECIAL,
    [0x0f] = UNKNOWN, [0x10] = 4,       [0x11] = 8,       [0x12] = 8,       [0x13] = 16,
};

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* A string or code: length with its NUL, bytes, NUL. Returns what it takes, 0 when it is wrong. */
static size_t check_string(const uint8_t *at, size_t room)
{
    if (room < 5) {
        return 0;
    }
    uint32_t len = read_u32(at);
    if (len < 1 || len > room - 4 || at[4 + len - 1] != 0 ||
        !base_utf8_valid((const char *)at + 4, len - 1)) {
        return 0;
    }
    return 4 + (size_t)len;
}

static size_t check_cstring(const uint8_t *at, size_t room)
{
    const uint8_t *end = memchr(at, 0, room);
    if (end == NULL || !base_utf8_valid((const char *)at, (size_t)(end - at))) {
        return 0;
    }
    return (size_t)(end - at) + 1;
}

static size_t check_binary(const uint8_t *at, size_t room)
{
    uint32_t len = room >= 5 ? read_u32(at) : UINT32_MAX;
    if (room < 5 || len > room - 5) {
        return 0;
    }
    bool is_old = at[4] == 2; /* has a second length inside */
    return is_old && (len < 4 || read_u32(at + 5) != len - 4) ? 0 : 5 + (size_t)len;
}

static size_t check_value(uint8_t type, const uint8_t *at, size_t room)
{
    size_t first, second;
    switch (type) {
    case 0x02:
    case 0x0d:
    case 0x0e:
        return check_string(at, room);
    case 0x05:
        return check_binary(at, room);
    case 0x08:
        return room >= 1 && at[0] <= 1 ? 1 : 0;
    case 0x0b:
        first = check_cstring(at, room);
        second = first > 0 ? check_cstring(at + first, room - first) : 0;
        return second > 0 ? first + second : 0;
    default:
        return 0;
    }
}

/* One element's value that is no document: how many bytes, or false. */
static bool skip_value(uint8_t type, const uint8_t *at, size_t room, size_t *used)
{
    bool is_key_bound = type == 0xff || type == 0x7f; /* MinKey, MaxKey */
    uint8_t bytes = is_key_bound ? 0 : type < sizeof value_bytes ? value_bytes[type] : UNKNOWN;
    if (bytes == UNKNOWN) {
        return false;
    }
    if (bytes != SPECIAL) {
        *used = bytes;
        return bytes <= room;
    }
    *used = check_value(type, at, room);
    return *used > 0;
}

bool store_bson_check(const uint8_t *bson, uint32_t len)
{
    uint32_t ends[DEPTH_MAX]; /* where the open documents must close */
    int depth = 0;
    uint32_t at = 4;
    if (len < 5 || read_u32(bson) != len) {
        return false;
    }
    ends[0] = len;
    while (at < ends[depth]) {
        uint8_t type = bson[at++];
        if (type == 0) { /* the end of the innermost document */
            if (at != ends[depth]) {
                return false;
            }
            if (depth-- == 0) {
                return true;
            }
            continue;
        }
        size_t room = ends[depth] - at;
        size_t used = check_cstring(bson + at, room);
        if (used == 0) {
            return false;
        }
        at += (uint32_t)used;
        room -= used;
        if (type == 0x03 || type == 0x04) {
            uint32_t inner = room >= 5 ? read_u32(bson + at) : 0;
            if (inner < 5 || inner > room || ++depth == DEPTH_MAX) {
                return false;
            }
            ends[depth] = at + inner;
            at += 4;
            continue;
        }
        if (!skip_value(type, bson + at, room, &used)) {
            return false;
        }
        at += (uint32_t)used;
    }
    return false;
}
