/* SPDX-License-Identifier: Apache-2.0 */
/* The services that modules see through struct gleaner_host. */
#include "document.h"
#include "worker_internal.h"

#include <stdlib.h>
#include <string.h>

static void host_follow(struct gleaner_task *task, const char *url, size_t len)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    if (!task->worker->group->options.is_crawl || len == 0 || memchr(url, '\0', len) != NULL) {
        return;
    }
    base_buffer_append(&task->links, url, len);
    base_buffer_append_char(&task->links, '\0');
}

static void host_log(struct gleaner_task *task, int level, const char *message)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    enum base_log_level to = level <= 0   ? BASE_LOG_ERROR
                             : level == 1 ? BASE_LOG_WARN
                             : level == 2 ? BASE_LOG_INFO
                                          : BASE_LOG_DEBUG;
    if (level <= 1) {
        base_buffer_reset(&task->last_message, 4096);
        base_buffer_append_str(&task->last_message, message);
    }
    base_log(to, task->module_name, "url=%s message=\"%s\"", task->held->job.url, message);
}

/* The counter of that name, claimed with a copy of it: the module may be unloaded before the next
 * report. NULL when the table is full. */
static struct named_counter *find_counter(struct named_counter *counters, const char *name)
{
    for (size_t i = 0; i < GROUP_MAX_COUNTERS; i++) {
        char *known = atomic_load_explicit(&counters[i].name, memory_order_acquire);
        char *copy = known == NULL ? strdup(name) : NULL;
        if (copy != NULL) {
            if (atomic_compare_exchange_strong_explicit(
                    &counters[i].name, &known, copy, memory_order_release, memory_order_acquire)) {
                return &counters[i];
            }
            free(copy); /* another thread was first; `known` is its name */
        }
        if (known == NULL || strcmp(known, name) == 0) {
            return known == NULL ? NULL : &counters[i];
        }
    }
    return NULL;
}

/* Names are few: a table that is scanned. A name that finds no place is not counted. */
static void host_count(struct gleaner_task *task, const char *name, uint64_t n)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    struct named_counter *counter =
        name != NULL ? find_counter(task->worker->group->counters, name) : NULL;
    if (counter != NULL) {
        base_counter_add(&counter->value, n);
    }
}

static enum gleaner_status host_check_out(struct gleaner_task *task, uint32_t timeout_ms,
                                          struct _mongoc_client_t **client, const char **database)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    struct gleaner_db *db = task->worker->group->options.db;
    if (db == NULL) {
        return GLEANER_E_DOWN;
    }
    if (task->has_client) {
        return GLEANER_E_BUSY;
    }
    enum gleaner_status status = gleaner_db_check_out(db, timeout_ms, &task->client);
    if (status == GLEANER_OK) {
        task->has_client = true;
        *client = task->client.client;
        *database = task->client.database;
    }
    return status;
}

static void host_check_in(struct gleaner_task *task, uint32_t error_domain, uint32_t error_code)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    bson_error_t error = {.domain = error_domain, .code = error_code};
    if (task->has_client) {
        task->has_client = false;
        gleaner_db_check_in(task->worker->group->options.db, &task->client,
                            error_domain || error_code ? &error : NULL);
    }
}

static uint64_t host_deadline_ns(struct gleaner_task *task)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    return task->deadline_ns;
}

static bool host_should_stop(struct gleaner_task *task)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    uint64_t now_ns = base_mono_ns();
    uint64_t stop_ns = atomic_load_explicit(&task->worker->group->stop_ns, memory_order_acquire);
    return now_ns >= task->deadline_ns || (stop_ns != 0 && now_ns >= stop_ns);
}

static const char *host_setting(struct gleaner_task *task, const char *name)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    const struct worker_options *options = &task->worker->group->options;
    return options->setting ? options->setting(options->setting_ctx, task->module_name, name)
                            : NULL;
}

static void host_content_found(struct gleaner_task *task, bool found)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    task->has_found = true;
    task->found = found;
}

static void host_page_robots(struct gleaner_task *task, bool noindex, bool nofollow)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    task->noindex |= noindex;
    task->nofollow |= nofollow;
}

static const struct gleaner_host services = {
    .size = sizeof(struct gleaner_host),
    .abi = GLEANER_MODULE_ABI,
    .doc_begin = document_begin,
    .doc_text = document_text,
    .doc_int = document_int,
    .doc_bool = document_bool,
    .doc_date = document_date,
    .doc_null = document_null,
    .doc_open = document_open,
    .doc_close = document_close,
    .doc_commit = document_commit,
    .doc_abort = document_abort,
    .follow = host_follow,
    .log = host_log,
    .count = host_count,
    .check_out = host_check_out,
    .check_in = host_check_in,
    .deadline_ns = host_deadline_ns,
    .should_stop = host_should_stop,
    .setting = host_setting,
    .content_found = host_content_found,
    .page_robots = host_page_robots,
    .run = host_run,
    .fetch = host_fetch,
};

const struct gleaner_host *worker_host(void)
{
    return &services;
}
