/* SPDX-License-Identifier: Apache-2.0 */
/* The tree pass: lexbor builds the document, a walk without recursion reports it. Template contents
 * hang beside the tree and are not visited. */
#include "text_content.h"

#include <lexbor/dom/dom.h>
#include <lexbor/html/html.h>
#include <lexbor/tag/const.h>

struct walk {
    struct text_context *context;
    const lxb_dom_node_t *body;
    const lxb_dom_node_t *title;
    bool in_body;
    unsigned skip_depth;
};

static bool is_skipped(const struct walk *w, uintptr_t tag)
{
    return tag == LXB_TAG_SCRIPT || tag == LXB_TAG_STYLE || tag == LXB_TAG_NOSCRIPT ||
           tag == LXB_TAG_TEMPLATE ||
           (w->context->wants_content && (tag == LXB_TAG_SVG || tag == LXB_TAG_IFRAME));
}

static void read_attributes(lxb_dom_node_t *node, struct text_element *element)
{
    lxb_dom_attr_t *attr = lxb_dom_element_first_attribute(lxb_dom_interface_element(node));
    for (; attr != NULL; attr = lxb_dom_element_next_attribute(attr)) {
        size_t name_len = 0;
        size_t len = 0;
        /* Whole names, as written: a drawing's xlink:href is no href. */
        const lxb_char_t *name = lxb_dom_attr_qualified_name(attr, &name_len);
        const lxb_char_t *value = lxb_dom_attr_value(attr, &len);
        text_element_add(element, (const char *)name, name_len,
                         (struct text_slice){value != NULL ? (const char *)value : "", len});
    }
}

static void enter_element(struct walk *w, lxb_dom_node_t *node)
{
    struct text_element element = {.tag = node->local_name,
                                   .is_html = node->ns == LXB_NS_HTML,
                                   .is_fallback = w->skip_depth > 0};
    if (text_wants_attributes(w->context, element.tag)) {
        read_attributes(node, &element);
        text_found_element(w->context, &element);
    }
    if (element.tag == LXB_TAG_TITLE && element.is_html &&
        w->context->title_state == TITLE_WANTED) {
        w->context->title_state = TITLE_OPEN;
        w->title = node;
    }
    if (node == w->body) {
        w->in_body = true;
    } else if (w->in_body && w->skip_depth == 0 && !is_skipped(w, element.tag)) {
        text_body_open(w->context, &element);
    }
    if (is_skipped(w, element.tag)) {
        w->skip_depth++;
    }
}

static void leave_element(struct walk *w, const lxb_dom_node_t *node)
{
    if (is_skipped(w, node->local_name)) {
        w->skip_depth--;
    } else if (node == w->body) {
        w->in_body = false;
    } else if (w->in_body && w->skip_depth == 0) {
        text_body_close(w->context, node->local_name);
    }
    if (node == w->title) {
        w->context->title_state = TITLE_DONE;
    }
}

static void enter_node(struct walk *w, lxb_dom_node_t *node)
{
    if (node->type == LXB_DOM_NODE_TYPE_ELEMENT) {
        enter_element(w, node);
    } else if (node->type == LXB_DOM_NODE_TYPE_TEXT) {
        const lexbor_str_t *text = &lxb_dom_interface_text(node)->char_data.data;
        if (w->context->title_state == TITLE_OPEN) {
            text_found_title(w->context, (const char *)text->data, text->length);
        }
        if (w->in_body && w->skip_depth == 0) {
            text_body_text(w->context, (const char *)text->data, text->length);
        }
    }
}

static void walk_tree(struct walk *w, lxb_dom_node_t *root)
{
    lxb_dom_node_t *node = root;
    while (node != NULL) {
        enter_node(w, node);
        if (node->first_child != NULL) {
            node = node->first_child;
            continue;
        }
        while (node != root && node->next == NULL) {
            if (node->type == LXB_DOM_NODE_TYPE_ELEMENT) {
                leave_element(w, node);
            }
            node = node->parent;
        }
        if (node->type == LXB_DOM_NODE_TYPE_ELEMENT) {
            leave_element(w, node);
        }
        node = node == root ? NULL : node->next;
    }
}

bool text_pass_tree(struct text_context *c)
{
    lxb_html_document_t *document;
    enum text_tree built = text_tree_build(c, &document);
    c->tree_refused = built == TEXT_TREE_REFUSED;
    if (built == TEXT_TREE_BUILT) {
        lxb_dom_node_t *body = lxb_dom_interface_node(document->body);
        struct walk w = {.context = c, .body = c->wants_content ? text_content_root(body) : body};
        walk_tree(&w, lxb_dom_interface_node(document));
        if (c->is_markdown) {
            markdown_writer_end(&c->markdown);
        }
    }
    (void)lxb_html_document_destroy(document);
    return built != TEXT_TREE_NO_MEMORY;
}
