/* SPDX-License-Identifier: Apache-2.0 */
/* How many clients there are and may be: one word, so that maxPoolSize and maxConnecting cannot be
 * overrun by two connectors that look at the same time. Every loop here repeats only because
 * another thread's change of the census succeeded. */
#include "pool_internal.h"

static uint32_t limit(const _Atomic uint32_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

struct census pool_census(const struct pool *pool)
{
    return census_unpack(atomic_load_explicit(&pool->census, memory_order_seq_cst));
}

static bool replace(struct pool *pool, struct census from, struct census to)
{
    uint64_t expected = census_pack(from);
    return atomic_compare_exchange_strong_explicit(&pool->census, &expected, census_pack(to),
                                                   memory_order_seq_cst, memory_order_seq_cst);
}

/* Does a refresh want a stand-in for an old client that has none yet? The total is asked too: a
 * refresh that was aborted may have left busy surplus behind. */
static bool wants_standin(const struct pool *pool, uint64_t gate, struct census c)
{
    uint32_t extra = limit(&pool->refresh_extra);
    extra = extra > 0 ? extra : 1; /* a refresh without any stand-in would never end */
    uint32_t owed = (uint32_t)c.standins + c.debt;
    return (gate & GATE_REFRESHING) && owed < extra && c.total < limit(&pool->max_size) + extra &&
           pool_refresh_left(pool) > owed;
}

static enum pool_demand demand(const struct pool *pool, struct census c)
{
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
    if (!gate_is_open(gate) || c.pending >= limit(&pool->max_connecting)) {
        return POOL_WANT_NONE;
    }
    uint32_t base = census_base(c);
    if (base < limit(&pool->max_size) &&
        (base < limit(&pool->min_size) || pool_waiting(pool) > c.pending)) {
        return POOL_WANT_CLIENT;
    }
    return wants_standin(pool, gate, c) ? POOL_WANT_STANDIN : POOL_WANT_NONE;
}

bool pool_has_demand(struct pool *pool)
{
    return demand(pool, pool_census(pool)) != POOL_WANT_NONE;
}

enum pool_demand pool_census_enter(struct pool *pool)
{
    for (;;) {
        struct census c = pool_census(pool);
        enum pool_demand want = demand(pool, c);
        if (want == POOL_WANT_NONE) {
            return want;
        }
        struct census next = c;
        next.total++;
        next.pending++;
        next.standins = (uint16_t)(next.standins + (want == POOL_WANT_STANDIN));
        if (replace(pool, c, next)) {
            return want;
        }
    }
}

void pool_census_settle(struct pool *pool, bool is_ready, bool is_standin, bool owes)
{
    struct census c, next;
    do {
        c = next = pool_census(pool);
        BASE_ASSERT(c.pending > 0 && c.total >= !is_ready && c.standins >= is_standin);
        next.pending--;
        next.total = (uint16_t)(next.total - !is_ready);
        next.standins = (uint16_t)(next.standins - is_standin);
        next.debt = (uint16_t)(next.debt + (is_ready && is_standin && owes));
    } while (!replace(pool, c, next));
}

void pool_census_leave(struct pool *pool, bool is_old)
{
    struct census c, next;
    do {
        c = next = pool_census(pool);
        BASE_ASSERT(c.total > 0);
        next.total--;
        next.debt = (uint16_t)(next.debt - (is_old && c.debt > 0));
    } while (!replace(pool, c, next));
}

bool pool_census_leave_debt(struct pool *pool)
{
    struct census c, next;
    do {
        c = next = pool_census(pool);
        if (c.debt == 0) {
            return false;
        }
        next.total--;
        next.debt--;
    } while (!replace(pool, c, next));
    return true;
}

bool pool_census_leave_surplus(struct pool *pool)
{
    struct census c, next;
    do {
        c = next = pool_census(pool);
        if (census_base(c) <= limit(&pool->max_size)) {
            return false;
        }
        next.total--;
    } while (!replace(pool, c, next));
    return true;
}

void pool_census_forget_debt(struct pool *pool)
{
    struct census c, next;
    do {
        c = next = pool_census(pool);
        next.debt = 0;
    } while (!replace(pool, c, next));
}

bool pool_has_surplus(const struct pool *pool)
{
    return census_base(pool_census(pool)) > limit(&pool->max_size);
}
