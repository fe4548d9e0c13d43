/* SPDX-License-Identifier: Apache-2.0 */
/* The cheapest question to a server: no driver, no thread that stays, no monitor's rhythm of 10 s.
 */
#include "poke.h"
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* OP_MSG {hello: 1, $db: "admin"}, little endian (MongoDB wire protocol, OP_MSG section kind 0) */
static const unsigned char hello[] = {
    52, 0,   0,   0,   1,  0,   0,   0,   0,   0,   0,   0,   0xdd, 7,   0,
    0,                    /* length, id, to, opcode 2013 */
    0,  0,   0,   0,   0, /* flags, kind */
    31, 0,   0,   0,   16, 'h', 'e', 'l', 'l', 'o', 0,   1,   0,    0,   0, /* int32 hello: 1 */
    2,  '$', 'd', 'b', 0,  6,   0,   0,   0,   'a', 'd', 'm', 'i',  'n', 0,
    0};

static bool wait_for(int fd, short events, uint64_t deadline_ns)
{
    uint64_t now_ns = base_mono_ns();
    int left_ms = now_ns < deadline_ns ? (int)((deadline_ns - now_ns) / BASE_NS_PER_MS) + 1 : 0;
    struct pollfd poll_fd = {.fd = fd, .events = events};
    return poll(&poll_fd, 1, left_ms) == 1;
}

static bool is_connected(int fd)
{
    int error = 0;
    socklen_t size = sizeof(error);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

static bool ask(const struct addrinfo *at, uint64_t deadline_ns)
{
    char byte;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool answered = (connect(fd, at->ai_addr, at->ai_addrlen) == 0 || errno == EINPROGRESS) &&
                    wait_for(fd, POLLOUT, deadline_ns) && is_connected(fd) &&
                    send(fd, hello, sizeof(hello), MSG_NOSIGNAL) == (ssize_t)sizeof(hello) &&
                    wait_for(fd, POLLIN, deadline_ns) &&
                    (recv(fd, &byte, 1, 0) >= 0 || errno == ECONNRESET);
    close(fd);
    return answered;
}

static bool poke_host(const char *host, const char *port, uint32_t timeout_ms)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    bool answered = false;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return false;
    }
    for (const struct addrinfo *at = found; at != NULL && !answered; at = at->ai_next) {
        answered = ask(at, base_mono_ns() + timeout_ms * BASE_NS_PER_MS);
    }
    freeaddrinfo(found);
    return answered;
}

bool poke(const char *address, uint32_t timeout_ms)
{
    char list[256], *rest = NULL;
    snprintf(list, sizeof(list), "%s", address);
    list[strcspn(list, "/")] = '\0';
    for (char *one = strtok_r(list, ",", &rest); one != NULL; one = strtok_r(NULL, ",", &rest)) {
        char *colon = strrchr(one, ':');
        if (colon == NULL || colon == one) {
            continue;
        }
        *colon = '\0';
        char *host = one;
        if (host[0] == '[') { /* IPv6 */
            host++;
            host[strcspn(host, "]")] = '\0';
        }
        if (poke_host(host, colon + 1, timeout_ms)) {
            return true;
        }
    }
    return false;
}
