/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner run: the service; gleaner submit: a job for it. */
#include "process_internal.h"
#include <stdio.h>
#include <string.h>

#define TICK_MS 100
#define SERVER_TICK_MS 200
#define JOBS "jobs"

static enum gleaner_status open_queue(struct work *work, struct base_error *error)
{
    const struct settings *s = work->settings;
    enum gleaner_status status = store_queue_open(work->documents, JOBS, &work->jobs, error);
    if (status != GLEANER_OK) {
        return status;
    }
    const struct queue_options options = {
        .store = work->jobs,
        .owner = work->owner,
        .lease_ms = (uint32_t)s->lease_ms,
        .max_attempts = (uint32_t)s->max_attempts,
        .max_deliveries = (uint32_t)s->max_deliveries,
        .retry_base_ms = (uint32_t)s->retry_base_ms,
        .retry_cap_ms = (uint32_t)s->retry_cap_ms,
    };
    return queue_create(&options, &work->queue);
}

static bool is_away(enum gleaner_status status)
{
    return status == GLEANER_E_DOWN || status == GLEANER_E_NETWORK || status == GLEANER_E_TIMEOUT;
}

/* A service that is started before its server, or while that is down, waits for it: nobody would
 * start it again. GLEANER_E_CANCELLED when a signal came first. */
static enum gleaner_status wait_for_queue(struct work *work, struct base_error *error)
{
    enum gleaner_status status = open_queue(work, error);
    char last[sizeof error->message] = "";
    while (work->db != NULL && is_away(status)) {
        struct gleaner_db_state state = {.size = sizeof state};
        gleaner_db_read_state(work->db, &state);
        if (strcmp(last, state.reason) != 0) {
            (void)snprintf(last, sizeof last, "%s", state.reason);
            (void)base_error_set(error, status, "waiting for %s: %s", work->target,
                                 state.reason[0] != '\0' ? state.reason : "no answer yet");
            print_error(error);
        }
        if (signals_stop_wanted()) {
            return GLEANER_E_CANCELLED;
        }
        status = gleaner_db_wait_up(work->db, SERVER_TICK_MS) == GLEANER_OK
                     ? open_queue(work, error)
                     : GLEANER_E_DOWN;
    }
    return status;
}

static enum gleaner_status start(struct work *work, struct base_error *error)
{
    enum gleaner_status status = work_load_modules(work, error);
    if (status == GLEANER_OK) {
        status = wait_for_queue(work, error);
    }
    if (status == GLEANER_OK) {
        status = work_take_back_leases(work, error);
    }
    if (status == GLEANER_OK) {
        status = work_start_fetch(work, error);
    }
    if (status == GLEANER_OK) {
        status = work_start_workers(work, WORK_SERVICE, error);
    }
    return status;
}

int command_run(struct settings *settings, int argc, char *const argv[])
{
    struct work work = {0};
    struct progress progress;
    struct base_error error = {0};
    enum gleaner_status status = work_open_stores(&work, settings, WORK_SERVICE, &error);
    work_set_patience(&work, 0, EXIT_COMPLETE);
    if (status == GLEANER_OK) {
        status = live_open(&work, settings, argc, argv, settings_groups_of("run"), &error);
    }
    if (status == GLEANER_OK) {
        status = start(&work, &error);
    }
    if (status == GLEANER_E_CANCELLED) {
        work_close_soon(&work, EXIT_COMPLETE);
        return EXIT_COMPLETE;
    }
    if (status != GLEANER_OK) {
        print_error(&error);
        work_close_soon(&work, work_exit_code(status));
        return (int)work_exit_code(status);
    }
    work_set_patience(&work, settings->drain_ms, EXIT_COMPLETE);
    work_start_server(&work, "run");
    progress_start(&progress, settings->progress);
    if (settings->progress) {
        (void)fprintf(stderr, "gleaner: taking jobs of %s, data in %s\n", work.target, work.data);
    }
    while (!signals_stop_wanted()) {
        (void)worker_group_wait(work.workers, base_mono_ns() + TICK_MS * BASE_NS_PER_MS);
        progress_tick(&progress, &work);
        live_serve(&work);
    }
    live_stop(&work);
    work_drain(&work, settings->drain_ms);
    struct admin_figures figures;
    work_read_last(&work, &figures);
    progress_end(&progress);
    /* What a server that hangs was not told is on lease until that runs out. */
    bool is_back = figures.workers.in_flight == 0;
    bool is_shown =
        summary_print(&work, &figures, EXIT_COMPLETE,
                      is_back ? "stopped; jobs not finished were handed back"
                              : "stopped; jobs not finished are free when their lease runs out");
    enum exit_code code = is_shown ? EXIT_COMPLETE : EXIT_OTHER;
    work_close_soon(&work, code);
    return (int)code;
}

/* ---- submit ---- */

/* The embedded store belongs to the process that runs on it: that one is asked. */
static enum gleaner_status submit_to_process(const struct settings *settings, const char *url,
                                             bool *is_new, struct base_error *error)
{
    struct base_buffer body = {0};
    struct base_buffer answer = {0};
    base_buffer_printf(&body, "%s\n%s\n", settings->job_type, url);
    enum gleaner_status status =
        body.failed ? GLEANER_E_NOMEM
                    : admin_ask(settings->data, "/jobs", body.data, &answer, error);
    *is_new = status == GLEANER_OK && strncmp(answer.data, "new", 3) == 0;
    base_buffer_fini(&body);
    base_buffer_fini(&answer);
    return status;
}

static enum gleaner_status submit_to_store(const struct settings *settings, const char *url,
                                           bool *is_new, struct base_error *error)
{
    struct work work = {0};
    uint64_t inserted = 0;
    const char *const urls[] = {url};
    enum gleaner_status status = work_open_stores(&work, settings, WORK_SERVICE, error);
    if (status == GLEANER_OK && work.db != NULL) {
        status = work_wait_server(&work, error);
    }
    if (status == GLEANER_OK) {
        status = open_queue(&work, error);
    }
    if (status == GLEANER_OK) {
        status = queue_seed(work.queue, urls, 1, settings->job_type, &inserted, error);
    }
    *is_new = inserted > 0;
    work_close(&work);
    return status;
}

static enum gleaner_status submit_one(const struct settings *settings, const char *text,
                                      struct base_error *error)
{
    char url[8192];
    bool is_new = false;
    enum gleaner_status status = work_normalise_url(text, url, sizeof url, error);
    if (status == GLEANER_OK) {
        status = settings_wants_server(settings) ? GLEANER_E_NOT_FOUND
                                                 : submit_to_process(settings, url, &is_new, error);
        if (status == GLEANER_E_NOT_FOUND) {
            status = submit_to_store(settings, url, &is_new, error);
        }
    }
    if (status == GLEANER_OK) {
        (void)printf("%s %s %s\n", is_new ? "submitted" : "known already:", settings->job_type,
                     url);
    }
    return status;
}

int command_submit(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    struct base_error error = {0};
    enum gleaner_status status = GLEANER_OK;
    if (settings->operands.count == 0) {
        status = base_error_set(&error, GLEANER_E_CONFIG,
                                "submit wants a URL: gleaner submit https://example.org/");
    }
    for (size_t i = 0; status == GLEANER_OK && i < settings->operands.count; i++) {
        status = submit_one(settings, settings->operands.items[i], &error);
    }
    if (status != GLEANER_OK) {
        print_error(&error);
    }
    return (int)work_exit_code(status);
}
