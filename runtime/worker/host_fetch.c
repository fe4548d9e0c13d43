/* SPDX-License-Identifier: Apache-2.0 */
/* What a module fetches beside its page: one request of the engine, awaited on the worker's thread.
 * The worker takes no pages meanwhile; the engine lets such a request pass a full queue of results,
 * so that workers who all wait for one do not wait for each other. */
#include "worker_internal.h"

#include <string.h>

enum { FETCHES_A_PAGE = 256 };

void host_fetch_reset(struct gleaner_task *task, bool is_end)
{
    fetch_result_free(&task->fetched);
    task->fetch_count = 0;
    if (is_end) {
        url_parser_destroy(&task->urls);
    }
}

/* Until the task must end, or the process. */
static uint64_t fetch_deadline_ns(const struct gleaner_task *task)
{
    uint64_t stop_ns = atomic_load_explicit(&task->worker->group->stop_ns, memory_order_acquire);
    return stop_ns != 0 && stop_ns < task->deadline_ns ? stop_ns : task->deadline_ns;
}

static enum gleaner_status resolve(struct gleaner_task *task, const char *url, size_t len,
                                   struct base_slice *out)
{
    const char *base = task->held->job.url;
    if (task->urls == NULL && url_parser_create(&task->urls) != GLEANER_OK) {
        return GLEANER_E_NOMEM;
    }
    enum gleaner_status status = url_set_base(task->urls, base, strlen(base));
    if (status == GLEANER_OK) {
        status = url_resolve(task->urls, url, len, out);
    }
    return status == GLEANER_OK || status == GLEANER_E_NOMEM ? status : GLEANER_E_INVALID;
}

static const enum gleaner_status status_of_class[FETCH_CLASS_COUNT] = {
    [FETCH_OK] = GLEANER_OK,
    [FETCH_REDIRECT] = GLEANER_E_NETWORK,
    [FETCH_NOT_MODIFIED] = GLEANER_E_NETWORK,
    [FETCH_HTTP_4XX] = GLEANER_E_NOT_FOUND,
    [FETCH_HTTP_5XX] = GLEANER_E_NETWORK,
    [FETCH_THROTTLED] = GLEANER_E_BUSY,
    [FETCH_DNS] = GLEANER_E_NETWORK,
    [FETCH_CONNECT] = GLEANER_E_NETWORK,
    [FETCH_TLS] = GLEANER_E_NETWORK,
    [FETCH_TIMEOUT] = GLEANER_E_TIMEOUT,
    [FETCH_NETWORK] = GLEANER_E_NETWORK,
    [FETCH_TOO_LARGE] = GLEANER_E_LIMIT,
    [FETCH_REDIRECT_LOOP] = GLEANER_E_NETWORK,
    [FETCH_GUARDED] = GLEANER_E_REFUSED,
    [FETCH_ROBOTS] = GLEANER_E_REFUSED,
    [FETCH_BAD_URL] = GLEANER_E_INVALID,
    [FETCH_CANCELLED] = GLEANER_E_CLOSED,
    [FETCH_STORAGE] = GLEANER_E_FULL,
};

static enum gleaner_status status_of(const struct fetch_result *result)
{
    if (result->http_status == 401 || result->http_status == 403) {
        return GLEANER_E_AUTH;
    }
    if (result->fetch_class == FETCH_THROTTLED && result->http_status == 0 &&
        result->hold_ms == 0) {
        return GLEANER_E_REFUSED; /* the host is another process's */
    }
    return status_of_class[result->fetch_class];
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* No more than the module has room for: it may be older, or younger, than this. */
static void fill(struct gleaner_resource *out, const struct gleaner_resource *from)
{
    size_t size = out->size < sizeof *from ? out->size : sizeof *from;
    if (size > sizeof out->size) {
        memcpy((char *)out + sizeof out->size, (const char *)from + sizeof from->size,
               size - sizeof from->size);
    }
}

static enum gleaner_status refuse(struct gleaner_resource *out, enum gleaner_status status,
                                  const char *reason)
{
    const struct gleaner_resource none = {
        .url = "", .content_type = "", .bytes = "", .reason = reason};
    fill(out, &none);
    return status;
}

/* Delays and holds of its host are the store's to know: see hosts.c. */
static enum gleaner_status get(struct gleaner_task *task, const struct fetch_request *request)
{
    struct worker *worker = task->worker;
    struct base_error error = {0};
    if (worker->group->hosts != NULL) {
        enum gleaner_status status = hosts_recall_one(worker, request->url, &error);
        if (status != GLEANER_OK) {
            return status;
        }
    }
    enum gleaner_status status =
        fetch_get(worker->group->options.fetch, request, fetch_deadline_ns(task), &task->fetched);
    if (status == GLEANER_OK && worker->group->hosts != NULL) {
        hosts_learn(worker, task->fetched);
    }
    return status;
}

enum gleaner_status host_fetch(struct gleaner_task *task, const char *url, size_t url_len,
                               uint64_t max_bytes, struct gleaner_resource *out)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    struct base_slice target;
    fetch_result_free(&task->fetched);
    if (task->worker->group->options.fetch == NULL) {
        return refuse(out, GLEANER_E_UNSUPPORTED, "nothing can be fetched for this page");
    }
    if (task->fetch_count++ >= FETCHES_A_PAGE) {
        return refuse(out, GLEANER_E_LIMIT, "the page has fetched its share");
    }
    enum gleaner_status status = resolve(task, url, url_len, &target);
    if (status != GLEANER_OK) {
        return refuse(out, status, "this is no http or https address");
    }
    const struct fetch_request request = {
        .url = base_arena_strndup(&task->worker->batch.arena, target.data, target.len),
        .follow_redirects = true,
        .max_bytes = max_bytes};
    if (request.url == NULL) {
        return refuse(out, GLEANER_E_NOMEM, "no memory for the address");
    }
    status = get(task, &request);
    if (status != GLEANER_OK) {
        return refuse(out, status,
                      status == GLEANER_E_TIMEOUT ? "not fetched by the page's deadline"
                                                  : gleaner_status_name(status));
    }
    const struct fetch_result *result = task->fetched;
    const struct gleaner_resource got = {
        .http_status = result->http_status,
        .url = or_empty(result->url),
        .content_type = or_empty(result->content_type),
        .bytes = or_empty(result->body),
        .len = result->body_len,
        .is_cut = max_bytes > 0 && result->body_len >= max_bytes,
        .reason = result->reason,
    };
    fill(out, &got);
    return status_of(result);
}
