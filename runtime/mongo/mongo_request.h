/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the room: a request on its way from the driver to the server, as far as it is looked at.
 */
#ifndef MONGO_REQUEST_H
#define MONGO_REQUEST_H

#include "mongo_internal.h"
#include "mongo_watch.h"

/* Points into the driver's own buffers: valid until they are sent. */
struct mongo_request {
    bool is_command; /* OP_MSG with a body; if not, nothing below is set */
    bool has_answer; /* false: the server was told not to (w: 0) */
    int32_t id;
    const char *name; /* "find" */
    bson_t command;
    /* Statements may follow the body, as a list of their own: its name, and the first of them. */
    const char *list; /* "updates"; NULL: none */
    const uint8_t *first;
    uint32_t first_len;
};

void mongo_request_read(const mongoc_iovec_t *iov, size_t count, struct mongo_request *out);
/** "" when it names none. */
const char *mongo_request_database(const struct mongo_request *request);
/** As mongo_watch_begin(). */
void mongo_watch_begin_request(struct mongo_watch *watch, const struct mongo_request *request);

#endif
