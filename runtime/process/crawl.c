/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner crawl: one crawl from its seeds to its summary. */
#include "crawl_internal.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS 50
#define FIRST_CONNECT_MS 2000 /* so the first documents do not take the way of the spool */
#define SPOOL_WAIT_STEP_MS 250
#define SPOOL_SAY_MS 1000 /* a wait that a person would wonder about */
#define NEVER_MET_MS 2000

/* ---- its course ---- */

static void wait_for_server(struct crawl *crawl)
{
    struct gleaner_db *db = crawl->work.db;
    crawl->has_met_server = db != NULL && gleaner_db_wait_up(db, FIRST_CONNECT_MS) == GLEANER_OK;
    if (db == NULL || crawl->has_met_server) {
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
        status = crawl_open_frontier(crawl, error);
    }
    if (status == GLEANER_OK) {
        status =
            sinks_open(work, crawl_home(crawl), crawl->name, work_threads(work->settings), error);
    }
    if (status == GLEANER_OK && crawl->is_resumed) {
        status = sinks_check_resumed(work, error);
    }
    if (status == GLEANER_OK) {
        status = crawl_count_pages_before(crawl, error);
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
    while (!signals_stop_wanted() && !sinks_are_closed(work->sinks) &&
           !worker_group_wait(work->workers, base_mono_ns() + TICK_MS * BASE_NS_PER_MS)) {
        crawl->has_met_server |= work->db != NULL && gleaner_db_is_up(work->db);
        progress_tick(&crawl->progress, work);
        live_serve(work);
    }
    live_stop(work);
}

/* A server that was there during the crawl may be starting again; one that never was is waited for
 * only as long as a first connection takes, unless somebody said how long. */
static uint64_t spool_patience_ms(const struct crawl *crawl)
{
    const struct settings *settings = crawl->work.settings;
    bool is_said = settings_is_given(settings, &settings->spool_wait_ms);
    bool is_short = !crawl->has_met_server && !is_said && settings->spool_wait_ms > NEVER_MET_MS;
    return is_short ? NEVER_MET_MS : settings->spool_wait_ms;
}

static void say_what_is_waited_for(struct crawl *crawl, uint64_t documents, uint64_t patience_ms)
{
    progress_clear(&crawl->progress);
    (void)fprintf(stderr,
                  "gleaner: the crawl is complete; %llu documents wait for %s, up to %llu s "
                  "(--spool-wait)\n",
                  (unsigned long long)documents, crawl->work.target,
                  (unsigned long long)(patience_ms + 999) / 1000);
}

/* Wait for the spool as long as it gets shorter, and the patience beyond that. */
static void deliver_spool(struct crawl *crawl)
{
    struct work *work = &crawl->work;
    if (work->tiered == NULL) {
        return;
    }
    struct store_spool_stats spool;
    store_tiered_spool(work->tiered, &spool);
    uint64_t patience_ms = spool_patience_ms(crawl);
    uint64_t last_count = spool.documents;
    uint64_t last_progress_ns = base_mono_ns();
    bool is_said = patience_ms < SPOOL_SAY_MS;
    while (spool.documents > 0 && !signals_stop_wanted() &&
           base_mono_ns() - last_progress_ns < patience_ms * BASE_NS_PER_MS) {
        uint64_t step_ns = base_mono_ns() + SPOOL_WAIT_STEP_MS * BASE_NS_PER_MS;
        if (store_tiered_drain(work->tiered, step_ns) != GLEANER_OK) {
            progress_tick(&crawl->progress, work);
        }
        store_tiered_spool(work->tiered, &spool);
        if (spool.documents < last_count) {
            last_count = spool.documents;
            last_progress_ns = base_mono_ns();
        } else if (!is_said && base_mono_ns() - last_progress_ns > SPOOL_SAY_MS * BASE_NS_PER_MS) {
            is_said = true;
            say_what_is_waited_for(crawl, spool.documents, patience_ms);
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
    if (sinks_are_closed(work->sinks)) {
        (void)snprintf(how, how_size, "stopped: nobody reads the output any more");
        return EXIT_OTHER;
    }
    if (!is_done && settings_target(work->settings) == TARGET_STREAM) {
        (void)snprintf(how, how_size, "stopped before the end");
        return EXIT_STOPPED;
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
    uint64_t stored_before = figures->workers.unchanged + figures->workers.fresh;
    if (figures->workers.pages + stored_before == 0 && admin_failures(figures) > 0) {
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

/* `--to - --no-progress` feeds another program, which has the exit code. */
static bool is_pipe_without_talk(const struct work *work)
{
    return settings_target(work->settings) == TARGET_STREAM && !work->settings->progress &&
           !work->settings->json;
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
        bool is_vain = stats.has_given_up || sinks_are_closed(work->sinks);
        work_drain(work, is_vain ? 0 : work->settings->drain_ms);
        is_done = worker_group_is_done(work->workers) && !stats.has_given_up;
    }
    struct base_error error = {0};
    if (is_done &&
        store_meta_put(crawl_home(crawl), crawl->name, "finished", &error) != GLEANER_OK) {
        base_log_error("process", "event=finish_not_noted reason=\"%s\"", error.message);
    }
    struct admin_figures figures;
    char how[6000];
    work_read_last(work, &figures);
    enum exit_code code = judge(crawl, &figures, is_done, how, sizeof how);
    progress_end(&crawl->progress);
    bool is_shown = is_pipe_without_talk(work) || summary_print(work, &figures, code, how);
    if (work->settings->progress) {
        sinks_print(work);
    }
    return is_shown || code != EXIT_COMPLETE ? code : EXIT_OTHER;
}

/* Documents and progress on one terminal would be neither. */
static bool is_mixed(const struct settings *settings)
{
    return settings_target(settings) == TARGET_STREAM && isatty(STDOUT_FILENO) == 1;
}

static void announce(const struct crawl *crawl)
{
    if (!crawl->progress.is_on) {
        return;
    }
    const struct work *work = &crawl->work;
    bool is_stream = settings_target(work->settings) == TARGET_STREAM;
    (void)fprintf(stderr, "gleaner: %s %s%s to %s%s%s\n",
                  crawl->is_resumed ? "resuming the crawl of" : "crawling", crawl->seeds[0],
                  crawl->seed_count > 1 ? " and others" : "",
                  is_stream ? "standard output" : work->target, is_stream ? "" : ", data in ",
                  is_stream ? "" : work->data);
}

int command_crawl(struct settings *settings, int argc, char *const argv[])
{
    struct crawl crawl = {0};
    struct base_error error = {0};
    enum exit_code code = EXIT_USAGE;
    enum gleaner_status status = crawl_read_seeds(&crawl, settings, &error);
    crawl.work.is_shared = strcmp(settings->frontier, "shared") == 0;
    if (status == GLEANER_OK) {
        status = work_open_stores(&crawl.work, settings, WORK_CRAWL, &error);
    }
    work_set_patience(&crawl.work, 0, EXIT_STOPPED);
    if (status == GLEANER_OK) {
        status = live_open(&crawl.work, settings, argc, argv, settings_groups_of("crawl"), &error);
    }
    if (status == GLEANER_OK) {
        status = crawl_find_name(&crawl, &error);
    }
    if (status == GLEANER_OK) {
        status = start(&crawl, &error);
    }
    if (status == GLEANER_OK) {
        work_set_patience(&crawl.work, settings->drain_ms, EXIT_STOPPED);
        work_start_server(&crawl.work, "crawl");
        progress_start(&crawl.progress, settings->progress && !is_mixed(settings));
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
