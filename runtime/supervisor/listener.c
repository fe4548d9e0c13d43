/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's list of listening TCP sockets, by sock_diag(7); no rights are needed. */
#include "listener.h"
#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STATE_LISTEN 10 /* TCP_LISTEN of the kernel */
#define DEFAULT_PORT 27017

/* ---- the ports of a URI ---- */

static bool is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, host, &four) == 1) {
        return ntohl(four.s_addr) >> 24 == 127;
    }
    if (inet_pton(AF_INET6, host, &six) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&six);
    }
    return strcmp(host, "localhost") == 0;
}

/* "127.0.0.1", "127.0.0.1:27017", "[::1]:27017"; 0 = not of this machine, or not readable. */
static uint16_t local_port(char *text)
{
    char *host = text, *colon = strrchr(text, ':');
    if (text[0] == '[') {
        host = text + 1;
        char *end = strchr(host, ']');
        if (end == NULL) {
            return 0;
        }
        *end = '\0';
        colon = end[1] == ':' ? end + 1 : NULL;
    }
    unsigned long port = DEFAULT_PORT;
    if (colon != NULL) {
        *colon = '\0';
        port = strtoul(colon + 1, NULL, 10);
    }
    return port > 0 && port <= UINT16_MAX && is_loopback(host) ? (uint16_t)port : 0;
}

struct listener_ports listener_parse(const char *uri)
{
    static const char scheme[] = "mongodb://";
    struct listener_ports ports = {.count = 0};
    char hosts[512], *rest = NULL;
    if (uri == NULL || strncmp(uri, scheme, sizeof(scheme) - 1) != 0) {
        return ports;
    }
    const char *from = uri + sizeof(scheme) - 1;
    size_t length = strcspn(from, "/?");
    for (const char *at = memchr(from, '@', length); at != NULL; at = memchr(from, '@', length)) {
        length -= (size_t)(at + 1 - from); /* what is before the last one are credentials */
        from = at + 1;
    }
    if (length >= sizeof(hosts)) {
        return ports;
    }
    memcpy(hosts, from, length);
    hosts[length] = '\0';
    for (char *host = strtok_r(hosts, ",", &rest); host != NULL;
         host = strtok_r(NULL, ",", &rest)) {
        uint16_t port = local_port(host);
        if (port == 0 || ports.count == LISTENER_PORTS_MAX) {
            ports.count = 0;
            return ports;
        }
        ports.port[ports.count++] = port;
    }
    return ports;
}

/* ---- the kernel ---- */

static bool ask(int fd, int family)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } question = {
        .header = {.nlmsg_len = sizeof(question),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = (uint8_t)family,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = 1U << STATE_LISTEN},
    };
    return send(fd, &question, sizeof(question), 0) == (ssize_t)sizeof(question);
}

static bool is_wanted(const struct listener_ports *ports, const struct nlmsghdr *message)
{
    const struct inet_diag_msg *socket = NLMSG_DATA(message);
    for (uint32_t i = 0; i < ports->count; i++) {
        if (ntohs(socket->id.idiag_sport) == ports->port[i]) {
            return true;
        }
    }
    return false;
}

/* Reads to the end of the list, for the socket is used again. */
static enum listener_verdict read_answer(int fd, const struct listener_ports *ports)
{
    union {
        struct nlmsghdr first;
        char bytes[16384];
    } buffer;
    enum listener_verdict verdict = LISTENER_ABSENT;
    for (;;) {
        ssize_t got = recv(fd, &buffer, sizeof(buffer), 0);
        if (got <= 0) {
            return LISTENER_UNKNOWN;
        }
        size_t left = (size_t)got;
        for (struct nlmsghdr *at = &buffer.first; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
            if (at->nlmsg_type == NLMSG_DONE) {
                return verdict;
            }
            if (at->nlmsg_type == NLMSG_ERROR) {
                return LISTENER_UNKNOWN;
            }
            verdict = is_wanted(ports, at) ? LISTENER_PRESENT : verdict;
        }
    }
}

enum listener_verdict listener_look(const struct listener_ports *ports)
{
    if (ports->count == 0) {
        return LISTENER_UNKNOWN;
    }
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0) {
        return LISTENER_UNKNOWN;
    }
    enum listener_verdict verdict = LISTENER_UNKNOWN;
    if (ask(fd, AF_INET)) {
        verdict = read_answer(fd, ports);
    }
    if (verdict == LISTENER_ABSENT) { /* a listener of IPv6 may take IPv4, too */
        verdict = ask(fd, AF_INET6) ? read_answer(fd, ports) : LISTENER_UNKNOWN;
    }
    close(fd);
    return verdict;
}
