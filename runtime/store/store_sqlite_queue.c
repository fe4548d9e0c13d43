/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of the embedded store: opening, putting jobs in, counting and listing. */
#include "store_sqlite_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- the queue's row ---- */

enum gleaner_status store_queue_load_locked(struct store_sqlite *s,
                                            const struct sqlite_queue *queue, struct queue_row *row,
                                            struct base_error *error)
{
    bool found = false;
    sqlite3_stmt *load = store_sql(s, SQL_QUEUE_LOAD);
    sqlite3_bind_int64(load, 1, queue->id);
    enum gleaner_status status = store_sql_next(s, load, &found, error);
    memset(row, 0, sizeof *row);
    if (found) {
        for (int i = 0; i < JOB_STATE_COUNT; i++) {
            row->states[i] = sqlite3_column_int64(load, i);
        }
        row->token = sqlite3_column_int64(load, JOB_STATE_COUNT);
        sqlite3_reset(load);
    } else if (status == GLEANER_OK) {
        status =
            base_error_set(error, GLEANER_E_CORRUPT, "%s: queue %s is gone", s->path, queue->name);
    }
    return status;
}

enum gleaner_status store_queue_save_locked(struct store_sqlite *s,
                                            const struct sqlite_queue *queue,
                                            const struct queue_row *row, struct base_error *error)
{
    sqlite3_stmt *save = store_sql(s, SQL_QUEUE_SAVE);
    sqlite3_bind_int64(save, 1, queue->id);
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        sqlite3_bind_int64(save, 2 + i, row->states[i]);
    }
    sqlite3_bind_int64(save, 2 + JOB_STATE_COUNT, row->token);
    return store_sql_run(s, save, error);
}

/* ---- open, close, drop ---- */

static enum gleaner_status find_or_add_locked(struct store_sqlite *s, const char *name, int64_t *id,
                                              struct base_error *error)
{
    bool found = false;
    sqlite3_stmt *get = store_sql(s, SQL_QUEUE_GET);
    store_bind_text(get, 1, name);
    enum gleaner_status status = store_sql_next(s, get, &found, error);
    if (found) {
        *id = sqlite3_column_int64(get, 0);
        sqlite3_reset(get);
    } else if (status == GLEANER_OK && s->read_only) {
        status = base_error_set(error, GLEANER_E_NOT_FOUND, "%s: no queue %s", s->path, name);
    } else if (status == GLEANER_OK) {
        sqlite3_stmt *add = store_sql(s, SQL_QUEUE_ADD);
        store_bind_text(add, 1, name);
        status = store_sql_run(s, add, error);
        *id = sqlite3_last_insert_rowid(s->db);
    }
    return status;
}

/* Where the queue went on before a restart: at the rank of its first job. */
static enum gleaner_status find_front_locked(struct store_sqlite *s, struct sqlite_queue *queue,
                                             struct base_error *error)
{
    bool found = false;
    sqlite3_stmt *front = store_sql(s, SQL_QUEUE_FRONT);
    sqlite3_bind_int64(front, 1, queue->id);
    enum gleaner_status status = store_sql_next(s, front, &found, error);
    if (found) {
        queue->front_rank = sqlite3_column_int64(front, 0);
        sqlite3_reset(front);
    }
    return status;
}

static enum gleaner_status add_queue_locked(struct store_sqlite *s, const char *name,
                                            struct sqlite_queue **out, struct base_error *error)
{
    struct sqlite_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL || (queue->name = strdup(name)) == NULL) {
        free(queue);
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory for queue %s", name);
    }
    queue->base.magic = STORE_QUEUE_MAGIC;
    queue->base.store = &s->base;
    enum gleaner_status status = find_or_add_locked(s, name, &queue->id, error);
    if (status == GLEANER_OK) {
        status = find_front_locked(s, queue, error);
    }
    if (status != GLEANER_OK) {
        free(queue->name);
        free(queue);
        return status;
    }
    queue->next = s->queues;
    s->queues = queue;
    *out = queue;
    return GLEANER_OK;
}

/* Needs no transaction of its own: at most one statement writes. */
enum gleaner_status store_sqlite_queue_open(struct store *store, const char *name,
                                            struct store_queue **out, struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    enum gleaner_status status = GLEANER_OK;
    sync_mutex_lock(s->mutex);
    struct sqlite_queue *queue = s->queues;
    while (queue != NULL && strcmp(queue->name, name) != 0) {
        queue = queue->next;
    }
    if (queue == NULL) {
        status = add_queue_locked(s, name, &queue, error);
    }
    if (status == GLEANER_OK) {
        queue->references++;
        *out = &queue->base;
    }
    sync_mutex_unlock(s->mutex);
    return status;
}

void store_sqlite_queue_close(struct store_queue *base)
{
    struct sqlite_queue *queue = (struct sqlite_queue *)base;
    struct store_sqlite *s = (struct store_sqlite *)base->store;
    sync_mutex_lock(s->mutex);
    if (--queue->references == 0) {
        struct sqlite_queue **link = &s->queues;
        while (*link != queue) {
            link = &(*link)->next;
        }
        *link = queue->next;
        queue->base.magic = 0;
        free(queue->name);
        free(queue);
    }
    sync_mutex_unlock(s->mutex);
}

/* The row of the queue stays, with zero counts: who has it open goes on with an empty queue, and
 * fencing tokens go on growing. */
static enum gleaner_status drop_locked(struct store_sqlite *s, const char *name,
                                       struct base_error *error)
{
    struct sqlite_queue queue = {.name = (char *)(uintptr_t)name};
    struct queue_row row;
    enum gleaner_status status = find_or_add_locked(s, name, &queue.id, error);
    if (status == GLEANER_OK) {
        status = store_queue_load_locked(s, &queue, &row, error);
    }
    if (status == GLEANER_OK) {
        sqlite3_stmt *clear = store_sql(s, SQL_QUEUE_CLEAR);
        sqlite3_bind_int64(clear, 1, queue.id);
        status = store_sql_run(s, clear, error);
    }
    if (status == GLEANER_OK) {
        memset(row.states, 0, sizeof row.states);
        status = store_queue_save_locked(s, &queue, &row, error);
    }
    return status;
}

enum gleaner_status store_sqlite_queue_drop(struct store *store, const char *name,
                                            struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    enum gleaner_status status = store_db_begin(s, error);
    return status != GLEANER_OK ? status : store_db_end(s, drop_locked(s, name, error), error);
}

/* ---- jobs in ---- */

/* Fair queuing: a host's jobs rank one after another, beginning at the front of the queue, so that
 * jobs in order of rank take turns over the hosts however many each has. */
static int64_t next_rank(const struct sqlite_queue *queue, uint64_t host_hash)
{
    int64_t last = queue->ranks[host_hash % QUEUE_RANK_SLOTS];
    return (last > queue->front_rank ? last : queue->front_rank) + 1;
}

enum gleaner_status store_jobs_insert_locked(struct store_sqlite *s, struct sqlite_queue *queue,
                                             struct queue_row *row, const struct store_job *jobs,
                                             size_t count, uint64_t *inserted,
                                             struct base_error *error)
{
    sqlite3_stmt *insert = count > 0 ? store_sql(s, SQL_JOB_INSERT) : NULL;
    int64_t now = store_db_now_locked(s);
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < count && status == GLEANER_OK; i++) {
        const struct store_job *job = &jobs[i];
        uint64_t host_hash = base_hash64(job->host, strlen(job->host));
        int64_t rank = next_rank(queue, host_hash);
        enum job_state state = job->delay_ms > 0 ? JOB_WAITING : JOB_READY;
        sqlite3_bind_int64(insert, 1, queue->id);
        sqlite3_bind_int64(insert, 2, (int64_t)job->key);
        sqlite3_bind_int(insert, 3, (int)state);
        sqlite3_bind_int64(insert, 4, job->priority);
        sqlite3_bind_int64(insert, 5, rank);
        sqlite3_bind_int64(insert, 6, (int64_t)(host_hash & 0x7fffffff)); /* 4 bytes in the index */
        if (state == JOB_WAITING) {
            sqlite3_bind_int64(insert, 7, now + (int64_t)job->delay_ms);
        } else {
            sqlite3_bind_null(insert, 7);
        }
        sqlite3_bind_int64(insert, 8, job->depth);
        store_bind_text(insert, 9, job->url);
        store_bind_text(insert, 10, job->host);
        store_bind_text(insert, 11, job->type);
        store_bind_text(insert, 12, job->via);
        status = store_sql_run(s, insert, error);
        if (status == GLEANER_OK && sqlite3_changes(s->db) > 0) {
            queue->ranks[host_hash % QUEUE_RANK_SLOTS] = rank;
            row->states[state]++;
            *inserted += 1;
        }
    }
    return status;
}

enum gleaner_status store_sqlite_enqueue(struct store_queue *base, const struct store_job *jobs,
                                         size_t count, uint64_t *inserted, struct base_error *error)
{
    struct sqlite_queue *queue = (struct sqlite_queue *)base;
    struct store_sqlite *s = (struct store_sqlite *)base->store;
    struct queue_row row;
    uint64_t added = 0;
    enum gleaner_status status = store_db_begin(s, error);
    if (status != GLEANER_OK) {
        return status;
    }
    status = store_queue_load_locked(s, queue, &row, error);
    if (status == GLEANER_OK) {
        status = store_jobs_insert_locked(s, queue, &row, jobs, count, &added, error);
    }
    if (status == GLEANER_OK && added > 0) {
        status = store_queue_save_locked(s, queue, &row, error);
    }
    status = store_db_end(s, status, error);
    if (status == GLEANER_OK && inserted != NULL) {
        *inserted = added;
    }
    return status;
}

/* ---- counting ---- */

/* Counts are kept, not scanned; only what fell due since the last claim is looked up. */
static enum gleaner_status count_locked(struct store_sqlite *s, struct sqlite_queue *queue,
                                        struct store_counts *out, struct base_error *error)
{
    struct queue_row row;
    bool found = false;
    int64_t now = store_db_now_locked(s), overdue = 0, overdue_waiting = 0;
    enum gleaner_status status = store_queue_load_locked(s, queue, &row, error);
    if (status != GLEANER_OK) {
        return status;
    }
    sqlite3_stmt *over = store_sql(s, SQL_JOB_COUNT_OVERDUE);
    sqlite3_bind_int64(over, 1, queue->id);
    sqlite3_bind_int64(over, 2, now);
    status = store_sql_next(s, over, &found, error);
    if (found) {
        overdue = sqlite3_column_int64(over, 0);
        overdue_waiting = sqlite3_column_int64(over, 1);
        sqlite3_reset(over);
    }
    out->ready = (uint64_t)(row.states[JOB_READY] + overdue);
    out->waiting = (uint64_t)(row.states[JOB_WAITING] - overdue_waiting);
    out->leased = (uint64_t)(row.states[JOB_LEASED] - (overdue - overdue_waiting));
    out->done = (uint64_t)row.states[JOB_DONE];
    out->dead = (uint64_t)row.states[JOB_DEAD];
    if (status == GLEANER_OK) {
        sqlite3_stmt *next = store_sql(s, SQL_JOB_NEXT_DUE);
        sqlite3_bind_int64(next, 1, queue->id);
        sqlite3_bind_int64(next, 2, now);
        status = store_sql_next(s, next, &found, error);
        if (found) {
            out->next_due_ms = (uint64_t)(sqlite3_column_int64(next, 0) - now);
            sqlite3_reset(next);
        }
    }
    return status;
}

enum gleaner_status store_sqlite_count(struct store_queue *base, struct store_counts *out,
                                       struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)base->store;
    sync_mutex_lock(s->mutex);
    /* One snapshot for the three reads: in read_only mode another process is writing. */
    enum gleaner_status status =
        s->read_only ? store_db_exec(s, s->db, "BEGIN", error) : GLEANER_OK;
    if (status == GLEANER_OK) {
        status = count_locked(s, (struct sqlite_queue *)base, out, error);
    }
    if (s->read_only) {
        (void)store_db_exec(s, s->db, "ROLLBACK", NULL);
    }
    sync_mutex_unlock(s->mutex);
    return status;
}

/* ---- listing ---- */

static const char *const state_names[JOB_STATE_COUNT] = {"ready", "waiting", "leased", "done",
                                                         "dead"};

#define LIST_SQL                                                                                   \
    "SELECT key, url, host, type, via, depth, priority, abs(token), deliveries, attempts, class,"  \
    " reason, due, CASE WHEN due <= ?2 THEN 0 ELSE state END AS now_state, content_found FROM "    \
    "jobs"                                                                                         \
    " WHERE queue = ?1 AND (?3 < 0 OR now_state = ?3) ORDER BY rowid LIMIT ?4"

static int state_number(const char *name)
{
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        if (strcmp(name, state_names[i]) == 0) {
            return i;
        }
    }
    return JOB_STATE_COUNT; /* matches none */
}

static bool show_row(sqlite3_stmt *list, int64_t now,
                     bool (*row)(void *ctx, const struct store_job_view *view), void *ctx)
{
    int state = sqlite3_column_int(list, 13);
    int64_t due = sqlite3_column_int64(list, 12);
    struct store_job job = {
        .key = (uint64_t)sqlite3_column_int64(list, 0),
        .url = store_column_text(list, 1),
        .host = store_column_text(list, 2),
        .type = store_column_text(list, 3),
        .via = store_column_text(list, 4),
        .depth = (uint32_t)sqlite3_column_int64(list, 5),
        .priority = (uint32_t)sqlite3_column_int64(list, 6),
        .token = (uint64_t)sqlite3_column_int64(list, 7),
        .deliveries = (uint32_t)sqlite3_column_int64(list, 8),
        .attempts = (uint32_t)sqlite3_column_int64(list, 9),
        .lease_left_ms = state == JOB_LEASED ? (uint64_t)(due - now) : 0,
        .delay_ms = state == JOB_WAITING ? (uint64_t)(due - now) : 0,
    };
    struct store_job_view view = {.job = &job,
                                  .state = state_names[state],
                                  .error_class = store_column_text(list, 10),
                                  .reason = store_column_text(list, 11),
                                  .content_found = sqlite3_column_int(list, 14) != 0};
    return row(ctx, &view);
}

enum gleaner_status
store_sqlite_list_jobs(struct store_queue *base, const char *state, uint64_t limit,
                       bool (*row)(void *ctx, const struct store_job_view *view), void *ctx,
                       struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)base->store;
    sqlite3 *db = NULL;
    sqlite3_stmt *list = NULL;
    int code = SQLITE_ROW;
    enum gleaner_status status = store_db_connect(s, SQLITE_OPEN_READONLY, &db, error);
    if (status != GLEANER_OK) {
        return status;
    }
    sync_mutex_lock(s->mutex);
    int64_t now = store_db_now_locked(s);
    sync_mutex_unlock(s->mutex);
    if (sqlite3_prepare_v2(db, LIST_SQL, -1, &list, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(list, 1, ((struct sqlite_queue *)base)->id);
        sqlite3_bind_int64(list, 2, now);
        sqlite3_bind_int(list, 3, state != NULL ? state_number(state) : -1);
        sqlite3_bind_int64(list, 4, limit == 0 || limit > INT64_MAX ? -1 : (int64_t)limit);
        while ((code = sqlite3_step(list)) == SQLITE_ROW && show_row(list, now, row, ctx)) {
        }
    } else {
        code = SQLITE_ERROR;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        status = store_db_error(s, db, error);
    }
    sqlite3_finalize(list);
    sqlite3_close(db);
    return status;
}
