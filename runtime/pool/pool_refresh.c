/* SPDX-License-Identifier: Apache-2.0 */
/* Rolling refresh: a new generation comes in beside the old one, a warmed client for each old one
 * that leaves. The gate says that one is running; the census holds what is owed. */
#include "pool_internal.h"

static bool replace_gate(struct pool *pool, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong_explicit(&pool->gate, &from, to, memory_order_seq_cst,
                                                   memory_order_seq_cst);
}

uint32_t pool_refresh_left(const struct pool *pool)
{
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
    uint32_t left = 0;
    for (uint32_t i = 0; i < pool->slot_count && (gate & GATE_REFRESHING); i++) {
        uint64_t word = atomic_load_explicit(&pool_slot_at(pool, i)->word, memory_order_seq_cst);
        enum slot_state state = slot_state_of(word);
        left += gate_outdates(gate, word) &&
                (state == SLOT_IDLE || state == SLOT_CLAIMED || state == SLOT_BUSY ||
                 state == SLOT_CONNECTING || slot_is_kept(word));
    }
    return left;
}

enum gleaner_status pool_refresh_begin(struct pool *pool, uint32_t *out)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    for (;;) { /* repeats only when another change of the gate succeeded */
        uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
        *out = gate_generation_of(gate);
        if (gate & (GATE_REFRESHING | GATE_CLOSED)) {
            return gate & GATE_CLOSED ? GLEANER_E_CLOSED : GLEANER_E_BUSY;
        }
        BASE_ASSERT(gate_generation_of(gate) < GENERATION_MAX);
        uint64_t next = gate_word(gate_generation_of(gate) + 1, gate_floor_of(gate),
                                  (gate & GATE_FLAGS) | GATE_REFRESHING);
        if (replace_gate(pool, gate, next)) {
            *out = gate_generation_of(next);
            break;
        }
    }
    (void)pool_recall_all(pool); /* their returns pay debts from now on */
    pool_refresh_settle(pool);
    pool_want_connection(pool);
    return GLEANER_OK;
}

/* Nothing is surplus any more: check in may take its fast path again. */
void pool_trim_settle(struct pool *pool)
{
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
    if (!(gate & GATE_TRIM) || pool_has_surplus(pool) ||
        !replace_gate(pool, gate, gate & ~GATE_TRIM)) {
        return;
    }
    if (pool_has_surplus(pool)) { /* max_size was lowered in between */
        (void)atomic_fetch_or_explicit(&pool->gate, GATE_TRIM, memory_order_seq_cst);
        pool_tidy(pool);
    }
}

/* Is it complete? Then only the new generation serves from here on. */
void pool_refresh_settle(struct pool *pool)
{
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
    if (!(gate & GATE_REFRESHING) || pool_refresh_left(pool) != 0) {
        return;
    }
    uint32_t generation = gate_generation_of(gate);
    uint64_t flags = (gate & GATE_FLAGS & ~GATE_REFRESHING) | GATE_TRIM;
    /* A failed CAS means that somebody else moved the gate, and then looks for himself. */
    if (replace_gate(pool, gate, gate_word(generation, generation, flags))) {
        pool_census_forget_debt(pool);
        pool_tidy(pool);
        pool_trim_settle(pool);
    }
}

void pool_refresh_abort(struct pool *pool)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    for (;;) { /* repeats only when another change of the gate succeeded */
        uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
        if (!(gate & GATE_REFRESHING)) {
            return;
        }
        uint64_t flags = (gate & GATE_FLAGS & ~GATE_REFRESHING) | GATE_TRIM;
        if (replace_gate(pool, gate,
                         gate_word(gate_generation_of(gate), gate_floor_of(gate), flags))) {
            break;
        }
    }
    pool_census_forget_debt(pool);
    pool_tidy(pool);
    pool_trim_settle(pool);
}
