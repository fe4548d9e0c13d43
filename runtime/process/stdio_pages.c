/* SPDX-License-Identifier: Apache-2.0 */
/* Pages that came back from the fetch engine: module, store, reply. */
#include "stdio_station.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define QUEUE_NAME "stdio" /* has no jobs: documents alone are settled in it */

struct desk {
    struct station *station;
    struct worker_desk *desk;
    struct store_queue *queue;
    struct base_buffer decoded;
};

/* The part of the results that was asked for, as the value of `content`. */
static void answer_page(struct desk *desk, struct request *request, bool found)
{
    uint32_t len = 0;
    const uint8_t *bytes = worker_desk_results(desk->desk, request->job_type, found, &len);
    struct store_settled settled;
    struct base_error error = {0};
    bson_t results;
    bson_iter_t at, content;
    char path[32];
    (void)snprintf(path, sizeof path, "%s.content", request->job_type);
    if (worker_desk_settle(desk->desk, desk->queue, &settled, &error) != GLEANER_OK) {
        station_refuse(desk->station, request, error.message);
        return;
    }
    bool has = bytes != NULL && bson_init_static(&results, bytes, len) &&
               bson_iter_init(&at, &results) && bson_iter_find_descendant(&at, path, &content);
    station_answer(desk->station, request,
                   &(struct reply){.success = true,
                                   .found = found,
                                   .message = found ? "content stored" : "no content found",
                                   .content = has ? &content : NULL});
}

static void work_on_page(struct desk *desk, struct request *request,
                         const struct fetch_result *result)
{
    struct base_slice body;
    struct base_error error = {0};
    const char *charset;
    bool found = false;
    const char *type = result->content_type != NULL ? result->content_type : "";
    if (fetch_decode(result->body, result->body_len, type, &desk->decoded, &body, &charset) !=
        GLEANER_OK) {
        station_refuse(desk->station, request, "no memory for the page");
        return;
    }
    const struct gleaner_page page = {
        .size = sizeof page,
        .url = result->url,
        .url_len = strlen(result->url),
        .body = body.data != NULL ? body.data : "",
        .body_len = body.len,
        .content_type = type,
        .charset = charset,
        .type = request->job_type,
        .http_status = result->http_status,
        .fetched_at_ms = base_wall_ms(),
        .want_markdown = true,
        .raw = result->body,
        .raw_len = result->body_len,
        .robots_agent = fetch_robots_agent(desk->station->work->fetch),
    };
    enum gleaner_status status =
        result->noindex ? GLEANER_OK : worker_desk_take(desk->desk, &page, &found, &error);
    if (status == GLEANER_OK) {
        answer_page(desk, request, found);
    } else {
        station_refuse(desk->station, request, error.message);
    }
    base_buffer_reset(&desk->decoded, 1 << 20);
}

static enum gleaner_status open_desk(struct desk *desk, struct base_error *error)
{
    struct work *work = desk->station->work;
    const struct settings *s = work->settings;
    const struct worker_options options = {
        .fetch = work->fetch,
        .modules = work->modules,
        .db = work->db,
        .collection = s->collection,
        .handle_ms = s->handle_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)s->handle_ms,
        .setting = settings_of_module,
        .setting_ctx = (void *)(uintptr_t)s,
    };
    enum gleaner_status status = store_queue_open(work->documents, QUEUE_NAME, &desk->queue, error);
    if (status == GLEANER_OK && worker_desk_open(&options, &desk->desk) != GLEANER_OK) {
        status = base_error_set(error, GLEANER_E_NOMEM, "no memory for a worker");
    }
    return status;
}

/* Until the engine is drained and empty. */
void station_run_pages(void *arg)
{
    struct desk desk = {.station = arg};
    struct base_error opening = {0};
    enum gleaner_status opened = open_desk(&desk, &opening);
    struct fetch_result *result = NULL;
    enum gleaner_status status;
    while ((status = fetch_next(desk.station->work->fetch, BASE_NO_DEADLINE, &result)) !=
           GLEANER_E_CLOSED) {
        if (status != GLEANER_OK) {
            continue; /* a nudge */
        }
        struct request *request = result->user;
        if (result->fetch_class != FETCH_OK) {
            char why[320];
            (void)snprintf(why, sizeof why, "%s: %s", fetch_class_name(result->fetch_class),
                           result->reason);
            station_refuse(desk.station, request, why);
        } else if (opened != GLEANER_OK) {
            station_refuse(desk.station, request, opening.message);
        } else {
            work_on_page(&desk, request, result);
        }
        fetch_result_free(&result);
    }
    worker_desk_close(&desk.desk);
    if (desk.queue != NULL) {
        store_queue_close(&desk.queue);
    }
    base_buffer_fini(&desk.decoded);
}
