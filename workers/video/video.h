/* SPDX-License-Identifier: Apache-2.0 */
/* The videos of one page. */
#ifndef VIDEO_H
#define VIDEO_H

#include "page_worker.h"
#include "text_links.h"

#define VIDEO_MAX 2000 /* of one page, mentions and videos */

struct video_words {
    size_t offset, len;
};

/* How a mention's address is to be read. */
enum video_kind {
    VIDEO_FILE,  /* of a video element, og:video of type video/...: as it is */
    VIDEO_FRAME, /* of an iframe: a video only when a player is known there */
    VIDEO_EITHER /* og:video: a player's page or a file */
};

/* One mention in the page: addresses as written. */
struct video_mention {
    enum video_kind kind;
    struct video_words href, title, poster;
};

/* One video: absolute addresses; its own is videos.links[i]. */
struct video_found {
    struct video_words embed, title, poster;
};

struct video_context {
    struct page_reader reader;
    struct text_buffer bytes;
    struct video_mention mentions[VIDEO_MAX];
    size_t count;
    bool in_video;
    struct video_words title, poster; /* of the open video element */
    struct text_link_set videos;
    struct video_found found[VIDEO_MAX];
};

/* A sink's calls. */
void video_found_open(void *ctx, const lxb_html_token_t *token);
void video_found_close(void *ctx, uintptr_t tag);
void video_found_text(void *ctx, uintptr_t raw_tag, const char *data, size_t len);

/** Take the videos of linked data, resolve all mentions into videos. */
bool video_resolve(struct video_context *context);

/** Is this absolute address a known player, or a page of one? Then `url` is the address people
 *  watch it at, `embed` the one that goes into a frame. Appends to both. */
bool video_known_player(struct text_slice address, struct text_buffer *url,
                        struct text_buffer *embed);

static inline struct text_slice video_words_of(const struct video_context *context,
                                               struct video_words words)
{
    return (struct text_slice){words.len > 0 ? context->bytes.data + words.offset : "", words.len};
}

#endif
