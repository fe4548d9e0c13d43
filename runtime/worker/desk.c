/* SPDX-License-Identifier: Apache-2.0 */
/* Pages that nobody fetched (files of a directory) go through the same modules, the same host
 * services and the same documents as a job's: one worker without a thread, a queue or fetchers. */
#include "worker_internal.h"

#include <stdlib.h>
#include <string.h>

struct worker_desk {
    struct worker_group group; /* options, live.handle_ms and the counters alone are in use */
    struct worker worker;
    struct held_job job; /* what log lines are about */
    char url[2048];
};

enum gleaner_status worker_desk_open(const struct worker_options *options, struct worker_desk **out)
{
    struct worker_desk *desk = calloc(1, sizeof *desk);
    *out = NULL;
    if (desk == NULL) {
        return GLEANER_E_NOMEM;
    }
    desk->group.options = *options;
    desk->worker.group = &desk->group;
    desk->worker.task.magic = TASK_MAGIC;
    desk->worker.task.worker = &desk->worker;
    desk->worker.task.held = &desk->job;
    desk->job.job.url = desk->url;
    if (batch_init(&desk->worker.batch, 1) != GLEANER_OK) {
        worker_desk_close(&desk);
        return GLEANER_E_NOMEM;
    }
    *out = desk;
    return GLEANER_OK;
}

void worker_desk_close(struct worker_desk **at)
{
    struct worker_desk *desk = *at;
    if (desk == NULL) {
        return;
    }
    for (size_t i = 0; i < GROUP_MAX_COUNTERS; i++) {
        free(atomic_load_explicit(&desk->group.counters[i].name, memory_order_relaxed));
    }
    batch_fini(&desk->worker.batch);
    base_buffer_fini(&desk->worker.task.links);
    base_buffer_fini(&desk->worker.task.last_message);
    base_buffer_fini(&desk->worker.task.repaired);
    host_fetch_reset(&desk->worker.task, true);
    free(desk);
    *at = NULL;
}

enum gleaner_status worker_desk_take(struct worker_desk *desk, const struct gleaner_page *page,
                                     bool *found, struct base_error *error)
{
    struct gleaner_task *task = &desk->worker.task;
    struct module_use use;
    *found = false;
    if (module_acquire(desk->group.options.modules, page->type, &use) != GLEANER_OK) {
        return base_error_set(error, GLEANER_E_NOT_FOUND, "no module takes type '%s'", page->type);
    }
    (void)snprintf(desk->url, sizeof desk->url, "%s", page->url);
    document_task_reset(task);
    task->module_name = use.module->name;
    task->deadline_ns = base_mono_ns() + desk->group.options.handle_ms * BASE_NS_PER_MS;
    gleaner_set_deadline(task->deadline_ns); /* of what the module waits for at a server */
    enum gleaner_verdict verdict = use.module->handle(use.state, worker_host(), task, page);
    gleaner_set_deadline(0);
    worker_host()->doc_abort(task); /* a document begun and not committed is not emitted */
    worker_host()->check_in(task, 0, 0);
    host_fetch_reset(task, false);
    module_release(desk->group.options.modules, &use);
    bool is_good = verdict == GLEANER_PAGE_DONE || verdict == GLEANER_PAGE_SKIPPED;
    if (!is_good || task->noindex || (task->has_found && !task->found)) {
        document_list_truncate(&desk->worker.batch.documents, task->first_document);
    }
    *found = desk->worker.batch.documents.count > task->first_document;
    return is_good ? GLEANER_OK
                   : base_error_set(error, GLEANER_E_INVALID, "%s: %s", page->url,
                                    task->last_message.len > 0 ? task->last_message.data
                                                               : "the module gave no reason");
}

const uint8_t *worker_desk_results(struct worker_desk *desk, const char *type, bool found,
                                   uint32_t *len)
{
    struct store_outcome outcome = {.kind = STORE_DONE, .content_found = found};
    base_arena_reset(&desk->worker.batch.arena); /* holds nothing but the last results */
    desk->job.job.type = type;
    results_add(&desk->worker, &desk->job, &outcome);
    desk->job.job.type = NULL;
    *len = outcome.results_len;
    return outcome.results;
}

size_t worker_desk_bytes(const struct worker_desk *desk)
{
    return desk->worker.batch.documents.offset;
}

enum gleaner_status worker_desk_settle(struct worker_desk *desk, struct store_queue *queue,
                                       struct store_settled *out, struct base_error *error)
{
    struct batch *batch = &desk->worker.batch;
    *out = (struct store_settled){0};
    if (batch->documents.count == 0) {
        return GLEANER_OK;
    }
    if (!batch_resolve_documents(batch)) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory to store documents");
    }
    const struct store_settlement settlement = {.documents = batch->resolved,
                                                .document_count = batch->documents.count};
    enum gleaner_status status = store_settle(queue, &settlement, out, error);
    if (status == GLEANER_OK) {
        document_list_reset(&batch->documents);
    }
    return status;
}
