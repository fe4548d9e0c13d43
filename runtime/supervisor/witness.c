/* SPDX-License-Identifier: Apache-2.0 */
/* Calling the witnesses when a server does not answer, and keeping their verdict for the state, the
 * log and the monitors. */
#include "supervisor_internal.h"
#include "verdict.h"
#include <stdio.h>

#define POKE_IS_FRESH_MS 5000
#define CENSUS_IS_FRESH_MS 120000

static bool is_within(uint64_t then_ns, uint64_t now_ns, uint64_t ms)
{
    return then_ns != 0 && now_ns - then_ns <= ms * BASE_NS_PER_MS;
}

static void hear_witnesses(const struct tier *tier, const struct job *job, uint64_t now_ns,
                           struct verdict_facts *out)
{
    bool is_counted = is_within(tier->counted_ns, now_ns, CENSUS_IS_FRESH_MS);
    bool is_poke = job->kind == JOB_POKE;
    bool is_fresh = is_within(tier->poked_ns, now_ns, POKE_IS_FRESH_MS);
    uint64_t since_ns = tier->missed_since_ns != 0 && tier->missed_since_ns < job->started_ns
                            ? tier->missed_since_ns
                            : job->started_ns;
    *out = (struct verdict_facts){
        .waited_ms = (now_ns - since_ns) / BASE_NS_PER_MS,
        .is_overdue = job->answer.status == GLEANER_E_TIMEOUT && job->answer.error.code == 0,
        .poke = is_fresh ? &tier->poked : NULL,
        .error = is_poke ? NULL : &job->answer.error,
        .server_current = is_counted ? tier->server.current : -1,
        .server_available = is_counted ? tier->server.available : -1,
    };
    witness_look(tier->poked.addresses, tier->poked.count, &out->sockets);
}

/* Once per verdict, not per second that it lasts. */
static void log_verdict(struct tier *tier, enum verdict found, const char *words,
                        const struct verdict_facts *facts, enum connection_tier id)
{
    if ((int)found == tier->verdict_said || found == VERDICT_UNKNOWN) {
        return;
    }
    const struct witness_sockets *seen = &facts->sockets;
    tier->verdict_said = (int)found;
    base_log_warn("supervisor",
                  "event=verdict tier=%s verdict=\"%s\" own_clock_ms=%llu kernel=\"%s syn_sent=%u "
                  "unacknowledged=%u silent=%u talking=%u dns=%u\" own_socket=\"%s\" "
                  "server_current=%lld server_available=%lld",
                  connection_tier_name(id), words, (unsigned long long)facts->waited_ms,
                  seen->is_known ? "seen" : "not told", seen->syn_sent, seen->unacknowledged,
                  seen->silent, seen->talking, seen->dns,
                  facts->poke != NULL ? poke_answer_name(facts->poke->answer) : "not asked",
                  (long long)facts->server_current, (long long)facts->server_available);
}

const char *witness_explain(struct supervisor *supervisor, const struct job *job, uint64_t now_ns)
{
    struct tier *tier = &supervisor->tiers[job->tier];
    struct verdict_facts facts;
    char words[sizeof(tier->verdict)];
    if (job->kind == JOB_PROBE && job->poke.answer != POKE_UNASKED) { /* it looked by itself */
        return_keep(supervisor, tier, job, now_ns);
    }
    hear_witnesses(tier, job, now_ns, &facts);
    enum verdict found = verdict_find(&facts, words, sizeof(words));
    tier->verdict_found = (int)found;
    log_verdict(tier, found, words, &facts, job->tier);
    snprintf(tier->verdict, sizeof(tier->verdict), "%s", words);
    const char *message = job->answer.error.message;
    bool has_both = words[0] != '\0' && message[0] != '\0';
    snprintf(tier->error, sizeof(tier->error), "%s: %s%s%.120s%s", connection_tier_name(job->tier),
             words, has_both ? " (" : "", message, has_both ? ")" : "");
    return tier->error;
}

void witness_forget(struct tier *tier)
{
    tier->verdict[0] = '\0';
    tier->verdict_said = VERDICT_UNKNOWN;
    tier->verdict_found = VERDICT_UNKNOWN;
}

void witness_count(struct tier *tier, const struct job *job, uint64_t now_ns)
{
    if (job->call == SUPERVISOR_SERVER_CONNECTIONS && job->answer.status == GLEANER_OK) {
        tier->server = job->answer.connections;
        tier->counted_ns = now_ns;
    }
}

const char *supervisor_verdict(const struct supervisor *supervisor)
{
    const struct tier *primary = &supervisor->tiers[CONNECTION_PRIMARY];
    const struct tier *fallback = &supervisor->tiers[CONNECTION_SECONDARY];
    return primary->verdict[0] != '\0' ? primary->verdict : fallback->verdict;
}
