/* SPDX-License-Identifier: Apache-2.0 */
/* Where pages have their videos. */
#include "video.h"

#define MAX_WORDS 4096 /* of a title */

static struct video_words keep(struct video_context *c, struct text_slice text, size_t limit)
{
    struct video_words words = {.offset = c->bytes.len};
    text = text_trim(text);
    if (text.len > 0 && text.len <= limit) {
        text_buffer_append(&c->bytes, text.data, text.len);
        words.len = c->bytes.len - words.offset;
    }
    return words;
}

static bool has_scheme(struct text_slice href, const char *scheme)
{
    size_t len = strlen(scheme);
    return href.len >= len && text_equals_word((struct text_slice){href.data, len}, scheme);
}

static void add(struct video_context *c, enum video_kind kind, struct text_slice href,
                struct video_words title, struct video_words poster)
{
    href = text_trim(href);
    if (href.len == 0 || has_scheme(href, "data:") || has_scheme(href, "blob:") ||
        has_scheme(href, "about:") || c->count == VIDEO_MAX) {
        return;
    }
    struct video_words kept = keep(c, href, PAGE_META_BYTES);
    if (kept.len > 0) {
        c->mentions[c->count++] =
            (struct video_mention){.kind = kind, .href = kept, .title = title, .poster = poster};
    }
}

/* Scripts move these into src when the video comes into view. */
static void add_sources(struct video_context *c, enum video_kind kind,
                        const lxb_html_token_t *token, struct video_words title,
                        struct video_words poster)
{
    static const char *const attributes[] = {"src", "data-src", "data-lazy-src",
                                             "data-litespeed-src", "data-original"};
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        add(c, kind, page_attribute(token, attributes[i]), title, poster);
    }
}

static struct video_words title_of(struct video_context *c, const lxb_html_token_t *token)
{
    struct text_slice title = page_attribute(token, "title");
    if (text_trim(title).len == 0) {
        title = page_attribute(token, "aria-label");
    }
    return keep(c, title, MAX_WORDS);
}

static void found_video(struct video_context *c, const lxb_html_token_t *token)
{
    c->in_video = true;
    c->title = title_of(c, token);
    struct text_slice poster = page_attribute(token, "poster");
    c->poster =
        keep(c, poster.data != NULL ? poster : page_attribute(token, "data-poster"), MAX_WORDS);
    add_sources(c, VIDEO_FILE, token, c->title, c->poster);
}

static void found_meta(struct video_context *c, const lxb_html_token_t *token)
{
    static const char *const names[] = {"og:video", "og:video:url", "og:video:secure_url",
                                        "twitter:player", "twitter:player:stream"};
    static const char *const attributes[] = {"property", "name"};
    static const struct video_words none;
    for (size_t a = 0; a < 2; a++) {
        struct text_slice name = text_trim(page_attribute(token, attributes[a]));
        for (size_t i = 0; name.len > 0 && i < sizeof names / sizeof names[0]; i++) {
            if (text_equals_word(name, names[i])) {
                add(c, VIDEO_EITHER, page_attribute(token, "content"), none, none);
                return;
            }
        }
    }
}

void video_found_open(void *ctx, const lxb_html_token_t *token)
{
    static const struct video_words none;
    struct video_context *c = ctx;
    switch (token->tag_id) {
    case LXB_TAG_VIDEO:
        found_video(c, token);
        break;
    case LXB_TAG_AUDIO:
    case LXB_TAG_PICTURE:
        c->in_video = false; /* its sources are none of a video */
        break;
    case LXB_TAG_SOURCE:
        if (c->in_video) {
            add_sources(c, VIDEO_FILE, token, c->title, c->poster);
        }
        break;
    case LXB_TAG_IFRAME:
    case LXB_TAG_EMBED:
        add_sources(c, VIDEO_FRAME, token, title_of(c, token), none);
        break;
    case LXB_TAG_OBJECT:
        add(c, VIDEO_FRAME, page_attribute(token, "data"), title_of(c, token), none);
        break;
    case LXB_TAG_META:
        found_meta(c, token);
        break;
    default:
        break;
    }
}

void video_found_close(void *ctx, uintptr_t tag)
{
    struct video_context *c = ctx;
    if (tag == LXB_TAG_VIDEO) {
        c->in_video = false;
    }
}

void video_found_text(void *ctx, uintptr_t raw_tag, const char *data, size_t len)
{
    (void)ctx;
    (void)raw_tag;
    (void)data;
    (void)len;
}

/* ---- from mentions to videos ----------------------------------------------------------------- */

static void add_linked_data(struct video_context *c)
{
    const struct page_ld *ld = &c->reader.meta.ld;
    for (unsigned i = 0; i < ld->count; i++) {
        struct text_slice file = page_ld_value(ld, i, PAGE_LD_CONTENT_URL);
        struct text_slice embed = page_ld_value(ld, i, PAGE_LD_EMBED_URL);
        if (!text_equals_word(page_ld_value(ld, i, PAGE_LD_TYPE), "VideoObject")) {
            continue;
        }
        struct video_words title = keep(c, page_ld_value(ld, i, PAGE_LD_NAME), MAX_WORDS);
        struct video_words poster = keep(c, page_ld_value(ld, i, PAGE_LD_THUMBNAIL), MAX_WORDS);
        add(c, VIDEO_EITHER, embed, title, poster);
        add(c, VIDEO_FILE, file, title, poster);
    }
}

static struct video_words keep_absolute(struct video_context *c, struct video_words href)
{
    struct video_words absolute = {.offset = c->bytes.len};
    struct text_buffer url = {0};
    if (href.len > 0 && text_url_resolve(&c->reader.url, video_words_of(c, href), &url)) {
        text_buffer_append(&c->bytes, url.data, url.len);
        absolute.len = c->bytes.len - absolute.offset;
    }
    text_buffer_fini(&url);
    return absolute;
}

/* A later mention may have the words that the first one lacks (og:video comes before the body). */
static void complete(struct video_found *video, const struct video_found *more)
{
    video->embed = video->embed.len > 0 ? video->embed : more->embed;
    video->title = video->title.len > 0 ? video->title : more->title;
    video->poster = video->poster.len > 0 ? video->poster : more->poster;
}

static void keep_video(struct video_context *c, const struct video_mention *mention,
                       struct text_slice url, struct text_slice embed)
{
    struct video_found video = {.title = mention->title,
                                .poster = keep_absolute(c, mention->poster),
                                .embed = keep(c, embed, PAGE_META_BYTES)};
    size_t before = c->videos.count;
    text_link_set_add(&c->videos, url, false);
    if (c->videos.count > before) {
        c->found[before] = video;
        return;
    }
    size_t at = text_link_set_find(&c->videos, url);
    if (at != SIZE_MAX) {
        complete(&c->found[at], &video);
    }
}

static void resolve_mention(struct video_context *c, const struct video_mention *mention,
                            struct text_buffer *address, struct text_buffer *url,
                            struct text_buffer *embed)
{
    text_buffer_clear(address);
    text_buffer_clear(url);
    text_buffer_clear(embed);
    if (!text_url_resolve(&c->reader.url, video_words_of(c, mention->href), address)) {
        return;
    }
    struct text_slice whole = {address->data, address->len};
    if (video_known_player(whole, url, embed)) {
        keep_video(c, mention, (struct text_slice){url->data, url->len},
                   (struct text_slice){embed->data, embed->len});
    } else if (mention->kind != VIDEO_FRAME) {
        keep_video(c, mention, whole, (struct text_slice){"", 0});
    }
}

bool video_resolve(struct video_context *c)
{
    struct text_buffer address = {0};
    struct text_buffer url = {0};
    struct text_buffer embed = {0};
    add_linked_data(c);
    for (size_t i = 0; i < c->count; i++) {
        resolve_mention(c, &c->mentions[i], &address, &url, &embed);
    }
    bool failed = address.failed || url.failed || embed.failed || c->bytes.failed;
    text_buffer_fini(&address);
    text_buffer_fini(&url);
    text_buffer_fini(&embed);
    return !failed;
}
