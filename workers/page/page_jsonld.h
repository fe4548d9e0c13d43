/* SPDX-License-Identifier: Apache-2.0 */
/* Linked data in a page's scripts (application/ld+json): the few properties that a scrape stores,
 * of every typed object. Lenient: raw line feeds in strings, comments around the data and text
 * behind it are common in real pages; what cannot be read ends the script, what was read stays. */
#ifndef PAGE_JSONLD_H
#define PAGE_JSONLD_H

#include "text_buffer.h"

#include <stdint.h>

#define PAGE_LD_OBJECTS 64

enum page_ld_property {
    PAGE_LD_TYPE,
    PAGE_LD_NAME,
    PAGE_LD_HEADLINE,
    PAGE_LD_DESCRIPTION,
    PAGE_LD_AUTHOR,
    PAGE_LD_PUBLISHER,
    PAGE_LD_PUBLISHED,
    PAGE_LD_MODIFIED,
    PAGE_LD_UPLOADED,
    PAGE_LD_KEYWORDS,
    PAGE_LD_SECTION,
    PAGE_LD_LANGUAGE,
    PAGE_LD_URL,
    PAGE_LD_IMAGE,
    PAGE_LD_CONTENT_URL,
    PAGE_LD_EMBED_URL,
    PAGE_LD_THUMBNAIL,
    PAGE_LD_DURATION,
    PAGE_LD_BODY,
    PAGE_LD_COUNT
};

/* One typed object. */
struct page_ld_object {
    bool is_part; /* of another: its author, its image */
    size_t offset[PAGE_LD_COUNT];
    size_t len[PAGE_LD_COUNT]; /* 0 = absent */
};

/* Zero-initialised is empty and valid. */
struct page_ld {
    struct text_buffer bytes;
    struct page_ld_object objects[PAGE_LD_OBJECTS];
    unsigned count;
};

void page_ld_clear(struct page_ld *ld);
void page_ld_fini(struct page_ld *ld);
/** Read one script's text. */
void page_ld_read(struct page_ld *ld, const char *json, size_t len);
/** A property's value, empty when absent. Lists of names are joined with ", ". */
struct text_slice page_ld_value(const struct page_ld *ld, unsigned object,
                                enum page_ld_property property);
/** The first value of a property among objects that are no parts. */
struct text_slice page_ld_first(const struct page_ld *ld, enum page_ld_property property);
/** Its name in the data: "headline". */
const char *page_ld_name(enum page_ld_property property);

#endif
