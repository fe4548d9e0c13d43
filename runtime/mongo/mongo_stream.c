/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets under the driver's clients are ours: a thin mongoc_stream_t around a socket
 * (mongo_socket.c) or the driver's TLS and buffer on top of one. Five things come of it that the
 * driver does not offer.
 *
 *   1. One broken socket is one broken socket. After a network error libmongoc declares the server
 *      unknown and stalls every client of the pool for 0.5 to 1.0 s; after a time-out of a socket
 *      it does nothing but close it (the SDAM specification's rule; mc/mongoc-topology.c,
 *      _mongoc_topology_handle_app_error). So to the driver every failure of ours is a time-out.
 *      What it means for the server is decided by the supervisor, with a fresh connection; and the
 *      driver's monitors have sockets of their own, which stay as they are.
 *   2. Deadlines. libmongoc knows one socket time-out per URI; here each wait ends at the calling
 *      thread's deadline as well (mongo_deadline.c).
 *   3. We know whether a socket broke or was silent; the driver reports both with one code.
 *   4. Requests and answers pass by: what each command costs is seen here (mongo_watch.h) at half
 * of what the driver's command events cost, which copy, among other things, all documents of a
 *      bulk.
 *   5. An answer such as "not primary" from a server whose role does not change is the answer to
 *      one operation, not news about the server; and a deadline is answered as the server answers
 *      to its own time limit (mongo_reply.c).
 *
 * Of libmongoc 1.x alone: 2.0 refuses a stream initiator on a pooled client (MONGO_COMPAT_STREAMS).
 */
#include "mongo_reply.h"
#include "mongo_request.h"

#include <stdlib.h>
#include <string.h>

/* Of the calling thread, for the operation it runs: the driver works on the caller's thread. */
static _Thread_local bool last_failure_was_silence;
static _Thread_local bool last_was_given_up;

bool mongo_stream_was_silent(void)
{
    return last_failure_was_silence;
}

bool mongo_stream_was_given_up(void)
{
    return last_was_given_up;
}

void mongo_stream_note_silence(bool was_silent)
{
    last_failure_was_silence = was_silent;
}

#if MONGO_COMPAT_STREAMS

#define STREAM_TYPE 0x676c /* none of the driver's: nobody looks inside */

struct stream {
    mongoc_stream_t driver; /* first: what the driver sees */
    mongoc_stream_t *inner;
    bool may_be_numbered; /* of a replica set or of shards: writes may have a transaction number */
    bool must_fail;       /* the request that is under way: see gives_up() */
    bool is_timed;        /* it has begun in `watch` */
    int32_t request_id;
    uint64_t began_ns;
    struct mongo_watch *watch; /* NULL: commands are not timed, or by the driver's events */
    struct mongo_replies replies;
};

#define HEAD_BYTES 64  /* of a command: its name is there */
#define TAIL_BYTES 512 /* where the driver appends its own fields */

static mongoc_stream_t *inner_of(mongoc_stream_t *stream)
{
    return ((struct stream *)stream)->inner;
}

static void note_failure(mongoc_stream_t *stream)
{
    last_failure_was_silence =
        mongo_deadline_is_over() || mongoc_stream_timed_out(inner_of(stream));
}

/* Not when the failure of the socket has to be seen as one:
 *  - While logging in an answer would be a refusal.
 *  - The server may still be at work on a write with a number, and let the next one of its session
 *    wait: after a failure of the socket the driver gives that session up, after an answer not. */
static bool gives_up(const struct stream *stream)
{
    return mongo_deadline_is_over() && !stream->must_fail;
}

/* ---- what a command costs ---- */

static void begin_timing(struct stream *stream, const struct mongo_request *request)
{
    stream->is_timed = stream->watch != NULL && request->is_command;
    if (stream->is_timed) {
        stream->request_id = request->id;
        mongo_watch_begin_request(stream->watch, request);
        stream->began_ns = base_mono_ns();
    }
}

static void end_timing(struct stream *stream, enum mongo_outcome outcome)
{
    if (stream->is_timed) {
        stream->is_timed = false;
        uint64_t took_us = (base_mono_ns() - stream->began_ns) / BASE_NS_PER_US;
        mongo_watch_end(stream->watch, stream->request_id, (int64_t)took_us, outcome);
    }
}

/* ---- under the driver ---- */

static ssize_t stream_readv(mongoc_stream_t *driver, mongoc_iovec_t *iov, size_t count,
                            size_t min_bytes, int32_t timeout_ms)
{
    struct stream *stream = (struct stream *)driver;
    int32_t wait_ms = mongo_bounded_ms(timeout_ms);
    ssize_t got = -1;
    if (count != 1) { /* the driver does not */
        mongo_replies_give_up(&stream->replies);
    } else {
        got = mongo_replies_read(&stream->replies, stream->inner, iov->iov_base, iov->iov_len,
                                 min_bytes, wait_ms);
    }
    if (got >= 0 && (size_t)got >= min_bytes) {
        if (stream->is_timed && mongo_replies_is_between(&stream->replies)) {
            end_timing(stream, stream->replies.was_refused ? MONGO_FAILED : MONGO_SUCCEEDED);
        }
        return got;
    }
    end_timing(stream, MONGO_FAILED);
    note_failure(driver);
    if (count == 1 && gives_up(stream)) {
        got = mongo_replies_answer(&stream->replies, iov->iov_base, iov->iov_len);
        last_was_given_up = last_was_given_up || got >= 0;
    }
    return got;
}

static bool holds(const char *bytes, size_t len, const char *text, size_t text_len)
{
    return memmem(bytes, len, text, text_len) != NULL;
}

static bool logs_in(const struct mongo_request *request, const mongoc_iovec_t *iov, size_t count)
{
    if (request->is_command) {
        return strncmp(request->name, "sasl", 4) == 0 || strcmp(request->name, "authenticate") == 0;
    }
    for (size_t i = 0; i < count; i++) { /* an older kind of message, or a compressed one */
        size_t head = iov[i].iov_len < HEAD_BYTES ? iov[i].iov_len : HEAD_BYTES;
        if (holds(iov[i].iov_base, head, "sasl", 4) ||
            holds(iov[i].iov_base, head, "authenticate", 12)) {
            return true;
        }
    }
    return false;
}

static bool must_fail(const struct stream *stream, const struct mongo_request *request,
                      const mongoc_iovec_t *iov, size_t count)
{
    for (size_t i = 0; stream->may_be_numbered && i < count; i++) {
        const char *bytes = iov[i].iov_base;
        size_t len = iov[i].iov_len;
        size_t tail = len < TAIL_BYTES ? len : TAIL_BYTES;
        if (holds(bytes + len - tail, tail, "txnNumber", sizeof "txnNumber")) {
            return true;
        }
    }
    return logs_in(request, iov, count);
}

static ssize_t stream_writev(mongoc_stream_t *driver, mongoc_iovec_t *iov, size_t count,
                             int32_t timeout_ms)
{
    struct stream *stream = (struct stream *)driver;
    struct mongo_request request;
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) { /* before: the driver's own streams change `iov` */
        wanted += iov[i].iov_len;
    }
    bool is_bound = mongo_deadline_is_set(); /* what is not has nothing to give up */
    request.is_command = false;
    if (is_bound || stream->watch != NULL) {
        mongo_request_read(iov, count, &request);
    }
    stream->must_fail = is_bound && must_fail(stream, &request, iov, count);
    last_was_given_up = false;
    if (stream->replies.state != MONGO_REPLY_LIVE) {
        last_failure_was_silence = true;
        return -1;
    }
    begin_timing(stream, &request);
    ssize_t sent = mongoc_stream_writev(stream->inner, iov, count, mongo_bounded_ms(timeout_ms));
    if (sent >= 0 && (size_t)sent >= wanted) {
        if (stream->is_timed && !request.has_answer) {
            end_timing(stream, MONGO_SUCCEEDED);
        }
        return sent;
    }
    end_timing(stream, MONGO_FAILED);
    note_failure(driver);
    if (!gives_up(stream)) {
        return sent;
    }
    mongo_replies_give_up(&stream->replies);
    return (ssize_t)wanted;
}

static bool stream_timed_out(mongoc_stream_t *stream)
{
    (void)stream;
    return true; /* asked after a failure only: see 1. above */
}

static int stream_close(mongoc_stream_t *stream)
{
    return mongoc_stream_close(inner_of(stream));
}

static void stream_destroy(mongoc_stream_t *stream)
{
    mongoc_stream_destroy(inner_of(stream));
    free(stream);
}

static void stream_failed(mongoc_stream_t *stream)
{
    mongoc_stream_failed(inner_of(stream)); /* destroys it, too */
    free(stream);
}

static int stream_flush(mongoc_stream_t *stream)
{
    return mongoc_stream_flush(inner_of(stream));
}

static int stream_setsockopt(mongoc_stream_t *stream, int level, int name, void *value,
                             mongoc_socklen_t bytes)
{
    return mongoc_stream_setsockopt(inner_of(stream), level, name, value, bytes);
}

static bool stream_check_closed(mongoc_stream_t *stream)
{
    return mongoc_stream_check_closed(inner_of(stream));
}

static bool stream_should_retry(mongoc_stream_t *stream)
{
    return mongoc_stream_should_retry(inner_of(stream));
}

static bool numbers_writes(const bson_t *hello)
{
    return hello != NULL && (bson_has_field(hello, "setName") || bson_has_field(hello, "msg"));
}

mongoc_stream_t *mongo_stream_wrap(mongoc_stream_t *inner, const bson_t *hello,
                                   struct mongo_watch *watch)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        mongoc_stream_destroy(inner);
        return NULL;
    }
    stream->inner = inner;
    stream->watch = watch;
    stream->may_be_numbered = numbers_writes(hello);
    mongo_replies_init(&stream->replies, hello);
    stream->driver = (mongoc_stream_t){
        .type = STREAM_TYPE,
        .destroy = stream_destroy,
        .close = stream_close,
        .flush = stream_flush,
        .writev = stream_writev,
        .readv = stream_readv,
        .setsockopt = stream_setsockopt,
        .get_base_stream = inner_of,
        .check_closed = stream_check_closed,
        .failed = stream_failed,
        .timed_out = stream_timed_out,
        .should_retry = stream_should_retry,
    };
    return &stream->driver;
}

#endif
