/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs by hand: finding them by a filter, changing them. */
#include "queue_jobs.h"
#include "queue.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void queue_jobs_name(const struct store_job *job, char out[STORE_JOB_ID_MAX])
{
    if (job->id[0] != '\0') {
        (void)snprintf(out, STORE_JOB_ID_MAX, "%s", job->id);
    } else {
        (void)snprintf(out, STORE_JOB_ID_MAX, "%016llx", (unsigned long long)job->key);
    }
}

/* ---- the names of the queues ---- */

/* A store's names are copied before a queue is opened: both may use its one connection. */
struct names {
    const char *only;
    struct base_arena arena;
    char **items;
    size_t count;
    bool failed;
};

static bool add_name(void *ctx, const char *name)
{
    struct names *names = ctx;
    if (names->only != NULL && strcmp(names->only, name) != 0) {
        return true;
    }
    char **items = realloc(names->items, (names->count + 1) * sizeof *items);
    char *copy = base_arena_strndup(&names->arena, name, strlen(name));
    if (items != NULL) {
        names->items = items;
    }
    names->failed = items == NULL || copy == NULL;
    if (!names->failed) {
        names->items[names->count++] = copy;
    }
    return !names->failed;
}

static enum gleaner_status read_names(struct store *store, const struct job_filter *filter,
                                      struct names *out, struct base_error *error)
{
    *out = (struct names){.only = filter->queue};
    enum gleaner_status status = store_queue_names(store, add_name, out, error);
    if (status == GLEANER_OK && out->failed) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for the names of the queues");
    }
    if (status == GLEANER_OK && out->count == 0 && filter->queue != NULL) {
        return base_error_set(error, GLEANER_E_NOT_FOUND,
                              "there is no queue '%s'; gleaner queue stats lists them",
                              filter->queue);
    }
    return status;
}

static void free_names(struct names *names)
{
    base_arena_fini(&names->arena);
    free(names->items);
}

/* ---- finding ---- */

static bool fits(const struct job_filter *filter, const struct store_job *job)
{
    char name[STORE_JOB_ID_MAX];
    queue_jobs_name(job, name);
    return (filter->type == NULL || strcmp(filter->type, job->type) == 0) &&
           (filter->id == NULL || strcmp(filter->id, name) == 0) &&
           (filter->url == NULL || queue_glob_match(filter->url, job->url, strlen(job->url)));
}

struct walk {
    const struct job_filter *filter;
    const char *queue;
    uint64_t left;
    job_row row;
    void *ctx;
    bool is_over;
};

static bool walk_row(void *ctx, const struct store_job_view *view)
{
    struct walk *walk = ctx;
    if (fits(walk->filter, view->job)) {
        walk->is_over = !walk->row(walk->ctx, walk->queue, view) || --walk->left == 0;
    }
    return !walk->is_over;
}

enum gleaner_status queue_jobs_walk(struct store *store, const struct job_filter *filter,
                                    uint64_t limit, job_row row, void *ctx,
                                    struct base_error *error)
{
    struct names names;
    struct walk walk = {
        .filter = filter, .left = limit > 0 ? limit : UINT64_MAX, .row = row, .ctx = ctx};
    enum gleaner_status status = read_names(store, filter, &names, error);
    for (size_t i = 0; status == GLEANER_OK && !walk.is_over && i < names.count; i++) {
        struct store_queue *queue = NULL;
        walk.queue = names.items[i];
        status = store_queue_open(store, walk.queue, &queue, error);
        if (status == GLEANER_OK) {
            status = store_list_jobs(queue, filter->state, 0, walk_row, &walk, error);
            store_queue_close(&queue);
        }
    }
    free_names(&names);
    return status;
}

enum gleaner_status queue_jobs_count(struct store *store, const struct job_filter *filter,
                                     void (*row)(void *ctx, const char *queue,
                                                 const struct store_counts *counts),
                                     void *ctx, struct base_error *error)
{
    struct names names;
    enum gleaner_status status = read_names(store, filter, &names, error);
    for (size_t i = 0; status == GLEANER_OK && i < names.count; i++) {
        struct store_queue *queue = NULL;
        struct store_counts counts = {0};
        status = store_queue_open(store, names.items[i], &queue, error);
        if (status == GLEANER_OK) {
            status = store_count(queue, &counts, error);
            store_queue_close(&queue);
        }
        if (status == GLEANER_OK) {
            row(ctx, names.items[i], &counts);
        }
    }
    free_names(&names);
    return status;
}

/* ---- changing ---- */

/* What was found in one queue; key and id are all that a change needs. */
struct found {
    struct store_job *jobs;
    size_t count, cap;
    const struct job_filter *filter;
    enum store_change change;
    bool failed;
};

static bool is_wanted(const struct found *found, const char *state)
{
    if (found->filter->state != NULL) {
        return true; /* the list was asked for it */
    }
    return found->change == STORE_CHANGE_RETRY
               ? strcmp(state, "dead") == 0
               : strcmp(state, "dead") != 0 && strcmp(state, "done") != 0;
}

static bool find_row(void *ctx, const struct store_job_view *view)
{
    struct found *found = ctx;
    if (!is_wanted(found, view->state) || !fits(found->filter, view->job)) {
        return true;
    }
    if (found->count == found->cap) {
        size_t cap = found->cap > 0 ? 2 * found->cap : 64;
        struct store_job *jobs = realloc(found->jobs, cap * sizeof *jobs);
        if (jobs == NULL) {
            found->failed = true;
            return false;
        }
        found->jobs = jobs;
        found->cap = cap;
    }
    struct store_job *job = &found->jobs[found->count++];
    *job = (struct store_job){.key = view->job->key};
    memcpy(job->id, view->job->id, sizeof job->id);
    return true;
}

static enum gleaner_status change_queue(struct store *store, const char *name, struct found *found,
                                        uint64_t *changed, struct base_error *error)
{
    struct store_queue *queue = NULL;
    uint64_t here = 0;
    enum gleaner_status status = store_queue_open(store, name, &queue, error);
    if (status != GLEANER_OK) {
        return status;
    }
    found->count = 0;
    status = store_list_jobs(queue, found->filter->state, 0, find_row, found, error);
    if (status == GLEANER_OK && found->failed) {
        status = base_error_set(error, GLEANER_E_NOMEM, "no memory for %zu jobs", found->count);
    }
    if (status == GLEANER_OK) {
        status = store_change_jobs(queue, found->change, found->jobs, found->count, &here, error);
    }
    store_queue_close(&queue);
    *changed += here;
    /* The same command would start a finished crawl anew. */
    bool is_crawl = strncmp(name, "crawl/", 6) == 0;
    if (status == GLEANER_OK && here > 0 && is_crawl && found->change == STORE_CHANGE_RETRY) {
        status = store_meta_put(store, name, "running", error);
    }
    return status;
}

enum gleaner_status queue_jobs_change(struct store *store, const struct job_filter *filter,
                                      enum store_change change, uint64_t *changed,
                                      struct base_error *error)
{
    struct names names;
    struct found found = {.filter = filter, .change = change};
    *changed = 0;
    enum gleaner_status status = read_names(store, filter, &names, error);
    for (size_t i = 0; status == GLEANER_OK && i < names.count; i++) {
        status = change_queue(store, names.items[i], &found, changed, error);
    }
    free(found.jobs);
    free_names(&names);
    return status;
}

/* ---- as text ---- */

static const char *const change_names[] = {
    [STORE_CHANGE_RETRY] = "retry", [STORE_CHANGE_DROP] = "drop"};

static const struct {
    const char *name;
    size_t offset;
} filter_fields[] = {
    {"queue", offsetof(struct job_filter, queue)}, {"type", offsetof(struct job_filter, type)},
    {"url", offsetof(struct job_filter, url)},     {"id", offsetof(struct job_filter, id)},
    {"state", offsetof(struct job_filter, state)},
};

void queue_jobs_write(const struct job_filter *filter, enum store_change change,
                      struct base_buffer *out)
{
    base_buffer_printf(out, "%s\n", change_names[change]);
    for (size_t i = 0; i < BASE_ARRAY_LEN(filter_fields); i++) {
        const char *value;
        memcpy((void *)&value, (const char *)filter + filter_fields[i].offset, sizeof value);
        if (value != NULL) {
            base_buffer_printf(out, "%s=%s\n", filter_fields[i].name, value);
        }
    }
}

static bool read_field(char *line, struct job_filter *filter)
{
    char *equals = strchr(line, '=');
    if (equals == NULL) {
        return false;
    }
    *equals = '\0';
    const char *value = equals + 1;
    for (size_t i = 0; i < BASE_ARRAY_LEN(filter_fields); i++) {
        if (strcmp(line, filter_fields[i].name) == 0) {
            memcpy((char *)filter + filter_fields[i].offset, (const void *)&value, sizeof value);
            return true;
        }
    }
    return false;
}

enum gleaner_status queue_jobs_read(char *text, struct job_filter *filter,
                                    enum store_change *change, struct base_error *error)
{
    char *rest = text;
    const char *action = strsep(&rest, "\n");
    *filter = (struct job_filter){0};
    bool is_known = false;
    for (size_t i = 0; i < BASE_ARRAY_LEN(change_names); i++) {
        if (action != NULL && strcmp(action, change_names[i]) == 0) {
            *change = (enum store_change)i;
            is_known = true;
        }
    }
    for (char *line; is_known && (line = strsep(&rest, "\n")) != NULL;) {
        is_known = *line == '\0' || read_field(line, filter);
    }
    return is_known ? GLEANER_OK
                    : base_error_set(error, GLEANER_E_INVALID,
                                     "wanted: retry or drop, then lines NAME=VALUE");
}
