/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket as a stream of the driver's. Its own asks recv() first, which finds nothing while the
 * server is at work, then poll(), then recv() again, and for an answer of more than a KiB once
 * more. This one waits in recv(), which fills the caller's buffer and reads ahead at once: two
 * system calls an operation instead of four or five.
 *
 * The kernel ends a recv() after SO_RCVTIMEO. What is left of a deadline is another time with each
 * call, so it is not told each time: a shorter wait is repeated until the time is over.
 */
#include "mongo_internal.h"

#if MONGO_COMPAT_STREAMS

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define STREAM_TYPE 0x676d /* none of the driver's: nobody looks inside */
#define AHEAD_BYTES 2048   /* MONGO_REPLY_MAX: most answers in one piece */
#define WAIT_MAX_MS 60000  /* of one recv() */

struct socket_stream {
    mongoc_stream_t driver; /* first: what the driver sees */
    int fd;
    int error; /* of the last call that failed, or 0 */
    pid_t owner;
    int32_t wait_ms;  /* SO_RCVTIMEO as the kernel knows it; 0 = never told */
    uint32_t len, at; /* of `ahead`; at == len: empty */
    uint8_t ahead[AHEAD_BYTES];
};

/* ---- time ---- */

struct span {
    uint64_t deadline_ns;
    bool is_endless;
};

static struct span span_of(int32_t timeout_ms)
{
    bool is_endless = timeout_ms < 0;
    uint64_t ms = is_endless ? 0 : (uint64_t)timeout_ms;
    return (struct span){base_mono_ns() + ms * BASE_NS_PER_MS, is_endless};
}

static int32_t left_of(const struct span *span)
{
    int32_t left = span->is_endless ? WAIT_MAX_MS : mongo_left_ms(span->deadline_ns);
    return left < WAIT_MAX_MS ? left : WAIT_MAX_MS;
}

static int32_t power_of_two_up_to(int32_t ms)
{
    return (int32_t)(UINT32_C(1) << (31 - __builtin_clz((uint32_t)ms)));
}

/* A recv() that ends early is begun again; one that ends late would break the deadline. */
static bool tell_wait(struct socket_stream *stream, int32_t left_ms)
{
    if (stream->wait_ms > 0 && stream->wait_ms <= left_ms && stream->wait_ms >= left_ms / 4) {
        return true;
    }
    int32_t wait_ms = power_of_two_up_to(left_ms);
    struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    if (setsockopt(stream->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0) {
        return false;
    }
    stream->wait_ms = wait_ms;
    return true;
}

/* ---- reading ---- */

static bool is_again(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

static size_t take_ahead(struct socket_stream *stream, uint8_t *out, size_t wanted)
{
    size_t left = stream->len - stream->at;
    size_t count = wanted < left ? wanted : left;
    memcpy(out, stream->ahead + stream->at, count);
    stream->at += (uint32_t)count;
    return count;
}

/* What the socket has, at least a byte, first into `out`. -1 with stream->error. */
static ssize_t receive(struct socket_stream *stream, uint8_t *out, size_t wanted,
                       const struct span *span)
{
    for (;;) {
        struct iovec parts[] = {{out, wanted}, {stream->ahead, sizeof stream->ahead}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = BASE_ARRAY_LEN(parts)};
        int32_t left_ms = left_of(span);
        if (left_ms > 0 && !tell_wait(stream, left_ms)) {
            stream->error = errno;
            return -1;
        }
        ssize_t got = recvmsg(stream->fd, &message, left_ms > 0 ? 0 : MSG_DONTWAIT);
        if (got > 0) {
            size_t taken = (size_t)got < wanted ? (size_t)got : wanted;
            stream->at = 0;
            stream->len = (uint32_t)((size_t)got - taken);
            return (ssize_t)taken;
        }
        bool is_over = left_ms == 0;
        if (got == 0 || (errno != EINTR && !(is_again(errno) && !is_over))) {
            stream->error = got == 0 ? ECONNRESET : is_again(errno) ? ETIMEDOUT : errno;
            return -1;
        }
    }
}

static ssize_t fail(const struct socket_stream *stream)
{
    errno = stream->error;
    return -1;
}

static ssize_t socket_readv(mongoc_stream_t *driver, mongoc_iovec_t *iov, size_t count,
                            size_t min_bytes, int32_t timeout_ms)
{
    struct socket_stream *stream = (struct socket_stream *)driver;
    struct span span = span_of(timeout_ms);
    size_t all = 0;
    stream->error = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t *out = iov[i].iov_base;
        size_t filled = take_ahead(stream, out, iov[i].iov_len);
        while (filled < iov[i].iov_len && (all + filled == 0 || all + filled < min_bytes)) {
            ssize_t got = receive(stream, out + filled, iov[i].iov_len - filled, &span);
            if (got < 0) {
                return fail(stream);
            }
            filled += (size_t)got;
        }
        all += filled;
        if (filled < iov[i].iov_len) {
            break;
        }
    }
    return (ssize_t)all;
}

/* ---- writing ---- */

static bool wait_until_writable(struct socket_stream *stream, const struct span *span)
{
    struct pollfd poller = {.fd = stream->fd, .events = POLLOUT};
    int32_t left_ms = left_of(span);
    if (left_ms == 0 || (poll(&poller, 1, left_ms) < 0 && errno != EINTR)) {
        stream->error = left_ms == 0 ? ETIMEDOUT : errno;
        return false;
    }
    return true;
}

/* Past what was sent; the driver's own streams change its pieces, too. */
static void step_over(struct msghdr *message, size_t sent)
{
    while (message->msg_iovlen > 0 && sent >= message->msg_iov->iov_len) {
        sent -= message->msg_iov->iov_len;
        message->msg_iov++;
        message->msg_iovlen--;
    }
    if (message->msg_iovlen > 0) {
        message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent;
        message->msg_iov->iov_len -= sent;
    }
}

static ssize_t socket_writev(mongoc_stream_t *driver, mongoc_iovec_t *iov, size_t count,
                             int32_t timeout_ms)
{
    struct socket_stream *stream = (struct socket_stream *)driver;
    struct span span = span_of(timeout_ms);
    struct msghdr rest = {.msg_iov = iov, .msg_iovlen = count};
    size_t all = 0;
    stream->error = 0;
    step_over(&rest, 0);
    while (rest.msg_iovlen > 0) {
        struct msghdr piece = rest;
        piece.msg_iovlen = rest.msg_iovlen < IOV_MAX ? rest.msg_iovlen : IOV_MAX;
        ssize_t sent = sendmsg(stream->fd, &piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            all += (size_t)sent;
            step_over(&rest, (size_t)sent);
        } else if (is_again(errno)) {
            if (!wait_until_writable(stream, &span)) {
                return fail(stream);
            }
        } else if (errno != EINTR) {
            stream->error = errno;
            return fail(stream);
        }
    }
    return (ssize_t)all;
}

/* ---- the rest of a stream ---- */

/* A child that was forked meanwhile has the descriptor, too: shutting it down ends its connection
 * all the same, and the child must not. */
static int socket_close(mongoc_stream_t *driver)
{
    struct socket_stream *stream = (struct socket_stream *)driver;
    if (stream->fd >= 0) {
        if (stream->owner == getpid()) {
            (void)shutdown(stream->fd, SHUT_RDWR);
        }
        (void)close(stream->fd);
        stream->fd = -1;
    }
    return 0;
}

static void socket_destroy(mongoc_stream_t *driver)
{
    (void)socket_close(driver);
    free(driver);
}

static int socket_flush(mongoc_stream_t *driver)
{
    (void)driver;
    return 0;
}

static int socket_setsockopt(mongoc_stream_t *driver, int level, int name, void *value,
                             mongoc_socklen_t bytes)
{
    return setsockopt(((struct socket_stream *)driver)->fd, level, name, value, bytes);
}

static mongoc_stream_t *socket_base(mongoc_stream_t *driver)
{
    (void)driver;
    return NULL;
}

static bool socket_check_closed(mongoc_stream_t *driver)
{
    struct socket_stream *stream = (struct socket_stream *)driver;
    char byte;
    if (stream->at < stream->len) {
        return false;
    }
    ssize_t got = recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && !is_again(errno) && errno != EINTR);
}

/* For TLS, while it shakes hands: one stream at a time. */
static ssize_t socket_poll(mongoc_stream_poll_t *streams, size_t count, int32_t timeout_ms)
{
    if (count != 1) {
        errno = EINVAL;
        return -1;
    }
    struct socket_stream *stream = (struct socket_stream *)streams->stream;
    struct pollfd poller = {.fd = stream->fd, .events = (short)streams->events};
    if (stream->at < stream->len && (streams->events & POLLIN) != 0) {
        streams->revents = POLLIN;
        return 1;
    }
    int ready = poll(&poller, 1, timeout_ms);
    streams->revents = poller.revents;
    return ready;
}

static bool socket_timed_out(mongoc_stream_t *driver)
{
    return ((struct socket_stream *)driver)->error == ETIMEDOUT;
}

static bool socket_should_retry(mongoc_stream_t *driver)
{
    (void)driver;
    return false; /* it was waited for */
}

static mongoc_stream_t *stream_of(int fd)
{
    struct socket_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        (void)close(fd);
        return NULL;
    }
    stream->fd = fd;
    stream->owner = getpid();
    stream->driver = (mongoc_stream_t){
        .type = STREAM_TYPE,
        .destroy = socket_destroy,
        .close = socket_close,
        .flush = socket_flush,
        .writev = socket_writev,
        .readv = socket_readv,
        .setsockopt = socket_setsockopt,
        .get_base_stream = socket_base,
        .check_closed = socket_check_closed,
        .poll = socket_poll,
        .failed = socket_destroy,
        .timed_out = socket_timed_out,
        .should_retry = socket_should_retry,
    };
    return &stream->driver;
}

/* ---- connecting ---- */

/* As the driver sets them: no delay, and a silent way is noticed after 120 + 9 * 10 s. */
static void set_options(int fd, int family)
{
    static const int on = 1, idle_s = 120, interval_s = 10, probes = 9;
    if (family != AF_UNIX) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    }
}

static bool is_connected_by(int fd, uint64_t deadline_ns)
{
    struct pollfd poller = {.fd = fd, .events = POLLOUT};
    int ready, error = 0;
    socklen_t bytes = sizeof error;
    do {
        ready = poll(&poller, 1, mongo_left_ms(deadline_ns));
    } while (ready < 0 && errno == EINTR);
    return ready > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error == 0;
}

mongoc_stream_t *mongo_socket_connect(int family, int protocol, const struct sockaddr *address,
                                      socklen_t bytes, uint64_t deadline_ns)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) {
        return NULL;
    }
    set_options(fd, family);
    bool done = connect(fd, address, bytes) == 0 ||
                (errno == EINPROGRESS && is_connected_by(fd, deadline_ns));
    if (!done || fcntl(fd, F_SETFL, 0) != 0) { /* from now on it waits */
        (void)close(fd);
        return NULL;
    }
    return stream_of(fd);
}

#endif
