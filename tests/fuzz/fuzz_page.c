/* SPDX-License-Identifier: Apache-2.0 */
/* A module through its real entry: each input as a crawl's page, as a submission, and as a local
 * file would come, decoded by the fetch room as the workers do it. The host checks what modules
 * owe it: balanced documents, named fields, absolute links. One program a module. */
#include "fetch.h"
#include "fuzz.h"
#include "gleaner/worker.h"
#include <stdbool.h>
#include <string.h>

extern const struct gleaner_module gleaner_module;

#define DEPTH_MAX 32

static struct {
    bool is_open;
    unsigned depth;
    bool is_array[DEPTH_MAX];
} task;

static void check_field(const char *name)
{
    FUZZ_CHECK(task.is_open);
    FUZZ_CHECK(task.is_array[task.depth] || (name != NULL && name[0] != '\0'));
}

static enum gleaner_status doc_begin(struct gleaner_task *t, const char *collection,
                                     const char *key, size_t key_len)
{
    (void)t;
    (void)collection;
    FUZZ_CHECK(!task.is_open && key != NULL && memchr(key, '\0', key_len) == NULL);
    task.is_open = true;
    task.depth = 0;
    task.is_array[0] = false;
    return GLEANER_OK;
}

static void doc_text(struct gleaner_task *t, const char *name, const char *text, size_t len)
{
    (void)t;
    check_field(name);
    FUZZ_CHECK(text != NULL && base_utf8_valid(text, len));
}

static void doc_number(struct gleaner_task *t, const char *name, int64_t value)
{
    (void)t;
    (void)value;
    check_field(name);
}

static void doc_bool(struct gleaner_task *t, const char *name, bool value)
{
    (void)t;
    (void)value;
    check_field(name);
}

static void doc_null(struct gleaner_task *t, const char *name)
{
    (void)t;
    check_field(name);
}

static void doc_open(struct gleaner_task *t, const char *name, bool is_array)
{
    (void)t;
    check_field(name);
    FUZZ_CHECK(task.depth + 1 < DEPTH_MAX);
    task.is_array[++task.depth] = is_array;
}

static void doc_close(struct gleaner_task *t)
{
    (void)t;
    FUZZ_CHECK(task.is_open && task.depth > 0);
    task.depth--;
}

static enum gleaner_status doc_commit(struct gleaner_task *t)
{
    (void)t;
    FUZZ_CHECK(task.is_open && task.depth == 0);
    task.is_open = false;
    return GLEANER_OK;
}

static void doc_abort(struct gleaner_task *t)
{
    (void)t;
    task.is_open = false;
}

static void follow(struct gleaner_task *t, const char *url, size_t len)
{
    (void)t;
    FUZZ_CHECK(len > 8 && (memcmp(url, "http://", 7) == 0 || memcmp(url, "https://", 8) == 0));
    FUZZ_CHECK(memchr(url, '#', len) == NULL && base_utf8_valid(url, len));
}

static void log_line(struct gleaner_task *t, int level, const char *message)
{
    (void)t;
    FUZZ_CHECK(level >= 0 && strlen(message) > 0);
}

static void count(struct gleaner_task *t, const char *name, uint64_t n)
{
    (void)t;
    (void)name;
    (void)n;
}

static uint64_t deadline_ns(struct gleaner_task *t)
{
    (void)t;
    return UINT64_MAX;
}

static bool should_stop(struct gleaner_task *t)
{
    (void)t;
    return false;
}

static const char *setting(struct gleaner_task *t, const char *name)
{
    (void)t;
    return strcmp(name, "words") == 0 ? "python, documentation,bambi" : NULL;
}

static void content_found(struct gleaner_task *t, bool found)
{
    (void)t;
    (void)found;
}

static void page_robots(struct gleaner_task *t, bool noindex, bool nofollow)
{
    (void)t;
    (void)noindex;
    (void)nofollow;
}

static const struct gleaner_host host = {
    .size = sizeof host,
    .abi = GLEANER_MODULE_ABI,
    .doc_begin = doc_begin,
    .doc_text = doc_text,
    .doc_int = doc_number,
    .doc_bool = doc_bool,
    .doc_date = doc_number,
    .doc_null = doc_null,
    .doc_open = doc_open,
    .doc_close = doc_close,
    .doc_commit = doc_commit,
    .doc_abort = doc_abort,
    .follow = follow,
    .log = log_line,
    .count = count,
    .deadline_ns = deadline_ns,
    .should_stop = should_stop,
    .setting = setting,
    .content_found = content_found,
    .page_robots = page_robots,
};

static void handle(void *state, const char *type, bool is_crawl, struct base_slice body,
                   const char *charset)
{
    static const char url[] = "https://h.test/d/page.html?q=1";
    char *copy = fuzz_text((const uint8_t *)body.data, body.len); /* the host ends it with NUL */
    const struct gleaner_page page = {
        .size = sizeof page,
        .url = url,
        .url_len = sizeof url - 1,
        .body = copy,
        .body_len = body.len,
        .content_type = "text/html",
        .charset = charset,
        .type = type,
        .http_status = 200,
        .fetched_at_ms = 1700000000123,
        .want_markdown = !is_crawl,
        .want_links = is_crawl,
        .robots_agent = "gleaner",
    };
    (void)gleaner_module.handle(state, &host, (struct gleaner_task *)(void *)&task, &page);
    FUZZ_CHECK(!task.is_open);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *state;
    static bool is_ready;
    if (!is_ready) {
        FUZZ_CHECK(gleaner_module.open == NULL || gleaner_module.open(&host, &state) == GLEANER_OK);
        is_ready = true;
    }
    struct base_buffer scratch = {0};
    struct base_slice body;
    const char *charset = NULL;
    FUZZ_CHECK(fetch_decode((const char *)data, size, "text/html", &scratch, &body, &charset) ==
               GLEANER_OK);
    for (const char *const *type = gleaner_module.types; *type != NULL; type++) {
        handle(state, *type, true, body, charset);
        handle(state, *type, false, body, charset);
    }
    base_buffer_fini(&scratch);
    return 0;
}
