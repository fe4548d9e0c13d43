/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: made by submit, routed to the thread of their host, ended as a result. */
#include "fetch_internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool copy_text(const char *from, char **out)
{
    *out = from != NULL ? strdup(from) : NULL;
    return from == NULL || *out != NULL;
}

struct fetch_job *fetch_job_create(const struct fetch_request *request)
{
    struct fetch_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return NULL;
    }
    job->message.kind = MESSAGE_JOB;
    job->user = request->user;
    job->follow = request->follow_redirects;
    job->ignore_robots = request->ignore_robots;
    job->max_bytes = request->max_bytes;
    if (!copy_text(request->url, &job->url) || !copy_text(request->etag, &job->etag) ||
        !copy_text(request->last_modified, &job->last_modified)) {
        fetch_job_free(job);
        return NULL;
    }
    return job;
}

void fetch_job_free(struct fetch_job *job)
{
    if (job->waiter != NULL) {
        fetch_waiter_deliver(job->waiter, NULL);
    }
    free(job->url);
    free(job->etag);
    free(job->last_modified);
    free(job->robots_key);
    free(job);
}

bool fetch_job_replace_url(struct fetch_job *job, const char *url, size_t len)
{
    char *copy = strndup(url, len);
    if (copy == NULL) {
        return false;
    }
    free(job->url);
    job->url = copy;
    return true;
}

bool fetch_host_key(const struct fetch_url_parts *parts, char *out, size_t size)
{
    bool tls = parts->scheme.len == 5;
    struct base_slice port = parts->port;
    bool own = port.len == 0 || base_slice_equal(port, base_slice_of(tls ? "443" : "80"));
    int n = own ? snprintf(out, size, "%.*s", (int)parts->host.len, parts->host.data)
                : snprintf(out, size, "%.*s:%.*s", (int)parts->host.len, parts->host.data,
                           (int)port.len, port.data);
    return n > 0 && (size_t)n < size;
}

bool fetch_job_route(struct fetch_engine *engine, struct fetch_job *job)
{
    struct fetch_url_parts parts;
    char key[300];
    if (job->url == NULL || fetch_url_split(job->url, strlen(job->url), &parts) != GLEANER_OK ||
        !fetch_host_key(&parts, key, sizeof(key))) {
        return false;
    }
    fetch_thread_send(fetch_engine_thread_of(engine, key, strlen(key)), &job->message);
    return true;
}

void fetch_job_finish(struct fetch_thread *thread, struct fetch_job *job, struct fetch_box *box,
                      enum fetch_class fetch_class, int http_status, const char *reason, ...)
{
    char text[200];
    struct fetch_engine *engine = thread->engine;
    va_list args;
    va_start(args, reason);
    vsnprintf(text, sizeof(text), reason, args);
    va_end(args);
    if (job->is_robots) {
        fetch_gate_finish(thread, job, box, fetch_class, http_status, text);
        return;
    }
    while (box == NULL) { /* a result is owed, whatever it takes; memory comes back with others' */
        box = fetch_box_take(engine->results);
    }
    box->result.user = job->user;
    box->result.fetch_class = fetch_class;
    box->result.http_status = http_status;
    box->result.redirects = job->hops;
    memcpy(box->result.reason, text, sizeof(text));
    fetch_box_set(box, FIELD_URL, job->url, strlen(job->url));
    if (job->started_ns != 0) {
        box->result.total_us = (thread->now_ns - job->started_ns) / BASE_NS_PER_US;
        base_histogram_add(&engine->latency, thread->now_ns - job->started_ns);
    }
    base_counter_add(&engine->by_class[fetch_class], 1);
    base_counter_add(&engine->body_bytes, fetch_body_len(box));
    fetch_box_seal(box);
    struct fetch_waiter *waiter = job->waiter;
    job->waiter = NULL;
    fetch_job_free(job);
    if (waiter != NULL) {
        fetch_waiter_deliver(waiter, box);
        return;
    }
    if (thread->done_tail != NULL) {
        thread->done_tail->next = box;
    } else {
        thread->done_head = box;
    }
    thread->done_tail = box;
    thread->done_count++;
}

void fetch_queue_push(struct fetch_queue *queue, struct fetch_job *job)
{
    job->next = NULL;
    if (queue->tail != NULL) {
        queue->tail->next = job;
    } else {
        queue->head = job;
    }
    queue->tail = job;
    queue->count++;
}

void fetch_queue_push_front(struct fetch_queue *queue, struct fetch_job *job)
{
    job->next = queue->head;
    queue->head = job;
    queue->tail = queue->tail == NULL ? job : queue->tail;
    queue->count++;
}

struct fetch_job *fetch_queue_pop(struct fetch_queue *queue)
{
    struct fetch_job *job = queue->head;
    if (job != NULL) {
        queue->head = job->next;
        queue->tail = queue->head == NULL ? NULL : queue->tail;
        queue->count--;
    }
    return job;
}
