/* SPDX-License-Identifier: Apache-2.0 */
/* A name server that stops answering while new connections are wanted. The program has a network
 * and a resolv.conf of its own, in which the name server is a thread of this program; getaddrinfo()
 * has no deadline in any libc. Nobody who has a connection may notice. */
#include "rig.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 10, WRITERS = 20, CONNECT_MS = 1000, DNS_PORT = 53, LOOK_MS = 50 };
enum { HEADER_BYTES = 12, QUESTION_TAIL_BYTES = 4, TYPE_A = 1 };

struct name_server {
    int fd;
    struct sync_thread *thread;
    _Atomic bool is_silent, must_stop; /* main -> thread */
    _Atomic uint32_t unanswered;
};

/* ---- a network of our own ---- */

static bool raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return is_up;
}

static bool replace_resolver(void)
{
    static const char text[] = "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n";
    char name[] = "/tmp/gleaner-resolv-XXXXXX";
    int fd = mkstemp(name);
    bool is_done = fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1 &&
                   mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                   mount(name, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;
    if (fd >= 0) {
        close(fd);
        unlink(name);
    }
    return is_done;
}

/* ---- the name server ---- */

/* Every name is 127.0.0.1, and has no other address. 0: no question that we know. */
static size_t answer(uint8_t *message, size_t len, size_t most)
{
    static const uint8_t record[] = {0xc0, 12, 0, TYPE_A, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1};
    size_t at = HEADER_BYTES;
    while (at < len && message[at] != 0) {
        at += message[at] + 1U;
    }
    size_t end = at + 1 + QUESTION_TAIL_BYTES;
    if (end > len || end + sizeof record > most) {
        return 0;
    }
    bool has_address = message[at + 2] == TYPE_A;
    message[2] = 0x81; /* an answer, recursion desired */
    message[3] = 0x80; /* recursion available, no error */
    memset(message + 6, 0, HEADER_BYTES - 6);
    message[7] = has_address;
    if (has_address) {
        memcpy(message + end, record, sizeof record);
        end += sizeof record;
    }
    return end;
}

static void serve(void *arg)
{
    struct name_server *server = arg;
    uint8_t message[512];
    while (!atomic_load(&server->must_stop)) {
        struct pollfd readable = {.fd = server->fd, .events = POLLIN};
        struct sockaddr_in from;
        socklen_t from_len = sizeof from;
        if (poll(&readable, 1, LOOK_MS) != 1) {
            continue;
        }
        ssize_t got =
            recvfrom(server->fd, message, sizeof message, 0, (struct sockaddr *)&from, &from_len);
        size_t len = got > 0 ? answer(message, (size_t)got, sizeof message) : 0;
        if (atomic_load(&server->is_silent)) {
            atomic_fetch_add(&server->unanswered, 1);
        } else if (len > 0) {
            (void)sendto(server->fd, message, len, 0, (struct sockaddr *)&from, from_len);
        }
    }
}

static bool start_name_server(struct name_server *server)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(DNS_PORT),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 || !raise_loopback() || !replace_resolver()) {
        return false;
    }
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    BASE_ASSERT(bind(server->fd, (const struct sockaddr *)&at, sizeof at) == 0);
    BASE_ASSERT(sync_thread_start(&server->thread, "names", SYNC_PLAIN, serve, server) ==
                GLEANER_OK);
    return true;
}

/* ---- the fault ---- */

static void fall_silent(struct rig_trial *trial)
{
    struct name_server *names = trial->ctx;
    atomic_store(&names->is_silent, true);
    if (trial->pool->db != NULL) {
        gleaner_db_refresh(trial->pool->db); /* wants new connections, each by name */
    }
}

static void speak_again(struct rig_trial *trial)
{
    struct name_server *names = trial->ctx;
    atomic_store(&names->is_silent, false);
}

static int run_dns(uint32_t seconds)
{
    struct name_server names = {.fd = -1};
    if (!start_name_server(&names)) {
        return rig_skip("needs root for a network namespace and a resolv.conf of its own");
    }
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    struct gleaner_db_options options;
    char uri[64];
    BASE_ASSERT(server != NULL);
    snprintf(uri, sizeof uri, "mongodb://db.gleaner.test:%u/",
             (unsigned)fixture_mongod_port(server, 0));
    rig_options(&options, uri, CLIENTS);
    options.connect_ms = CONNECT_MS;
    struct rig_trial trial = {.server = server,
                              .members = 1,
                              .threads = WRITERS,
                              .pause_us = 2000,
                              .patience_ms = 60000,
                              .warm_ms = 500,
                              .hold_ms = (seconds > 0 ? seconds : 8) * 1000,
                              .back_limit_ms = 60000,
                              .inject = fall_silent,
                              .heal = speak_again,
                              .ctx = &names};
    (void)rig_both(&trial, &options,
                   "the name server is silent while a refresh wants new connections by name",
                   &(struct rig_bars){.longest_ms = 1000, .none_fails = true});
    uint32_t unanswered = atomic_load(&names.unanswered);
    printf("questions that got no answer: %u, must not be 0: %s\n", unanswered,
           rig_verdict(unanswered > 0));
    atomic_store(&names.must_stop, true);
    sync_thread_join(&names.thread);
    close(names.fd);
    fixture_mongod_end(&server);
    return 0;
}

static const struct rig_fault faults[] = {
    {"dns", "the name server hangs while new connections are wanted", run_dns},
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, faults, sizeof faults / sizeof faults[0]);
}
