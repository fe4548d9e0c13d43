/* SPDX-License-Identifier: Apache-2.0 */
/* Main text: what is left of a page without navigation, headers, footers, asides, comments and
 * advertisements. Works on lexbor's tree; never part of a plain crawl. */
#ifndef TEXT_MAIN_H
#define TEXT_MAIN_H

#include "text_extract.h"

/** Fill context->main. `title` is left out where it is repeated. False when memory ran out or the
 *  page is too large: the whole text is the answer then. */
bool text_main_extract(struct text_context *context, struct text_slice title);

/* ---- hints (text_main_hints.c): what class and id say ---- */
enum main_hint {
    HINT_NOISE = 1,   /* sharing, related links, newsletters, bylines, ... */
    HINT_COMMENT = 2, /* what readers say */
    HINT_BODY = 4,    /* the text of an article, by one of its usual names */
    HINT_CONTENT = 8, /* content in general */
    HINT_LEAD = 16    /* the sentences between an article's heading and its body */
};
unsigned text_main_hints(struct text_slice names);
/** A short line that asks to click, share or subscribe. */
bool text_main_is_slogan(struct text_slice line);

#endif
