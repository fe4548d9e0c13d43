/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner scan DIRECTORY: each file goes to the module for files as a page of its own, its document
 * into the store or the spool, batch by batch. */
#include "process_internal.h"
#include "scan.h"
#include <stdio.h>
#include <string.h>

#define BATCH_BYTES (8u << 20)
#define BATCH_FILES 256
#define QUEUE_NAME "scan" /* has no jobs: documents alone are settled in it */
#define SPOOL_STEP_MS 100

struct scanning {
    struct work *work;
    struct store_queue *queue;
    struct worker_desk *desk;
    struct base_buffer url, decoded;
    uint32_t waiting; /* files whose documents are not stored yet */
    uint64_t found, failed;
    struct scan_stats seen;
    struct store_settled settled;
    enum gleaner_status status;
    struct base_error error;
};

static uint32_t narrow(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static const char *media_type_of(const char *type)
{
    static const char *const known[][2] = {
        {"md", "text/markdown"},   {"html", "text/html"},   {"css", "text/css"},
        {"js", "text/javascript"}, {"py", "text/x-python"}, {"php", "text/x-php"},
    };
    for (size_t i = 0; i < BASE_ARRAY_LEN(known); i++) {
        if (strcmp(known[i][0], type) == 0) {
            return known[i][1];
        }
    }
    return "text/plain";
}

/* file:// and the path, percent-encoded but for what a path may hold (RFC 3986). */
static bool set_url(struct base_buffer *url, const char *path)
{
    base_buffer_reset(url, 65536);
    base_buffer_append_str(url, "file://");
    for (const char *p = path; *p != '\0'; p++) {
        bool is_plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                        (*p >= '0' && *p <= '9') || strchr("/-._~!$&'()*+,;=:@", *p) != NULL;
        if (is_plain) {
            base_buffer_append_char(url, *p);
        } else {
            base_buffer_printf(url, "%%%02X", (unsigned char)*p);
        }
    }
    return !url->failed;
}

static bool settle(struct scanning *s)
{
    struct store_settled settled;
    s->status = worker_desk_settle(s->desk, s->queue, &settled, &s->error);
    s->settled.documents_new += settled.documents_new;
    s->settled.documents_replaced += settled.documents_replaced;
    s->settled.documents_spooled += settled.documents_spooled;
    s->settled.documents_refused += settled.documents_refused;
    s->waiting = 0;
    return s->status == GLEANER_OK;
}

static bool take_file(void *ctx, const struct scan_file *file)
{
    struct scanning *s = ctx;
    struct base_slice body;
    const char *charset, *media_type = media_type_of(file->type);
    bool found = false;
    if (!set_url(&s->url, file->path) || fetch_decode(file->body, file->body_len, media_type,
                                                      &s->decoded, &body, &charset) != GLEANER_OK) {
        s->status = base_error_set(&s->error, GLEANER_E_NOMEM, "no memory for %s", file->path);
        return false;
    }
    const struct gleaner_page page = {
        .size = sizeof page,
        .url = s->url.data,
        .url_len = s->url.len,
        .body = body.data != NULL ? body.data : "",
        .body_len = body.len,
        .content_type = media_type,
        .charset = charset,
        .type = "files",
        .fetched_at_ms = base_wall_ms(),
    };
    enum gleaner_status status = worker_desk_take(s->desk, &page, &found, &s->error);
    if (status == GLEANER_E_NOT_FOUND) { /* no module: for the next file neither */
        s->status = status;
        return false;
    }
    s->found += found;
    if (status != GLEANER_OK) {
        s->failed++;
        base_log_warn("scan", "%s", s->error.message);
    }
    bool is_full = ++s->waiting == BATCH_FILES || worker_desk_bytes(s->desk) >= BATCH_BYTES;
    base_buffer_reset(&s->decoded, 1 << 20);
    return !is_full || settle(s);
}

static enum gleaner_status scan(struct scanning *s, const char *directory)
{
    const struct settings *settings = s->work->settings;
    struct scan_options options;
    scan_options_init(&options);
    options.directory = directory;
    options.max_depth = narrow(settings->scan_depth);
    options.max_files = settings->scan_files;
    options.max_file_bytes = settings->scan_file_bytes;
    options.max_bytes = settings->scan_mb << 20;
    options.should_stop = signals_stop_wanted;
    enum gleaner_status status = scan_directory(&options, take_file, s, &s->seen, &s->error);
    if (status != GLEANER_OK || s->status != GLEANER_OK) {
        return status != GLEANER_OK ? status : s->status;
    }
    return settle(s) ? GLEANER_OK : s->status;
}

static enum gleaner_status open_desk(struct scanning *s)
{
    struct work *work = s->work;
    const struct settings *settings = work->settings;
    enum gleaner_status status =
        store_queue_open(work->documents, QUEUE_NAME, &s->queue, &s->error);
    const struct worker_options options = {
        .modules = work->modules,
        .db = work->db,
        .collection = settings->collection,
        .handle_ms = narrow(settings->handle_ms),
        .setting = settings_of_module,
        .setting_ctx = (void *)(uintptr_t)settings,
    };
    if (status == GLEANER_OK && worker_desk_open(&options, &s->desk) != GLEANER_OK) {
        status = base_error_set(&s->error, GLEANER_E_NOMEM, "no memory to scan");
    }
    return status;
}

static enum gleaner_status start(struct scanning *s)
{
    struct work *work = s->work;
    const struct settings *settings = work->settings;
    enum gleaner_status status = work_load_modules(work, &s->error);
    if (status == GLEANER_OK) {
        status = work_open_stores(work, settings, WORK_CRAWL, &s->error);
    }
    if (status == GLEANER_OK && work->tiered != NULL) {
        /* One that does not answer is no failure: the spool is there. */
        enum gleaner_status up = work_wait_server(work, &s->error);
        base_log_debug("scan", "event=server status=%s", gleaner_status_name(up));
    }
    return status == GLEANER_OK ? open_desk(s) : status;
}

/* How many documents still wait for their server. */
static uint64_t deliver(const struct work *work)
{
    struct store_spool_stats spool = {0};
    if (work->tiered == NULL) {
        return 0;
    }
    uint64_t end_ns = base_mono_ns() + work->settings->spool_wait_ms * BASE_NS_PER_MS;
    store_tiered_spool(work->tiered, &spool);
    while (spool.documents > 0 && gleaner_db_is_up(work->db) && !signals_stop_wanted() &&
           base_mono_ns() < end_ns) {
        enum gleaner_status status =
            store_tiered_drain(work->tiered, base_mono_ns() + SPOOL_STEP_MS * BASE_NS_PER_MS);
        store_tiered_spool(work->tiered, &spool);
        if (status == GLEANER_OK) {
            break;
        }
    }
    return spool.documents;
}

static void print_number(const char *name, uint64_t value)
{
    if (value > 0) {
        (void)printf(", %llu %s", (unsigned long long)value, name);
    }
}

static void print_json(const struct scanning *s, uint64_t waiting)
{
    const struct scan_stats *seen = &s->seen;
    (void)printf("{\"files\": %llu, \"bytes\": %llu, \"directories\": %llu, \"relevant\": %llu, "
                 "\"new\": %llu, \"replaced\": %llu, \"spooled\": %llu, \"refused\": %llu, "
                 "\"failed\": %llu, \"waiting\": %llu, "
                 "\"left_out\": {\"other_types\": %llu, \"hidden\": %llu, \"links\": %llu, "
                 "\"special\": %llu, \"too_large\": %llu, \"binary\": %llu, \"too_deep\": %llu, "
                 "\"unreadable\": %llu}, \"cut\": %s, \"stopped\": %s}\n",
                 (unsigned long long)seen->files, (unsigned long long)seen->bytes,
                 (unsigned long long)seen->directories, (unsigned long long)s->found,
                 (unsigned long long)s->settled.documents_new,
                 (unsigned long long)s->settled.documents_replaced,
                 (unsigned long long)s->settled.documents_spooled,
                 (unsigned long long)s->settled.documents_refused, (unsigned long long)s->failed,
                 (unsigned long long)waiting, (unsigned long long)seen->other_types,
                 (unsigned long long)seen->hidden, (unsigned long long)seen->links,
                 (unsigned long long)seen->special, (unsigned long long)seen->too_large,
                 (unsigned long long)seen->binary, (unsigned long long)seen->too_deep,
                 (unsigned long long)seen->unreadable, seen->is_cut ? "true" : "false",
                 seen->is_stopped ? "true" : "false");
}

static void print_summary(const struct scanning *s, uint64_t waiting)
{
    const struct scan_stats *seen = &s->seen;
    (void)printf("%llu files of %llu bytes in %llu directories: %llu stored new, %llu replaced",
                 (unsigned long long)seen->files, (unsigned long long)seen->bytes,
                 (unsigned long long)seen->directories,
                 (unsigned long long)s->settled.documents_new,
                 (unsigned long long)s->settled.documents_replaced);
    print_number("to the spool", s->settled.documents_spooled);
    print_number("refused", s->settled.documents_refused);
    print_number("failed", s->failed);
    print_number("not relevant", seen->files - s->found - s->failed);
    (void)printf("\nleft out: %llu of other types", (unsigned long long)seen->other_types);
    print_number("hidden", seen->hidden);
    print_number("symbolic links", seen->links);
    print_number("no files", seen->special);
    print_number("too large", seen->too_large);
    print_number("binary", seen->binary);
    print_number("too deep", seen->too_deep);
    print_number("unreadable", seen->unreadable);
    (void)printf("%s\n",
                 seen->is_cut ? "; a limit cut the scan off (--scan-files, --scan-total)" : "");
    if (waiting > 0) {
        (void)printf("%llu documents wait in the spool; gleaner spool drain delivers them\n",
                     (unsigned long long)waiting);
    }
}

static void close_desk(struct scanning *s)
{
    worker_desk_close(&s->desk);
    if (s->queue != NULL) {
        store_queue_close(&s->queue);
    }
    base_buffer_fini(&s->url);
    base_buffer_fini(&s->decoded);
}

enum gleaner_status scanning_run(struct work *work, const char *directory, uint64_t *files,
                                 uint64_t *found, struct base_error *error)
{
    struct scanning s = {.work = work};
    enum gleaner_status status = open_desk(&s);
    if (status == GLEANER_OK) {
        status = scan(&s, directory);
    }
    close_desk(&s);
    *files = s.seen.files;
    *found = s.found;
    return status == GLEANER_OK ? status : base_error_set(error, status, "%s", s.error.message);
}

static void finish(struct scanning *s)
{
    close_desk(s);
    work_close(s->work);
}

int command_scan(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    struct work work = {.settings = settings};
    struct scanning s = {.work = &work};
    uint64_t waiting = 0;
    enum gleaner_status status = GLEANER_OK;
    if (settings->operands.count != 1) {
        status = base_error_set(&s.error, GLEANER_E_CONFIG,
                                "one operand is wanted: gleaner scan DIRECTORY");
    }
    status = status == GLEANER_OK ? start(&s) : status;
    if (status == GLEANER_OK) {
        status = scan(&s, settings->operands.items[0]);
    }
    if (status == GLEANER_OK) {
        waiting = deliver(&work);
        if (settings->json) {
            print_json(&s, waiting);
        } else {
            print_summary(&s, waiting);
        }
    } else {
        print_error(&s.error);
    }
    finish(&s);
    return status != GLEANER_OK ? (int)work_exit_code(status)
           : s.seen.is_stopped  ? EXIT_STOPPED
           : waiting > 0        ? EXIT_SPOOLED
                                : EXIT_COMPLETE;
}
