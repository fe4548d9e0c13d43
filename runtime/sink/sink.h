/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sink.h
 * The door of runtime/sink: files that a crawl writes beside its store or instead of one (JSON
 * Lines, CSV, WARC), and the formats alone, which `gleaner export` uses too.
 *
 * A file only ever grows by whole batches. A batch is written and flushed to the disk before the
 * store is told of it: who is killed in between fetches those pages again, and finds them in the
 * file. So the file holds each document (by its id) and each page (by its URL) of a crawl once.
 */
#ifndef SINK_H
#define SINK_H

#include "base.h"

enum sink_format { SINK_JSONL, SINK_CSV, SINK_WARC };

#define SINK_NAMES                                                                                 \
    "a file to write: a name that ends in .jsonl, .ndjson, .csv, .warc or .warc.gz, or "           \
    "jsonl:FILE, "                                                                                 \
    "csv:FILE, warc:FILE; - is standard output"

/**
 * "jsonl:FILE", "csv:FILE", "warc:FILE", or FILE alone where its name says which (.jsonl, .ndjson,
 * .csv, .warc, .warc.gz; WARC is compressed record by record where the name ends in .gz). "-" for
 * FILE is standard output; alone it takes JSON Lines. *path points into `text`.
 *
 * Errors: GLEANER_E_CONFIG says what is wrong with it.
 */
GLEANER_MUST_CHECK enum gleaner_status sink_parse(const char *text, enum sink_format *format,
                                                  const char **path, struct base_error *error);

/** The same file by a name that does not depend on the working directory. "-" stays. */
GLEANER_MUST_CHECK enum gleaner_status sink_full_path(const char *path, char *out, size_t out_size,
                                                      struct base_error *error);

/* What to do with records that are in the file already; those of a resumed crawl stay. */
enum sink_existing { SINK_APPEND, SINK_REPLACE, SINK_REFUSE };

struct sink_options {
    enum sink_format format;
    enum sink_existing existing;
    const char *path;   /* copied; further segments are FILE-00001.ext and so on; "-" is standard
                           output: never flushed, divided or read back */
    uint64_t max_bytes; /* a segment that would grow over it is followed by the next; 0 = never */
    bool is_durable;    /* flush each batch to the disk */
    const char *resume; /* sink_position() of the crawl's start, or NULL: it starts now */
    /* WARC: header lines of each request ("User-Agent: ...\r\n..."), copied; NULL = none */
    const char *request_headers;
};
struct sink;

/**
 * Open or make the file. A torn record at its end (killed, disk full) is cut off; then, with
 * `resume`, what the crawl wrote there already is read.
 *
 * Thread: [startup]. One process at a time has a file.
 * Errors: GLEANER_E_BUSY another process writes it; GLEANER_E_INVALID its end is nothing of this
 *         format: it is left alone; GLEANER_E_EXISTS it is not empty (SINK_REFUSE);
 *         GLEANER_E_CONFIG it is no regular file; GLEANER_E_FULL; GLEANER_E_IO.
 */
GLEANER_MUST_CHECK enum gleaner_status sink_open(const struct sink_options *options,
                                                 struct sink **out, struct base_error *error);
/** NULL accepted. After the last stage. */
void sink_close(struct sink **sink);
/** Where the next batch goes, to be kept by the caller: what sink_options.resume takes. */
void sink_position(struct sink *sink, char *out, size_t out_size);
enum sink_format sink_format_of(const struct sink *sink);

struct sink_stats {
    uint64_t records, bytes;
    uint64_t found; /* records of this crawl at the opening */
    uint64_t known; /* written before, by this crawl: not again */
    uint64_t cut;   /* bytes of a torn record at the opening */
};
void sink_read_stats(struct sink *sink, struct sink_stats *out);

/* What one thread has formatted and not committed. Thread: [owner]. */
struct sink_stage;
GLEANER_MUST_CHECK enum gleaner_status sink_stage_create(struct sink *sink,
                                                         struct sink_stage **out);
void sink_stage_destroy(struct sink_stage **stage);

/** A document: BSON without `_id`, which is `id`. JSON Lines and CSV take it, WARC does not. */
GLEANER_MUST_CHECK enum gleaner_status sink_stage_document(struct sink_stage *stage,
                                                           const uint8_t id[12],
                                                           const uint8_t *bson, uint32_t len);

/* A page as it came. */
struct sink_page {
    const char *url;
    const char *headers; /* status line and headers, CRLF, as received */
    const char *body;    /* decoded by content coding */
    size_t body_len;
    int64_t fetched_at_ms; /* wall clock */
    uint64_t fetch_ms;
    uint32_t depth;
};
/** WARC takes it, the others do not. */
GLEANER_MUST_CHECK enum gleaner_status sink_stage_page(struct sink_stage *stage,
                                                       const struct sink_page *page);
/** Take back the documents: they will be staged again. Pages stay. */
void sink_stage_drop_documents(struct sink_stage *stage);
size_t sink_stage_bytes(const struct sink_stage *stage);

/**
 * Append all that is staged, or nothing. GLEANER_OK: it is in the file (durable: on the disk) and
 * the stage is empty. After an error the stage is as it was; the file ends where it ended.
 *
 * Thread: [any], one stage each.
 * Errors: GLEANER_E_FULL the disk is full; GLEANER_E_IO; GLEANER_E_CLOSED nobody reads standard
 *         output any more. A stream keeps what it took of a commit that failed, and takes no more.
 */
GLEANER_MUST_CHECK enum gleaner_status sink_commit(struct sink *sink, struct sink_stage *stage,
                                                   struct base_error *error);

/* ---- the formats alone ---- */

/** Append a BSON document as one line of JSON; `id` (may be NULL) becomes its first field. */
bool sink_json(const uint8_t id[12], const uint8_t *bson, uint32_t len, struct base_buffer *out);

/* CSV (RFC 4180) needs its columns before its rows: they are the fields of the first document. */
#define SINK_CSV_COLUMNS 64
struct sink_csv {
    char *columns[SINK_CSV_COLUMNS];
    size_t count;
};
/** Columns of this document, and their line. */
bool sink_csv_header(struct sink_csv *csv, const uint8_t id[12], const uint8_t *bson, uint32_t len,
                     struct base_buffer *out);
bool sink_csv_row(const struct sink_csv *csv, const uint8_t id[12], const uint8_t *bson,
                  uint32_t len, struct base_buffer *out);
void sink_csv_fini(struct sink_csv *csv);

enum sink_packing { SINK_GZIP, SINK_PLAIN };
/** The WARC record at the start of a file. */
bool sink_warc_info(const char *name, enum sink_packing packing, struct base_buffer *out);
/** A stored document as a gzipped record of type `conversion` (the text of a page, as in WET
 * files). False without memory; *has_text (may be NULL) = it had url and text, else nothing was
 * written. */
bool sink_warc_conversion(const uint8_t *bson, uint32_t len, struct base_buffer *out,
                          bool *has_text);

#endif
