/* SPDX-License-Identifier: Apache-2.0 */
/* Types and dimensions of the images that a page names, from their first bytes: fetched by the
 * host, under its politeness, one after the other until the page's deadline. */
#include "image.h"

#include <stdlib.h>

#define HEADERS_MAX 100 /* of one page; the others stay unknown */

static bool is_wanted(const struct page_reader *r)
{
    const char *wish = r->host->setting(r->task, "dimensions");
    bool has_fetch =
        r->host->size >= offsetof(struct gleaner_host, fetch) + sizeof r->host->fetch &&
        r->host->fetch != NULL;
    return wish != NULL && has_fetch &&
           (strcmp(wish, "true") == 0 || strcmp(wish, "1") == 0 || strcmp(wish, "yes") == 0 ||
            strcmp(wish, "on") == 0);
}

static enum gleaner_status read_one(const struct page_reader *r, struct text_slice url,
                                    struct image_header *out)
{
    struct gleaner_resource got = {.size = sizeof got};
    enum gleaner_status status =
        r->host->fetch(r->task, url.data, url.len, IMAGE_HEADER_BYTES, &got);
    if (status == GLEANER_OK && !image_header_read(got.bytes, got.len, out)) {
        out->width = out->height = 0;
    }
    r->host->count(r->task, out->width > 0 ? "image_headers_read" : "image_headers_unknown", 1);
    return status;
}

bool image_read_headers(struct image_context *c)
{
    const struct page_reader *r = &c->reader;
    enum gleaner_status status = GLEANER_OK;
    c->has_headers = is_wanted(r);
    for (size_t i = 0; c->has_headers && i < c->images.count && i < HEADERS_MAX; i++) {
        status = read_one(r, text_link_of(&c->images, i), &c->words[i].header);
        if (status == GLEANER_E_CLOSED || status == GLEANER_E_UNSUPPORTED ||
            r->host->should_stop(r->task)) {
            break;
        }
    }
    return status != GLEANER_E_CLOSED;
}

static void emit_pixels(const struct gleaner_host *host, struct gleaner_task *task,
                        const char *name, uint32_t pixels)
{
    if (pixels > 0) {
        host->doc_int(task, name, pixels);
    } else {
        host->doc_null(task, name);
    }
}

void image_emit_header(const struct image_header *header, const struct gleaner_host *host,
                       struct gleaner_task *task)
{
    if (header->type != NULL) {
        host->doc_text(task, "mediaType", header->type, strlen(header->type));
    } else {
        host->doc_null(task, "mediaType");
    }
    emit_pixels(host, task, "width", header->width);
    emit_pixels(host, task, "height", header->height);
}
