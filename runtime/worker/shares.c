/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hosts of a shared frontier are this process's own. The keeper prolongs their leases, takes
 * its fair share and hands on what is too much; the supply claims of them alone; the fetchers ask
 * before each request, so that a process that was stopped for longer than its lease asks nobody
 * when it wakes up.
 *
 * Cut off from the server, a process fences itself: by its own monotonic clock, counted from before
 * it asked for the lease, no request is begun in the lease's last third; and what was begun is not
 * sent again by the kernel in its last thirtieth (fetch_options.unacked_ms), so that a cable that
 * is mended later delivers nothing. The next owner asks one delay after the lease's end at the
 * earliest. This holds while the clocks of the replica set's members differ by less than that
 * thirtieth; the clocks of the crawling machines do not matter.
 *
 * Handing on: closed for claims first, given when none of its jobs is on lease any more, and closed
 * for requests before that is said.
 */
#include "worker_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    CALM_POLL_MS = 2000, /* two commands each */
    HASTY_POLL_MS = 250, /* while something is to be handed on or taken */
    /* The part of a lease that no request is begun in: what was begun before has reached its host
     * when the lease ends, or never will (worker_shares_unacked_ms()). */
    LAST_PART = 3,
    ARRIVAL_TENTHS = 9, /* of that part */
    MIXING_STEP = 53    /* no factor in common with STORE_SHARES */
};

struct worker_shares {
    /* writes: the keeper; reads: fetchers before each request, relaxed: false long before it is
     * handed on, which waits until nothing of it is in work */
    _Atomic bool is_mine[STORE_SHARES];
    /* writes: the keeper; reads: fetchers; relaxed, the value stands for itself */
    _Atomic uint64_t no_request_ns;
    /* longest delay in force that a result showed. writes: workers; reads: the keeper; relaxed */
    _Atomic uint64_t delay_ms;

    struct sync_mutex *lock;         /* protects the three below; under nothing */
    uint64_t clear_ns[STORE_SHARES]; /* not claimed before: the last owner's delay */
    bool is_owned[STORE_SHARES];     /* as the store said last */
    bool is_closed[STORE_SHARES];    /* of these: about to be handed on; written by the keeper */

    /* the keeper's own */
    uint32_t surplus, members;
    bool is_complete; /* it has its fair share */
};

enum gleaner_status worker_shares_create(uint64_t delay_ms, struct worker_shares **out)
{
    struct worker_shares *shares = calloc(1, sizeof(*shares));
    if (shares == NULL || sync_mutex_create(&shares->lock) != GLEANER_OK) {
        free(shares);
        return GLEANER_E_NOMEM;
    }
    atomic_init(&shares->delay_ms, delay_ms);
    *out = shares;
    return GLEANER_OK;
}

void worker_shares_destroy(struct worker_shares **shares)
{
    if (*shares != NULL) {
        sync_mutex_destroy(&(*shares)->lock);
        free(*shares);
        *shares = NULL;
    }
}

bool worker_shares_may_start(void *ctx, const char *name, size_t len)
{
    const struct worker_shares *shares = ctx;
    return atomic_load_explicit(&shares->is_mine[store_share_of(name, len)],
                                memory_order_relaxed) &&
           base_mono_ns() < atomic_load_explicit(&shares->no_request_ns, memory_order_relaxed);
}

uint32_t worker_shares_unacked_ms(uint32_t lease_ms)
{
    return lease_ms / LAST_PART / 10 * ARRIVAL_TENTHS;
}

void shares_note_delay(struct worker_shares *shares, uint64_t delay_ms)
{
    if (shares != NULL &&
        delay_ms > atomic_load_explicit(&shares->delay_ms, memory_order_relaxed)) {
        atomic_store_explicit(&shares->delay_ms, delay_ms, memory_order_relaxed);
    }
}

bool shares_choose(struct worker_shares *shares, bool *out)
{
    uint64_t now_ns = base_mono_ns();
    bool any = false;
    bool is_late = now_ns >= atomic_load_explicit(&shares->no_request_ns, memory_order_relaxed);
    sync_mutex_lock(shares->lock);
    for (uint32_t i = 0; i < STORE_SHARES; i++) {
        out[i] = !is_late && !shares->is_closed[i] && shares->clear_ns[i] <= now_ns &&
                 atomic_load_explicit(&shares->is_mine[i], memory_order_relaxed);
        any |= out[i];
    }
    sync_mutex_unlock(shares->lock);
    return any;
}

/* ---- the keeper's part ---- */

static void count_jobs(struct held_list *list, uint32_t *jobs)
{
    memset(jobs, 0, STORE_SHARES * sizeof(*jobs));
    sync_mutex_lock(list->lock);
    for (const struct held_job *held = list->head; held != NULL; held = held->next) {
        const char *name;
        size_t len;
        store_share_name(held->job.host, &name, &len);
        jobs[store_share_of(name, len)]++;
    }
    sync_mutex_unlock(list->lock);
}

/* Close so many as are too many: no claim and no request from here on; what is queued comes back
 * from the fetchers. Any of them, busy or not, in an order that mixes: the empty ones alone would
 * give the other process nothing to do. */
static void close_surplus(struct worker_shares *shares)
{
    uint32_t closed = 0;
    sync_mutex_lock(shares->lock);
    for (uint32_t i = 0; i < STORE_SHARES; i++) {
        closed += shares->is_closed[i];
    }
    for (uint32_t n = 0; n < STORE_SHARES && closed < shares->surplus; n++) {
        uint32_t i = (n * MIXING_STEP) % STORE_SHARES;
        if (shares->is_owned[i] && !shares->is_closed[i]) {
            shares->is_closed[i] = true;
            atomic_store_explicit(&shares->is_mine[i], false, memory_order_relaxed);
            closed++;
        }
    }
    sync_mutex_unlock(shares->lock);
}

/* What is closed and idle goes. A claim that was under way when it was closed may still bring a job
 * of it: that one meets worker_shares_may_start() and goes back. */
static uint32_t choose_gifts(struct worker_group *group, bool *give)
{
    struct worker_shares *shares = group->options.shares;
    uint32_t jobs[STORE_SHARES], count = 0;
    memset(give, 0, STORE_SHARES * sizeof(*give));
    close_surplus(shares);
    count_jobs(&group->held, jobs);
    for (uint32_t i = 0; i < STORE_SHARES; i++) {
        give[i] = shares->is_closed[i] && jobs[i] == 0;
        count += give[i];
    }
    return count;
}

static void apply(struct worker_group *group, const struct store_share_state *state,
                  uint64_t asked_ns)
{
    struct worker_shares *shares = group->options.shares;
    uint64_t now_ns = base_mono_ns();
    uint64_t lease_ns = queue_lease_ms(group->options.queue) * BASE_NS_PER_MS;
    bool has_more = false;
    sync_mutex_lock(shares->lock);
    for (uint32_t i = 0; i < STORE_SHARES; i++) {
        if (state->is_mine[i] && !shares->is_owned[i]) {
            shares->clear_ns[i] = now_ns + state->pause_ms[i] * BASE_NS_PER_MS;
            has_more = true;
        }
        shares->is_owned[i] = state->is_mine[i];
        shares->is_closed[i] &= state->is_mine[i];
        atomic_store_explicit(&shares->is_mine[i], state->is_mine[i] && !shares->is_closed[i],
                              memory_order_relaxed);
    }
    sync_mutex_unlock(shares->lock);
    atomic_store_explicit(&shares->no_request_ns, asked_ns + lease_ns - lease_ns / LAST_PART,
                          memory_order_relaxed);
    if (has_more) {
        hosts_forget_known(group->hosts); /* their last owner may have noted something */
        supply_at(group, now_ns);
    }
    if (shares->members != state->members) {
        base_log_info("worker", "event=shares members=%u mine=%u of=%u", state->members,
                      state->mine, STORE_SHARES);
    }
    shares->members = state->members;
    shares->surplus = state->surplus;
    shares->is_complete = state->members > 0 && state->mine >= STORE_SHARES / state->members;
}

uint64_t shares_keep(struct worker_group *group)
{
    struct worker_shares *shares = group->options.shares;
    struct store_share_state state;
    struct base_error error = {0};
    bool give[STORE_SHARES];
    uint32_t given = choose_gifts(group, give);
    const struct store_share_wish wish = {
        .owner = queue_owner(group->options.queue),
        .lease_ms = queue_lease_ms(group->options.queue),
        .delay_ms = atomic_load_explicit(&shares->delay_ms, memory_order_relaxed),
        .give = given > 0 ? give : NULL,
    };
    uint64_t asked_ns = base_mono_ns();
    if (store_shares_keep(queue_store(group->options.queue), &wish, &state, &error) == GLEANER_OK) {
        base_log_debug("worker", "event=shares_kept mine=%u given=%u surplus=%u members=%u",
                       state.mine, given, state.surplus, state.members);
        apply(group, &state, asked_ns);
    } else {
        base_log_warn("worker", "shares=not_prolonged error=\"%s\"", error.message);
    }
    bool is_calm = shares->is_complete && shares->surplus == 0;
    return base_mono_ns() + (is_calm ? CALM_POLL_MS : HASTY_POLL_MS) * BASE_NS_PER_MS;
}

void shares_leave(struct worker_group *group)
{
    struct worker_shares *shares = group->options.shares;
    struct store_share_state state;
    struct base_error error = {0};
    for (uint32_t i = 0; i < STORE_SHARES; i++) {
        atomic_store_explicit(&shares->is_mine[i], false, memory_order_relaxed);
    }
    const struct store_share_wish wish = {
        .owner = queue_owner(group->options.queue),
        .lease_ms = queue_lease_ms(group->options.queue),
        .delay_ms = atomic_load_explicit(&shares->delay_ms, memory_order_relaxed),
        .is_leaving = true,
    };
    if (store_shares_keep(queue_store(group->options.queue), &wish, &state, &error) != GLEANER_OK) {
        base_log_warn("worker", "shares=not_given error=\"%s\" then=\"their leases run out\"",
                      error.message);
    }
}
