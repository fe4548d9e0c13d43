/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file witness.h
 * The second witness of a stuck connection: the kernel's socket table. What our process's own
 * sockets towards a server are waiting for, without a packet sent and without any right.
 */
#ifndef SUPERVISOR_WITNESS_H
#define SUPERVISOR_WITNESS_H

#include "poke.h"

struct witness_sockets {
    bool is_known;           /* false: this kernel does not tell (no sock_diag) */
    uint32_t syn_sent;       /* SYN repeated at least once and unanswered */
    uint32_t unacknowledged; /* connected; what was sent is repeated and not acknowledged */
    uint32_t silent;         /* connected, all acknowledged, never a byte received */
    uint32_t talking;        /* connected, and bytes came back once */
    uint32_t dns;            /* questions to a name server (port 53) out */
    uint32_t oldest_ms;      /* of the last bytes acknowledged or sent, of the worst kind above */
};

/**
 * Look at the sockets of this process whose other end is one of `addresses` (count 0: none), and at
 * those to port 53.
 *
 * Thread: [any]. One netlink dump per port, filtered by the kernel, and one read of /proc/self/fd:
 *         about 0.1 ms with 100 sockets. Does not block.
 */
void witness_look(const struct poke_address *addresses, uint32_t count,
                  struct witness_sockets *out);

#endif
