/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_internal.h"

#include <stdlib.h>
#include <string.h>

enum { RETRY_FIRST_MS = 50, RETRY_CAP_MS = 2000 };

enum gleaner_status batch_init(struct batch *batch)
{
    *batch = (struct batch){0};
    return document_list_init(&batch->documents);
}

void batch_fini(struct batch *batch)
{
    document_list_fini(&batch->documents);
    queue_links_fini(&batch->links);
    base_arena_fini(&batch->arena);
    free(batch->outcomes);
    free(batch->jobs);
    *batch = (struct batch){0};
}

char *batch_copy(struct batch *batch, const char *text)
{
    return base_arena_strndup(&batch->arena, text, strlen(text));
}

static bool batch_grow(struct batch *batch)
{
    if (batch->count < batch->cap) {
        return true;
    }
    size_t cap = batch->cap ? batch->cap * 2 : 128;
    struct store_outcome *outcomes = realloc(batch->outcomes, cap * sizeof(*outcomes));
    if (outcomes == NULL) {
        return false;
    }
    batch->outcomes = outcomes;
    struct held_job **jobs = realloc(batch->jobs, cap * sizeof(struct held_job *));
    if (jobs == NULL) {
        return false;
    }
    batch->jobs = jobs;
    batch->cap = cap;
    return true;
}

void batch_add(struct worker *worker, struct held_job *held, const struct store_outcome *outcome)
{
    struct batch *batch = &worker->batch;
    if (!batch_grow(batch)) {
        /* No memory to note the outcome: the job stays on lease and is done again. */
        base_log_error("worker", "url=%s error=\"no memory for its outcome; it is fetched again\"",
                       held->job.url);
        return;
    }
    if (batch->count == 0) {
        batch->oldest_ns = base_mono_ns();
    }
    batch->outcomes[batch->count] = *outcome;
    batch->jobs[batch->count++] = held;
}

/* The fetchers run dry and the queue has nothing due: this batch's links may be the supply; and
 * when nothing is under way at all, there is nothing to wait for. */
static bool is_awaited(const struct worker_group *group, const struct batch *batch)
{
    uint32_t load = atomic_load_explicit(&group->in_engine, memory_order_relaxed);
    bool is_hungry = atomic_load_explicit(&group->is_hungry, memory_order_relaxed);
    return is_hungry &&
           (load == 0 || (batch->links.count > 0 && load <= group->options.prefetch / 4));
}

bool batch_is_due(const struct worker *worker, uint64_t now_ns)
{
    const struct worker_group *group = worker->group;
    const struct batch *batch = &worker->batch;
    if (batch->count == 0 || now_ns < worker->settle_retry_ns) {
        return false;
    }
    return batch->count >= group->options.batch_pages ||
           batch->documents.offset >= group->options.batch_bytes ||
           now_ns - batch->oldest_ns >= group->options.batch_ms * BASE_NS_PER_MS ||
           is_awaited(group, batch) || group_is_stopping(group);
}

/* The document list keeps offsets because its buffer moves; now it stands still. */
static struct store_document *resolve_documents(struct batch *batch)
{
    struct document_list *list = &batch->documents;
    struct store_document *documents = malloc((list->count + 1) * sizeof(*documents));
    for (size_t i = 0; documents != NULL && i < list->count; i++) {
        const struct document_ref *ref = &list->refs[i];
        documents[i] = (struct store_document){
            .collection = list->names.data + ref->collection,
            .bson = list->bytes + ref->offset,
            .bson_len = ref->len,
            .url = ref->url == SIZE_MAX ? NULL : list->names.data + ref->url,
        };
        memcpy(documents[i].id, ref->id, STORE_ID_BYTES);
    }
    return documents;
}

static void note_settled(struct worker_group *group, const struct store_settled *settled)
{
    base_counter_add(&group->documents_new, settled->documents_new);
    base_counter_add(&group->documents_replaced, settled->documents_replaced);
    base_counter_add(&group->documents_spooled, settled->documents_spooled);
    base_counter_add(&group->documents_refused, settled->documents_refused);
}

static void note_failure(struct worker *worker, enum gleaner_status status, const char *message)
{
    struct worker_group *group = worker->group;
    uint64_t now_ns = base_mono_ns();
    bool is_first = worker->settle_failing_ns == 0;

    base_counter_add(&group->settle_errors, 1);
    sync_mutex_lock(group->wait_lock);
    group->last_status = status;
    snprintf(group->last_error, sizeof(group->last_error), "%s", message);
    sync_mutex_unlock(group->wait_lock);
    if (is_first) {
        worker->settle_failing_ns = now_ns;
        base_log_warn("worker",
                      "settle=failed pages=%zu status=%s error=\"%s\" then=\"kept, tried again\"",
                      worker->batch.count, gleaner_status_name(status), message);
    }
    uint64_t failing_ms = (now_ns - worker->settle_failing_ns) / BASE_NS_PER_MS;
    uint64_t wait_ms = failing_ms < RETRY_FIRST_MS ? RETRY_FIRST_MS : failing_ms;
    wait_ms = wait_ms > RETRY_CAP_MS ? RETRY_CAP_MS : wait_ms;
    worker->settle_retry_ns = now_ns + wait_ms * BASE_NS_PER_MS;
    if (group->options.give_up_ms > 0 && failing_ms >= group->options.give_up_ms) {
        atomic_store_explicit(&group->has_given_up, true, memory_order_relaxed);
        group_finish(group);
    }
}

static void forget(struct worker *worker)
{
    struct batch *batch = &worker->batch;
    for (size_t i = 0; i < batch->count; i++) {
        held_remove(&worker->group->held, batch->jobs[i]);
    }
    batch->count = 0;
    batch->oldest_ns = 0;
    document_list_reset(&batch->documents);
    queue_links_reset(&batch->links);
    base_arena_reset(&batch->arena);
}

bool batch_settle(struct worker *worker)
{
    struct worker_group *group = worker->group;
    struct batch *batch = &worker->batch;
    struct store_settled settled = {0};
    struct base_error error = {0};

    if (batch->count == 0) {
        return true;
    }
    uint64_t start_ns = base_mono_ns();
    struct store_document *documents = resolve_documents(batch);
    struct store_settlement settlement = {
        .documents = documents,
        .document_count = batch->documents.count,
        .links = batch->links.jobs,
        .link_count = batch->links.count,
        .outcomes = batch->outcomes,
        .outcome_count = batch->count,
    };
    enum gleaner_status status =
        documents == NULL ? base_error_set(&error, GLEANER_E_NOMEM, "no memory to settle a batch")
                          : queue_settle(group->options.queue, &settlement, &settled, &error);
    free(documents);
    base_histogram_add(&group->settle_ns, base_mono_ns() - start_ns);
    if (status != GLEANER_OK) {
        note_failure(worker, status, error.message);
        return false;
    }
    if (worker->settle_failing_ns != 0) {
        base_log_info(
            "worker", "settle=recovered after_ms=%llu",
            (unsigned long long)((base_mono_ns() - worker->settle_failing_ns) / BASE_NS_PER_MS));
    }
    worker->settle_failing_ns = worker->settle_retry_ns = 0;
    note_settled(group, &settled);
    forget(worker);
    if (settled.links_new > 0) {
        supply_is_there(group);
    }
    return true;
}
