/* SPDX-License-Identifier: Apache-2.0 */
/* A host for modules that writes down what they emit. The worker's host puts documents into a batch
 * for the store; this one makes JSON of them, field by field in the same order. */
#include "tool_internal.h"
#include <string.h>
#include <time.h>

#define TASK_MAGIC 0x54524543u /* "TREC" */
#define MAX_LEVELS 64
#define MAX_DOCUMENT_BYTES (16u << 20)

struct gleaner_task {
    uint32_t magic;
    const struct tool_options *options;
    struct tool_record *record;
    enum tool_record_mode mode;
    uint64_t deadline_ns;
    json_t *entry;              /* what doc_commit adds; NULL = no document is open */
    json_t *levels[MAX_LEVELS]; /* borrowed from the entry */
    size_t depth;
    size_t bytes;
    bool failed;
};

/* ---- documents ------------------------------------------------------------------------------ */

static void record_abort(struct gleaner_task *task)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    json_decref(task->entry);
    task->entry = NULL;
}

static enum gleaner_status record_begin(struct gleaner_task *task, const char *collection,
                                        const char *key, size_t key_len)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    if (task->entry != NULL) {
        return GLEANER_E_BUSY;
    }
    json_t *document = json_object();
    task->entry = json_pack("{s:o, s:o, s:O}", "collection", tool_text(collection), "key",
                            tool_text_of(key, key_len), "document", document);
    task->levels[0] = document;
    task->depth = 0;
    task->bytes = 0;
    task->failed = false;
    json_decref(document);
    return task->entry != NULL ? GLEANER_OK : GLEANER_E_NOMEM;
}

/* Takes `value`. */
static void put(struct gleaner_task *task, const char *name, json_t *value)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    if (task->entry == NULL || task->failed) {
        json_decref(value);
        return;
    }
    json_t *into = task->levels[task->depth];
    if (json_is_array(into)) {
        task->failed = json_array_append_new(into, value) != 0;
        return;
    }
    if (name == NULL || json_object_set_new(into, name, value) != 0) {
        if (name == NULL) {
            json_decref(value);
        }
        task->failed = true;
    }
    task->bytes += name != NULL ? strlen(name) : 0;
}

static void record_text(struct gleaner_task *task, const char *name, const char *text, size_t len)
{
    put(task, name, tool_text_of(text, len));
    task->bytes += len;
}

static void record_int(struct gleaner_task *task, const char *name, int64_t value)
{
    put(task, name, json_integer(value));
}

static void record_bool(struct gleaner_task *task, const char *name, bool value)
{
    put(task, name, json_boolean(value));
}

/* As `gleaner export` prints dates: relaxed extended JSON, so before 1970 and after 9999 a number.
 */
static void record_date(struct gleaner_task *task, const char *name, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    char day[40], text[64];
    if (ms < 0 || ms > INT64_C(253402300799999) || gmtime_r(&seconds, &parts) == NULL ||
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
        (void)snprintf(text, sizeof text, "%lld", (long long)ms);
        put(task, name, json_pack("{s:{s:s}}", "$date", "$numberLong", text));
        return;
    }
    (void)snprintf(text, sizeof text, ms % 1000 != 0 ? "%s.%03dZ" : "%sZ", day, (int)(ms % 1000));
    put(task, name, json_pack("{s:s}", "$date", text));
}

static void record_null(struct gleaner_task *task, const char *name)
{
    put(task, name, json_null());
}

static void record_open(struct gleaner_task *task, const char *name, bool is_array)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    if (task->entry == NULL) {
        return;
    }
    if (task->depth + 1 == MAX_LEVELS) {
        task->failed = true;
    }
    if (task->failed) {
        return;
    }
    json_t *child = is_array ? json_array() : json_object();
    put(task, name, child);
    if (!task->failed) {
        task->levels[++task->depth] = child;
    }
}

static void record_close(struct gleaner_task *task)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    if (task->entry != NULL && !task->failed && task->depth > 0) {
        task->depth--;
    }
}

static enum gleaner_status record_commit(struct gleaner_task *task)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    if (task->entry == NULL) {
        return GLEANER_E_INVALID;
    }
    if (task->failed || task->bytes > MAX_DOCUMENT_BYTES) {
        enum gleaner_status status =
            task->bytes > MAX_DOCUMENT_BYTES ? GLEANER_E_LIMIT : GLEANER_E_NOMEM;
        record_abort(task);
        return status;
    }
    int failed = json_array_append_new(task->record->documents, task->entry);
    task->entry = NULL;
    return failed == 0 ? GLEANER_OK : GLEANER_E_NOMEM;
}

/* ---- the other services --------------------------------------------------------------------- */

static void record_follow(struct gleaner_task *task, const char *url, size_t len)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    (void)json_array_append_new(task->record->links, tool_text_of(url, len));
}

static void record_log(struct gleaner_task *task, int level, const char *message)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    const char *name = names[level < 0 ? 0 : level > 3 ? 3 : level];
    (void)json_array_append_new(task->record->messages, json_pack("{s:s, s:o}", "level", name,
                                                                  "message", tool_text(message)));
}

static void record_count(struct gleaner_task *task, const char *name, uint64_t n)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    (void)name;
    (void)n;
}

/* A tool writes nothing, so it has no client to lend. */
static enum gleaner_status record_check_out(struct gleaner_task *task, uint32_t timeout_ms,
                                            struct _mongoc_client_t **client, const char **database)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    (void)timeout_ms;
    *client = NULL;
    *database = NULL;
    return GLEANER_E_DOWN;
}

static void record_check_in(struct gleaner_task *task, uint32_t error_domain, uint32_t error_code)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    (void)error_domain;
    (void)error_code;
}

static uint64_t record_deadline_ns(struct gleaner_task *task)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    return task->deadline_ns;
}

static bool record_should_stop(struct gleaner_task *task)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    return base_mono_ns() >= task->deadline_ns ||
           (task->options->should_stop != NULL && task->options->should_stop());
}

static const char *record_setting(struct gleaner_task *task, const char *name)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    if (task->mode == TOOL_RECORD_ONE_DOCUMENT && strcmp(name, "document") == 0) {
        return "page";
    }
    const struct tool_options *options = task->options;
    return options->setting != NULL
               ? options->setting(options->setting_ctx, task->record->module, name)
               : NULL;
}

static void record_content_found(struct gleaner_task *task, bool found)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    task->record->has_found = true;
    task->record->found = found;
}

static void record_page_robots(struct gleaner_task *task, bool noindex, bool nofollow)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    task->record->noindex |= noindex;
    task->record->nofollow |= nofollow;
}

static const struct gleaner_host services = {
    .size = sizeof(struct gleaner_host),
    .abi = GLEANER_MODULE_ABI,
    .doc_begin = record_begin,
    .doc_text = record_text,
    .doc_int = record_int,
    .doc_bool = record_bool,
    .doc_date = record_date,
    .doc_null = record_null,
    .doc_open = record_open,
    .doc_close = record_close,
    .doc_commit = record_commit,
    .doc_abort = record_abort,
    .follow = record_follow,
    .log = record_log,
    .count = record_count,
    .check_out = record_check_out,
    .check_in = record_check_in,
    .deadline_ns = record_deadline_ns,
    .should_stop = record_should_stop,
    .setting = record_setting,
    .content_found = record_content_found,
    .page_robots = record_page_robots,
};

/* ---- one page ------------------------------------------------------------------------------- */

void tool_record_fini(struct tool_record *record)
{
    json_decref(record->documents);
    json_decref(record->links);
    json_decref(record->messages);
    *record = (struct tool_record){0};
}

enum gleaner_status tool_record_page(const struct tool_options *options,
                                     const struct gleaner_page *page, enum tool_record_mode mode,
                                     struct tool_record *out)
{
    struct module_use use;
    *out = (struct tool_record){
        .documents = json_array(), .links = json_array(), .messages = json_array()};
    enum gleaner_status status = module_acquire(options->modules, page->type, &use);
    if (status != GLEANER_OK) {
        return status;
    }
    struct gleaner_task task = {
        .magic = TASK_MAGIC,
        .options = options,
        .record = out,
        .mode = mode,
        .deadline_ns = base_mono_ns() + options->handle_ms * BASE_NS_PER_MS,
    };
    (void)snprintf(out->module, sizeof out->module, "%s", use.module->name);
    out->verdict = use.module->handle(use.state, &services, &task, page);
    record_abort(&task);
    module_release(options->modules, &use);
    return GLEANER_OK;
}
