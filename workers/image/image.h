/* SPDX-License-Identifier: Apache-2.0 */
/* The images of one page. */
#ifndef IMAGE_H
#define IMAGE_H

#include "image_header.h"
#include "page_worker.h"
#include "text_links.h"

#define IMAGE_MAX 10000 /* of one page, mentions and images */

/* Words in the context's bytes. */
struct image_words {
    size_t offset, len;
};
/* One mention of an image in the page: its address as written. */
struct image_mention {
    struct image_words href, alt, title;
    struct image_header header; /* type NULL = not known */
};

struct image_context {
    struct page_reader reader;
    struct text_buffer bytes;
    struct image_mention *mentions;
    size_t count, cap;
    /* A figure's caption describes the images in it that have no words of their own. */
    size_t figure_first;
    bool in_figure, in_caption;
    struct text_buffer caption;
    /* The images: absolute, unique; words[i] are of images.links[i]. */
    struct text_link_set images;
    struct image_mention *words;
    size_t words_cap;
    bool has_headers; /* they were asked for */
};

/* A sink's calls. */
void image_found_open(void *ctx, const lxb_html_token_t *token);
void image_found_close(void *ctx, uintptr_t tag);
void image_found_text(void *ctx, uintptr_t raw_tag, const char *data, size_t len);

/** Resolve the mentions into images. */
bool image_resolve(struct image_context *context);

/* image_size.c */
/** With the setting `dimensions`: fetch the beginnings of the images and read their headers. False
 *  when the process stops: the page is to be done again. */
bool image_read_headers(struct image_context *context);
/** mediaType, width and height of one; null where they are not known. */
void image_emit_header(const struct image_header *header, const struct gleaner_host *host,
                       struct gleaner_task *task);

/* image_file.c: the page is an image itself. */
bool image_file_is(const struct gleaner_page *page);
enum gleaner_verdict image_file_emit(const struct gleaner_host *host, struct gleaner_task *task,
                                     const struct gleaner_page *page);

static inline struct text_slice image_words_of(const struct image_context *context,
                                               struct image_words words)
{
    return (struct text_slice){words.len > 0 ? context->bytes.data + words.offset : "", words.len};
}

#endif
