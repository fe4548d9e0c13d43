/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a file back: where its last whole record ends, and what it holds. */
#include "sink_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- the document's id ---- */

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* 24 hex digits as the 12 bytes that they are. */
static bool read_id(const char *text, size_t len, uint8_t id[12])
{
    for (size_t i = 0; i < 12; i++) {
        int high = len >= 24 ? hex_digit(text[2 * i]) : -1;
        int low = len >= 24 ? hex_digit(text[2 * i + 1]) : -1;
        if (high < 0 || low < 0) {
            return false;
        }
        id[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static void found(struct sink_scan *scan, const char *text, size_t len)
{
    uint8_t id[12];
    scan->records++;
    if (scan->found != NULL && read_id(text, len, id)) {
        scan->found(scan->ctx, sink_name_of_id(id));
    }
}

/* ---- JSON Lines ---- */

/* What a power cut may leave instead of bytes (zeros) is no line, nor is half a line. */
static bool is_whole_line(const char *line, size_t len)
{
    return len >= 2 && line[0] == '{' && line[len - 1] == '}';
}

static void scan_lines(const char *data, size_t len, struct sink_scan *scan)
{
    static const char before_id[] = "{ \"_id\" : { \"$oid\" : \"";
    const size_t skip = sizeof before_id - 1;
    for (size_t at = (size_t)scan->from; at < len;) {
        const char *line = data + at, *end = memchr(line, '\n', len - at);
        if (end == NULL) {
            break;
        }
        size_t line_len = (size_t)(end - line);
        bool has_id = line_len > skip + 24 && memcmp(line, before_id, skip) == 0;
        at += line_len + 1;
        if (is_whole_line(line, line_len)) {
            found(scan, has_id ? line + skip : "", has_id ? 24 : 0);
            scan->end = at;
        }
    }
}

/* ---- CSV ---- */

/* The end of the row that starts at `at`: behind its line feed outside quotes; 0 = it is torn. */
static size_t row_end(const char *data, size_t len, size_t at)
{
    bool is_quoted = false;
    for (; at < len; at++) {
        if (data[at] == '"') {
            is_quoted = !is_quoted;
        } else if (data[at] == '\n' && !is_quoted) {
            return at + 1;
        } else if (data[at] == '\0') {
            return 0; /* no text: what a power cut leaves */
        }
    }
    return 0;
}

static void scan_rows(const char *data, size_t len, struct sink_scan *scan)
{
    size_t at = (size_t)scan->from;
    for (size_t end; at < len && (end = row_end(data, len, at)) != 0; at = end) {
        if (at == 0) {
            scan->first_line = strndup(data, end); /* the columns */
        } else {
            found(scan, data + at, end - at);
        }
        scan->end = end;
    }
}

/* ---- any ---- */

enum gleaner_status sink_scan_file(const struct sink *sink, struct sink_scan *scan,
                                   struct base_error *error)
{
    struct stat stat;
    scan->end = scan->from;
    if (fstat(sink->fd, &stat) != 0) {
        return base_error_set(error, GLEANER_E_IO, "%s: %s", sink->path, strerror(errno));
    }
    size_t len = (size_t)stat.st_size;
    if (len <= scan->from) {
        return GLEANER_OK;
    }
    /* We hold the file's lock, and nobody else has a reason to shorten it meanwhile. */
    char *data = mmap(NULL, len, PROT_READ, MAP_PRIVATE, sink->fd, 0);
    if (data == MAP_FAILED) {
        return base_error_set(error, GLEANER_E_IO, "%s: cannot be read: %s", sink->path,
                              strerror(errno));
    }
    (void)madvise(data, len, MADV_SEQUENTIAL);
    bool is_good = true;
    if (sink->format == SINK_WARC) {
        is_good = sink_warc_scan(sink->packing, data, len, scan);
    } else if (sink->format == SINK_CSV) {
        scan_rows(data, len, scan);
    } else {
        scan_lines(data, len, scan);
    }
    (void)munmap(data, len);
    return is_good ? GLEANER_OK
                   : base_error_set(error, GLEANER_E_NOMEM, "%s: no memory", sink->path);
}
