/* SPDX-License-Identifier: Apache-2.0 */
/* The engine: options, threads, the door's functions. */
#include "fetch_internal.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef GLEANER_VERSION
#define GLEANER_VERSION "0"
#endif

#define TRANSFERS_PER_THREAD 1024
#define THREADS_MAX 16

void fetch_options_init(struct fetch_options *options)
{
    *options = (struct fetch_options){
        .max_transfers = 64,
        .max_per_host = 8,
        .connect_ms = 10000,
        .first_byte_ms = 20000,
        .total_ms = 60000,
        .low_speed_bytes = 16,
        .low_speed_s = 15,
        .max_body_bytes = UINT64_C(16) << 20,
        .max_spill_bytes = UINT64_C(1) << 30,
        .max_header_bytes = 64u << 10,
        .max_redirects = 10,
        .max_hold_ms = 30000,
        .user_agent = "gleaner/" GLEANER_VERSION,
        .robots_agent = "gleaner",
        .use_robots = true,
        .use_cookies = true,
        .accept = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5",
    };
}

/* Where distributions keep the bundle, after the one that libcurl was built with. */
static const char *find_ca_file(void)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    };
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    if (info->age >= CURLVERSION_SEVENTH && info->cainfo != NULL &&
        access(info->cainfo, R_OK) == 0) {
        return info->cainfo;
    }
    for (size_t i = 0; i < BASE_ARRAY_LEN(places); i++) {
        if (access(places[i], R_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

static bool copy_option(const char **option)
{
    if (*option == NULL) {
        return true;
    }
    *option = strdup(*option);
    return *option != NULL;
}

static bool copy_options(struct fetch_engine *e, const struct fetch_options *options)
{
    struct fetch_options *o = &e->options;
    *o = *options;
    o->allow_net = NULL;
    o->allow_net_count = 0;
    o->ca_file = o->ca_file != NULL ? o->ca_file : find_ca_file();
    bool ok = copy_option(&o->user_agent);
    ok = copy_option(&o->robots_agent) && ok;
    ok = copy_option(&o->ca_file) && ok;
    ok = copy_option(&o->accept) && ok;
    ok = copy_option(&o->proxy) && ok;
    ok = copy_option(&o->no_proxy) && ok;
    return ok;
}

static void free_engine(struct fetch_engine *e)
{
    /* Fetchers and the resolver send to each other: all of them are still before any is freed. */
    for (uint32_t i = 0; i < e->thread_count; i++) {
        fetch_thread_join(e->threads[i]);
    }
    if (e->resolver != NULL) {
        fetch_resolver_destroy(&e->resolver); /* with the guard */
    } else {
        fetch_guard_destroy(&e->guard);
    }
    for (uint32_t i = 0; i < e->thread_count; i++) {
        fetch_thread_destroy(&e->threads[i]);
    }
    free(e->threads);
    fetch_results_close(&e->results);
    curl_slist_free_all(e->headers);
    free((void *)e->options.user_agent);
    free((void *)e->options.robots_agent);
    free((void *)e->options.ca_file);
    free((void *)e->options.accept);
    free((void *)e->options.proxy);
    free((void *)e->options.no_proxy);
    free(e);
}

static bool make_headers(struct fetch_engine *e)
{
    struct base_buffer line = {0};
    if (e->options.accept == NULL) {
        return true;
    }
    base_buffer_printf(&line, "Accept: %s", e->options.accept);
    e->headers = line.failed ? NULL : curl_slist_append(NULL, line.data);
    base_buffer_fini(&line);
    return e->headers != NULL;
}

/* libcurl 7.88 walks over all connections of a multi handle when a transfer ends: 0.3 ms with
 * 10,000 of them (bench/slow_hosts), so many transfers get several handles. */
static uint32_t thread_count(const struct fetch_options *options)
{
    uint32_t wanted = options->fetcher_threads > 0
                          ? options->fetcher_threads
                          : options->max_transfers / TRANSFERS_PER_THREAD + 1;
    return options->fetcher_threads == 0 && wanted > THREADS_MAX ? THREADS_MAX : wanted;
}

static enum gleaner_status make_threads(struct fetch_engine *e)
{
    uint32_t wanted = thread_count(&e->options);
    e->threads = calloc(wanted, sizeof(struct fetch_thread *));
    if (e->threads == NULL) {
        return GLEANER_E_NOMEM;
    }
    for (; e->thread_count < wanted; e->thread_count++) {
        enum gleaner_status status = fetch_thread_create(e, &e->threads[e->thread_count]);
        if (status != GLEANER_OK) {
            return status;
        }
    }
    for (uint32_t i = 0; i < wanted; i++) { /* everything they use is there */
        enum gleaner_status status = fetch_thread_start(e->threads[i]);
        if (status != GLEANER_OK) {
            return status;
        }
    }
    return GLEANER_OK;
}

static void store_limits(struct fetch_engine *e, const struct fetch_options *options)
{
    uint32_t total = options->max_transfers > 0 ? options->max_transfers : 1;
    uint32_t per_host = options->max_per_host > 0 ? options->max_per_host : 1;
    atomic_store_explicit(&e->max_transfers, total, memory_order_relaxed);
    atomic_store_explicit(&e->max_per_host, per_host, memory_order_relaxed);
    atomic_store_explicit(&e->delay_ms, options->delay_ms, memory_order_relaxed);
    atomic_store_explicit(&e->max_delay_ms, options->max_delay_ms, memory_order_relaxed);
    atomic_fetch_add_explicit(&e->generation, 1, memory_order_release);
}

static enum gleaner_status make_results(struct fetch_engine *e)
{
    struct fetch_options *o = &e->options;
    const char *spill_dir = o->spill_dir;
    uint64_t most = o->max_spill_bytes > o->max_body_bytes ? o->max_spill_bytes : o->max_body_bytes;
    o->spill_dir = NULL; /* the caller's; the results have a copy */
    return fetch_results_create(spill_dir, most, &e->results);
}

enum gleaner_status fetch_engine_start(const struct fetch_options *options,
                                       struct fetch_engine **out, struct base_error *error)
{
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK) { /* counted by libcurl, thread-safe */
        return base_error_set(error, GLEANER_E_INTERNAL, "libcurl could not be initialised");
    }
    struct fetch_engine *e = calloc(1, sizeof(*e));
    if (e == NULL || !copy_options(e, options) || !make_headers(e)) {
        goto no_memory;
    }
    store_limits(e, options);
    enum gleaner_status status =
        fetch_guard_create(options->allow_net, options->allow_net_count, &e->guard, error);
    if (status != GLEANER_OK) {
        free_engine(e);
        return status;
    }
    if (make_results(e) != GLEANER_OK ||
        fetch_resolver_create(e->guard, &e->resolver) != GLEANER_OK ||
        make_threads(e) != GLEANER_OK) {
        goto no_memory;
    }
    if (e->options.ca_file == NULL) {
        base_log_warn("fetch", "no CA bundle found: https will fail; set ca_file");
    }
    *out = e;
    return GLEANER_OK;
no_memory:
    if (e != NULL) {
        fetch_engine_stop(&e);
    }
    return base_error_set(error, GLEANER_E_NOMEM, "no memory or descriptors for the fetch engine");
}

static void wake_all(struct fetch_engine *e)
{
    for (uint32_t i = 0; i < e->thread_count; i++) {
        fetch_thread_wake(e->threads[i]);
    }
}

const char *fetch_robots_agent(const struct fetch_engine *engine)
{
    return engine->options.robots_agent;
}

void fetch_engine_stop(struct fetch_engine **engine)
{
    struct fetch_engine *e = *engine;
    if (e == NULL) {
        return;
    }
    *engine = NULL;
    atomic_store_explicit(&e->stopping, true, memory_order_release);
    wake_all(e);
    free_engine(e);
}

void fetch_drain(struct fetch_engine *engine, uint64_t deadline_ns)
{
    /* 0 means "no drain"; a drain without patience is a deadline long past. */
    atomic_store_explicit(&engine->drain_deadline_ns, deadline_ns == 0 ? 1 : deadline_ns,
                          memory_order_release);
    wake_all(engine);
    fetch_results_finish(engine->results);
}

struct fetch_thread *fetch_engine_thread_of(struct fetch_engine *engine, const char *key,
                                            size_t len)
{
    return engine
        ->threads[engine->thread_count == 1 ? 0
                                            : (base_hash64(key, len) >> 32) % engine->thread_count];
}

/* A URL that is none never reaches a thread: its result is made here. */
static enum gleaner_status answer_bad_url(struct fetch_engine *e, struct fetch_job *job)
{
    static const char text[] = "this is no http or https address";
    struct fetch_box *box = fetch_box_take(e->results);
    if (box == NULL) {
        return GLEANER_E_NOMEM;
    }
    box->result.user = job->user;
    box->result.fetch_class = FETCH_BAD_URL;
    memcpy(box->result.reason, text, sizeof(text));
    fetch_box_set(box, FIELD_URL, job->url, strlen(job->url));
    fetch_box_seal(box);
    base_counter_add(&e->by_class[FETCH_BAD_URL], 1);
    fetch_results_push(e->results, box, box, 1);
    fetch_job_free(job);
    return GLEANER_OK;
}

enum gleaner_status fetch_submit(struct fetch_engine *engine, const struct fetch_request *request)
{
    if (atomic_load_explicit(&engine->drain_deadline_ns, memory_order_acquire) != 0) {
        return GLEANER_E_CLOSED;
    }
    struct fetch_job *job = fetch_job_create(request);
    if (job == NULL) {
        return GLEANER_E_NOMEM;
    }
    fetch_results_expect(engine->results);
    if (fetch_job_route(engine, job)) {
        return GLEANER_OK;
    }
    enum gleaner_status status = answer_bad_url(engine, job);
    if (status != GLEANER_OK) {
        fetch_results_unexpect(engine->results);
        fetch_job_free(job);
    }
    return status;
}

enum gleaner_status fetch_recall_host(struct fetch_engine *engine, const char *name,
                                      uint64_t hold_ms, uint64_t delay_ms)
{
    struct fetch_recall *recall = calloc(1, sizeof(*recall));
    if (recall == NULL || (recall->key = strdup(name)) == NULL) {
        free(recall);
        return GLEANER_E_NOMEM;
    }
    recall->message.kind = MESSAGE_RECALL;
    recall->hold_ms = hold_ms;
    recall->delay_ms = delay_ms;
    fetch_thread_send(fetch_engine_thread_of(engine, name, strlen(name)), &recall->message);
    return GLEANER_OK;
}

enum gleaner_status fetch_next(struct fetch_engine *engine, uint64_t deadline_ns,
                               struct fetch_result **out)
{
    struct fetch_box *box;
    bool hungry;
    *out = NULL;
    enum gleaner_status status = fetch_results_next(engine->results, deadline_ns, &box, &hungry);
    if (status == GLEANER_OK) {
        *out = &box->result;
    }
    if (hungry) {
        fetch_engine_wake_starved(engine);
    }
    return status;
}

void fetch_nudge(struct fetch_engine *engine)
{
    fetch_results_nudge(engine->results);
}

void fetch_configure(struct fetch_engine *engine, const struct fetch_options *options)
{
    store_limits(engine, options);
    wake_all(engine);
}

void fetch_engine_capacity(struct fetch_engine *engine)
{
    if (engine->options.on_capacity != NULL) {
        engine->options.on_capacity(engine->options.capacity_ctx);
    }
}

void fetch_engine_wake_starved(struct fetch_engine *engine)
{
    if (atomic_load_explicit(&engine->starved_count, memory_order_seq_cst) == 0) {
        return;
    }
    for (uint32_t i = 0; i < engine->thread_count; i++) {
        struct fetch_thread *t = engine->threads[i];
        if (atomic_exchange_explicit(&t->starved, 0, memory_order_seq_cst) != 0) {
            atomic_fetch_sub_explicit(&engine->starved_count, 1, memory_order_seq_cst);
            fetch_thread_wake(t);
        }
    }
}

void fetch_read_stats(struct fetch_engine *engine, struct fetch_stats *out)
{
    *out = (struct fetch_stats){0};
    for (uint32_t i = 0; i < engine->thread_count; i++) {
        struct fetch_thread *t = engine->threads[i];
        out->queued += atomic_load_explicit(&t->queued, memory_order_relaxed);
        out->active += atomic_load_explicit(&t->active, memory_order_relaxed);
        out->hosts += atomic_load_explicit(&t->hosts, memory_order_relaxed);
    }
    out->results_waiting = fetch_results_waiting(engine->results);
    out->requests = base_counter_get(&engine->requests);
    out->wire_bytes = base_counter_get(&engine->wire_bytes);
    out->body_bytes = base_counter_get(&engine->body_bytes);
    out->connections = base_counter_get(&engine->connections);
    out->robots_fetched = base_counter_get(&engine->robots_fetched);
    for (size_t i = 0; i < FETCH_CLASS_COUNT; i++) {
        out->by_class[i] = base_counter_get(&engine->by_class[i]);
    }
}

const struct base_histogram *fetch_latency(const struct fetch_engine *engine)
{
    return &engine->latency;
}
