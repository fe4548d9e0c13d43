/* SPDX-License-Identifier: Apache-2.0 */
/* A socket of ours as a stream of the driver's: what it reads, how long it waits, how it ends. */
#include "mongo_internal.h"
#include "sync.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if MONGO_COMPAT_STREAMS

#define PATIENCE_MS 30000

struct pair {
    mongoc_stream_t *stream;
    int peer;
};

static struct pair pair;

static uint64_t in_ms(uint64_t ms)
{
    return base_mono_ns() + ms * BASE_NS_PER_MS;
}

static void connect_pair(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int door = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(door, (struct sockaddr *)&at, size), 0);
    cr_assert_eq(listen(door, 1), 0);
    cr_assert_eq(getsockname(door, (struct sockaddr *)&at, &size), 0);
    mongo_init();
    pair.stream =
        mongo_socket_connect(AF_INET, 0, (struct sockaddr *)&at, size, in_ms(PATIENCE_MS));
    cr_assert_not_null(pair.stream);
    pair.peer = accept(door, NULL, NULL);
    cr_assert_geq(pair.peer, 0);
    close(door);
}

static void end_pair(void)
{
    if (pair.stream != NULL) {
        mongoc_stream_destroy(pair.stream);
    }
    close(pair.peer);
    mongo_cleanup();
}

TestSuite(mongo_socket, .init = connect_pair, .fini = end_pair, .timeout = 120);

static ssize_t read_some(char *out, size_t wanted, size_t least, int32_t timeout_ms)
{
    return mongoc_stream_read(pair.stream, out, wanted, least, timeout_ms);
}

static void send_from_peer(const char *bytes, size_t len)
{
    cr_assert_eq(write(pair.peer, bytes, len), (ssize_t)len);
}

Test(mongo_socket, an_answer_is_handed_out_in_the_pieces_that_are_asked_for)
{
    char out[16] = "";
    send_from_peer("lengthand the rest", 18);
    cr_expect_eq(read_some(out, 6, 6, PATIENCE_MS), 6);
    cr_expect_arr_eq(out, "length", 6);
    cr_expect_eq(read_some(out, 3, 3, PATIENCE_MS), 3);
    cr_expect_arr_eq(out, "and", 3);
    cr_expect_eq(read_some(out, sizeof out, 9, PATIENCE_MS), 9);
    cr_expect_arr_eq(out, " the rest", 9);
}

Test(mongo_socket, several_places_are_filled_one_after_the_other)
{
    char first[3], second[4], third[5] = "";
    mongoc_iovec_t iov[] = {{first, sizeof first}, {second, sizeof second}, {third, sizeof third}};
    send_from_peer("abcdefgh", 8);
    cr_expect_eq(mongoc_stream_readv(pair.stream, iov, 3, 8, PATIENCE_MS), 8);
    cr_expect_arr_eq(first, "abc", 3);
    cr_expect_arr_eq(second, "defg", 4);
    cr_expect_eq(third[0], 'h');
}

struct sending {
    const char *bytes;
    size_t len;
};

static void send_all(void *arg)
{
    const struct sending *sending = arg;
    for (size_t at = 0; at < sending->len;) {
        ssize_t sent = write(pair.peer, sending->bytes + at, sending->len - at);
        cr_assert_gt(sent, 0);
        at += (size_t)sent;
    }
}

Test(mongo_socket, what_is_larger_than_all_buffers_comes_whole)
{
    enum { BYTES = 5000000 };
    char *bytes = malloc(BYTES), *out = malloc(BYTES);
    cr_assert(bytes != NULL && out != NULL);
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (char)(i * 2654435761u >> 13);
    }
    struct sending sending = {bytes, BYTES};
    struct sync_thread *thread;
    cr_assert_eq(sync_thread_start(&thread, "peer", SYNC_PLAIN, send_all, &sending), GLEANER_OK);
    cr_expect_eq(read_some(out, 4, 4, PATIENCE_MS), 4);
    cr_expect_eq(read_some(out + 4, BYTES - 4, BYTES - 4, PATIENCE_MS), BYTES - 4);
    cr_expect_eq(memcmp(bytes, out, BYTES), 0);
    sync_thread_join(&thread);
    free(bytes);
    free(out);
}

struct taking {
    char *bytes;
    size_t wanted, got;
};

static void take_all(void *arg)
{
    struct taking *taking = arg;
    ssize_t got = 1;
    while (taking->got < taking->wanted && got > 0) {
        got = read(pair.peer, taking->bytes + taking->got, taking->wanted - taking->got);
        taking->got += got > 0 ? (size_t)got : 0;
    }
}

/* More pieces than the kernel takes in one call, more bytes than its buffers hold. */
Test(mongo_socket, a_request_of_many_pieces_is_sent_whole)
{
    enum { PIECES = IOV_MAX + 100, PIECE = 5000 };
    char *bytes = calloc(PIECES, PIECE), *out = calloc(PIECES, PIECE);
    mongoc_iovec_t *iov = calloc(PIECES, sizeof *iov);
    cr_assert(bytes != NULL && out != NULL && iov != NULL);
    for (size_t i = 0; i < PIECES; i++) {
        memset(bytes + i * PIECE, (int)('a' + i % 26), PIECE);
        iov[i] = (mongoc_iovec_t){bytes + i * PIECE, i % 7 == 0 ? 0 : PIECE};
    }
    size_t all = 0;
    for (size_t i = 0; i < PIECES; i++) {
        all += iov[i].iov_len;
    }
    struct taking taking = {out, all, 0};
    struct sync_thread *thread;
    cr_assert_eq(sync_thread_start(&thread, "peer", SYNC_PLAIN, take_all, &taking), GLEANER_OK);
    cr_expect_eq(mongoc_stream_writev(pair.stream, iov, PIECES, PATIENCE_MS), (ssize_t)all);
    sync_thread_join(&thread);
    cr_assert_eq(taking.got, all);
    for (size_t i = 0, at = 0; i < PIECES; i++) {
        if (i % 7 != 0) {
            cr_assert_eq(memcmp(out + at, bytes + i * PIECE, PIECE), 0, "piece %zu", i);
            at += PIECE;
        }
    }
    free(bytes);
    free(out);
    free(iov);
}

/* The kernel knows another time than what is left now: nothing ends before its time, and what was
 * waited for last does not count. */
Test(mongo_socket, each_wait_has_its_own_time)
{
    static const int32_t waits_ms[] = {700, 30, 1, 130, 0, 90, 128, 127};
    char out[4];
    for (size_t i = 0; i < BASE_ARRAY_LEN(waits_ms); i++) {
        uint64_t earliest_ns = in_ms((uint64_t)waits_ms[i]);
        cr_expect_eq(read_some(out, 4, 4, waits_ms[i]), -1);
        cr_expect(base_mono_ns() >= earliest_ns, "%d ms", waits_ms[i]);
        cr_expect(mongoc_stream_timed_out(pair.stream));
    }
    send_from_peer("late", 4); /* the stream is as good as before */
    cr_expect_eq(read_some(out, 4, 4, -1), 4);
}

Test(mongo_socket, a_request_that_nobody_takes_ends_at_its_time)
{
    enum { BYTES = 64 << 20 };
    char *bytes = calloc(1, BYTES);
    cr_assert_not_null(bytes);
    cr_expect_eq(mongoc_stream_write(pair.stream, bytes, BYTES, 50), -1);
    cr_expect(mongoc_stream_timed_out(pair.stream));
    free(bytes);
}

Test(mongo_socket, a_broken_connection_is_told_from_a_silent_one)
{
    char out[4];
    cr_expect_not(mongoc_stream_check_closed(pair.stream));
    send_from_peer("ab", 2);
    cr_assert_eq(shutdown(pair.peer, SHUT_WR), 0);
    cr_expect_not(mongoc_stream_check_closed(pair.stream), "there is something to read");
    cr_expect_eq(read_some(out, 4, 4, PATIENCE_MS), -1);
    cr_expect_not(mongoc_stream_timed_out(pair.stream));
    cr_expect(mongoc_stream_check_closed(pair.stream));
    cr_expect_eq(read_some(out, 4, 1, PATIENCE_MS), -1);
}

Test(mongo_socket, nobody_is_interrupted_by_a_request_to_who_is_gone)
{
    struct linger at_once = {.l_onoff = 1};
    char out[4];
    cr_assert_eq(setsockopt(pair.peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(pair.peer);
    cr_expect_eq(read_some(out, 4, 4, PATIENCE_MS), -1); /* the reset is here */
    cr_expect_eq(mongoc_stream_write(pair.stream, out, 4, PATIENCE_MS), -1);
    cr_expect_not(mongoc_stream_timed_out(pair.stream));
}

/* A child that was forked meanwhile holds the descriptor, too. */
Test(mongo_socket, the_peer_sees_the_end_at_once)
{
    char byte;
    int tell[2];
    cr_assert_eq(pipe(tell), 0);
    pid_t child = fork();
    if (child == 0) {
        close(tell[1]);
        (void)!read(tell[0], &byte, 1); /* until the parent is done */
        _exit(0);
    }
    mongoc_stream_destroy(pair.stream);
    pair.stream = NULL;
    cr_expect_eq(read(pair.peer, &byte, 1), 0);
    close(tell[0]);
    close(tell[1]);
}

Test(mongo_socket, where_nobody_listens_there_is_no_stream)
{
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof nobody;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&nobody, size), 0); /* does not listen */
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&nobody, &size), 0);
    cr_expect_null(
        mongo_socket_connect(AF_INET, 0, (struct sockaddr *)&nobody, size, in_ms(PATIENCE_MS)));
    close(fd);
}

#endif
