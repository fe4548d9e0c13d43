/* SPDX-License-Identifier: Apache-2.0 */
/* Claiming: promote what is due, choose from the front, lease. One transaction. */
#include "store_sqlite_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Promoted in one claim at most; the next one goes on. Bounds the transaction after a long pause.
 */
#define PROMOTE_MAX 1024
/* Entries looked at beyond the wanted ones when hosts are over max_per_host. An index entry costs
 * about 0.1 us (bench/store_settle), so a claim stays within a millisecond. */
#define SCAN_EXTRA 8192

struct candidate {
    int64_t rowid;
    int64_t value; /* promote: the state it had; choose: its host */
};

/* What one claim works on. */
struct claiming {
    struct store_sqlite *s;
    struct sqlite_queue *queue;
    const struct store_claim *how;
    struct store_jobs *out;
    struct queue_row row;
    int64_t now;
    struct candidate *chosen; /* how->max_jobs or PROMOTE_MAX places, the larger */
    size_t chosen_count;
    bool changed;
};

/* ---- promote ---- */

static enum gleaner_status find_overdue(struct claiming *c, size_t *count, struct base_error *error)
{
    bool found = true;
    enum gleaner_status status = GLEANER_OK;
    sqlite3_stmt *overdue = store_sql(c->s, SQL_JOB_OVERDUE);
    sqlite3_bind_int64(overdue, 1, c->queue->id);
    sqlite3_bind_int64(overdue, 2, c->now);
    sqlite3_bind_int(overdue, 3, PROMOTE_MAX);
    for (*count = 0; status == GLEANER_OK && found;) {
        status = store_sql_next(c->s, overdue, &found, error);
        if (found) {
            c->chosen[*count].rowid = sqlite3_column_int64(overdue, 0);
            c->chosen[(*count)++].value = sqlite3_column_int64(overdue, 1);
        }
    }
    return status;
}

/* Waiting jobs whose time has come and leases that ran out become ready. The token stays: a slow
 * owner may still settle until somebody else has claimed. */
static enum gleaner_status promote(struct claiming *c, struct base_error *error)
{
    size_t count = 0;
    enum gleaner_status status = find_overdue(c, &count, error);
    for (size_t i = 0; i < count && status == GLEANER_OK; i++) {
        sqlite3_stmt *promote_one = store_sql(c->s, SQL_JOB_PROMOTE);
        sqlite3_bind_int64(promote_one, 1, c->chosen[i].rowid);
        status = store_sql_run(c->s, promote_one, error);
        c->row.states[c->chosen[i].value]--;
        c->row.states[JOB_READY]++;
        c->changed = true;
    }
    return status;
}

/* ---- choose ---- */

static bool host_has_enough(const struct claiming *c, int64_t host)
{
    uint32_t taken = 0;
    for (size_t i = 0; i < c->chosen_count; i++) {
        taken += c->chosen[i].value == host;
    }
    return taken >= c->how->max_per_host;
}

static enum gleaner_status choose(struct claiming *c, size_t wanted, struct base_error *error)
{
    bool found = true, typed = c->how->types != NULL && c->how->type_count > 0;
    enum gleaner_status status = GLEANER_OK;
    sqlite3_stmt *scan = store_sql(c->s, typed ? SQL_JOB_SCAN_TYPED : SQL_JOB_SCAN);
    sqlite3_bind_int64(scan, 1, c->queue->id);
    size_t scanned_max = wanted + SCAN_EXTRA, stop_at = c->chosen_count + wanted;
    for (size_t i = 0; i < scanned_max && c->chosen_count < stop_at; i++) {
        status = store_sql_next(c->s, scan, &found, error);
        if (status != GLEANER_OK || !found) {
            return status;
        }
        int64_t host = sqlite3_column_int64(scan, 1);
        if ((typed && !store_type_matches(c->how, store_column_text(scan, 3))) ||
            (c->how->max_per_host > 0 && host_has_enough(c, host))) {
            continue;
        }
        c->chosen[c->chosen_count].rowid = sqlite3_column_int64(scan, 0);
        c->chosen[c->chosen_count++].value = host;
        int64_t rank = sqlite3_column_int64(scan, 2);
        c->queue->front_rank = rank > c->queue->front_rank ? rank : c->queue->front_rank;
    }
    sqlite3_reset(scan);
    return status;
}

/* ---- lease ---- */

static enum gleaner_status bury_poison(struct claiming *c, int64_t rowid, int64_t without_outcome,
                                       struct base_error *error)
{
    char reason[120];
    snprintf(reason, sizeof reason,
             "claimed %lld times without an outcome: it may bring down whoever works on it",
             (long long)without_outcome);
    sqlite3_stmt *bury = store_sql(c->s, SQL_JOB_BURY);
    sqlite3_bind_int64(bury, 1, rowid);
    store_bind_text(bury, 2, reason);
    c->row.states[JOB_READY]--;
    c->row.states[JOB_DEAD]++;
    return store_sql_run(c->s, bury, error);
}

static bool copy_job(struct claiming *c, sqlite3_stmt *fetch)
{
    struct store_job *job = store_jobs_add(c->out);
    if (job == NULL) {
        return false;
    }
    job->key = (uint64_t)sqlite3_column_int64(fetch, 0);
    job->url = store_jobs_text(c->out, store_column_text(fetch, 1));
    job->host = store_jobs_text(c->out, store_column_text(fetch, 2));
    job->type = store_jobs_text(c->out, store_column_text(fetch, 3));
    job->via = store_jobs_text(c->out, store_column_text(fetch, 4));
    job->depth = (uint32_t)sqlite3_column_int64(fetch, 5);
    job->priority = (uint32_t)sqlite3_column_int64(fetch, 6);
    job->deliveries = (uint32_t)sqlite3_column_int64(fetch, 7) + 1;
    job->attempts = (uint32_t)sqlite3_column_int64(fetch, 8);
    job->token = (uint64_t)c->row.token;
    job->lease_left_ms = c->how->lease_ms;
    return job->url != NULL && job->host != NULL && job->type != NULL && job->via != NULL;
}

static enum gleaner_status lease_one(struct claiming *c, int64_t rowid, bool *poison,
                                     struct base_error *error)
{
    bool found = false;
    sqlite3_stmt *fetch = store_sql(c->s, SQL_JOB_FETCH);
    sqlite3_bind_int64(fetch, 1, rowid);
    enum gleaner_status status = store_sql_next(c->s, fetch, &found, error);
    if (!found) {
        return status;
    }
    /* Each delivery that ended with an outcome is either given back or an attempt. */
    int64_t without_outcome = sqlite3_column_int64(fetch, 7) - sqlite3_column_int64(fetch, 8);
    *poison = c->how->max_deliveries > 0 && without_outcome >= c->how->max_deliveries;
    if (!*poison) {
        c->row.token++;
        if (!copy_job(c, fetch)) {
            status = base_error_set(error, GLEANER_E_NOMEM, "out of memory for a claim");
        }
    }
    sqlite3_reset(fetch);
    if (status != GLEANER_OK || *poison) {
        return status != GLEANER_OK ? status : bury_poison(c, rowid, without_outcome, error);
    }
    sqlite3_stmt *lease = store_sql(c->s, SQL_JOB_LEASE);
    sqlite3_bind_int64(lease, 1, rowid);
    sqlite3_bind_int64(lease, 2, c->now + (int64_t)c->how->lease_ms);
    sqlite3_bind_int64(lease, 3, c->row.token);
    store_bind_text(lease, 4, c->how->owner);
    c->row.states[JOB_READY]--;
    c->row.states[JOB_LEASED]++;
    return store_sql_run(c->s, lease, error);
}

/* Repeats only while poison jobs took places; each round buries at least one. */
static enum gleaner_status take(struct claiming *c, struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    size_t poisoned = 1;
    while (status == GLEANER_OK && poisoned > 0 && c->out->count < c->how->max_jobs) {
        size_t from = c->chosen_count; /* the earlier ones stay: they count against max_per_host */
        status = choose(c, c->how->max_jobs - c->out->count, error);
        poisoned = 0;
        size_t kept = from;
        for (size_t i = from; i < c->chosen_count && status == GLEANER_OK; i++) {
            bool poison = false;
            status = lease_one(c, c->chosen[i].rowid, &poison, error);
            c->changed = true;
            if (poison) {
                poisoned++;
            } else {
                c->chosen[kept++] = c->chosen[i];
            }
        }
        c->chosen_count = kept;
    }
    return status;
}

static enum gleaner_status claim_locked(struct claiming *c, struct base_error *error)
{
    c->now = store_db_now_locked(c->s);
    enum gleaner_status status = store_queue_load_locked(c->s, c->queue, &c->row, error);
    if (status == GLEANER_OK) {
        status = promote(c, error);
    }
    if (status == GLEANER_OK) {
        status = take(c, error);
    }
    if (status == GLEANER_OK && c->changed) {
        status = store_queue_save_locked(c->s, c->queue, &c->row, error);
    }
    return status;
}

enum gleaner_status store_sqlite_claim(struct store_queue *base, const struct store_claim *how,
                                       struct store_jobs *out, struct base_error *error)
{
    struct claiming c = {.s = (struct store_sqlite *)base->store,
                         .queue = (struct sqlite_queue *)base,
                         .how = how,
                         .out = out};
    size_t places = how->max_jobs > PROMOTE_MAX ? how->max_jobs : PROMOTE_MAX;
    c.chosen = malloc(places * sizeof *c.chosen);
    if (c.chosen == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory for a claim");
    }
    enum gleaner_status status = store_db_begin(c.s, error);
    if (status == GLEANER_OK) {
        status = store_db_end(c.s, claim_locked(&c, error), error);
    }
    free(c.chosen);
    if (status != GLEANER_OK) {
        store_jobs_reset(out);
    }
    return status;
}
