/* SPDX-License-Identifier: Apache-2.0 */
/* What a page says of itself: title, meta elements (description, keywords, OpenGraph, Twitter,
 * Dublin Core), canonical address, language, times, linked data. Fed by a page_pass. */
#ifndef PAGE_META_H
#define PAGE_META_H

#include "page_jsonld.h"
#include "page_pass.h"
#include "text_url.h"

#define PAGE_META_TAGS 256
#define PAGE_META_BYTES 65536 /* of one value */

/* One meta element; offsets into `bytes`. */
struct page_meta_tag {
    size_t name, name_len; /* in lower case */
    size_t value, value_len;
};

/* Zero-initialised is empty and valid. */
struct page_meta {
    struct text_buffer bytes;
    struct page_meta_tag tags[PAGE_META_TAGS];
    unsigned tag_count;
    struct text_buffer title, language, canonical, time, script;
    bool title_open, title_done, script_is_data, base_seen;
    struct text_buffer base;
    bool noindex, nofollow;
    struct page_ld ld;
};

/* What can be asked, whatever element says it. */
enum page_fact {
    PAGE_FACT_TITLE, /* <title>, else OpenGraph's */
    PAGE_FACT_DESCRIPTION,
    PAGE_FACT_AUTHOR,
    PAGE_FACT_DATE, /* published, as written */
    PAGE_FACT_MODIFIED,
    PAGE_FACT_LANGUAGE,
    PAGE_FACT_SITE_NAME,
    PAGE_FACT_IMAGE,
    PAGE_FACT_TYPE,
    PAGE_FACT_COUNT
};

void page_meta_clear(struct page_meta *meta);
void page_meta_fini(struct page_meta *meta);

/* Calls of a sink. */
void page_meta_open(struct page_meta *meta, const struct gleaner_page *page,
                    const lxb_html_token_t *token);
void page_meta_close(struct page_meta *meta, uintptr_t tag);
void page_meta_text(struct page_meta *meta, uintptr_t raw_tag, const char *data, size_t len);

/** The first <base href>, or empty. */
struct text_slice page_meta_base(const struct page_meta *meta);
/** Value of the first meta element of this name (lower case) or property; empty when absent. */
struct text_slice page_meta_value(const struct page_meta *meta, const char *name);
struct text_slice page_meta_fact(const struct page_meta *meta, enum page_fact fact);

/** Emit the keywords (of meta keywords, article:tag, linked data; unique) as array `name`. */
void page_meta_emit_keywords(const struct page_meta *meta, const struct gleaner_host *host,
                             struct gleaner_task *task, const char *name);
/** Emit everything as object `name`: description, author, date, modified, language, canonical
 *  (absolute), keywords, site_name, image, type, opengraph {}, twitter {}, json_ld []. */
void page_meta_emit(const struct page_meta *meta, struct text_url *url,
                    const struct gleaner_host *host, struct gleaner_task *task, const char *name);
/** The application's: {keywords, description, categories?, created}. */
void page_meta_emit_content(const struct page_meta *meta, const struct gleaner_host *host,
                            struct gleaner_task *task, struct text_slice description,
                            bool with_categories, int64_t created_ms);

#endif
