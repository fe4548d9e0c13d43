/* SPDX-License-Identifier: Apache-2.0 */
/* Inside runtime/sink only. sink_name.c reads names, sink_open.c opens, sink.c has the file at work
 * and its lock, sink_file.c names, opens and writes segments, sink_known.c is the set of what is in
 * the file, sink_scan.c and sink_warc_scan.c read a file back, sink_stage.c is the thread's side,
 * the others are formats. */
#ifndef SINK_INTERNAL_H
#define SINK_INTERNAL_H

#include "sink.h"
#include "sync.h"

/* Names of records that the file holds: a growing table of 64-bit hashes, at most half full; 16
 * bytes a record at the worst. Not thread-safe. */
struct sink_known {
    uint64_t *slots;
    size_t count, cap; /* cap: a power of two, or 0 */
};
bool sink_known_has(const struct sink_known *known, uint64_t name);
/** Make room for `more` names, so that adding cannot fail. */
bool sink_known_reserve(struct sink_known *known, size_t more);
void sink_known_add(struct sink_known *known, uint64_t name);
void sink_known_fini(struct sink_known *known);

struct sink {
    enum sink_format format;
    enum sink_packing packing; /* of WARC records */
    char *path;
    char *request_headers;
    uint64_t max_bytes;
    bool is_durable;
    bool is_stream; /* standard output: nothing is read back, flushed or cut */

    struct sync_mutex *lock; /* protects everything below; taken under no other lock. Held during
                                the write: one file, one writer */
    int fd;
    uint32_t segment;
    uint64_t
        offset;    /* end of what is committed; behind it there may be the rest of a failed write */
    bool has_tail; /* there is */
    enum gleaner_status stream_end; /* a stream that failed: how */
    struct sink_known known;
    struct sink_stats stats;
    /* Made under the lock by the first document, then never changed.
     * writes: the first to format a document (release); reads: any stage (acquire) */
    _Atomic bool has_columns;
    struct sink_csv csv;
    struct base_buffer csv_header; /* the line, for the start of each segment */
};

/* One staged record or group of records that belong together. */
struct sink_unit {
    uint64_t name;
    size_t offset, len;
};
struct sink_stage {
    struct sink *sink;
    struct base_buffer bytes;
    struct sink_unit *units;
    size_t count, cap;
};

uint64_t sink_name_of_id(const uint8_t id[12]);
uint64_t sink_name_of_url(const char *url, size_t len);

enum { MAX_SEGMENTS = 99999 };

/* ---- files ---- */

bool sink_is_gzip(const char *path);
bool sink_is_stream(const char *path);

/** Path of a segment; false when it is too long. */
bool sink_segment_path(const struct sink *sink, uint32_t segment, char *out, size_t out_size);
GLEANER_MUST_CHECK enum gleaner_status sink_segment_open(struct sink *sink, uint32_t segment,
                                                         struct base_error *error);
/** All of `len` at `offset`. */
GLEANER_MUST_CHECK enum gleaner_status sink_write_at(struct sink *sink, const char *data,
                                                     size_t len, uint64_t offset,
                                                     struct base_error *error);
/** The same to a stream, which has no offset. */
GLEANER_MUST_CHECK enum gleaner_status sink_write_stream(struct sink *sink, const char *data,
                                                         size_t len, struct base_error *error);
/** errno as a status with the path. */
enum gleaner_status sink_failed(const struct sink *sink, const char *what,
                                struct base_error *error);

/* ---- reading back ---- */

/** Read a segment from `from` on. Each whole record is named to `found` (may be NULL). *end = where
 *  the last whole one ends. */
struct sink_scan {
    uint64_t from;
    void (*found)(void *ctx, uint64_t name);
    void *ctx;
    uint64_t end;
    uint64_t records;
    char *first_line; /* of a CSV file read from its start: malloc'ed, or NULL */
};
GLEANER_MUST_CHECK enum gleaner_status
sink_scan_file(const struct sink *sink, struct sink_scan *scan, struct base_error *error);
/** The WARC part of it, on the whole file in memory. False without memory. */
bool sink_warc_scan(enum sink_packing packing, const char *data, size_t len,
                    struct sink_scan *scan);

/* ---- WARC ---- */

/** Request, response and metadata of a page, each a gzip member of its own, or as they are. */
bool sink_warc_page(const struct sink_page *page, const char *request_headers,
                    enum sink_packing packing, struct base_buffer *out);
#define SINK_DIGEST_MAX 64
/** "sha1:" and base 32 of both parts together: the form that every reader knows. */
bool sink_warc_digest(const char *a, size_t a_len, const char *b, size_t b_len,
                      char out[SINK_DIGEST_MAX]);

/** Columns from the header line of a file. */
bool sink_csv_parse(struct sink_csv *csv, const char *line, size_t len);

#endif
