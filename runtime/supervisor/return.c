/* SPDX-License-Identifier: Apache-2.0 */
/* Noticing that a lost server is back. The driver's monitor looks every 10 s, the storm limit lets
 * a timer try less often still; so the server is poked beside both, and a poke that is answered
 * after one that was not is evidence that a token may be spent on. */
#include "supervisor_internal.h"
#include <stdio.h>

static bool is_missed(const struct supervisor *supervisor)
{
    enum connection_phase phase = supervisor_phase(supervisor);
    return phase == CONNECTION_RECONNECTING || phase == CONNECTION_EMBEDDED ||
           phase == CONNECTION_FALLBACK;
}

static void start_poke(struct supervisor *supervisor, struct tier *tier)
{
    struct job *job =
        job_create(supervisor, JOB_POKE, (enum connection_tier)(tier - supervisor->tiers));
    if (job == NULL) {
        return;
    }
    snprintf(job->address, sizeof(job->address), "%s", tier->address);
    tier->is_poked = crew_dispatch(supervisor, job);
    if (!tier->is_poked) {
        job_dispose(job);
    }
}

uint64_t return_poke(void *ctx, uint64_t now_ns)
{
    struct supervisor *supervisor = ctx;
    struct tier *primary = &supervisor->tiers[CONNECTION_PRIMARY];
    if (!is_missed(supervisor)) {
        primary->was_answering = false;
    } else if (!primary->is_poked && primary->job == NULL && primary->address[0] != '\0') {
        start_poke(supervisor, primary);
    }
    return now_ns + SUPERVISOR_POKE_MS * BASE_NS_PER_MS;
}

void return_poked(struct supervisor *supervisor, struct job *job, uint64_t now_ns)
{
    struct tier *tier = &supervisor->tiers[job->tier];
    bool answers = job->answer.status == GLEANER_OK;
    bool is_news = answers && !tier->was_answering;
    tier->is_poked = false;
    tier->was_answering = answers;
    if (!is_news || tier->job != NULL || !is_missed(supervisor)) {
        return;
    }
    /* a new driver pool looks at once, the old one's monitor when its time has come */
    client_discard(tier->probe_client);
    endpoint_unref(tier->probe_endpoint);
    tier->probe_client = NULL;
    tier->probe_endpoint = NULL;
    tier->good_checks = 0;
    (void)recover_try(supervisor, STORM_EVIDENCE, now_ns);
}
