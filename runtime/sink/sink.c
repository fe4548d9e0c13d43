/* SPDX-License-Identifier: Apache-2.0 */
/* A sink at work: committing batches, going on to the next segment. sink_open.c opens it. */
#include "sink_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
 * meanwhile finds half a record behind whole ones for longer than it takes to come here. What a
 * stream has taken cannot be taken back, so it ends there. */
static enum gleaner_status cut_tail_locked(struct sink *sink, struct base_error *error)
{
    if (sink->stream_end != GLEANER_OK) {
        return base_error_set(error, sink->stream_end, "standard output: an earlier write failed");
    }
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
    status = sink->is_stream ? sink_write_stream(sink, data, len, error)
                             : sink_write_at(sink, data, len, sink->offset, error);
    if (status == GLEANER_OK && sink->is_durable && fdatasync(sink->fd) != 0) {
        status = sink_failed(sink, "cannot be flushed", error);
    }
    if (status != GLEANER_OK) {
        sink->stream_end = sink->is_stream ? status : GLEANER_OK;
        sink->has_tail = !sink->is_stream;
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
    } else if (sink->format == SINK_WARC && !sink_warc_info(sink->path, sink->packing, &head)) {
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
