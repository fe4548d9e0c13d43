/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the token pass: what the HTML standard says of tags, as tables. */
#ifndef TEXT_TOKENS_H
#define TEXT_TOKENS_H

#include "text_extract.h"

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

void text_tokens_open_foreign(struct text_context *context, const lxb_html_token_t *token);

#endif
