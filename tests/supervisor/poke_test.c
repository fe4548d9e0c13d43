/* SPDX-License-Identifier: Apache-2.0 */
/* Poking real sockets: somebody who hangs up, somebody silent, nobody; and what the kernel's table
 * says of them meanwhile. */
#include "poke.h"
#include "sync.h"
#include "witness.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#define LONG_MS 30000 /* no test is decided by it */

static struct poke_report report;

/* A listening socket that nobody serves: the kernel accepts, as for a frozen server. */
static int listen_with(char uri[64], const char *options, int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(fd, backlog), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    snprintf(uri, 64, "mongodb://127.0.0.1:%u/test%s", ntohs(at.sin_port), options);
    return fd;
}

static int listen_silently(char uri[64], const char *options)
{
    return listen_with(uri, options, 8);
}

/* Does to each connection what `answer` says, until its listener is shut down. */
struct server {
    int fd;
    void (*answer)(int fd);
    struct sync_thread *thread;
};

static void serve(void *arg)
{
    struct server *server = arg;
    int fd;
    while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
        char asked[256];
        if (recv(fd, asked, sizeof(asked), 0) > 0) {
            server->answer(fd);
        }
        close(fd);
    }
}

static void poke_served(const char *options, void (*answer)(int fd))
{
    char uri[64];
    struct server server = {.fd = listen_silently(uri, options), .answer = answer};
    sync_init();
    cr_assert_eq(sync_thread_start(&server.thread, "server", SYNC_PLAIN, serve, &server),
                 GLEANER_OK);
    poke(uri, LONG_MS, NULL, &report);
    shutdown(server.fd, SHUT_RDWR);
    sync_thread_join(&server.thread);
    close(server.fd);
}

static void hang_up(int fd)
{
    (void)fd;
}

static void alert(int fd)
{
    static const unsigned char words[] = {0x15, 3, 3, 0, 2, 2, 40};
    cr_assert_eq(send(fd, words, sizeof(words), MSG_NOSIGNAL), (ssize_t)sizeof(words));
}

/* OP_MSG {isWritablePrimary: false, ok: 1} */
static void say_secondary(int fd)
{
    static const unsigned char words[] = {
        58,  0,   0,   0,   1,   0,   0,   0,   1,   0,   0,    0,    0xdd, 7,   0,
        0,   0,   0,   0,   0,   0,   37,  0,   0,   0,   8,    'i',  's',  'W', 'r',
        'i', 't', 'a', 'b', 'l', 'e', 'P', 'r', 'i', 'm', 'a',  'r',  'y',  0,   0,
        1,   'o', 'k', 0,   0,   0,   0,   0,   0,   0,   0xf0, 0x3f, 0,    0,   0};
    cr_assert_gt(send(fd, words, 58, MSG_NOSIGNAL), 0);
}

Test(poke, a_server_that_accepts_and_stays_silent_is_silent, .timeout = 60)
{
    char uri[64];
    int fd = listen_silently(uri, "");
    poke(uri, 50, NULL, &report);
    cr_expect_eq(report.answer, POKE_SILENT, "%s", poke_answer_name(report.answer));
    cr_expect_eq(report.count, 1);
    close(fd);
}

Test(poke, a_closed_port_is_refused_at_once, .timeout = 60)
{
    char uri[64];
    close(listen_silently(uri, ""));
    poke(uri, LONG_MS, NULL, &report);
    cr_expect_eq(report.answer, POKE_REFUSED);
    cr_expect_eq(strncmp(report.where, "127.0.0.1:", 10), 0);
}

Test(poke, a_full_backlog_drops_the_syn, .timeout = 60)
{
    char uri[64];
    int fd = listen_with(uri, "", 0), filler[2];
    struct sockaddr_in at;
    socklen_t size = sizeof(at);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    for (int i = 0; i < 2; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(filler[i], (struct sockaddr *)&at, sizeof(at));
    }
    poke(uri, 200, NULL, &report);
    cr_expect_eq(report.answer, POKE_BLACK_HOLE, "%s", poke_answer_name(report.answer));
    for (int i = 0; i < 2; i++) {
        close(filler[i]);
    }
    close(fd);
}

Test(poke, one_who_hangs_up_on_plain_words_and_on_tls_hangs_up, .timeout = 60)
{
    poke_served("", hang_up);
    cr_expect_eq(report.answer, POKE_HUNG_UP, "%s", poke_answer_name(report.answer));
}

Test(poke, a_tls_server_is_told_from_a_plain_one, .timeout = 60)
{
    poke_served("?tls=true", alert);
    cr_expect_eq(report.answer, POKE_ANSWERED, "%s", poke_answer_name(report.answer));
    poke_served("", alert);
    cr_expect_eq(report.answer, POKE_WANTS_TLS, "%s", poke_answer_name(report.answer));
}

Test(poke, a_secondary_alone_is_no_primary, .timeout = 60)
{
    poke_served("?replicaSet=rs0", say_secondary);
    cr_expect_eq(report.answer, POKE_NO_PRIMARY, "%s", poke_answer_name(report.answer));
    poke_served("?directConnection=true", say_secondary);
    cr_expect_eq(report.answer, POKE_ANSWERED, "%s", poke_answer_name(report.answer));
}

Test(poke, of_all_seeds_the_best_answer_counts, .timeout = 60)
{
    char silent[64], closed[64], both[160];
    int fd = listen_silently(silent, "");
    close(listen_silently(closed, ""));
    snprintf(both, sizeof(both), "mongodb://%.*s,%s?replicaSet=rs0", (int)strcspn(closed + 10, "/"),
             closed + 10, silent + 10);
    poke(both, 50, NULL, &report);
    cr_expect_eq(report.answer, POKE_SILENT, "%s", poke_answer_name(report.answer));
    cr_expect_eq(report.count, 2);
    cr_expect_not_null(strstr(silent, report.where));
    close(fd);
}

Test(poke, a_socket_in_the_file_system_is_not_asked, .timeout = 60)
{
    poke("mongodb://%2Ftmp%2Fno-such.sock/test", LONG_MS, NULL, &report);
    cr_expect_eq(report.answer, POKE_UNASKED);
    cr_expect_eq(report.count, 0);
}

Test(poke, one_who_must_end_does_so, .timeout = 60)
{
    char uri[64];
    _Atomic bool must_end = true;
    int fd = listen_silently(uri, "");
    poke(uri, LONG_MS * 10, &must_end, &report);
    cr_expect_eq(report.answer, POKE_UNASKED);
    close(fd);
}

/* ---- the kernel's table
 * -------------------------------------------------------------------------------- */

Test(witness, sees_own_sockets_only_towards_the_addresses_asked_for, .timeout = 60)
{
    char uri[64], other[64];
    struct witness_sockets seen;
    int fd = listen_silently(uri, ""), elsewhere = listen_silently(other, "");
    poke(uri, 1, NULL, &report);
    int mine = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(
        connect(mine, (struct sockaddr *)&report.addresses[0].at, report.addresses[0].size), 0);
    witness_look(report.addresses, 1, &seen);
    cr_assert(seen.is_known);
    cr_expect_eq(seen.silent, 0, "nothing was asked of it yet");
    cr_assert_eq(send(mine, "hello", 5, 0), 5);
    witness_look(report.addresses, 1, &seen);
    cr_expect_eq(seen.silent, 1);
    poke(other, 1, NULL, &report);
    witness_look(report.addresses, 1, &seen);
    cr_expect_eq(seen.silent, 0);
    close(mine);
    close(fd);
    close(elsewhere);
}
