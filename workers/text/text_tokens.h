/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the token pass: what the HTML standard says of tags, as tables. */
#ifndef TEXT_TOKENS_H
#define TEXT_TOKENS_H

#include "text_extract.h"

/* ---- frames (text_frames.c) ---- */
/** The innermost frame, or NULL. */
struct text_frame *text_top_frame(struct text_context *context);
void text_push_frame(struct text_context *context, enum frame_kind kind, uintptr_t tag, bool skips);
void text_pop_frame(struct text_context *context);
void text_pop_frames_to(struct text_context *context, unsigned count);
/** Directly inside a table, outside any cell: what stands here is moved before the table. */
bool text_is_between_cells(const struct text_frame *frame);
/** An HTML start tag in the body. False when the tree builder would drop it. */
bool text_open_structure(struct text_context *context, uintptr_t tag);
/** An HTML end tag in the body. False when the writers should not hear of it. */
bool text_close_structure(struct text_context *context, uintptr_t tag);
void text_close_template(struct text_context *context);

/* ---- tags (text_tags.c) ---- */
/** "Special" elements that have an end: one left open swallows the end tag of what is around it. */
bool text_is_special(uintptr_t tag);
/** HTML start tags that end SVG or MathML content. */
bool text_breaks_out(uintptr_t tag);
/** Elements the tree builder opens again after misnesting. */
bool text_is_formatting(uintptr_t tag);
/** Not void, nor closed by the next of its kind: unclosed ones go ever deeper. */
bool text_nests(uintptr_t tag);
/** SVG and MathML elements whose content is HTML again. */
bool text_is_integration_point(uintptr_t tag);

/* ---- what a tree would cost (text_cost.c) ---- */
/** A start tag (1) or an end tag (-1). */
void text_cost_count(struct text_context *context, const lxb_html_token_t *token, int change);

/** Inside SVG or MathML, or the element that begins it. */
void text_tokens_open_foreign(struct text_context *context, const lxb_html_token_t *token);

#endif
