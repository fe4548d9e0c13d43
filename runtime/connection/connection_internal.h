/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONNECTION_INTERNAL_H
#define CONNECTION_INTERNAL_H

#include "connection.h"

#define CONNECTION_MAGIC UINT32_C(0x434f4e31)
#define CONNECTION_MAILBOX_CELLS 64
#define CONNECTION_NOT_MARKABLE UINT64_MAX /* of a generation that is never reached */

struct connection {
    uint32_t magic;
    struct base_clock *clock;

    /* Two snapshots take turns: the grace period of the old one ends before connection_publish()
     * returns, so that one is always free to be built in and moving can never fail for memory.
     * writes: the supervisor, only the one that is not published; reads: any reader */
    struct connection_snapshot buffers[2];
    /* the published one of them; publisher and owner of its grace period: the supervisor */
    struct sync_published published;

    /* Low half of the published version, an even number; plus 1 once a failure was reported
     * against that snapshot (the mark).
     * writes: the supervisor after publishing (release); who reports first (CAS from the even
     *         number, release)
     * reads:  readers and sleepers (acquire)
     * why: who sees a number must see the snapshot that it belongs to, or a newer one */
    _Atomic uint32_t version_word;

    /* generation:32 | version:32 that may be marked; NOT_MARKABLE while no server serves.
     * writes: the supervisor, after version_word (release); reads: who reports (acquire)
     * why: who reports need not read the snapshot. An old value does no harm: the CAS of
     *      version_word fails, for no number comes twice (but after 2^31 publications) */
    _Atomic uint64_t markable;

    struct sync_mailbox *mailbox;
    void (*on_report)(void *ctx);
    void *on_report_ctx;

    /* single writer (the supervisor), relaxed: only reports depend on them */
    _Atomic uint64_t transitions;
    _Atomic uint64_t reports_all;
    _Atomic uint64_t reports_stale;
};

#endif
