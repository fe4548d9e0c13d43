/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_STORM_H
#define SUPERVISOR_STORM_H

#include "base.h"

/* The storm limit: at most `limit` reconnect attempts in any `window_ns`, whatever asked for them,
 * and full-jitter back-off between attempts. A sliding window, not a refilling bucket: that one
 * lets twice its size through in one window. The last tokens are kept for attempts with evidence
 * (the driver's own heartbeat succeeded), so that a long outage ends when the server is back, not
 * when the window has moved on. A healthy period (at least one cap long) makes the next attempt
 * immediate: one of these last tokens is for it, if no other is left; and the token of a planned
 * way back that led to it is given back, for it was no storm. [supervisor] only. */

#define STORM_LIMIT_MAX 128
#define STORM_RESERVE 2

enum storm_cause { STORM_TIMER, STORM_EVIDENCE };

struct storm {
    uint32_t limit;
    uint64_t window_ns;
    uint64_t base_ns;
    uint64_t cap_ns;
    uint64_t taken_at_ns[STORM_LIMIT_MAX]; /* ring of the last `limit` attempts */
    uint32_t head;
    uint32_t count;
    uint32_t attempt;       /* in a row without lasting success: the exponent */
    uint64_t healthy_since; /* 0 = not healthy */
    uint64_t planned_ns;    /* the token of the planned way to what is healthy now, 0 = none */
    bool is_first;          /* attempt after a healthy period: may use the last tokens */
    struct base_random random;
};

void storm_init(struct storm *storm, uint32_t limit, uint64_t window_ns, uint64_t base_ns,
                uint64_t cap_ns, uint64_t seed);
/** Other limits from now on; attempts already made count against the new one. */
void storm_configure(struct storm *storm, uint32_t limit, uint64_t window_ns, uint64_t base_ns,
                     uint64_t cap_ns);
/** Take a token; false when the window is full for this cause. */
bool storm_take(struct storm *storm, uint64_t now_ns, enum storm_cause cause);
uint32_t storm_tokens(struct storm *storm, uint64_t now_ns);
/** When a timer may try next: full jitter, not before the window allows. The first attempt after a
 *  healthy period (at least one cap long) is due now. */
uint64_t storm_next_ns(struct storm *storm, uint64_t now_ns);
void storm_success(struct storm *storm, uint64_t now_ns);
/** After storm_success(): the attempt of taken_ns led there by a plan that checks before it moves.
 */
void storm_success_was_planned(struct storm *storm, uint64_t taken_ns);
void storm_failure(struct storm *storm, uint64_t now_ns);
/** Uniform in [0, min(cap, base * 2^attempt)]. */
uint64_t storm_jitter_ns(struct storm *storm, uint32_t attempt);

#endif
