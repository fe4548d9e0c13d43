/* SPDX-License-Identifier: Apache-2.0 */
/* The values that go through the door: ids, framed BSON, the result of a claim. */
#include "store_internal.h"

#include <stdlib.h>
#include <string.h>

void store_document_id(const char *collection, const char *key, size_t key_len,
                       uint8_t out[STORE_ID_BYTES])
{
    uint8_t hash[16];
    size_t name_len = strlen(collection) + 1; /* with its NUL: ("ab","c") is not ("a","bc") */
    char small[512];
    char *joined = name_len + key_len <= sizeof small ? small : malloc(name_len + key_len);
    if (joined != NULL) {
        memcpy(joined, collection, name_len);
        memcpy(joined + name_len, key, key_len);
        base_hash128(joined, name_len + key_len, hash);
        memcpy(out, hash, STORE_ID_BYTES);
    }
    BASE_ASSERT(joined != NULL); /* a key is a URL: a few KiB at most */
    if (joined != small) {
        free(joined);
    }
}

static uint32_t read_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool store_document_is_sane(const struct store_document *document)
{
    return document->bson != NULL && document->bson_len >= 5 &&
           document->bson_len <= STORE_BSON_MAX_BYTES - STORE_BSON_ID_BYTES &&
           read_le32(document->bson) == document->bson_len &&
           document->bson[document->bson_len - 1] == 0;
}

bool store_bson_with_id(const uint8_t id[STORE_ID_BYTES], const uint8_t *bson, uint32_t bson_len,
                        struct base_buffer *out)
{
    uint32_t total = bson_len + STORE_BSON_ID_BYTES;
    uint8_t head[4 + STORE_BSON_ID_BYTES] = {(uint8_t)total,
                                             (uint8_t)(total >> 8),
                                             (uint8_t)(total >> 16),
                                             (uint8_t)(total >> 24),
                                             0x07 /* ObjectId */,
                                             '_',
                                             'i',
                                             'd',
                                             0};
    memcpy(head + 9, id, STORE_ID_BYTES);
    return base_buffer_reserve(out, total) && base_buffer_append(out, head, sizeof head) &&
           base_buffer_append(out, bson + 4, bson_len - 4);
}

/* ---- the result of a claim ---- */

void store_jobs_reset(struct store_jobs *jobs)
{
    jobs->count = 0;
    base_arena_reset(&jobs->arena);
}

void store_jobs_fini(struct store_jobs *jobs)
{
    free(jobs->jobs);
    jobs->jobs = NULL;
    jobs->count = 0;
    base_arena_fini(&jobs->arena);
}

/* The array has room for the next power of two of its count (8 at least), so that no capacity needs
 * to be kept in the door's struct. */
struct store_job *store_jobs_add(struct store_jobs *jobs)
{
    size_t n = jobs->count;
    if (jobs->jobs == NULL || n == 0 || (n >= 8 && (n & (n - 1)) == 0)) {
        struct store_job *grown = realloc(jobs->jobs, (n < 8 ? 8 : 2 * n) * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        jobs->jobs = grown;
    }
    memset(&jobs->jobs[n], 0, sizeof jobs->jobs[n]);
    jobs->count = n + 1;
    return &jobs->jobs[n];
}

const char *store_jobs_text(struct store_jobs *jobs, const char *text)
{
    return text == NULL || *text == '\0' ? ""
                                         : base_arena_strndup(&jobs->arena, text, strlen(text));
}

bool store_type_matches(const struct store_claim *how, const char *type)
{
    for (size_t i = 0; i < how->type_count; i++) {
        if (strcmp(how->types[i], type) == 0) {
            return true;
        }
    }
    return how->types == NULL || how->type_count == 0;
}
