/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file verdict.h
 * Three witnesses, one sentence: why a connection does not come about. Pure: what they saw goes in,
 * words come out.
 */
#ifndef SUPERVISOR_VERDICT_H
#define SUPERVISOR_VERDICT_H

#include "witness.h"

enum verdict {
    VERDICT_UNKNOWN, /* the witnesses saw nothing; the driver's own words have to do */
    VERDICT_AUTHENTICATION,
    VERDICT_CONFIGURATION,
    VERDICT_DNS_SILENT,
    VERDICT_NO_NAME,
    VERDICT_UNREACHABLE,
    VERDICT_BLACK_HOLE,
    VERDICT_SILENT,
    VERDICT_TLS_STALLED,
    VERDICT_REFUSED,
    VERDICT_CONNECTION_LIMIT,
    VERDICT_WANTS_TLS,
    VERDICT_WANTS_PLAIN,
    VERDICT_TLS_REFUSED,
    VERDICT_NO_PRIMARY
};

struct verdict_facts {
    /* own clock */
    uint64_t waited_ms;
    bool is_overdue; /* no answer at all; false: the driver gave up and said `error` */
    /* the kernel, and a socket of our own */
    struct witness_sockets sockets;
    const struct poke_report *poke; /* NULL: not asked lately */
    /* the server: what the driver was told, and the last census of its connections */
    const struct mongo_error *error; /* NULL: nothing */
    int64_t server_current;
    int64_t server_available; /* -1: not allowed to see, or never asked */
};

/** Thread: [any]. `words` is "" for VERDICT_UNKNOWN. */
enum verdict verdict_find(const struct verdict_facts *facts, char *words, size_t size);

#endif
