/* SPDX-License-Identifier: Apache-2.0 */
/* Workers, connectors, a reaper and a supervisor who clears, refreshes, resizes and condemns, all
 * at once. The oracle:
 * - a client is held by one thread at a time (its holder word, and a plain counter for TSan);
 * - of one loan's returns exactly one is accepted, by whichever threads they are made;
 * - every client that was made is destroyed exactly once, by the reaper;
 * - the pool's counters equal what the threads counted themselves;
 * - the limits hold whenever somebody looks;
 * - everybody ends: a lost wake would leave a worker waiting for ever (ctest's timeout). */
#include "../stress.h"
#include "pool_internal.h"
#include <sched.h>

enum { WORKERS_MAX = 12, CONNECTORS = 3, CLIENTS_MAX = 1 << 18, MAX_CONNECTING = 2 };

struct client {
    _Atomic uint32_t holder; /* worker number + 1; relaxed: only detects */
    uint64_t uses;           /* plain on purpose: ThreadSanitizer sees a second holder */
    _Atomic uint32_t destroyed;
};

struct tally {
    uint64_t check_outs, check_ins, timeouts, stale_returns;
};

/* A loan that another thread returns (too). */
struct parcel {
    struct pool_handle handle;
    bool is_there;
};

struct round {
    struct pool *pool;
    struct client *clients;
    _Atomic uint32_t client_count; /* connectors */
    _Atomic bool workers_done;     /* main -> supervisor */
    _Atomic bool closing;          /* main -> connectors, reaper */
    _Atomic uint64_t violations;   /* anybody */
    uint32_t worker_count, max_size;
    uint64_t loops;
    struct sync_parker connector_parkers[CONNECTORS];
    struct sync_parker reaper_parker;
    struct sync_mutex *parcel_mutex; /* protects parcel */
    struct parcel parcel;
    struct sync_mutex *jobs_mutex; /* protects jobs, has_job */
    struct pool_connect_job jobs[CONNECTORS];
    bool has_job[CONNECTORS];
    struct base_random supervisor_random;
    struct actor {
        struct round *round;
        uint32_t number;
        struct base_random random;
        struct tally tally;
        struct sync_thread *thread;
    } workers[WORKERS_MAX], connectors[CONNECTORS];
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

/* ---- workers
 * -------------------------------------------------------------------------------------- */

static void use_client(struct actor *worker, struct client *client)
{
    uint32_t before =
        atomic_exchange_explicit(&client->holder, worker->number + 1, memory_order_relaxed);
    if (before != 0) {
        violation(worker->round, "client held twice, by", before, worker->number + 1);
    }
    if (atomic_load_explicit(&client->destroyed, memory_order_relaxed) != 0) {
        violation(worker->round, "destroyed client handed out to", worker->number, 0);
    }
    client->uses++;
    if (base_random_below(&worker->random, 16) == 0) {
        sched_yield();
    }
    atomic_store_explicit(&client->holder, 0, memory_order_relaxed);
}

static void return_loan(struct actor *worker, const struct pool_handle *handle,
                        enum pool_verdict verdict)
{
    if (pool_check_in(worker->round->pool, handle, verdict) == GLEANER_OK) {
        worker->tally.check_ins++;
    } else {
        worker->tally.stale_returns++;
    }
}

/* Put this loan into the parcel and take out what was in it. */
static struct parcel exchange_parcel(struct round *round, const struct parcel *in)
{
    sync_mutex_lock(round->parcel_mutex);
    struct parcel out = round->parcel;
    round->parcel = *in;
    sync_mutex_unlock(round->parcel_mutex);
    return out;
}

static void return_parcel(struct actor *worker, const struct parcel *in)
{
    struct parcel out = exchange_parcel(worker->round, in);
    if (out.is_there) {
        return_loan(worker, &out.handle, POOL_CLIENT_GOOD);
    }
}

static void give_back(struct actor *worker, const struct pool_handle *handle)
{
    uint64_t dice = base_random_below(&worker->random, 64);
    struct parcel parcel = {.handle = *handle, .is_there = true};
    if (dice < 4) { /* by somebody else, and by us as well: 1, 2 and 3 */
        return_parcel(worker, &parcel);
        if (dice % 2 == 0) {
            sched_yield();
        }
    }
    if (dice > 0) {
        return_loan(worker, handle, dice == 4 ? POOL_CLIENT_BROKEN : POOL_CLIENT_GOOD);
    }
    if (dice == 5 && pool_check_in(worker->round->pool, handle, POOL_CLIENT_GOOD) == GLEANER_OK) {
        violation(worker->round, "double return accepted", handle->slot, handle->loan);
    }
    worker->tally.stale_returns += dice == 5;
}

/* Nobody is to wait without end for a loan that lies in the parcel: who is about to looks first,
 * and so does who ends. */
static void empty_parcel(struct actor *worker)
{
    return_parcel(worker, &(struct parcel){.is_there = false});
}

static uint64_t some_deadline(struct base_random *random)
{
    switch (base_random_below(random, 4)) {
    case 0:
        return 0;
    case 1:
        return base_mono_ns() + base_random_below(random, 200000);
    default:
        return BASE_NO_DEADLINE;
    }
}

static void worker_main(void *arg)
{
    struct actor *worker = arg;
    for (uint64_t i = 0; i < worker->round->loops; i++) {
        struct pool_handle handle;
        uint64_t deadline_ns = some_deadline(&worker->random);
        if (deadline_ns == BASE_NO_DEADLINE) {
            empty_parcel(worker);
        }
        switch (pool_check_out(worker->round->pool, deadline_ns, &handle)) {
        case GLEANER_OK:
            worker->tally.check_outs++;
            use_client(worker, handle.client);
            give_back(worker, &handle);
            break;
        case GLEANER_E_TIMEOUT:
            worker->tally.timeouts++;
            break;
        case GLEANER_E_BUSY:
        case GLEANER_E_DOWN:
            sched_yield();
            break;
        default:
            violation(worker->round, "unexpected answer to worker", worker->number, 0);
        }
    }
    empty_parcel(worker);
}

/* ---- connectors and reaper
 * ------------------------------------------------------------------------ */

static void show_job(struct round *round, uint32_t number, const struct pool_connect_job *job)
{
    sync_mutex_lock(round->jobs_mutex);
    round->has_job[number] = job != NULL;
    if (job != NULL) {
        round->jobs[number] = *job;
    }
    sync_mutex_unlock(round->jobs_mutex);
}

static void connect_one(struct actor *connector, const struct pool_connect_job *job)
{
    struct round *round = connector->round;
    show_job(round, connector->number, job); /* the supervisor may condemn it from here on */
    uint64_t dice = base_random_below(&connector->random, 8);
    if (dice < 2) {
        sched_yield();
    }
    uint32_t index =
        atomic_fetch_add_explicit(&round->client_count, dice != 0, memory_order_relaxed);
    if (dice == 0 || index >= CLIENTS_MAX) {
        pool_connect_failed(round->pool, job, dice != 0 || job->connection_id % 2 == 0);
    } else {
        (void)pool_connect_done(round->pool, job, &round->clients[index]);
    }
    show_job(round, connector->number, NULL);
}

static void connector_main(void *arg)
{
    struct actor *connector = arg;
    struct round *round = connector->round;
    while (!atomic_load_explicit(&round->closing, memory_order_acquire)) {
        struct pool_connect_job job;
        if (pool_connect_begin(round->pool, &job) == GLEANER_OK) {
            connect_one(connector, &job);
        } else {
            sync_park(&round->connector_parkers[connector->number], BASE_NO_DEADLINE);
        }
    }
}

static void reap_all(struct round *round)
{
    struct pool_reap_job job;
    while (pool_reap_begin(round->pool, &job) == GLEANER_OK) {
        struct client *client = job.client;
        uint32_t before = atomic_fetch_add_explicit(&client->destroyed, 1, memory_order_relaxed);
        if (before != 0 || atomic_load_explicit(&client->holder, memory_order_relaxed) != 0) {
            violation(round, "destroyed twice or while held", before, client->uses);
        }
        client->uses = 0;
        pool_reap_done(round->pool, &job);
    }
}

static void reaper_main(void *arg)
{
    struct round *round = arg;
    while (!atomic_load_explicit(&round->closing, memory_order_acquire)) {
        reap_all(round);
        sync_park(&round->reaper_parker, BASE_NO_DEADLINE);
    }
}

static void wake_connectors(void *ctx)
{
    struct round *round = ctx;
    for (uint32_t i = 0; i < CONNECTORS; i++) {
        sync_unpark(&round->connector_parkers[i]);
    }
}

static void wake_reaper(void *ctx)
{
    sync_unpark(&((struct round *)ctx)->reaper_parker);
}

/* ---- supervisor
 * ------------------------------------------------------------------------------------ */

static struct pool_config config_of(const struct round *round, uint32_t max_size)
{
    return (struct pool_config){.slot_capacity = round->max_size + 2,
                                .max_size = max_size,
                                .min_size = max_size / 2,
                                .max_connecting = MAX_CONNECTING,
                                .refresh_extra = 2,
                                .max_idle_ms = 1,
                                .random_seed = 1};
}

static void condemn_some(struct round *round)
{
    for (uint32_t i = 0; i < CONNECTORS; i++) {
        sync_mutex_lock(round->jobs_mutex);
        if (round->has_job[i]) {
            (void)pool_connect_condemn(round->pool, &round->jobs[i]);
        }
        sync_mutex_unlock(round->jobs_mutex);
    }
}

static void check_limits(struct round *round)
{
    struct census c = pool_census(round->pool);
    if (c.pending > MAX_CONNECTING || c.total > round->max_size + 2u) {
        violation(round, "limits overrun: pending, total", c.pending, c.total);
    }
}

static void supervise_once(struct round *round)
{
    struct pool *pool = round->pool;
    struct base_random *random = &round->supervisor_random;
    struct base_error error;
    uint32_t generation;
    switch (base_random_below(random, 12)) {
    case 0:
        generation = pool_clear(pool, base_random_below(random, 2) == 0);
        pool_ready(pool);
        break;
    case 1:
    case 2:
        (void)pool_refresh_begin(pool, &generation);
        break;
    case 3:
        pool_refresh_abort(pool);
        break;
    case 4: {
        uint32_t size = 1 + (uint32_t)base_random_below(random, round->max_size);
        struct pool_config config = config_of(round, size);
        if (pool_configure(pool, &config, &error) != GLEANER_OK) {
            violation(round, "configure refused", size, 0);
        }
        break;
    }
    case 5:
        condemn_some(round);
        break;
    default:
        pool_tick(pool, base_mono_ns());
    }
    check_limits(round);
}

static void supervisor_main(void *arg)
{
    struct round *round = arg;
    pool_ready(round->pool);
    while (!atomic_load_explicit(&round->workers_done, memory_order_acquire)) {
        supervise_once(round);
        for (uint64_t i = base_random_below(&round->supervisor_random, 64); i > 0; i--) {
            sched_yield();
        }
    }
}

/* ---- one round
 * -------------------------------------------------------------------------------------- */

static struct round *round_create(struct base_random *random)
{
    struct round *round = calloc(1, sizeof(*round));
    BASE_ASSERT(round != NULL);
    round->clients = calloc(CLIENTS_MAX, sizeof(*round->clients));
    BASE_ASSERT(round->clients != NULL);
    round->worker_count = 1 + (uint32_t)base_random_below(random, WORKERS_MAX);
    round->max_size = 1 + (uint32_t)base_random_below(random, 8);
    round->loops = 1 + base_random_below(random, 4000);
    BASE_ASSERT(sync_mutex_create(&round->jobs_mutex) == GLEANER_OK);
    BASE_ASSERT(sync_mutex_create(&round->parcel_mutex) == GLEANER_OK);
    base_random_init(&round->supervisor_random, base_random_next(random) | 1);
    sync_park_init(&round->reaper_parker);
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        round->workers[i].round = round;
        round->workers[i].number = i;
        base_random_init(&round->workers[i].random, base_random_next(random) | 1);
    }
    for (uint32_t i = 0; i < CONNECTORS; i++) {
        round->connectors[i].round = round;
        round->connectors[i].number = i;
        base_random_init(&round->connectors[i].random, base_random_next(random) | 1);
        sync_park_init(&round->connector_parkers[i]);
    }
    struct pool_config config = config_of(round, round->max_size);
    struct pool_hooks hooks = {.on_connect_wanted = wake_connectors,
                               .connect_ctx = round,
                               .on_reap_wanted = wake_reaper,
                               .reap_ctx = round};
    struct base_error error;
    /* A line of 8 cells for up to 12 workers: now and then it is full. */
    BASE_ASSERT(pool_create_sized(&config, &hooks, NULL, 8, &round->pool, &error) == GLEANER_OK);
    return round;
}

static void start(struct sync_thread **thread, const char *name, sync_thread_main run, void *arg)
{
    BASE_ASSERT(sync_thread_start(thread, name, SYNC_PLAIN, run, arg) == GLEANER_OK);
}

static void run_round(struct round *round)
{
    struct sync_thread *supervisor = NULL, *reaper = NULL;
    start(&reaper, "reaper", reaper_main, round);
    for (uint32_t i = 0; i < CONNECTORS; i++) {
        start(&round->connectors[i].thread, "connector", connector_main, &round->connectors[i]);
    }
    start(&supervisor, "supervisor", supervisor_main, round);
    for (uint32_t i = 0; i < round->worker_count; i++) {
        start(&round->workers[i].thread, "worker", worker_main, &round->workers[i]);
    }
    for (uint32_t i = 0; i < round->worker_count; i++) {
        sync_thread_join(&round->workers[i].thread);
    }
    atomic_store_explicit(&round->workers_done, true, memory_order_release);
    sync_thread_join(&supervisor);
    pool_close(round->pool);
    atomic_store_explicit(&round->closing, true, memory_order_release);
    wake_connectors(round);
    wake_reaper(round);
    for (uint32_t i = 0; i < CONNECTORS; i++) {
        sync_thread_join(&round->connectors[i].thread);
    }
    sync_thread_join(&reaper);
    reap_all(round);
}

static void expect(struct round *round, const char *what, uint64_t pool_says, uint64_t we_say)
{
    if (pool_says != we_say) {
        violation(round, what, pool_says, we_say);
    }
}

static uint64_t check_round(struct round *round)
{
    struct tally sum = {0};
    struct pool_stats stats;
    pool_read_stats(round->pool, base_mono_ns(), &stats);
    for (uint32_t i = 0; i < round->worker_count; i++) {
        sum.check_outs += round->workers[i].tally.check_outs;
        sum.check_ins += round->workers[i].tally.check_ins;
        sum.timeouts += round->workers[i].tally.timeouts;
        sum.stale_returns += round->workers[i].tally.stale_returns;
    }
    uint32_t made = atomic_load_explicit(&round->client_count, memory_order_relaxed);
    made = made < CLIENTS_MAX ? made : CLIENTS_MAX;
    for (uint32_t i = 0; i < made; i++) {
        expect(round, "destroyed so many times, not once",
               atomic_load_explicit(&round->clients[i].destroyed, memory_order_relaxed), 1);
    }
    struct census c = pool_census(round->pool);
    expect(round, "check outs", stats.check_outs, sum.check_outs);
    expect(round, "check ins", stats.check_ins, sum.check_outs);
    expect(round, "returns accepted", sum.check_ins, sum.check_outs);
    expect(round, "timeouts", stats.timeouts, sum.timeouts);
    expect(round, "stale returns", stats.stale_returns, sum.stale_returns);
    expect(round, "connections closed and created", stats.closed,
           atomic_load_explicit(&round->pool->next_id, memory_order_relaxed));
    expect(round, "clients counted at the end", c.total, 0);
    expect(round, "pending counted at the end", c.pending, 0);
    expect(round, "stand-ins counted at the end", c.standins, 0);
    expect(round, "threads still in line", stats.waiting, 0);
    return sum.check_outs;
}

int main(int argc, char **argv)
{
    struct stress_options options = stress_parse("stress_handle_table", argc, argv);
    struct base_random random;
    base_random_init(&random, options.seed);
    uint64_t rounds = 0, loans = 0, clients = 0, violations = 0;
    while (violations == 0 && base_mono_ns() < options.end_ns) {
        struct round *round = round_create(&random);
        run_round(round);
        loans += check_round(round);
        rounds++;
        clients += atomic_load_explicit(&round->client_count, memory_order_relaxed);
        violations = atomic_load_explicit(&round->violations, memory_order_relaxed);
        pool_destroy(&round->pool);
        sync_mutex_destroy(&round->jobs_mutex);
        sync_mutex_destroy(&round->parcel_mutex);
        free(round->clients);
        free(round);
    }
    printf("handle_table: %" PRIu64 " rounds, %" PRIu64 " loans, %" PRIu64 " clients, %" PRIu64
           " violations\n",
           rounds, loans, clients, violations);
    return violations == 0 && rounds > 0 && loans > 0 ? 0 : 1;
}
