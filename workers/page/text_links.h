/* SPDX-License-Identifier: Apache-2.0 */
/* A set of strings that keeps its order: the links (or images) of one page. */
#ifndef TEXT_LINKS_H
#define TEXT_LINKS_H

#include "text_buffer.h"
#include "text_url.h"

#include <stdint.h>

struct text_link {
    uint64_t hash;
    size_t offset; /* into the bytes */
    uint32_t len;
    bool nofollow; /* every occurrence says so */
};

/* Zero-initialised is empty and valid. One thread at a time. */
struct text_link_set {
    struct text_buffer bytes;
    struct text_link *links;
    size_t count;
    size_t cap;
    uint32_t *slots; /* index + 1 of a link, 0 empty; open addressing, a power of two */
    size_t slot_count;
    size_t limit; /* no more links than these */
};

void text_link_set_clear(struct text_link_set *set);
void text_link_set_fini(struct text_link_set *set);
/** Add unless it is there; a second occurrence that may be followed clears nofollow. */
void text_link_set_add(struct text_link_set *set, struct text_slice text, bool nofollow);
/** Which one it is, SIZE_MAX when it is not there. */
size_t text_link_set_find(const struct text_link_set *set, struct text_slice text);

static inline struct text_slice text_link_of(const struct text_link_set *set, size_t i)
{
    return (struct text_slice){set->bytes.data + set->links[i].offset, set->links[i].len};
}

/** Add an attribute as written: white space trimmed, fragment cut. Most links of a page repeat, so
 *  they are made unique before they are resolved, and again after. */
void text_link_set_add_raw(struct text_link_set *raw, struct text_slice href, bool nofollow);

/** Resolve every raw link into `out`, http(s) only; `scratch` is memory to work in. */
void text_link_set_resolve(const struct text_link_set *raw, struct text_url *url,
                           struct text_link_set *out, struct text_buffer *scratch);

#endif
