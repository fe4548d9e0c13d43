/* SPDX-License-Identifier: Apache-2.0 */
/* One question at a time to each server: a probe, or an attempt that brings a new generation. What
 * is wanted while one is out is remembered, the stronger wish alone. */
#include "supervisor_internal.h"

#define RETRY_DISPATCH_MS 100 /* all connectors are taken: look again */

static void wish(struct tier *tier, enum job_kind kind)
{
    if (!tier->wants_probe || kind == JOB_RECOVER) {
        tier->wanted_kind = kind;
    }
    tier->wants_probe = true;
}

bool ask_start(struct supervisor *supervisor, struct tier *tier, struct job *job)
{
    job->probe_endpoint = tier->probe_endpoint;
    job->probe_client = tier->probe_client;
    tier->job = job;
    tier->lent = tier->probe_endpoint;
    tier->probe_endpoint = NULL;
    tier->probe_client = NULL;
    if (crew_dispatch(supervisor, job)) {
        return true;
    }
    tier->lent = NULL;
    tier->probe_endpoint = job->probe_endpoint;
    tier->probe_client = job->probe_client;
    tier->job = NULL;
    job->probe_endpoint = NULL;
    job->probe_client = NULL;
    job_dispose(job);
    return false;
}

static bool start_probe(struct supervisor *supervisor, struct tier *tier, enum job_kind kind)
{
    struct job *job =
        job_create(supervisor, kind, (enum connection_tier)(tier - supervisor->tiers));
    if (job == NULL) {
        return false;
    }
    bool returns = supervisor_phase(supervisor) == CONNECTION_FALLBACK;
    job->generation = supervisor->generation + (returns ? 1 : 0);
    return ask_start(supervisor, tier, job);
}

bool ask_is_out(const struct tier *tier)
{
    return tier->job != NULL && tier->job->kind != JOB_CALL;
}

/* A monitor's command may hang until its deadline, and a probe is what tells why: it goes beside
 * the command, with the driver pool that this took along unless that is of a generation that was
 * dropped. The command keeps its client, which ends with it. */
static void leave_call(struct supervisor *supervisor, struct tier *tier)
{
    if (tier->job == NULL || tier->job->kind != JOB_CALL) {
        return;
    }
    struct endpoint *lent = tier->lent;
    bool is_current = lent != NULL && (lent->is_probes || lent == supervisor->data);
    if (tier->probe_endpoint == NULL && is_current) {
        tier->probe_endpoint = lent;
        endpoint_ref(lent);
    }
    tier->job->is_left = true;
    tier->job = NULL;
    tier->lent = NULL;
}

void ask_server(struct supervisor *supervisor, struct tier *tier, enum job_kind kind,
                uint64_t now_ns)
{
    if (tier->uri == NULL) {
        return;
    }
    if (ask_is_out(tier)) {
        wish(tier, kind);
        return;
    }
    leave_call(supervisor, tier);
    if (!start_probe(supervisor, tier, kind)) {
        wish(tier, kind);
        supervisor_run_task_at(supervisor, supervisor->task_suspect,
                               now_ns + RETRY_DISPATCH_MS * BASE_NS_PER_MS);
    }
}

void ask_next_wish(struct supervisor *supervisor, struct tier *tier, uint64_t now_ns)
{
    if (tier->wants_probe && tier->job == NULL && !supervisor->is_closed) {
        tier->wants_probe = false;
        ask_server(supervisor, tier, tier->wanted_kind, now_ns);
    }
}
