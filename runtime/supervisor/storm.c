/* SPDX-License-Identifier: Apache-2.0 */
#include "storm.h"
#include <string.h>

void storm_init(struct storm *storm, uint32_t limit, uint64_t window_ns, uint64_t base_ns,
                uint64_t cap_ns, uint64_t seed)
{
    memset(storm, 0, sizeof(*storm));
    storm->limit = limit < 1 ? 1 : limit > STORM_LIMIT_MAX ? STORM_LIMIT_MAX : limit;
    storm->window_ns = window_ns;
    storm->base_ns = base_ns;
    storm->cap_ns = cap_ns;
    base_random_init(&storm->random, seed);
}

void storm_configure(struct storm *storm, uint32_t limit, uint64_t window_ns, uint64_t base_ns,
                     uint64_t cap_ns)
{
    uint64_t taken[STORM_LIMIT_MAX];
    uint32_t keep = limit < storm->count ? limit : storm->count; /* the newest */
    for (uint32_t i = 0; i < keep; i++) {
        taken[i] = storm->taken_at_ns[(storm->head + storm->count - keep + i) % storm->limit];
    }
    memcpy(storm->taken_at_ns, taken, keep * sizeof(taken[0]));
    storm->head = 0;
    storm->count = keep;
    storm->limit = limit;
    storm->window_ns = window_ns;
    storm->base_ns = base_ns;
    storm->cap_ns = cap_ns;
}

static bool is_healthy_for_long(const struct storm *storm, uint64_t now_ns)
{
    return storm->healthy_since != 0 && now_ns - storm->healthy_since >= storm->cap_ns;
}

static uint64_t *token_at(struct storm *storm, uint32_t i)
{
    return &storm->taken_at_ns[(storm->head + i) % storm->limit];
}

static void give_back(struct storm *storm, uint64_t taken_ns)
{
    uint32_t at = 0;
    while (at < storm->count && *token_at(storm, at) != taken_ns) {
        at++;
    }
    if (at == storm->count) {
        return; /* it has left the window by itself */
    }
    for (storm->count--; at < storm->count; at++) {
        *token_at(storm, at) = *token_at(storm, at + 1);
    }
}

static void forget_old(struct storm *storm, uint64_t now_ns)
{
    if (storm->planned_ns != 0 && is_healthy_for_long(storm, now_ns)) {
        give_back(storm, storm->planned_ns);
        storm->planned_ns = 0;
    }
    while (storm->count > 0 && storm->taken_at_ns[storm->head] + storm->window_ns <= now_ns) {
        storm->head = (storm->head + 1) % storm->limit;
        storm->count--;
    }
}

static uint32_t allowed(const struct storm *storm, enum storm_cause cause)
{
    bool has_reserve = storm->limit > STORM_RESERVE;
    bool is_bound = cause == STORM_TIMER && has_reserve && !storm->is_first;
    return is_bound ? storm->limit - STORM_RESERVE : storm->limit;
}

bool storm_take(struct storm *storm, uint64_t now_ns, enum storm_cause cause)
{
    forget_old(storm, now_ns);
    if (storm->count >= allowed(storm, cause)) {
        return false;
    }
    storm->taken_at_ns[(storm->head + storm->count) % storm->limit] = now_ns;
    storm->count++;
    storm->is_first = false;
    return true;
}

uint32_t storm_tokens(struct storm *storm, uint64_t now_ns)
{
    forget_old(storm, now_ns);
    return storm->limit - storm->count;
}

uint64_t storm_jitter_ns(struct storm *storm, uint32_t attempt)
{
    uint64_t bound = storm->base_ns;
    for (uint32_t i = 0; i < attempt && bound < storm->cap_ns; i++) {
        bound *= 2;
    }
    if (bound > storm->cap_ns) {
        bound = storm->cap_ns;
    }
    return base_random_below(&storm->random, bound + 1);
}

uint64_t storm_next_ns(struct storm *storm, uint64_t now_ns)
{
    uint64_t due = now_ns;
    if (storm->attempt > 0) {
        due += storm_jitter_ns(storm, storm->attempt - 1);
    }
    forget_old(storm, now_ns);
    uint32_t most = allowed(storm, STORM_TIMER);
    BASE_ASSERT(most > 0 && most <= storm->limit);
    if (storm->count >= most) { /* the oldest of the last `most` has to leave the window first */
        uint32_t at = (storm->head + storm->count - most) % storm->limit;
        uint64_t free_ns = storm->taken_at_ns[at] + storm->window_ns;
        due = due > free_ns ? due : free_ns;
    }
    return due;
}

void storm_success(struct storm *storm, uint64_t now_ns)
{
    storm->healthy_since = now_ns;
    storm->planned_ns = 0;
}

void storm_success_was_planned(struct storm *storm, uint64_t taken_ns)
{
    storm->planned_ns = taken_ns;
}

void storm_failure(struct storm *storm, uint64_t now_ns)
{
    /* only a success that lasted counts: a server that comes and goes each second keeps its
     * back-off */
    forget_old(storm, now_ns);
    if (is_healthy_for_long(storm, now_ns)) {
        storm->attempt = 0;
        storm->is_first = true;
    } else if (storm->attempt < 31) {
        storm->attempt++;
    }
    storm->healthy_since = 0;
    storm->planned_ns = 0;
}
