/* SPDX-License-Identifier: Apache-2.0 */
/* The module: the videos of HTML pages. A submission gives one document of the application's
 * `bambivideocontents` for each; else one document with all of them (page_wants_page_document). */
#include "video.h"

#include <stdlib.h>

#define COLLECTION "bambivideocontents"

static void video_begin(void *context)
{
    struct video_context *c = context;
    text_buffer_clear(&c->bytes);
    text_link_set_clear(&c->videos);
    c->videos.limit = VIDEO_MAX;
    c->count = 0;
    c->in_video = false;
}

static void video_fini(void *context)
{
    struct video_context *c = context;
    text_buffer_fini(&c->bytes);
    text_link_set_fini(&c->videos);
}

static size_t video_bytes(const void *context)
{
    const struct video_context *c = context;
    return c->bytes.cap + c->videos.bytes.cap;
}

/* A video without a title of its own has the page's. */
static void emit_title(const struct video_context *c, size_t i)
{
    const struct page_reader *r = &c->reader;
    struct text_slice title = video_words_of(c, c->found[i].title);
    struct text_buffer line = {0};
    text_append_collapsed(&line, title.len > 0 ? title : page_meta_fact(&r->meta, PAGE_FACT_TITLE));
    r->host->doc_text(r->task, "title", line.len > 0 ? line.data : "", line.len);
    text_buffer_fini(&line);
}

static void emit_if_any(const struct video_context *c, const char *name, struct video_words words)
{
    if (words.len > 0) {
        struct text_slice value = video_words_of(c, words);
        c->reader.host->doc_text(c->reader.task, name, value.data, value.len);
    }
}

/* The application's document of one video. */
static bool emit_content(const struct video_context *c, size_t i)
{
    const struct page_reader *r = &c->reader;
    struct text_slice url = text_link_of(&c->videos, i);
    if (!page_worker_begin(r, COLLECTION, url)) {
        return false;
    }
    r->host->doc_text(r->task, "type", "video", 5);
    emit_title(c, i);
    r->host->doc_text(r->task, "url", url.data, url.len);
    emit_if_any(c, "embedUrl", c->found[i].embed);
    r->host->doc_text(r->task, "source", "web", 3);
    page_meta_emit_content(&r->meta, r->host, r->task,
                           page_meta_fact(&r->meta, PAGE_FACT_DESCRIPTION), false,
                           r->page->fetched_at_ms);
    r->host->doc_date(r->task, "dateAdded", r->page->fetched_at_ms);
    r->host->doc_int(r->task, "__v", 0);
    return page_worker_commit(r);
}

/* One document of the page. */
static bool emit_page(const struct video_context *c)
{
    const struct page_reader *r = &c->reader;
    if (!page_worker_begin(r, NULL, (struct text_slice){r->page->url, r->page->url_len})) {
        return false;
    }
    r->host->doc_text(r->task, "url", r->page->url, r->page->url_len);
    r->host->doc_open(r->task, "videos", true);
    for (size_t i = 0; i < c->videos.count; i++) {
        struct text_slice url = text_link_of(&c->videos, i);
        r->host->doc_open(r->task, "", false);
        r->host->doc_text(r->task, "url", url.data, url.len);
        emit_if_any(c, "embedUrl", c->found[i].embed);
        emit_title(c, i);
        emit_if_any(c, "poster", c->found[i].poster);
        r->host->doc_close(r->task);
    }
    r->host->doc_close(r->task);
    r->host->doc_date(r->task, "fetched_at", r->page->fetched_at_ms);
    return page_worker_commit(r);
}

static enum gleaner_verdict video_emit(void *context)
{
    struct video_context *c = context;
    const struct page_reader *r = &c->reader;
    if (!video_resolve(c)) {
        r->host->log(r->task, 0, "video: no memory for this page");
        return GLEANER_PAGE_RETRY;
    }
    bool is_one = page_wants_page_document(r->host, r->task, r->page);
    bool is_relevant =
        is_one || page_worker_is_relevant(r, (struct text_slice){c->bytes.data, c->bytes.len});
    r->host->content_found(r->task, c->videos.count > 0 && is_relevant);
    if (is_one) {
        return emit_page(c) ? GLEANER_PAGE_DONE : GLEANER_PAGE_FAILED;
    }
    for (size_t i = 0; is_relevant && i < c->videos.count; i++) {
        if (!emit_content(c, i)) {
            return GLEANER_PAGE_FAILED;
        }
    }
    return GLEANER_PAGE_DONE;
}

static const struct page_worker_kind kind = {
    .name = "video",
    .context_size = sizeof(struct video_context),
    .begin = video_begin,
    .fini = video_fini,
    .bytes = video_bytes,
    .sink = {.open = video_found_open, .close = video_found_close, .text = video_found_text},
    .emit = video_emit,
};

static enum gleaner_status video_open(const struct gleaner_host *host, void **state)
{
    (void)host;
    return page_worker_open(state);
}

static enum gleaner_verdict video_handle(void *state, const struct gleaner_host *host,
                                         struct gleaner_task *task, const struct gleaner_page *page)
{
    return page_worker_handle(state, &kind, host, task, page);
}

static void video_close(void *state)
{
    page_worker_close(state, &kind);
}

static const char *const types[] = {"video", NULL};

static const char *const settings[] = {"document", "relevance", NULL};

extern const struct gleaner_module gleaner_module;
GLEANER_API const struct gleaner_module gleaner_module = {
    .size = sizeof(struct gleaner_module),
    .abi = GLEANER_MODULE_ABI,
    .name = "video",
    .version = GLEANER_VERSION,
    .types = types,
    .open = video_open,
    .handle = video_handle,
    .close = video_close,
    .settings = settings,
};
