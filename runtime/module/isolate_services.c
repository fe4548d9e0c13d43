/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host services inside the child process: each writes what it was called with into the calls
 * file; settings and resources are asked for while the module runs. check_out and run say
 * GLEANER_E_DOWN: a connection belongs to the process that made it.
 */
#include "isolate_task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DOCUMENT_MAX_BYTES = 16 * 1024 * 1024 - 4096, FIELD_OVERHEAD = 16 };

/* ---- writing calls ---- */

bool isolate_reserve_calls(struct gleaner_task *task, size_t more)
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
    if (task->failed || !isolate_reserve_calls(task, sizeof head + padded)) {
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

static const char *setting(struct gleaner_task *task, const char *name)
{
    for (size_t i = 0; i < task->setting_count; i++) {
        if (strcmp(task->settings[i].name, name) == 0) {
            return task->settings[i].value;
        }
    }
    struct isolate_word word = {.magic = ISOLATE_MAGIC, .kind = ISOLATE_SETTING};
    if (strlen(name) >= ISOLATE_TEXT || task->setting_count == ISOLATE_SETTINGS_MAX) {
        return NULL;
    }
    (void)snprintf(word.text, sizeof word.text, "%s", name);
    isolate_say(&word);
    isolate_hear(&word);
    struct isolate_setting *kept = &task->settings[task->setting_count];
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

const struct gleaner_host isolate_services = {
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
    .fetch = isolate_fetch,
};
