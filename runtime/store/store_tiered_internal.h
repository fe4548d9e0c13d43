/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store_tiered_internal.h
 * Jobs in `local`, documents in `remote`, and what the remote cannot take in the local spool.
 *
 * Order per document: a document whose earlier version is in the spool goes to the spool, too,
 * until the drainer has had that acknowledged and removed it. So the remote sees the versions of
 * one writer in their order, whichever way each took.
 */
#ifndef STORE_TIERED_INTERNAL_H
#define STORE_TIERED_INTERNAL_H

#include "store_internal.h"
#include "sync.h"

struct store_tiered {
    struct store base;
    /* constant after open */
    struct store *local, *remote;
    bool (*remote_is_up)(void *ctx);
    void *remote_ctx;
    uint32_t drain_documents_per_s;
    struct sync_thread *drainer;
    /* guards the rest; may be taken before the local store's mutex, never after it */
    struct sync_mutex *mutex;
    struct sync_cond *changed; /* something was spooled, replayed, or close was asked for */
    bool stopping;
    bool spooled; /* since the drainer last looked */
};

/** Errors of the remote that the spool answers: it is away, not unwilling. */
bool store_tiered_is_away(enum gleaner_status status);

/* ---- store_drain.c ---- */
enum gleaner_status store_drain_start(struct store_tiered *tiered, struct base_error *error);
/** Ask the drainer to end and wait for it: at most one remote write long. */
void store_drain_stop(struct store_tiered *tiered);
/** Tell it that something was spooled. */
void store_drain_wake(struct store_tiered *tiered);

#endif
