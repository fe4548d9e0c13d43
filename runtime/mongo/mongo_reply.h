/* SPDX-License-Identifier: Apache-2.0 */
/* The answers on one connection, on their way to the driver: mongo_reply.c. */
#ifndef MONGO_REPLY_H
#define MONGO_REPLY_H

#include "mongo_internal.h"

enum { MONGO_REPLY_MAX = 2048, MONGO_VERSION_MAX = 64 };

enum mongo_reply_state {
    MONGO_REPLY_LIVE,
    MONGO_REPLY_GIVEN_UP, /**< the deadline came: the driver is still to be told */
    MONGO_REPLY_DEAD      /**< told; the real answer may be on its way: nothing is read any more */
};

/* Plain; used by whoever holds the client. */
struct mongo_replies {
    enum mongo_reply_state state;
    bool was_refused;              /**< of the last message that was read whole: ok is 0 */
    uint32_t version_len;          /**< 0: nothing is dated */
    uint32_t passing_len, passing; /**< of a message that passes through: all, still to come */
    uint32_t len, at;              /**< of the message in `bytes`; at == len: none */
    uint8_t version[MONGO_VERSION_MAX];
    uint8_t bytes[MONGO_REPLY_MAX + sizeof "?topologyVersion" + MONGO_VERSION_MAX];
};

/** `hello` may be NULL; with its topologyVersion answers are dated. */
void mongo_replies_init(struct mongo_replies *replies, const bson_t *hello);
/** As mongoc_stream_read(). */
ssize_t mongo_replies_read(struct mongo_replies *replies, mongoc_stream_t *from, uint8_t *out,
                           size_t wanted, size_t min_bytes, int32_t timeout_ms);
/** The driver has had all of the last answer. */
static inline bool mongo_replies_is_between(const struct mongo_replies *replies)
{
    return replies->at == replies->len && replies->passing == 0;
}
/** The request could not be sent by the deadline: its answer will be that of a deadline. */
void mongo_replies_give_up(struct mongo_replies *replies);
/** After mongo_replies_read() failed because the deadline came: answer for the server. -1 when that
 *  cannot be done where the reading stands. */
ssize_t mongo_replies_answer(struct mongo_replies *replies, uint8_t *out, size_t wanted);

#endif
