/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner crawl --to FILE and --also FILE: files that are written instead of the store or beside
 * it, batch by batch, before the store is told. Where the crawl began in each of them stands in the
 * store, so that a resumed one knows which records are its own. */
#include "process_internal.h"
#include "sink.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 4200

struct sinks {
    struct worker_tap tap;
    size_t count;
    uint32_t threads;
    struct sink **sinks;        /* [count] */
    struct sink_stage **stages; /* [count * threads]; a worker's are beside each other */
    /* writes: workers; reads: main, to end the crawl; relaxed: nothing hangs on when it is seen */
    _Atomic bool is_closed; /* nobody reads standard output any more */
};

/* ---- which ---- */

/* The target comes first, if it is one. */
static size_t count_of(const struct settings *settings)
{
    return settings->also.count + (settings_wants_sink(settings) ? 1 : 0);
}

static const char *text_of(const struct settings *settings, size_t i)
{
    size_t first = settings_wants_sink(settings) ? 1 : 0;
    return i < first ? settings->target : settings->also.items[i - first];
}

static bool is_target(const struct settings *settings, size_t i)
{
    return i == 0 && settings_wants_sink(settings);
}

bool sinks_want_headers(const struct settings *settings)
{
    bool want = false;
    for (size_t i = 0; i < count_of(settings); i++) {
        enum sink_format format;
        const char *path;
        want |= sink_parse(text_of(settings, i), &format, &path, NULL) == GLEANER_OK &&
                format == SINK_WARC;
    }
    return want;
}

static enum gleaner_status find_file(const char *text, enum sink_format *format,
                                     char path[PATH_BYTES], struct base_error *error)
{
    const char *given;
    enum gleaner_status status = sink_parse(text, format, &given, error);
    return status == GLEANER_OK ? sink_full_path(given, path, PATH_BYTES, error) : status;
}

enum gleaner_status sinks_target_path(const struct settings *settings, char *out, size_t out_size,
                                      struct base_error *error)
{
    enum sink_format format;
    char path[PATH_BYTES];
    enum gleaner_status status = find_file(settings->target, &format, path, error);
    (void)snprintf(out, out_size, "%s", status == GLEANER_OK ? path : "");
    return status;
}

static enum gleaner_status check_one(const struct settings *settings, size_t i,
                                     struct base_error *error)
{
    enum sink_format format;
    char path[PATH_BYTES], other[PATH_BYTES];
    enum gleaner_status status = find_file(text_of(settings, i), &format, path, error);
    if (status == GLEANER_OK && strcmp(path, "-") == 0 && !is_target(settings, i)) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "--also writes to files; --to - writes to standard output");
    }
    for (size_t before = 0; status == GLEANER_OK && before < i; before++) {
        status = find_file(text_of(settings, before), &format, other, error);
        if (status == GLEANER_OK && strcmp(path, other) == 0) {
            status = base_error_set(error, GLEANER_E_CONFIG, "%s is named twice", path);
        }
    }
    return status;
}

enum gleaner_status sinks_check(const struct settings *settings, struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; status == GLEANER_OK && i < count_of(settings); i++) {
        status = check_one(settings, i, error);
    }
    return status;
}

/* ---- what workers call ---- */

static struct sink_stage **stages_of(struct sinks *sinks, uint32_t worker)
{
    return sinks->stages + (size_t)worker * sinks->count;
}

static enum gleaner_status tap_settling(void *ctx, uint32_t worker,
                                        const struct store_document *documents, size_t first,
                                        size_t count, struct base_error *error)
{
    struct sinks *sinks = ctx;
    struct sink_stage **stages = stages_of(sinks, worker);
    for (size_t s = 0; s < sinks->count; s++) {
        sink_stage_drop_documents(stages[s]); /* of an attempt that failed */
        for (size_t i = first; i < count; i++) {
            if (sink_stage_document(stages[s], documents[i].id, documents[i].bson,
                                    documents[i].bson_len) != GLEANER_OK) {
                return base_error_set(error, GLEANER_E_NOMEM, "no memory to write a file");
            }
        }
    }
    /* One that is written stays so when the next fails: its records are known by then. */
    enum gleaner_status status = GLEANER_OK;
    for (size_t s = 0; status == GLEANER_OK && s < sinks->count; s++) {
        status = sink_commit(sinks->sinks[s], stages[s], error);
    }
    if (status == GLEANER_E_CLOSED) { /* `| head` has seen enough: no failure, but the end */
        atomic_store_explicit(&sinks->is_closed, true, memory_order_relaxed);
        status = GLEANER_OK;
    }
    return status;
}

static uint64_t tap_page(void *ctx, uint32_t worker, const struct fetch_result *result,
                         const struct store_job *job)
{
    struct sinks *sinks = ctx;
    struct sink_stage **stages = stages_of(sinks, worker);
    const struct sink_page page = {
        .url = result->url,
        .headers = result->headers,
        .body = result->body,
        .body_len = result->body != NULL ? result->body_len : 0,
        .fetched_at_ms = base_wall_ms(),
        .fetch_ms = result->total_us / 1000,
        .depth = job->depth,
    };
    uint64_t bytes = 0;
    for (size_t s = 0; s < sinks->count; s++) {
        size_t before = sink_stage_bytes(stages[s]);
        if (sink_stage_page(stages[s], &page) != GLEANER_OK) {
            return UINT64_MAX;
        }
        bytes += sink_stage_bytes(stages[s]) - before;
    }
    return bytes;
}

/* ---- where a crawl began in its files ---- */

/* Instead of a position: the crawl wrote this file before, and begins anew. */
#define ANEW "anew"

static void name_position(const char *crawl, const char *path, char *out, size_t out_size)
{
    (void)snprintf(out, out_size, "%s/also/%016llx", crawl,
                   (unsigned long long)base_hash64(path, strlen(path)));
}

/* "" = none. */
static enum gleaner_status read_position(struct store *home, const char *name,
                                         struct base_buffer *out, struct base_error *error)
{
    enum gleaner_status status = store_meta_get(home, name, out, error);
    if (status == GLEANER_E_NOT_FOUND) {
        base_buffer_reset(out, SIZE_MAX);
        status = GLEANER_OK;
    }
    return status;
}

enum gleaner_status sinks_begin_anew(const struct settings *settings, struct store *home,
                                     const char *crawl, struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; status == GLEANER_OK && i < count_of(settings); i++) {
        char path[PATH_BYTES], name[120];
        enum sink_format format;
        struct base_buffer position = {0};
        status = find_file(text_of(settings, i), &format, path, error);
        name_position(crawl, path, name, sizeof name);
        if (status == GLEANER_OK) {
            status = read_position(home, name, &position, error);
        }
        if (status == GLEANER_OK && (position.len > 0 || settings->fresh)) {
            status = store_meta_put(home, name, ANEW, error);
        }
        base_buffer_fini(&position);
    }
    return status;
}

/* ---- opening and closing ---- */

/* A target holds one crawl: what the same one wrote before goes, what is somebody else's stays. */
static enum sink_existing existing_of(const struct settings *settings, size_t i,
                                      const char *position)
{
    if (!is_target(settings, i)) {
        return SINK_APPEND;
    }
    return strcmp(position, ANEW) == 0 ? SINK_REPLACE : SINK_REFUSE;
}

static enum gleaner_status open_file(struct work *work, size_t i, struct sink_options *options,
                                     struct store *home, const char *crawl, struct sink **out,
                                     struct base_error *error)
{
    char name[120], start[40];
    struct base_buffer position = {0};
    name_position(crawl, options->path, name, sizeof name);
    enum gleaner_status status = read_position(home, name, &position, error);
    const char *text = position.len > 0 ? position.data : "";
    bool is_resumed = text[0] != '\0' && strcmp(text, ANEW) != 0;
    options->resume = is_resumed ? text : NULL;
    options->existing = existing_of(work->settings, i, text);
    if (status == GLEANER_OK) {
        status = sink_open(options, out, error);
    }
    if (status == GLEANER_E_EXISTS) {
        status = base_error_set(error, status,
                                "%s is not empty, and this crawl has not written it: --fresh "
                                "replaces it, --also instead of --to appends to it",
                                options->path);
    }
    if (status == GLEANER_OK && !is_resumed) {
        sink_position(*out, start, sizeof start);
        status = store_meta_put(home, name, start, error);
    }
    base_buffer_fini(&position);
    return status;
}

static enum gleaner_status open_one(struct work *work, size_t i, struct store *home,
                                    const char *crawl, struct sink **out, struct base_error *error)
{
    const struct settings *settings = work->settings;
    struct fetch_options fetch;
    struct base_buffer headers = {0};
    char path[PATH_BYTES];
    struct sink_options options = {
        .path = path, .max_bytes = settings->also_max_mb << 20, .is_durable = !work->is_temporary};
    enum gleaner_status status = find_file(text_of(settings, i), &options.format, path, error);
    if (status != GLEANER_OK) {
        return status;
    }
    work_fetch_options(settings, &fetch);
    base_buffer_printf(&headers, "User-Agent: %s\r\nAccept: %s\r\n", fetch.user_agent,
                       fetch.accept != NULL ? fetch.accept : "*/*");
    options.request_headers = headers.failed ? NULL : headers.data;
    status = open_file(work, i, &options, home, crawl, out, error);
    base_buffer_fini(&headers);
    return status;
}

static enum gleaner_status open_stages(struct sinks *sinks)
{
    for (size_t i = 0; i < sinks->count * sinks->threads; i++) {
        if (sink_stage_create(sinks->sinks[i % sinks->count], &sinks->stages[i]) != GLEANER_OK) {
            return GLEANER_E_NOMEM;
        }
    }
    return GLEANER_OK;
}

enum gleaner_status sinks_open(struct work *work, struct store *home, const char *crawl,
                               uint32_t threads, struct base_error *error)
{
    size_t count = count_of(work->settings);
    if (count == 0) {
        return GLEANER_OK;
    }
    struct sinks *sinks = calloc(1, sizeof *sinks);
    if (sinks != NULL) {
        sinks->sinks = calloc(count, sizeof(struct sink *));
        sinks->stages = calloc(count * threads, sizeof(struct sink_stage *));
        sinks->count = count;
        sinks->threads = threads;
        sinks->tap = (struct worker_tap){tap_settling, tap_page, sinks};
        work->sinks = sinks;
    }
    if (sinks == NULL || sinks->sinks == NULL || sinks->stages == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for %zu files", count);
    }
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; status == GLEANER_OK && i < count; i++) {
        status = open_one(work, i, home, crawl, &sinks->sinks[i], error);
    }
    return status == GLEANER_OK && open_stages(sinks) != GLEANER_OK
               ? base_error_set(error, GLEANER_E_NOMEM, "no memory for %zu files", count)
               : status;
}

static bool find_content(void *ctx, const struct store_job_view *view)
{
    *(bool *)ctx = view->content_found;
    return !view->content_found;
}

enum gleaner_status sinks_check_resumed(const struct work *work, struct base_error *error)
{
    struct sink_stats stats;
    bool has_content = false;
    if (work->sinks == NULL || settings_target(work->settings) != TARGET_FILE) {
        return GLEANER_OK;
    }
    sink_read_stats(work->sinks->sinks[0], &stats);
    if (stats.found > 0) {
        return GLEANER_OK;
    }
    enum gleaner_status status =
        store_list_jobs(work->jobs, "done", 0, find_content, &has_content, error);
    if (status == GLEANER_OK && has_content) {
        status = base_error_set(error, GLEANER_E_EXISTS,
                                "%s is gone, where the unfinished crawl wrote its pages; --fresh "
                                "begins it anew",
                                work->settings->target);
    }
    return status;
}

bool sinks_are_closed(const struct sinks *sinks)
{
    return sinks != NULL && atomic_load_explicit(&sinks->is_closed, memory_order_relaxed);
}

const struct worker_tap *sinks_tap(const struct sinks *sinks)
{
    return sinks != NULL ? &sinks->tap : NULL;
}

static void print_one(const struct work *work, size_t i, FILE *out)
{
    struct sink_stats stats;
    sink_read_stats(work->sinks->sinks[i], &stats);
    (void)fprintf(out, "%llu records written to %s", (unsigned long long)stats.records,
                  strcmp(text_of(work->settings, i), "-") == 0 ? "standard output"
                                                               : text_of(work->settings, i));
    if (stats.known > 0) {
        (void)fprintf(out, ", %llu were there", (unsigned long long)stats.known);
    }
    (void)fprintf(out, "\n");
}

void sinks_print_target(const struct work *work, FILE *out)
{
    print_one(work, 0, out);
    (void)fprintf(out, "           the crawl's frontier is in %s\n", work->data);
}

void sinks_print(const struct work *work)
{
    size_t first = settings_wants_sink(work->settings) ? 1 : 0;
    for (size_t i = first; work->sinks != NULL && i < work->sinks->count; i++) {
        (void)fprintf(stderr, "gleaner: ");
        print_one(work, i, stderr);
    }
}

void sinks_close(struct sinks **at)
{
    struct sinks *sinks = *at;
    *at = NULL;
    if (sinks == NULL) {
        return;
    }
    for (size_t i = 0; sinks->stages != NULL && i < sinks->count * sinks->threads; i++) {
        sink_stage_destroy(&sinks->stages[i]);
    }
    for (size_t i = 0; sinks->sinks != NULL && i < sinks->count; i++) {
        sink_close(&sinks->sinks[i]);
    }
    free(sinks->stages);
    free(sinks->sinks);
    free(sinks);
}
