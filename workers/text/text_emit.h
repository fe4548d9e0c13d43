/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEXT_EMIT_H
#define TEXT_EMIT_H

#include "text_extract.h"

/** Emit what the page in work gave: links to follow, and its document. */
enum gleaner_verdict text_emit(struct text_context *context);

/** The longest prefix of at most `limit` bytes that ends between characters. */
size_t text_cut_at_character(const struct text_buffer *text, size_t limit);

#endif
