/* SPDX-License-Identifier: Apache-2.0 */
/* From "the server may be gone" to "here is one": attempts under the storm limit, tiers in order,
 * the way back with hysteresis. */
#include "supervisor_internal.h"
#include "verdict.h"
#include <stdio.h>

#define UNDECIDED_MS 1000 /* the fallback is under suspicion: the way back has to wait */
#define ROUNDS_BEFORE_TIERS                                                                        \
    2 /* of an outage; a change of tier needs more than one failed probe                           \
       */

static bool has_nothing_now(enum connection_phase phase)
{
    return phase == CONNECTION_STARTING || phase == CONNECTION_RECONNECTING ||
           phase == CONNECTION_EMBEDDED;
}

/* ---- attempts
 * ------------------------------------------------------------------------------------------- */

bool recover_try(struct supervisor *supervisor, enum storm_cause cause, uint64_t now_ns)
{
    struct tier *primary = &supervisor->tiers[CONNECTION_PRIMARY];
    struct tier *fallback = &supervisor->tiers[CONNECTION_SECONDARY];
    enum connection_phase phase = supervisor_phase(supervisor);
    if (ask_is_out(primary) || (phase != CONNECTION_FALLBACK && ask_is_out(fallback))) {
        return true; /* joins the one that runs */
    }
    if (!storm_take(&supervisor->storm, now_ns, cause)) {
        atomic_fetch_add_explicit(&supervisor->reconnects_denied, 1, memory_order_relaxed);
        uint64_t due_ns = storm_next_ns(&supervisor->storm, now_ns);
        supervisor_run_task_at(supervisor, supervisor->task_attempt, due_ns);
        return false;
    }
    atomic_fetch_add_explicit(&supervisor->reconnects, 1, memory_order_relaxed);
    primary->token_ns = now_ns;
    ask_server(supervisor, primary, phase == CONNECTION_FALLBACK ? JOB_PROBE : JOB_RECOVER, now_ns);
    return true;
}

static uint64_t return_interval_ns(const struct supervisor *supervisor)
{
    uint32_t checks = supervisor->config.return_checks;
    uint64_t span_ns = supervisor->config.return_span_ms * BASE_NS_PER_MS;
    return checks > 1 ? span_ns / (checks - 1) : span_ns;
}

/* The fallback serves, and whether it still does is being asked. */
static bool is_undecided(struct supervisor *supervisor)
{
    return supervisor_phase(supervisor) == CONNECTION_DEGRADED &&
           supervisor_tier_in_use(supervisor) == &supervisor->tiers[CONNECTION_SECONDARY];
}

/* The primary answered before: ask again; the check that would satisfy the hysteresis brings the
 * new generation with it. No token: the server is evidently there. */
static void look_again(struct supervisor *supervisor, struct tier *primary, uint64_t now_ns)
{
    bool is_last =
        primary->good_checks + 1 >= supervisor->config.return_checks &&
        now_ns - primary->good_since_ns >= supervisor->config.return_span_ms * BASE_NS_PER_MS;
    ask_server(supervisor, primary, is_last ? JOB_RECOVER : JOB_PROBE, now_ns);
}

uint64_t recover_attempt(void *ctx, uint64_t now_ns)
{
    struct supervisor *supervisor = ctx;
    struct tier *primary = &supervisor->tiers[CONNECTION_PRIMARY];
    enum connection_phase phase = supervisor_phase(supervisor);
    if (primary->uri == NULL) {
        if (phase == CONNECTION_STARTING) {
            supervisor_move(supervisor, CONNECTION_EV_TIERS_EXHAUSTED, CONNECTION_LOCAL,
                            "no server is configured");
        }
    } else if (has_nothing_now(phase) ||
               (phase == CONNECTION_FALLBACK && primary->good_checks == 0)) {
        if (!return_ask_first(supervisor, now_ns)) {
            (void)recover_try(supervisor, STORM_TIMER, now_ns);
        }
    } else if (phase == CONNECTION_FALLBACK) {
        look_again(supervisor, primary, now_ns);
    } else if (is_undecided(supervisor)) { /* nobody else would look for the way back again */
        return now_ns + UNDECIDED_MS * BASE_NS_PER_MS;
    }
    return BASE_NO_DEADLINE;
}

void recover_start(struct supervisor *supervisor, uint64_t now_ns)
{
    supervisor_run_task_at(supervisor, supervisor->task_attempt, now_ns);
}

static uint64_t plan_next_attempt(struct supervisor *supervisor, uint64_t now_ns)
{
    uint64_t due_ns = storm_next_ns(&supervisor->storm, now_ns);
    if (supervisor->tiers[CONNECTION_PRIMARY].was_refused &&
        supervisor_phase(supervisor) != CONNECTION_RECONNECTING) {
        /* the same password again gets the same answer: tokens are for what time can heal */
        uint64_t refused_ns = now_ns + 2 * supervisor->storm.cap_ns;
        due_ns = due_ns > refused_ns ? due_ns : refused_ns;
    }
    supervisor_run_task_at(supervisor, supervisor->task_attempt, due_ns);
    return due_ns;
}

/* ---- outcomes
 * --------------------------------------------------------------------------------------------- */

void recover_end_sharing(struct tier *tier)
{
    if (tier->probe_endpoint != NULL && !tier->probe_endpoint->is_probes) {
        return_drop_probe(tier);
    }
}

void recover_share_data(struct supervisor *supervisor)
{
    if (!supervisor->config.driver.isolates_errors) {
        return;
    }
    struct tier *tier = &supervisor->tiers[supervisor->data->tier];
    return_drop_probe(tier);
    tier->probe_endpoint = supervisor->data;
    endpoint_ref(supervisor->data);
    suspect_skip_beats(supervisor->data, true);
}

/* A new generation, with its first client connected and answering, goes into service. R5: the pool
 * is made ready and the state published only now. */
static void adopt(struct supervisor *supervisor, struct job *job, enum connection_event event,
                  uint64_t now_ns)
{
    endpoint_unref(supervisor->data);
    client_discard(supervisor->warm);
    supervisor->data = job->data;
    supervisor->warm = job->client;
    job->data = NULL;
    job->client = NULL;
    recover_share_data(supervisor);
    supervisor->failed_rounds = 0;
    supervisor->refresh_after_probe = false;
    fill_restart(supervisor);
    pool_ready(supervisor->pool);
    fill_put_warm(supervisor);
    storm_success(&supervisor->storm, now_ns);
    supervisor_move(supervisor, event, job->tier, "a fresh client answered");
    refresh_restart_timer(supervisor, now_ns);
    supervisor->tiers[CONNECTION_PRIMARY].good_checks = 0;
    if (job->tier == CONNECTION_SECONDARY) { /* the way back is looked for from now on */
        uint64_t delay_ns = storm_jitter_ns(&supervisor->storm, supervisor->storm.attempt);
        supervisor_run_task_at(supervisor, supervisor->task_attempt, now_ns + delay_ns);
    }
}

/* Drop the generation in use. */
static void lose(struct supervisor *supervisor)
{
    refresh_cancel(supervisor);
    for (int id = CONNECTION_PRIMARY; id <= CONNECTION_SECONDARY; id++) {
        recover_end_sharing(&supervisor->tiers[id]);
    }
    supervisor->generation = pool_clear(supervisor->pool, false);
    fill_abandon(supervisor);
    client_discard(supervisor->warm);
    endpoint_unref(supervisor->data);
    supervisor->warm = NULL;
    supervisor->data = NULL;
}

static void round_failed(struct supervisor *supervisor, const char *why, uint64_t now_ns)
{
    storm_failure(&supervisor->storm, now_ns);
    enum connection_phase phase = supervisor_phase(supervisor);
    if (phase == CONNECTION_STARTING ||
        (phase == CONNECTION_RECONNECTING && supervisor->failed_rounds >= ROUNDS_BEFORE_TIERS)) {
        supervisor_move(supervisor, CONNECTION_EV_TIERS_EXHAUSTED, CONNECTION_LOCAL, why);
    }
    supervisor_note_next_attempt(supervisor, plan_next_attempt(supervisor, now_ns), why);
}

static void attempt_failed(struct supervisor *supervisor, enum connection_tier tier,
                           const char *why, uint64_t now_ns)
{
    struct tier *fallback = &supervisor->tiers[CONNECTION_SECONDARY];
    if (tier == CONNECTION_PRIMARY) {
        supervisor->failed_rounds++;
        bool is_time = supervisor_phase(supervisor) != CONNECTION_RECONNECTING ||
                       supervisor->failed_rounds >= ROUNDS_BEFORE_TIERS;
        if (fallback->uri != NULL && is_time) {
            ask_server(supervisor, fallback, JOB_RECOVER, now_ns);
            return;
        }
    }
    round_failed(supervisor, why, now_ns);
}

void recover_missed(struct supervisor *supervisor, const char *why, uint64_t now_ns)
{
    if (supervisor_phase(supervisor) == CONNECTION_FALLBACK) {
        supervisor->tiers[CONNECTION_PRIMARY].good_checks = 0;
        storm_failure(&supervisor->storm, now_ns);
        supervisor_note_next_attempt(supervisor, plan_next_attempt(supervisor, now_ns), NULL);
        return;
    }
    attempt_failed(supervisor, CONNECTION_PRIMARY, why, now_ns);
}

static void attempt_done(struct supervisor *supervisor, struct job *job, const char *why,
                         uint64_t now_ns)
{
    struct tier *tier = &supervisor->tiers[job->tier];
    if (job->answer.status != GLEANER_OK) {
        attempt_failed(supervisor, job->tier, why, now_ns);
    } else if (job->data == NULL) { /* a plain probe that came late: good news all the same */
        ask_server(supervisor, tier, JOB_RECOVER, now_ns);
    } else {
        adopt(supervisor, job,
              job->tier == CONNECTION_PRIMARY ? CONNECTION_EV_PRIMARY_UP
                                              : CONNECTION_EV_FALLBACK_UP,
              now_ns);
    }
}

void recover_lost(struct supervisor *supervisor, enum connection_tier tier, const char *why,
                  uint64_t now_ns)
{
    lose(supervisor);
    storm_failure(&supervisor->storm, now_ns);
    supervisor->failed_rounds = tier == CONNECTION_PRIMARY ? 1 : 0;
    supervisor_move(supervisor, CONNECTION_EV_PROBE_FAILED, CONNECTION_NONE, why);
    supervisor_note_next_attempt(supervisor, plan_next_attempt(supervisor, now_ns), NULL);
}

/* Nobody gets in any more, and that says nothing against whoever is in: the server refuses (a
 * changed password), is full (it accepts and hangs up), or it is the name server that does not
 * answer. Nothing that works is given up for it (F4). With nobody in, it is an outage; and one who
 * hangs up may be a proxy of a dead server, and a server may die while its name cannot be looked
 * up: so not if old connections broke, too. NULL: it is the server. */
static const char *why_survived(struct supervisor *supervisor, const struct job *job,
                                uint64_t now_ns)
{
    struct pool_stats stats;
    int verdict = supervisor->tiers[job->tier].verdict_found;
    pool_read_stats(supervisor->pool, now_ns, &stats);
    if (stats.available + stats.in_use == 0) {
        return NULL;
    }
    if (job->answer.status == GLEANER_E_AUTH) {
        return "it answers, but refuses new connections";
    }
    if (supervisor->refresh_after_probe) {
        return NULL;
    }
    if (job->poke.answer == POKE_HUNG_UP) {
        return "it answers, but refuses new connections";
    }
    return verdict == VERDICT_DNS_SILENT || verdict == VERDICT_NO_NAME
               ? "its name cannot be looked up, its connections are in order"
               : NULL;
}

/* The tier in use was asked: only that client, or the server? */
static void check_done(struct supervisor *supervisor, struct job *job, const char *why,
                       uint64_t now_ns)
{
    if (job->answer.status == GLEANER_OK) {
        supervisor_move(supervisor,
                        job->tier == CONNECTION_PRIMARY ? CONNECTION_EV_PROBE_PASSED
                                                        : CONNECTION_EV_FALLBACK_UP,
                        job->tier, "a fresh connection answered");
        if (supervisor->refresh_after_probe) {
            supervisor->refresh_after_probe = false;
            supervisor->is_refresh_urgent = true;
            supervisor_force_refresh(supervisor, "several connections were lost");
        }
        return;
    }
    const char *survived = why_survived(supervisor, job, now_ns);
    if (survived != NULL) {
        return_drop_probe(&supervisor->tiers[job->tier]); /* its monitor is let in no more either */
        base_log_warn("supervisor",
                      "event=no_new_connections why=\"%s\" todo=\"the open connections serve "
                      "on\"",
                      why);
        supervisor_move(supervisor,
                        job->tier == CONNECTION_PRIMARY ? CONNECTION_EV_PROBE_PASSED
                                                        : CONNECTION_EV_FALLBACK_UP,
                        job->tier, survived);
        return;
    }
    recover_lost(supervisor, job->tier, why, now_ns);
}

/* On the fallback, the primary was asked. */
static void return_checked(struct supervisor *supervisor, struct job *job, uint64_t now_ns)
{
    struct tier *primary = &supervisor->tiers[CONNECTION_PRIMARY];
    if (job->answer.status != GLEANER_OK) {
        primary->good_checks = 0;
        storm_failure(&supervisor->storm, now_ns);
        supervisor_note_next_attempt(supervisor, plan_next_attempt(supervisor, now_ns), NULL);
        return;
    }
    if (primary->good_checks++ == 0) {
        primary->good_since_ns = now_ns;
    }
    bool lasted =
        now_ns - primary->good_since_ns >= supervisor->config.return_span_ms * BASE_NS_PER_MS;
    if (job->data != NULL && lasted && primary->good_checks >= supervisor->config.return_checks) {
        lose(supervisor);
        adopt(supervisor, job, CONNECTION_EV_RETURN_READY, now_ns);
        storm_success_was_planned(&supervisor->storm, primary->token_ns);
        return;
    }
    supervisor_run_task_at(supervisor, supervisor->task_attempt,
                           now_ns + return_interval_ns(supervisor));
}

void recover_probed(struct supervisor *supervisor, struct job *job, uint64_t now_ns)
{
    struct tier *tier = &supervisor->tiers[job->tier];
    bool passed = job->answer.status == GLEANER_OK;
    if (supervisor->is_closed) {
        return;
    }
    if (passed) {
        tier->probe_started_ns = job->started_ns;
        tier->was_refused = false;
        witness_forget(tier);
    } else {
        enum mongo_error_class class = job->answer.error.error_class;
        tier->was_refused = class == MONGO_AUTH || class == MONGO_CONFIG;
        (void)witness_explain(supervisor, job, now_ns);
    }
    enum connection_phase phase = supervisor_phase(supervisor);
    bool is_in_use = supervisor_tier_in_use(supervisor) == tier;
    if (has_nothing_now(phase)) {
        attempt_done(supervisor, job, tier->error, now_ns);
    } else if (phase == CONNECTION_DEGRADED && is_in_use) {
        check_done(supervisor, job, tier->error, now_ns);
    } else if (phase == CONNECTION_FALLBACK && job->tier == CONNECTION_PRIMARY) {
        return_checked(supervisor, job, now_ns);
    } else if (is_undecided(supervisor)) { /* the primary was asked: again, when that is over */
        supervisor_run_task_at(supervisor, supervisor->task_attempt,
                               now_ns + UNDECIDED_MS * BASE_NS_PER_MS);
    } else if (is_in_use && !passed) { /* a check that somebody asked for: the server is gone */
        supervisor_move(supervisor, CONNECTION_EV_FAILURE, job->tier, tier->error);
        check_done(supervisor, job, tier->error, now_ns);
    }
}
