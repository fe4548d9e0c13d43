/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: requests, completions, tasks that are due, then sleep until the next. */
#include "supervisor_internal.h"
#include <stdio.h>

uint64_t supervisor_now(const struct supervisor *supervisor)
{
    return base_clock_now_ns(supervisor->clock);
}

enum connection_phase supervisor_phase(const struct supervisor *supervisor)
{
    return connection_current(supervisor->connection)->phase;
}

/* ---- publishing ---------------------------------------------------------------------------------
 */

static void tell(struct supervisor *supervisor)
{
    if (supervisor->config.on_state != NULL) {
        supervisor->config.on_state(supervisor->config.on_state_ctx,
                                    connection_current(supervisor->connection));
    }
}

void supervisor_move(struct supervisor *supervisor, enum connection_event event,
                     enum connection_tier tier, const char *reason)
{
    bool has_server = tier == CONNECTION_PRIMARY || tier == CONNECTION_SECONDARY;
    const struct endpoint *data = has_server ? supervisor->data : NULL;
    struct connection_facts facts = {
        .tier = tier,
        .generation = supervisor->generation,
        .address = data != NULL ? data->address : "",
        .database = data != NULL ? data->database : NULL,
        .reason = reason,
    };
    connection_move(supervisor->connection, event, &facts);
    tell(supervisor);
}

void supervisor_note_next_attempt(struct supervisor *supervisor, uint64_t due_ns,
                                  const char *reason)
{
    const struct connection_snapshot *now = connection_current(supervisor->connection);
    struct connection_facts facts = {
        .tier = now->tier,
        .generation = now->generation,
        .reason = reason,
        .next_attempt_ns = due_ns,
    };
    connection_update(supervisor->connection, &facts);
}

struct tier *supervisor_tier_in_use(struct supervisor *supervisor)
{
    enum connection_tier tier = connection_current(supervisor->connection)->tier;
    bool has_server = tier == CONNECTION_PRIMARY || tier == CONNECTION_SECONDARY;
    return has_server ? &supervisor->tiers[tier] : NULL;
}

/* ---- schedule
 * ------------------------------------------------------------------------------------- */

int supervisor_add_task(struct supervisor *supervisor, const char *name, uint64_t first_delay_ms,
                        supervisor_task_fn run, void *ctx)
{
    if (supervisor->task_count == SUPERVISOR_TASKS) {
        return -1;
    }
    uint64_t due_ns = first_delay_ms == UINT64_MAX
                          ? BASE_NO_DEADLINE
                          : supervisor_now(supervisor) + first_delay_ms * BASE_NS_PER_MS;
    supervisor->tasks[supervisor->task_count] =
        (struct task){.name = name, .run = run, .ctx = ctx, .due_ns = due_ns};
    return supervisor->task_count++;
}

void supervisor_run_task_at(struct supervisor *supervisor, int task, uint64_t due_ns)
{
    supervisor->tasks[task].due_ns = due_ns;
}

uint64_t supervisor_next_due_ns(const struct supervisor *supervisor)
{
    uint64_t next = BASE_NO_DEADLINE;
    for (int i = 0; i < supervisor->task_count; i++) {
        next = supervisor->tasks[i].due_ns < next ? supervisor->tasks[i].due_ns : next;
    }
    return next;
}

static bool run_due_tasks(struct supervisor *supervisor, uint64_t now_ns)
{
    bool worked = false;
    for (int i = 0; i < supervisor->task_count; i++) {
        struct task *task = &supervisor->tasks[i];
        if (task->due_ns <= now_ns) {
            /* a task that asks for itself at another time meanwhile has the earlier wish granted */
            task->due_ns = BASE_NO_DEADLINE;
            uint64_t next = task->run(task->ctx, now_ns);
            task->due_ns = next < task->due_ns ? next : task->due_ns;
            worked = true;
        }
    }
    return worked;
}

/* ---- completions
 * ------------------------------------------------------------------------------------ */

/* The probe's endpoint and client come home, whatever became of the job. */
static void bring_probe_home(struct supervisor *supervisor, struct job *job)
{
    struct tier *tier = &supervisor->tiers[job->tier];
    if (job->is_left) {
        return; /* they leave with it: a probe has come between */
    }
    tier->job = NULL;
    tier->lent = NULL;
    if (job->target != tier->target || job->is_absent) {
        /* both leave with the job: settings changed meanwhile, or the driver's monitors would go on
         * knocking at a door behind which nobody is */
        return;
    }
    bool is_retired = job->probe_endpoint != NULL && !job->probe_endpoint->is_probes &&
                      job->probe_endpoint != supervisor->data;
    if (tier->probe_endpoint != NULL || is_retired) {
        return; /* as above: a new generation has come meanwhile, or the old one went */
    }
    tier->probe_endpoint = job->probe_endpoint;
    tier->probe_client = job->probe_client;
    job->probe_endpoint = NULL;
    job->probe_client = NULL;
    if (tier->probe_endpoint != NULL) {
        /* what happened before this answer is old news */
        suspect_skip_beats(tier->probe_endpoint, job->answer.status == GLEANER_OK);
    }
}

static void settle(struct supervisor *supervisor, struct job *job, uint64_t now_ns)
{
    switch (job->kind) {
    case JOB_CONNECT:
        fill_connected(supervisor, job, now_ns);
        break;
    case JOB_PROBE:
    case JOB_RECOVER:
        if (job->target == supervisor->tiers[job->tier].target) {
            recover_probed(supervisor, job, now_ns);
        } else {
            configure_ask_again(supervisor, job, now_ns);
        }
        break;
    case JOB_RENEW:
        refresh_renewed(supervisor, job, now_ns);
        break;
    case JOB_POKE:
        return_poked(supervisor, job, now_ns);
        break;
    case JOB_CALL:
        if (job->answer.status != GLEANER_OK && !job->is_left) { /* never trust that client again */
            struct tier *tier = &supervisor->tiers[job->tier];
            client_discard(tier->probe_client);
            tier->probe_client = NULL;
            recover_end_sharing(tier); /* nor risk a handshake beside the table's clients */
        }
        job->answer.errand = job->errand;
        witness_count(&supervisor->tiers[job->tier], job, now_ns);
        job->done(job->done_ctx, &job->answer);
        break;
    }
}

static bool job_uses_probe(enum job_kind kind)
{
    return kind == JOB_PROBE || kind == JOB_RECOVER || kind == JOB_CALL;
}

static bool take_completion(struct supervisor *supervisor, uint64_t now_ns)
{
    struct sync_mpsc_node *node = sync_mpsc_pop(supervisor->completions);
    if (node == NULL) {
        return false;
    }
    struct job *job = BASE_CONTAINER_OF(node, struct job, node);
    crew_forget(supervisor, job);
    bool uses_probe = job_uses_probe(job->kind);
    if (!job->is_condemned) {
        if (uses_probe) {
            bring_probe_home(supervisor, job);
        }
        struct tier *tier = &supervisor->tiers[job->tier];
        target_learn(tier, job);
        settle(supervisor, job, now_ns);
        target_learn(tier, job); /* its target may be the tier's only now: of new settings */
        if (uses_probe) {
            ask_next_wish(supervisor, tier, now_ns);
        }
    }
    job_dispose(job);
    return true;
}

void supervisor_job_overdue(struct supervisor *supervisor, struct job *job, uint64_t now_ns)
{
    /* the job keeps what it carries; we go on with a copy that says "no answer" */
    struct job verdict = {
        .supervisor = supervisor,
        .kind = job->kind,
        .tier = job->tier,
        .target = job->target,
        .pool_job = job->pool_job,
        .done = job->done,
        .done_ctx = job->done_ctx,
        .is_condemned = true,
        .is_left = job->is_left,
        .is_outdated = job->is_outdated,
        .started_ns = job->started_ns,
        .answer = {.status = GLEANER_E_TIMEOUT, .error = {.error_class = MONGO_TIMEOUT}},
    };
    snprintf(verdict.answer.error.message, sizeof(verdict.answer.error.message),
             "no answer within %u ms", supervisor->config.connect_ms);
    if (!job->is_outdated) { /* it hangs in a server that is not in use any more */
        (void)witness_explain(supervisor, &verdict, now_ns);
    }
    bool uses_probe = job_uses_probe(job->kind);
    if (uses_probe) {
        bring_probe_home(supervisor, &verdict); /* nothing: the next probe opens its own */
    }
    settle(supervisor, &verdict, now_ns);
    if (uses_probe) {
        ask_next_wish(supervisor, &supervisor->tiers[job->tier], now_ns);
    }
}

/* ---- requests
 * ----------------------------------------------------------------------------------------- */

static bool was_requested(_Atomic bool *flag)
{
    return atomic_load_explicit(flag, memory_order_relaxed) &&
           atomic_exchange_explicit(flag, false, memory_order_acq_rel);
}

static void drain(struct supervisor *supervisor)
{
    if (supervisor->is_closed) {
        return;
    }
    supervisor->is_closed = true;
    enum connection_tier tier = connection_current(supervisor->connection)->tier;
    supervisor_move(supervisor, CONNECTION_EV_DRAIN, tier, "draining");
    pool_close(supervisor->pool);
    atomic_store_explicit(&supervisor->is_drained, true, memory_order_release);
    sync_unpark(&supervisor->owner_parker);
}

static bool take_requests(struct supervisor *supervisor, uint64_t now_ns)
{
    bool worked = false;
    if (was_requested(&supervisor->drain_requested)) {
        drain(supervisor);
        worked = true;
    }
    if (supervisor->is_closed) {
        return worked;
    }
    if (was_requested(&supervisor->refresh_requested)) {
        supervisor_force_refresh(supervisor, "requested");
        worked = true;
    }
    if (was_requested(&supervisor->check_requested)) {
        suspect_asked_for(supervisor, now_ns);
        worked = true;
    }
    return worked;
}

bool supervisor_step(struct supervisor *supervisor)
{
    uint64_t now_ns = supervisor_now(supervisor);
    bool worked = configure_take_messages(supervisor, false);
    worked = take_requests(supervisor, now_ns) || worked;
    while (take_completion(supervisor, now_ns)) {
        worked = true;
    }
    if (!supervisor->is_closed) {
        worked = suspect_reports(supervisor, now_ns) || worked;
        worked = suspect_heartbeats(supervisor, now_ns) || worked;
        worked = run_due_tasks(supervisor, now_ns) || worked;
        worked = configure_follow(supervisor, now_ns) || worked;
        worked = fill_table(supervisor, now_ns) || worked;
        worked = refresh_check_done(supervisor, now_ns) || worked;
    }
    while (supervisor->config.is_manual && reaper_work(supervisor)) {
        worked = true;
    }
    atomic_store_explicit(&supervisor->reconnect_tokens, storm_tokens(&supervisor->storm, now_ns),
                          memory_order_relaxed);
    return worked;
}

void supervisor_main(void *arg)
{
    struct supervisor *supervisor = arg;
    atomic_store_explicit(&supervisor->thread_id, sync_thread_id(), memory_order_relaxed);
    while (!atomic_load_explicit(&supervisor->stop_requested, memory_order_acquire)) {
        if (!supervisor_step(supervisor)) {
            uint64_t due_ns =
                supervisor->is_closed ? BASE_NO_DEADLINE : supervisor_next_due_ns(supervisor);
            (void)sync_park_until(&supervisor->parker, supervisor->clock, due_ns);
        }
    }
    supervisor_unref(supervisor);
}
