/* SPDX-License-Identifier: Apache-2.0 */
/* The module: takes HTML pages, gives one document each. */
#include "text_emit.h"

#include "page_kind.h"
#include "page_pool.h"
#include "text_near.h"

#include <stdlib.h>

/* A context bigger than this is freed instead of kept. */
#define KEPT_BYTES (4u << 20)

struct text_state {
    struct page_pool pool;
    struct text_near *near;
};

static enum gleaner_status text_open(const struct gleaner_host *host, void **out)
{
    (void)host;
    struct text_state *state = calloc(1, sizeof *state);
    *out = state;
    if (state == NULL) {
        return GLEANER_E_NOMEM;
    }
    state->near = text_near_create();
    if (state->near == NULL) {
        free(state);
        return GLEANER_E_NOMEM;
    }
    return GLEANER_OK;
}

static void text_close(void *opaque)
{
    struct text_state *state = opaque;
    struct page_pool *pool = &state->pool;
    for (struct text_context *c = page_pool_take(pool); c != NULL; c = page_pool_take(pool)) {
        text_context_destroy(&c);
    }
    text_near_destroy(&state->near);
    free(state);
}

static struct text_context *take_context(struct page_pool *pool)
{
    struct text_context *c = page_pool_take(pool);
    return c != NULL ? c : text_context_create();
}

static void give_context(struct page_pool *pool, struct text_context *c)
{
    if (text_context_bytes(c) > KEPT_BYTES || !page_pool_give(pool, c)) {
        text_context_destroy(&c);
    }
}

static bool is_set(const char *setting)
{
    return setting != NULL && (strcmp(setting, "true") == 0 || strcmp(setting, "1") == 0 ||
                               strcmp(setting, "yes") == 0 || strcmp(setting, "on") == 0);
}

static enum text_near_mode near_mode(const struct text_context *c)
{
    const char *wish = c->host->setting(c->task, "near_duplicates");
    return wish == NULL || c->wants_content ? TEXT_NEAR_OFF
           : strcmp(wish, "mark") == 0      ? TEXT_NEAR_MARK
           : strcmp(wish, "skip") == 0      ? TEXT_NEAR_SKIP
                                            : TEXT_NEAR_OFF;
}

/* A crawl's page costs nothing beyond its fields; more is for those who ask. */
static void note_wishes(struct text_context *c)
{
    const char *document = c->host->setting(c->task, "document");
    bool is_text = strcmp(c->page->type, "text") == 0;
    bool is_full = is_text || (document != NULL && strcmp(document, "page") == 0);
    c->wants_content = is_text && !page_wants_page_document(c->host, c->task, c->page);
    c->wants_metadata = is_full;
    c->wants_main =
        !c->wants_content && (is_full || is_set(c->host->setting(c->task, "main_text")));
    c->near_mode = near_mode(c);
}

static enum gleaner_verdict work(struct text_context *c)
{
    note_wishes(c);
    text_extract_begin(c);
    if (!text_extract_page(c) || (!c->stopped && !text_extract_more(c))) {
        c->host->log(c->task, 0, "text: no memory for this page");
        return GLEANER_PAGE_RETRY;
    }
    if (c->stopped) {
        c->host->log(c->task, 1, "text: stopped before the end of the page");
        return GLEANER_PAGE_RETRY;
    }
    text_extract_finish(c);
    return text_emit(c);
}

static enum gleaner_verdict text_handle(void *opaque, const struct gleaner_host *host,
                                        struct gleaner_task *task, const struct gleaner_page *page)
{
    if (!page_is_readable(page)) {
        return GLEANER_PAGE_SKIPPED;
    }
    struct text_state *state = opaque;
    struct text_context *c = take_context(&state->pool);
    if (c == NULL) {
        host->log(task, 0, "text: no memory");
        return GLEANER_PAGE_RETRY;
    }
    c->host = host;
    c->task = task;
    c->page = page;
    c->near = state->near;
    enum gleaner_verdict verdict = work(c);
    c->host = NULL;
    c->task = NULL;
    c->page = NULL;
    give_context(&state->pool, c);
    return verdict;
}

static const char *const types[] = {"page", "text", NULL};

static const char *const settings[] = {"document", "main_text", "near_duplicates", "relevance",
                                       NULL};

extern const struct gleaner_module gleaner_module;
GLEANER_API const struct gleaner_module gleaner_module = {
    .size = sizeof(struct gleaner_module),
    .abi = GLEANER_MODULE_ABI,
    .name = "text",
    .version = GLEANER_VERSION,
    .types = types,
    .open = text_open,
    .handle = text_handle,
    .close = text_close,
    .settings = settings,
};
