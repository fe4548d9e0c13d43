/* SPDX-License-Identifier: Apache-2.0 */
/* The elements of the body that may be main text, as an array. */
#include "text_main_internal.h"

#include <lexbor/tag/const.h>
#include <stdlib.h>

#define MAX_PARTS 200000

static bool is_never_main(uintptr_t tag)
{
    switch (tag) {
    case LXB_TAG_SCRIPT:
    case LXB_TAG_STYLE:
    case LXB_TAG_NOSCRIPT:
    case LXB_TAG_TEMPLATE:
    case LXB_TAG_IFRAME:
    case LXB_TAG_SVG:
    case LXB_TAG_MATH:
    case LXB_TAG_CANVAS:
    case LXB_TAG_BUTTON:
    case LXB_TAG_SELECT:
    case LXB_TAG_TEXTAREA:
    case LXB_TAG_INPUT:
    case LXB_TAG_LABEL:
    case LXB_TAG_OBJECT:
    case LXB_TAG_EMBED:
    case LXB_TAG_AUDIO:
    case LXB_TAG_VIDEO:
    case LXB_TAG_DIALOG:
    case LXB_TAG_NAV:
    case LXB_TAG_ASIDE:
    case LXB_TAG_MENU:
    case LXB_TAG_FIGCAPTION:
        return true;
    default:
        return false;
    }
}

static struct text_slice attribute(lxb_dom_node_t *node, const char *name)
{
    size_t len = 0;
    const lxb_char_t *value = lxb_dom_element_get_attribute(
        lxb_dom_interface_element(node), (const lxb_char_t *)name, strlen(name), &len);
    return (struct text_slice){value != NULL ? (const char *)value : "", value != NULL ? len : 0};
}

static bool contains(struct text_slice text, const char *part)
{
    return text.len > 0 && memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static bool is_hidden(lxb_dom_node_t *node)
{
    static const char *const roles[] = {"navigation", "banner", "contentinfo", "complementary",
                                        "search",     "dialog", "alertdialog", "menu",
                                        "menubar",    "tablist"};
    struct text_slice style = attribute(node, "style");
    if (lxb_dom_element_has_attribute(lxb_dom_interface_element(node), (const lxb_char_t *)"hidden",
                                      6) ||
        contains(style, "display:none") || contains(style, "display: none")) {
        return true;
    }
    struct text_slice role = attribute(node, "role");
    for (size_t i = 0; role.len > 0 && i < sizeof roles / sizeof roles[0]; i++) {
        if (text_equals_word(role, roles[i])) {
            return true;
        }
    }
    return false;
}

static unsigned hints_of(lxb_dom_node_t *node, uintptr_t tag)
{
    unsigned hints =
        text_main_hints(attribute(node, "class")) | text_main_hints(attribute(node, "id"));
    if (text_has_word(attribute(node, "itemprop"), "articleBody")) {
        hints |= HINT_BODY;
    }
    if (tag == LXB_TAG_FORM || tag == LXB_TAG_FOOTER || tag == LXB_TAG_HEADER) {
        hints |= HINT_NOISE;
    }
    if (tag == LXB_TAG_MAIN || text_equals_word(attribute(node, "role"), "main")) {
        hints |= HINT_CONTENT;
    }
    if (tag == LXB_TAG_BODY || tag == LXB_TAG_MAIN || tag == LXB_TAG_ARTICLE) {
        hints &= ~(unsigned)(HINT_NOISE | HINT_COMMENT);
    }
    return hints;
}

static bool make_room(struct main_pass *m)
{
    if (m->count < m->cap) {
        return true;
    }
    size_t cap = m->cap == 0 ? 1024 : m->cap * 2;
    struct main_part *parts = m->count < MAX_PARTS ? realloc(m->parts, cap * sizeof *parts) : NULL;
    if (parts == NULL) {
        return false;
    }
    m->parts = parts;
    m->cap = cap;
    return true;
}

/* False: not listed, nor what is in it. */
static bool list_element(struct main_pass *m, lxb_dom_node_t *node, uint32_t parent)
{
    uintptr_t tag = node->local_name;
    if (node->ns != LXB_NS_HTML || is_never_main(tag) || (tag != LXB_TAG_BODY && is_hidden(node))) {
        return false;
    }
    if (!make_room(m)) {
        m->failed = true;
        return false;
    }
    uint32_t index = m->count++;
    bool is_block = text_break_of(tag) >= BREAK_LINE || tag == LXB_TAG_BODY || tag == LXB_TAG_TD ||
                    tag == LXB_TAG_TH;
    m->parts[index] = (struct main_part){
        .node = node,
        .tag = tag,
        .parent = parent,
        .block = is_block || index == 0 ? index : m->parts[parent].block,
        .in_link = tag == LXB_TAG_A || (index > 0 && m->parts[parent].in_link),
        .hints = (uint8_t)hints_of(node, tag),
    };
    node->user = (void *)(uintptr_t)(index + 1);
    return true;
}

static uint32_t index_of(const lxb_dom_node_t *node)
{
    return (uint32_t)((uintptr_t)node->user - 1);
}

static void list_text(struct main_pass *m, const lxb_dom_node_t *node)
{
    const lexbor_str_t *text = &lxb_dom_interface_text(node)->char_data.data;
    uint32_t bytes = 0;
    for (size_t i = 0; i < text->length; i++) {
        bytes += !text_is_space((char)text->data[i]);
    }
    const struct main_part *parent = &m->parts[index_of(node->parent)];
    struct main_part *block = &m->parts[parent->block];
    block->own_text += bytes;
    block->own_link += parent->in_link ? bytes : 0;
}

void text_main_list(struct main_pass *m, lxb_dom_node_t *body)
{
    lxb_dom_node_t *node = body;
    while (node != NULL && !m->failed) {
        bool enter = false;
        if (node->type == LXB_DOM_NODE_TYPE_ELEMENT) {
            uint32_t parent = node == body ? 0 : index_of(node->parent);
            enter = list_element(m, node, parent);
        } else if (node->type == LXB_DOM_NODE_TYPE_TEXT) {
            list_text(m, node);
        }
        if (enter && node->first_child != NULL) {
            node = node->first_child;
            continue;
        }
        while (node != body && node->next == NULL) {
            node = node->parent;
        }
        node = node == body ? NULL : node->next;
    }
}
