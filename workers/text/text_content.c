/* SPDX-License-Identifier: Apache-2.0 */
#include "text_content.h"

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

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Marks of markdown may stand inside a phrase: "**bambi** sleep". */
static bool is_mark(char c)
{
    return c == '*' || c == '\\' || c == '~' || c == '[' || c == ']' || c == '`';
}

/* Does `text` go on with `word` here? Any white space in the text is one space of the word. */
static bool matches_at(const char *p, const char *end, struct text_slice word)
{
    size_t i = 0;
    while (i < word.len && p < end) {
        if (text_is_space(word.data[i]) && text_is_space(*p)) {
            while (p < end && (text_is_space(*p) || is_mark(*p))) {
                p++;
            }
            i++;
        } else if (lower(*p) == lower(word.data[i])) {
            p++;
            i++;
        } else if (is_mark(*p)) {
            p++;
        } else {
            return false;
        }
    }
    return i == word.len;
}

static bool speaks_of(struct text_slice text, struct text_slice word)
{
    for (size_t i = 0; i + word.len <= text.len; i++) {
        if (lower(text.data[i]) == lower(word.data[0]) &&
            matches_at(text.data + i, text.data + text.len, word)) {
            return true;
        }
    }
    return false;
}

static bool page_speaks_of(const struct text_context *c, struct text_slice word)
{
    const struct text_buffer *text = text_body_out((struct text_context *)(uintptr_t)c);
    const struct page_meta *meta = &c->reader->meta;
    return speaks_of((struct text_slice){text->data, text->len}, word) ||
           speaks_of((struct text_slice){c->title.data, c->title.len}, word) ||
           speaks_of(page_meta_fact(meta, PAGE_FACT_DESCRIPTION), word) ||
           speaks_of(page_meta_value(meta, "keywords"), word);
}

bool text_is_relevant(const struct text_context *c)
{
    const char *words = c->host->setting(c->task, "relevance");
    bool any = false;
    while (words != NULL && *words != '\0') {
        size_t len = strcspn(words, ",");
        struct text_slice word = text_trim((struct text_slice){words, len});
        if (word.len > 0) {
            any = true;
            if (page_speaks_of(c, word)) {
                return true;
            }
        }
        words += words[len] == ',' ? len + 1 : len;
    }
    return !any;
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
