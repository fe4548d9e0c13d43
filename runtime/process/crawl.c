/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gleaner crawl: one crawl from its seeds to its summary.
 *
 * A crawl has a name made of what it is (seeds, scope, target), so that the same command after a
 * crash, a kill or a Ctrl-C finds its frontier in the data directory and goes on. What is known of
 * it stands in the store as "crawl/<id>": running, or finished.
 */
#include "process_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 50
#define FIRST_CONNECT_MS 2000 /* so the first documents do not take the way of the spool */
#define SPOOL_WAIT_STEP_MS 250

struct crawl {
    struct work work;
    struct progress progress;
    const char **seeds; /* normalised, sorted */
    size_t seed_count;
    struct base_arena arena;
    char name[48]; /* crawl/<id> */
    bool is_resumed;
};

/* ---- what it is ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum gleaner_status read_seeds(struct crawl *crawl, const struct settings *settings,
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

static enum gleaner_status name_crawl(struct crawl *crawl, struct base_error *error)
{
    const struct settings *s = crawl->work.settings;
    struct base_buffer text = {0};
    add_list(&text, "seed", &(struct setting_list){crawl->seeds, crawl->seed_count});
    add_list(&text, "include", &s->include);
    add_list(&text, "exclude", &s->exclude);
    add_list(&text, "include_regex", &s->include_regex);
    add_list(&text, "exclude_regex", &s->exclude_regex);
    base_buffer_printf(&text, "depth=%llu same=%d content=%s to=%s/%s/%s\n",
                       (unsigned long long)s->depth, s->same_host, s->content, crawl->work.target,
                       s->database != NULL ? s->database : "", s->collection);
    if (text.failed) {
        base_buffer_fini(&text);
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for the crawl's name");
    }
    (void)snprintf(crawl->name, sizeof crawl->name, "crawl/%016llx",
                   (unsigned long long)base_hash64(text.data, text.len));
    base_buffer_fini(&text);
    return GLEANER_OK;
}

/* ---- its frontier ---- */

/* Where the crawl is known and its frontier lives. */
static struct store *home_of(const struct crawl *crawl)
{
    return crawl->work.is_shared ? crawl->work.remote : crawl->work.local;
}

/* Resume an unfinished crawl of this name; a finished one, or --fresh, starts anew. */
static enum gleaner_status find_or_start(struct crawl *crawl, struct base_error *error)
{
    struct store *home = home_of(crawl);
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
    return status == GLEANER_OK ? store_meta_put(home, crawl->name, "running", error) : status;
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

static enum gleaner_status open_frontier(struct crawl *crawl, struct base_error *error)
{
    struct work *work = &crawl->work;
    const struct settings *s = work->settings;
    enum gleaner_status status = find_or_start(crawl, error);
    if (status == GLEANER_OK) {
        status = store_queue_open(work->tiered != NULL ? work->tiered : home_of(crawl), crawl->name,
                                  &work->jobs, error);
    }
    if (status == GLEANER_OK) {
        uint64_t released = 0;
        status = store_release_owner(work->jobs, work->owner, &released, error);
        if (released > 0) {
            base_log_info("process", "event=leases_taken_back count=%llu",
                          (unsigned long long)released);
        }
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

/* A limit is the crawl's: what was stored before an interruption counts. */
static enum gleaner_status count_pages_before(struct crawl *crawl, struct base_error *error)
{
    struct work *work = &crawl->work;
    if (!crawl->is_resumed || work->settings->pages == UINT64_MAX) {
        return GLEANER_OK;
    }
    return store_list_jobs(work->jobs, "done", 0, count_page, &work->pages_before, error);
}

/* ---- its course ---- */

static void wait_for_server(struct crawl *crawl)
{
    struct gleaner_db *db = crawl->work.db;
    if (db == NULL || gleaner_db_wait_up(db, FIRST_CONNECT_MS) == GLEANER_OK) {
        return;
    }
    struct gleaner_db_state state = {.size = sizeof state};
    struct base_error error;
    gleaner_db_read_state(db, &state);
    (void)base_error_set(&error, GLEANER_E_DOWN,
                         "%s cannot be used now: %s; documents wait in %s meanwhile",
                         crawl->work.target, state.reason, crawl->work.data);
    print_error(&error);
}

static enum gleaner_status start(struct crawl *crawl, struct base_error *error)
{
    struct work *work = &crawl->work;
    /* What can be refused comes first: a crawl that never began is none to resume. */
    enum gleaner_status status = sinks_check(work->settings, error);
    if (status == GLEANER_OK) {
        status = work_load_modules(work, error);
    }
    if (status == GLEANER_OK) {
        status = work_start_fetch(work, error);
    }
    if (status == GLEANER_OK && work->is_shared) {
        status = work_wait_server(work, error);
    }
    if (status == GLEANER_OK) {
        status = open_frontier(crawl, error);
    }
    if (status == GLEANER_OK) {
        status = sinks_open(work, home_of(crawl), crawl->name, crawl->is_resumed,
                            work_threads(work->settings), error);
    }
    if (status == GLEANER_OK) {
        status = count_pages_before(crawl, error);
    }
    if (status == GLEANER_OK) {
        wait_for_server(crawl);
        status = work_start_workers(work, WORK_CRAWL, error);
    }
    return status;
}

static void follow(struct crawl *crawl)
{
    struct work *work = &crawl->work;
    while (!signals_stop_wanted() &&
           !worker_group_wait(work->workers, base_mono_ns() + TICK_MS * BASE_NS_PER_MS)) {
        progress_tick(&crawl->progress, work);
        live_serve(work);
    }
    live_stop(work);
}

/* Wait for the spool as long as it gets shorter, and spool_wait_ms beyond that. */
static void deliver_spool(struct crawl *crawl)
{
    struct work *work = &crawl->work;
    if (work->tiered == NULL) {
        return;
    }
    struct store_spool_stats spool;
    store_tiered_spool(work->tiered, &spool);
    uint64_t patience_ns = work->settings->spool_wait_ms * BASE_NS_PER_MS;
    uint64_t last_count = spool.documents;
    uint64_t last_progress_ns = base_mono_ns();
    while (spool.documents > 0 && !signals_stop_wanted() &&
           base_mono_ns() - last_progress_ns < patience_ns) {
        uint64_t step_ns = base_mono_ns() + SPOOL_WAIT_STEP_MS * BASE_NS_PER_MS;
        if (store_tiered_drain(work->tiered, step_ns) != GLEANER_OK) {
            progress_tick(&crawl->progress, work);
        }
        store_tiered_spool(work->tiered, &spool);
        if (spool.documents < last_count) {
            last_count = spool.documents;
            last_progress_ns = base_mono_ns();
        }
    }
}

/* The command that delivers what waits; with a password it cannot be written down whole. */
static void describe_drain(const struct work *work, char *out, size_t out_size)
{
    bool wants_password = strchr(work->target, '@') != NULL;
    (void)snprintf(out, out_size, "gleaner spool drain --data %s%s%s", work->data,
                   wants_password ? " --to " : "", wants_password ? work->target : "");
}

static enum exit_code judge(struct crawl *crawl, const struct admin_figures *figures, bool is_done,
                            char *how, size_t how_size)
{
    const struct work *work = &crawl->work;
    const struct store_counts *jobs = &figures->jobs;
    if (figures->workers.has_given_up) {
        (void)snprintf(how, how_size,
                       "storage failed: %s; what was stored is safe, the same "
                       "command goes on from there",
                       figures->workers.last_error);
        return EXIT_STORAGE;
    }
    if (!is_done) {
        uint64_t left = jobs->ready + jobs->waiting + jobs->leased;
        (void)snprintf(how, how_size,
                       "stopped before the end, %llu URLs are left; the same command goes on from "
                       "there",
                       (unsigned long long)left);
        return EXIT_STOPPED;
    }
    if (figures->has_spool && figures->spool.documents > 0) {
        char drain[5000];
        describe_drain(work, drain, sizeof drain);
        (void)snprintf(how, how_size,
                       "complete, but %llu documents wait for their server; when it is "
                       "back: %s",
                       (unsigned long long)figures->spool.documents, drain);
        return EXIT_SPOOLED;
    }
    if (figures->workers.pages == 0 && admin_failures(figures) > 0) {
        (void)snprintf(how, how_size, "no page could be fetched");
        return EXIT_NO_PAGE;
    }
    if (crawl->is_resumed) {
        (void)snprintf(how, how_size, "complete (resumed; %llu URLs in all)",
                       (unsigned long long)jobs->done + jobs->dead);
    } else {
        (void)snprintf(how, how_size, "complete");
    }
    return EXIT_COMPLETE;
}

static enum exit_code finish(struct crawl *crawl)
{
    struct work *work = &crawl->work;
    struct worker_stats stats;
    bool is_done = worker_group_is_done(work->workers);
    worker_group_read_stats(work->workers, &stats);
    is_done = is_done && !stats.has_given_up;
    if (is_done) {
        deliver_spool(crawl);
    } else {
        /* What storage refuses now would be refused until the limit, too. */
        work_drain(work, stats.has_given_up ? 0 : work->settings->drain_ms);
        is_done = worker_group_is_done(work->workers) && !stats.has_given_up;
    }
    struct base_error error = {0};
    if (is_done && store_meta_put(home_of(crawl), crawl->name, "finished", &error) != GLEANER_OK) {
        base_log_error("process", "event=finish_not_noted reason=\"%s\"", error.message);
    }
    struct admin_figures figures;
    char how[6000];
    work_read_last(work, &figures);
    enum exit_code code = judge(crawl, &figures, is_done, how, sizeof how);
    progress_end(&crawl->progress);
    bool is_shown = summary_print(work, &figures, code, how);
    if (work->settings->progress) {
        sinks_print(work);
    }
    return is_shown || code != EXIT_COMPLETE ? code : EXIT_OTHER;
}

static void announce(const struct crawl *crawl)
{
    if (crawl->progress.is_on) {
        const struct work *work = &crawl->work;
        (void)fprintf(stderr, "gleaner: %s %s%s to %s, data in %s\n",
                      crawl->is_resumed ? "resuming the crawl of" : "crawling", crawl->seeds[0],
                      crawl->seed_count > 1 ? " and others" : "", work->target, work->data);
    }
}

int command_crawl(struct settings *settings, int argc, char *const argv[])
{
    struct crawl crawl = {0};
    struct base_error error = {0};
    enum exit_code code = EXIT_USAGE;
    enum gleaner_status status = read_seeds(&crawl, settings, &error);
    crawl.work.is_shared = strcmp(settings->frontier, "shared") == 0;
    if (status == GLEANER_OK) {
        status = work_open_stores(&crawl.work, settings, WORK_CRAWL, &error);
    }
    work_set_patience(&crawl.work, 0, EXIT_STOPPED);
    if (status == GLEANER_OK) {
        status = live_open(&crawl.work, settings, argc, argv, settings_groups_of("crawl"), &error);
    }
    if (status == GLEANER_OK) {
        status = name_crawl(&crawl, &error);
    }
    if (status == GLEANER_OK) {
        status = start(&crawl, &error);
    }
    if (status == GLEANER_OK) {
        work_set_patience(&crawl.work, settings->drain_ms, EXIT_STOPPED);
        work_start_server(&crawl.work, "crawl");
        progress_start(&crawl.progress, settings->progress);
        announce(&crawl);
        follow(&crawl);
        code = finish(&crawl);
    } else {
        print_error(&error);
        code = work_exit_code(status);
    }
    work_close_soon(&crawl.work, code);
    base_arena_fini(&crawl.arena);
    return (int)code;
}
