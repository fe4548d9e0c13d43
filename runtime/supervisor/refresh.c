/* SPDX-License-Identifier: Apache-2.0 */
/* Rolling refresh: new driver pools and a first warm client, then the table swaps one by one. */
#include "supervisor_internal.h"

#define REFRESH_RETRY_MS 60000
#define REFRESH_WARN_MS 60000 /* old clients still on loan: say who holds them */

void refresh_restart_timer(struct supervisor *supervisor, uint64_t now_ns)
{
    uint64_t interval_ns = supervisor->config.refresh_interval_ms * BASE_NS_PER_MS;
    uint64_t jitter_ns = base_random_below(&supervisor->storm.random, interval_ns / 40 + 1);
    supervisor_run_task_at(supervisor, supervisor->task_refresh, now_ns + interval_ns - jitter_ns);
}

/* The timer's own refresh may have been this one: it is set again by whoever ends it. */
static void keep_timer(struct supervisor *supervisor, uint64_t now_ns)
{
    if (supervisor->tasks[supervisor->task_refresh].due_ns == BASE_NO_DEADLINE) {
        refresh_restart_timer(supervisor, now_ns);
    }
}

static bool is_up(const struct supervisor *supervisor)
{
    enum connection_phase phase = supervisor_phase(supervisor);
    return phase == CONNECTION_CONNECTED || phase == CONNECTION_FALLBACK;
}

void refresh_begin(struct supervisor *supervisor, uint64_t now_ns)
{
    if (supervisor->is_refreshing || supervisor->renew_job != NULL || !is_up(supervisor)) {
        return; /* joined; or a reconnect makes everything new anyway */
    }
    struct job *job = job_create(supervisor, JOB_RENEW, supervisor->data->tier);
    if (job == NULL) {
        supervisor_run_task_at(supervisor, supervisor->task_refresh, now_ns + BASE_NS_PER_S);
        return;
    }
    struct tier *tier = &supervisor->tiers[job->tier];
    if (tier->next != NULL) { /* the same way leads to new settings */
        target_aim(job, tier->next, NULL);
    }
    job->generation = supervisor->generation + 1;
    supervisor->renew_job = job;
    if (!crew_dispatch(supervisor, job)) {
        supervisor->renew_job = NULL;
        job_dispose(job);
        supervisor_run_task_at(supervisor, supervisor->task_refresh, now_ns + BASE_NS_PER_S);
    }
}

uint64_t refresh_due(void *ctx, uint64_t now_ns)
{
    struct supervisor *supervisor = ctx;
    if (!is_up(supervisor)) {
        return now_ns + REFRESH_RETRY_MS * BASE_NS_PER_MS;
    }
    refresh_begin(supervisor, now_ns);
    return BASE_NO_DEADLINE; /* set again at its end */
}

void supervisor_force_refresh(struct supervisor *supervisor, const char *reason)
{
    if (!is_up(supervisor)) {
        return;
    }
    base_log_info("supervisor", "event=forced_refresh joins=%s why=\"%s\"",
                  supervisor->is_refreshing || supervisor->renew_job != NULL ? "running" : "none",
                  reason);
    atomic_fetch_add_explicit(&supervisor->forced_refreshes, 1, memory_order_relaxed);
    refresh_begin(supervisor, supervisor_now(supervisor));
}

void refresh_renewed(struct supervisor *supervisor, struct job *job, uint64_t now_ns)
{
    supervisor->renew_job = NULL;
    bool is_current = supervisor->data != NULL && supervisor->data->tier == job->tier &&
                      (job->is_condemned || job->generation == supervisor->generation + 1);
    if (supervisor->is_closed || !is_current || !configure_is_wanted(supervisor, job)) {
        keep_timer(supervisor, now_ns); /* overtaken by a reconnect, or by other settings */
        return;
    }
    bool is_new_target = job->target != supervisor->tiers[job->tier].target;
    uint32_t generation;
    if (job->answer.status != GLEANER_OK ||
        pool_refresh_begin(supervisor->pool, &generation) != GLEANER_OK) {
        if (is_new_target) { /* says nothing about the server that serves */
            configure_renewed(supervisor, job, now_ns);
            keep_timer(supervisor, now_ns);
            return;
        }
        base_log_warn("supervisor", "event=refresh_failed why=\"%s\"", job->answer.error.message);
        supervisor_run_task_at(supervisor, supervisor->task_refresh,
                               now_ns + REFRESH_RETRY_MS * BASE_NS_PER_MS);
        suspect(supervisor, "a refresh could not connect", now_ns);
        return;
    }
    if (is_new_target) {
        configure_renewed(supervisor, job, now_ns);
    }
    endpoint_unref(supervisor->data);
    client_discard(supervisor->warm);
    supervisor->data = job->data;
    supervisor->warm = job->client;
    job->data = NULL;
    job->client = NULL;
    recover_share_data(supervisor); /* or the old generation would never be gone */
    supervisor->is_refreshing = true;
    supervisor->standin_not_before_ns = 0;
    supervisor->refresh_target = generation;
    supervisor->refresh_began_ns = now_ns;
    supervisor->refresh_warned = false;
}

static void warn_once(struct supervisor *supervisor, uint64_t now_ns)
{
    struct pool_stats stats;
    uint64_t age_ns = now_ns - supervisor->refresh_began_ns;
    if (supervisor->refresh_warned || age_ns < REFRESH_WARN_MS * BASE_NS_PER_MS) {
        return;
    }
    supervisor->refresh_warned = true;
    pool_read_stats(supervisor->pool, now_ns, &stats);
    base_log_warn("supervisor",
                  "event=refresh_slow left=%u in_use=%u oldest_loan_ms=%llu "
                  "why=\"old clients are still on loan\"",
                  pool_refresh_left(supervisor->pool), stats.in_use,
                  (unsigned long long)(stats.oldest_in_use_ns / BASE_NS_PER_MS));
}

bool refresh_check_done(struct supervisor *supervisor, uint64_t now_ns)
{
    if (!supervisor->is_refreshing) {
        return false;
    }
    if (pool_refresh_left(supervisor->pool) > 0) {
        warn_once(supervisor, now_ns);
        return false;
    }
    supervisor->is_refreshing = false;
    supervisor->is_refresh_urgent = false;
    supervisor->generation = supervisor->refresh_target;
    client_discard(
        supervisor->warm); /* nobody needed it: it is not to grow old outside the table */
    supervisor->warm = NULL;
    const struct connection_snapshot *now = connection_current(supervisor->connection);
    struct connection_facts facts = {.tier = now->tier,
                                     .generation = supervisor->generation,
                                     .address = supervisor->data->address,
                                     .database = supervisor->data->database};
    connection_update(supervisor->connection, &facts);
    /* last: who has seen it counted sees the new generation */
    atomic_fetch_add_explicit(&supervisor->refreshes, 1, memory_order_release);
    base_log_info("supervisor", "event=refreshed generation=%u took_ms=%llu",
                  supervisor->generation,
                  (unsigned long long)((now_ns - supervisor->refresh_began_ns) / BASE_NS_PER_MS));
    refresh_restart_timer(supervisor, now_ns);
    return true;
}

void refresh_cancel(struct supervisor *supervisor)
{
    if (supervisor->is_refreshing) {
        supervisor->is_refreshing = false;
        supervisor->is_refresh_urgent = false;
        pool_refresh_abort(supervisor->pool);
        base_log_warn("supervisor", "event=refresh_cancelled why=\"the server was lost\"");
    }
}
