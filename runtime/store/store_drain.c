/* SPDX-License-Identifier: Apache-2.0 */
/* The drainer: replays the spool in its order while the remote is up. An entry is removed only
 * after the remote has acknowledged it; a crash in between replays it once more, which changes
 * nothing, because the remote writes by `_id`. */
#include "store_tiered_internal.h"

#define BATCH_DOCUMENTS 100
#define BATCH_BYTES (UINT64_C(4) << 20)
/* How often a remote that is away is asked about: one call of remote_is_up, some nanoseconds. */
#define POLL_NS (100 * BASE_NS_PER_MS)
#define RETRY_MIN_NS (250 * BASE_NS_PER_MS)
#define RETRY_MAX_NS (4 * BASE_NS_PER_S)

struct draining {
    struct store_tiered *tiered;
    struct store_spool_batch batch;
    uint64_t retry_ns; /* the next wait after a failure */
    uint64_t replayed; /* since the last time it was empty, for one log line */
};

/* ---- waiting ---- */

/* False when the store closes. `wake_early`: something newly spooled ends the wait. */
static bool pause_until(struct store_tiered *tiered, uint64_t deadline_ns, bool wake_early)
{
    sync_mutex_lock(tiered->mutex);
    while (!tiered->stopping && !(wake_early && tiered->spooled) &&
           sync_cond_wait(tiered->changed, tiered->mutex, deadline_ns)) {
    }
    tiered->spooled = false;
    bool go_on = !tiered->stopping;
    sync_mutex_unlock(tiered->mutex);
    return go_on;
}

void store_drain_wake(struct store_tiered *tiered)
{
    sync_mutex_lock(tiered->mutex);
    tiered->spooled = true;
    sync_cond_broadcast(tiered->changed);
    sync_mutex_unlock(tiered->mutex);
}

static void tell_waiters(struct store_tiered *tiered)
{
    sync_mutex_lock(tiered->mutex);
    sync_cond_broadcast(tiered->changed);
    sync_mutex_unlock(tiered->mutex);
}

/* ---- one batch ---- */

static enum gleaner_status write_remote(const struct draining *d, size_t first, size_t count,
                                        bool *are_refused, struct base_error *error)
{
    struct store *remote = d->tiered->remote;
    struct store_settled settled = {0};
    enum gleaner_status status =
        remote->ops->write_documents(remote, &d->batch.documents[first], count, &settled, error);
    *are_refused = settled.documents_refused > 0;
    return status;
}

/* The batch again, one document at a time: those that the server takes are written twice, which
 * changes nothing; those that it refuses are set aside and leave the batch. What was acknowledged
 * is not ours to drop. */
static enum gleaner_status part_refused(struct draining *d, struct base_error *error)
{
    size_t taken = 0;
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < d->batch.count && status == GLEANER_OK; i++) {
        bool is_refused = false;
        status = write_remote(d, i, 1, &is_refused, error);
        if (status == GLEANER_OK && is_refused) {
            status = store_spool_refuse(d->tiered->local, d->batch.sequence[i], error);
        } else if (status == GLEANER_OK) {
            d->batch.sequence[taken++] = d->batch.sequence[i]; /* all that remove() reads */
        }
    }
    d->batch.count = taken;
    return status;
}

static enum gleaner_status replay(struct draining *d, struct base_error *error)
{
    bool are_refused = false;
    enum gleaner_status status = write_remote(d, 0, d->batch.count, &are_refused, error);
    if (status == GLEANER_OK && are_refused) {
        status = part_refused(d, error);
    }
    return status != GLEANER_OK ? status : store_spool_remove(d->tiered->local, &d->batch, error);
}

static void note_failure(struct draining *d, const struct base_error *error)
{
    if (d->retry_ns == 0) { /* the transition, not each retry */
        base_log_warn("store", "event=replay_paused reason=\"%s\"", error->message);
    }
    d->retry_ns = d->retry_ns == 0 ? RETRY_MIN_NS : d->retry_ns * 2;
    d->retry_ns = d->retry_ns > RETRY_MAX_NS ? RETRY_MAX_NS : d->retry_ns;
}

static void note_progress(struct draining *d)
{
    if (d->retry_ns != 0) {
        base_log_info("store", "event=replay_resumed");
    }
    d->retry_ns = 0;
    d->replayed += d->batch.count;
    tell_waiters(d->tiered);
}

static uint64_t rest_when_empty(struct draining *d)
{
    if (d->replayed > 0) {
        base_log_info("store", "event=spool_empty replayed=%llu", (unsigned long long)d->replayed);
        d->replayed = 0;
    }
    tell_waiters(d->tiered);
    return BASE_NO_DEADLINE;
}

/* Take and replay one batch; returns until when to wait before the next. */
static uint64_t drain_once(struct draining *d)
{
    struct base_error error = {.message = ""};
    struct store_tiered *tiered = d->tiered;
    struct store_spool_stats spool;
    uint64_t start = base_mono_ns();
    enum gleaner_status status = store_spool_read(tiered->local, &spool, &error);
    if (status == GLEANER_OK && spool.documents == 0) {
        return rest_when_empty(d);
    }
    if (status == GLEANER_OK && !tiered->remote_is_up(tiered->remote_ctx)) {
        return start + POLL_NS;
    }
    if (status == GLEANER_OK) {
        status = store_spool_take(tiered->local, BATCH_DOCUMENTS, BATCH_BYTES, &d->batch, &error);
    }
    if (status == GLEANER_OK && d->batch.count > 0) {
        status = replay(d, &error);
    }
    if (status != GLEANER_OK) {
        note_failure(d, &error);
        return start + d->retry_ns;
    }
    note_progress(d);
    return start + d->batch.count * BASE_NS_PER_S / tiered->drain_documents_per_s;
}

/* ---- the thread ---- */

static void drain(void *arg)
{
    struct draining d = {.tiered = arg};
    bool go_on = true;
    while (go_on) {
        uint64_t until = drain_once(&d);
        /* Only an empty spool ends its wait early: rate and back-off hold whatever arrives. */
        go_on = pause_until(d.tiered, until, until == BASE_NO_DEADLINE);
    }
    store_spool_batch_fini(&d.batch);
}

enum gleaner_status store_drain_start(struct store_tiered *tiered, struct base_error *error)
{
    enum gleaner_status status =
        sync_thread_start(&tiered->drainer, "drainer", SYNC_READER, drain, tiered);
    return status == GLEANER_OK ? status
                                : base_error_set(error, status, "cannot start the drainer thread");
}

void store_drain_stop(struct store_tiered *tiered)
{
    sync_mutex_lock(tiered->mutex);
    tiered->stopping = true;
    sync_cond_broadcast(tiered->changed);
    sync_mutex_unlock(tiered->mutex);
    sync_thread_join(&tiered->drainer);
}
