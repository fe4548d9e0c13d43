/* SPDX-License-Identifier: Apache-2.0 */
/* Does anybody listen where a server of this machine should? Asked of the kernel, so that an absent
 * server is not bothered with connections that can only be refused. */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdint.h>

#define LISTENER_PORTS_MAX 8

struct listener_ports {
    uint16_t port[LISTENER_PORTS_MAX];
    uint32_t count; /* 0: not all hosts are this machine's, or they cannot be told */
};
enum listener_verdict {
    LISTENER_UNKNOWN, /* elsewhere, or the kernel does not say */
    LISTENER_PRESENT, /* on one of the ports at least */
    LISTENER_ABSENT
};

/** The ports of a mongodb:// URI all of whose hosts are loopback addresses. */
struct listener_ports listener_parse(const char *uri);
/** One question to the kernel, some 50 us. Believe LISTENER_ABSENT only of ports where a listener
 *  was seen before: addresses can be translated on the way (containers). Thread: [any]. */
enum listener_verdict listener_look(const struct listener_ports *ports);

#endif
