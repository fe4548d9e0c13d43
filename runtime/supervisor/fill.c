/* SPDX-License-Identifier: Apache-2.0 */
/* Clients for the table: as many connects at once as the ramp allows, none while they fail. */
#include "supervisor_internal.h"
#include <stdio.h>

#define REFRESH_SHARE 100
#define REFRESH_LONGEST_MS 60000 /* of a refresh, connecting aside */

void fill_restart(struct supervisor *supervisor)
{
    supervisor->connect_allowance = 1; /* then 2, 4 ... up to max_connecting */
    supervisor->connect_failures_in_row = 0;
    supervisor->connect_not_before_ns = 0;
}

/* They may hang until their deadline, in a server that is gone: the next generation has the table's
 * places for connecting to itself, and their failures say nothing about it. What each carries is
 * given back when it comes home. */
void fill_abandon(struct supervisor *supervisor)
{
    for (size_t i = 0; i < SUPERVISOR_JOBS; i++) {
        struct job *job = supervisor->jobs[i];
        if (job != NULL && job->kind == JOB_CONNECT && !job->is_condemned && !job->is_outdated) {
            job->is_outdated = true;
            supervisor->connects_in_flight--;
            (void)pool_connect_condemn(supervisor->pool, &job->pool_job);
        }
    }
}

static void put(struct supervisor *supervisor, const struct pool_connect_job *job,
                struct client *client)
{
    isolate_note_home(supervisor, job->slot, client);
    /* stale or not, the pool owns it now */
    (void)pool_connect_done(supervisor->pool, job, client);
}

void fill_put_warm(struct supervisor *supervisor)
{
    struct pool_connect_job job;
    if (supervisor->warm != NULL && pool_connect_begin(supervisor->pool, &job) == GLEANER_OK) {
        struct client *client = supervisor->warm;
        supervisor->warm = NULL;
        put(supervisor, &job, client);
    }
}

static bool start_connect(struct supervisor *supervisor)
{
    struct pool_connect_job pool_job;
    if (pool_connect_begin(supervisor->pool, &pool_job) != GLEANER_OK) {
        return false;
    }
    struct job *job = job_create(supervisor, JOB_CONNECT, supervisor->data->tier);
    if (job == NULL) {
        pool_connect_failed(supervisor->pool, &pool_job, false);
        return false;
    }
    job->pool_job = pool_job;
    job->holds_slot = true;
    job->data = supervisor->data;
    job->shard = endpoint_choose_shard(job->data);
    endpoint_ref(job->data);
    if (!crew_dispatch(supervisor, job)) {
        job_dispose(job);
        return false;
    }
    supervisor->connects_in_flight++;
    if (pool_job.is_refresh) {
        supervisor->standin_not_before_ns = BASE_NO_DEADLINE; /* until this one is settled */
    }
    return true;
}

/* ---- a refresh takes its time
 * ------------------------------------------------------------------- */

/* A connection costs client and server some CPU (SCRAM-SHA-256: 20 to 40 ms), and on a machine that
 * is busy all of it is taken from operations. So stand-ins are made one at a time, and a hundredth
 * of the time is spent on them; a refresh of the whole table still ends within a minute.
 * One because connections were lost does not rest: who takes an old client may see an error. */
static void pace(struct supervisor *supervisor, const struct job *job, uint64_t now_ns)
{
    uint64_t longest_ns = REFRESH_LONGEST_MS * BASE_NS_PER_MS / supervisor->config.pool.max_size;
    uint64_t rest_ns = (now_ns - job->started_ns) * (REFRESH_SHARE - 1);
    supervisor->standin_not_before_ns = now_ns + (rest_ns < longest_ns ? rest_ns : longest_ns);
    if (supervisor->standin_not_before_ns < supervisor->tasks[supervisor->task_connect].due_ns) {
        supervisor_run_task_at(supervisor, supervisor->task_connect,
                               supervisor->standin_not_before_ns);
    }
}

/* Only a stand-in could be wanted now, and it is not its turn yet. */
static bool must_rest(struct supervisor *supervisor, uint64_t now_ns)
{
    if (!supervisor->is_refreshing || supervisor->is_refresh_urgent ||
        now_ns >= supervisor->standin_not_before_ns) {
        return false;
    }
    struct pool_stats stats;
    pool_read_stats(supervisor->pool, now_ns, &stats);
    const struct pool_config *config = &supervisor->config.pool;
    bool is_short = stats.total < config->min_size ||
                    (stats.total < config->max_size && stats.waiting > stats.pending);
    return !is_short;
}

bool fill_table(struct supervisor *supervisor, uint64_t now_ns)
{
    if (supervisor->data == NULL || now_ns < supervisor->connect_not_before_ns) {
        return false;
    }
    bool worked = false;
    if (supervisor->warm != NULL) {
        fill_put_warm(supervisor);
    }
    while (supervisor->connects_in_flight < supervisor->connect_allowance &&
           !must_rest(supervisor, now_ns) && crew_has_room(supervisor) &&
           start_connect(supervisor)) {
        worked = true;
    }
    return worked;
}

uint64_t fill_due(void *ctx, uint64_t now_ns)
{
    const struct supervisor *supervisor = ctx;
    uint64_t standin_ns = supervisor->standin_not_before_ns;
    /* being awake is enough: fill_table() comes next */
    return supervisor->is_refreshing && standin_ns > now_ns ? standin_ns : BASE_NO_DEADLINE;
}

static void connect_failed(struct supervisor *supervisor, struct job *job, uint64_t now_ns)
{
    supervisor->connect_allowance = 1;
    supervisor->connect_not_before_ns =
        now_ns + storm_jitter_ns(&supervisor->storm, supervisor->connect_failures_in_row);
    supervisor->connect_failures_in_row++;
    supervisor_run_task_at(supervisor, supervisor->task_connect, supervisor->connect_not_before_ns);
    if (job->pool_job.generation < connection_current(supervisor->connection)->generation) {
        return; /* of a generation that was dropped already */
    }
    char reason[160];
    snprintf(reason, sizeof(reason), "a new client could not connect: %.120s",
             job->answer.error.message);
    suspect(supervisor, reason, now_ns);
}

void fill_connected(struct supervisor *supervisor, struct job *job, uint64_t now_ns)
{
    if (job->is_outdated) {
        return; /* settled by fill_abandon() */
    }
    supervisor->connects_in_flight--;
    job->holds_slot = false;
    if (job->pool_job.is_refresh) {
        pace(supervisor, job, now_ns);
    }
    if (job->is_condemned) { /* a copy of the job; the slot is taken from the one that hangs */
        (void)pool_connect_condemn(supervisor->pool, &job->pool_job);
        connect_failed(supervisor, job, now_ns);
    } else if (job->answer.status != GLEANER_OK) {
        pool_connect_failed(supervisor->pool, &job->pool_job, false);
        if (!supervisor->is_closed) {
            connect_failed(supervisor, job, now_ns);
        }
    } else {
        put(supervisor, &job->pool_job, job->client);
        job->client = NULL;
        supervisor->connect_failures_in_row = 0;
        uint32_t doubled = supervisor->connect_allowance * 2;
        uint32_t most = supervisor->config.pool.max_connecting;
        supervisor->connect_allowance = doubled < most ? doubled : most;
    }
}
