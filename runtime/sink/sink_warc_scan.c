/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a WARC file back, record by record: gzip checksums say which are whole, or, where they
 * are not compressed, their own digests. Only the head of each record is kept. A page counts when
 * its last record (metadata) is there. */
#include "sink_internal.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { HEAD_BYTES = 8192, WINDOW = 15 + 16, OUT_BYTES = 65536 };

struct member {
    char head[HEAD_BYTES + 1]; /* the first bytes of the record */
    size_t head_len;
    size_t len; /* in the file */
};

/* Inflate one member at `data`; false when it is torn or no gzip. */
static bool read_member(z_stream *z, const char *data, size_t len, struct member *member)
{
    unsigned char out[OUT_BYTES];
    int code = inflateReset2(z, WINDOW);
    size_t left = len;
    member->head_len = 0;
    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = 0;
    while (code == Z_OK) {
        if (z->avail_in == 0) {
            z->avail_in = (uInt)(left < (1u << 30) ? left : 1u << 30);
            left -= z->avail_in;
        }
        z->next_out = out;
        z->avail_out = sizeof out;
        code = inflate(z, Z_NO_FLUSH);
        size_t got = sizeof out - z->avail_out;
        size_t room = HEAD_BYTES - member->head_len;
        size_t keep = got < room ? got : room;
        memcpy(member->head + member->head_len, out, keep);
        member->head_len += keep;
        if (code == Z_OK && got == 0 && z->avail_in == 0 && left == 0) {
            break;
        }
    }
    member->head[member->head_len] = '\0';
    member->len = len - left - z->avail_in;
    return code == Z_STREAM_END;
}

/* The value of a header line of the record, in place. */
static struct base_slice value_of(const struct member *member, const char *name)
{
    const char *end = strstr(member->head, "\r\n\r\n");
    const char *at = strstr(member->head, name);
    if (at == NULL || (end != NULL && at > end)) {
        return (struct base_slice){"", 0};
    }
    at += strlen(name);
    return (struct base_slice){at, strcspn(at, "\r\n")};
}

static bool is_type(const struct member *member, const char *type)
{
    struct base_slice value = value_of(member, "\r\nWARC-Type: ");
    return value.len == strlen(type) && memcmp(value.data, type, value.len) == 0;
}

/* A record as it is at `data`; false when it is torn or none. */
static bool read_plain(const char *data, size_t len, struct member *member)
{
    char digest[SINK_DIGEST_MAX];
    BASE_ASSERT(data != NULL); /* the sanitizers' build sees a path where it is */
    const char *end = memmem(data, len < HEAD_BYTES ? len : HEAD_BYTES, "\r\n\r\n", 4);
    if (end == NULL) {
        return false;
    }
    member->head_len = (size_t)(end - data) + 4;
    memcpy(member->head, data, member->head_len);
    member->head[member->head_len] = '\0';
    const char *block = end + 4;
    size_t left = len - member->head_len;
    struct base_slice length = value_of(member, "\r\nContent-Length: ");
    struct base_slice wanted = value_of(member, "\r\nWARC-Block-Digest: ");
    size_t block_len = (size_t)strtoull(length.data, NULL, 10);
    if (length.len == 0 || block_len > left || left - block_len < 4 ||
        memcmp(block + block_len, "\r\n\r\n", 4) != 0 ||
        !sink_warc_digest(block, block_len, "", 0, digest) || wanted.len != strlen(digest) ||
        memcmp(wanted.data, digest, wanted.len) != 0) {
        return false;
    }
    member->len = member->head_len + block_len + 4;
    return true;
}

bool sink_warc_scan(enum sink_packing packing, const char *data, size_t len, struct sink_scan *scan)
{
    static _Thread_local struct member member; /* too large for a stack that may be small */
    z_stream z = {0};
    if (inflateInit2(&z, WINDOW) != Z_OK) {
        return false;
    }
    size_t at = (size_t)scan->from;
    while (at < len &&
           (packing == SINK_GZIP ? read_member(&z, data + at, len - at, &member)
                                 : read_plain(data + at, len - at, &member)) &&
           strncmp(member.head, "WARC/1.", 7) == 0) {
        at += member.len;
        bool is_open = is_type(&member, "request") || is_type(&member, "response");
        if (is_type(&member, "metadata")) {
            struct base_slice url = value_of(&member, "\r\nWARC-Target-URI: ");
            scan->records++;
            if (scan->found != NULL) {
                scan->found(scan->ctx, sink_name_of_url(url.data, url.len));
            }
        }
        if (!is_open) {
            scan->end = at;
        }
    }
    (void)inflateEnd(&z);
    return true;
}
