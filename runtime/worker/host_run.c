/* SPDX-License-Identifier: Apache-2.0 */
/* A module's own operation on the database, repeated where that is safe: gleaner_db_run() without
 * the driver's types. */
#include "worker_internal.h"

#include <stdio.h>

struct task_run {
    gleaner_task_operation operation;
    void *ctx;
};

static bool try_operation(void *ctx, struct gleaner_try *attempt)
{
    struct task_run *run = ctx;
    uint32_t domain = 0, code = 0;
    const struct gleaner_client *client = attempt->client;
    bool ok = run->operation(run->ctx, client->client, client->database, &domain, &code);
    if (!ok) {
        bson_set_error(&attempt->error, domain, code, "the driver's code is %u of its domain %u",
                       code, domain);
    }
    return ok;
}

static uint32_t left_ms(const struct gleaner_task *task, uint32_t timeout_ms)
{
    uint64_t now_ns = base_mono_ns();
    uint64_t left = task->deadline_ns > now_ns ? (task->deadline_ns - now_ns) / BASE_NS_PER_MS : 0;
    uint32_t least = left < timeout_ms ? (uint32_t)left : timeout_ms;
    return least > 0 ? least : 1; /* 0 would be the default */
}

enum gleaner_status host_run(struct gleaner_task *task, uint32_t timeout_ms,
                             enum gleaner_repetition repetition, gleaner_task_operation operation,
                             void *ctx, char *why, size_t why_size)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    struct gleaner_db *db = task->worker->group->options.db;
    struct gleaner_run_options options;
    struct gleaner_error error = {.message = "no database server is in use"};
    enum gleaner_status status = GLEANER_E_DOWN;
    if (task->has_client) {
        status = GLEANER_E_BUSY;
        snprintf(error.message, sizeof(error.message), "this task has a client checked out");
    } else if (db != NULL) {
        struct task_run run = {.operation = operation, .ctx = ctx};
        gleaner_run_options_init(&options);
        options.deadline_ms = left_ms(task, timeout_ms);
        options.is_idempotent = repetition == GLEANER_IDEMPOTENT;
        options.what = task->module_name;
        error.message[0] = '\0';
        status = gleaner_db_run(db, &options, try_operation, &run, &error);
    }
    if (why != NULL && why_size > 0) {
        snprintf(why, why_size, "%s", status == GLEANER_OK ? "" : error.message);
    }
    return status;
}
