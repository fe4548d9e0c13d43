/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers: easy handles used again and again, and their deadlines. */
#include "fetch_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIG_BUFFER 262144L /* fewest reads for pages of 100 KB */
#define SMALL_BUFFER 32768L
#define BIG_BUFFER_TRANSFERS 256
#define TINY_BUFFER 8192L /* thousands at once: 10,000 of the small ones are 320 MB */
#define SMALL_BUFFER_TRANSFERS 2048

/* ---- easy handles --------------------------------------------------------------------------- */

static void set_transport(struct fetch_transfer *x, const struct fetch_options *o)
{
    CURL *easy = x->easy;
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                     o->max_transfers > SMALL_BUFFER_TRANSFERS ? TINY_BUFFER
                     : o->max_transfers > BIG_BUFFER_TRANSFERS ? SMALL_BUFFER
                                                               : BIG_BUFFER);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L); /* only what we pinned */
    if (o->proxy != NULL) {
        curl_easy_setopt(easy, CURLOPT_PROXY, o->proxy);
        curl_easy_setopt(easy, CURLOPT_NOPROXY, o->no_proxy != NULL ? o->no_proxy : "");
    } else if (!o->use_env_proxy) {
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    /* A directory of certificates would turn libcurl's cache of the parsed bundle off: 27 ms of CPU
     * per connection. */
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_file);
}

static void set_protocol(struct fetch_transfer *x, const struct fetch_options *o)
{
    CURL *easy = x->easy;
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, o->user_agent);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, x->thread->engine->headers);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
    if (o->use_cookies) {
        curl_easy_setopt(easy, CURLOPT_COOKIEFILE, ""); /* the engine on; each host has its jar */
    }
}

static struct fetch_transfer *take_transfer(struct fetch_thread *t)
{
    struct fetch_transfer *x = t->free_transfers;
    if (x != NULL) {
        t->free_transfers = x->next;
        return x;
    }
    x = calloc(1, sizeof(*x));
    if (x == NULL || (x->easy = curl_easy_init()) == NULL) {
        free(x);
        return NULL;
    }
    x->thread = t;
    x->timer.kind = TIMER_TRANSFER;
    set_transport(x, &t->engine->options);
    set_protocol(x, &t->engine->options);
    fetch_callbacks_set(x);
    return x;
}

/* Tell libcurl the addresses that were looked up and checked. Its table belongs to the multi
 * handle, so once per look-up is enough. */
static bool pin_addresses(struct fetch_transfer *x, struct fetch_host *host)
{
    static const char *const ports[] = {"80", "443"};
    struct base_buffer line = {0};
    if (host->addresses == NULL || host->pinned_serial == host->lookup_serial) {
        return true;
    }
    x->pins = x->thread->unpins; /* of hosts that were forgotten */
    x->thread->unpins = NULL;
    const char *own = strrchr(host->key, ':');
    for (size_t i = 0; i < (host->default_port ? 2 : 1); i++) {
        base_buffer_reset(&line, 4096);
        base_buffer_printf(&line, "%s:%s:%s", host->name, host->default_port ? ports[i] : own + 1,
                           host->addresses);
        struct curl_slist *more = line.failed ? NULL : curl_slist_append(x->pins, line.data);
        if (more == NULL) {
            base_buffer_fini(&line);
            return false;
        }
        x->pins = more;
    }
    base_buffer_fini(&line);
    host->pinned_serial = host->lookup_serial;
    return curl_easy_setopt(x->easy, CURLOPT_RESOLVE, x->pins) == CURLE_OK;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    struct base_buffer line = {0};
    base_buffer_printf(&line, "%s%s", name, value);
    struct curl_slist *more = line.failed ? NULL : curl_slist_append(*list, line.data);
    base_buffer_fini(&line);
    *list = more != NULL ? more : *list;
    return more != NULL;
}

/* The beginning of it alone, byte by byte as it lies there: a part of coded content is of no use.
 */
static bool set_range(struct fetch_transfer *x)
{
    char range[40];
    if (x->job->max_bytes == 0) {
        return true;
    }
    snprintf(range, sizeof(range), "0-%llu", (unsigned long long)x->job->max_bytes - 1);
    x->ranged = true;
    return curl_easy_setopt(x->easy, CURLOPT_RANGE, range) == CURLE_OK &&
           curl_easy_setopt(x->easy, CURLOPT_ACCEPT_ENCODING, NULL) == CURLE_OK;
}

static bool set_conditions(struct fetch_transfer *x)
{
    const struct fetch_job *job = x->job;
    const char *accept = x->thread->engine->options.accept;
    if (job->etag == NULL && job->last_modified == NULL) {
        return true;
    }
    if ((accept != NULL && !add_header(&x->headers, "Accept: ", accept)) ||
        (job->etag != NULL && !add_header(&x->headers, "If-None-Match: ", job->etag)) ||
        (job->last_modified != NULL &&
         !add_header(&x->headers, "If-Modified-Since: ", job->last_modified))) {
        return false;
    }
    return curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers) == CURLE_OK;
}

/* ---- start and end -------------------------------------------------------------------------- */

static void reset_transfer(struct fetch_transfer *x, struct fetch_host *host, struct fetch_job *job)
{
    const struct fetch_options *o = &x->thread->engine->options;
    x->host = host;
    x->job = job;
    x->verdict = VERDICT_NONE;
    x->started_ns = x->thread->now_ns;
    x->connected_ns = x->first_byte_ns = 0;
    x->body_limit = job->is_robots ? FETCH_ROBOTS_MAX_BYTES : o->max_body_bytes;
    if (job->max_bytes != 0 && job->max_bytes < x->body_limit) {
        x->body_limit = job->max_bytes;
    }
    /* The rules of a robots.txt are read where they lie. */
    x->keep_bytes = job->is_robots ? x->body_limit : fetch_spill_keep_bytes(o->max_transfers);
    x->body_error = 0;
    x->announced = x->retry_after_ms = 0;
    x->header_bytes = x->header_lines = 0;
    x->coded = false;
    x->got_cookies = false;
    host->has_started = true;
    job->started_ns = job->started_ns != 0 ? job->started_ns : x->started_ns;
}

static uint64_t ms_after(uint64_t from_ns, uint64_t ms)
{
    return from_ns + ms * BASE_NS_PER_MS;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void enter_running(struct fetch_transfer *x)
{
    struct fetch_thread *t = x->thread;
    const struct fetch_options *o = &t->engine->options;
    uint64_t first = smaller(smaller(o->connect_ms, o->first_byte_ms), o->total_ms);
    x->prev = NULL;
    x->next = t->running;
    if (t->running != NULL) {
        t->running->prev = x;
    }
    t->running = x;
    x->host->active++;
    if (fetch_host_delay_ns(t, x->host) > 0) {
        x->unanswered = true;
        x->host->unanswered++;
    }
    atomic_fetch_add_explicit(&t->active, 1, memory_order_relaxed);
    fetch_timer_set(&t->timers, &x->timer, ms_after(x->started_ns, first));
}

static void give_back(struct fetch_transfer *x)
{
    if (x->headers != NULL) {
        curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->thread->engine->headers);
        curl_slist_free_all(x->headers);
        x->headers = NULL;
    }
    if (x->ranged) {
        x->ranged = false;
        curl_easy_setopt(x->easy, CURLOPT_RANGE, NULL);
        curl_easy_setopt(x->easy, CURLOPT_ACCEPT_ENCODING, "");
    }
    if (x->fresh) {
        x->fresh = false;
        curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 0L);
    }
    if (x->pins != NULL) {
        curl_easy_setopt(x->easy, CURLOPT_RESOLVE, NULL);
        curl_slist_free_all(x->pins);
        x->pins = NULL;
    }
    if (x->host != NULL) {
        fetch_cookies_detach(x);
    }
    x->job = NULL;
    x->box = NULL;
    x->host = NULL;
    x->next = x->thread->free_transfers;
    x->thread->free_transfers = x;
}

bool fetch_transfer_start(struct fetch_thread *t, struct fetch_host *host, struct fetch_job *job)
{
    struct fetch_transfer *x = take_transfer(t);
    struct fetch_box *box = x != NULL ? fetch_box_take(t->engine->results) : NULL;
    bool tls = job->url[4] == 's';
    if (box == NULL) {
        goto no_memory;
    }
    x->box = box;
    reset_transfer(x, host, job);
    if (curl_easy_setopt(x->easy, CURLOPT_URL, job->url) != CURLE_OK || !set_conditions(x) ||
        !set_range(x) || !pin_addresses(x, host)) {
        goto no_memory;
    }
    fetch_cookies_attach(x);
    curl_easy_setopt(x->easy, CURLOPT_HTTP_VERSION,
                     tls ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(x->easy, CURLOPT_PIPEWAIT, tls ? 1L : 0L);
    if (job->retried) {
        x->fresh = true;
        curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 1L);
    }
    if (curl_multi_add_handle(t->multi, x->easy) != CURLM_OK) {
        goto no_memory;
    }
    enter_running(x);
    base_counter_add(&t->engine->requests, 1);
    fetch_host_place(t, host);
    return true;
no_memory:
    fetch_job_finish(t, job, box, FETCH_NETWORK, 0, "no memory for a transfer from %s", host->key);
    if (x != NULL) {
        give_back(x);
    }
    fetch_host_place(t, host);
    return false;
}

/* Take it out of libcurl and out of every list; the job's end follows in fetch_answer(). */
static void end_transfer(struct fetch_transfer *x, CURLcode code)
{
    struct fetch_thread *t = x->thread;
    struct fetch_host *host = x->host;
    BASE_ASSERT(host != NULL); /* what runs has one, until give_back() */
    fetch_answer_read_times(x);
    curl_multi_remove_handle(t->multi, x->easy);
    fetch_timer_cancel(&t->timers, &x->timer);
    if (x->prev != NULL) {
        x->prev->next = x->next;
    } else {
        t->running = x->next;
    }
    if (x->next != NULL) {
        x->next->prev = x->prev;
    }
    host->active--;
    atomic_fetch_sub_explicit(&t->active, 1, memory_order_relaxed);
    if (x->unanswered) {
        x->unanswered = false;
        fetch_host_answered(t, host);
    }
    fetch_answer(x, code);
    give_back(x);
    fetch_host_place(t, host);
    fetch_slot_free(t->engine);
}

bool fetch_transfers_collect(struct fetch_thread *t)
{
    CURLMsg *message;
    int left;
    bool any = false;
    while ((message = curl_multi_info_read(t->multi, &left)) != NULL) {
        struct fetch_transfer *x = NULL;
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = message->data.result; /* the message dies with its handle's removal */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&x);
        end_transfer(x, code);
        any = true;
    }
    return any;
}

/* Which deadline has passed? Otherwise set the timer for the next one. */
void fetch_transfer_timer(struct fetch_transfer *x)
{
    const struct fetch_options *o = &x->thread->engine->options;
    uint64_t now_ns = x->thread->now_ns;
    uint64_t total_ns = ms_after(x->started_ns, o->total_ms), next_ns;
    enum fetch_verdict verdict = VERDICT_NONE;
    if (x->connected_ns == 0) {
        next_ns = ms_after(x->started_ns, o->connect_ms);
        verdict = now_ns >= next_ns ? VERDICT_CONNECT : VERDICT_NONE;
    } else if (x->first_byte_ns == 0) {
        next_ns = ms_after(x->connected_ns, o->first_byte_ms);
        verdict = now_ns >= next_ns ? VERDICT_FIRST_BYTE : VERDICT_NONE;
    } else {
        uint64_t bytes = x->header_bytes + fetch_body_len(x->box);
        next_ns = ms_after(x->speed_since_ns, (uint64_t)o->low_speed_s * 1000);
        if (now_ns >= next_ns) {
            bool slow = bytes - x->speed_bytes < (uint64_t)o->low_speed_bytes * o->low_speed_s;
            verdict = slow ? VERDICT_LOW_SPEED : VERDICT_NONE;
            x->speed_since_ns = now_ns;
            x->speed_bytes = bytes;
            next_ns = ms_after(now_ns, (uint64_t)o->low_speed_s * 1000);
        }
    }
    verdict = now_ns >= total_ns ? VERDICT_TOTAL : verdict;
    if (verdict == VERDICT_NONE) {
        fetch_timer_set(&x->thread->timers, &x->timer, smaller(next_ns, total_ns));
        return;
    }
    x->verdict = verdict;
    end_transfer(x, CURLE_OPERATION_TIMEDOUT);
}

void fetch_transfer_cancel_all(struct fetch_thread *t)
{
    while (t->running != NULL) {
        t->running->verdict = VERDICT_CANCELLED;
        end_transfer(t->running, CURLE_ABORTED_BY_CALLBACK);
    }
}

void fetch_transfers_free(struct fetch_thread *t)
{
    while (t->running != NULL) { /* only when the thread could not be started */
        fetch_transfer_cancel_all(t);
    }
    while (t->free_transfers != NULL) {
        struct fetch_transfer *x = t->free_transfers;
        t->free_transfers = x->next;
        curl_easy_cleanup(x->easy);
        free(x);
    }
}
