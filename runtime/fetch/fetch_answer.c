/* SPDX-License-Identifier: Apache-2.0 */
/* What a finished transfer means, and what becomes of its job. */
#include "fetch_internal.h"
#include <stdio.h>
#include <string.h>

static uint64_t info_us(CURL *easy, CURLINFO info)
{
    curl_off_t us = 0;
    curl_easy_getinfo(easy, info, &us);
    return us > 0 ? (uint64_t)us : 0;
}

void fetch_answer_read_times(struct fetch_transfer *x)
{
    struct fetch_result *r = &x->box->result;
    struct fetch_engine *e = x->thread->engine;
    curl_off_t body = 0;
    long headers = 0, connections = 0;
    curl_easy_getinfo(x->easy, CURLINFO_SIZE_DOWNLOAD_T, &body);
    curl_easy_getinfo(x->easy, CURLINFO_HEADER_SIZE, &headers);
    curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &connections);
    r->wire_bytes = (uint64_t)(body > 0 ? body : 0) + (uint64_t)(headers > 0 ? headers : 0);
    r->dns_us = info_us(x->easy, CURLINFO_NAMELOOKUP_TIME_T);
    r->connect_us = info_us(x->easy, CURLINFO_CONNECT_TIME_T);
    r->tls_us = info_us(x->easy, CURLINFO_APPCONNECT_TIME_T);
    r->first_byte_us = info_us(x->easy, CURLINFO_STARTTRANSFER_TIME_T);
    base_counter_add(&e->wire_bytes, r->wire_bytes);
    base_counter_add(&e->connections, connections > 0 ? (uint64_t)connections : 0);
}

static int http_status_of(struct fetch_transfer *x)
{
    long status = 0;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    return x->first_byte_ns != 0 ? (int)status : 0;
}

static void finish(struct fetch_transfer *x, enum fetch_class fetch_class, int status,
                   const char *reason)
{
    fetch_job_finish(x->thread, x->job, x->box, fetch_class, status, "%s", reason);
}

/* ---- we ended it ---------------------------------------------------------------------------- */

static void finish_verdict(struct fetch_transfer *x, int status)
{
    const struct fetch_options *o = &x->thread->engine->options;
    const char *host = x->host->key;
    char text[200] = "";
    enum fetch_class fetch_class = FETCH_TIMEOUT;
    switch (x->verdict) {
    case VERDICT_CONNECT:
        snprintf(text, sizeof(text), "%s: no connection within %u ms (connect limit)", host,
                 o->connect_ms);
        break;
    case VERDICT_FIRST_BYTE:
        snprintf(text, sizeof(text), "%s: no answer within %u ms (first byte limit)", host,
                 o->first_byte_ms);
        break;
    case VERDICT_LOW_SPEED:
        snprintf(text, sizeof(text), "%s: slower than %u bytes/s for %u s (low speed limit)", host,
                 o->low_speed_bytes, o->low_speed_s);
        break;
    case VERDICT_TOTAL:
        snprintf(text, sizeof(text), "%s: not finished within %u ms (total limit)", host,
                 o->total_ms);
        break;
    case VERDICT_GUARDED:
        fetch_class = FETCH_GUARDED;
        snprintf(text, sizeof(text),
                 "the address guard refuses to connect to %s; allow it with --allow-net CIDR",
                 host);
        break;
    case VERDICT_BODY:
        fetch_class = FETCH_TOO_LARGE;
        snprintf(text, sizeof(text), "%s: the body is larger than %llu bytes (body limit)", host,
                 (unsigned long long)o->max_body_bytes);
        break;
    case VERDICT_HEADER_BYTES:
        fetch_class = FETCH_TOO_LARGE;
        snprintf(text, sizeof(text), "%s: the headers are larger than %u bytes (header limit)",
                 host, o->max_header_bytes);
        break;
    case VERDICT_HEADER_LINES:
        fetch_class = FETCH_TOO_LARGE;
        snprintf(text, sizeof(text), "%s: more than %u header lines (header limit)", host,
                 FETCH_MAX_HEADER_LINES);
        break;
    case VERDICT_STORAGE:
        fetch_class = FETCH_STORAGE;
        x->box->result.retry_after_ms = FETCH_STORAGE_PAUSE_MS;
        fetch_spill_explain(x->box, x->body_error, text, sizeof(text));
        break;
    case VERDICT_NOT_OURS:
        fetch_answer_not_ours(x->thread, x->host, x->job, x->box);
        return;
    case VERDICT_CANCELLED:
        fetch_class = FETCH_CANCELLED;
        snprintf(text, sizeof(text), "cancelled while fetching from %s", host);
        break;
    default:
        fetch_class = FETCH_NETWORK;
        snprintf(text, sizeof(text), "no memory for the body from %s", host);
        break;
    }
    fetch_body_drop(x->box);
    finish(x, fetch_class, status, text);
}

/* ---- libcurl ended it ----------------------------------------------------------------------- */

static void finish_error(struct fetch_transfer *x, CURLcode code, int status)
{
    char text[200];
    const char *what;
    enum fetch_class fetch_class = fetch_class_of_curl(code, &what);
    if (code == CURLE_OUT_OF_MEMORY && x->body_limit != 0 && fetch_body_len(x->box) == 0) {
        /* libcurl says this of a single header line over 100 KiB. */
        fetch_class = FETCH_TOO_LARGE;
        what = "a header line is too long (header limit)";
    }
    snprintf(text, sizeof(text), "%.100s: %.90s", x->host->key, what);
    fetch_body_drop(x->box);
    finish(x, fetch_class, status, text);
}

/* ---- redirects ------------------------------------------------------------------------------ */

static const char *field(const struct fetch_box *box, enum fetch_field f)
{
    return box->field_at[f] != 0 ? box->text.data + box->field_at[f] - 1 : NULL;
}

/* Send the job to the host of its next hop: there it passes guard, robots.txt and politeness. */
static void follow(struct fetch_transfer *x, const char *url, size_t len)
{
    struct fetch_job *job = x->job;
    if (!fetch_job_replace_url(job, url, len)) {
        fetch_job_finish(x->thread, job, x->box, FETCH_NETWORK, 0, "no memory for a redirect");
        return;
    }
    job->hops++;
    job->is_followed = true;
    fetch_box_free(x->box);
    if (!fetch_job_route(x->thread->engine, job)) {
        fetch_job_finish(x->thread, job, NULL, FETCH_BAD_URL, 0,
                         "%s redirects to something that is no http or https address",
                         x->host->key);
    }
}

static void finish_redirect(struct fetch_transfer *x, int status)
{
    struct fetch_job *job = x->job;
    struct base_slice target;
    char text[200];
    const char *location = field(x->box, FIELD_LOCATION);
    uint32_t most =
        job->is_robots ? FETCH_ROBOTS_MAX_REDIRECTS : x->thread->engine->options.max_redirects;
    if (url_set_base(x->thread->urls, job->url, strlen(job->url)) != GLEANER_OK ||
        url_resolve(x->thread->urls, location, strlen(location), &target) != GLEANER_OK) {
        snprintf(text, sizeof(text), "%s redirects to something that is no http or https address",
                 x->host->key);
        finish(x, FETCH_BAD_URL, status, text);
    } else if (!job->follow || (most == 0 && !job->is_robots)) {
        fetch_box_set(x->box, FIELD_LOCATION, target.data, target.len);
        finish(x, FETCH_REDIRECT, status, "");
    } else if (job->hops >= most) {
        snprintf(text, sizeof(text), "%s: more than %u redirects (redirect limit)", x->host->key,
                 most);
        fetch_box_set(x->box, FIELD_LOCATION, target.data, target.len);
        finish(x, FETCH_REDIRECT_LOOP, status, text);
    } else {
        follow(x, target.data, target.len);
    }
}

/* ---- an answer ------------------------------------------------------------------------------ */

static void finish_throttled(struct fetch_transfer *x, int status)
{
    char text[200];
    struct fetch_thread *t = x->thread;
    struct fetch_host *host = x->host;
    uint64_t ms = x->retry_after_ms;
    x->box->result.retry_after_ms = ms;
    x->box->result.hold_ms = ms > 0 ? ms : fetch_host_back_off(t, host);
    if (ms > 0) {
        snprintf(text, sizeof(text), "%s answered %d and asks for a pause of %llu s", host->key,
                 status, (unsigned long long)(ms + 999) / 1000);
    } else {
        snprintf(text, sizeof(text), "%s answered %d: too many requests", host->key, status);
    }
    finish(x, FETCH_THROTTLED, status, text);
    if (ms > 0) {
        fetch_host_hold(t, host, ms);
    }
}

static void finish_status(struct fetch_transfer *x, int status)
{
    char text[200] = "";
    enum fetch_class fetch_class;
    if (status >= 200 && status < 300) {
        fetch_class = FETCH_OK;
    } else if (status == 304) {
        fetch_class = FETCH_NOT_MODIFIED;
    } else if (status >= 400 && status < 500) {
        fetch_class = FETCH_HTTP_4XX;
        snprintf(text, sizeof(text), "%s answered %d", x->host->key, status);
    } else if (status >= 500 && status < 600) {
        fetch_class = FETCH_HTTP_5XX;
        snprintf(text, sizeof(text), "%s answered %d", x->host->key, status);
    } else if (status >= 300 && status < 400) { /* asking again would change nothing */
        fetch_class = FETCH_BAD_URL;
        snprintf(text, sizeof(text), "%s answered %d and does not say where to go", x->host->key,
                 status);
    } else {
        fetch_class = FETCH_NETWORK;
        snprintf(text, sizeof(text), "%s answered %d, which makes no sense here", x->host->key,
                 status);
    }
    finish(x, fetch_class, status, text);
}

static void try_again(struct fetch_transfer *x)
{
    x->job->retried = true;
    fetch_box_free(x->box);
    fetch_host_enqueue(x->thread, x->job);
}

/* The server's own time: from the request (or the start, when there was no connection) to the first
 * byte of the answer, or to the end without one. */
static void learn_latency(struct fetch_transfer *x, CURLcode code, int status)
{
    uint64_t from_ns = x->connected_ns != 0 ? x->connected_ns : x->started_ns;
    uint64_t to_ns = x->first_byte_ns != 0 ? x->first_byte_ns : x->thread->now_ns;
    bool is_good = code == CURLE_OK && status < 400;
    bool is_host_s = x->verdict != VERDICT_CANCELLED && x->verdict != VERDICT_GUARDED &&
                     x->verdict != VERDICT_NOT_OURS;
    if (is_host_s) {
        fetch_host_adapt(x->thread, x->host, to_ns > from_ns ? to_ns - from_ns : 0, is_good);
    }
    x->box->result.host_delay_ms = fetch_host_delay_ns(x->thread, x->host) / BASE_NS_PER_MS;
}

/* A body that went into a file is mapped now, if it is to be had. */
static void complete_body(struct fetch_transfer *x)
{
    x->body_error = fetch_body_complete(x->box);
    x->verdict = x->body_error != 0 ? VERDICT_STORAGE : x->verdict;
}

/* A long robots.txt, read as far as it counts, is an answer like any other: its status says what it
 * means. The line that was cut would be another rule. */
static void cut_last_line(struct fetch_transfer *x)
{
    struct base_buffer *body = &x->box->body;
    while (x->job->is_robots && body->len > 0 && body->data[body->len - 1] != '\n') {
        body->len--;
    }
    x->verdict = VERDICT_NONE;
}

void fetch_answer(struct fetch_transfer *x, CURLcode code)
{
    int status = http_status_of(x);
    if (x->verdict == VERDICT_ENOUGH) { /* what was asked for is here */
        cut_last_line(x);
        code = CURLE_OK;
    }
    learn_latency(x, code, status);
    if (x->verdict == VERDICT_NONE && code == CURLE_OK) {
        complete_body(x);
    }
    if (x->verdict == VERDICT_AGAIN) {
        try_again(x);
    } else if (x->verdict != VERDICT_NONE) {
        finish_verdict(x, status);
    } else if (code != CURLE_OK) {
        finish_error(x, code, status);
    } else if (status == 429 || (status == 503 && x->retry_after_ms > 0)) {
        finish_throttled(x, status);
    } else if (status >= 300 && status < 400 && status != 304 &&
               field(x->box, FIELD_LOCATION) != NULL) {
        finish_redirect(x, status);
    } else {
        finish_status(x, status);
    }
}
