/* SPDX-License-Identifier: Apache-2.0 */
/* A sink: opening with what is there already, committing batches, going on to the next segment. */
#include "sink_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SEGMENTS = 99999 };

/* ---- what is meant ---- */

enum gleaner_status sink_parse(const char *text, enum sink_format *format, const char **path,
                               struct base_error *error)
{
    static const struct {
        const char *prefix, *ending;
        enum sink_format format;
    } ways[] = {
        {"jsonl:", ".jsonl", SINK_JSONL},
        {"jsonl:", ".ndjson", SINK_JSONL},
        {"csv:", ".csv", SINK_CSV},
        {"warc:", ".warc.gz", SINK_WARC},
    };
    size_t len = strlen(text);
    *path = NULL;
    for (size_t i = 0; i < BASE_ARRAY_LEN(ways) && *path == NULL; i++) {
        size_t prefix = strlen(ways[i].prefix), ending = strlen(ways[i].ending);
        *format = ways[i].format;
        if (strncmp(text, ways[i].prefix, prefix) == 0) {
            *path = text + prefix;
        } else if (len > ending && strcmp(text + len - ending, ways[i].ending) == 0) {
            *path = text;
        }
    }
    size_t left = *path != NULL ? strlen(*path) : 0;
    if (left == 0 || left > 4000) {
        return base_error_set(
            error, GLEANER_E_CONFIG,
            "'%s' is no file to write: jsonl:FILE, csv:FILE, warc:FILE, or a name "
            "that ends in .jsonl, .csv or .warc.gz",
            text);
    }
    if (*format == SINK_WARC && (left < 4 || strcmp(*path + left - 3, ".gz") != 0)) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "'%s': WARC files are compressed record by record; the name has to "
                              "end in .gz, as in pages.warc.gz",
                              text);
    }
    return GLEANER_OK;
}

/* ---- opening ---- */

static void note_found(void *ctx, uint64_t name)
{
    struct sink_known *known = ctx;
    if (sink_known_reserve(known, 1)) { /* without memory it is written twice, not lost */
        sink_known_add(known, name);
    }
}

static uint32_t last_segment(const struct sink *sink)
{
    char path[4200];
    uint32_t last = 0;
    while (last < MAX_SEGMENTS && sink_segment_path(sink, last + 1, path, sizeof path) &&
           access(path, F_OK) == 0) {
        last++;
    }
    return last;
}

/* Read a segment back; the last one loses what is torn. */
static enum gleaner_status read_segment(struct sink *sink, uint64_t from, bool is_ours,
                                        bool is_last, struct base_error *error)
{
    struct stat stat;
    struct sink_scan scan = {
        .from = from, .found = is_ours ? note_found : NULL, .ctx = &sink->known};
    if (fstat(sink->fd, &stat) != 0) {
        return sink_failed(sink, "cannot be read", error);
    }
    uint64_t size = (uint64_t)stat.st_size;
    if (from > size) {
        base_log_warn("sink", "file=%s event=shorter_than_before bytes=%llu were=%llu", sink->path,
                      (unsigned long long)size, (unsigned long long)from);
        scan.from = 0;
    }
    enum gleaner_status status = sink_scan_file(sink->format, sink->fd, sink->path, &scan, error);
    if (status == GLEANER_OK && scan.first_line != NULL && !sink->has_columns) {
        size_t len = strlen(scan.first_line);
        bool is_good = sink_csv_parse(&sink->csv, scan.first_line, len) &&
                       base_buffer_append(&sink->csv_header, scan.first_line, len);
        atomic_store_explicit(&sink->has_columns, is_good, memory_order_release);
    }
    free(scan.first_line);
    if (status != GLEANER_OK || !is_last) {
        return status;
    }
    sink->offset = scan.end;
    if (scan.end == 0 && size > 0 && !is_ours) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "%s: holds something else than this format; it is left as it is",
                              sink->path);
    }
    if (scan.end < size) {
        sink->stats.cut = size - scan.end;
        base_log_warn("sink", "file=%s event=torn_end cut_bytes=%llu", sink->path,
                      (unsigned long long)sink->stats.cut);
        if (ftruncate(sink->fd, (off_t)scan.end) != 0) {
            return sink_failed(sink, "its torn end cannot be cut", error);
        }
    }
    return GLEANER_OK;
}

/* "SEGMENT:OFFSET" */
static bool parse_position(const char *text, uint32_t *segment, uint64_t *offset)
{
    unsigned s;
    unsigned long long o;
    if (text == NULL || sscanf(text, "%u:%llu", &s, &o) != 2 || s > MAX_SEGMENTS) {
        return false;
    }
    *segment = s;
    *offset = o;
    return true;
}

static enum gleaner_status read_back(struct sink *sink, const char *resume,
                                     struct base_error *error)
{
    uint32_t last = last_segment(sink), first = last;
    uint64_t offset = 0;
    bool is_ours = parse_position(resume, &first, &offset);
    enum gleaner_status status = GLEANER_OK;
    /* CSV has its columns at the start of the first file. */
    if (sink->format == SINK_CSV && (last > 0 || offset > 0)) {
        status = sink_segment_open(sink, 0, error);
        if (status == GLEANER_OK) {
            status = read_segment(sink, 0, false, false, error);
        }
    }
    for (uint32_t i = is_ours ? first : last; status == GLEANER_OK && i <= last; i++) {
        status = sink_segment_open(sink, i, error);
        if (status == GLEANER_OK) {
            status =
                read_segment(sink, is_ours && i == first ? offset : 0, is_ours, i == last, error);
        }
    }
    return status;
}

enum gleaner_status sink_open(const struct sink_options *options, struct sink **out,
                              struct base_error *error)
{
    struct sink *sink = calloc(1, sizeof *sink);
    if (sink == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for %s", options->path);
    }
    sink->fd = -1;
    sink->format = options->format;
    sink->max_bytes = options->max_bytes;
    sink->is_durable = options->is_durable;
    sink->path = strdup(options->path);
    sink->request_headers =
        strdup(options->request_headers != NULL ? options->request_headers : "");
    enum gleaner_status status =
        sink->path != NULL && sink->request_headers != NULL &&
                sync_mutex_create(&sink->lock) == GLEANER_OK
            ? read_back(sink, options->resume, error)
            : base_error_set(error, GLEANER_E_NOMEM, "no memory for %s", options->path);
    if (status != GLEANER_OK) {
        sink_close(&sink);
        return status;
    }
    *out = sink;
    return GLEANER_OK;
}

void sink_close(struct sink **sink_ptr)
{
    struct sink *sink = *sink_ptr;
    *sink_ptr = NULL;
    if (sink == NULL) {
        return;
    }
    if (sink->fd >= 0) {
        if (sink->has_tail) {
            (void)!ftruncate(sink->fd, (off_t)sink->offset);
        }
        (void)close(sink->fd);
    }
    sync_mutex_destroy(&sink->lock);
    sink_known_fini(&sink->known);
    sink_csv_fini(&sink->csv);
    base_buffer_fini(&sink->csv_header);
    free(sink->path);
    free(sink->request_headers);
    free(sink);
}

void sink_position(struct sink *sink, char *out, size_t out_size)
{
    sync_mutex_lock(sink->lock);
    (void)snprintf(out, out_size, "%u:%llu", (unsigned)sink->segment,
                   (unsigned long long)sink->offset);
    sync_mutex_unlock(sink->lock);
}

enum sink_format sink_format_of(const struct sink *sink)
{
    return sink->format;
}

void sink_read_stats(struct sink *sink, struct sink_stats *out)
{
    sync_mutex_lock(sink->lock);
    *out = sink->stats;
    sync_mutex_unlock(sink->lock);
}

/* ---- committing ---- */

/* The rest of a write that failed is cut before anything else happens: nobody who reads the file
 * meanwhile finds half a record behind whole ones for longer than it takes to come here. */
static enum gleaner_status cut_tail_locked(struct sink *sink, struct base_error *error)
{
    if (sink->has_tail && ftruncate(sink->fd, (off_t)sink->offset) != 0) {
        return sink_failed(sink, "the rest of a failed write cannot be cut", error);
    }
    sink->has_tail = false;
    return GLEANER_OK;
}

static enum gleaner_status append_locked(struct sink *sink, const char *data, size_t len,
                                         struct base_error *error)
{
    enum gleaner_status status = cut_tail_locked(sink, error);
    if (status != GLEANER_OK) {
        return status;
    }
    status = sink_write_at(sink, data, len, sink->offset, error);
    if (status == GLEANER_OK && sink->is_durable && fdatasync(sink->fd) != 0) {
        status = sink_failed(sink, "cannot be flushed", error);
    }
    if (status != GLEANER_OK) {
        sink->has_tail = true;
        (void)cut_tail_locked(sink, NULL); /* else with the next commit */
        return status;
    }
    sink->offset += len;
    sink->stats.bytes += len;
    return GLEANER_OK;
}

/* What stands at the start of each segment. */
static enum gleaner_status begin_segment_locked(struct sink *sink, struct base_error *error)
{
    struct base_buffer head = {0};
    if (sink->format == SINK_CSV) {
        base_buffer_append(&head, sink->csv_header.data, sink->csv_header.len);
    } else if (sink->format == SINK_WARC && !sink_warc_info(sink->path, &head)) {
        head.failed = true;
    }
    enum gleaner_status status = GLEANER_OK;
    if (head.failed) {
        status = base_error_set(error, GLEANER_E_NOMEM, "%s: no memory", sink->path);
    } else if (head.len > 0) {
        status = append_locked(sink, head.data, head.len, error);
    }
    base_buffer_fini(&head);
    return status;
}

static enum gleaner_status rotate_locked(struct sink *sink, size_t more, struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    if (sink->max_bytes > 0 && sink->offset > 0 && sink->offset + more > sink->max_bytes &&
        sink->segment < MAX_SEGMENTS) {
        status = cut_tail_locked(sink, error);
        if (status == GLEANER_OK) {
            status = sink_segment_open(sink, sink->segment + 1, error);
        }
        sink->offset = status == GLEANER_OK ? 0 : sink->offset;
    }
    return status == GLEANER_OK && sink->offset == 0 ? begin_segment_locked(sink, error) : status;
}

/* Move together what is not known yet. Returns its bytes. */
static size_t drop_known_locked(struct sink *sink, struct sink_stage *stage)
{
    size_t kept = 0, end = 0;
    for (size_t i = 0; i < stage->count; i++) {
        struct sink_unit unit = stage->units[i];
        if (sink_known_has(&sink->known, unit.name)) {
            sink->stats.known++;
            continue;
        }
        if (end != unit.offset) {
            memmove(stage->bytes.data + end, stage->bytes.data + unit.offset, unit.len);
        }
        unit.offset = end;
        end += unit.len;
        stage->units[kept++] = unit;
    }
    stage->count = kept;
    stage->bytes.len = end;
    return end;
}

static enum gleaner_status commit_locked(struct sink *sink, struct sink_stage *stage,
                                         struct base_error *error)
{
    size_t len = drop_known_locked(sink, stage);
    if (len == 0) {
        return GLEANER_OK;
    }
    if (!sink_known_reserve(&sink->known, stage->count)) {
        return base_error_set(error, GLEANER_E_NOMEM, "%s: no memory", sink->path);
    }
    enum gleaner_status status = rotate_locked(sink, len, error);
    if (status == GLEANER_OK) {
        status = append_locked(sink, stage->bytes.data, len, error);
    }
    for (size_t i = 0; status == GLEANER_OK && i < stage->count; i++) {
        sink_known_add(&sink->known, stage->units[i].name);
        sink->stats.records++;
    }
    return status;
}

enum gleaner_status sink_commit(struct sink *sink, struct sink_stage *stage,
                                struct base_error *error)
{
    enum { KEEP_BYTES = 4 << 20 };
    sync_mutex_lock(sink->lock);
    enum gleaner_status status = commit_locked(sink, stage, error);
    sync_mutex_unlock(sink->lock);
    if (status == GLEANER_OK) {
        stage->count = 0;
        base_buffer_reset(&stage->bytes, KEEP_BYTES);
    }
    return status;
}
