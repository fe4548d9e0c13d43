/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a sink with what is there already: going on behind it, in its place, or not at all. */
#include "sink_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading back ---- */

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
    enum gleaner_status status = sink_scan_file(sink, &scan, error);
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
    if (text == NULL) {
        return false;
    }
    char *colon, *end;
    unsigned long long s = strtoull(text, &colon, 10);
    if (colon == text || *colon != ':' || s > MAX_SEGMENTS) {
        return false;
    }
    unsigned long long o = strtoull(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0') {
        return false;
    }
    *segment = (uint32_t)s;
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
    sink->stats.found = sink->known.count;
    return status;
}

/* ---- what is there already, of somebody else or of an earlier crawl ---- */

static enum gleaner_status refuse_content(struct sink *sink, struct base_error *error)
{
    struct stat stat;
    enum gleaner_status status = sink_segment_open(sink, 0, error);
    if (status != GLEANER_OK) {
        return status;
    }
    if (fstat(sink->fd, &stat) != 0) {
        return sink_failed(sink, "cannot be read", error);
    }
    return stat.st_size == 0
               ? GLEANER_OK
               : base_error_set(error, GLEANER_E_EXISTS, "%s is not empty", sink->path);
}

/* The first segment is emptied, the others go: under the lock of the first one, which every writer
 * of this file takes. */
static enum gleaner_status empty_segments(struct sink *sink, struct base_error *error)
{
    char path[4200];
    enum gleaner_status status = sink_segment_open(sink, 0, error);
    for (uint32_t i = last_segment(sink); status == GLEANER_OK && i > 0; i--) {
        if (sink_segment_path(sink, i, path, sizeof path) && unlink(path) != 0) {
            return base_error_set(error, GLEANER_E_IO, "%s: cannot be removed: %s", path,
                                  strerror(errno));
        }
    }
    if (status == GLEANER_OK && ftruncate(sink->fd, 0) != 0) {
        return sink_failed(sink, "cannot be emptied", error);
    }
    return status;
}

static enum gleaner_status open_file(struct sink *sink, const struct sink_options *options,
                                     struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    if (options->resume == NULL && options->existing == SINK_REFUSE) {
        status = refuse_content(sink, error);
    } else if (options->resume == NULL && options->existing == SINK_REPLACE) {
        status = empty_segments(sink, error);
    }
    return status == GLEANER_OK ? read_back(sink, options->resume, error) : status;
}

/* ---- opening ---- */

static enum gleaner_status open_stream(struct sink *sink, struct base_error *error)
{
    enum { ABOVE_STANDARD = 3 };
    sink->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, ABOVE_STANDARD);
    return sink->fd >= 0 ? GLEANER_OK : sink_failed(sink, "standard output", error);
}

static bool fill(struct sink *sink, const struct sink_options *options)
{
    sink->fd = -1;
    sink->format = options->format;
    sink->is_stream = sink_is_stream(options->path);
    sink->max_bytes = sink->is_stream ? 0 : options->max_bytes;
    sink->is_durable = options->is_durable && !sink->is_stream;
    sink->packing = sink_is_gzip(options->path) ? SINK_GZIP : SINK_PLAIN;
    sink->path = strdup(options->path);
    sink->request_headers =
        strdup(options->request_headers != NULL ? options->request_headers : "");
    return sink->path != NULL && sink->request_headers != NULL &&
           sync_mutex_create(&sink->lock) == GLEANER_OK;
}

enum gleaner_status sink_open(const struct sink_options *options, struct sink **out,
                              struct base_error *error)
{
    struct sink *sink = calloc(1, sizeof *sink);
    enum gleaner_status status;
    if (sink == NULL || !fill(sink, options)) {
        status = base_error_set(error, GLEANER_E_NOMEM, "no memory for %s", options->path);
    } else if (sink->is_stream) {
        status = open_stream(sink, error);
    } else {
        status = open_file(sink, options, error);
    }
    if (status != GLEANER_OK) {
        sink_close(&sink);
        return status;
    }
    *out = sink;
    return GLEANER_OK;
}
