/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at the pool without touching it. */
#include "pool_internal.h"

static const char *const state_names[SLOT_STATE_COUNT] = {
    [SLOT_EMPTY] = "empty",       [SLOT_CONNECTING] = "connecting", [SLOT_CONDEMNED] = "condemned",
    [SLOT_IDLE] = "idle",         [SLOT_CLAIMED] = "claimed",       [SLOT_BUSY] = "busy",
    [SLOT_RETIRING] = "retiring", [SLOT_REAPING] = "reaping",
};

static void raise(uint64_t *oldest, uint64_t age_ns)
{
    if (age_ns > *oldest) {
        *oldest = age_ns;
    }
}

static void count_slot(const struct pool *pool, const struct pool_slot *slot, uint64_t now_ns,
                       struct pool_stats *out)
{
    struct pool_slot_now now = pool_slot_look(slot);
    uint64_t word = now.word, check_outs = now.check_outs;
    uint64_t age_ns = pool_state_age(pool, slot, word, now_ns);
    out->check_outs += check_outs;
    out->check_ins += check_outs;
    switch (slot_state_of(word)) {
    case SLOT_IDLE:
        out->available++;
        raise(&out->oldest_idle_ns, age_ns);
        break;
    case SLOT_CLAIMED: /* on its way to a waiter, mostly */
        out->in_use++;
        break;
    case SLOT_BUSY:
        out->in_use++;
        out->check_ins -= check_outs > 0; /* every loan but this one is over */
        raise(&out->oldest_in_use_ns, age_ns);
        break;
    case SLOT_CONNECTING:
        out->pending++;
        raise(&out->oldest_pending_ns, age_ns);
        break;
    case SLOT_CONDEMNED:
    case SLOT_RETIRING:
    case SLOT_REAPING:
        out->retiring++;
        break;
    default:
        break;
    }
}

/* Age of the first ticket in line that was not given up. */
static uint64_t oldest_wait(const struct pool *pool, uint64_t now_ns)
{
    uint64_t queue = atomic_load_explicit(&pool->queue, memory_order_acquire);
    for (uint32_t t = queue_head_of(queue); t != queue_tail_of(queue); t++) {
        const struct pool_cell *cell = &pool->cells[t & pool->cell_mask];
        uint32_t word = atomic_load_explicit(&cell->word, memory_order_acquire);
        if (word == cell_word(t, CELL_FREE, 0) || word == cell_word(t, CELL_PARKED, 0)) {
            uint64_t since_ns = atomic_load_explicit(&cell->since_ns, memory_order_relaxed);
            return now_ns > since_ns ? now_ns - since_ns : 0;
        }
    }
    return 0;
}

void pool_read_stats(const struct pool *pool, uint64_t now_ns, struct pool_stats *out)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_acquire);
    *out = (struct pool_stats){.generation = gate_generation_of(gate),
                               .is_ready = gate_is_open(gate),
                               .is_closed = (gate & GATE_CLOSED) != 0,
                               .is_refreshing = (gate & GATE_REFRESHING) != 0,
                               .waiting = pool_waiting(pool),
                               .oldest_wait_ns = oldest_wait(pool, now_ns),
                               .waits = base_counter_get(&pool->waits),
                               .timeouts = base_counter_get(&pool->timeouts),
                               .evictions = base_counter_get(&pool->evictions),
                               .connects = base_counter_get(&pool->connects),
                               .connect_failures = base_counter_get(&pool->connect_failures),
                               .closed = base_counter_get(&pool->closed),
                               .stale_returns = base_counter_get(&pool->stale_returns)};
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        count_slot(pool, pool_slot_at(pool, i), now_ns, out);
    }
    out->total = out->available + out->in_use + out->pending;
}

static struct pool_slot_view view_of(const struct pool *pool, uint32_t index, uint64_t word,
                                     uint64_t now_ns)
{
    const struct pool_slot *slot = pool_slot_at(pool, index);
    uint64_t connected_ns = atomic_load_explicit(&slot->connected_ns, memory_order_relaxed);
    return (struct pool_slot_view){
        .slot = index,
        .state = state_names[slot_state_of(word)],
        .generation = slot_generation_of(word),
        .connection_id = atomic_load_explicit(&slot->connection_id, memory_order_relaxed),
        .owner_thread = atomic_load_explicit(&slot->owner, memory_order_relaxed),
        .owner_note = atomic_load_explicit(&slot->note, memory_order_relaxed),
        .state_age_ns = pool_state_age(pool, slot, word, now_ns),
        .client_age_ns = connected_ns != 0 && now_ns > connected_ns ? now_ns - connected_ns : 0,
        .uses = atomic_load_explicit(&slot->check_outs, memory_order_relaxed) -
                atomic_load_explicit(&slot->uses_before, memory_order_relaxed)};
}

size_t pool_view_slots(const struct pool *pool, uint64_t now_ns, struct pool_slot_view *out,
                       size_t max)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    size_t count = 0;
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        uint64_t word = pool_slot_look(pool_slot_at(pool, i)).word; /* never KEPT or RECALLED */
        if (slot_state_of(word) == SLOT_EMPTY) {
            continue;
        }
        if (count < max) {
            out[count] = view_of(pool, i, word, now_ns);
        }
        count++;
    }
    return count;
}
