/* SPDX-License-Identifier: Apache-2.0 */
/* The module: the images of HTML pages. A submission gives one document of the application's
 * `imagecontents` for each; else one document with all of them (page_wants_page_document). */
#include "image.h"

#include <stdlib.h>

#define COLLECTION "imagecontents"

static void image_begin(void *context)
{
    struct image_context *c = context;
    text_buffer_clear(&c->bytes);
    text_buffer_clear(&c->caption);
    text_link_set_clear(&c->images);
    c->images.limit = IMAGE_MAX;
    c->count = 0;
    c->in_figure = c->in_caption = c->has_headers = false;
}

static void image_fini(void *context)
{
    struct image_context *c = context;
    text_buffer_fini(&c->bytes);
    text_buffer_fini(&c->caption);
    text_link_set_fini(&c->images);
    free(c->mentions);
    free(c->words);
}

static size_t image_bytes(const void *context)
{
    const struct image_context *c = context;
    return c->bytes.cap + c->images.bytes.cap + (c->cap + c->words_cap) * sizeof *c->mentions;
}

static struct text_slice description_of(const struct image_context *c, size_t i)
{
    const struct image_mention *words = &c->words[i];
    return image_words_of(c, words->alt.len > 0 ? words->alt : words->title);
}

/* The application's document of one image. */
static bool emit_content(const struct image_context *c, size_t i)
{
    const struct page_reader *r = &c->reader;
    struct text_slice url = text_link_of(&c->images, i);
    if (!page_worker_begin(r, COLLECTION, url)) {
        return false;
    }
    r->host->doc_text(r->task, "type", "image", 5);
    r->host->doc_text(r->task, "url", url.data, url.len);
    r->host->doc_text(r->task, "source", r->page->url, r->page->url_len);
    if (c->has_headers) {
        image_emit_header(&c->words[i].header, r->host, r->task);
    }
    page_meta_emit_content(&r->meta, r->host, r->task, description_of(c, i), true,
                           r->page->fetched_at_ms);
    r->host->doc_date(r->task, "dateAdded", r->page->fetched_at_ms);
    r->host->doc_int(r->task, "__v", 0);
    return page_worker_commit(r);
}

static void emit_details(const struct image_context *c)
{
    const struct page_reader *r = &c->reader;
    r->host->doc_open(r->task, "image_details", true);
    for (size_t i = 0; i < c->images.count; i++) {
        struct text_slice url = text_link_of(&c->images, i);
        struct text_slice alt = image_words_of(c, c->words[i].alt);
        struct text_slice title = image_words_of(c, c->words[i].title);
        r->host->doc_open(r->task, "", false);
        r->host->doc_text(r->task, "url", url.data, url.len);
        r->host->doc_text(r->task, "alt", alt.data, alt.len);
        r->host->doc_text(r->task, "title", title.data, title.len);
        if (c->has_headers) {
            image_emit_header(&c->words[i].header, r->host, r->task);
        }
        r->host->doc_close(r->task);
    }
    r->host->doc_close(r->task);
}

/* One document of the page. */
static bool emit_page(const struct image_context *c)
{
    const struct page_reader *r = &c->reader;
    if (!page_worker_begin(r, NULL, (struct text_slice){r->page->url, r->page->url_len})) {
        return false;
    }
    r->host->doc_text(r->task, "url", r->page->url, r->page->url_len);
    r->host->doc_open(r->task, "images", true);
    for (size_t i = 0; i < c->images.count; i++) {
        struct text_slice url = text_link_of(&c->images, i);
        r->host->doc_text(r->task, "", url.data, url.len);
    }
    r->host->doc_close(r->task);
    emit_details(c);
    r->host->doc_date(r->task, "fetched_at", r->page->fetched_at_ms);
    return page_worker_commit(r);
}

static enum gleaner_verdict image_emit(void *context)
{
    struct image_context *c = context;
    const struct page_reader *r = &c->reader;
    if (!image_resolve(c)) {
        r->host->log(r->task, 0, "image: no memory for this page");
        return GLEANER_PAGE_RETRY;
    }
    bool is_one = page_wants_page_document(r->host, r->task, r->page);
    bool is_relevant =
        is_one || page_worker_is_relevant(r, (struct text_slice){c->bytes.data, c->bytes.len});
    r->host->content_found(r->task, c->images.count > 0 && is_relevant);
    if (is_relevant && !image_read_headers(c)) {
        r->host->log(r->task, 1, "image: stopped before the images' dimensions were read");
        return GLEANER_PAGE_RETRY;
    }
    if (is_one) {
        return emit_page(c) ? GLEANER_PAGE_DONE : GLEANER_PAGE_FAILED;
    }
    for (size_t i = 0; is_relevant && i < c->images.count; i++) {
        if (!emit_content(c, i)) {
            return GLEANER_PAGE_FAILED;
        }
    }
    return GLEANER_PAGE_DONE;
}

static const struct page_worker_kind kind = {
    .name = "image",
    .context_size = sizeof(struct image_context),
    .begin = image_begin,
    .fini = image_fini,
    .bytes = image_bytes,
    .sink = {.open = image_found_open, .close = image_found_close, .text = image_found_text},
    .emit = image_emit,
};

static enum gleaner_status image_open(const struct gleaner_host *host, void **state)
{
    (void)host;
    return page_worker_open(state);
}

static enum gleaner_verdict image_handle(void *state, const struct gleaner_host *host,
                                         struct gleaner_task *task, const struct gleaner_page *page)
{
    return image_file_is(page) ? image_file_emit(host, task, page)
                               : page_worker_handle(state, &kind, host, task, page);
}

static void image_close(void *state)
{
    page_worker_close(state, &kind);
}

static const char *const types[] = {"image", NULL};

static const char *const settings[] = {"dimensions", "document", "relevance", NULL};

extern const struct gleaner_module gleaner_module;
GLEANER_API const struct gleaner_module gleaner_module = {
    .size = sizeof(struct gleaner_module),
    .abi = GLEANER_MODULE_ABI,
    .name = "image",
    .version = GLEANER_VERSION,
    .types = types,
    .open = image_open,
    .handle = image_handle,
    .close = image_close,
    .settings = settings,
};
