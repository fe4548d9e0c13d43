/* SPDX-License-Identifier: Apache-2.0 */
#include "page_tokenizer.h"

#include <lexbor/html/tokenizer/state.h>

/* Buckets of the tables that intern unknown tag and attribute names: many, because a page may bring
 * millions of different ones, on one element even, where nobody can ask whether to stop. (With
 * 4,096 half a million took 5 s.) Only those in use cost memory. */
#define NAME_BUCKETS 32768
#define BYTES_OF_NAME 128

lxb_html_tokenizer_t *page_tokenizer_create(void)
{
    lxb_html_tokenizer_t *tokenizer = lxb_html_tokenizer_create();
    if (tokenizer == NULL || lxb_html_tokenizer_init(tokenizer) != LXB_STATUS_OK ||
        lxb_html_tokenizer_tags_make(tokenizer, NAME_BUCKETS) != LXB_STATUS_OK ||
        lxb_html_tokenizer_attrs_make(tokenizer, NAME_BUCKETS) != LXB_STATUS_OK) {
        page_tokenizer_destroy(tokenizer);
        return NULL;
    }
    /* Looking for duplicates takes quadratic time; the first of a name counts here anyway. */
    lxb_html_tokenizer_keep_duplicate_set(tokenizer, true);
    return tokenizer;
}

void page_tokenizer_destroy(lxb_html_tokenizer_t *tokenizer)
{
    if (tokenizer != NULL) {
        /* Made by us, so the tokenizer does not free them. */
        lxb_html_tokenizer_tags_destroy(tokenizer);
        lxb_html_tokenizer_attrs_destroy(tokenizer);
        (void)lxb_html_tokenizer_destroy(tokenizer);
    }
}

size_t page_tokenizer_bytes(const lxb_html_tokenizer_t *tokenizer)
{
    size_t names =
        lexbor_hash_entries_count(tokenizer->tags) + lexbor_hash_entries_count(tokenizer->attrs);
    return (size_t)(tokenizer->end - tokenizer->start) + names * BYTES_OF_NAME;
}

bool page_tokenizer_read(lxb_html_tokenizer_t *tokenizer, lxb_html_tree_t *tree, const char *body,
                         size_t len, lxb_html_tokenizer_token_f take, void *ctx)
{
    lxb_html_tokenizer_clean(tokenizer);
    lxb_html_tokenizer_tree_set(tokenizer, tree);
    lxb_html_tokenizer_callback_token_done_set(tokenizer, take, ctx);
    return lxb_html_tokenizer_begin(tokenizer) == LXB_STATUS_OK &&
           lxb_html_tokenizer_chunk(tokenizer, (const lxb_char_t *)body, len) == LXB_STATUS_OK &&
           lxb_html_tokenizer_end(tokenizer) == LXB_STATUS_OK;
}

void page_tokenizer_forget(lxb_html_tokenizer_t *tokenizer, const lxb_html_token_t *token)
{
    if (token->attr_first != NULL) {
        lexbor_dobject_clean(tokenizer->dobj_token_attr);
        lexbor_mraw_clean(tokenizer->mraw);
    }
}
