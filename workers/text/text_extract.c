/* SPDX-License-Identifier: Apache-2.0 */
/* What the elements of a page mean: links, images, metadata. */
#include "text_extract.h"

#include "page_robots.h"

#include <lexbor/tag/const.h>
#include <stdlib.h>

static void reset_page(struct text_context *c)
{
    text_link_set_clear(&c->raw_links);
    text_link_set_clear(&c->raw_images);
    text_link_set_clear(&c->raw_areas);
    text_link_set_clear(&c->areas);
    text_link_set_clear(&c->links);
    text_link_set_clear(&c->images);
    text_buffer_clear(&c->title);
    text_buffer_clear(&c->description);
    text_buffer_clear(&c->og_description);
    text_buffer_clear(&c->language);
    text_buffer_clear(&c->canonical);
    c->base_used = false;
    c->canonical_seen = c->description_seen = c->language_seen = false;
    c->noindex = c->nofollow = false;
    c->title_state = TITLE_WANTED;
    plain_writer_reset(&c->plain);
    markdown_writer_reset(&c->markdown, &c->url, &c->base_used);
}

void text_extract_begin(struct text_context *c)
{
    c->is_markdown = c->page->want_markdown || c->wants_content;
    c->base_seen = false;
    c->stopped = false;
    text_buffer_clear(&c->base);
    text_url_forget_base(&c->url);
    (void)text_url_set_base(&c->url, (struct text_slice){c->page->url, c->page->url_len});
    reset_page(c);
}

/* One reading. Markdown holds resolved addresses in its text: should a <base> come after one of
 * them, the page is read again with the base known from the start. */
static bool read_once(struct text_context *c, bool (*pass)(struct text_context *))
{
    reset_page(c);
    bool base_known = c->base_seen;
    if (!pass(c)) {
        return false;
    }
    if (base_known || !c->base_seen || !c->base_used) {
        return true;
    }
    reset_page(c);
    return pass(c);
}

bool text_extract_page(struct text_context *c)
{
    if (!read_once(c, text_pass_tokens)) {
        return false;
    }
    if ((!c->doubtful && !c->wants_content) || c->stopped) {
        return true;
    }
    if (!text_tree_is_affordable(c)) {
        c->host->count(c->task, "text_tree_refused", 1);
        return true;
    }
    c->tree_refused = false;
    if (!read_once(c, text_pass_tree)) {
        return false;
    }
    if (c->tree_refused && !c->stopped) {
        c->host->count(c->task, "text_tree_refused", 1);
        return read_once(c, text_pass_tokens);
    }
    c->host->count(c->task, "text_tree_passes", 1);
    return true;
}

void text_extract_finish(struct text_context *c)
{
    text_link_set_resolve(&c->raw_links, &c->url, &c->links, &c->scratch);
    text_link_set_resolve(&c->raw_areas, &c->url, &c->areas, &c->scratch);
    text_link_set_resolve(&c->raw_images, &c->url, &c->images, &c->scratch);
    if (c->canonical_seen) {
        text_buffer_clear(&c->scratch);
        struct text_slice href = {c->canonical.data, c->canonical.len};
        c->canonical_seen = text_url_resolve(&c->url, href, &c->scratch);
        text_buffer_clear(&c->canonical);
        text_buffer_append(&c->canonical, c->scratch.data, c->scratch.len);
    }
    if (!c->description_seen && c->og_description.len > 0) {
        struct text_slice og = {c->og_description.data, c->og_description.len};
        text_append_collapsed(&c->description, og);
        c->description_seen = true;
    }
}

void text_found_title(struct text_context *c, const char *data, size_t len)
{
    if (c->title.len < TEXT_MAX_FIELD) {
        /* Collapsed when it is complete: a piece may end in the middle of a word. */
        text_buffer_append(&c->title, data, len);
    }
}

static void found_base(struct text_context *c, const struct text_element *element)
{
    if (c->base_seen || !text_element_has(element, ATTRIBUTE_HREF)) {
        return;
    }
    c->base_seen = true; /* the first one with an address counts, even a bad one */
    (void)text_url_set_base(&c->url, text_trim(element->attributes[ATTRIBUTE_HREF]));
}

/* A page that only leads on, as the start of many sites does. Not what it says to those without
 * scripts: that is often the same page again under another address. */
static void found_refresh(struct text_context *c, const struct text_element *element)
{
    struct text_slice target = text_refresh_target(element->attributes[ATTRIBUTE_CONTENT]);
    if (target.len > 0 && !element->is_fallback) {
        text_link_set_add_raw(&c->raw_areas, target, false);
    }
}

static void found_meta(struct text_context *c, const struct text_element *element)
{
    struct text_slice name = text_trim(element->attributes[ATTRIBUTE_NAME]);
    struct text_slice property = text_trim(element->attributes[ATTRIBUTE_PROPERTY]);
    struct text_slice content = element->attributes[ATTRIBUTE_CONTENT];
    if (text_equals_word(text_trim(element->attributes[ATTRIBUTE_HTTP_EQUIV]), "refresh")) {
        found_refresh(c, element);
        return;
    }
    if (page_read_robots(c->page, name, content, &c->noindex, &c->nofollow)) {
        return;
    }
    if (content.len > TEXT_MAX_FIELD) {
        return; /* no description; data in disguise */
    }
    if (text_equals_word(name, "description")) {
        if (!c->description_seen && text_trim(content).len > 0) {
            text_append_collapsed(&c->description, content);
            c->description_seen = true;
        }
    } else if (text_equals_word(property, "og:description") ||
               text_equals_word(name, "og:description")) {
        if (c->og_description.len == 0) {
            text_append_collapsed(&c->og_description, content);
        }
    }
}

static void found_link(struct text_context *c, const struct text_element *element)
{
    if (!c->canonical_seen && text_has_word(element->attributes[ATTRIBUTE_REL], "canonical") &&
        text_trim(element->attributes[ATTRIBUTE_HREF]).len > 0) {
        struct text_slice href = text_trim(element->attributes[ATTRIBUTE_HREF]);
        text_buffer_append(&c->canonical, href.data, href.len);
        c->canonical_seen = true;
    }
}

static void found_language(struct text_context *c, const struct text_element *element)
{
    struct text_slice lang = text_trim(element->attributes[ATTRIBUTE_LANG]);
    if (!c->language_seen && lang.len > 0 && lang.len <= 255) {
        text_buffer_append(&c->language, lang.data, lang.len);
        c->language_seen = true;
    }
}

static void add_link(struct text_link_set *set, const struct text_element *element,
                     enum text_attribute href)
{
    if (text_element_has(element, href)) {
        text_link_set_add_raw(set, element->attributes[href],
                              text_has_word(element->attributes[ATTRIBUTE_REL], "nofollow"));
    }
}

/* The older name counts where the newer one is missing (SVG 2, 16.1.3). */
static void found_drawn_link(struct text_context *c, const struct text_element *element)
{
    if (text_element_has(element, ATTRIBUTE_HREF)) {
        add_link(&c->raw_links, element, ATTRIBUTE_HREF);
    } else {
        add_link(&c->raw_areas, element, ATTRIBUTE_XLINK_HREF);
    }
}

void text_found_element(struct text_context *c, const struct text_element *element)
{
    if (!element->is_html) {
        if (element->tag == LXB_TAG_A) {
            found_drawn_link(c, element);
        }
        return; /* a drawing may link, but its title, base, link and so on are no page's */
    }
    switch (element->tag) {
    case LXB_TAG_A:
        add_link(&c->raw_links, element, ATTRIBUTE_HREF);
        break;
    case LXB_TAG_AREA:
        add_link(&c->raw_areas, element, ATTRIBUTE_HREF);
        break;
    case LXB_TAG_IMG:
        if (text_element_has(element, ATTRIBUTE_SRC)) {
            text_link_set_add_raw(&c->raw_images, element->attributes[ATTRIBUTE_SRC], false);
        }
        break;
    case LXB_TAG_BASE:
        found_base(c, element);
        break;
    case LXB_TAG_META:
        found_meta(c, element);
        break;
    case LXB_TAG_LINK:
        found_link(c, element);
        break;
    case LXB_TAG_HTML:
        found_language(c, element);
        break;
    default:
        break;
    }
}

bool text_wants_attributes(const struct text_context *c, uintptr_t tag)
{
    switch (tag) {
    case LXB_TAG_A:
    case LXB_TAG_AREA:
    case LXB_TAG_IMG:
    case LXB_TAG_IMAGE:
    case LXB_TAG_BASE:
    case LXB_TAG_META:
    case LXB_TAG_LINK:
    case LXB_TAG_HTML:
        return true;
    case LXB_TAG_OL:
    case LXB_TAG_PRE:
    case LXB_TAG_CODE:
        return c->is_markdown;
    default:
        return false;
    }
}

void text_element_add(struct text_element *element, const char *name, size_t name_len,
                      struct text_slice value)
{
    static const struct {
        const char *name;
        size_t len;
        enum text_attribute which;
    } names[] = {
        {"href", 4, ATTRIBUTE_HREF},
        {"src", 3, ATTRIBUTE_SRC},
        {"xlink:href", 10, ATTRIBUTE_XLINK_HREF},
        {"rel", 3, ATTRIBUTE_REL},
        {"name", 4, ATTRIBUTE_NAME},
        {"property", 8, ATTRIBUTE_PROPERTY},
        {"content", 7, ATTRIBUTE_CONTENT},
        {"http-equiv", 10, ATTRIBUTE_HTTP_EQUIV},
        {"lang", 4, ATTRIBUTE_LANG},
        {"alt", 3, ATTRIBUTE_ALT},
        {"start", 5, ATTRIBUTE_START},
        {"class", 5, ATTRIBUTE_CLASS},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].len == name_len && memcmp(names[i].name, name, name_len) == 0) {
            if (!text_element_has(element, names[i].which)) {
                element->present |= UINT32_C(1) << names[i].which;
                element->attributes[names[i].which] = value;
            }
            return;
        }
    }
}
