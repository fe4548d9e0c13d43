/* SPDX-License-Identifier: Apache-2.0 */
/* One client, many threads that want it. A keeper lets them arrive one after another: it starts the
 * next only when the last one has a ticket or the client. So the order of arrival is known, and the
 * oracle is:
 * - threads are served in the order of their arrival, whoever gave up left out;
 * - nobody is lost: each arrival ends in exactly one answer (a lost wake hangs, ctest ends it);
 * - clear and close answer everybody who stands in line, and nobody is left in it. */
#include "../stress.h"
#include "pool_internal.h"
#include <sched.h>

enum { THREADS_MAX = 10 };

struct round {
    struct pool *pool;
    uint32_t thread_count;
    uint64_t arrivals;
    uint64_t pause_mask;  /* how often a holder yields */
    uint32_t timed_share; /* of 8 arrivals so many have a short deadline */
    bool with_clears;

    uint64_t last_served; /* plain; guarded by holding the only client */
    uint64_t served;      /* as above */

    _Atomic bool finished; /* keeper -> threads, release / acquire */
    _Atomic uint64_t violations;
    uint64_t started; /* plain; keeper */
    struct base_random keeper_random;
    struct waiter {
        struct round *round;
        struct sync_parker parker;
        struct sync_thread *thread;
        struct base_random random;
        /* 0 free, 1 told to arrive, 2 has an answer; keeper 0 -> 1, thread 1 -> 2 -> 0;
         * release / acquire, so that order and deadline_ns go along */
        _Atomic uint32_t state;
        uint64_t order; /* number of its arrival */
        uint64_t deadline_ns;
        uint64_t answers[GLEANER_STATUS_COUNT];
    } waiters[THREADS_MAX];
};

/* Called by the pool between two steps: now and then somebody else goes first. */
void pool_stress_point(void)
{
    static _Thread_local uint32_t dice;
    dice = (dice != 0 ? dice : sync_thread_id()) * UINT32_C(1664525) + UINT32_C(1013904223);
    if (dice >> 27 == 0) { /* one of 32 */
        sched_yield();
    }
}

static void violation(struct round *round, const char *what, uint64_t a, uint64_t b)
{
    atomic_fetch_add_explicit(&round->violations, 1, memory_order_relaxed);
    printf("VIOLATION: %s: %" PRIu64 " and %" PRIu64 "\n", what, a, b);
}

static void hold(struct round *round, struct waiter *waiter)
{
    if (waiter->order <= round->last_served) {
        violation(round, "served after a later one", waiter->order, round->last_served);
    }
    round->last_served = waiter->order;
    round->served++;
    /* Now and then long enough for a line to form and for deadlines to pass. */
    if ((base_random_next(&waiter->random) & round->pause_mask) == 0) {
        for (uint64_t i = base_random_below(&waiter->random, 200); i > 0; i--) {
            sched_yield();
        }
    }
}

static void arrive(struct round *round, struct waiter *waiter)
{
    struct pool_handle handle;
    enum gleaner_status status = pool_check_out(round->pool, waiter->deadline_ns, &handle);
    waiter->answers[status]++;
    if (status == GLEANER_OK) {
        hold(round, waiter);
    }
    atomic_store_explicit(&waiter->state, 2, memory_order_release);
    if (status == GLEANER_OK && pool_check_in(round->pool, &handle, POOL_CLIENT_GOOD) != 0) {
        violation(round, "return refused", handle.slot, handle.loan);
    }
    atomic_store_explicit(&waiter->state, 0, memory_order_release);
}

static void waiter_main(void *arg)
{
    struct waiter *waiter = arg;
    struct round *round = waiter->round;
    while (!atomic_load_explicit(&round->finished, memory_order_acquire)) {
        if (atomic_load_explicit(&waiter->state, memory_order_acquire) == 1) {
            arrive(round, waiter);
        } else {
            sync_park(&waiter->parker, BASE_NO_DEADLINE);
        }
    }
}

/* ---- the keeper
 * ------------------------------------------------------------------------------------- */

static uint32_t tail_now(const struct round *round)
{
    return queue_tail_of(atomic_load_explicit(&round->pool->queue, memory_order_seq_cst));
}

static void let_arrive(struct round *round, struct waiter *waiter)
{
    uint32_t tail = tail_now(round);
    waiter->order = ++round->started;
    waiter->deadline_ns = BASE_NO_DEADLINE;
    if (base_random_below(&round->keeper_random, 8) < round->timed_share) {
        waiter->deadline_ns = base_mono_ns() + 1 + base_random_below(&round->keeper_random, 100000);
    }
    atomic_store_explicit(&waiter->state, 1, memory_order_release);
    sync_unpark(&waiter->parker);
    while (tail_now(round) == tail &&
           atomic_load_explicit(&waiter->state, memory_order_acquire) == 1) {
        sched_yield();
    }
}

static bool connect_one(struct round *round)
{
    struct pool_connect_job job;
    return pool_connect_begin(round->pool, &job) == GLEANER_OK &&
           pool_connect_done(round->pool, &job, round) == GLEANER_OK;
}

static void reap_all(struct round *round)
{
    struct pool_reap_job job;
    while (pool_reap_begin(round->pool, &job) == GLEANER_OK) {
        pool_reap_done(round->pool, &job);
    }
}

/* After clear() everybody who stood in line is answered DOWN; the holder's client is retired. */
static void clear_and_reopen(struct round *round)
{
    (void)pool_clear(round->pool, false);
    pool_ready(round->pool);
    while (!connect_one(round)) { /* until the last holder has returned the old client */
        sched_yield();
    }
    reap_all(round);
}

/* Nobody new comes until everybody is served: a waiter that was not woken has nobody to save it,
 * and hangs here. */
static void drain(struct round *round)
{
    for (uint32_t i = 0; i < round->thread_count; i++) {
        while (atomic_load_explicit(&round->waiters[i].state, memory_order_acquire) != 0) {
            sched_yield();
        }
    }
}

static void keep(struct round *round)
{
    while (round->started < round->arrivals) {
        uint64_t pick = base_random_below(&round->keeper_random, round->thread_count);
        struct waiter *waiter = &round->waiters[pick];
        if (atomic_load_explicit(&waiter->state, memory_order_acquire) != 0) {
            sched_yield();
            continue;
        }
        let_arrive(round, waiter);
        if (round->with_clears && base_random_below(&round->keeper_random, 32) == 0) {
            clear_and_reopen(round);
        }
        if (base_random_below(&round->keeper_random, 8) == 0) {
            drain(round);
        }
    }
}

static void run_round(struct round *round)
{
    for (uint32_t i = 0; i < round->thread_count; i++) {
        BASE_ASSERT(sync_thread_start(&round->waiters[i].thread, "waiter", SYNC_PLAIN, waiter_main,
                                      &round->waiters[i]) == GLEANER_OK);
    }
    pool_ready(round->pool);
    BASE_ASSERT(connect_one(round));
    keep(round);
    if (base_random_below(&round->keeper_random, 2) == 0) {
        pool_close(round->pool); /* with a line of waiters, perhaps */
    }
    atomic_store_explicit(&round->finished, true, memory_order_release);
    for (uint32_t i = 0; i < round->thread_count; i++) {
        sync_unpark(&round->waiters[i].parker);
    }
    for (uint32_t i = 0; i < round->thread_count; i++) {
        sync_thread_join(&round->waiters[i].thread);
    }
    pool_close(round->pool);
    reap_all(round);
}

static void check_round(struct round *round)
{
    uint64_t answers = 0, served = 0;
    for (uint32_t i = 0; i < round->thread_count; i++) {
        for (uint32_t status = 0; status < GLEANER_STATUS_COUNT; status++) {
            answers += round->waiters[i].answers[status];
        }
        served += round->waiters[i].answers[GLEANER_OK];
    }
    struct pool_stats stats;
    pool_read_stats(round->pool, base_mono_ns(), &stats);
    if (answers != round->started || served != round->served || stats.check_outs != served) {
        violation(round, "arrivals and answers", round->started, answers);
    }
    if (stats.waiting != 0 || pool_waiting(round->pool) != 0) {
        violation(round, "left in line", stats.waiting, 0);
    }
}

static struct round *round_create(struct base_random *random)
{
    struct round *round = calloc(1, sizeof(*round));
    BASE_ASSERT(round != NULL);
    round->thread_count = 2 + (uint32_t)base_random_below(random, THREADS_MAX - 1);
    round->arrivals = 1 + base_random_below(random, 3000);
    round->pause_mask = (UINT64_C(1) << base_random_below(random, 6)) - 1;
    round->timed_share = (uint32_t)base_random_below(random, 6);
    round->with_clears = base_random_below(random, 2) == 0;
    base_random_init(&round->keeper_random, base_random_next(random) | 1);
    for (uint32_t i = 0; i < round->thread_count; i++) {
        round->waiters[i].round = round;
        sync_park_init(&round->waiters[i].parker);
        base_random_init(&round->waiters[i].random, base_random_next(random) | 1);
    }
    struct pool_config config = {
        .slot_capacity = 1, .max_size = 1, .min_size = 1, .max_connecting = 1, .random_seed = 1};
    struct base_error error;
    /* 16 cells: the ring wraps often, and never overflows (order is promised only inside). */
    BASE_ASSERT(pool_create_sized(&config, NULL, NULL, 16, &round->pool, &error) == GLEANER_OK);
    return round;
}

int main(int argc, char **argv)
{
    struct stress_options options = stress_parse("stress_wait_queue", argc, argv);
    struct base_random random;
    base_random_init(&random, options.seed);
    uint64_t rounds = 0, arrivals = 0, served = 0, violations = 0;
    uint64_t late = 0, refused = 0;
    while (violations == 0 && base_mono_ns() < options.end_ns) {
        struct round *round = round_create(&random);
        run_round(round);
        check_round(round);
        rounds++;
        arrivals += round->started;
        served += round->served;
        for (uint32_t i = 0; i < round->thread_count; i++) {
            late += round->waiters[i].answers[GLEANER_E_TIMEOUT];
            refused += round->waiters[i].answers[GLEANER_E_DOWN];
            refused += round->waiters[i].answers[GLEANER_E_CLOSED];
        }
        violations = atomic_load_explicit(&round->violations, memory_order_relaxed);
        pool_destroy(&round->pool);
        free(round);
    }
    printf("wait_queue: %" PRIu64 " rounds, %" PRIu64 " arrivals, %" PRIu64 " served, %" PRIu64
           " late, %" PRIu64 " refused, %" PRIu64 " violations\n",
           rounds, arrivals, served, late, refused, violations);
    return violations == 0 && rounds > 0 && served > 0 ? 0 : 1;
}
