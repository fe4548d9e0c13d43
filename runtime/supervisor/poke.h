/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file poke.h
 * Is anybody there? A few bytes on sockets of our own, to every seed at once, without the driver:
 * the first of the three witnesses of a stuck connection, and the cheap look for a lost server.
 */
#ifndef SUPERVISOR_POKE_H
#define SUPERVISOR_POKE_H

#include "mongo.h"
#include <stdatomic.h>
#include <sys/socket.h>

/* Of several seeds the best counts: in the order of the enum. */
enum poke_answer {
    POKE_UNASKED,     /* no seed that can be asked, or told to end */
    POKE_NO_NAME,     /* DNS knows no such name */
    POKE_DNS_SILENT,  /* DNS does not answer */
    POKE_UNREACHABLE, /* no route */
    POKE_BLACK_HOLE,  /* SYN unanswered */
    POKE_REFUSED,     /* the host answers: nobody listens there */
    POKE_SILENT,      /* accepted, and no byte came */
    POKE_HUNG_UP,     /* accepted, and closed without a word */
    POKE_WANTS_TLS,   /* answers to TLS only; the URI says plain */
    POKE_WANTS_PLAIN, /* the other way round */
    POKE_NO_PRIMARY,  /* a member answers; writes go elsewhere */
    POKE_ANSWERED
};
#define POKE_ADDRESSES_MAX 16

struct poke_address {
    struct sockaddr_storage at;
    socklen_t size;
};
struct poke_report {
    enum poke_answer answer;
    char where[272]; /* "host:port" of the seed with that answer, or the name that DNS was asked */
    uint32_t waited_ms;
    bool uses_tls;
    uint32_t count; /* the addresses that were asked: what the kernel's table is searched for */
    struct poke_address addresses[POKE_ADDRESSES_MAX];
};

/**
 * Ask the seeds of a URI. Speaks TLS (a bare ClientHello) when the URI does, else sends `hello`; to
 * one that hangs up it tries the other. A server that accepts and stays silent is waited for: its
 * answer comes the moment that it thaws.
 *
 * Thread: [connector]. Blocks up to timeout_ms, and for names in the resolver (some seconds when
 *         DNS is silent); looks at *must_end (may be NULL) every 50 ms.
 */
void poke(const char *uri, uint32_t timeout_ms, const _Atomic bool *must_end,
          struct poke_report *out);
const char *poke_answer_name(enum poke_answer answer);
/** An attempt through the driver is worth it: somebody is there who serves. */
static inline bool poke_is_good(enum poke_answer answer)
{
    return answer == POKE_ANSWERED;
}
/** TCP itself says that the driver would fail too. */
static inline bool poke_is_hopeless(enum poke_answer answer)
{
    return answer >= POKE_NO_NAME && answer <= POKE_SILENT;
}

#endif
