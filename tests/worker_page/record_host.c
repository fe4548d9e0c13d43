/* SPDX-License-Identifier: Apache-2.0 */
#include "record_host.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct record record;
struct module_registry *record_registry;

static struct record *record_of(struct gleaner_task *task)
{
    return (struct record *)(void *)task;
}

static struct base_buffer *json_of(struct gleaner_task *task)
{
    return &record_of(task)->documents[record_of(task)->count].json;
}

/* Comma and name of the next field; arrays have no names. */
static struct base_buffer *next_field(struct gleaner_task *task, const char *name)
{
    struct record *r = record_of(task);
    BASE_ASSERT(r->open);
    struct base_buffer *json = json_of(task);
    if (!r->first_field) {
        base_buffer_append_char(json, ',');
    }
    r->first_field = false;
    if (r->closers[r->depth] == '}') {
        BASE_ASSERT(name != NULL && name[0] != '\0');
        base_buffer_append_json(json, name, strlen(name));
        base_buffer_append_char(json, ':');
    }
    return json;
}

static enum gleaner_status doc_begin(struct gleaner_task *task, const char *collection,
                                     const char *key, size_t key_len)
{
    struct record *r = record_of(task);
    struct record_document *d = &r->documents[r->count];
    BASE_ASSERT(!r->open && r->count < RECORD_DOCUMENTS && key_len < sizeof d->key);
    if (r->refuse_begin) {
        return GLEANER_E_NOMEM;
    }
    snprintf(d->collection, sizeof d->collection, "%s", collection != NULL ? collection : "");
    memcpy(d->key, key, key_len);
    d->key[key_len] = '\0';
    base_buffer_reset(&d->json, SIZE_MAX);
    base_buffer_append_char(&d->json, '{');
    r->open = r->first_field = true;
    r->depth = 0;
    r->closers[0] = '}';
    return GLEANER_OK;
}

static void doc_text(struct gleaner_task *task, const char *name, const char *text, size_t len)
{
    BASE_ASSERT(text != NULL);
    base_buffer_append_json(next_field(task, name), text, len);
}

static void doc_int(struct gleaner_task *task, const char *name, int64_t value)
{
    base_buffer_printf(next_field(task, name), "%" PRId64, value);
}

static void doc_bool(struct gleaner_task *task, const char *name, bool value)
{
    base_buffer_append_str(next_field(task, name), value ? "true" : "false");
}

static void doc_date(struct gleaner_task *task, const char *name, int64_t ms)
{
    base_buffer_printf(next_field(task, name), "{\"$date\":%" PRId64 "}", ms);
}

static void doc_null(struct gleaner_task *task, const char *name)
{
    base_buffer_append_str(next_field(task, name), "null");
}

static void doc_open(struct gleaner_task *task, const char *name, bool is_array)
{
    struct record *r = record_of(task);
    base_buffer_append_char(next_field(task, name), is_array ? '[' : '{');
    BASE_ASSERT(r->depth + 1 < sizeof r->closers);
    r->closers[++r->depth] = is_array ? ']' : '}';
    r->first_field = true;
}

static void doc_close(struct gleaner_task *task)
{
    struct record *r = record_of(task);
    BASE_ASSERT(r->depth > 0);
    base_buffer_append_char(json_of(task), r->closers[r->depth--]);
    r->first_field = false;
}

static enum gleaner_status doc_commit(struct gleaner_task *task)
{
    struct record *r = record_of(task);
    BASE_ASSERT(r->open && r->depth == 0);
    base_buffer_append_char(json_of(task), '}');
    r->open = false;
    if (r->refuse) {
        return GLEANER_E_LIMIT;
    }
    r->count++;
    return GLEANER_OK;
}

static void doc_abort(struct gleaner_task *task)
{
    record_of(task)->open = false;
}

static void follow(struct gleaner_task *task, const char *url, size_t len)
{
    (void)task;
    (void)url;
    (void)len;
}

static void log_line(struct gleaner_task *task, int level, const char *message)
{
    (void)level;
    snprintf(record_of(task)->last_log, sizeof record_of(task)->last_log, "%s", message);
}

static void count(struct gleaner_task *task, const char *name, uint64_t n)
{
    (void)task;
    (void)name;
    (void)n;
}

static uint64_t deadline_ns(struct gleaner_task *task)
{
    (void)task;
    return BASE_NO_DEADLINE;
}

static bool should_stop(struct gleaner_task *task)
{
    return record_of(task)->stop;
}

static const char *setting(struct gleaner_task *task, const char *name)
{
    struct record *r = record_of(task);
    for (size_t i = 0; i < RECORD_SETTINGS && r->settings[i].name != NULL; i++) {
        if (strcmp(r->settings[i].name, name) == 0) {
            return r->settings[i].value;
        }
    }
    return NULL;
}

static void content_found(struct gleaner_task *task, bool found)
{
    record_of(task)->content_found = found;
}

static void page_robots(struct gleaner_task *task, bool noindex, bool nofollow)
{
    record_of(task)->noindex = noindex;
    record_of(task)->nofollow = nofollow;
}

/* No check_out: these modules need no database. */
static const struct gleaner_host host = {
    .size = sizeof host,
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

void record_setup(void)
{
    static const char *const names[] = {"text", "image", "video"};
    struct base_error error = {0};
    sync_init();
    base_log_set_level(BASE_LOG_WARN);
    cr_assert_eq(module_registry_create(&host, &record_registry), GLEANER_OK);
    for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s.so", MODULE_FOLDER, names[i]);
        cr_assert_eq(module_load(record_registry, path, &error), GLEANER_OK, "%s", error.message);
    }
}

void record_teardown(void)
{
    for (size_t i = 0; i < RECORD_DOCUMENTS; i++) {
        base_buffer_fini(&record.documents[i].json);
    }
    module_registry_destroy(&record_registry);
}

void record_set(const char *name, const char *value)
{
    size_t i = 0;
    while (record.settings[i].name != NULL && strcmp(record.settings[i].name, name) != 0) {
        i++;
    }
    record.settings[i].name = name;
    record.settings[i].value = value;
}

struct gleaner_page record_page(const char *type, const char *html)
{
    return (struct gleaner_page){
        .size = sizeof(struct gleaner_page),
        .url = RECORD_URL,
        .url_len = strlen(RECORD_URL),
        .body = html,
        .body_len = strlen(html),
        .content_type = "text/html; charset=utf-8",
        .charset = "UTF-8",
        .type = type,
        .http_status = 200,
        .fetched_at_ms = RECORD_TIME,
    };
}

void record_run_page(const struct gleaner_page *page)
{
    struct module_use use;
    record.count = 0;
    record.open = record.noindex = record.nofollow = false;
    record.content_found = -1;
    record.last_log[0] = '\0';
    cr_assert_eq(module_acquire(record_registry, page->type, &use), GLEANER_OK);
    struct gleaner_task *task = (struct gleaner_task *)(void *)&record;
    record.verdict = use.module->handle(use.state, &host, task, page);
    module_release(record_registry, &use);
}

void record_submit(const char *type, const char *html)
{
    struct gleaner_page page = record_page(type, html);
    page.want_markdown = true;
    record_run_page(&page);
}

void record_scrape(const char *type, const char *html)
{
    struct gleaner_page page = record_page(type, html);
    page.want_links = true;
    record_run_page(&page);
}

const char *record_json(size_t i)
{
    return i < record.count ? record.documents[i].json.data : "(none)";
}

/* The end of a JSON value. */
static const char *skip_value(const char *p)
{
    unsigned depth = 0;
    bool in_string = false;
    for (; *p != '\0'; p++) {
        if (in_string) {
            in_string = *p != '"';
            p += *p == '\\' ? 1 : 0;
            continue;
        }
        if (depth == 0 && (*p == ',' || *p == '}' || *p == ']')) {
            return p;
        }
        in_string = *p == '"';
        depth += *p == '{' || *p == '[' ? 1 : 0;
        depth -= *p == '}' || *p == ']' ? 1 : 0;
    }
    return p;
}

const char *record_field(const char *name)
{
    static char value[65536];
    const char *p = record_json(0);
    size_t name_len = strlen(name);
    while (*p == '{' || *p == ',') {
        const char *key = p + 2;
        bool is_it = strncmp(key, name, name_len) == 0 && key[name_len] == '"';
        p = strchr(key, '"') + 2;
        const char *end = skip_value(p);
        if (is_it) {
            snprintf(value, sizeof value, "%.*s", (int)(end - p), p);
            return value;
        }
        p = end;
    }
    return "(no such field)";
}
