/* SPDX-License-Identifier: Apache-2.0 */
/* What the tree of a page costs. The tree builder looks through the open elements at many tokens
 * and through the attributes of an element for each new one (time), and opens all unclosed
 * formatting elements anew at many tokens, with their attributes (memory, some 200 bytes each). A
 * page made to hurt is not worth that: beyond these limits the token pass's answer stands.
 *
 * Counted twice: roughly by the token pass, for whoever decides whether to begin; and exactly while
 * the tree is built, because only the tree builder knows which end tags end something
 * ("<span><div></span></div>" looks closed and goes one deeper each time). */
#include "text_tokens.h"

#include "page_tokenizer.h"

#include <lexbor/html/html.h>
#include <lexbor/tag/const.h>

#define TREE_MAX_STEPS 200000000L
#define TREE_MAX_ELEMENTS 1000000L
#define TREE_MAX_BYTES (8u << 20)
/* The tree's tokenizer looks for duplicates while it reads a tag, where nobody can stop it. */
#define LONG_TAG_BYTES 16384
/* Attributes that make an unclosed formatting element as dear as one more. */
#define ATTRIBUTES_OF_AN_ELEMENT 16

/* ---- roughly, in the token pass -------------------------------------------------------------- */

static void count_open(struct text_depth *depth, int change)
{
    depth->open += depth->open + change >= 0 ? change : 0;
    depth->deepest = depth->open > depth->deepest ? depth->open : depth->deepest;
}

static long attribute_count(const lxb_html_token_t *token)
{
    long count = 0;
    for (const lxb_html_token_attr_t *a = token->attr_first; a != NULL; a = a->next) {
        count++;
    }
    return count;
}

void text_cost_count(struct text_context *c, const lxb_html_token_t *token, int change)
{
    if (text_nests(token->tag_id)) {
        count_open(&c->elements, change);
    }
    if (text_is_formatting(token->tag_id)) {
        count_open(&c->formatting, change);
    }
    if (token->attr_last != NULL && token->attr_last->name_begin - token->begin > LONG_TAG_BYTES) {
        long count = attribute_count(token);
        c->attribute_steps += count * count;
    }
}

/* The document interns names of its own in tables of 128 chains, half of one for each occurrence;
 * an occurrence is some four bytes; a step there is a cache miss, as dear as sixteen others. */
static bool has_few_names(const struct text_context *c)
{
    uint64_t names = lexbor_hash_entries_count(c->tokenizer->tags) +
                     lexbor_hash_entries_count(c->tokenizer->attrs);
    return names * c->page->body_len / (4 * 256) <= (uint64_t)TREE_MAX_STEPS / 16;
}

bool text_tree_is_affordable(const struct text_context *c)
{
    return c->page->body_len <= TREE_MAX_BYTES && has_few_names(c) &&
           c->attribute_steps <= TREE_MAX_STEPS &&
           (long)c->tokens * (c->elements.deepest + 1) <= TREE_MAX_STEPS &&
           (long)c->tokens * (c->formatting.deepest + 1) <= TREE_MAX_ELEMENTS;
}

/* ---- exactly, while it is built -------------------------------------------------------------- */

struct building {
    struct text_context *context;
    const lxb_html_tree_t *tree;
    lxb_html_tokenizer_token_f take; /* the tree builder's own */
    void *take_ctx;
    long tokens, steps, elements;
    long merged; /* attributes of all <html> and <body> tags, which go to one element each */
    long heavy;  /* attributes of formatting elements, in elements */
    bool refused;
};

static void count_token(struct building *b, const lxb_html_token_t *token)
{
    long attributes = attribute_count(token), there = attributes;
    if (token->tag_id == LXB_TAG_HTML || token->tag_id == LXB_TAG_BODY) {
        b->merged += attributes;
        there = b->merged;
    } else if (attributes >= ATTRIBUTES_OF_AN_ELEMENT && text_is_formatting(token->tag_id)) {
        b->heavy += attributes / ATTRIBUTES_OF_AN_ELEMENT;
    }
    b->steps += 1 + (long)b->tree->open_elements->length + attributes * there;
    b->elements += (long)b->tree->active_formatting->length * (1 + b->heavy);
}

static lxb_html_token_t *take_token(lxb_html_tokenizer_t *tokenizer, lxb_html_token_t *token,
                                    void *ctx)
{
    struct building *b = ctx;
    struct text_context *c = b->context;
    count_token(b, token);
    if (++b->tokens % PAGE_ASK_HOST_EVERY == 0 && c->host->should_stop(c->task)) {
        c->stopped = true;
    }
    if (c->stopped || b->steps > TREE_MAX_STEPS || b->elements > TREE_MAX_ELEMENTS) {
        b->refused = true;
        return NULL; /* ends the tokenizer, and the tree */
    }
    return b->take(tokenizer, token, b->take_ctx);
}

enum text_tree text_tree_build(struct text_context *c, lxb_html_document_t **out)
{
    struct building b = {.context = c};
    lxb_html_parser_t *parser = lxb_html_parser_create();
    *out = NULL;
    if (parser != NULL && lxb_html_parser_init(parser) == LXB_STATUS_OK) {
        b.tree = parser->tree;
        b.take = parser->tkz->callback_token_done;
        b.take_ctx = parser->tkz->callback_token_ctx;
        lxb_html_tokenizer_callback_token_done_set(parser->tkz, take_token, &b);
        *out = lxb_html_parse(parser, (const lxb_char_t *)c->page->body, c->page->body_len);
    }
    (void)lxb_html_parser_destroy(parser);
    return *out != NULL ? TEXT_TREE_BUILT : b.refused ? TEXT_TREE_REFUSED : TEXT_TREE_NO_MEMORY;
}
