/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FETCH_SITEMAP_H
#define FETCH_SITEMAP_H

#include "fetch.h"

/* Between the files of the sitemap reader: the lists that grow, the limits (sitemaps.org). */
#define SITEMAP_MAX_BYTES (50u << 20)
#define SITEMAP_MAX_URLS 50000

struct sitemap_list {
    const char **items;
    size_t count, cap;
    struct base_keyset seen;
};

struct sitemap_builder {
    struct base_arena *arena; /* of the result */
    struct url_parser *parser;
    struct sitemap_list urls, sitemaps;
    bool is_cut;
    bool failed; /* out of memory */
};

/** Resolve, normalise, keep when new. What is no http(s) URL is left out. False: the list is full
 *  or memory is, so reading on is of no use. */
bool sitemap_add(struct sitemap_builder *builder, struct sitemap_list *list, const char *text,
                 size_t len);

/** Read UTF-8 markup: sitemap, index, RSS, Atom. */
void sitemap_read_xml(struct sitemap_builder *builder, const char *text, size_t len);

/** Undo gzip, up to SITEMAP_MAX_BYTES. A broken or longer stream gives what came before, and sets
 *  *is_cut. False without memory. */
bool sitemap_inflate(const char *body, size_t len, struct base_buffer *out, bool *is_cut);

#endif
