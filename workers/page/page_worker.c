/* SPDX-License-Identifier: Apache-2.0 */
#include "page_worker.h"

#include "page_pool.h"
#include "page_relevance.h"

#include <stdio.h>
#include <stdlib.h>

/* A context bigger than this is freed instead of kept. */
#define KEPT_BYTES (4u << 20)

/* ---- reading --------------------------------------------------------------------------------- */

bool page_reader_init(struct page_reader *r)
{
    return page_pass_init(&r->pass) && text_url_init(&r->url);
}

void page_reader_fini(struct page_reader *r)
{
    page_pass_fini(&r->pass);
    text_url_fini(&r->url);
    page_meta_fini(&r->meta);
    text_buffer_fini(&r->text);
}

/* Two listeners of one pass. */
struct both {
    struct page_meta *meta;
    const struct gleaner_page *page;
    const struct page_sink *extra;
    struct text_buffer *text; /* NULL = not wanted */
};

/* Elements inside of a line; all others end it. */
static bool is_inline(uintptr_t tag)
{
    switch (tag) {
    case LXB_TAG_A:
    case LXB_TAG_ABBR:
    case LXB_TAG_B:
    case LXB_TAG_BDI:
    case LXB_TAG_CITE:
    case LXB_TAG_CODE:
    case LXB_TAG_DEL:
    case LXB_TAG_DFN:
    case LXB_TAG_EM:
    case LXB_TAG_FONT:
    case LXB_TAG_I:
    case LXB_TAG_INS:
    case LXB_TAG_KBD:
    case LXB_TAG_MARK:
    case LXB_TAG_Q:
    case LXB_TAG_S:
    case LXB_TAG_SAMP:
    case LXB_TAG_SMALL:
    case LXB_TAG_SPAN:
    case LXB_TAG_STRONG:
    case LXB_TAG_SUB:
    case LXB_TAG_SUP:
    case LXB_TAG_TIME:
    case LXB_TAG_U:
    case LXB_TAG_VAR:
    case LXB_TAG_WBR:
        return true;
    default:
        return false;
    }
}

static void end_line(const struct both *b, uintptr_t tag)
{
    if (b->text != NULL && b->text->len > 0 && b->text->data[b->text->len - 1] != '\n' &&
        !is_inline(tag)) {
        text_buffer_append_char(b->text, '\n');
    }
}

static void both_open(void *ctx, const lxb_html_token_t *token)
{
    const struct both *b = ctx;
    page_meta_open(b->meta, b->page, token);
    end_line(b, token->tag_id);
    if (b->extra != NULL) {
        b->extra->open(b->extra->ctx, token);
    }
}

static void both_close(void *ctx, uintptr_t tag)
{
    const struct both *b = ctx;
    page_meta_close(b->meta, tag);
    end_line(b, tag);
    if (b->extra != NULL) {
        b->extra->close(b->extra->ctx, tag);
    }
}

static void both_text(void *ctx, uintptr_t raw_tag, const char *data, size_t len)
{
    const struct both *b = ctx;
    page_meta_text(b->meta, raw_tag, data, len);
    if (b->text != NULL && raw_tag == 0) {
        text_buffer_append(b->text, data, len);
    }
    if (b->extra != NULL) {
        b->extra->text(b->extra->ctx, raw_tag, data, len);
    }
}

bool page_reader_read(struct page_reader *r, const struct page_sink *extra)
{
    struct both both = {&r->meta, r->page, extra, r->wants_text ? &r->text : NULL};
    struct page_sink sink = {both_open, both_close, both_text, &both};
    page_meta_clear(&r->meta);
    text_buffer_clear(&r->text);
    if (!page_pass_read(&r->pass, r->host, r->task, r->page, &sink) || r->text.failed) {
        return false;
    }
    text_url_forget_base(&r->url);
    (void)text_url_set_base(&r->url, (struct text_slice){r->page->url, r->page->url_len});
    if (r->meta.base_seen) {
        (void)text_url_set_base(&r->url, page_meta_base(&r->meta));
    }
    return true;
}

/* ---- contexts -------------------------------------------------------------------------------- */

static void destroy_context(const struct page_worker_kind *kind, void *context)
{
    if (context != NULL) {
        kind->fini(context);
        page_reader_fini(context);
        free(context);
    }
}

static void *take_context(struct page_pool *pool, const struct page_worker_kind *kind)
{
    void *context = page_pool_take(pool);
    if (context != NULL) {
        return context;
    }
    context = calloc(1, kind->context_size);
    if (context != NULL && !page_reader_init(context)) {
        destroy_context(kind, context);
        return NULL;
    }
    return context;
}

static void give_context(struct page_pool *pool, const struct page_worker_kind *kind, void *context)
{
    const struct page_reader *r = context;
    size_t bytes = page_pass_bytes(&r->pass) + r->meta.bytes.cap + r->meta.script.cap +
                   r->meta.ld.bytes.cap + r->text.cap + kind->bytes(context);
    if (bytes > KEPT_BYTES || !page_pool_give(pool, context)) {
        destroy_context(kind, context);
    }
}

/* ---- the module's calls ---------------------------------------------------------------------- */

enum gleaner_status page_worker_open(void **state)
{
    *state = calloc(1, sizeof(struct page_pool));
    return *state != NULL ? GLEANER_OK : GLEANER_E_NOMEM;
}

void page_worker_close(void *state, const struct page_worker_kind *kind)
{
    for (void *c = page_pool_take(state); c != NULL; c = page_pool_take(state)) {
        destroy_context(kind, c);
    }
    free(state);
}

static void log_for(const struct page_reader *r, const struct page_worker_kind *kind,
                    const char *what)
{
    char line[160];
    (void)snprintf(line, sizeof line, "%s: %s", kind->name, what);
    r->host->log(r->task, 0, line);
}

static enum gleaner_verdict work(struct page_reader *r, const struct page_worker_kind *kind)
{
    struct page_sink sink = kind->sink;
    sink.ctx = r;
    kind->begin(r);
    r->wants_text = kind->is_local || page_has_relevance(r->host, r->task);
    if (!page_reader_read(r, &sink)) {
        log_for(r, kind,
                r->pass.stopped ? "stopped before the end of the page" : "no memory for this page");
        return GLEANER_PAGE_RETRY;
    }
    if (!kind->is_local && (r->meta.noindex || r->meta.nofollow)) {
        r->host->page_robots(r->task, r->meta.noindex, r->meta.nofollow);
    }
    return kind->emit(r);
}

enum gleaner_verdict page_worker_handle(void *state, const struct page_worker_kind *kind,
                                        const struct gleaner_host *host, struct gleaner_task *task,
                                        const struct gleaner_page *page)
{
    if (!page_is_readable(page)) {
        return GLEANER_PAGE_SKIPPED;
    }
    struct page_reader *r = take_context(state, kind);
    if (r == NULL) {
        host->log(task, 0, "no memory for this page");
        return GLEANER_PAGE_RETRY;
    }
    r->host = host;
    r->task = task;
    r->page = page;
    enum gleaner_verdict verdict = work(r, kind);
    r->host = NULL;
    r->task = NULL;
    r->page = NULL;
    give_context(state, kind, r);
    return verdict;
}

bool page_worker_is_relevant(const struct page_reader *r, struct text_slice more)
{
    const struct text_slice texts[] = {
        {r->text.data, r->text.len},
        page_meta_fact(&r->meta, PAGE_FACT_TITLE),
        page_meta_fact(&r->meta, PAGE_FACT_DESCRIPTION),
        page_meta_value(&r->meta, "keywords"),
        more,
    };
    return page_is_relevant(r->host, r->task, texts, sizeof texts / sizeof texts[0]);
}

bool page_worker_begin(const struct page_reader *r, const char *collection, struct text_slice key)
{
    bool begun = r->host->doc_begin(r->task, collection, key.data, key.len) == GLEANER_OK;
    if (!begun) {
        r->host->log(r->task, 0, "the host takes no document");
    }
    return begun;
}

bool page_worker_commit(const struct page_reader *r)
{
    bool committed = r->host->doc_commit(r->task) == GLEANER_OK;
    if (!committed) {
        r->host->log(r->task, 0, "the document was refused");
    }
    return committed;
}
