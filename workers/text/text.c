/* SPDX-License-Identifier: Apache-2.0 */
/* The module: takes HTML pages, gives one document each. */
#include "text_emit.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Contexts kept between pages: more threads than these make and free their own. */
#define KEPT_CONTEXTS 64
/* A context bigger than this is freed instead of kept. */
#define KEPT_BYTES (4u << 20)

struct module_state {
    /* Idle contexts, NULL where none. An exchange takes one out, a compare-and-swap puts one in; no
     * context is in two places, so there is no ABA problem.
     * writes, reads: every thread in handle; order: release in, acquire out; they pair
     * why: what the last page left in a context is seen by the thread that takes it */
    _Atomic(struct text_context *) idle[KEPT_CONTEXTS];
};

static enum gleaner_status text_open(const struct gleaner_host *host, void **state)
{
    (void)host;
    struct module_state *s = calloc(1, sizeof *s);
    *state = s;
    return s != NULL ? GLEANER_OK : GLEANER_E_NOMEM;
}

static void text_close(void *state)
{
    struct module_state *s = state;
    for (size_t i = 0; i < KEPT_CONTEXTS; i++) {
        struct text_context *c = atomic_exchange_explicit(&s->idle[i], NULL, memory_order_acquire);
        text_context_destroy(&c);
    }
    free(s);
}

static struct text_context *take_context(struct module_state *s)
{
    for (size_t i = 0; i < KEPT_CONTEXTS; i++) {
        /* relaxed: only a hint that spares the exchange */
        if (atomic_load_explicit(&s->idle[i], memory_order_relaxed) != NULL) {
            struct text_context *c =
                atomic_exchange_explicit(&s->idle[i], NULL, memory_order_acquire);
            if (c != NULL) {
                return c;
            }
        }
    }
    return text_context_create();
}

static void give_context(struct module_state *s, struct text_context *c)
{
    if (text_context_bytes(c) <= KEPT_BYTES) {
        for (size_t i = 0; i < KEPT_CONTEXTS; i++) {
            struct text_context *none = NULL;
            if (atomic_compare_exchange_strong_explicit(&s->idle[i], &none, c, memory_order_release,
                                                        memory_order_relaxed)) {
                return;
            }
        }
    }
    text_context_destroy(&c);
}

/* text/html and XHTML by the header; without a header what begins like markup. */
static bool is_html(const struct gleaner_page *page)
{
    const char *type = page->content_type != NULL ? page->content_type : "";
    const char *end = strchr(type, ';');
    struct text_slice name =
        text_trim((struct text_slice){type, end != NULL ? (size_t)(end - type) : strlen(type)});
    if (name.len > 0) {
        return text_equals_word(name, "text/html") ||
               text_equals_word(name, "application/xhtml+xml");
    }
    struct text_slice body = text_trim((struct text_slice){page->body, page->body_len});
    return body.len > 0 && body.data[0] == '<';
}

/* 0: not from HTTP (a file). */
static bool is_good_status(int status)
{
    return status == 0 || (status >= 200 && status <= 299);
}

static enum gleaner_verdict work(struct text_context *c)
{
    text_extract_begin(c);
    if (!text_extract_page(c)) {
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

static enum gleaner_verdict text_handle(void *state, const struct gleaner_host *host,
                                        struct gleaner_task *task, const struct gleaner_page *page)
{
    if (!is_good_status(page->http_status) || !is_html(page)) {
        return GLEANER_PAGE_SKIPPED;
    }
    struct text_context *c = take_context(state);
    if (c == NULL) {
        host->log(task, 0, "text: no memory");
        return GLEANER_PAGE_RETRY;
    }
    c->host = host;
    c->task = task;
    c->page = page;
    enum gleaner_verdict verdict = work(c);
    c->host = NULL;
    c->task = NULL;
    c->page = NULL;
    give_context(state, c);
    return verdict;
}

static const char *const types[] = {"page", "text", NULL};

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
};
