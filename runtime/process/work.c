/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and stopping the rooms behind a crawl or a service; the stores are in stores.c. */
#include "process_internal.h"
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t narrow(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* ---- fetching ---- */

void work_fetch_options(const struct settings *s, struct fetch_options *o)
{
    fetch_options_init(o);
    o->fetcher_threads = narrow(s->fetchers);
    o->max_transfers = narrow(s->concurrency);
    o->max_per_host = narrow(s->per_host);
    o->delay_ms = narrow(s->delay_ms);
    o->connect_ms = narrow(s->http_connect_ms);
    o->first_byte_ms = narrow(s->first_byte_ms);
    o->total_ms = narrow(s->total_ms);
    o->max_body_bytes = s->max_body_bytes;
    o->max_header_bytes = narrow(s->max_header_bytes);
    o->max_redirects = narrow(s->max_redirects);
    if (s->user_agent != NULL) {
        o->user_agent = s->user_agent;
    }
    o->robots_agent = s->robots_agent;
    o->use_robots = s->robots;
    o->use_env_proxy = s->use_env_proxy;
    o->max_delay_ms = narrow(s->max_delay_ms);
    o->use_cookies = s->cookies;
    o->proxy = s->proxy;
    o->no_proxy = s->no_proxy;
    o->allow_net = s->allow_net.items;
    o->allow_net_count = s->allow_net.count;
    o->keep_headers = sinks_want_headers(s);
    if (s->ca_file != NULL) {
        o->ca_file = s->ca_file;
    }
}

enum gleaner_status work_start_fetch(struct work *work, struct base_error *error)
{
    struct fetch_options options;
    work_fetch_options(work->settings, &options);
    options.spill_dir = work->data; /* where disk space is planned for */
    if (work->is_shared) {
        if (worker_shares_create(options.delay_ms, &work->shares) != GLEANER_OK) {
            return base_error_set(error, GLEANER_E_NOMEM, "no memory for the crawl's hosts");
        }
        options.may_start = worker_shares_may_start;
        options.may_start_ctx = work->shares;
        options.unacked_ms = worker_shares_unacked_ms(narrow(work->settings->lease_ms));
    }
    return fetch_engine_start(&options, &work->fetch, error);
}

/* ---- modules ---- */

/* Beside the program in a build tree, under its prefix when installed. */
static bool find_beside(const char *const places[2], char *out, size_t out_size)
{
    char program[4096];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    char *slash = NULL;
    if (len > 0) {
        program[len] = '\0';
        slash = strrchr(program, '/');
    }
    for (size_t i = 0; slash != NULL && i < 2; i++) {
        *slash = '\0';
        int written = snprintf(out, out_size, "%s/%s", program, places[i]);
        if (written > 0 && (size_t)written < out_size && access(out, R_OK | X_OK) == 0) {
            return true;
        }
    }
    return false;
}

static bool find_module_directory(char *out, size_t out_size)
{
    static const char *const places[] = {"modules", "../" GLEANER_MODULE_DIR};
    return find_beside(places, out, out_size);
}

static enum gleaner_status isolate_modules(struct work *work, struct base_error *error)
{
    static const char *const places[] = {"gleaner-module-host",
                                         "../" GLEANER_LIBEXEC_DIR "/gleaner-module-host"};
    char program[8192];
    if (!work->settings->isolate) {
        return GLEANER_OK;
    }
    if (!find_beside(places, program, sizeof program)) {
        return base_error_set(error, GLEANER_E_NOT_FOUND,
                              "--isolate needs %s beside the program, which is not there",
                              places[1]);
    }
    return module_registry_isolate(work->modules, program);
}

enum gleaner_status work_load_modules(struct work *work, struct base_error *error)
{
    enum gleaner_status status = module_registry_create(worker_host(), &work->modules);
    if (status == GLEANER_OK) {
        status = isolate_modules(work, error);
    }
    char directory[8192];
    const char *from = work->settings->module_dir;
    if (from == NULL && find_module_directory(directory, sizeof directory)) {
        from = directory;
    }
    size_t loaded = 0;
    if (status == GLEANER_OK && from != NULL) {
        status = module_load_directory(work->modules, from, &loaded, error);
    }
    for (size_t i = 0; status == GLEANER_OK && i < work->settings->modules.count; i++) {
        status = module_load(work->modules, work->settings->modules.items[i], error);
        loaded++;
    }
    if (status == GLEANER_OK && loaded == 0) {
        status = base_error_set(error, GLEANER_E_NOT_FOUND,
                                "no worker module was found in %s; --module-dir names the place",
                                from != NULL ? from : "../" GLEANER_MODULE_DIR);
    }
    return status == GLEANER_OK ? module_settings_check(work->settings, work->modules, error)
                                : status;
}

/* ---- workers ---- */

struct worker_live work_worker_live(const struct settings *s, enum work_kind kind)
{
    return (struct worker_live){
        .max_pages = s->pages == UINT64_MAX ? 0 : s->pages,
        .batch_ms = narrow(s->batch_ms),
        .prefetch = narrow(2 * s->concurrency),
        .handle_ms = narrow(s->handle_ms),
        /* A service waits for its store as long as it takes; a crawl is somebody waiting. */
        .give_up_ms = kind == WORK_CRAWL ? narrow(s->storage_patience_ms) : 0,
    };
}

uint32_t work_threads(const struct settings *settings)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return settings->threads != 0 ? narrow(settings->threads)
           : processors > 0       ? (uint32_t)processors
                                  : 1;
}

static enum worker_revisit revisit_of(const struct settings *s)
{
    return strcmp(s->revisit, "never") == 0    ? WORKER_REVISIT_NEVER
           : strcmp(s->revisit, "always") == 0 ? WORKER_REVISIT_ALWAYS
                                               : WORKER_REVISIT_CONDITIONAL;
}

/* What makes another document of the same page. */
static uint64_t hash_of_module_settings(const struct settings *s)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < s->module_settings.count; i++) {
        const char *text = s->module_settings.items[i];
        hash = hash * 31 + base_hash64(text, strlen(text));
    }
    return hash;
}

enum gleaner_status work_start_workers(struct work *work, enum work_kind kind,
                                       struct base_error *error)
{
    const struct settings *s = work->settings;
    const struct worker_live live = work_worker_live(s, kind);
    char suspects[sizeof work->data + 32];
    (void)snprintf(suspects, sizeof suspects, "%s/gleaner.suspects", work->data);
    const struct worker_options options = {
        .threads = work_threads(s),
        .fetch = work->fetch,
        .queue = work->queue,
        .modules = work->modules,
        .db = work->db,
        .collection = s->collection,
        .markdown = strcmp(s->content, "markdown") == 0,
        .is_crawl = kind == WORK_CRAWL,
        .revisit = revisit_of(s),
        .revisit_after_ms = s->revisit_after_s * 1000,
        .settings_hash = hash_of_module_settings(s),
        .shares = work->shares,
        .sitemap_urls = s->sitemap_urls,
        .max_pages = live.max_pages,
        .pages_before = work->pages_before,
        .batch_pages = narrow(s->batch_pages),
        .batch_ms = live.batch_ms,
        .prefetch = live.prefetch,
        .handle_ms = live.handle_ms,
        .give_up_ms = live.give_up_ms,
        /* Who takes leases back uncounted has to know by itself which page brings it down. */
        .suspects_path = work->local != NULL || work->has_owner_file ? suspects : NULL,
        .tap = sinks_tap(work->sinks),
        .setting = settings_of_module,
        .setting_ctx = (void *)(uintptr_t)s,
    };
    return worker_group_start(&options, &work->workers, error);
}

/* ---- status server ---- */

static enum gleaner_status submit(void *ctx, const char *url, const char *type, bool *is_new,
                                  struct base_error *error)
{
    struct work *work = ctx;
    char normal[8192];
    enum gleaner_status status = work_normalise_url(url, normal, sizeof normal, error);
    const char *const urls[] = {normal};
    uint64_t inserted = 0;
    if (status == GLEANER_OK) {
        status = queue_seed(work->queue, urls, 1, type, &inserted, error);
    }
    *is_new = inserted > 0;
    return status;
}

/* A service on a server opens no store here, so nothing made the directory and nobody locked it. */
static bool may_serve(const struct work *work, struct base_error *error)
{
    if (work->local != NULL) {
        return true;
    }
    if (!work_make_directories(work->data)) {
        (void)base_error_set(error, GLEANER_E_IO, "cannot make %s: %s", work->data,
                             strerror(errno));
        return false;
    }
    struct base_buffer answer = {0};
    bool is_taken = admin_ask(work->data, "/status", NULL, &answer, NULL) != GLEANER_E_NOT_FOUND;
    base_buffer_fini(&answer);
    if (is_taken) {
        (void)base_error_set(error, GLEANER_E_BUSY,
                             "another process serves its status in %s; --data gives this one its "
                             "own place",
                             work->data);
    }
    return !is_taken;
}

void work_start_server(struct work *work, const char *command)
{
    const struct settings *settings = work->settings;
    work->sources.command = command;
    work->sources.target = work->target;
    work->sources.data = work->data;
    work->sources.max_pages = settings->pages == UINT64_MAX ? 0 : settings->pages;
    work->sources.workers = work->workers;
    work->sources.fetch = work->fetch;
    work->sources.queue = work->queue;
    work->sources.jobs = work->jobs;
    work->sources.tiered = work->tiered;
    work->sources.db = work->db;
    work->sources.is_stopping = &work->is_stopping;
    const struct admin_server_options options = {
        .sources = &work->sources,
        .directory = work->data,
        .submit = strcmp(command, "run") == 0 ? submit : NULL,
        .submit_ctx = work,
        .controls = work->controls,
        .control_count = work->control_count,
        .control_ctx = work->live,
    };
    struct base_error error = {0};
    if (!may_serve(work, &error) ||
        admin_server_start(&options, &work->server, &error) != GLEANER_OK) {
        base_log_warn("process", "event=no_status_server reason=\"%s\"", error.message);
    }
}

/* ---- stopping ---- */

/* A stop is followed for drain_ms and this: then the process ends, whatever hangs. With a server it
 * is a call that does not return, and the bar is drain + 0.6 s; without one, a module. */
#define PATIENCE_SERVER_MS 500
#define PATIENCE_LOCAL_MS 5000
/* Of that: after the deadline what is left is released; then the store is asked for its counts. */
#define RELEASE_SERVER_MS 250
#define RELEASE_LOCAL_MS 1000
#define COUNT_MS 1000
#define SUMMARY_MS 150 /* what is left for the summary and the closing */
#define DRAIN_POLL_MS 10

void work_set_patience(const struct work *work, uint64_t drain_ms, enum exit_code code)
{
    uint64_t more_ms = work->db != NULL ? PATIENCE_SERVER_MS : PATIENCE_LOCAL_MS;
    signals_set_patience(drain_ms + more_ms, code);
}

static uint64_t stopped_ns(void)
{
    uint64_t at_ns = signals_stopped_ns();
    return at_ns != 0 ? at_ns : base_mono_ns();
}

void work_drain(struct work *work, uint64_t drain_ms)
{
    atomic_store_explicit(&work->is_stopping, true, memory_order_relaxed);
    uint64_t deadline_ns = stopped_ns() + drain_ms * BASE_NS_PER_MS;
    worker_group_request_stop(work->workers, deadline_ns);
    uint64_t release_ms = work->db != NULL ? RELEASE_SERVER_MS : RELEASE_LOCAL_MS;
    uint64_t end_ns = deadline_ns + release_ms * BASE_NS_PER_MS;
    work->count_by_ns = deadline_ns + (PATIENCE_SERVER_MS - SUMMARY_MS) * BASE_NS_PER_MS;
    struct worker_stats stats;
    worker_group_read_stats(work->workers, &stats);
    while (stats.in_flight > 0 && base_mono_ns() < end_ns) {
        (void)poll(NULL, 0, DRAIN_POLL_MS);
        worker_group_read_stats(work->workers, &stats);
    }
}

/* A frontier in the data directory answers; a server may not. */
static uint64_t count_deadline(const struct work *work)
{
    if (work->db == NULL || work->tiered != NULL) {
        return BASE_NO_DEADLINE;
    }
    uint64_t soon_ns = base_mono_ns() + COUNT_MS * BASE_NS_PER_MS;
    return work->count_by_ns != 0 && work->count_by_ns < soon_ns ? work->count_by_ns : soon_ns;
}

void work_read_last(struct work *work, struct admin_figures *out)
{
    struct store_counts counts;
    bool is_good = false;
    /* One that was started for the progress line is older than what was settled since. */
    (void)work_count_take(work, count_deadline(work), &counts, &is_good);
    work_count_start(work);
    bool is_counted = work_count_take(work, count_deadline(work), &counts, &is_good);
    admin_read(&work->sources, ADMIN_MEMORY_ONLY, out);
    out->has_jobs = is_counted && is_good;
    if (out->has_jobs) {
        out->jobs = counts;
    }
}

/* ---- URLs of people ---- */

enum gleaner_status work_normalise_url(const char *text, char *out, size_t out_size,
                                       struct base_error *error)
{
    struct url_parser *parser = NULL;
    struct base_slice url = {0};
    enum gleaner_status status = url_parser_create(&parser);
    if (status != GLEANER_OK) {
        return base_error_set(error, status, "no memory for a URL parser");
    }
    status = url_resolve(parser, text, strlen(text), &url);
    if (status == GLEANER_E_UNSUPPORTED) {
        status = base_error_set(error, GLEANER_E_INVALID,
                                "'%s': only http:// and https:// can be fetched", text);
    } else if (status != GLEANER_OK) {
        bool is_host = isalnum((unsigned char)text[0]) && strpbrk(text, " <>\"") == NULL &&
                       strstr(text, "://") == NULL;
        status = base_error_set(error, GLEANER_E_INVALID, "'%s' is no absolute URL%s%s%s", text,
                                is_host ? "; did you mean https://" : "", is_host ? text : "",
                                is_host ? " ?" : "");
    } else if (url.len >= out_size) {
        status = base_error_set(error, GLEANER_E_LIMIT, "a URL of %zu bytes is too long", url.len);
    } else {
        memcpy(out, url.data, url.len);
        out[url.len] = '\0';
    }
    url_parser_destroy(&parser);
    return status;
}
