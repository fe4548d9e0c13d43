/* SPDX-License-Identifier: Apache-2.0 */
/* A flat reading of a page: start tags, end tags and texts of HTML in document order, by lexbor's
 * tokenizer; no tree. For what needs single elements only (images, players, metadata): markup that
 * is broken, or nested without end, costs no more than other markup. Templates and drawings are
 * left out; noscript is read like the rest, for what it falls back to. */
#ifndef PAGE_PASS_H
#define PAGE_PASS_H

#include "gleaner/worker.h"
#include "text_buffer.h"

#include <lexbor/html/html.h>
#include <lexbor/tag/const.h>

/* Receives the page. Tokens and slices live until the callback returns. */
struct page_sink {
    void (*open)(void *ctx, const lxb_html_token_t *token);
    void (*close)(void *ctx, uintptr_t tag);
    /** raw_tag: the element whose raw text this is (script, title, textarea, iframe, ...), else 0.
     */
    void (*text)(void *ctx, uintptr_t raw_tag, const char *data, size_t len);
    void *ctx;
};

/* One per context; one thread at a time. */
struct page_pass {
    lxb_html_tokenizer_t *tokenizer;
    const struct page_sink *sink;
    const struct gleaner_host *host;
    struct gleaner_task *task;
    uintptr_t raw_tag;
    unsigned template_depth;
    unsigned drawing_depth;
    unsigned tokens;
    bool stopped;
};

bool page_pass_init(struct page_pass *pass);
void page_pass_fini(struct page_pass *pass);

/** Read the page. False when memory ran out, or (`stopped`) when the host wants its thread back. */
bool page_pass_read(struct page_pass *pass, const struct gleaner_host *host,
                    struct gleaner_task *task, const struct gleaner_page *page,
                    const struct page_sink *sink);

/** How much memory it keeps, roughly. */
size_t page_pass_bytes(const struct page_pass *pass);

/** Value of an attribute, the first of that name; .data is NULL when it is absent. */
struct text_slice page_attribute(const lxb_html_token_t *token, const char *name);

#endif
