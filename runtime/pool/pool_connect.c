/* SPDX-License-Identifier: Apache-2.0 */
/* The connectors' and the reaper's side: EMPTY -> CONNECTING -> (IDLE), RETIRING -> EMPTY. */
#include "pool_internal.h"

/* ---- connectors
 * ----------------------------------------------------------------------------------- */

/* Any EMPTY slot becomes ours, CLAIMED until it is described. NULL when the table is full of
 * clients that wait for the reaper. */
static struct pool_slot *take_empty(struct pool *pool, uint32_t generation, uint64_t *word)
{
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        struct pool_slot *slot = pool_slot_at(pool, i);
        uint64_t empty = atomic_load_explicit(&slot->word, memory_order_relaxed);
        *word = slot_word(slot_loan_of(empty) + 1, generation, SLOT_CLAIMED);
        /* acquire: what the reaper did to the slot is over */
        if (slot_state_of(empty) == SLOT_EMPTY &&
            atomic_compare_exchange_strong_explicit(&slot->word, &empty, *word,
                                                    memory_order_acquire, memory_order_relaxed)) {
            return slot;
        }
    }
    return NULL;
}

static void describe_new(struct pool *pool, struct pool_slot *slot, uint64_t id, bool is_standin)
{
    atomic_store_explicit(&slot->connection_id, id, memory_order_relaxed);
    atomic_store_explicit(&slot->since_ns, pool_now(pool), memory_order_relaxed);
    atomic_store_explicit(&slot->connected_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->expires_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->leave_on_return, POOL_REASON_NONE, memory_order_relaxed);
    atomic_store_explicit(&slot->note, NULL, memory_order_relaxed);
    atomic_store_explicit(&slot->owner, sync_thread_id(), memory_order_relaxed);
    atomic_store_explicit(&slot->uses_before,
                          atomic_load_explicit(&slot->check_outs, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&slot->is_standin, is_standin, memory_order_relaxed);
}

enum gleaner_status pool_connect_begin(struct pool *pool, struct pool_connect_job *out)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    enum pool_demand want = pool_census_enter(pool);
    if (want == POOL_WANT_NONE) {
        return GLEANER_E_BUSY;
    }
    uint32_t generation =
        gate_generation_of(atomic_load_explicit(&pool->gate, memory_order_seq_cst));
    uint64_t word;
    struct pool_slot *slot = take_empty(pool, generation, &word);
    if (slot == NULL) {
        pool_census_settle(pool, false, want == POOL_WANT_STANDIN, false);
        return GLEANER_E_BUSY;
    }
    uint64_t id = atomic_fetch_add_explicit(&pool->next_id, 1, memory_order_relaxed) + 1;
    describe_new(pool, slot, id, want == POOL_WANT_STANDIN);
    *out = (struct pool_connect_job){.slot = pool_slot_index(pool, slot),
                                     .generation = generation,
                                     .connection_id = id,
                                     .started_ns = pool_now(pool),
                                     .is_refresh = want == POOL_WANT_STANDIN,
                                     .loan = slot_loan_of(word)};
    pool_emit(pool, &(struct pool_event){.type = POOL_EV_CONNECTION_CREATED,
                                         .connection_id = id,
                                         .generation = generation});
    /* release: only from here on may it be condemned, by somebody who sees what it is */
    atomic_store_explicit(&slot->word, slot_word_as(word, SLOT_CONNECTING), memory_order_release);
    return GLEANER_OK;
}

static bool move_job(struct pool *pool, const struct pool_connect_job *job, enum slot_state from,
                     enum slot_state to)
{
    uint64_t word = slot_word(job->loan, job->generation, from);
    /* acq_rel: condemning and finishing exclude one another; the loser acts on what it finds. */
    return atomic_compare_exchange_strong_explicit(&pool_slot_at(pool, job->slot)->word, &word,
                                                   slot_word_as(word, to), memory_order_acq_rel,
                                                   memory_order_relaxed);
}

static uint64_t random_next(struct pool *pool) /* splitmix64 */
{
    uint64_t z = atomic_fetch_add_explicit(&pool->random, UINT64_C(0x9e3779b97f4a7c15),
                                           memory_order_relaxed);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Life limit less up to 2.5 %, so that clients that came together do not leave together. */
static uint64_t expiry_of(struct pool *pool, uint64_t now_ns)
{
    uint64_t life_ns =
        atomic_load_explicit(&pool->max_lifetime_ms, memory_order_relaxed) * BASE_NS_PER_MS;
    return life_ns == 0 ? 0 : now_ns + life_ns - random_next(pool) % (life_ns / 40 + 1);
}

/* The late client of a condemned job: nobody counts it any more, the reaper destroys it. */
static enum gleaner_status retire_condemned(struct pool *pool, const struct pool_connect_job *job)
{
    atomic_store_explicit(&pool_slot_at(pool, job->slot)->reason, POOL_REASON_ERROR,
                          memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->retiring, 1, memory_order_relaxed);
    bool was_condemned = move_job(pool, job, SLOT_CONDEMNED, SLOT_RETIRING);
    BASE_ASSERT(was_condemned); /* else this job was finished twice */
    pool_want_reaper(pool);
    return GLEANER_E_STALE;
}

enum gleaner_status pool_connect_done(struct pool *pool, const struct pool_connect_job *job,
                                      void *client)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    struct pool_slot *slot = pool_slot_at(pool, job->slot);
    uint64_t now_ns = pool_now(pool);
    slot->client = client; /* ours, CONNECTING or CONDEMNED (H4) */
    atomic_store_explicit(&slot->connected_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&slot->expires_ns, expiry_of(pool, now_ns), memory_order_relaxed);
    if (!move_job(pool, job, SLOT_CONNECTING, SLOT_CLAIMED)) {
        return retire_condemned(pool, job);
    }
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
    bool is_wanted = !(gate & GATE_CLOSED) && job->generation >= gate_floor_of(gate);
    if (is_wanted) {
        base_counter_add(&pool->connects, 1);
        pool_emit(pool, &(struct pool_event){.type = POOL_EV_CONNECTION_READY,
                                             .connection_id = job->connection_id,
                                             .generation = job->generation,
                                             .duration_ns = now_ns - job->started_ns});
    }
    pool_offer(pool, slot); /* retires it when it is not wanted */
    /* No longer pending only now: its waiter was served before somebody connects once more. */
    pool_census_settle(pool, true, job->is_refresh, (gate & GATE_REFRESHING) && is_wanted);
    if (job->is_refresh) {
        if (!(atomic_load_explicit(&pool->gate, memory_order_seq_cst) & GATE_REFRESHING)) {
            pool_census_forget_debt(pool); /* the refresh ended meanwhile: nothing is owed */
        }
        pool_tidy(pool);
    }
    if (pool_has_demand(pool)) {
        pool_want_connection(pool);
    }
    return is_wanted ? GLEANER_OK : GLEANER_E_STALE;
}

static void emit_connect_closed(struct pool *pool, const struct pool_connect_job *job,
                                enum pool_event_reason reason)
{
    base_counter_add(&pool->closed, 1);
    pool_emit(pool, &(struct pool_event){.type = POOL_EV_CONNECTION_CLOSED,
                                         .reason = reason,
                                         .connection_id = job->connection_id,
                                         .generation = job->generation});
}

void pool_connect_failed(struct pool *pool, const struct pool_connect_job *job, bool fail_waiter)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    if (!move_job(pool, job, SLOT_CONNECTING, SLOT_EMPTY)) {
        bool was_condemned = move_job(pool, job, SLOT_CONDEMNED, SLOT_EMPTY);
        BASE_ASSERT(was_condemned); /* else this job was finished twice */
        return;                     /* it failed already when it was condemned */
    }
    base_counter_add(&pool->connect_failures, 1);
    emit_connect_closed(pool, job, POOL_REASON_ERROR);
    if (fail_waiter) {
        pool_refuse_first(pool, GLEANER_E_DOWN);
    }
    pool_census_settle(pool, false, job->is_refresh, false);
    pool_refresh_settle(pool);
    if (pool_has_demand(pool)) {
        pool_want_connection(pool);
    }
}

enum gleaner_status pool_condemn(struct pool *pool, const struct pool_connect_job *job,
                                 enum pool_event_reason reason)
{
    if (!move_job(pool, job, SLOT_CONNECTING, SLOT_CONDEMNED)) {
        return GLEANER_E_STALE;
    }
    base_counter_add(&pool->connect_failures, 1);
    emit_connect_closed(pool, job, reason);
    pool_census_settle(pool, false, job->is_refresh, false);
    pool_refresh_settle(pool);
    if (pool_has_demand(pool)) {
        pool_want_connection(pool);
    }
    return GLEANER_OK;
}

enum gleaner_status pool_connect_condemn(struct pool *pool, const struct pool_connect_job *job)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    return pool_condemn(pool, job, POOL_REASON_ERROR);
}

/* ---- reaper
 * ----------------------------------------------------------------------------------------- */

enum gleaner_status pool_reap_begin(struct pool *pool, struct pool_reap_job *out)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    if (atomic_load_explicit(&pool->retiring, memory_order_relaxed) == 0) {
        return GLEANER_E_BUSY;
    }
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        struct pool_slot *slot = pool_slot_at(pool, i);
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
        /* acquire: pairs with the release that retired it; client and reason are complete */
        if (slot_state_of(word) != SLOT_RETIRING ||
            !atomic_compare_exchange_strong_explicit(&slot->word, &word,
                                                     slot_word_as(word, SLOT_REAPING),
                                                     memory_order_acquire, memory_order_relaxed)) {
            continue;
        }
        atomic_fetch_sub_explicit(&pool->retiring, 1, memory_order_relaxed);
        *out = (struct pool_reap_job){
            .slot = i,
            .generation = slot_generation_of(word),
            .connection_id = atomic_load_explicit(&slot->connection_id, memory_order_relaxed),
            .reason =
                (enum pool_event_reason)atomic_load_explicit(&slot->reason, memory_order_relaxed),
            .client = slot->client,
            .loan = slot_loan_of(word)};
        slot->client = NULL;
        return GLEANER_OK;
    }
    return GLEANER_E_BUSY;
}

void pool_reap_done(struct pool *pool, const struct pool_reap_job *job)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    BASE_ASSERT(job->slot < pool->slot_count);
    struct pool_slot *slot = pool_slot_at(pool, job->slot);
    uint64_t word = slot_word(job->loan, job->generation, SLOT_REAPING);
    /* release: the next connector finds an empty slot */
    bool was_ours =
        atomic_compare_exchange_strong_explicit(&slot->word, &word, slot_word_as(word, SLOT_EMPTY),
                                                memory_order_release, memory_order_relaxed);
    BASE_ASSERT(was_ours);       /* else a job was finished twice */
    if (pool_has_demand(pool)) { /* the table may have been full */
        pool_want_connection(pool);
    }
}
