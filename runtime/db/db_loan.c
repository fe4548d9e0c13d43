/* SPDX-License-Identifier: Apache-2.0 */
/* libgleaner: check out and check in.
 *
 * A thread that takes the same client again and again has it kept for it (pool_fast.h): nothing of
 * that path needs a read section, as the loan itself keeps everything alive that is looked at, and
 * after the return only the keep is looked at. Any other client costs a read section around a CAS
 * each way. Both are for close, which waits for loans and for sections before it frees. */
#include "db_internal.h"
#include "pool_fast.h"

static bool hands_out(enum connection_phase phase)
{
    return phase == CONNECTION_CONNECTED || phase == CONNECTION_DEGRADED ||
           phase == CONNECTION_FALLBACK;
}

static bool will_have_one(enum connection_phase phase)
{
    return phase == CONNECTION_STARTING || phase == CONNECTION_RECONNECTING || hands_out(phase);
}

static inline void fill_loan(const struct pool_handle *handle, uint64_t version,
                             struct gleaner_client *out)
{
    const struct supervisor_client *client = handle->client;
    out->client = client->client;
    out->database = client->database;
    out->tier = client->tier_name; /* where it is, not where we would like to be */
    out->version = version;
    out->loan = handle->loan;
    out->connection_id = handle->connection_id;
    out->slot = handle->slot;
    out->generation = handle->generation;
}

static inline const struct connection_snapshot *snapshot_of(const struct gleaner_db *db)
{
    return sync_read(db->published);
}

struct glance {
    enum connection_phase phase;
    uint64_t version;
};

/* Look and take in one read section: the pool's try is one CAS, without lock or wait. */
static enum gleaner_status try_now(struct gleaner_db *db, struct glance *seen,
                                   struct pool_handle *handle)
{
    enum gleaner_status status = GLEANER_E_DOWN;
    sync_read_lock();
    const struct connection_snapshot *snapshot = snapshot_of(db);
    seen->phase = snapshot->phase;
    seen->version = snapshot->version;
    if (hands_out(seen->phase)) {
        status = pool_check_out(db->pool, 0, handle);
    }
    sync_read_unlock();
    return status;
}

static enum gleaner_status refusal(enum connection_phase phase)
{
    return phase == CONNECTION_DRAINING || phase == CONNECTION_CLOSED ? GLEANER_E_CLOSED
                                                                      : GLEANER_E_DOWN;
}

/* All taken, or no server yet: wait for whichever comes, until the deadline. */
static enum gleaner_status wait_for_one(struct gleaner_db *db, struct glance *seen,
                                        uint64_t deadline_ns, struct pool_handle *handle)
{
    for (;;) { /* repeats when a snapshot is published: by the supervisor's progress */
        enum gleaner_status status = GLEANER_E_DOWN;
        if (hands_out(seen->phase)) {
            status = pool_check_out(db->pool, deadline_ns, handle);
            if (status != GLEANER_E_DOWN) {
                return status;
            }
        }
        if (!will_have_one(seen->phase)) {
            return refusal(seen->phase);
        }
        /* E_DOWN while the state said up: the table was cleared, a new state is on its way */
        if (!connection_wait_newer(db->connection, seen->version, deadline_ns)) {
            return status;
        }
        sync_read_lock();
        const struct connection_snapshot *snapshot = snapshot_of(db);
        seen->phase = snapshot->phase;
        seen->version = snapshot->version;
        sync_read_unlock();
    }
}

/* A new thread, a client that somebody else has, a wait, a refusal, a forked child. */
static __attribute__((noinline)) enum gleaner_status
check_out_slow(struct gleaner_db *db, uint32_t timeout_ms, struct gleaner_client *out)
{
    if (sync_in_forked_child()) {
        return GLEANER_E_CLOSED;
    }
    struct pool_handle handle;
    struct glance seen;
    enum gleaner_status status = try_now(db, &seen, &handle);
    if (status == GLEANER_E_DOWN && !will_have_one(seen.phase)) {
        return refusal(seen.phase);
    }
    /* on_state's thread is the one that what is waited for depends on */
    bool may_wait = timeout_ms > 0 && !supervisor_is_caller(db->isolating);
    if (status != GLEANER_OK && status != GLEANER_E_CLOSED && may_wait) {
        uint64_t deadline_ns = base_mono_ns() + timeout_ms * BASE_NS_PER_MS;
        atomic_fetch_add_explicit(&db->slow_callers, 1, memory_order_acq_rel);
        status = wait_for_one(db, &seen, deadline_ns, &handle);
        atomic_fetch_sub_explicit(&db->slow_callers, 1, memory_order_acq_rel);
    }
    if (status == GLEANER_OK) {
        fill_loan(&handle, seen.version, out);
    }
    return status;
}

/* What was kept for this thread is wanted by others, or is outdated: it goes to the pool. */
static __attribute__((noinline)) enum gleaner_status settle(struct gleaner_db *db,
                                                            struct pool_keep *keep)
{
    sync_reader_ensure();
    sync_read_lock(); /* before the slot is given up: close waits for its end before it frees */
    enum gleaner_status status = pool_keep_settle(db->pool, keep);
    sync_read_unlock();
    return status;
}

/* A client that is not kept for this thread. With `recalled`: the one that was is wanted by others;
 * settled here, so that the fast path calls nothing and saves no register. */
static __attribute__((noinline)) enum gleaner_status check_out_other(struct gleaner_db *db,
                                                                     uint32_t timeout_ms,
                                                                     struct gleaner_client *out,
                                                                     struct pool_keep *recalled)
{
    struct pool_handle handle;
    if (recalled != NULL) {
        (void)settle(db, recalled);
    }
    sync_reader_ensure();
    sync_read_lock();
    uint64_t version = snapshot_of(db)->version; /* before the CAS: loads behind it wait for it */
    bool taken = pool_take_hinted(db->pool, &handle);
    if (POOL_LIKELY(taken)) {
        fill_loan(&handle, version, out);
    }
    sync_read_unlock();
    return POOL_LIKELY(taken) ? GLEANER_OK : check_out_slow(db, timeout_ms, out);
}

static inline void fill_kept(const struct gleaner_db *db, const struct pool_keep *keep,
                             struct gleaner_client *out)
{
    struct pool_handle handle;
    pool_keep_describe(keep, &handle);
    fill_loan(&handle, atomic_load_explicit(db->version_word, memory_order_relaxed), out);
}

/* The state is not asked before the client is taken: the pool's gate is open only while a state
 * that hands out is published, or about to be by the supervisor, who has validated a client then.
 * (A forked child finds keeps and slots wiped and takes the slow path.) */
enum gleaner_status gleaner_db_check_out(struct gleaner_db *db, uint32_t timeout_ms,
                                         struct gleaner_client *out)
{
    struct pool_keep *keep = pool_keep_here(db->pool);
    if (!POOL_LIKELY(keep != NULL && !pool_keep_is_out(keep))) {
        return check_out_other(db, timeout_ms, out, NULL);
    }
    if (!POOL_LIKELY(pool_keep_take(db->pool, keep))) {
        return check_out_other(db, timeout_ms, out, keep);
    }
    fill_kept(db, keep, out);
    return GLEANER_OK;
}

/* ---- back
 * ----------------------------------------------------------------------------------------- */

/* What an error says about its client. By class, and for timeouts by domain: the socket's leaves
 * half an answer in the stream, the server's own (maxTimeMS) leaves a sound connection. */
static enum connection_failure failure_of(const struct mongo_error *error)
{
    switch (error->error_class) {
    case MONGO_RECONNECT:
        return error->domain == MONGOC_ERROR_SERVER_SELECTION ? CONNECTION_FAIL_SELECTION
               : error->domain == MONGOC_ERROR_STREAM         ? CONNECTION_FAIL_NETWORK
                                                              : CONNECTION_FAIL_NOT_PRIMARY;
    case MONGO_TIMEOUT:
        return error->domain == MONGOC_ERROR_STREAM             ? CONNECTION_FAIL_TIMEOUT
               : error->domain == MONGOC_ERROR_SERVER_SELECTION ? CONNECTION_FAIL_SELECTION
                                                                : 0;
    case MONGO_AUTH:
        /* refused rights are an answer; a refused handshake is a client that never got in */
        return error->domain == MONGOC_ERROR_CLIENT ? CONNECTION_FAIL_AUTH : 0;
    default:
        return 0;
    }
}

static __attribute__((noinline)) enum gleaner_status
check_in_slow(struct gleaner_db *db, const struct gleaner_client *client, const bson_error_t *error)
{
    struct pool_handle handle = {
        .client = NULL, /* the ticket counts, not the pointer */
        .slot = client->slot,
        .generation = client->generation,
        .loan = client->loan,
        .connection_id = client->connection_id,
    };
    if (sync_in_forked_child()) {
        return GLEANER_E_STALE;
    }
    sync_reader_ensure();
    enum connection_failure failure = 0;
    bool is_bug = false;
    if (error != NULL) {
        struct mongo_error classified;
        mongo_classify(error, NULL, &classified);
        failure = failure_of(&classified);
        is_bug = classified.error_class == MONGO_BUG;
    }
    sync_read_lock(); /* nothing in here waits */
    if (failure == CONNECTION_FAIL_NETWORK) {
        supervisor_isolate(db->isolating, &handle);
    }
    enum gleaner_status status = pool_check_in(
        db->pool, &handle, failure != 0 || is_bug ? POOL_CLIENT_BROKEN : POOL_CLIENT_GOOD);
    if (status == GLEANER_OK && failure != 0) {
        connection_report(db->connection, handle.generation, failure, handle.slot, base_mono_ns());
    }
    sync_read_unlock();
    return status;
}

/* A client that is not kept for this thread. */
static __attribute__((noinline)) enum gleaner_status check_in_shared(struct gleaner_db *db,
                                                                     struct gleaner_client *client)
{
    sync_reader_ensure();
    sync_read_lock(); /* close waits for its end before it frees */
    bool returned = pool_return_idle(db->pool, client->slot, client->generation, client->loan);
    sync_read_unlock();
    return returned ? GLEANER_OK : check_in_slow(db, client, NULL);
}

enum gleaner_status gleaner_db_check_in(struct gleaner_db *db, struct gleaner_client *client,
                                        const bson_error_t *error)
{
    client->client = NULL;
    if (error != NULL) {
        return check_in_slow(db, client, error);
    }
    struct pool_keep *keep = pool_keep_here(db->pool);
    if (POOL_LIKELY(keep != NULL && pool_keep_holds(keep, client->slot, client->loan))) {
        return POOL_LIKELY(pool_keep_return(keep)) ? GLEANER_OK : settle(db, keep);
    }
    return check_in_shared(db, client);
}

void gleaner_set_deadline(uint64_t deadline_ns)
{
    mongo_set_deadline(deadline_ns);
}

/* ---- up or not
 * ------------------------------------------------------------------------------------- */

bool gleaner_db_is_up(struct gleaner_db *db)
{
    sync_reader_ensure();
    sync_read_lock();
    bool up = hands_out(snapshot_of(db)->phase);
    sync_read_unlock();
    return up && !sync_in_forked_child();
}

enum gleaner_status gleaner_db_wait_up(struct gleaner_db *db, uint32_t timeout_ms)
{
    bool may_wait = !supervisor_is_caller(db->isolating); /* as above */
    uint64_t deadline_ns = may_wait ? base_mono_ns() + timeout_ms * BASE_NS_PER_MS : 0;
    enum gleaner_status status = GLEANER_E_TIMEOUT;
    if (sync_in_forked_child()) {
        return GLEANER_E_CLOSED;
    }
    atomic_fetch_add_explicit(&db->slow_callers, 1, memory_order_acq_rel);
    for (;;) { /* repeats when a snapshot is published */
        struct connection_snapshot now;
        connection_copy(db->connection, &now);
        if (hands_out(now.phase)) {
            status = GLEANER_OK;
            break;
        }
        if (now.phase == CONNECTION_DRAINING || now.phase == CONNECTION_CLOSED) {
            status = GLEANER_E_CLOSED;
            break;
        }
        if (!connection_wait_newer(db->connection, now.version, deadline_ns)) {
            break;
        }
    }
    atomic_fetch_sub_explicit(&db->slow_callers, 1, memory_order_acq_rel);
    return status;
}
