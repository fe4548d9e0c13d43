/* SPDX-License-Identifier: Apache-2.0 */
/* What a person does to jobs of the embedded store: retry, drop; and which queues there are. */
#include "store_sqlite_internal.h"

struct row_found {
    int64_t rowid;
    enum job_state state;
    bool is_found;
};

static enum gleaner_status find_locked(struct store_sqlite *s, const struct sqlite_queue *queue,
                                       uint64_t key, struct row_found *out,
                                       struct base_error *error)
{
    sqlite3_stmt *find = store_sql(s, SQL_JOB_FIND);
    sqlite3_bind_int64(find, 1, queue->id);
    sqlite3_bind_int64(find, 2, (int64_t)key);
    enum gleaner_status status = store_sql_next(s, find, &out->is_found, error);
    if (out->is_found) {
        out->rowid = sqlite3_column_int64(find, 0);
        out->state = (enum job_state)sqlite3_column_int(find, 1);
        sqlite3_reset(find);
    }
    return status;
}

/* Which states a change applies to, and what the job becomes. */
static const struct {
    bool applies[JOB_STATE_COUNT];
    enum job_state to;
    enum store_sql sql;
} changes[] = {
    [STORE_CHANGE_RETRY] = {{[JOB_WAITING] = true, [JOB_DEAD] = true}, JOB_READY, SQL_JOB_ANEW},
    [STORE_CHANGE_DROP] = {{[JOB_READY] = true, [JOB_WAITING] = true, [JOB_LEASED] = true},
                           JOB_DEAD,
                           SQL_JOB_DROP},
};

static enum gleaner_status change_one_locked(struct store_sqlite *s,
                                             const struct sqlite_queue *queue,
                                             enum store_change change, uint64_t key,
                                             struct queue_row *row, uint64_t *changed,
                                             struct base_error *error)
{
    struct row_found found;
    enum gleaner_status status = find_locked(s, queue, key, &found, error);
    if (status != GLEANER_OK || !found.is_found || !changes[change].applies[found.state]) {
        return status;
    }
    sqlite3_stmt *statement = store_sql(s, changes[change].sql);
    sqlite3_bind_int64(statement, 1, found.rowid);
    row->states[found.state]--;
    row->states[changes[change].to]++;
    *changed += 1;
    return store_sql_run(s, statement, error);
}

static enum gleaner_status change_locked(struct store_sqlite *s, const struct sqlite_queue *queue,
                                         enum store_change change, const struct store_job *jobs,
                                         size_t count, uint64_t *changed, struct base_error *error)
{
    struct queue_row row;
    enum gleaner_status status = store_queue_load_locked(s, queue, &row, error);
    for (size_t i = 0; i < count && status == GLEANER_OK; i++) {
        status = change_one_locked(s, queue, change, jobs[i].key, &row, changed, error);
    }
    return status != GLEANER_OK ? status : store_queue_save_locked(s, queue, &row, error);
}

enum gleaner_status store_sqlite_change_jobs(struct store_queue *base, enum store_change change,
                                             const struct store_job *jobs, size_t count,
                                             uint64_t *changed, struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)base->store;
    uint64_t done = 0;
    enum gleaner_status status = store_db_begin(s, error);
    if (status == GLEANER_OK) {
        status = change_locked(s, (struct sqlite_queue *)base, change, jobs, count, &done, error);
        status = store_db_end(s, status, error);
    }
    if (status == GLEANER_OK) {
        *changed = done;
    }
    return status;
}

/* On a connection of its own: `row` may call the store. */
enum gleaner_status store_sqlite_queue_names(struct store *store,
                                             bool (*row)(void *ctx, const char *name), void *ctx,
                                             struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    sqlite3 *db = NULL;
    sqlite3_stmt *list = NULL;
    enum gleaner_status status = store_db_connect(s, SQLITE_OPEN_READONLY, &db, error);
    if (status != GLEANER_OK) {
        return status;
    }
    int code = sqlite3_prepare_v2(db, "SELECT name FROM queues ORDER BY id", -1, &list, NULL);
    if (code == SQLITE_OK) {
        while ((code = sqlite3_step(list)) == SQLITE_ROW && row(ctx, store_column_text(list, 0))) {
        }
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        status = store_db_error(s, db, error);
    }
    sqlite3_finalize(list);
    sqlite3_close(db);
    return status;
}
