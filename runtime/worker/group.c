/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_internal.h"

#include <stdlib.h>
#include <unistd.h>

enum { BATCH_MS = 20, PREFETCH = 128, HANDLE_MS = 60000 };

static void set_default(uint32_t *value, uint32_t fallback)
{
    if (*value == 0) {
        *value = fallback;
    }
}

static void fill_defaults(struct worker_options *options)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    set_default(&options->threads, processors > 0 ? (uint32_t)processors : 1);
    set_default(&options->batch_pages, 64);
    set_default(&options->batch_ms, BATCH_MS);
    set_default(&options->prefetch, PREFETCH);
    set_default(&options->handle_ms, HANDLE_MS);
    if (options->batch_bytes == 0) {
        options->batch_bytes = UINT64_C(8) << 20;
    }
    if (options->sitemap_urls == 0) {
        options->sitemap_urls = 1000000;
    }
    if (options->collection == NULL) {
        options->collection = "pages";
    }
}

static void worker_fini(struct worker *worker)
{
    struct gleaner_task *task = &worker->task;
    base_buffer_fini(&task->links);
    base_buffer_fini(&task->last_message);
    base_buffer_fini(&task->repaired);
    host_fetch_reset(task, true);
    base_buffer_fini(&worker->decoded);
    store_jobs_fini(&worker->claimed);
    base_arena_fini(&worker->visits.arena);
    batch_fini(&worker->batch);
}

static void group_free(struct worker_group *group)
{
    for (uint32_t i = 0; group->workers != NULL && i < group->options.threads; i++) {
        worker_fini(&group->workers[i]);
    }
    for (size_t i = 0; i < GROUP_MAX_COUNTERS; i++) {
        free(atomic_load_explicit(&group->counters[i].name, memory_order_relaxed));
    }
    suspects_close(&group->suspects);
    hosts_close(&group->hosts);
    held_fini(&group->held);
    sync_mutex_destroy(&group->supply_lock);
    sync_mutex_destroy(&group->wait_lock);
    sync_cond_destroy(&group->changed);
    free(group->workers);
    free(group);
}

static enum gleaner_status group_build(struct worker_group *group)
{
    group->workers = calloc(group->options.threads, sizeof(*group->workers));
    group->hosts = hosts_open();
    if (group->workers == NULL || group->hosts == NULL || held_init(&group->held) != GLEANER_OK ||
        sync_mutex_create(&group->supply_lock) != GLEANER_OK ||
        sync_mutex_create(&group->wait_lock) != GLEANER_OK ||
        sync_cond_create(&group->changed) != GLEANER_OK) {
        return GLEANER_E_NOMEM;
    }
    for (uint32_t i = 0; i < group->options.threads; i++) {
        struct worker *worker = &group->workers[i];
        worker->group = group;
        worker->index = i;
        worker->task.magic = TASK_MAGIC;
        worker->task.worker = worker;
        /* Full at batch_pages; claimed and not taken by the engine, prefetch more come in. */
        size_t cap = (size_t)group->options.batch_pages + group->options.prefetch;
        if (batch_init(&worker->batch, cap) != GLEANER_OK) {
            return GLEANER_E_NOMEM;
        }
    }
    if (group->options.suspects_path != NULL) {
        group->suspects = suspects_open(group->options.suspects_path);
        group->options.suspects_path = NULL; /* borrowed for the start alone */
    }
    return GLEANER_OK;
}

static void stop_and_join(struct worker_group *group)
{
    for (uint32_t i = 0; i < group->started; i++) {
        sync_thread_join(&group->workers[i].thread);
    }
    keeper_join(group);
}

enum gleaner_status worker_group_start(const struct worker_options *options,
                                       struct worker_group **out, struct base_error *error)
{
    struct worker_group *group = calloc(1, sizeof(*group));
    if (group == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for the workers");
    }
    group->options = *options;
    fill_defaults(&group->options);
    const struct worker_live live = {
        .max_pages = group->options.max_pages,
        .batch_ms = group->options.batch_ms,
        .prefetch = group->options.prefetch,
        .handle_ms = group->options.handle_ms,
        .give_up_ms = group->options.give_up_ms,
    };
    worker_group_configure(group, &live);
    const uint32_t threads = group->options.threads;
    if (group_build(group) != GLEANER_OK || keeper_start(group) != GLEANER_OK) {
        group_free(group);
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for %u workers", threads);
    }
    for (uint32_t i = 0; i < group->options.threads; i++) {
        if (sync_thread_start(&group->workers[i].thread, "worker", SYNC_READER, worker_run,
                              &group->workers[i]) != GLEANER_OK) {
            worker_group_request_stop(group, base_mono_ns());
            stop_and_join(group);
            group_free(group);
            return base_error_set(error, GLEANER_E_NOMEM,
                                  "the system gives no thread for worker %u", i + 1);
        }
        group->started++;
    }
    *out = group;
    return GLEANER_OK;
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value != 0 ? value : fallback;
}

void worker_group_configure(struct worker_group *group, const struct worker_live *live)
{
    struct group_live *to = &group->live;
    const memory_order relaxed = memory_order_relaxed;
    atomic_store_explicit(&to->max_pages, live->max_pages, relaxed);
    atomic_store_explicit(&to->batch_ms, or_default(live->batch_ms, BATCH_MS), relaxed);
    atomic_store_explicit(&to->prefetch, or_default(live->prefetch, PREFETCH), relaxed);
    atomic_store_explicit(&to->handle_ms, or_default(live->handle_ms, HANDLE_MS), relaxed);
    atomic_store_explicit(&to->give_up_ms, live->give_up_ms, relaxed);
    if (group->supply_lock != NULL) { /* not while it is made: there may be more room now */
        supply_at(group, 0);
    }
}

bool worker_group_is_done(struct worker_group *group)
{
    return atomic_load_explicit(&group->is_done, memory_order_acquire);
}

bool worker_group_wait(struct worker_group *group, uint64_t deadline_ns)
{
    bool in_time = true;
    sync_mutex_lock(group->wait_lock);
    while (in_time && !group_is_stopping(group)) {
        in_time = sync_cond_wait(group->changed, group->wait_lock, deadline_ns);
    }
    sync_mutex_unlock(group->wait_lock);
    return group_is_stopping(group);
}

void worker_group_request_stop(struct worker_group *group, uint64_t deadline_ns)
{
    atomic_store_explicit(&group->stop_ns, deadline_ns ? deadline_ns : 1, memory_order_release);
    fetch_drain(group->options.fetch, deadline_ns);
    sync_mutex_lock(group->wait_lock);
    sync_cond_broadcast(group->changed);
    sync_mutex_unlock(group->wait_lock);
    for (uint32_t i = 0; i < group->options.threads; i++) {
        fetch_nudge(group->options.fetch);
    }
}

void worker_group_join(struct worker_group **group)
{
    if (group == NULL || *group == NULL) {
        return;
    }
    stop_and_join(*group);
    if (held_count(&(*group)->held) > 0) {
        held_release_all(*group);
    }
    if ((*group)->options.shares != NULL) {
        shares_leave(*group);
    }
    group_free(*group);
    *group = NULL;
}

void worker_group_read_stats(struct worker_group *group, struct worker_stats *out)
{
    *out = (struct worker_stats){
        .pages = base_counter_get(&group->pages),
        .documents_new = base_counter_get(&group->documents_new),
        .documents_replaced = base_counter_get(&group->documents_replaced),
        .documents_spooled = base_counter_get(&group->documents_spooled),
        .documents_refused = base_counter_get(&group->documents_refused),
        .module_failures = base_counter_get(&group->module_failures),
        .redirects = base_counter_get(&group->redirects),
        .retries = base_counter_get(&group->retries),
        .postponed = base_counter_get(&group->postponed),
        .poisoned = base_counter_get(&group->poisoned),
        .unchanged = base_counter_get(&group->unchanged),
        .fresh = base_counter_get(&group->fresh),
        .settle_errors = base_counter_get(&group->settle_errors),
        .in_flight = held_count(&group->held),
        .settle_p50_ns = base_histogram_quantile(&group->settle_ns, 0.50),
        .settle_p99_ns = base_histogram_quantile(&group->settle_ns, 0.99),
        .handle_p50_ns = base_histogram_quantile(&group->handle_ns, 0.50),
        .handle_p99_ns = base_histogram_quantile(&group->handle_ns, 0.99),
    };
    for (int i = 0; i < FETCH_CLASS_COUNT; i++) {
        out->failures[i] = base_counter_get(&group->failures[i]);
    }
    sync_mutex_lock(group->wait_lock);
    out->has_given_up = atomic_load_explicit(&group->has_given_up, memory_order_relaxed);
    out->last_settle_status = group->last_status;
    snprintf(out->last_error, sizeof(out->last_error), "%s", group->last_error);
    sync_mutex_unlock(group->wait_lock);
}

void worker_group_read_counters(struct worker_group *group,
                                void (*row)(void *ctx, const char *name, uint64_t value), void *ctx)
{
    for (size_t i = 0; i < GROUP_MAX_COUNTERS; i++) {
        const char *name = atomic_load_explicit(&group->counters[i].name, memory_order_acquire);
        if (name == NULL) {
            return;
        }
        row(ctx, name, base_counter_get(&group->counters[i].value));
    }
}
