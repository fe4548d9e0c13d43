/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner crawl --also FILE: files that are written beside the store, batch by batch, before the
 * store is told. Where the crawl began in each of them stands in the store, so that a resumed one
 * knows which records are its own. */
#include "process_internal.h"
#include "sink.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sinks {
    struct worker_tap tap;
    size_t count;
    uint32_t threads;
    struct sink **sinks;        /* [count] */
    struct sink_stage **stages; /* [count * threads]; a worker's are beside each other */
};

bool sinks_want_headers(const struct settings *settings)
{
    bool want = false;
    for (size_t i = 0; i < settings->also.count; i++) {
        enum sink_format format;
        const char *path;
        want |= sink_parse(settings->also.items[i], &format, &path, NULL) == GLEANER_OK &&
                format == SINK_WARC;
    }
    return want;
}

enum gleaner_status sinks_check(const struct settings *settings, struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; status == GLEANER_OK && i < settings->also.count; i++) {
        enum sink_format format;
        const char *path;
        status = sink_parse(settings->also.items[i], &format, &path, error);
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

/* ---- opening and closing ---- */

static enum gleaner_status find_position(struct store *home, const char *name, bool is_resumed,
                                         struct base_buffer *position, struct base_error *error)
{
    enum gleaner_status status =
        is_resumed ? store_meta_get(home, name, position, error) : GLEANER_E_NOT_FOUND;
    if (status == GLEANER_E_NOT_FOUND) {
        base_buffer_reset(position, SIZE_MAX);
        status = GLEANER_OK;
    }
    return status;
}

static enum gleaner_status open_one(struct work *work, const char *text, struct store *home,
                                    const char *crawl, bool is_resumed, struct sink **out,
                                    struct base_error *error)
{
    const struct settings *settings = work->settings;
    struct fetch_options fetch;
    struct base_buffer headers = {0}, position = {0};
    struct sink_options options = {.max_bytes = settings->also_max_mb << 20,
                                   .is_durable = !work->is_temporary};
    char name[120];
    enum gleaner_status status = sink_parse(text, &options.format, &options.path, error);
    if (status != GLEANER_OK) {
        return status;
    }
    (void)snprintf(name, sizeof name, "%s/also/%016llx", crawl,
                   (unsigned long long)base_hash64(options.path, strlen(options.path)));
    status = find_position(home, name, is_resumed, &position, error);
    work_fetch_options(settings, &fetch);
    base_buffer_printf(&headers, "User-Agent: %s\r\nAccept: %s\r\n", fetch.user_agent,
                       fetch.accept != NULL ? fetch.accept : "*/*");
    if (status == GLEANER_OK) {
        options.resume = position.len > 0 ? position.data : NULL;
        options.request_headers = headers.failed ? NULL : headers.data;
        status = sink_open(&options, out, error);
    }
    if (status == GLEANER_OK && position.len == 0) {
        char start[40];
        sink_position(*out, start, sizeof start);
        status = store_meta_put(home, name, start, error);
    }
    base_buffer_fini(&headers);
    base_buffer_fini(&position);
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
                               bool is_resumed, uint32_t threads, struct base_error *error)
{
    size_t count = work->settings->also.count;
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
        status = open_one(work, work->settings->also.items[i], home, crawl, is_resumed,
                          &sinks->sinks[i], error);
    }
    return status == GLEANER_OK && open_stages(sinks) != GLEANER_OK
               ? base_error_set(error, GLEANER_E_NOMEM, "no memory for %zu files", count)
               : status;
}

const struct worker_tap *sinks_tap(const struct sinks *sinks)
{
    return sinks != NULL ? &sinks->tap : NULL;
}

void sinks_print(const struct work *work)
{
    for (size_t i = 0; work->sinks != NULL && i < work->sinks->count; i++) {
        struct sink_stats stats;
        sink_read_stats(work->sinks->sinks[i], &stats);
        (void)fprintf(stderr, "gleaner: %llu records written to %s",
                      (unsigned long long)stats.records, work->settings->also.items[i]);
        if (stats.known > 0) {
            (void)fprintf(stderr, ", %llu were there", (unsigned long long)stats.known);
        }
        (void)fprintf(stderr, "\n");
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
