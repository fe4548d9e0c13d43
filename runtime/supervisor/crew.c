/* SPDX-License-Identifier: Apache-2.0 */
/* Connector threads: who takes a job, and who is given up because he hangs in the driver. */
#include "supervisor_internal.h"
#include <stdio.h>

#define CREW_BESIDE_CONNECTS 2 /* one probe and one call while all connects are under way */

static void finish_job(struct job *job)
{
    struct supervisor *supervisor = job->supervisor;
    sync_mpsc_push(supervisor->completions, &job->node); /* the job is the supervisor's now */
    supervisor_wake(supervisor);
    if (atomic_load_explicit(&supervisor->reaper_must_finish, memory_order_acquire)) {
        reaper_wake(supervisor); /* the supervisor is gone; the reaper takes completions */
    }
}

static void connector_main(void *arg)
{
    struct connector *connector = arg;
    struct supervisor *supervisor = connector->supervisor;
    for (;;) {
        struct job *job = atomic_load_explicit(&connector->job, memory_order_acquire);
        if (job != NULL) {
            job_run(job);
            atomic_store_explicit(&connector->job, NULL, memory_order_release);
            finish_job(job);
        } else if (atomic_load_explicit(&connector->must_stop, memory_order_acquire)) {
            break;
        } else {
            (void)sync_park(&connector->parker, BASE_NO_DEADLINE);
        }
    }
    supervisor_unref(supervisor);
}

static uint32_t connector_count(const struct supervisor *supervisor)
{
    /* relaxed: we are its writer */
    return atomic_load_explicit(&supervisor->connector_count, memory_order_relaxed);
}

static struct connector *find_idle(struct supervisor *supervisor)
{
    for (uint32_t i = 0; i < connector_count(supervisor); i++) {
        struct connector *connector = &supervisor->connectors[i];
        if (atomic_load_explicit(&connector->job, memory_order_acquire) == NULL) {
            return connector;
        }
    }
    return NULL;
}

static uint32_t thread_limit(const struct supervisor *supervisor)
{
    uint32_t stuck = atomic_load_explicit(&supervisor->stuck, memory_order_relaxed);
    uint32_t spares = stuck < SUPERVISOR_SPARES ? stuck : SUPERVISOR_SPARES;
    uint32_t limit = supervisor->config.pool.max_connecting + CREW_BESIDE_CONNECTS + spares;
    return limit < SUPERVISOR_JOBS ? limit : SUPERVISOR_JOBS;
}

static struct connector *start_connector(struct supervisor *supervisor)
{
    uint32_t count = connector_count(supervisor);
    if (count >= thread_limit(supervisor)) {
        return NULL;
    }
    struct connector *connector = &supervisor->connectors[count];
    connector->supervisor = supervisor;
    sync_park_init(&connector->parker);
    char name[16];
    snprintf(name, sizeof(name), "gl-connect%u", count % 1000U);
    supervisor_ref(supervisor);
    if (sync_thread_start(&connector->thread, name, SYNC_PLAIN, connector_main, connector) !=
        GLEANER_OK) {
        supervisor_unref(supervisor);
        return NULL;
    }
    atomic_store_explicit(&supervisor->connector_count, count + 1, memory_order_relaxed);
    return connector;
}

/* A free place in the list of jobs in flight, or NULL. */
static struct job **find_place(struct supervisor *supervisor)
{
    for (size_t i = 0; i < SUPERVISOR_JOBS; i++) {
        if (supervisor->jobs[i] == NULL) {
            return &supervisor->jobs[i];
        }
    }
    return NULL;
}

bool crew_has_room(const struct supervisor *supervisor)
{
    struct supervisor *self = (struct supervisor *)supervisor; /* only looked at */
    return find_place(self) != NULL && (supervisor->config.is_manual || find_idle(self) != NULL ||
                                        connector_count(supervisor) < thread_limit(supervisor));
}

static void watch_deadline(struct supervisor *supervisor, uint64_t deadline_ns)
{
    if (deadline_ns < supervisor->tasks[supervisor->task_watch].due_ns) {
        supervisor_run_task_at(supervisor, supervisor->task_watch, deadline_ns);
    }
}

bool crew_dispatch(struct supervisor *supervisor, struct job *job)
{
    struct job **place = find_place(supervisor);
    if (place == NULL) {
        return false;
    }
    job->started_ns = supervisor_now(supervisor);
    job->deadline_ns = job->started_ns + (uint64_t)supervisor->config.connect_ms * BASE_NS_PER_MS;
    if (supervisor->config.is_manual) {
        *place = job;
        job_run(job);
        finish_job(job);
        return true;
    }
    struct connector *connector = find_idle(supervisor);
    if (connector == NULL) {
        connector = start_connector(supervisor);
    }
    if (connector == NULL) {
        return false;
    }
    *place = job;
    atomic_store_explicit(&connector->job, job, memory_order_release);
    sync_unpark(&connector->parker);
    watch_deadline(supervisor, job->deadline_ns);
    return true;
}

void crew_forget(struct supervisor *supervisor, struct job *job)
{
    for (size_t i = 0; i < SUPERVISOR_JOBS; i++) {
        if (supervisor->jobs[i] == job) {
            supervisor->jobs[i] = NULL;
        }
    }
    if (job->is_condemned) {
        atomic_fetch_sub_explicit(&supervisor->stuck, 1, memory_order_relaxed);
        base_log_info(
            "supervisor", "event=stuck_returned kind=%s after_ms=%llu", job_kind_name(job->kind),
            (unsigned long long)((supervisor_now(supervisor) - job->started_ns) / BASE_NS_PER_MS));
    }
}

uint64_t crew_watch(void *ctx, uint64_t now_ns)
{
    struct supervisor *supervisor = ctx;
    uint64_t next = BASE_NO_DEADLINE;
    for (size_t i = 0; i < SUPERVISOR_JOBS; i++) {
        struct job *job = supervisor->jobs[i];
        if (job == NULL || job->is_condemned) {
            continue;
        }
        if (job->deadline_ns > now_ns) {
            next = job->deadline_ns < next ? job->deadline_ns : next;
            continue;
        }
        job->is_condemned = true;
        atomic_fetch_add_explicit(&supervisor->stuck, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&supervisor->condemned, 1, memory_order_relaxed);
        base_log_warn("supervisor", "event=condemned kind=%s tier=%s age_ms=%llu",
                      job_kind_name(job->kind), connection_tier_name(job->tier),
                      (unsigned long long)((now_ns - job->started_ns) / BASE_NS_PER_MS));
        supervisor_job_overdue(supervisor, job, now_ns); /* asks the witnesses, who say why */
    }
    return next;
}

bool crew_stop(struct supervisor *supervisor, uint64_t deadline_ns)
{
    bool all_ended = true;
    for (uint32_t i = 0; i < connector_count(supervisor); i++) {
        struct connector *connector = &supervisor->connectors[i];
        atomic_store_explicit(&connector->must_stop, true, memory_order_release);
        sync_unpark(&connector->parker);
    }
    for (uint32_t i = 0; i < connector_count(supervisor); i++) {
        struct connector *connector = &supervisor->connectors[i];
        if (!sync_thread_join_until(&connector->thread, deadline_ns)) {
            sync_thread_abandon(&connector->thread);
            all_ended = false;
        }
    }
    return all_ended;
}
