/* SPDX-License-Identifier: Apache-2.0 */
/* Noticing that a lost server is back, at the least cost. An attempt through the driver costs a
 * token of the storm limit and, with its monitors, five connections and more; a poke costs one; a
 * look at the kernel's table of listening sockets, where the server is on this host, costs none.
 * So timers' attempts begin with a poke, and one that TCP itself calls hopeless ends there. */
#include "supervisor_internal.h"
#include <stdio.h>

#define IDLE_MS 1500 /* between two looks whether anything is missed */
#define WATCH_MS 50  /* between two looks at the kernel's table */
#define LEAST_MS                                                                                   \
    1750             /* between two pokes; first success is to come within 2 s of the return, so   \
                      */
#define MOST_MS 2000 /* these two leave no room for a back-off that grows */
/* ... but where the kernel is watched (which may be wrong, behind a NAT): doubled each time */
#define UNSEEN_MS 5000
#define UNSEEN_MOST_MS 30000
#define FRESH_MS 2500   /* a poke's answer stands for so long */
#define DRIVER_MS 60000 /* then the driver is asked all the same: it knows ways that we do not */

static bool is_missed(const struct supervisor *supervisor)
{
    enum connection_phase phase = supervisor_phase(supervisor);
    return phase == CONNECTION_RECONNECTING || phase == CONNECTION_EMBEDDED ||
           phase == CONNECTION_FALLBACK;
}

static bool can_poke(const struct supervisor *supervisor)
{
    return supervisor->config.driver.poke != NULL &&
           supervisor->tiers[CONNECTION_PRIMARY].uri != NULL;
}

static bool start_poke(struct supervisor *supervisor, struct tier *tier)
{
    if (tier->is_poked) {
        return true;
    }
    struct job *job =
        job_create(supervisor, JOB_POKE, (enum connection_tier)(tier - supervisor->tiers));
    if (job == NULL) {
        return false;
    }
    tier->is_poked = true; /* in manual mode it is answered before dispatch returns */
    if (!crew_dispatch(supervisor, job)) {
        tier->is_poked = false;
        job_dispose(job);
    }
    return tier->is_poked;
}

void return_forget(struct tier *tier)
{
    tier->poked.answer = POKE_UNASKED; /* the addresses stay: the kernel is asked about them */
    tier->poked_ns = 0;
    tier->poke_due_ns = 0;
    tier->poke_late_ns = 0;
    tier->missed_since_ns = 0;
    tier->poke_wait_ms = UNSEEN_MS;
    tier->was_absent = false;
}

/* ---- the rhythm
 * --------------------------------------------------------------------------------------- */

static uint64_t after_ms(struct supervisor *supervisor, uint64_t now_ns, uint64_t least_ms,
                         uint64_t most_ms)
{
    uint64_t jitter_ns =
        base_random_below(&supervisor->storm.random, (most_ms - least_ms) * BASE_NS_PER_MS);
    return now_ns + least_ms * BASE_NS_PER_MS + jitter_ns;
}

/* Refused by this very host: the kernel will show who listens there again. */
static bool is_watched(const struct tier *tier)
{
    const struct target *target = tier->target;
    if (tier->poked.answer != POKE_REFUSED || target == NULL ||
        !atomic_load_explicit(&target->listens_here, memory_order_relaxed)) {
        return false;
    }
    const struct listener_ports ports = target_ports(tier);
    return listener_look(&ports) == LISTENER_ABSENT;
}

/* Once each time that it comes. */
static bool has_come(struct tier *tier, bool is_absent)
{
    bool was_absent = tier->was_absent;
    tier->was_absent = is_absent;
    return was_absent && !is_absent;
}

static bool is_time(struct tier *tier, uint64_t now_ns)
{
    bool is_absent = is_watched(tier);
    return has_come(tier, is_absent) ||
           now_ns >= (is_absent ? tier->poke_late_ns : tier->poke_due_ns);
}

uint64_t return_poke(void *ctx, uint64_t now_ns)
{
    struct supervisor *supervisor = ctx;
    struct tier *primary = &supervisor->tiers[CONNECTION_PRIMARY];
    if (!is_missed(supervisor)) {
        return_forget(primary);
        primary->driver_asked_ns = now_ns;
        return now_ns + IDLE_MS * BASE_NS_PER_MS;
    }
    if (primary->missed_since_ns == 0) {
        primary->missed_since_ns = now_ns;
    }
    if (can_poke(supervisor) && primary->job == NULL && !primary->is_poked &&
        is_time(primary, now_ns)) {
        (void)start_poke(supervisor, primary);
    }
    return now_ns + WATCH_MS * BASE_NS_PER_MS;
}

/* ---- attempts begin with a poke
 * --------------------------------------------------------------------------------- */

/* TCP itself says no; what the driver would do costs more and says less. */
static bool is_hopeless(const struct tier *tier, uint64_t now_ns)
{
    return poke_is_hopeless(tier->poked.answer) &&
           now_ns - tier->driver_asked_ns < DRIVER_MS * BASE_NS_PER_MS;
}

static bool is_fresh(const struct tier *tier, uint64_t now_ns)
{
    return tier->poked_ns != 0 &&
           (now_ns - tier->poked_ns < FRESH_MS * BASE_NS_PER_MS || is_watched(tier));
}

bool return_ask_first(struct supervisor *supervisor, uint64_t now_ns)
{
    struct tier *primary = &supervisor->tiers[CONNECTION_PRIMARY];
    if (!can_poke(supervisor) || !is_missed(supervisor) || primary->job != NULL) {
        return false;
    }
    if (is_fresh(primary, now_ns)) {
        if (!is_hopeless(primary, now_ns)) {
            primary->driver_asked_ns = now_ns;
            return false;
        }
        recover_missed(supervisor, primary->error, now_ns);
        return true;
    }
    primary->attempt_waits = true; /* before: in manual mode the answer is there at once */
    if (!start_poke(supervisor, primary)) {
        primary->attempt_waits = false;
    }
    return primary->attempt_waits;
}

/* ---- answers
 * ------------------------------------------------------------------------------------------- */

/* A new driver pool looks at once, the old one's monitor when its time has come; and while nobody
 * is there, no monitor has to connect every 10 s to find that out. */
void return_drop_probe(struct tier *tier)
{
    client_discard(tier->probe_client);
    endpoint_unref(tier->probe_endpoint);
    tier->probe_client = NULL;
    tier->probe_endpoint = NULL;
}

static void still_missed(struct supervisor *supervisor, struct tier *tier, const struct job *job,
                         uint64_t now_ns)
{
    const char *why = witness_explain(supervisor, job, now_ns);
    uint64_t next_ns = connection_current(supervisor->connection)->next_attempt_ns;
    if (supervisor_phase(supervisor) != CONNECTION_FALLBACK) {
        supervisor_note_next_attempt(supervisor, next_ns, why);
    }
    if (poke_is_hopeless(tier->poked.answer) && tier->job == NULL) {
        return_drop_probe(tier);
    }
}

void return_keep(struct supervisor *supervisor, struct tier *tier, const struct job *job,
                 uint64_t now_ns)
{
    if (job->answer.status == GLEANER_E_TIMEOUT) { /* it hangs: the addresses of before stay */
        tier->poked.answer = POKE_DNS_SILENT;
    } else if (job->poke.count > 0) {
        tier->poked = job->poke;
    } else {
        tier->poked.answer = job->poke.answer;
    }
    uint64_t wait_ms = tier->poke_wait_ms > 0 ? tier->poke_wait_ms : UNSEEN_MS;
    uint64_t began_ns = now_ns - (uint64_t)job->poke.waited_ms * BASE_NS_PER_MS;
    tier->poked_ns = now_ns;
    /* one that waited for a silent server is followed at once: there is always one that waits */
    tier->poke_due_ns = after_ms(supervisor, began_ns, LEAST_MS, MOST_MS);
    tier->poke_late_ns = after_ms(supervisor, now_ns, wait_ms / 2, wait_ms);
    tier->poke_wait_ms = 2 * wait_ms < UNSEEN_MOST_MS ? 2 * wait_ms : UNSEEN_MOST_MS;
}

void return_poked(struct supervisor *supervisor, struct job *job, uint64_t now_ns)
{
    struct tier *tier = &supervisor->tiers[job->tier];
    bool was_good = poke_is_good(tier->poked.answer);
    bool waits = tier->attempt_waits;
    tier->is_poked = false;
    tier->attempt_waits = false;
    bool is_ours = job->target == tier->target; /* else it was asked before the settings changed */
    if (is_ours) {
        return_keep(supervisor, tier, job, now_ns);
    }
    bool is_good = poke_is_good(tier->poked.answer);
    if (supervisor->is_closed) {
        return;
    }
    if (!is_ours || !is_missed(supervisor)) {
        if (waits) { /* the fallback may be suspected now: the attempt is put off, not dropped */
            supervisor_run_task_at(supervisor, supervisor->task_attempt, now_ns);
        }
        return;
    }
    if (!is_good) {
        still_missed(supervisor, tier, job, now_ns);
    }
    if (tier->job != NULL) {
        return;
    }
    if (is_good && !was_good) {
        return_drop_probe(tier);
        tier->good_checks = 0;
        tier->driver_asked_ns = now_ns;
        (void)recover_try(supervisor, STORM_EVIDENCE, now_ns);
    } else if (waits && is_hopeless(tier, now_ns)) {
        recover_missed(supervisor, tier->error, now_ns);
    } else if (waits) {
        tier->driver_asked_ns = now_ns;
        (void)recover_try(supervisor, STORM_TIMER, now_ns);
    }
}
