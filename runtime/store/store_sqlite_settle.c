/* SPDX-License-Identifier: Apache-2.0 */
/* Settling: documents, links and outcomes in one transaction; renewing and releasing leases. */
#include "store_sqlite_internal.h"

#include <string.h>

/* ---- outcomes ---- */

/* Where a job stands towards a token that somebody shows. */
enum standing {
    STANDS_OPEN,    /* the last claim is theirs: the outcome counts */
    STANDS_SETTLED, /* theirs, and settled before: a repeated call, nothing to do */
    STANDS_STALE    /* claimed by somebody else since, or gone */
};

struct found_job {
    int64_t rowid;
    enum job_state state;
    enum standing standing;
};

static enum gleaner_status find_job_locked(struct store_sqlite *s, const struct sqlite_queue *queue,
                                           const struct store_outcome *outcome,
                                           struct found_job *job, struct base_error *error)
{
    bool found = false;
    sqlite3_stmt *find = store_sql(s, SQL_JOB_FIND);
    sqlite3_bind_int64(find, 1, queue->id);
    sqlite3_bind_int64(find, 2, (int64_t)outcome->key);
    enum gleaner_status status = store_sql_next(s, find, &found, error);
    job->standing = STANDS_STALE;
    if (found) {
        int64_t token = sqlite3_column_int64(find, 2);
        job->rowid = sqlite3_column_int64(find, 0);
        job->state = (enum job_state)sqlite3_column_int(find, 1);
        if (token != 0 && token == (int64_t)outcome->token) {
            job->standing = STANDS_OPEN;
        } else if (token != 0 && -token == (int64_t)outcome->token) {
            job->standing = STANDS_SETTLED;
        }
        sqlite3_reset(find);
    }
    return status;
}

static enum gleaner_status close_job_locked(struct store_sqlite *s, int64_t rowid,
                                            const struct store_outcome *outcome,
                                            struct base_error *error)
{
    sqlite3_stmt *close = store_sql(s, SQL_JOB_CLOSE);
    sqlite3_bind_int64(close, 1, rowid);
    sqlite3_bind_int(close, 2, outcome->kind == STORE_DONE ? JOB_DONE : JOB_DEAD);
    store_bind_text(close, 3, outcome->error_class);
    store_bind_text(close, 4, outcome->reason);
    sqlite3_bind_int(close, 5, outcome->content_found);
    sqlite3_bind_blob(close, 6, outcome->results, (int)outcome->results_len, SQLITE_STATIC);
    return store_sql_run(s, close, error);
}

/* Ready at once, or waiting until the delay is over. */
static enum job_state bind_due_locked(struct store_sqlite *s, sqlite3_stmt *statement,
                                      uint64_t delay_ms)
{
    enum job_state state = delay_ms > 0 ? JOB_WAITING : JOB_READY;
    sqlite3_bind_int(statement, 2, (int)state);
    if (delay_ms > 0) {
        sqlite3_bind_int64(statement, 3, store_db_now_locked(s) + (int64_t)delay_ms);
    } else {
        sqlite3_bind_null(statement, 3);
    }
    return state;
}

static enum gleaner_status retry_job_locked(struct store_sqlite *s, int64_t rowid,
                                            const struct store_outcome *outcome, enum job_state *to,
                                            struct base_error *error)
{
    sqlite3_stmt *retry = store_sql(s, SQL_JOB_RETRY);
    sqlite3_bind_int64(retry, 1, rowid);
    *to = bind_due_locked(s, retry, outcome->delay_ms);
    store_bind_text(retry, 4, outcome->error_class);
    store_bind_text(retry, 5, outcome->reason);
    return store_sql_run(s, retry, error);
}

static enum gleaner_status release_job_locked(struct store_sqlite *s, int64_t rowid,
                                              uint64_t delay_ms, enum job_state *to,
                                              struct base_error *error)
{
    sqlite3_stmt *release = store_sql(s, SQL_JOB_RELEASE);
    sqlite3_bind_int64(release, 1, rowid);
    *to = bind_due_locked(s, release, delay_ms);
    return store_sql_run(s, release, error);
}

static enum gleaner_status apply_locked(struct store_sqlite *s, const struct found_job *job,
                                        const struct store_outcome *outcome, struct queue_row *row,
                                        struct base_error *error)
{
    enum job_state to = JOB_READY;
    enum gleaner_status status = GLEANER_OK;
    switch (outcome->kind) {
    case STORE_DONE:
    case STORE_DEAD:
        to = outcome->kind == STORE_DONE ? JOB_DONE : JOB_DEAD;
        status = close_job_locked(s, job->rowid, outcome, error);
        break;
    case STORE_RETRY:
        status = retry_job_locked(s, job->rowid, outcome, &to, error);
        break;
    case STORE_RELEASE:
        status = release_job_locked(s, job->rowid, outcome->delay_ms, &to, error);
        break;
    }
    row->states[job->state]--;
    row->states[to]++;
    return status;
}

static enum gleaner_status settle_outcomes_locked(struct store_sqlite *s,
                                                  const struct sqlite_queue *queue,
                                                  const struct store_settlement *settlement,
                                                  struct queue_row *row, struct store_settled *out,
                                                  struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < settlement->outcome_count && status == GLEANER_OK; i++) {
        struct found_job job;
        const struct store_outcome *outcome = &settlement->outcomes[i];
        status = find_job_locked(s, queue, outcome, &job, error);
        if (status == GLEANER_OK && job.standing == STANDS_OPEN) {
            status = apply_locked(s, &job, outcome, row, error);
        } else if (status == GLEANER_OK && job.standing == STANDS_STALE) {
            out->outcomes_stale++;
        }
    }
    return status;
}

/* ---- settle ---- */

typedef enum gleaner_status (*put_documents)(struct store_sqlite *s,
                                             const struct store_document *documents, size_t count,
                                             struct store_settled *out, struct base_error *error);

static enum gleaner_status settle_locked(struct store_sqlite *s, struct sqlite_queue *queue,
                                         const struct store_settlement *settlement,
                                         put_documents put, struct store_settled *out,
                                         struct base_error *error)
{
    struct queue_row row;
    enum gleaner_status status = store_queue_load_locked(s, queue, &row, error);
    if (status == GLEANER_OK) {
        status = put(s, settlement->documents, settlement->document_count, out, error);
    }
    if (status == GLEANER_OK) {
        status = store_touch_locked(s, settlement->touches, settlement->touch_count, out, error);
    }
    if (status == GLEANER_OK) {
        status = store_jobs_insert_locked(s, queue, &row, settlement->links, settlement->link_count,
                                          &out->links_new, error);
    }
    if (status == GLEANER_OK) {
        status = settle_outcomes_locked(s, queue, settlement, &row, out, error);
    }
    return status != GLEANER_OK ? status : store_queue_save_locked(s, queue, &row, error);
}

static enum gleaner_status settle_with(struct store_queue *base,
                                       const struct store_settlement *settlement, put_documents put,
                                       struct store_settled *out, struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)base->store;
    struct store_settled before = *out;
    enum gleaner_status status = store_db_begin(s, error);
    if (status == GLEANER_OK) {
        status = settle_locked(s, (struct sqlite_queue *)base, settlement, put, out, error);
        status = store_db_end(s, status, error);
    }
    if (status != GLEANER_OK) {
        *out = before; /* all was rolled back */
    }
    return status;
}

enum gleaner_status store_sqlite_settle(struct store_queue *queue,
                                        const struct store_settlement *settlement,
                                        struct store_settled *out, struct base_error *error)
{
    return settle_with(queue, settlement, store_documents_put_locked, out, error);
}

enum gleaner_status store_spool_settle(struct store_queue *queue,
                                       const struct store_settlement *settlement,
                                       struct store_settled *out, struct base_error *error)
{
    return settle_with(queue, settlement, store_spool_put_locked, out, error);
}

/* ---- leases ---- */

/* A lease that ran out but was not claimed since is still its owner's: it is taken back. */
static enum gleaner_status renew_one_locked(struct store_sqlite *s, const struct found_job *job,
                                            uint32_t lease_ms, struct queue_row *row,
                                            struct base_error *error)
{
    sqlite3_stmt *renew = store_sql(s, SQL_JOB_RENEW);
    sqlite3_bind_int64(renew, 1, job->rowid);
    sqlite3_bind_int64(renew, 2, store_db_now_locked(s) + (int64_t)lease_ms);
    row->states[job->state]--;
    row->states[JOB_LEASED]++;
    return store_sql_run(s, renew, error);
}

static enum gleaner_status renew_locked(struct store_sqlite *s, const struct sqlite_queue *queue,
                                        const struct store_outcome *held, size_t count,
                                        uint32_t lease_ms, uint64_t *lost, struct base_error *error)
{
    struct queue_row row;
    enum gleaner_status status = store_queue_load_locked(s, queue, &row, error);
    for (size_t i = 0; i < count && status == GLEANER_OK; i++) {
        struct found_job job;
        status = find_job_locked(s, queue, &held[i], &job, error);
        if (status == GLEANER_OK && job.standing == STANDS_OPEN) {
            status = renew_one_locked(s, &job, lease_ms, &row, error);
        } else {
            *lost += status == GLEANER_OK;
        }
    }
    return status != GLEANER_OK ? status : store_queue_save_locked(s, queue, &row, error);
}

enum gleaner_status store_sqlite_renew(struct store_queue *base, const struct store_outcome *held,
                                       size_t count, uint32_t lease_ms, uint64_t *lost,
                                       struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)base->store;
    uint64_t gone = 0;
    enum gleaner_status status = store_db_begin(s, error);
    if (status == GLEANER_OK) {
        status = renew_locked(s, (struct sqlite_queue *)base, held, count, lease_ms, &gone, error);
        status = store_db_end(s, status, error);
    }
    if (status == GLEANER_OK && lost != NULL) {
        *lost = gone;
    }
    return status;
}

/* One at a time: each release takes the job out of what is searched. */
static enum gleaner_status release_owner_locked(struct store_sqlite *s,
                                                const struct sqlite_queue *queue, const char *owner,
                                                uint64_t *released, struct base_error *error)
{
    struct queue_row row;
    bool found = true;
    enum gleaner_status status = store_queue_load_locked(s, queue, &row, error);
    while (status == GLEANER_OK && found) {
        sqlite3_stmt *leases = store_sql(s, SQL_JOB_LEASES);
        sqlite3_bind_int64(leases, 1, queue->id);
        sqlite3_bind_text(leases, 2, owner, -1, SQLITE_STATIC); /* NULL = of everybody */
        status = store_sql_next(s, leases, &found, error);
        if (found) {
            int64_t rowid = sqlite3_column_int64(leases, 0);
            sqlite3_reset(leases);
            enum job_state to = JOB_READY;
            status = release_job_locked(s, rowid, 0, &to, error);
            row.states[JOB_LEASED]--;
            row.states[to]++;
            *released += 1;
        }
    }
    return status != GLEANER_OK ? status : store_queue_save_locked(s, queue, &row, error);
}

enum gleaner_status store_sqlite_release_owner(struct store_queue *base, const char *owner,
                                               uint64_t *released, struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)base->store;
    uint64_t given = 0;
    enum gleaner_status status = store_db_begin(s, error);
    if (status == GLEANER_OK) {
        status = release_owner_locked(s, (struct sqlite_queue *)base, owner, &given, error);
        status = store_db_end(s, status, error);
    }
    if (status == GLEANER_OK && released != NULL) {
        *released = given;
    }
    return status;
}
