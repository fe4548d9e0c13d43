/* SPDX-License-Identifier: Apache-2.0 */
#include "text_near.h"

#include <stdlib.h>
#include <threads.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- 64 bits of a text ----------------------------------------------------------------------- */

/* Letters, digits and whatever is longer than a byte; all else parts words. */
static bool is_word(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 0x80 || (u >= '0' && u <= '9') || ((u | 32) >= 'a' && (u | 32) <= 'z');
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t h = (a ^ (b + UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xbf58476d1ce4e5b9);
    return h ^ (h >> 29);
}

/* Of one word, in lower case; *at moves behind it. 0 at the end. */
static uint64_t next_word(const char **at, const char *end)
{
    const char *p = *at;
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    while (p < end && !is_word(*p)) {
        p++;
    }
    if (p == end) {
        return 0;
    }
    for (; p < end && is_word(*p); p++) {
        unsigned char c = (unsigned char)*p;
        h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * UINT64_C(0x100000001b3);
    }
    *at = p;
    return h | 1;
}

static void vote(int32_t votes[64], uint64_t h)
{
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    h ^= h >> 32;
    for (unsigned i = 0; i < 64; i++) {
        votes[i] += (h >> i & 1) != 0 ? 1 : -1;
    }
}

bool text_simhash(struct text_slice text, uint64_t *out)
{
    int32_t votes[64] = {0};
    const char *at = text.data, *end = text.data + text.len;
    uint64_t before = 0, last = 0, word;
    uint32_t words = 0;
    while (words < (1u << 30) && (word = next_word(&at, end)) != 0) {
        if (++words >= 3) {
            vote(votes, mix(mix(before, last), word));
        }
        before = last;
        last = word;
    }
    *out = 0;
    for (unsigned i = 0; i < 64; i++) {
        *out |= votes[i] > 0 ? UINT64_C(1) << i : 0;
    }
    return words >= TEXT_NEAR_MIN_WORDS;
}

/* ---- the index -------------------------------------------------------------------------------
 *
 * Of two hashes that differ in less than eight bits one of the four quarters differs in one at
 * most. So each page is in four tables of 65,536 chains, and a look-up goes through 4 x 17 of them.
 */

#define QUARTERS 4
#define CHAINS 65536u
#define QUARTER_BITS 16
_Static_assert(TEXT_NEAR_DISTANCE < 2 * QUARTERS, "one quarter must differ in one bit at most");

struct entry {
    uint64_t hash, url_hash;
    uint32_t next[QUARTERS]; /* index + 1 of the next one in the chain; 0 ends it */
    uint32_t url_len;
    size_t url; /* in near.urls */
};

struct text_near {
    mtx_t lock; /* protects everything here; nothing else is taken under it */
    uint32_t heads[QUARTERS][CHAINS];
    struct entry *entries;
    uint32_t count, cap;
    struct text_buffer urls;
};

struct text_near *text_near_create(void)
{
    struct text_near *near = calloc(1, sizeof *near);
    if (near != NULL && mtx_init(&near->lock, mtx_plain) != thrd_success) {
        free(near);
        return NULL;
    }
    return near;
}

void text_near_destroy(struct text_near **near)
{
    if (*near != NULL) {
        mtx_destroy(&(*near)->lock);
        free((*near)->entries);
        text_buffer_fini(&(*near)->urls);
        free(*near);
        *near = NULL;
    }
}

static uint32_t quarter(uint64_t hash, unsigned q)
{
    return (uint32_t)(hash >> (16 * q)) & (CHAINS - 1);
}

struct look {
    uint64_t hash, url_hash;
    uint32_t best; /* the earliest within the distance, and no version of the page itself */
    bool is_known; /* the page itself is there */
};

static void look_along_locked(const struct text_near *near, unsigned q, uint32_t chain,
                              struct look *look)
{
    for (uint32_t i = near->heads[q][chain]; i != 0; i = near->entries[i - 1].next[q]) {
        const struct entry *e = &near->entries[i - 1];
        if (__builtin_popcountll(e->hash ^ look->hash) > TEXT_NEAR_DISTANCE) {
            continue;
        }
        if (e->url_hash == look->url_hash) {
            look->is_known = true;
        } else if (i - 1 < look->best) {
            look->best = i - 1;
        }
    }
}

static void look_locked(const struct text_near *near, struct look *look)
{
    for (unsigned q = 0; q < QUARTERS; q++) {
        uint32_t chain = quarter(look->hash, q);
        look_along_locked(near, q, chain, look);
        for (unsigned bit = 0; bit < QUARTER_BITS; bit++) {
            look_along_locked(near, q, chain ^ 1u << bit, look);
        }
    }
}

static void add_locked(struct text_near *near, uint64_t hash, uint64_t url_hash,
                       struct text_slice url)
{
    if (near->count == TEXT_NEAR_MAX_PAGES || near->urls.len + url.len > TEXT_NEAR_MAX_URL_BYTES) {
        return;
    }
    if (near->count == near->cap) {
        uint32_t cap = near->cap != 0 ? near->cap * 2 : 256;
        struct entry *more = realloc(near->entries, cap * sizeof *more);
        if (more == NULL) {
            return; /* a page that is not remembered is stored: no harm */
        }
        near->entries = more;
        near->cap = cap;
    }
    size_t at = near->urls.len;
    text_buffer_append(&near->urls, url.data, url.len);
    if (near->urls.failed) {
        near->urls.failed = false;
        return;
    }
    struct entry *e = &near->entries[near->count++];
    *e =
        (struct entry){.hash = hash, .url_hash = url_hash, .url = at, .url_len = (uint32_t)url.len};
    for (unsigned q = 0; q < QUARTERS; q++) {
        uint32_t *head = &near->heads[q][quarter(hash, q)];
        e->next[q] = *head;
        *head = near->count;
    }
}

bool text_near_find_or_add(struct text_near *near, uint64_t hash, struct text_slice url,
                           struct text_buffer *other)
{
    struct look look = {
        .hash = hash, .url_hash = XXH3_64bits(url.data, url.len), .best = UINT32_MAX};
    (void)mtx_lock(&near->lock);
    look_locked(near, &look);
    /* A page that is read again is the first one still, not the copy of its own copies. */
    bool is_copy = look.best != UINT32_MAX && !look.is_known;
    if (is_copy) {
        const struct entry *found = &near->entries[look.best];
        text_buffer_append(other, near->urls.data + found->url, found->url_len);
    } else if (!look.is_known) {
        add_locked(near, hash, look.url_hash, url);
    }
    (void)mtx_unlock(&near->lock);
    return is_copy;
}
