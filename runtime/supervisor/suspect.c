/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence against the server in use: workers' reports, driver heartbeats, monitors. Whatever it
 * is, one fresh connection decides. */
#include "supervisor_internal.h"
#include <stdio.h>

static const char *main_kind(const struct connection_reports *reports)
{
    static const char *const names[] = {
        [CONNECTION_FAIL_NETWORK] = "network error",
        [CONNECTION_FAIL_TIMEOUT] = "timeout",
        [CONNECTION_FAIL_NOT_PRIMARY] = "not primary",
        [CONNECTION_FAIL_AUTH] = "authentication refused",
        [CONNECTION_FAIL_SELECTION] = "no server selected",
    };
    size_t best = CONNECTION_FAIL_NETWORK;
    for (size_t i = 1; i < BASE_ARRAY_LEN(names); i++) {
        best = reports->by_kind[i] > reports->by_kind[best] ? i : best;
    }
    return names[best];
}

static void degrade(struct supervisor *supervisor, uint64_t now_ns)
{
    struct tier *tier = supervisor_tier_in_use(supervisor);
    enum connection_tier id = (enum connection_tier)(tier - supervisor->tiers);
    /* probes that keep passing while clients keep failing come at growing distances */
    bool is_quiet = now_ns - supervisor->last_suspect_ns > 60 * BASE_NS_PER_S;
    uint64_t cap_ns = SUPERVISOR_HOLD_OFF_CAP_MS * BASE_NS_PER_MS;
    uint64_t doubled_ns = supervisor->suspect_hold_ns * 2;
    supervisor->suspect_hold_ns = is_quiet              ? SUPERVISOR_HOLD_OFF_MS * BASE_NS_PER_MS
                                  : doubled_ns > cap_ns ? cap_ns
                                                        : doubled_ns;
    supervisor->last_suspect_ns = now_ns;
    supervisor->suspect_not_before_ns = now_ns + supervisor->suspect_hold_ns;
    supervisor_move(supervisor, CONNECTION_EV_FAILURE, id, supervisor->suspect_reason);
    supervisor->suspect_reason[0] = '\0';
    ask_server(supervisor, tier, JOB_PROBE, now_ns);
}

void suspect(struct supervisor *supervisor, const char *reason, uint64_t now_ns)
{
    enum connection_phase phase = supervisor_phase(supervisor);
    if (phase != CONNECTION_CONNECTED && phase != CONNECTION_FALLBACK) {
        return; /* known, and being worked on */
    }
    snprintf(supervisor->suspect_reason, sizeof(supervisor->suspect_reason), "%s", reason);
    if (now_ns < supervisor->suspect_not_before_ns) {
        supervisor_run_task_at(supervisor, supervisor->task_suspect,
                               supervisor->suspect_not_before_ns);
        return;
    }
    degrade(supervisor, now_ns);
}

uint64_t suspect_due(void *ctx, uint64_t now_ns)
{
    struct supervisor *supervisor = ctx;
    for (int id = CONNECTION_PRIMARY; id <= CONNECTION_SECONDARY; id++) {
        ask_next_wish(supervisor, &supervisor->tiers[id], now_ns);
    }
    if (supervisor->suspect_reason[0] != '\0') {
        char reason[sizeof(supervisor->suspect_reason)];
        snprintf(reason, sizeof(reason), "%s", supervisor->suspect_reason);
        supervisor->suspect_reason[0] = '\0';
        suspect(supervisor, reason, now_ns);
    }
    return BASE_NO_DEADLINE;
}

static void weigh(struct supervisor *supervisor, const struct connection_reports *reports,
                  uint64_t now_ns)
{
    struct tier *tier = supervisor_tier_in_use(supervisor);
    if (reports->fresh == 0 || tier == NULL || reports->first_ns <= tier->probe_started_ns) {
        return; /* stale, or old news: a connection made later than that answered */
    }
    bool is_burst = reports->fresh > 1 || supervisor_phase(supervisor) == CONNECTION_DEGRADED;
    supervisor->refresh_after_probe = supervisor->refresh_after_probe || is_burst;
    char reason[160];
    snprintf(reason, sizeof(reason), "%s reported by %llu client(s), first slot %u",
             main_kind(reports), (unsigned long long)reports->fresh, reports->slot);
    suspect(supervisor, reason, now_ns);
}

bool suspect_reports(struct supervisor *supervisor, uint64_t now_ns)
{
    struct connection_reports reports;
    connection_take_reports(supervisor->connection, &reports);
    if (reports.fresh + reports.stale == 0) {
        return false;
    }
    weigh(supervisor, &reports, now_ns);
    bool is_held = supervisor->suspect_reason[0] != '\0';
    if (!is_held) { /* one that is held off stays marked: it is going to be looked into */
        connection_dismiss_mark(supervisor->connection);
    }
    return true;
}

/* ---- the driver's heartbeats, between our own checks --------------------------------------------
 */

struct beats {
    bool passed, failed; /* since the last look */
    bool was_failing;    /* before, or between */
};

static struct beats look_at(struct endpoint *endpoint)
{
    uint32_t ok = atomic_load_explicit(&endpoint->beats_ok, memory_order_relaxed);
    uint32_t failed = atomic_load_explicit(&endpoint->beats_failed, memory_order_relaxed);
    struct beats seen = {
        .passed = ok != endpoint->seen_ok,
        .failed = failed != endpoint->seen_failed,
    };
    seen.was_failing = endpoint->is_failing || seen.failed;
    endpoint->failed_in_row =
        seen.passed ? 0 : endpoint->failed_in_row + (failed - endpoint->seen_failed);
    endpoint->is_failing = seen.passed ? false : seen.was_failing;
    endpoint->seen_ok = ok;
    endpoint->seen_failed = failed;
    return seen;
}

void suspect_skip_beats(struct endpoint *endpoint, bool passed)
{
    (void)look_at(endpoint);
    endpoint->is_failing = !passed;
    endpoint->failed_in_row = 0;
}

/* A probe is under way and the driver's monitor cannot connect either, twice: no need to wait for
 * the driver's server selection to time out. The probe goes on, as the first attempt of the
 * recovery. */
static bool is_refused_meanwhile(const struct supervisor *supervisor, const struct tier *tier)
{
    return tier->lent != NULL && tier->lent->failed_in_row >= 2 &&
           supervisor_phase(supervisor) == CONNECTION_DEGRADED;
}

static bool look_at_beats(struct supervisor *supervisor, struct tier *tier, uint64_t now_ns)
{
    struct endpoint *endpoint = tier->lent != NULL ? tier->lent : tier->probe_endpoint;
    if (endpoint == NULL) {
        return false;
    }
    struct beats seen = look_at(endpoint);
    if (!seen.failed && !seen.passed) {
        return false;
    }
    enum connection_phase phase = supervisor_phase(supervisor);
    bool is_in_use = supervisor_tier_in_use(supervisor) == tier;
    if (is_in_use && is_refused_meanwhile(supervisor, tier)) {
        recover_lost(supervisor, endpoint->tier, "the server refuses connections", now_ns);
    } else if (is_in_use && seen.failed) {
        supervisor->refresh_after_probe = true; /* its monitor's connection broke: so did others */
        suspect(supervisor, "the driver's heartbeat failed", now_ns);
    } else if (seen.passed && seen.was_failing && tier->job == NULL &&
               (phase == CONNECTION_RECONNECTING || phase == CONNECTION_EMBEDDED ||
                (phase == CONNECTION_FALLBACK && !is_in_use))) {
        /* only the change counts: hello passes without the password being right */
        (void)recover_try(supervisor, STORM_EVIDENCE, now_ns);
    }
    return true;
}

bool suspect_heartbeats(struct supervisor *supervisor, uint64_t now_ns)
{
    bool worked = look_at_beats(supervisor, &supervisor->tiers[CONNECTION_PRIMARY], now_ns);
    return look_at_beats(supervisor, &supervisor->tiers[CONNECTION_SECONDARY], now_ns) || worked;
}

void suspect_asked_for(struct supervisor *supervisor, uint64_t now_ns)
{
    struct tier *tier = supervisor_tier_in_use(supervisor);
    if (tier != NULL) {
        ask_server(supervisor, tier, JOB_PROBE, now_ns);
    } else if (supervisor->tiers[CONNECTION_PRIMARY].uri != NULL) {
        (void)recover_try(supervisor, STORM_EVIDENCE, now_ns);
    }
}

void supervisor_suspect(struct supervisor *supervisor, const char *reason)
{
    suspect(supervisor, reason, supervisor_now(supervisor));
}

static enum gleaner_status start_call(struct supervisor *supervisor, enum supervisor_call call,
                                      struct supervisor_errand *errand, supervisor_answer_fn done,
                                      void *ctx)
{
    struct tier *tier = supervisor_tier_in_use(supervisor);
    if (tier == NULL) {
        return GLEANER_E_DOWN;
    }
    if (tier->job != NULL || !crew_has_room(supervisor)) {
        return GLEANER_E_BUSY;
    }
    struct job *job =
        job_create(supervisor, JOB_CALL, (enum connection_tier)(tier - supervisor->tiers));
    if (job == NULL) {
        return GLEANER_E_BUSY;
    }
    job->call = call;
    job->errand = errand;
    job->done = done;
    job->done_ctx = ctx;
    if (ask_start(supervisor, tier, job)) {
        return GLEANER_OK;
    }
    return errand != NULL ? GLEANER_E_LIMIT : GLEANER_E_BUSY; /* disposed of with the job */
}

enum gleaner_status supervisor_call(struct supervisor *supervisor, enum supervisor_call call,
                                    supervisor_answer_fn done, void *ctx)
{
    return start_call(supervisor, call, NULL, done, ctx);
}

enum gleaner_status supervisor_send(struct supervisor *supervisor, struct supervisor_errand *errand,
                                    supervisor_answer_fn done, void *ctx)
{
    return start_call(supervisor, SUPERVISOR_ERRAND, errand, done, ctx);
}
