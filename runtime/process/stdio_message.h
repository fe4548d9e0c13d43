/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STDIO_MESSAGE_H
#define STDIO_MESSAGE_H

/**
 * @file stdio_message.h
 * Inside runtime/process: the messages of `gleaner worker --stdio`, one JSON object a line.
 *
 * Request: {type: scrape_url | scrape_images | scrape_videos | scan_directory | search_content |
 *           shutdown, url | directory | query, requestId}
 * Reply:   {type: scrape_result | scan_result | search_result | shutdown_result | error,
 *           data: {success, message, contentFound, content, error?}, requestId}
 * Every request gets one reply, in any order; a line that is none gets type error.
 */
#include "base.h"
#include <bson/bson.h>

enum request_kind { REQUEST_SCRAPE, REQUEST_SCAN, REQUEST_SEARCH, REQUEST_SHUTDOWN };

struct request {
    enum request_kind kind;
    const char *job_type; /* of a scrape: text, image, video */
    char *text;           /* url, directory or query; owned */
    bson_t *id;           /* {requestId: whatever it was}; owned, or NULL */
};

/**
 * Read a line. *out is freed with request_free() in every case, also after an error: what could be
 * read of the id is there, so that the refusal carries it.
 */
GLEANER_MUST_CHECK enum gleaner_status
request_parse(const char *line, size_t len, struct request **out, struct base_error *error);
void request_free(struct request **request);

struct reply {
    bool success, found;
    const char *message;
    const char *error;          /* NULL = none */
    const bson_iter_t *content; /* a value; NULL = null */
};
/** Append the reply as one line. `request` may be NULL: then it is an error without an id. */
void reply_write(const struct request *request, const struct reply *reply, struct base_buffer *out);

#endif
