/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the room: a command as a shape. */
#ifndef MONGO_SHAPE_H
#define MONGO_SHAPE_H

#include "mongo_watch.h"

struct shape_text {
    char text[MONGO_SHAPE_TEXT]; /* "find app.jobs {status}", with its NUL */
    uint32_t len;
    uint32_t command_len, where_len; /* text = command, blank, where, [blank, rest] */
    bool is_explainable;
};
/** False: a command of the driver's own or of ours (ping, hello ...), not to be counted. */
bool shape_write(const char *database, const char *name, const struct _bson_t *command,
                 struct shape_text *out);
/** The first of statements that are not in the command, but sent after it. */
void shape_add_statement(struct shape_text *out, const uint8_t *first, uint32_t len);

/** A copy for explain: without the driver's own fields, with one statement of an update or delete.
 *  NULL when it is too large or memory is out. */
struct mongo_sample *mongo_sample_create(const char *database, const char *name,
                                         const struct _bson_t *command);

#endif
