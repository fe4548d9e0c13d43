/* SPDX-License-Identifier: Apache-2.0 */
/* lexbor's tokenizer as the readers of pages use it: names stay interned over pages, the first of
 * two attributes of one name counts, memory of attributes is free after each tag. */
#ifndef PAGE_TOKENIZER_H
#define PAGE_TOKENIZER_H

#include <lexbor/html/html.h>
#include <stdbool.h>
#include <stddef.h>

/* How many tokens a reader takes between two questions whether the host wants its thread back. */
#define PAGE_ASK_HOST_EVERY 4096

/** NULL when memory ran out. */
lxb_html_tokenizer_t *page_tokenizer_create(void);
/** NULL is allowed. */
void page_tokenizer_destroy(lxb_html_tokenizer_t *tokenizer);

/** How much memory it keeps, roughly. */
size_t page_tokenizer_bytes(const lxb_html_tokenizer_t *tokenizer);

/** Give `take` the tokens of a page. False when memory ran out or `take` returned NULL.
 * `tree` (may be NULL) tells the tokenizer the namespace of what is open. */
bool page_tokenizer_read(lxb_html_tokenizer_t *tokenizer, lxb_html_tree_t *tree, const char *body,
                         size_t len, lxb_html_tokenizer_token_f take, void *ctx);

/** At the end of `take`: the token's attributes are not needed any more. */
void page_tokenizer_forget(lxb_html_tokenizer_t *tokenizer, const lxb_html_token_t *token);

#endif
