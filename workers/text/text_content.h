/* SPDX-License-Identifier: Apache-2.0 */
/* The application's document of a text submission (reference: collection `bambicontents`): title
 * and markdown of the page's content part, when a word of the setting `relevance` is in it. */
#ifndef TEXT_CONTENT_H
#define TEXT_CONTENT_H

#include "text_extract.h"

/** `main`, else the only `article`, else what has class "content", else the body. */
lxb_dom_node_t *text_content_root(lxb_dom_node_t *body);

/** Does the page speak of one of the words in the setting `relevance` (separated by commas)? No
 *  words: everything is relevant. */
bool text_is_relevant(const struct text_context *context);

enum gleaner_verdict text_emit_content(const struct text_context *context);

#endif
