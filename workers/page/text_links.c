/* SPDX-License-Identifier: Apache-2.0 */
#include "text_links.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>

#define FIRST_SLOTS 512
#define MAX_LINK_BYTES 65536 /* longer ones are data in disguise */

void text_link_set_clear(struct text_link_set *set)
{
    text_buffer_clear(&set->bytes);
    set->count = 0;
    if (set->slots != NULL) {
        memset(set->slots, 0, set->slot_count * sizeof(uint32_t));
    }
}

void text_link_set_fini(struct text_link_set *set)
{
    text_buffer_fini(&set->bytes);
    free(set->links);
    free(set->slots);
    memset(set, 0, sizeof *set);
}

/* Twice as many slots (or the first ones), every link put in anew. */
static bool grow_slots(struct text_link_set *set)
{
    size_t count = set->slot_count == 0 ? FIRST_SLOTS : set->slot_count * 2;
    uint32_t *slots = calloc(count, sizeof(uint32_t));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < set->count; i++) {
        size_t slot = set->links[i].hash & (count - 1);
        while (slots[slot] != 0) {
            slot = (slot + 1) & (count - 1);
        }
        slots[slot] = (uint32_t)i + 1;
    }
    free(set->slots);
    set->slots = slots;
    set->slot_count = count;
    return true;
}

static bool make_room(struct text_link_set *set)
{
    if (set->count == set->cap) {
        size_t cap = set->cap == 0 ? 256 : set->cap * 2;
        struct text_link *links = realloc(set->links, cap * sizeof(struct text_link));
        if (links == NULL) {
            return false;
        }
        set->links = links;
        set->cap = cap;
    }
    return (set->count + 1) * 2 <= set->slot_count || grow_slots(set);
}

static bool is_link(const struct text_link_set *set, const struct text_link *link, uint64_t hash,
                    struct text_slice text)
{
    return link->hash == hash && link->len == text.len &&
           (text.len == 0 || memcmp(set->bytes.data + link->offset, text.data, text.len) == 0);
}

void text_link_set_add(struct text_link_set *set, struct text_slice text, bool nofollow)
{
    if (text.len > MAX_LINK_BYTES || set->bytes.failed || !make_room(set)) {
        return;
    }
    uint64_t hash = XXH3_64bits(text.len > 0 ? text.data : "", text.len);
    size_t slot = hash & (set->slot_count - 1);
    while (set->slots[slot] != 0) {
        struct text_link *link = &set->links[set->slots[slot] - 1];
        if (is_link(set, link, hash, text)) {
            link->nofollow = link->nofollow && nofollow;
            return;
        }
        slot = (slot + 1) & (set->slot_count - 1);
    }
    if (set->count >= set->limit) {
        return;
    }
    size_t offset = set->bytes.len;
    text_buffer_append(&set->bytes, text.data, text.len);
    if (!set->bytes.failed) {
        set->links[set->count++] = (struct text_link){
            .hash = hash, .offset = offset, .len = (uint32_t)text.len, .nofollow = nofollow};
        set->slots[slot] = (uint32_t)set->count;
    }
}

size_t text_link_set_find(const struct text_link_set *set, struct text_slice text)
{
    if (set->slot_count == 0) {
        return SIZE_MAX;
    }
    uint64_t hash = XXH3_64bits(text.len > 0 ? text.data : "", text.len);
    size_t slot = hash & (set->slot_count - 1);
    while (set->slots[slot] != 0) {
        if (is_link(set, &set->links[set->slots[slot] - 1], hash, text)) {
            return set->slots[slot] - 1;
        }
        slot = (slot + 1) & (set->slot_count - 1);
    }
    return SIZE_MAX;
}

void text_link_set_add_raw(struct text_link_set *raw, struct text_slice href, bool nofollow)
{
    /* Trimmed as the address parser would: spaces and control characters at both ends. */
    while (href.len > 0 && (unsigned char)href.data[0] <= ' ') {
        href.data++;
        href.len--;
    }
    const char *fragment = href.len > 0 ? memchr(href.data, '#', href.len) : NULL;
    if (fragment != NULL) {
        href.len = (size_t)(fragment - href.data);
    }
    while (href.len > 0 && fragment == NULL && (unsigned char)href.data[href.len - 1] <= ' ') {
        href.len--;
    }
    text_link_set_add(raw, href, nofollow);
}

void text_link_set_resolve(const struct text_link_set *raw, struct text_url *url,
                           struct text_link_set *out, struct text_buffer *scratch)
{
    for (size_t i = 0; i < raw->count; i++) {
        text_buffer_clear(scratch);
        if (text_url_resolve(url, text_link_of(raw, i), scratch)) {
            text_link_set_add(out, (struct text_slice){scratch->data, scratch->len},
                              raw->links[i].nofollow);
        }
    }
}
