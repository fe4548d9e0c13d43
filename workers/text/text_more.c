/* SPDX-License-Identifier: Apache-2.0 */
/* What is only read for those who ask: metadata and main text. */
#include "text_main.h"

#include <stdlib.h>

#define SHORT_MAIN 250 /* bytes: less is seldom an article */

static bool read_metadata(struct text_context *c)
{
    if (c->reader == NULL) {
        c->reader = calloc(1, sizeof *c->reader);
        if (c->reader == NULL) {
            return false;
        }
        if (!page_reader_init(c->reader)) {
            page_reader_fini(c->reader);
            free(c->reader);
            c->reader = NULL;
            return false;
        }
    }
    c->reader->host = c->host;
    c->reader->task = c->task;
    c->reader->page = c->page;
    bool done = page_reader_read(c->reader, NULL);
    c->stopped = c->stopped || c->reader->pass.stopped;
    return done || c->stopped;
}

/* Pages drawn by scripts bring their text as data. */
static void take_article_body(struct text_context *c)
{
    struct text_slice body = page_ld_first(&c->reader->meta.ld, PAGE_LD_BODY);
    if (c->main.out.len < SHORT_MAIN && body.len > 2 * c->main.out.len) {
        text_buffer_clear(&c->main.out);
        text_append_collapsed(&c->main.out, body);
    }
}

static void read_main_text(struct text_context *c)
{
    struct text_slice title = {c->title.data, c->title.len};
    bool done = text_tree_is_affordable(c) && text_main_extract(c, title);
    if (done && c->wants_metadata) {
        take_article_body(c);
    }
    if (!done || c->main.out.len == 0) {
        const struct text_buffer *text = text_body_out(c);
        text_buffer_clear(&c->main.out);
        text_buffer_append(&c->main.out, text->data, text->len);
    }
}

bool text_extract_more(struct text_context *c)
{
    if (c->wants_metadata && !read_metadata(c)) {
        return false;
    }
    if ((c->wants_main || c->near_mode != TEXT_NEAR_OFF) && !c->stopped) {
        read_main_text(c);
    }
    return !c->main.out.failed;
}
