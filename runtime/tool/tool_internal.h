/* SPDX-License-Identifier: Apache-2.0 */
/* What the tools share: lines of JSON, bytes from anywhere, one fetch at a time. */
#ifndef TOOL_INTERNAL_H
#define TOOL_INTERNAL_H

#include "tool.h"
#include <jansson.h>

/* ---- batches (tool_batch.c) ---- */

/** Answer one object. NULL or {"error"} for what cannot be answered; the caller owns the answer. */
typedef json_t *(*tool_answer)(void *ctx, const json_t *question);

/** Read `in` to its end; one answer a line, flushed, in order. An exit code. */
int tool_batch_run(const struct tool_options *options, tool_answer answer, void *ctx);

/** Print an object on one line (or indented for people). False when the output is closed. */
bool tool_print(const struct tool_options *options, const json_t *object);
/** "gleaner: MESSAGE" on `err`, passwords replaced; returns `code`. */
int tool_fail(const struct tool_options *options, int code, const char *fmt, ...)
    GLEANER_PRINTF(3, 4);

/* ---- values (tool_bytes.c) ---- */

/** {"error": MESSAGE} */
json_t *tool_error(const char *fmt, ...) GLEANER_PRINTF(1, 2);
/** A string; bytes that are not UTF-8 become U+FFFD. NULL gives null. */
json_t *tool_text(const char *text);
json_t *tool_text_of(const char *text, size_t len);

/* Text of a question. Bytes of its JSON, or decoded and owned. */
struct tool_bytes {
    const char *data; /* NUL-terminated */
    size_t len;
    char *owned;
};
void tool_bytes_fini(struct tool_bytes *bytes);
/** `name` as text, or `name`_b64 as base64. False with *error (an answer) when neither is there or
 *  it is broken. */
bool tool_bytes_of(const json_t *question, const char *name, struct tool_bytes *out,
                   json_t **error);
/** A text without NUL. `fallback` when it is absent or null; NULL = it must be there. False with
 * *error. */
bool tool_string_of(const json_t *question, const char *name, const char *fallback,
                    const char **out, json_t **error);
/** The whole of a file, "-" = `in`. */
GLEANER_MUST_CHECK enum gleaner_status tool_read_file(const struct tool_options *options,
                                                      const char *path, struct base_buffer *out,
                                                      struct base_error *error);
/** True for what is meant as a URL, not as the name of a file. */
bool tool_is_url(const char *operand);

/* ---- fetching (tool_get.c) ---- */

struct tool_client;
GLEANER_MUST_CHECK enum gleaner_status tool_client_open(const struct tool_options *options,
                                                        struct tool_client **out,
                                                        struct base_error *error);
void tool_client_close(struct tool_client **client);

enum tool_get_flags { TOOL_GET_ANY = 1 /* robots.txt is not asked */ };
/**
 * Fetch, redirect by redirect; `hop` (may be NULL) sees each answer, the last one included.
 *
 * Owns:   *out until fetch_result_free(); whatever came of it: out->fetch_class says.
 * Errors: GLEANER_E_INVALID no http(s) URL; GLEANER_E_CANCELLED asked to stop; GLEANER_E_NOMEM.
 */
GLEANER_MUST_CHECK enum gleaner_status
tool_get(struct tool_client *client, const char *url, unsigned flags,
         void (*hop)(void *ctx, const struct fetch_result *result), void *ctx,
         struct fetch_result **out, struct base_error *error);
/** Fetch `url` with a client of its own and let `show` answer for a good page; otherwise the reason
 * why there is none is the answer. The result is an exit code. */
int tool_show_fetched(const struct tool_options *options, const char *url,
                      int (*show)(const struct tool_options *options,
                                  const struct fetch_result *result));
/** An absolute http(s) URL, normalised, in `out`. */
GLEANER_MUST_CHECK enum gleaner_status tool_normalise(const char *text, struct base_buffer *out,
                                                      struct base_error *error);
int tool_exit_of(enum gleaner_status status);

/* ---- recording what a module emits (tool_record.c) ---- */

struct tool_record {
    json_t *documents; /* [{"collection": NAME or null, "document": {...}}] */
    json_t *links;     /* followed */
    json_t *messages;  /* logged */
    enum gleaner_verdict verdict;
    char module[32];
    bool has_found, found, noindex, nofollow;
};
void tool_record_fini(struct tool_record *record);

/* What a module is told by its setting `document`, when the configuration does not say. */
enum tool_record_mode {
    TOOL_RECORD_AS_STORED,
    TOOL_RECORD_ONE_DOCUMENT /* setting("document") is "page": one document of the page */
};
/**
 * Let the module of page->type work on a page; what it emits goes nowhere but into *out.
 *
 * Owns:   *out, to be freed with tool_record_fini() in every case.
 * Errors: GLEANER_E_NOT_FOUND no module takes page->type; GLEANER_E_NOMEM.
 */
GLEANER_MUST_CHECK enum gleaner_status tool_record_page(const struct tool_options *options,
                                                        const struct gleaner_page *page,
                                                        enum tool_record_mode mode,
                                                        struct tool_record *out);

#endif
