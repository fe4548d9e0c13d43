/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONNECTION_INTERNAL_H
#define CONNECTION_INTERNAL_H

#include "connection.h"

#define CONNECTION_MAGIC UINT32_C(0x434f4e31)
#define CONNECTION_MAILBOX_CELLS 64

struct connection {
    uint32_t magic;
    struct base_clock *clock;

    /* Two snapshots take turns: the grace period of the old one ends before connection_publish()
     * returns, so that one is always free to be built in and moving can never fail for memory.
     * writes: the supervisor, only the one that is not published; reads: any reader */
    struct connection_snapshot buffers[2];
    /* the published one of them; publisher and owner of its grace period: the supervisor */
    struct sync_published published;

    /* Low half of the published version, for sleepers of connection_wait_newer().
     * writes: the supervisor after publishing (release); reads: sleepers (acquire)
     * why: who wakes must see the snapshot that woke it */
    _Atomic uint32_t version_word;

    struct sync_mailbox *mailbox;
    void (*on_report)(void *ctx);
    void *on_report_ctx;

    /* single writer (the supervisor), relaxed: only reports depend on them */
    _Atomic uint64_t transitions;
    _Atomic uint64_t reports_all;
    _Atomic uint64_t reports_stale;
};

#endif
