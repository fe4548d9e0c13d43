/* SPDX-License-Identifier: Apache-2.0 */
/* The line of waiters: tickets in order, one cell each, a client or a refusal handed to the first.
 *
 * Lock-free. A waiter takes ticket `tail`, then looks at every slot; whoever frees a slot makes it
 * IDLE, then looks at the queue. Both are seq_cst, so one of them sees the other and matches them.
 * Who has something for the first waiter takes ticket `head` and swaps it into its cell: it need
 * not know whether the waiter spins, sleeps, or is not even asleep yet; only a cell that was
 * CANCELLED by its waiter makes it go on to the next. */
#include "pool_internal.h"

#define SPINS_BEFORE_PARKING 64

static struct pool_cell *cell_at(struct pool *pool, uint32_t ticket)
{
    return &pool->cells[ticket & pool->cell_mask];
}

static void wake_outside(struct pool *pool)
{
    atomic_fetch_add_explicit(&pool->cell_freed, 1, memory_order_seq_cst);
    sync_futex_wake(&pool->cell_freed, UINT32_MAX >> 1);
}

/* The cell of `ticket` is over: it belongs to the ticket one round later. */
static void free_cell(struct pool *pool, uint32_t ticket)
{
    atomic_store_explicit(&cell_at(pool, ticket)->word,
                          cell_word(ticket + pool->cell_mask + 1, CELL_FREE, 0),
                          memory_order_seq_cst);
    /* seq_cst, after freeing: pairs with `outside` + 1, then a look at the cell. */
    if (atomic_load_explicit(&pool->outside, memory_order_seq_cst) != 0) {
        wake_outside(pool);
    }
}

uint32_t pool_waiting(const struct pool *pool)
{
    uint64_t queue = atomic_load_explicit(&pool->queue, memory_order_seq_cst);
    uint32_t cancelled = atomic_load_explicit(&pool->cancelled, memory_order_seq_cst);
    uint32_t length = queue_tail_of(queue) - queue_head_of(queue);
    return length > cancelled ? length - cancelled : 0;
}

/* Take the first ticket, unless the line is empty or `limit` is reached. */
static bool pop_ticket(struct pool *pool, uint32_t limit, uint32_t *ticket)
{
    uint64_t queue = atomic_load_explicit(&pool->queue, memory_order_seq_cst);
    do { /* repeats only because another thread joined or served the line */
        if (queue_is_empty(queue) || queue_head_of(queue) == limit) {
            return false;
        }
        *ticket = queue_head_of(queue);
    } while (!atomic_compare_exchange_weak_explicit(&pool->queue, &queue,
                                                    queue_word(*ticket + 1, queue_tail_of(queue)),
                                                    memory_order_seq_cst, memory_order_seq_cst));
    return true;
}

static bool pop_first(struct pool *pool, uint32_t *ticket)
{
    uint64_t queue = atomic_load_explicit(&pool->queue, memory_order_relaxed);
    return pop_ticket(pool, queue_head_of(queue) - 1, ticket); /* a limit that is not reached */
}

/* Put the answer into the cell of a popped ticket. False when its waiter had gone away. */
static bool answer(struct pool *pool, uint32_t ticket, enum cell_state state, uint32_t payload)
{
    struct pool_cell *cell = cell_at(pool, ticket);
    pool_stress_point();
    /* acq_rel: the waiter sees the slot as we left it; we see its cancelling. */
    uint32_t before = atomic_exchange_explicit(&cell->word, cell_word(ticket, state, payload),
                                               memory_order_acq_rel);
    if (cell_state_of(before) == CELL_CANCELLED) {
        atomic_fetch_sub_explicit(&pool->cancelled, 1, memory_order_seq_cst);
        free_cell(pool, ticket);
        if (pool_has_demand(pool)) { /* the demand was understated until now */
            pool_want_connection(pool);
        }
        return false;
    }
    if (cell_state_of(before) == CELL_PARKED) {
        sync_futex_wake(&cell->word, 1);
    }
    return true;
}

bool pool_hand_over(struct pool *pool, struct pool_slot *slot)
{
    uint32_t ticket;
    while (pop_first(pool, &ticket)) {
        if (answer(pool, ticket, CELL_GRANTED, pool_slot_index(pool, slot))) {
            return true;
        }
    }
    return false;
}

void pool_match(struct pool *pool)
{
    /* Repeats while waiters and idle slots are both there; pool_hand_over moves the queue. */
    while (!queue_is_empty(atomic_load_explicit(&pool->queue, memory_order_seq_cst))) {
        struct pool_slot *slot = pool_claim_idle(pool);
        if (slot == NULL) {
            /* What is kept and out has to look at the queue when it comes back. */
            if (pool_recall_all(pool) == 0) {
                return;
            }
            continue;
        }
        if (!pool_hand_over(pool, slot)) {
            /* The last waiter went away: IDLE again, then look again (H9). */
            uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed); /* ours */
            atomic_store_explicit(&slot->word, slot_word_as(word, SLOT_IDLE), memory_order_seq_cst);
            uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
            if (!gate_is_plain(gate) || !gate_admits(gate, word)) {
                pool_tidy(pool);
            }
        }
    }
}

void pool_refuse_first(struct pool *pool, enum gleaner_status status)
{
    uint32_t ticket;
    while (pop_first(pool, &ticket) && !answer(pool, ticket, CELL_REFUSED, (uint32_t)status)) {
    }
}

void pool_refuse_waiters(struct pool *pool, enum gleaner_status status)
{
    /* Who comes later sees the gate by itself: bounded by those who are here now. */
    uint64_t queue = atomic_load_explicit(&pool->queue, memory_order_seq_cst);
    uint32_t limit = queue_tail_of(queue);
    uint32_t ticket;
    while ((int32_t)(limit -
                     queue_head_of(atomic_load_explicit(&pool->queue, memory_order_seq_cst))) > 0 &&
           pop_ticket(pool, limit, &ticket)) {
        (void)answer(pool, ticket, CELL_REFUSED, (uint32_t)status);
    }
    wake_outside(pool);
}

/* ---- the waiter's side
 * --------------------------------------------------------------------------- */

/* Take a ticket. False when the cell of the next one is not free yet: the line is full. */
static bool take_ticket(struct pool *pool, uint32_t *ticket)
{
    uint64_t queue = atomic_load_explicit(&pool->queue, memory_order_seq_cst);
    do { /* repeats only because another thread joined or served the line */
        *ticket = queue_tail_of(queue);
        uint32_t word = atomic_load_explicit(&cell_at(pool, *ticket)->word, memory_order_seq_cst);
        if (word != cell_word(*ticket, CELL_FREE, 0)) {
            uint64_t again = atomic_load_explicit(&pool->queue, memory_order_seq_cst);
            if (queue_tail_of(again) == *ticket) {
                return false;
            }
            queue = again; /* the ticket went to somebody else */
            continue;
        }
        if (atomic_compare_exchange_weak_explicit(&pool->queue, &queue,
                                                  queue_word(queue_head_of(queue), *ticket + 1),
                                                  memory_order_seq_cst, memory_order_seq_cst)) {
            return true;
        }
    } while (true);
}

/* Wait for a free cell, out of order: only when more threads wait than there are cells. */
static void wait_outside(struct pool *pool, uint64_t deadline_ns)
{
    atomic_fetch_add_explicit(&pool->outside, 1, memory_order_seq_cst);
    uint32_t seen = atomic_load_explicit(&pool->cell_freed, memory_order_seq_cst);
    uint32_t tail = queue_tail_of(atomic_load_explicit(&pool->queue, memory_order_seq_cst));
    uint32_t word = atomic_load_explicit(&cell_at(pool, tail)->word, memory_order_seq_cst);
    bool is_open = gate_is_open(atomic_load_explicit(&pool->gate, memory_order_seq_cst));
    if (is_open && word != cell_word(tail, CELL_FREE, 0)) {
        (void)sync_futex_wait(&pool->cell_freed, seen, deadline_ns);
    }
    atomic_fetch_sub_explicit(&pool->outside, 1, memory_order_seq_cst);
}

/* Pop what was cancelled at the front, so that a stuck pool does not fill its line with tickets of
 * threads that gave up. The head's CAS decides who frees the cell. */
static void drop_cancelled_front(struct pool *pool)
{
    for (;;) {
        uint64_t queue = atomic_load_explicit(&pool->queue, memory_order_seq_cst);
        uint32_t head = queue_head_of(queue);
        uint32_t word = atomic_load_explicit(&cell_at(pool, head)->word, memory_order_acquire);
        if (queue_is_empty(queue) || word != cell_word(head, CELL_CANCELLED, 0)) {
            return;
        }
        if (atomic_compare_exchange_strong_explicit(&pool->queue, &queue,
                                                    queue_word(head + 1, queue_tail_of(queue)),
                                                    memory_order_seq_cst, memory_order_seq_cst)) {
            (void)answer(pool, head, CELL_REFUSED, 0);
        }
    }
}

static bool is_answered(uint32_t word)
{
    return cell_state_of(word) == CELL_GRANTED || cell_state_of(word) == CELL_REFUSED;
}

/* Leave the line. False when an answer came first: it must be taken. */
static bool cancel(struct pool *pool, uint32_t ticket)
{
    struct pool_cell *cell = cell_at(pool, ticket);
    uint32_t word = atomic_load_explicit(&cell->word, memory_order_relaxed);
    /* Counted first: who pops the cancelled cell counts it down. */
    atomic_fetch_add_explicit(&pool->cancelled, 1, memory_order_seq_cst);
    while (!is_answered(word)) { /* repeats only spuriously: FREE and PARKED are ours alone */
        if (atomic_compare_exchange_weak_explicit(&cell->word, &word,
                                                  cell_word(ticket, CELL_CANCELLED, 0),
                                                  memory_order_seq_cst, memory_order_relaxed)) {
            drop_cancelled_front(pool);
            return true;
        }
    }
    atomic_fetch_sub_explicit(&pool->cancelled, 1, memory_order_seq_cst);
    if (pool_has_demand(pool)) { /* it was understated meanwhile */
        pool_want_connection(pool);
    }
    return false;
}

/* Sleep until answered; false when the deadline passed first. A short spin saves both sides a
 * syscall when clients come back within a microsecond. */
static bool await_answer(struct pool_cell *cell, uint32_t ticket, uint64_t deadline_ns)
{
    for (int i = 0; i < SPINS_BEFORE_PARKING; i++) {
        if (is_answered(atomic_load_explicit(&cell->word, memory_order_acquire))) {
            return true;
        }
        sync_cpu_relax();
    }
    pool_stress_point();
    uint32_t parked = cell_word(ticket, CELL_PARKED, 0);
    uint32_t expected = cell_word(ticket, CELL_FREE, 0);
    /* relaxed: it only tells the answerer that waking costs a syscall */
    (void)atomic_compare_exchange_strong_explicit(&cell->word, &expected, parked,
                                                  memory_order_relaxed, memory_order_relaxed);
    bool in_time = true;
    while (!is_answered(atomic_load_explicit(&cell->word, memory_order_acquire))) {
        if (!in_time) {
            return false;
        }
        in_time = sync_futex_wait(&cell->word, parked, deadline_ns);
    }
    return true;
}

/* Take the answer out of the cell. */
static enum gleaner_status take_answer(struct pool *pool, uint32_t ticket, struct pool_slot **out)
{
    uint32_t word = atomic_load_explicit(&cell_at(pool, ticket)->word, memory_order_acquire);
    free_cell(pool, ticket);
    if (cell_state_of(word) == CELL_REFUSED) {
        return (enum gleaner_status)cell_payload_of(word);
    }
    *out = pool_slot_at(pool, cell_payload_of(word));
    return GLEANER_OK;
}

enum gleaner_status pool_wait_in_line(struct pool *pool, uint64_t deadline_ns,
                                      struct pool_slot **out)
{
    uint32_t ticket;
    if (!take_ticket(pool, &ticket)) {
        wait_outside(pool, deadline_ns);
        return base_mono_ns() < deadline_ns ? GLEANER_E_BUSY : GLEANER_E_TIMEOUT;
    }
    struct pool_cell *cell = cell_at(pool, ticket);
    atomic_store_explicit(&cell->since_ns, pool_now(pool), memory_order_relaxed);
    pool_stress_point();
    /* The ticket is taken: only now look at gate and slots (H9). */
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_seq_cst);
    if (!gate_is_open(gate) && cancel(pool, ticket)) {
        return pool_gate_refusal(gate);
    }
    pool_match(pool);
    pool_stress_point();
    if (pool_has_demand(pool)) {
        pool_want_connection(pool);
    }
    if (!await_answer(cell, ticket, deadline_ns) && cancel(pool, ticket)) {
        return GLEANER_E_TIMEOUT;
    }
    return take_answer(pool, ticket, out);
}
