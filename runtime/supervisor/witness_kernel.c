/* SPDX-License-Identifier: Apache-2.0 */
/* NETLINK_SOCK_DIAG (sock_diag(7)): the kernel's table of sockets, by port, with struct tcp_info.
 * Ours are those whose inode one of /proc/self/fd names. */
#include "witness.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DNS_PORT 53
#define SOCKET_LINK "socket:["
#define INODES_MAX 8192
#define DUMP_BYTES 32768
#define STATE(name) (1U << (name))

/* include/net/tcp_states.h; netinet/tcp.h has them too, but not beside linux/tcp.h */
enum { STATE_ESTABLISHED = 1, STATE_SYN_SENT = 2, STATE_CLOSE_WAIT = 8 };

/* ---- which sockets are ours
 * ------------------------------------------------------------------------------ */

struct inodes {
    uint32_t count;
    uint32_t at[INODES_MAX];
};

static int compare_inodes(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    return (one > other) - (one < other);
}

static void list_own(struct inodes *own)
{
    DIR *folder = opendir("/proc/self/fd");
    own->count = 0;
    const struct dirent *entry;
    while (folder != NULL && own->count < INODES_MAX && (entry = readdir(folder)) != NULL) {
        char target[64];
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);
        if (length > 0) {
            target[length] = '\0';
            if (strncmp(target, SOCKET_LINK, sizeof(SOCKET_LINK) - 1) == 0) {
                const char *number = target + sizeof(SOCKET_LINK) - 1;
                own->at[own->count++] = (uint32_t)strtoul(number, NULL, 10);
            }
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    qsort(own->at, own->count, sizeof(own->at[0]), compare_inodes);
}

static bool is_own(const struct inodes *own, uint32_t inode)
{
    return bsearch(&inode, own->at, own->count, sizeof(own->at[0]), compare_inodes) != NULL;
}

/* ---- one dump
 * --------------------------------------------------------------------------------------------- */

/* A program for the kernel: keep sockets whose port is this one. */
struct port_filter {
    struct inet_diag_bc_op ge, ge_port, le, le_port;
};

struct request {
    struct nlmsghdr header;
    struct inet_diag_req_v2 query;
    struct nlattr attribute;
    struct port_filter filter;
};

typedef void (*row_fn)(void *ctx, const struct inet_diag_msg *row, const struct tcp_info *info);

static struct request make_request(uint8_t family, uint8_t protocol, uint32_t states, uint16_t port)
{
    const uint16_t length = sizeof(struct port_filter), refuse = length + 4;
    struct request request = {
        .header = {.nlmsg_len = sizeof(request),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .query = {.sdiag_family = family,
                  .sdiag_protocol = protocol,
                  .idiag_ext = 1U << (INET_DIAG_INFO - 1),
                  .idiag_states = states},
        .attribute = {.nla_len = sizeof(struct nlattr) + length,
                      .nla_type = INET_DIAG_REQ_BYTECODE},
        /* `no` is relative to the operation it stands in; past the end by 4 means: not this one */
        .filter = {.ge = {INET_DIAG_BC_D_GE, 8, refuse},
                   .ge_port = {.no = port},
                   .le = {INET_DIAG_BC_D_LE, 8, refuse - 8},
                   .le_port = {.no = port}},
    };
    return request;
}

static const struct tcp_info *find_info(const struct inet_diag_msg *row, size_t length,
                                        struct tcp_info *out)
{
    const char *at = (const char *)(row + 1), *end = (const char *)row + length;
    while (end - at >= (ptrdiff_t)sizeof(struct nlattr)) {
        struct nlattr attribute;
        memcpy(&attribute, at, sizeof(attribute));
        if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > end - at) {
            break;
        }
        if (attribute.nla_type == INET_DIAG_INFO) { /* older kernels give less: the rest is 0 */
            size_t size = attribute.nla_len - sizeof(attribute);
            memset(out, 0, sizeof(*out));
            memcpy(out, at + sizeof(attribute), size < sizeof(*out) ? size : sizeof(*out));
            return out;
        }
        at += NLA_ALIGN(attribute.nla_len);
    }
    return NULL;
}

/* One datagram of the answer; false: it was the last. */
static bool read_rows(const char *text, size_t length, row_fn each, void *ctx, bool *is_fine)
{
    while (length >= sizeof(struct nlmsghdr)) {
        struct nlmsghdr header;
        memcpy(&header, text, sizeof(header));
        if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > length ||
            header.nlmsg_type == NLMSG_ERROR) {
            *is_fine = false;
            return false;
        }
        if (header.nlmsg_type == NLMSG_DONE) {
            return false;
        }
        size_t size = header.nlmsg_len - sizeof(header);
        if (size >= sizeof(struct inet_diag_msg)) {
            /* the buffer is aligned for it, and netlink keeps messages so */
            const struct inet_diag_msg *row =
                (const struct inet_diag_msg *)(const void *)(text + sizeof(header));
            struct tcp_info info;
            each(ctx, row, find_info(row, size, &info));
        }
        size_t step = NLMSG_ALIGN(header.nlmsg_len);
        text += step < length ? step : length;
        length -= step < length ? step : length;
    }
    return true;
}

static bool dump(int fd, const struct request *request, row_fn each, void *ctx)
{
    _Alignas(struct nlmsghdr) char buffer[DUMP_BYTES];
    bool is_fine = send(fd, request, sizeof(*request), 0) == (ssize_t)sizeof(*request);
    bool is_more = is_fine;
    while (is_more) { /* the kernel answers each recv() from its table: nobody to wait for */
        ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
        is_fine = is_fine && got > 0;
        is_more = got > 0 && read_rows(buffer, (size_t)got, each, ctx, &is_fine);
    }
    return is_fine;
}

/* ---- addresses
 * --------------------------------------------------------------------------------------------- */

static uint16_t port_of(const struct poke_address *address)
{
    return address->at.ss_family == AF_INET6
               ? ntohs(((const struct sockaddr_in6 *)(const void *)&address->at)->sin6_port)
               : ntohs(((const struct sockaddr_in *)(const void *)&address->at)->sin_port);
}

static bool is_at(const struct poke_address *address, uint8_t family, const __be32 ip[4])
{
    if (address->at.ss_family != family) {
        return false;
    }
    if (family == AF_INET6) {
        return memcmp(&((const struct sockaddr_in6 *)(const void *)&address->at)->sin6_addr, ip,
                      16) == 0;
    }
    return ((const struct sockaddr_in *)(const void *)&address->at)->sin_addr.s_addr == ip[0];
}

/* ---- what our sockets wait for
 * -------------------------------------------------------------------------- */

struct look {
    const struct poke_address *addresses; /* those of one port and family count */
    uint32_t count;
    struct inodes own;
    struct witness_sockets *out;
};

static void note_age(struct witness_sockets *out, uint32_t age_ms)
{
    out->oldest_ms = age_ms > out->oldest_ms ? age_ms : out->oldest_ms;
}

static void judge(struct witness_sockets *out, const struct inet_diag_msg *row,
                  const struct tcp_info *info)
{
    if (row->idiag_state == STATE_SYN_SENT) {
        out->syn_sent += row->idiag_retrans > 0;
        return;
    }
    if (info == NULL) {
        return;
    }
    if (info->tcpi_unacked > 0 && info->tcpi_retransmits > 0) {
        out->unacknowledged++;
        note_age(out, info->tcpi_last_ack_recv);
    } else if (info->tcpi_bytes_received == 0) {
        out->silent += info->tcpi_bytes_acked > 1; /* 1: the SYN alone, nothing was asked yet */
        note_age(out, info->tcpi_last_data_sent);
    } else {
        out->talking++;
    }
}

static void on_socket(void *ctx, const struct inet_diag_msg *row, const struct tcp_info *info)
{
    struct look *look = ctx;
    bool is_ours = false;
    for (uint32_t i = 0; i < look->count && !is_ours; i++) {
        is_ours = port_of(&look->addresses[i]) == ntohs(row->id.idiag_dport) &&
                  is_at(&look->addresses[i], row->idiag_family, row->id.idiag_dst);
    }
    if (is_ours && is_own(&look->own, row->idiag_inode)) {
        judge(look->out, row, info);
    }
}

static void on_question(void *ctx, const struct inet_diag_msg *row, const struct tcp_info *info)
{
    struct look *look = ctx;
    (void)info;
    look->out->dns += is_own(&look->own, row->idiag_inode);
}

/* The first of its port and family: one dump serves all of them. */
static bool is_first(const struct poke_address *addresses, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++) {
        if (port_of(&addresses[i]) == port_of(&addresses[index]) &&
            addresses[i].at.ss_family == addresses[index].at.ss_family) {
            return false;
        }
    }
    return true;
}

static int open_diag(void)
{
    return socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

static bool look_at_servers(int fd, struct look *look)
{
    const uint32_t states =
        STATE(STATE_ESTABLISHED) | STATE(STATE_SYN_SENT) | STATE(STATE_CLOSE_WAIT);
    bool is_fine = true;
    for (uint32_t i = 0; i < look->count; i++) {
        if (is_first(look->addresses, i)) {
            struct request request =
                make_request((uint8_t)look->addresses[i].at.ss_family, IPPROTO_TCP, states,
                             port_of(&look->addresses[i]));
            is_fine = dump(fd, &request, on_socket, look) && is_fine;
        }
    }
    return is_fine;
}

static void look_at_questions(int fd, struct look *look)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < BASE_ARRAY_LEN(families); i++) {
        /* the resolver connects its UDP sockets; udp_diag may be missing: then they are not seen */
        struct request udp =
            make_request(families[i], IPPROTO_UDP, STATE(STATE_ESTABLISHED), DNS_PORT);
        struct request tcp = make_request(
            families[i], IPPROTO_TCP, STATE(STATE_ESTABLISHED) | STATE(STATE_SYN_SENT), DNS_PORT);
        (void)dump(fd, &udp, on_question, look);
        (void)dump(fd, &tcp, on_question, look);
    }
}

void witness_look(const struct poke_address *addresses, uint32_t count, struct witness_sockets *out)
{
    static const struct witness_sockets nothing;
    struct look *look = malloc(sizeof(*look));
    int fd = open_diag();
    *out = nothing;
    if (look != NULL && fd >= 0) {
        look->addresses = addresses;
        look->count = count;
        look->out = out;
        list_own(&look->own);
        out->is_known = look_at_servers(fd, look);
        look_at_questions(fd, look);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(look);
}
