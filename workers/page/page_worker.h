/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of a module that reads pages flat (page_pass) and emits what it collected: contexts
 * kept between pages, metadata collected on the way, addresses resolved when the base is known. */
#ifndef PAGE_WORKER_H
#define PAGE_WORKER_H

#include "page_kind.h"
#include "page_meta.h"
#include "page_pass.h"
#include "text_url.h"

/* First member of a module's context. */
struct page_reader {
    struct page_pass pass;
    struct text_url url; /* its base is set when emit is called */
    struct page_meta meta;
    const struct gleaner_host *host;
    struct gleaner_task *task;
    const struct gleaner_page *page;
    bool wants_text;         /* collect what a reader sees, a line a block, in `text` */
    struct text_buffer text; /* white space as written */
};
bool page_reader_init(struct page_reader *reader);
void page_reader_fini(struct page_reader *reader);
/** Read the page for its metadata, and for `extra` (may be NULL). */
bool page_reader_read(struct page_reader *reader, const struct page_sink *extra);

struct page_worker_kind {
    const char *name;
    size_t context_size;          /* contexts are zeroed memory that begins with a page_reader */
    void (*begin)(void *context); /* forget the last page */
    void (*fini)(void *context);
    size_t (*bytes)(const void *context); /* kept, roughly */
    struct page_sink sink;                /* ctx is filled in */
    enum gleaner_verdict (*emit)(void *context);
    bool is_local; /* files of ours: their text is wanted, their robots meta is for others */
};

/* A module's open, handle, close with the kind filled in. */
enum gleaner_status page_worker_open(void **state);
enum gleaner_verdict page_worker_handle(void *state, const struct page_worker_kind *kind,
                                        const struct gleaner_host *host, struct gleaner_task *task,
                                        const struct gleaner_page *page);
void page_worker_close(void *state, const struct page_worker_kind *kind);

/** Is the page relevant by its text, title, description, keywords, or `more` (page_relevance.h)? */
bool page_worker_is_relevant(const struct page_reader *reader, struct text_slice more);
/** Begin a document; logs why not. */
bool page_worker_begin(const struct page_reader *reader, const char *collection,
                       struct text_slice key);
/** Commit it; logs why not. */
bool page_worker_commit(const struct page_reader *reader);

#endif
