/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner queue stats|list|dead|retry|drop: the jobs, for people. Looking works beside a running
 * process; a change of the embedded store is asked of the process that works on it, if one does. */
#include "process_internal.h"
#include "queue_jobs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- printing ---- */

struct printing {
    bool json;
    uint64_t rows;
    bool is_broken;
};

static void print_text_job(const char *queue, const struct store_job_view *view)
{
    char name[STORE_JOB_ID_MAX];
    const struct store_job *job = view->job;
    queue_jobs_name(job, name);
    (void)printf("%-7s %-24s %-8s %u/%u  %s", view->state, name, job->type, job->attempts,
                 job->deliveries, job->url);
    if (view->error_class[0] != '\0') {
        (void)printf("  (%s%s%s)", view->error_class, view->reason[0] != '\0' ? ": " : "",
                     view->reason);
    }
    (void)printf("  %s\n", queue);
}

static void append_field(struct base_buffer *out, const char *name, const char *text)
{
    base_buffer_printf(out, ",\"%s\":", name);
    base_buffer_append_json(out, text, strlen(text));
}

static void print_json_job(const char *queue, const struct store_job_view *view)
{
    char name[STORE_JOB_ID_MAX];
    struct base_buffer line = {0};
    const struct store_job *job = view->job;
    queue_jobs_name(job, name);
    base_buffer_append_str(&line, "{\"queue\":");
    base_buffer_append_json(&line, queue, strlen(queue));
    append_field(&line, "id", name);
    append_field(&line, "state", view->state);
    append_field(&line, "type", job->type);
    append_field(&line, "url", job->url);
    append_field(&line, "class", view->error_class);
    append_field(&line, "reason", view->reason);
    base_buffer_printf(&line,
                       ",\"depth\":%u,\"attempts\":%u,\"deliveries\":%u,\"delay_ms\":%llu,"
                       "\"lease_left_ms\":%llu}",
                       job->depth, job->attempts, job->deliveries,
                       (unsigned long long)job->delay_ms, (unsigned long long)job->lease_left_ms);
    (void)puts(line.failed ? "{\"error\":\"no memory\"}" : line.data);
    base_buffer_fini(&line);
}

static bool print_job(void *ctx, const char *queue, const struct store_job_view *view)
{
    struct printing *printing = ctx;
    (printing->json ? print_json_job : print_text_job)(queue, view);
    printing->rows++;
    printing->is_broken = ferror(stdout) != 0;
    return !printing->is_broken && !signals_stop_wanted();
}

static void print_counts(void *ctx, const char *queue, const struct store_counts *counts)
{
    struct printing *printing = ctx;
    const char *format = printing->json
                             ? "{\"queue\":\"%s\",\"ready\":%llu,\"waiting\":%llu,\"leased\":%llu,"
                               "\"done\":%llu,\"dead\":%llu}\n"
                             : "%-24s %llu ready, %llu later, %llu in work, %llu done, %llu dead\n";
    printing->rows++;
    (void)printf(format, queue, (unsigned long long)counts->ready,
                 (unsigned long long)counts->waiting, (unsigned long long)counts->leased,
                 (unsigned long long)counts->done, (unsigned long long)counts->dead);
}

/* ---- the store ---- */

/* The server of --to; else the data directory: read beside a running process, or owned. */
static enum gleaner_status open_store(struct work *work, struct settings *settings, bool is_change,
                                      struct base_error *error)
{
    work->settings = settings;
    if (settings_wants_server(settings) || is_change) {
        enum gleaner_status status = work_open_stores(work, settings, WORK_SERVICE, error);
        return status == GLEANER_OK && work->db != NULL ? work_wait_server(work, error) : status;
    }
    const struct store_sqlite_options options = {.directory = settings->data, .read_only = true};
    enum gleaner_status status = store_sqlite_open(&options, &work->local, error);
    work->documents = work->local;
    return status;
}

/* ---- looking ---- */

static enum gleaner_status look(struct settings *settings, const char *action,
                                struct job_filter *filter, struct base_error *error)
{
    struct work work = {0};
    struct printing printing = {.json = settings->json};
    enum gleaner_status status = open_store(&work, settings, false, error);
    if (status == GLEANER_OK && strcmp(action, "stats") == 0) {
        status = queue_jobs_count(work.documents, filter, print_counts, &printing, error);
    } else if (status == GLEANER_OK) {
        filter->state = strcmp(action, "dead") == 0 ? "dead" : filter->state;
        status = queue_jobs_walk(work.documents, filter, settings->all ? 0 : settings->search_limit,
                                 print_job, &printing, error);
    }
    if (status == GLEANER_OK && printing.rows == 0 && !printing.json) {
        (void)printf("no job\n");
    } else if (status == GLEANER_OK && !settings->all && printing.rows == settings->search_limit &&
               strcmp(action, "stats") != 0) {
        (void)fprintf(stderr, "gleaner: the first %llu; --limit or --all shows more\n",
                      (unsigned long long)printing.rows);
    }
    work_close(&work);
    return status;
}

/* ---- changing ---- */

static enum gleaner_status ask_process(const struct settings *settings,
                                       const struct job_filter *filter, enum store_change change,
                                       uint64_t *changed, struct base_error *error)
{
    struct base_buffer body = {0};
    struct base_buffer answer = {0};
    queue_jobs_write(filter, change, &body);
    enum gleaner_status status =
        body.failed ? GLEANER_E_NOMEM
                    : admin_ask(settings->data, "/queue", body.data, &answer, error);
    *changed = status == GLEANER_OK && answer.data != NULL ? strtoull(answer.data, NULL, 10) : 0;
    base_buffer_fini(&body);
    base_buffer_fini(&answer);
    return status;
}

static enum gleaner_status change_jobs(struct settings *settings, const struct job_filter *filter,
                                       enum store_change change, uint64_t *changed,
                                       struct base_error *error)
{
    enum gleaner_status status = settings_wants_server(settings)
                                     ? GLEANER_E_NOT_FOUND
                                     : ask_process(settings, filter, change, changed, error);
    if (status != GLEANER_E_NOT_FOUND) {
        return status;
    }
    struct work work = {0};
    status = open_store(&work, settings, true, error);
    if (status == GLEANER_OK) {
        status = queue_jobs_change(work.documents, filter, change, changed, error);
    }
    work_close(&work);
    return status;
}

enum gleaner_status queue_answer(struct work *work, const char *text, struct base_buffer *out,
                                 struct base_error *error)
{
    struct job_filter filter;
    enum store_change change = STORE_CHANGE_RETRY;
    uint64_t changed = 0;
    char *copy = strdup(text);
    enum gleaner_status status = copy == NULL ? base_error_set(error, GLEANER_E_NOMEM, "no memory")
                                              : queue_jobs_read(copy, &filter, &change, error);
    if (status == GLEANER_OK) {
        /* Jobs are beside the spool, or where documents are. */
        struct store *store = work->local != NULL ? work->local : work->documents;
        status = queue_jobs_change(store, &filter, change, &changed, error);
    }
    base_buffer_printf(out, "%llu\n", (unsigned long long)changed);
    free(copy);
    return status;
}

/* ---- the command ---- */

static const struct action {
    const char *name;
    bool is_change;
    enum store_change change;
    const char *done; /* "3 jobs DONE" */
} actions[] = {
    {"stats", false, 0, NULL},
    {"list", false, 0, NULL},
    {"dead", false, 0, NULL},
    {"retry", true, STORE_CHANGE_RETRY, "to be tried again"},
    {"drop", true, STORE_CHANGE_DROP, "dropped"},
};

static const char *next_action(const void *ctx, size_t i)
{
    (void)ctx;
    return i < BASE_ARRAY_LEN(actions) ? actions[i].name : NULL;
}

static const struct action *find_action(const struct settings *settings, struct base_error *error)
{
    const char *name = settings->operands.count > 0 ? settings->operands.items[0] : "";
    for (size_t i = 0; i < BASE_ARRAY_LEN(actions); i++) {
        if (strcmp(actions[i].name, name) == 0 && settings->operands.count == 1) {
            return &actions[i];
        }
    }
    const char *near = settings_nearest(name, strlen(name), next_action, NULL);
    (void)base_error_set(error, GLEANER_E_CONFIG,
                         "queue wants one of stats, list, dead, retry and "
                         "drop%s%s%s",
                         near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                         near != NULL ? "?" : "");
    return NULL;
}

static int change_and_tell(struct settings *settings, const struct action *action,
                           const struct job_filter *filter, struct base_error *error)
{
    uint64_t changed = 0;
    bool has_filter = filter->id != NULL || filter->url != NULL || filter->type != NULL ||
                      filter->state != NULL || filter->queue != NULL;
    if (!has_filter && !settings->all) {
        (void)base_error_set(error, GLEANER_E_CONFIG,
                             "%s which? --id, --url, --type, --state, --queue, or --all",
                             action->name);
        print_error(error);
        return EXIT_USAGE;
    }
    enum gleaner_status status = change_jobs(settings, filter, action->change, &changed, error);
    if (status != GLEANER_OK) {
        print_error(error);
        return status == GLEANER_E_REFUSED ? EXIT_USAGE : (int)work_exit_code(status);
    }
    (void)printf("%llu %s %s\n", (unsigned long long)changed, changed == 1 ? "job" : "jobs",
                 action->done);
    return changed > 0 ? EXIT_COMPLETE : EXIT_OTHER;
}

int command_queue(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    struct base_error error = {0};
    const struct action *action = find_action(settings, &error);
    if (action == NULL) {
        print_error(&error);
        return EXIT_USAGE;
    }
    struct job_filter filter = {
        .queue = settings->queue_name,
        .type = settings_is_given(settings, &settings->job_type) ? settings->job_type : NULL,
        .url = settings->page_url,
        .id = settings->job_id,
        .state = settings->job_state,
    };
    if (action->is_change) {
        return change_and_tell(settings, action, &filter, &error);
    }
    enum gleaner_status status = look(settings, action->name, &filter, &error);
    if (status != GLEANER_OK) {
        print_error(&error);
        return (int)work_exit_code(status);
    }
    return end_output(stdout, EXIT_COMPLETE);
}
