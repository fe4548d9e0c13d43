/* SPDX-License-Identifier: Apache-2.0 */
#include "page_host.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct page_result *result_of(struct gleaner_task *task)
{
    return (struct page_result *)(void *)task;
}

static struct page_field *add_field(struct gleaner_task *task, const char *name,
                                    enum page_field_kind kind)
{
    struct page_result *result = result_of(task);
    BASE_ASSERT(result->open && result->field_count < PAGE_HOST_FIELDS && !result->in_list);
    struct page_field *field = &result->fields[result->field_count++];
    snprintf(field->name, sizeof field->name, "%s", name);
    field->kind = kind;
    field->count = 0;
    base_buffer_reset(&field->text, SIZE_MAX);
    return field;
}

static void append_item(struct page_field *field, const char *text, size_t len)
{
    base_buffer_append(&field->text, text, len);
    base_buffer_append_char(&field->text, '\0');
    field->count++;
}

static enum gleaner_status doc_begin(struct gleaner_task *task, const char *collection,
                                     const char *key, size_t key_len)
{
    struct page_result *result = result_of(task);
    (void)collection;
    BASE_ASSERT(!result->open && key_len < sizeof result->key);
    memcpy(result->key, key, key_len);
    result->key[key_len] = '\0';
    result->open = true;
    result->field_count = 0;
    return GLEANER_OK;
}

static void doc_text(struct gleaner_task *task, const char *name, const char *text, size_t len)
{
    struct page_result *result = result_of(task);
    if (result->in_list) {
        append_item(&result->fields[result->field_count - 1], text, len);
        return;
    }
    struct page_field *field = add_field(task, name, PAGE_TEXT);
    base_buffer_append(&field->text, text, len);
}

static void doc_int(struct gleaner_task *task, const char *name, int64_t value)
{
    add_field(task, name, PAGE_INT)->number = value;
}

static void doc_bool(struct gleaner_task *task, const char *name, bool value)
{
    add_field(task, name, PAGE_BOOL)->number = value;
}

static void doc_date(struct gleaner_task *task, const char *name, int64_t ms)
{
    add_field(task, name, PAGE_DATE)->number = ms;
}

static void doc_null(struct gleaner_task *task, const char *name)
{
    (void)add_field(task, name, PAGE_NULL);
}

static void doc_open(struct gleaner_task *task, const char *name, bool is_array)
{
    BASE_ASSERT(is_array);
    (void)add_field(task, name, PAGE_LIST);
    result_of(task)->in_list = true;
}

static void doc_close(struct gleaner_task *task)
{
    BASE_ASSERT(result_of(task)->in_list);
    result_of(task)->in_list = false;
}

static enum gleaner_status doc_commit(struct gleaner_task *task)
{
    struct page_result *result = result_of(task);
    BASE_ASSERT(result->open && !result->in_list);
    result->open = false;
    if (result->refuse) {
        return GLEANER_E_LIMIT;
    }
    result->documents++;
    return GLEANER_OK;
}

static void doc_abort(struct gleaner_task *task)
{
    result_of(task)->open = false;
}

static void follow(struct gleaner_task *task, const char *url, size_t len)
{
    append_item(&result_of(task)->followed, url, len);
}

static void log_line(struct gleaner_task *task, int level, const char *message)
{
    (void)level;
    snprintf(result_of(task)->last_log, sizeof result_of(task)->last_log, "%s", message);
}

static void count(struct gleaner_task *task, const char *name, uint64_t n)
{
    struct page_counter *counters = result_of(task)->counters;
    for (size_t i = 0; i < PAGE_HOST_COUNTERS; i++) {
        if (counters[i].name == NULL || strcmp(counters[i].name, name) == 0) {
            counters[i].name = name;
            counters[i].value += n;
            return;
        }
    }
}

static uint64_t deadline_ns(struct gleaner_task *task)
{
    (void)task;
    return BASE_NO_DEADLINE;
}

static bool should_stop(struct gleaner_task *task)
{
    return result_of(task)->stop;
}

static const char *setting(struct gleaner_task *task, const char *name)
{
    (void)task;
    (void)name;
    return NULL;
}

static void content_found(struct gleaner_task *task, bool found)
{
    result_of(task)->content_found = found;
}

static void page_robots(struct gleaner_task *task, bool noindex, bool nofollow)
{
    result_of(task)->noindex = noindex;
    result_of(task)->nofollow = nofollow;
}

/* No check_out: a module that needs no database must not ask for one. */
const struct gleaner_host page_host = {
    .size = sizeof page_host,
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
    .deadline_ns = deadline_ns,
    .should_stop = should_stop,
    .setting = setting,
    .content_found = content_found,
    .page_robots = page_robots,
};

static void reset(struct page_result *result)
{
    bool refuse = result->refuse;
    bool stop = result->stop;
    page_result_fini(result);
    result->refuse = refuse;
    result->stop = stop;
    result->content_found = -1;
}

enum gleaner_status page_host_run(struct module_registry *registry, const struct gleaner_page *page,
                                  struct page_result *result)
{
    reset(result);
    struct module_use use;
    enum gleaner_status status = module_acquire(registry, page->type, &use);
    if (status != GLEANER_OK) {
        return status;
    }
    struct gleaner_task *task = (struct gleaner_task *)(void *)result;
    result->verdict = use.module->handle(use.state, &page_host, task, page);
    module_release(registry, &use);
    return GLEANER_OK;
}

void page_result_fini(struct page_result *result)
{
    for (size_t i = 0; i < PAGE_HOST_FIELDS; i++) {
        base_buffer_fini(&result->fields[i].text);
    }
    base_buffer_fini(&result->followed.text);
    memset(result, 0, sizeof *result);
}

const struct page_field *page_result_field(const struct page_result *result, const char *name)
{
    for (size_t i = 0; i < result->field_count; i++) {
        if (strcmp(result->fields[i].name, name) == 0) {
            return &result->fields[i];
        }
    }
    return NULL;
}

const char *page_field_item(const struct page_field *field, size_t i)
{
    const char *item = field->text.data;
    for (; i < field->count && i > 0; i--) {
        item += strlen(item) + 1;
    }
    return field->count > 0 && i < field->count ? item : NULL;
}

uint64_t page_result_counter(const struct page_result *result, const char *name)
{
    for (size_t i = 0; i < PAGE_HOST_COUNTERS && result->counters[i].name != NULL; i++) {
        if (strcmp(result->counters[i].name, name) == 0) {
            return result->counters[i].value;
        }
    }
    return 0;
}

static void json_field(const struct page_field *field, struct base_buffer *out)
{
    switch (field->kind) {
    case PAGE_TEXT:
        base_buffer_append_json(out, field->text.data != NULL ? field->text.data : "",
                                field->text.len);
        break;
    case PAGE_INT:
    case PAGE_DATE:
        base_buffer_printf(out, "%" PRId64, field->number);
        break;
    case PAGE_BOOL:
        base_buffer_append_str(out, field->number ? "true" : "false");
        break;
    case PAGE_NULL:
        base_buffer_append_str(out, "null");
        break;
    case PAGE_LIST: {
        const char *item = field->text.data;
        base_buffer_append_char(out, '[');
        for (size_t i = 0; i < field->count; i++) {
            if (i > 0) {
                base_buffer_append_char(out, ',');
            }
            base_buffer_append_json(out, item, strlen(item));
            item += strlen(item) + 1;
        }
        base_buffer_append_char(out, ']');
        break;
    }
    }
}

void page_result_json(const struct page_result *result, struct base_buffer *out)
{
    base_buffer_append_char(out, '{');
    for (size_t i = 0; i < result->field_count; i++) {
        base_buffer_printf(out, "%s\"%s\":", i > 0 ? "," : "", result->fields[i].name);
        json_field(&result->fields[i], out);
    }
    for (size_t i = 0; i < PAGE_HOST_COUNTERS && result->counters[i].name != NULL; i++) {
        base_buffer_printf(out, ",\"%s\":%" PRIu64, result->counters[i].name,
                           result->counters[i].value);
    }
    base_buffer_append_char(out, '}');
}
