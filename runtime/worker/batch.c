/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_internal.h"

#include <stdlib.h>
#include <string.h>

enum gleaner_status batch_init(struct batch *batch, size_t cap)
{
    *batch = (struct batch){.cap = cap};
    document_list_init(&batch->documents);
    batch->outcomes = calloc(cap, sizeof(*batch->outcomes));
    batch->jobs = calloc(cap, sizeof(struct held_job *));
    batch->touches = calloc(cap, sizeof(*batch->touches));
    return batch->outcomes != NULL && batch->jobs != NULL && batch->touches != NULL
               ? GLEANER_OK
               : GLEANER_E_NOMEM;
}

void batch_fini(struct batch *batch)
{
    document_list_fini(&batch->documents);
    queue_links_fini(&batch->links);
    base_arena_fini(&batch->arena);
    free(batch->outcomes);
    free(batch->jobs);
    free(batch->touches);
    free(batch->resolved);
    free(batch->hosts);
    *batch = (struct batch){0};
}

char *batch_copy(struct batch *batch, const char *text)
{
    return base_arena_strndup(&batch->arena, text, strlen(text));
}

void batch_add(struct worker *worker, struct held_job *held, const struct store_outcome *outcome)
{
    struct batch *batch = &worker->batch;
    if (batch->count == batch->cap) {
        /* Only jobs handed back unseen can get here. Not prolonged any more, it is claimed again.
         */
        held_remove(&worker->group->held, held);
        return;
    }
    if (batch->count == 0) {
        batch->oldest_ns = base_mono_ns();
    }
    batch->result_bytes += outcome->results_len;
    batch->outcomes[batch->count] = *outcome;
    batch->jobs[batch->count++] = held;
}

void batch_touch(struct batch *batch, const struct store_touch *touch)
{
    if (batch->touch_count < batch->cap) {
        batch->touches[batch->touch_count++] = *touch;
    }
}

/* The fetchers run dry and the queue has nothing due: this batch's links may be the supply; and
 * when nothing is under way at all, there is nothing to wait for. */
static bool is_awaited(const struct worker_group *group, const struct batch *batch)
{
    uint32_t load = atomic_load_explicit(&group->in_engine, memory_order_relaxed);
    bool is_hungry = atomic_load_explicit(&group->is_hungry, memory_order_relaxed);
    return is_hungry && (load == 0 || (batch->links.count > 0 &&
                                       load <= group_live_value(&group->live.prefetch) / 4));
}

static bool is_large(const struct worker_group *group, const struct batch *batch)
{
    return batch->count >= group->options.batch_pages ||
           batch->documents.offset + batch->result_bytes >= group->options.batch_bytes ||
           batch->links.count >= BATCH_MAX_LINKS;
}

bool batch_is_large(const struct worker *worker)
{
    return is_large(worker->group, &worker->batch);
}

bool batch_is_due(const struct worker *worker, uint64_t now_ns)
{
    const struct worker_group *group = worker->group;
    const struct batch *batch = &worker->batch;
    if (batch->count == 0 || now_ns < worker->settling.retry_ns) {
        return false;
    }
    return is_large(group, batch) ||
           now_ns - batch->oldest_ns >= group_live_value(&group->live.batch_ms) * BASE_NS_PER_MS ||
           is_awaited(group, batch) || group_is_stopping(group);
}

bool batch_is_full(const struct worker *worker)
{
    return worker->settling.since_ns != 0 && is_large(worker->group, &worker->batch);
}

uint64_t batch_due_ns(const struct worker *worker)
{
    const struct batch *batch = &worker->batch;
    if (batch->count == 0) {
        return UINT64_MAX;
    }
    uint64_t due_ns =
        batch->oldest_ns + group_live_value(&worker->group->live.batch_ms) * BASE_NS_PER_MS;
    return due_ns > worker->settling.retry_ns ? due_ns : worker->settling.retry_ns;
}

/* The document list keeps offsets because its buffer moves; now it stands still. */
bool batch_resolve_documents(struct batch *batch)
{
    struct document_list *list = &batch->documents;
    if (list->count > batch->resolved_cap) {
        struct store_document *more =
            realloc(batch->resolved, list->cap * sizeof(*batch->resolved));
        if (more == NULL) {
            return false;
        }
        batch->resolved = more;
        batch->resolved_cap = list->cap;
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct document_ref *ref = &list->refs[i];
        batch->resolved[i] = (struct store_document){
            .collection = list->names.data + ref->collection,
            .bson = list->bytes + ref->offset,
            .bson_len = ref->len,
            .url = ref->url == SIZE_MAX ? NULL : list->names.data + ref->url,
        };
        memcpy(batch->resolved[i].id, ref->id, STORE_ID_BYTES);
    }
    return true;
}

static void note_settled(struct worker_group *group, const struct store_settled *settled)
{
    base_counter_add(&group->documents_new, settled->documents_new);
    base_counter_add(&group->documents_replaced, settled->documents_replaced);
    base_counter_add(&group->documents_spooled, settled->documents_spooled);
    base_counter_add(&group->documents_refused, settled->documents_refused);
}

/* When this batch gives the supply something to do: new links now, a repeated job at its time, a
 * page limit that has room again, or nothing on lease any more, which may be the end. */
static uint64_t next_supply_ns(const struct worker *worker, uint64_t links_new)
{
    const struct worker_group *group = worker->group;
    uint64_t now_ns = base_mono_ns(), at_ns = UINT64_MAX;
    if (links_new > 0 || group_max_pages(group) > 0) {
        return now_ns;
    }
    for (size_t i = 0; i < worker->batch.count; i++) {
        const struct store_outcome *outcome = &worker->batch.outcomes[i];
        bool is_open = outcome->kind == STORE_RETRY || outcome->kind == STORE_RELEASE;
        uint64_t due_ns = now_ns + outcome->delay_ms * BASE_NS_PER_MS;
        at_ns = is_open && due_ns < at_ns ? due_ns : at_ns;
    }
    return at_ns;
}

static void forget(struct worker *worker)
{
    struct batch *batch = &worker->batch;
    held_remove_all(&worker->group->held, batch->jobs, batch->count);
    batch->count = 0;
    batch->touch_count = 0;
    batch->oldest_ns = 0;
    batch->result_bytes = 0;
    batch->tapped = 0;
    batch->host_count = 0;
    document_list_reset(&batch->documents);
    queue_links_reset(&batch->links);
    base_arena_reset(&batch->arena);
}

static void settle_failed(struct worker *worker, const struct base_error *error)
{
    struct worker_group *group = worker->group;
    base_counter_add(&group->settle_errors, 1);
    if (trouble_note(group, &worker->settling, "settle", error)) {
        atomic_fetch_add_explicit(&group->failing, 1, memory_order_relaxed);
    }
}

static void settle_worked(struct worker *worker, const struct store_settled *settled)
{
    struct worker_group *group = worker->group;
    uint64_t supply_ns = next_supply_ns(worker, settled->links_new);
    note_settled(group, settled);
    forget(worker);
    if (trouble_over(&worker->settling, "settle")) {
        atomic_fetch_sub_explicit(&group->failing, 1, memory_order_relaxed);
        supply_ns = 0;
    }
    if (settled->links_new > 0) {
        atomic_store_explicit(&group->is_hungry, false, memory_order_relaxed);
    }
    supply_ns = held_count(&group->held) == 0 ? 0 : supply_ns;
    if (supply_ns != UINT64_MAX) {
        supply_at(group, supply_ns);
    }
}

/* Files before the store: who is killed in between does the pages again and finds them there. */
static enum gleaner_status tell_tap(struct worker *worker, struct base_error *error)
{
    const struct worker_tap *tap = worker->group->options.tap;
    struct batch *batch = &worker->batch;
    size_t count = batch->documents.count;
    if (tap == NULL || (batch->tapped == count && !batch->has_tapped_pages)) {
        return GLEANER_OK;
    }
    enum gleaner_status status =
        tap->settling(tap->ctx, worker->index, batch->resolved, batch->tapped, count, error);
    if (status == GLEANER_OK) {
        batch->tapped = count;
        batch->has_tapped_pages = false;
    }
    return status;
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
    bool is_resolved = batch_resolve_documents(batch);
    struct store_settlement settlement = {
        .documents = batch->resolved,
        .document_count = batch->documents.count,
        .touches = batch->touches,
        .touch_count = batch->touch_count,
        .links = batch->links.jobs,
        .link_count = batch->links.count,
        .outcomes = batch->outcomes,
        .outcome_count = batch->count,
    };
    /* Hosts first: who is killed in between has a hold without the outcome, not the other way. */
    enum gleaner_status status =
        is_resolved ? hosts_note(worker, &error)
                    : base_error_set(&error, GLEANER_E_NOMEM, "no memory to settle a batch");
    if (status == GLEANER_OK) {
        status = tell_tap(worker, &error);
    }
    if (status == GLEANER_OK) {
        status = queue_settle(group->options.queue, &settlement, &settled, &error);
    }
    base_histogram_add(&group->settle_ns, base_mono_ns() - start_ns);
    if (status != GLEANER_OK) {
        error.status = status;
        settle_failed(worker, &error);
        return false;
    }
    settle_worked(worker, &settled);
    return true;
}
