/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gleaner-module-host MODULE.so: the child process. One thread, one module, one page at a time.
 * The host services write what they are called with into the calls file; settings alone are asked
 * for while the module runs. check_out and run say GLEANER_E_DOWN: a connection belongs to the
 * process that made it.
 */
#include "isolate.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DOCUMENT_MAX_BYTES = 16 * 1024 * 1024 - 4096, FIELD_OVERHEAD = 16, SETTINGS_MAX = 64 };

/* Settings are asked for once; the module may keep the pointers until its close. */
struct setting {
    char *name, *value; /* value NULL = not set */
};

struct gleaner_task {
    char *calls; /* the mapped file */
    size_t len, cap;
    bool failed; /* no memory, or over the limit of a page */
    bool has_document;
    size_t document_bytes; /* upper bound, as the parent counts */
    enum gleaner_status document_status;
    uint64_t deadline_ns;
    struct setting settings[SETTINGS_MAX];
    size_t setting_count;
};

/* ---- writing calls ---- */

static bool reserve(struct gleaner_task *task, size_t more)
{
    if (task->len + more <= task->cap) {
        return true;
    }
    size_t cap = (task->len + more) * 2 + 65536;
    if (task->len + more > ISOLATE_CALLS_MAX || ftruncate(ISOLATE_CALLS_FD, (off_t)cap) != 0) {
        return false;
    }
    void *at = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_SHARED, ISOLATE_CALLS_FD, 0);
    if (at == MAP_FAILED) {
        return false;
    }
    if (task->calls != NULL) {
        (void)munmap(task->calls, task->cap);
    }
    task->calls = at;
    task->cap = cap;
    return true;
}

static void call(struct gleaner_task *task, enum isolate_call_kind kind, const char *name,
                 int64_t number, const char *text, size_t text_len)
{
    struct isolate_call head = {.kind = kind,
                                .name_len = (uint32_t)(name != NULL ? strlen(name) : 0),
                                .number = number,
                                .text_len = text_len};
    size_t padded = (head.name_len + text_len + 7) & ~(size_t)7;
    if (task->failed || !reserve(task, sizeof head + padded)) {
        task->failed = true;
        return;
    }
    char *at = task->calls + task->len;
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, name != NULL ? name : "", head.name_len);
    memcpy(at + sizeof head + head.name_len, text != NULL ? text : "", text_len);
    task->len += sizeof head + padded;
}

/* ---- the services ---- */

static enum gleaner_status doc_begin(struct gleaner_task *task, const char *collection,
                                     const char *key, size_t key_len)
{
    if (task->has_document) {
        return GLEANER_E_BUSY;
    }
    task->has_document = true;
    task->document_bytes = 0;
    task->document_status = GLEANER_OK;
    call(task, CALL_DOC_BEGIN, collection, collection != NULL, key, key_len);
    return task->failed ? GLEANER_E_NOMEM : GLEANER_OK;
}

static void field(struct gleaner_task *task, enum isolate_call_kind kind, const char *name,
                  int64_t number, const char *text, size_t len)
{
    if (!task->has_document || task->document_status != GLEANER_OK) {
        return;
    }
    task->document_bytes += (name != NULL ? strlen(name) : 4) + FIELD_OVERHEAD + len;
    if (task->document_bytes > DOCUMENT_MAX_BYTES) {
        task->document_status = GLEANER_E_LIMIT;
        return;
    }
    call(task, kind, name, number, text, len);
}
static void doc_text(struct gleaner_task *task, const char *name, const char *text, size_t len)
{
    field(task, CALL_DOC_TEXT, name, 0, text, len);
}
static void doc_int(struct gleaner_task *task, const char *name, int64_t value)
{
    field(task, CALL_DOC_INT, name, value, NULL, 0);
}
static void doc_bool(struct gleaner_task *task, const char *name, bool value)
{
    field(task, CALL_DOC_BOOL, name, value, NULL, 0);
}
static void doc_date(struct gleaner_task *task, const char *name, int64_t ms)
{
    field(task, CALL_DOC_DATE, name, ms, NULL, 0);
}
static void doc_null(struct gleaner_task *task, const char *name)
{
    field(task, CALL_DOC_NULL, name, 0, NULL, 0);
}
static void doc_open(struct gleaner_task *task, const char *name, bool is_array)
{
    field(task, CALL_DOC_OPEN, name, is_array, NULL, 0);
}
static void doc_close(struct gleaner_task *task)
{
    if (task->has_document && task->document_status == GLEANER_OK) {
        call(task, CALL_DOC_CLOSE, NULL, 0, NULL, 0);
    }
}
static void doc_abort(struct gleaner_task *task)
{
    if (task->has_document) {
        task->has_document = false;
        call(task, CALL_DOC_ABORT, NULL, 0, NULL, 0);
    }
}
static enum gleaner_status doc_commit(struct gleaner_task *task)
{
    enum gleaner_status status = task->failed ? GLEANER_E_NOMEM : task->document_status;
    if (!task->has_document) {
        return GLEANER_E_INVALID;
    }
    if (status != GLEANER_OK) {
        doc_abort(task);
        return status;
    }
    task->has_document = false;
    call(task, CALL_DOC_COMMIT, NULL, 0, NULL, 0);
    return task->failed ? GLEANER_E_NOMEM : GLEANER_OK;
}
static void follow(struct gleaner_task *task, const char *url, size_t len)
{
    call(task, CALL_FOLLOW, NULL, 0, url, len);
}
static void log_line(struct gleaner_task *task, int level, const char *message)
{
    call(task, CALL_LOG, NULL, level, message, strlen(message));
}
static void count(struct gleaner_task *task, const char *name, uint64_t n)
{
    if (name != NULL) {
        call(task, CALL_COUNT, name, (int64_t)n, NULL, 0);
    }
}
static enum gleaner_status check_out(struct gleaner_task *task, uint32_t timeout_ms,
                                     struct _mongoc_client_t **client, const char **database)
{
    (void)task;
    (void)timeout_ms;
    (void)client;
    (void)database;
    return GLEANER_E_DOWN;
}
static void check_in(struct gleaner_task *task, uint32_t domain, uint32_t code)
{
    (void)task;
    (void)domain;
    (void)code;
}
static uint64_t deadline_ns(struct gleaner_task *task)
{
    return task->deadline_ns;
}
static bool should_stop(struct gleaner_task *task)
{
    return base_mono_ns() >= task->deadline_ns;
}
static void content_found(struct gleaner_task *task, bool found)
{
    call(task, CALL_CONTENT_FOUND, NULL, found, NULL, 0);
}
static void page_robots(struct gleaner_task *task, bool noindex, bool nofollow)
{
    call(task, CALL_PAGE_ROBOTS, NULL, (noindex ? 1 : 0) | (nofollow ? 2 : 0), NULL, 0);
}
static enum gleaner_status run(struct gleaner_task *task, uint32_t timeout_ms,
                               enum gleaner_repetition repetition, gleaner_task_operation operation,
                               void *ctx, char *why, size_t why_size)
{
    (void)task;
    (void)timeout_ms;
    (void)repetition;
    (void)operation;
    (void)ctx;
    if (why != NULL && why_size > 0) {
        (void)snprintf(why, why_size, "no connections in an isolated module");
    }
    return GLEANER_E_DOWN;
}

/* The parent is gone: nobody wants what we do. */
static void say(const struct isolate_word *word)
{
    if (send(ISOLATE_SOCKET_FD, word, sizeof *word, MSG_NOSIGNAL) != (ssize_t)sizeof *word) {
        _exit(0);
    }
}
static void hear(struct isolate_word *word)
{
    ssize_t len;
    do {
        len = recv(ISOLATE_SOCKET_FD, word, sizeof *word, 0);
    } while (len < 0 && errno == EINTR);
    if (len != (ssize_t)sizeof *word || word->magic != ISOLATE_MAGIC) {
        _exit(0);
    }
}

static const char *setting(struct gleaner_task *task, const char *name)
{
    for (size_t i = 0; i < task->setting_count; i++) {
        if (strcmp(task->settings[i].name, name) == 0) {
            return task->settings[i].value;
        }
    }
    struct isolate_word word = {.magic = ISOLATE_MAGIC, .kind = ISOLATE_SETTING};
    if (strlen(name) >= ISOLATE_TEXT || task->setting_count == SETTINGS_MAX) {
        return NULL;
    }
    (void)snprintf(word.text, sizeof word.text, "%s", name);
    say(&word);
    hear(&word);
    struct setting *kept = &task->settings[task->setting_count];
    char *page = word.value != 0
                     ? mmap(NULL, (size_t)word.bytes, PROT_READ, MAP_SHARED, ISOLATE_PAGE_FD, 0)
                     : MAP_FAILED;
    kept->name = strdup(name);
    if (page != MAP_FAILED) {
        const char *last = page + word.bytes - 1, *start = last;
        while (start > page && start[-1] != '\0') {
            start--;
        }
        kept->value = strdup(start);
        (void)munmap(page, (size_t)word.bytes);
    }
    task->setting_count += kept->name != NULL;
    return kept->value;
}

static const struct gleaner_host services = {
    .size = sizeof(struct gleaner_host),
    .abi = GLEANER_MODULE_ABI,
    .doc_begin = doc_begin,
    .doc_text = doc_text,
    .doc_int = doc_int,
    .doc_bool = doc_bool,
    .doc_date = doc_date,
    .doc_null = doc_null,
    .doc_open = doc_open,
    .doc_close = doc_close,
    .doc_commit = doc_commit,
    .doc_abort = doc_abort,
    .follow = follow,
    .log = log_line,
    .count = count,
    .check_out = check_out,
    .check_in = check_in,
    .deadline_ns = deadline_ns,
    .should_stop = should_stop,
    .setting = setting,
    .content_found = content_found,
    .page_robots = page_robots,
    .run = run,
};

/* ---- pages ---- */

static const char *take(const char **at, uint64_t len)
{
    const char *text = *at;
    *at += len + 1;
    return text;
}

static void one_page(const struct module_loaded *loaded, struct gleaner_task *task,
                     const char *mapped, struct isolate_word *word)
{
    struct isolate_page head;
    memcpy(&head, mapped, sizeof head);
    const char *at = mapped + sizeof head;
    struct gleaner_page page = {.size = sizeof page,
                                .url_len = (size_t)head.url_len,
                                .body_len = (size_t)head.body_len,
                                .http_status = head.http_status,
                                .depth = head.depth,
                                .fetched_at_ms = head.fetched_at_ms,
                                .want_markdown = head.want_markdown != 0,
                                .want_links = head.want_links != 0};
    page.url = take(&at, head.url_len);
    page.body = take(&at, head.body_len);
    page.content_type = take(&at, head.content_type_len);
    page.charset = take(&at, head.charset_len);
    page.type = take(&at, head.type_len);
    task->len = 0;
    task->failed = task->has_document = false;
    task->deadline_ns = word->deadline_ns;
    enum gleaner_verdict verdict = loaded->module->handle(loaded->state, &services, task, &page);
    doc_abort(task);
    *word = (struct isolate_word){
        .magic = ISOLATE_MAGIC,
        .kind = ISOLATE_DONE,
        .value = task->failed && verdict == GLEANER_PAGE_DONE ? GLEANER_PAGE_RETRY : verdict,
        .bytes = task->failed ? 0 : task->len};
    say(word);
}

static void serve(const struct module_loaded *loaded)
{
    static struct gleaner_task task;
    char *mapped = NULL;
    size_t cap = 0;
    for (;;) {
        struct isolate_word word;
        struct stat stat;
        hear(&word);
        if (word.kind != ISOLATE_PAGE || fstat(ISOLATE_PAGE_FD, &stat) != 0) {
            _exit(1);
        }
        if ((size_t)stat.st_size > cap) { /* it only grows */
            if (mapped != NULL) {
                (void)munmap(mapped, cap);
            }
            cap = (size_t)stat.st_size;
            mapped = mmap(NULL, cap, PROT_READ, MAP_SHARED, ISOLATE_PAGE_FD, 0);
        }
        if (mapped == NULL || mapped == MAP_FAILED || word.bytes > cap) {
            _exit(1);
        }
        one_page(loaded, &task, mapped, &word);
    }
}

static void put_text(struct isolate_word *hello, size_t *at, const char *text)
{
    size_t len = strlen(text) + 1;
    if (*at + len < ISOLATE_TEXT) {
        memcpy(hello->text + *at, text, len);
        *at += len;
    }
}

int main(int argc, char *argv[])
{
    struct module_loaded *loaded = NULL;
    struct base_error error = {0};
    struct isolate_word hello = {.magic = ISOLATE_MAGIC, .kind = ISOLATE_HELLO};
    struct stat stat;
    if (argc != 2 || fstat(ISOLATE_CALLS_FD, &stat) != 0) {
        (void)fprintf(stderr, "gleaner-module-host is started by gleaner --isolate\n");
        return 2;
    }
    /* Nothing of the parent's but the three; it dies, we die, even inside an endless loop; what a
     * terminal says to all of us (Ctrl-C) is for the parent, which lets pages be finished. */
    (void)close_range(ISOLATE_FDS, ~0u, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    enum gleaner_status status = module_loaded_open(argv[1], NULL, &loaded, &error);
    if (status == GLEANER_OK) {
        status = module_loaded_start(loaded, &services, &error);
    }
    hello.value = status;
    if (status != GLEANER_OK) {
        (void)snprintf(hello.text, sizeof hello.text, "%s", error.message);
        say(&hello);
        return 1;
    }
    size_t at = 0;
    put_text(&hello, &at, loaded->module->name);
    put_text(&hello, &at, loaded->module->version);
    for (const char *const *type = loaded->module->types; *type != NULL; type++) {
        put_text(&hello, &at, *type);
    }
    say(&hello);
    serve(loaded);
    return 0;
}
