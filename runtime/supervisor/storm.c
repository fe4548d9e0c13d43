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

static void forget_old(struct storm *storm, uint64_t now_ns)
{
    while (storm->count > 0 && storm->taken_at_ns[storm->head] + storm->window_ns <= now_ns) {
        storm->head = (storm->head + 1) % storm->limit;
        storm->count--;
    }
}

static uint32_t allowed(const struct storm *storm, enum storm_cause cause)
{
    bool has_reserve = storm->limit > STORM_RESERVE;
    return cause == STORM_TIMER && has_reserve ? storm->limit - STORM_RESERVE : storm->limit;
}

bool storm_take(struct storm *storm, uint64_t now_ns, enum storm_cause cause)
{
    forget_old(storm, now_ns);
    if (storm->count >= allowed(storm, cause)) {
        return false;
    }
    storm->taken_at_ns[(storm->head + storm->count) % storm->limit] = now_ns;
    storm->count++;
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
}

void storm_failure(struct storm *storm, uint64_t now_ns)
{
    /* only a success that lasted counts: a server that comes and goes each second keeps its
     * back-off */
    if (storm->healthy_since != 0 && now_ns - storm->healthy_since >= storm->cap_ns) {
        storm->attempt = 0;
    } else if (storm->attempt < 31) {
        storm->attempt++;
    }
    storm->healthy_since = 0;
}
