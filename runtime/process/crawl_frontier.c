/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a crawl is, and its frontier.
 *
 * A crawl has a name made of what it is (seeds, scope, target), so that the same command after a
 * crash, a kill or a Ctrl-C finds its frontier in the data directory and goes on. What is known of
 * it stands in the store as "crawl/<id>": running, or finished.
 */
#include "crawl_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what it is ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum gleaner_status crawl_read_seeds(struct crawl *crawl, const struct settings *settings,
                                     struct base_error *error)
{
    size_t count = settings->operands.count;
    if (count == 0) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "crawl wants a URL to start at: gleaner crawl https://example.org/");
    }
    crawl->seeds = base_arena_alloc(&crawl->arena, count * sizeof *crawl->seeds);
    for (size_t i = 0; i < count; i++) {
        char url[8192];
        enum gleaner_status status =
            work_normalise_url(settings->operands.items[i], url, sizeof url, error);
        if (status != GLEANER_OK) {
            return status;
        }
        char *copy = base_arena_strndup(&crawl->arena, url, strlen(url));
        if (crawl->seeds == NULL || copy == NULL) {
            return base_error_set(error, GLEANER_E_NOMEM, "no memory for %zu URLs", count);
        }
        crawl->seeds[crawl->seed_count++] = copy;
    }
    qsort((void *)crawl->seeds, count, sizeof *crawl->seeds, compare_texts);
    return GLEANER_OK;
}

static void add_list(struct base_buffer *text, const char *label, const struct setting_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        base_buffer_printf(text, "%s=%s\n", label, list->items[i]);
    }
}

/* A file is the same whatever its folder is called from here. */
static enum gleaner_status add_target(const struct crawl *crawl, struct base_buffer *text,
                                      struct base_error *error)
{
    const struct settings *s = crawl->work.settings;
    char path[4200];
    if (!settings_wants_sink(s)) {
        base_buffer_printf(text, "to=%s/%s/%s\n", crawl->work.target,
                           s->database != NULL ? s->database : "", s->collection);
        return GLEANER_OK;
    }
    enum gleaner_status status = sinks_target_path(s, path, sizeof path, error);
    base_buffer_printf(text, "to=%s/%s\n", path, s->collection);
    return status;
}

enum gleaner_status crawl_find_name(struct crawl *crawl, struct base_error *error)
{
    const struct settings *s = crawl->work.settings;
    struct base_buffer text = {0};
    add_list(&text, "seed", &(struct setting_list){crawl->seeds, crawl->seed_count});
    add_list(&text, "include", &s->include);
    add_list(&text, "exclude", &s->exclude);
    add_list(&text, "include_regex", &s->include_regex);
    add_list(&text, "exclude_regex", &s->exclude_regex);
    base_buffer_printf(&text, "depth=%llu same=%d content=%s ", (unsigned long long)s->depth,
                       s->same_host, s->content);
    enum gleaner_status status = add_target(crawl, &text, error);
    if (status == GLEANER_OK && text.failed) {
        status = base_error_set(error, GLEANER_E_NOMEM, "no memory for the crawl's name");
    } else if (status == GLEANER_OK) {
        (void)snprintf(crawl->name, sizeof crawl->name, "crawl/%016llx",
                       (unsigned long long)base_hash64(text.data, text.len));
    }
    base_buffer_fini(&text);
    return status;
}

/* ---- its frontier ---- */

struct store *crawl_home(const struct crawl *crawl)
{
    return crawl->work.is_shared ? crawl->work.remote : crawl->work.local;
}

/* Resume an unfinished crawl of this name; a finished one, or --fresh, starts anew. */
static enum gleaner_status find_or_start(struct crawl *crawl, struct base_error *error)
{
    struct store *home = crawl_home(crawl);
    struct base_buffer state = {0};
    enum gleaner_status status = store_meta_get(home, crawl->name, &state, error);
    bool is_known = status == GLEANER_OK;
    crawl->is_resumed =
        is_known && strcmp(state.data, "running") == 0 && !crawl->work.settings->fresh;
    base_buffer_fini(&state);
    if (status != GLEANER_OK && status != GLEANER_E_NOT_FOUND) {
        return status;
    }
    status = GLEANER_OK;
    if (is_known && !crawl->is_resumed) {
        status = store_queue_drop(home, crawl->name, error);
        if (status == GLEANER_E_NOT_FOUND) {
            status = GLEANER_OK;
        }
    }
    if (status == GLEANER_OK && !crawl->is_resumed) {
        status = sinks_begin_anew(crawl->work.settings, home, crawl->name, error);
    }
    if (status == GLEANER_OK) {
        status = store_meta_put(home, crawl->name, "running", error);
    }
    if (status == GLEANER_OK) {
        base_log_info("process", "event=crawl_opened name=%s resumed=%s", crawl->name,
                      crawl->is_resumed ? "yes" : "no");
    }
    return status;
}

static enum gleaner_status open_scope(struct crawl *crawl, struct base_error *error)
{
    const struct settings *s = crawl->work.settings;
    const struct queue_scope_options options = {
        .seeds = crawl->seeds,
        .seed_count = crawl->seed_count,
        .same_host = s->same_host,
        .include = s->include.items,
        .include_count = s->include.count,
        .exclude = s->exclude.items,
        .exclude_count = s->exclude.count,
        .include_regex = s->include_regex.items,
        .include_regex_count = s->include_regex.count,
        .exclude_regex = s->exclude_regex.items,
        .exclude_regex_count = s->exclude_regex.count,
        .max_depth = (uint32_t)s->depth,
        .max_url_bytes = (uint32_t)s->max_url_bytes,
        .max_path_repeats = (uint32_t)s->max_path_repeats,
    };
    return queue_scope_create(&options, &crawl->work.scope, error);
}

enum gleaner_status crawl_open_frontier(struct crawl *crawl, struct base_error *error)
{
    struct work *work = &crawl->work;
    const struct settings *s = work->settings;
    enum gleaner_status status = find_or_start(crawl, error);
    if (status == GLEANER_OK) {
        status = store_queue_open(work->tiered != NULL ? work->tiered : crawl_home(crawl),
                                  crawl->name, &work->jobs, error);
    }
    if (status == GLEANER_OK) {
        status = work_take_back_leases(work, error);
    }
    if (status == GLEANER_OK) {
        status = open_scope(crawl, error);
    }
    if (status == GLEANER_OK) {
        const struct queue_options options = {
            .store = work->jobs,
            .scope = work->scope,
            .owner = work->owner,
            .lease_ms = (uint32_t)s->lease_ms,
            .max_attempts = (uint32_t)s->max_attempts,
            .max_deliveries = (uint32_t)s->max_deliveries,
            .retry_base_ms = (uint32_t)s->retry_base_ms,
            .retry_cap_ms = (uint32_t)s->retry_cap_ms,
            .max_pages = s->pages == UINT64_MAX ? 0 : s->pages,
            .max_host_pages = s->host_pages == UINT64_MAX ? 0 : s->host_pages,
            .max_query_variants = s->query_variants == UINT64_MAX ? 0 : s->query_variants,
            .max_date_variants = s->date_variants == UINT64_MAX ? 0 : s->date_variants,
        };
        status = queue_create(&options, &work->queue);
    }
    if (status == GLEANER_OK) {
        status = queue_seed(work->queue, crawl->seeds, crawl->seed_count, "page", NULL, error);
    }
    if (status == GLEANER_OK && s->sitemaps) {
        status = worker_seed_sitemaps(work->queue, crawl->seeds, crawl->seed_count, error);
    }
    return status;
}

static bool count_page(void *ctx, const struct store_job_view *view)
{
    uint64_t *pages = ctx;
    *pages += view->content_found && strcmp(view->job->type, "page") == 0;
    return true;
}

enum gleaner_status crawl_count_pages_before(struct crawl *crawl, struct base_error *error)
{
    struct work *work = &crawl->work;
    if (!crawl->is_resumed || work->settings->pages == UINT64_MAX) {
        return GLEANER_OK;
    }
    return store_list_jobs(work->jobs, "done", 0, count_page, &work->pages_before, error);
}
