/* SPDX-License-Identifier: Apache-2.0 */
/* Where pages hide their images. */
#include "image.h"

#include "page_srcset.h"

#include <stdlib.h>

#define MAX_WORDS 4096 /* of a description */

/* Scripts move these into src and srcset when the image comes into view. */
static const char *const lazy_addresses[] = {
    "data-src",        "data-original", "data-lazy-src",  "data-lazy",       "data-original-src",
    "data-hi-res-src", "data-full-src", "data-orig-file", "data-large-file", "data-large_image",
};
static const char *const lazy_sets[] = {"data-srcset", "data-lazy-srcset", "data-original-set"};

static struct image_words keep_words(struct image_context *c, struct text_slice text)
{
    struct image_words words = {.offset = c->bytes.len};
    text = text_trim(text);
    if (text.len > 0 && text.len <= MAX_WORDS) {
        struct text_buffer line = {0};
        text_append_collapsed(&line, text);
        text_buffer_append(&c->bytes, line.data, line.len);
        words.len = c->bytes.len - words.offset;
        text_buffer_fini(&line);
    }
    return words;
}

static bool make_room(struct image_context *c)
{
    if (c->count < c->cap) {
        return true;
    }
    size_t cap = c->cap == 0 ? 64 : c->cap * 2;
    struct image_mention *mentions = realloc(c->mentions, cap * sizeof *mentions);
    if (mentions == NULL) {
        return false;
    }
    c->mentions = mentions;
    c->cap = cap;
    return true;
}

static void add(struct image_context *c, struct text_slice href, const struct image_mention *words)
{
    href = text_trim(href);
    bool is_data = href.len >= 5 && text_equals_word((struct text_slice){href.data, 5}, "data:");
    if (href.len == 0 || href.len > PAGE_META_BYTES || is_data || c->count == IMAGE_MAX ||
        !make_room(c)) {
        return;
    }
    struct image_mention mention = *words;
    mention.href = (struct image_words){c->bytes.len, href.len};
    text_buffer_append(&c->bytes, href.data, href.len);
    if (!c->bytes.failed) {
        c->mentions[c->count++] = mention;
    }
}

static void add_set(struct image_context *c, struct text_slice srcset,
                    const struct image_mention *words)
{
    struct text_slice url;
    while (page_srcset_next(&srcset, &url)) {
        add(c, url, words);
    }
}

/* "true" in a lazy-load attribute is a switch, no address. */
static bool looks_like_address(struct text_slice value)
{
    return value.len > 0 && (memchr(value.data, '/', value.len) != NULL ||
                             memchr(value.data, '.', value.len) != NULL);
}

static void found_image(struct image_context *c, const lxb_html_token_t *token)
{
    struct image_mention words = {.alt = keep_words(c, page_attribute(token, "alt")),
                                  .title = keep_words(c, page_attribute(token, "title"))};
    add(c, page_attribute(token, "src"), &words);
    for (size_t i = 0; i < sizeof lazy_addresses / sizeof lazy_addresses[0]; i++) {
        struct text_slice value = page_attribute(token, lazy_addresses[i]);
        if (looks_like_address(value)) {
            add(c, value, &words);
        }
    }
    add_set(c, page_attribute(token, "srcset"), &words);
    for (size_t i = 0; i < sizeof lazy_sets / sizeof lazy_sets[0]; i++) {
        add_set(c, page_attribute(token, lazy_sets[i]), &words);
    }
}

/* Of a picture; the sources of a video have no srcset. */
static void found_source(struct image_context *c, const lxb_html_token_t *token)
{
    static const struct image_mention no_words;
    add_set(c, page_attribute(token, "srcset"), &no_words);
    for (size_t i = 0; i < sizeof lazy_sets / sizeof lazy_sets[0]; i++) {
        add_set(c, page_attribute(token, lazy_sets[i]), &no_words);
    }
}

static void found_meta(struct image_context *c, const lxb_html_token_t *token)
{
    static const char *const names[] = {"og:image",      "og:image:url",      "og:image:secure_url",
                                        "twitter:image", "twitter:image:src", "image"};
    static const char *const attributes[] = {"property", "name", "itemprop"};
    static const struct image_mention no_words;
    for (size_t a = 0; a < 3; a++) {
        struct text_slice name = text_trim(page_attribute(token, attributes[a]));
        for (size_t i = 0; name.len > 0 && i < sizeof names / sizeof names[0]; i++) {
            if (text_equals_word(name, names[i])) {
                add(c, page_attribute(token, "content"), &no_words);
                return;
            }
        }
    }
}

void image_found_open(void *ctx, const lxb_html_token_t *token)
{
    static const struct image_mention no_words;
    struct image_context *c = ctx;
    switch (token->tag_id) {
    case LXB_TAG_IMG:
    case LXB_TAG_IMAGE: /* the tree builder makes an img of it */
        found_image(c, token);
        break;
    case LXB_TAG_SOURCE:
        found_source(c, token);
        break;
    case LXB_TAG_META:
        found_meta(c, token);
        break;
    case LXB_TAG_INPUT:
        if (text_equals_word(page_attribute(token, "type"), "image")) {
            found_image(c, token);
        }
        break;
    case LXB_TAG_LINK:
        if (text_has_word(page_attribute(token, "rel"), "image_src")) {
            add(c, page_attribute(token, "href"), &no_words);
        }
        break;
    case LXB_TAG_FIGURE:
        c->in_figure = true;
        c->figure_first = c->count;
        text_buffer_clear(&c->caption);
        break;
    case LXB_TAG_FIGCAPTION:
        c->in_caption = c->in_figure;
        break;
    default:
        break;
    }
}

/* The caption goes to the figure's images that say nothing of themselves. */
static void end_figure(struct image_context *c)
{
    struct image_words caption =
        keep_words(c, (struct text_slice){c->caption.data, c->caption.len});
    for (size_t i = c->figure_first; i < c->count && caption.len > 0; i++) {
        if (c->mentions[i].alt.len == 0 && c->mentions[i].title.len == 0) {
            c->mentions[i].title = caption;
        }
    }
    c->in_figure = c->in_caption = false;
}

void image_found_close(void *ctx, uintptr_t tag)
{
    struct image_context *c = ctx;
    if (tag == LXB_TAG_FIGCAPTION) {
        c->in_caption = false;
    } else if (tag == LXB_TAG_FIGURE && c->in_figure) {
        end_figure(c);
    }
}

void image_found_text(void *ctx, uintptr_t raw_tag, const char *data, size_t len)
{
    struct image_context *c = ctx;
    if (c->in_caption && raw_tag == LXB_TAG__UNDEF && c->caption.len + len < MAX_WORDS) {
        text_buffer_append(&c->caption, data, len);
    }
}

/* A later mention may have the words that the first one lacks (og:image comes before the body). */
static bool keep_image(struct image_context *c, struct text_slice url,
                       const struct image_mention *mention)
{
    size_t before = c->images.count;
    text_link_set_add(&c->images, url, false);
    if (c->images.count > before) {
        if (before == c->words_cap) {
            size_t cap = c->words_cap == 0 ? 64 : c->words_cap * 2;
            struct image_mention *words = realloc(c->words, cap * sizeof *words);
            if (words == NULL) {
                return false;
            }
            c->words = words;
            c->words_cap = cap;
        }
        c->words[before] = *mention;
        return true;
    }
    size_t at = text_link_set_find(&c->images, url);
    if (at != SIZE_MAX) {
        struct image_mention *words = &c->words[at];
        words->alt = words->alt.len > 0 ? words->alt : mention->alt;
        words->title = words->title.len > 0 ? words->title : mention->title;
    }
    return true;
}

bool image_resolve(struct image_context *c)
{
    struct text_buffer url = {0};
    bool kept = true;
    for (size_t i = 0; i < c->count && kept; i++) {
        text_buffer_clear(&url);
        if (text_url_resolve(&c->reader.url, image_words_of(c, c->mentions[i].href), &url)) {
            kept = keep_image(c, (struct text_slice){url.data, url.len}, &c->mentions[i]);
        }
    }
    text_buffer_fini(&url);
    return kept && !c->bytes.failed;
}
