/* SPDX-License-Identifier: Apache-2.0 */
#include "text_content.h"

#include "page_relevance.h"
#include "text_emit.h"

#include <lexbor/dom/dom.h>
#include <lexbor/tag/const.h>
#include <stdlib.h>

#define COLLECTION "bambicontents"
#define CONTENT_BYTES ((16u << 20) - (256u << 10)) /* MongoDB's limit less the other fields */

/* ---- the content part ------------------------------------------------------------------------ */

static struct text_slice attribute(lxb_dom_node_t *node, const char *name)
{
    size_t len = 0;
    const lxb_char_t *value = lxb_dom_element_get_attribute(
        lxb_dom_interface_element(node), (const lxb_char_t *)name, strlen(name), &len);
    return (struct text_slice){value != NULL ? (const char *)value : "", value != NULL ? len : 0};
}

struct candidates {
    lxb_dom_node_t *main, *article, *content;
    bool several_articles;
};

static void look_at(struct candidates *found, lxb_dom_node_t *node)
{
    if (node->local_name == LXB_TAG_MAIN ||
        text_equals_word(text_trim(attribute(node, "role")), "main")) {
        found->main = found->main != NULL ? found->main : node;
    } else if (node->local_name == LXB_TAG_ARTICLE) {
        found->several_articles = found->several_articles || found->article != NULL;
        found->article = found->article != NULL ? found->article : node;
    } else if (found->content == NULL && text_has_word(attribute(node, "class"), "content")) {
        found->content = node;
    }
}

static lxb_dom_node_t *next_node(lxb_dom_node_t *node, const lxb_dom_node_t *root)
{
    if (node->first_child != NULL) {
        return node->first_child;
    }
    while (node != root && node->next == NULL) {
        node = node->parent;
    }
    return node == root ? NULL : node->next;
}

lxb_dom_node_t *text_content_root(lxb_dom_node_t *body)
{
    struct candidates found = {0};
    for (lxb_dom_node_t *node = body; node != NULL; node = next_node(node, body)) {
        if (node->type == LXB_DOM_NODE_TYPE_ELEMENT) {
            look_at(&found, node);
        }
    }
    if (found.main != NULL) {
        return found.main;
    }
    if (found.article != NULL && !found.several_articles) {
        return found.article;
    }
    return found.content != NULL ? found.content : body;
}

/* ---- relevance ------------------------------------------------------------------------------- */

bool text_is_relevant(const struct text_context *c)
{
    const struct text_buffer *text = text_body_out((struct text_context *)(uintptr_t)c);
    const struct page_meta *meta = &c->reader->meta;
    const struct text_slice texts[] = {
        {text->data, text->len},
        {c->title.data, c->title.len},
        page_meta_fact(meta, PAGE_FACT_DESCRIPTION),
        page_meta_value(meta, "keywords"),
    };
    return page_is_relevant(c->host, c->task, texts, sizeof texts / sizeof texts[0]);
}

/* ---- the document ---------------------------------------------------------------------------- */

enum gleaner_verdict text_emit_content(const struct text_context *c)
{
    const struct page_reader *r = c->reader;
    const struct gleaner_host *host = c->host;
    const struct text_buffer *content = &c->markdown.out;
    struct text_buffer title = {0};
    if (!page_worker_begin(r, COLLECTION, (struct text_slice){c->page->url, c->page->url_len})) {
        return GLEANER_PAGE_RETRY;
    }
    text_append_collapsed(&title, page_meta_fact(&r->meta, PAGE_FACT_TITLE));
    host->doc_text(c->task, "type", "text", 4);
    host->doc_text(c->task, "fileType", "html", 4);
    if (title.len > 0) {
        host->doc_text(c->task, "title", title.data, text_cut_at_character(&title, TEXT_MAX_FIELD));
    } else { /* a required field: mongoose takes no empty text for one */
        host->doc_text(c->task, "title", c->page->url, c->page->url_len);
    }
    host->doc_text(c->task, "content", content->data,
                   text_cut_at_character(content, CONTENT_BYTES));
    host->doc_text(c->task, "url", c->page->url, c->page->url_len);
    host->doc_text(c->task, "source", "web", 3);
    page_meta_emit_content(&r->meta, host, c->task, page_meta_fact(&r->meta, PAGE_FACT_DESCRIPTION),
                           true, c->page->fetched_at_ms);
    host->doc_date(c->task, "dateAdded", c->page->fetched_at_ms);
    host->doc_int(c->task, "__v", 0);
    text_buffer_fini(&title);
    return page_worker_commit(r) ? GLEANER_PAGE_DONE : GLEANER_PAGE_FAILED;
}
