/* SPDX-License-Identifier: Apache-2.0 */
/* The threads of a test: the virtual ones it names, connectors, the reaper, the background run; and
 * the operations they carry out. */
#include "cmap_runner.h"
#include "pool_internal.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- connectors, reaper, background
 * ----------------------------------------------------------------- */

static bool is_ending(struct cmap_run *run)
{
    sync_mutex_lock(run->mutex);
    bool ending = run->is_ending;
    sync_mutex_unlock(run->mutex);
    return ending;
}

void cmap_wake_connectors(void *ctx)
{
    struct cmap_run *run = ctx;
    for (int i = 0; i < CMAP_CONNECTORS; i++) {
        sync_unpark(&run->connector_parkers[i]);
    }
}

void cmap_wake_reaper(void *ctx)
{
    sync_unpark(&((struct cmap_run *)ctx)->reaper_parker);
}

struct connector_arg {
    struct cmap_run *run;
    int number;
};

static void connect_all(struct cmap_run *run)
{
    struct pool_connect_job job;
    while (pool_connect_begin(run->pool, &job) == GLEANER_OK) {
        void *client = NULL;
        if (run->connector->connect(run->connector->ctx, &job, &client)) {
            (void)pool_connect_done(run->pool, &job, client);
        } else {
            /* the supervisor's part: here one refused handshake is proof enough */
            (void)pool_clear(run->pool, false);
            pool_connect_failed(run->pool, &job, true);
        }
    }
}

static void connector_main(void *arg)
{
    struct connector_arg own = *(struct connector_arg *)arg;
    bson_free(arg);
    while (!is_ending(own.run)) {
        connect_all(own.run);
        (void)sync_park(&own.run->connector_parkers[own.number], BASE_NO_DEADLINE);
    }
}

static void reap_all(struct cmap_run *run)
{
    struct pool_reap_job job;
    while (pool_reap_begin(run->pool, &job) == GLEANER_OK) {
        run->connector->close(run->connector->ctx, job.client);
        pool_reap_done(run->pool, &job);
    }
}

static void reaper_main(void *arg)
{
    struct cmap_run *run = arg;
    while (!is_ending(run)) {
        reap_all(run);
        (void)sync_park(&run->reaper_parker, BASE_NO_DEADLINE);
    }
}

/* A "background thread run" of the specification is a tick of ours. */
static void background_main(void *arg)
{
    struct cmap_run *run = arg;
    while (!is_ending(run)) {
        uint64_t interval_ns = (uint64_t)run->background_interval_ms * BASE_NS_PER_MS;
        (void)sync_park(&run->background_parker, base_mono_ns() + interval_ns);
        pool_tick(run->pool, base_mono_ns());
    }
}

static bool start_connector(struct cmap_run *run, int number)
{
    struct connector_arg *arg = bson_malloc(sizeof(*arg));
    *arg = (struct connector_arg){run, number};
    return sync_thread_start(&run->connectors[number], "connector", SYNC_PLAIN, connector_main,
                             arg) == GLEANER_OK;
}

bool cmap_start_helpers(struct cmap_run *run)
{
    bool good =
        sync_thread_start(&run->reaper, "reaper", SYNC_PLAIN, reaper_main, run) == GLEANER_OK;
    for (int i = 0; i < CMAP_CONNECTORS && good; i++) {
        good = start_connector(run, i);
    }
    if (good && run->background_interval_ms > 0) {
        good = sync_thread_start(&run->background, "background", SYNC_PLAIN, background_main,
                                 run) == GLEANER_OK;
    }
    return good;
}

/* The pool is closed and run->is_ending is set. */
void cmap_stop_helpers(struct cmap_run *run)
{
    cmap_wake_connectors(run);
    cmap_wake_reaper(run);
    sync_unpark(&run->background_parker);
    for (int i = 0; i < CMAP_CONNECTORS; i++) {
        sync_thread_join(&run->connectors[i]);
    }
    sync_thread_join(&run->reaper);
    sync_thread_join(&run->background);
    reap_all(run);
}

/* ---- virtual threads
 * --------------------------------------------------------------------------------- */

static struct cmap_thread *find_thread(struct cmap_run *run, const char *name)
{
    for (uint32_t i = 0; i < run->thread_count; i++) {
        if (strcmp(run->threads[i].name, name) == 0) {
            return &run->threads[i];
        }
    }
    BASE_ASSERT(false && "the test names a thread that it did not start");
    return NULL;
}

/* Next operation, NULL when it is to stop and has none left. */
static bson_t *await_operation(struct cmap_thread *thread)
{
    struct cmap_run *run = thread->run;
    sync_mutex_lock(run->mutex);
    while (thread->finished == thread->scheduled && !thread->is_stopping) {
        (void)sync_cond_wait(run->changed, run->mutex, BASE_NO_DEADLINE);
    }
    bson_t *operation =
        thread->finished < thread->scheduled ? thread->operations[thread->finished] : NULL;
    sync_mutex_unlock(run->mutex);
    return operation;
}

static void thread_main(void *arg)
{
    struct cmap_thread *thread = arg;
    bson_t *operation;
    while ((operation = await_operation(thread)) != NULL) {
        enum gleaner_status status = cmap_operate(thread->run, operation);
        sync_mutex_lock(thread->run->mutex);
        if (thread->error == GLEANER_OK) {
            thread->error = status;
        }
        thread->finished++;
        sync_cond_broadcast(thread->run->changed);
        sync_mutex_unlock(thread->run->mutex);
    }
}

static enum gleaner_status start_thread(struct cmap_run *run, const char *name)
{
    BASE_ASSERT(run->thread_count < CMAP_THREADS_MAX);
    struct cmap_thread *thread = &run->threads[run->thread_count++];
    thread->run = run;
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    return sync_thread_start(&thread->thread, "virtual", SYNC_PLAIN, thread_main, thread);
}

static void schedule(struct cmap_run *run, const char *name, const bson_t *operation)
{
    struct cmap_thread *thread = find_thread(run, name);
    sync_mutex_lock(run->mutex);
    BASE_ASSERT(thread->scheduled < CMAP_OPERATIONS_MAX);
    thread->operations[thread->scheduled++] = bson_copy(operation);
    sync_cond_broadcast(run->changed);
    sync_mutex_unlock(run->mutex);
}

static enum gleaner_status finish_thread(struct cmap_run *run, struct cmap_thread *thread)
{
    sync_mutex_lock(run->mutex);
    thread->is_stopping = true;
    sync_cond_broadcast(run->changed);
    sync_mutex_unlock(run->mutex);
    sync_thread_join(&thread->thread);
    return thread->error;
}

void cmap_stop_threads(struct cmap_run *run)
{
    for (uint32_t i = 0; i < run->thread_count; i++) {
        (void)finish_thread(run, &run->threads[i]);
        for (uint32_t op = 0; op < run->threads[i].scheduled; op++) {
            bson_destroy(run->threads[i].operations[op]);
        }
    }
}

/* ---- operations
 * -------------------------------------------------------------------------------------- */

static enum gleaner_status op_start(struct cmap_run *run, const bson_t *op)
{
    return start_thread(run, cmap_utf8(op, "target"));
}

static enum gleaner_status op_wait(struct cmap_run *run, const bson_t *op)
{
    (void)run;
    int64_t ms = cmap_int(op, "ms", 0);
    struct timespec duration = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&duration, NULL); /* the test format itself asks for it */
    return GLEANER_OK;
}

static enum gleaner_status op_wait_for_thread(struct cmap_run *run, const bson_t *op)
{
    return finish_thread(run, find_thread(run, cmap_utf8(op, "target")));
}

static int64_t count_events_locked(const struct cmap_run *run, const char *type)
{
    BASE_ASSERT(sync_mutex_is_mine(run->mutex));
    int64_t count = 0;
    for (uint32_t i = 0; i < run->event_count; i++) {
        count += strcmp(cmap_utf8(run->events[i], "type"), type) == 0;
    }
    return count;
}

static enum gleaner_status op_wait_for_event(struct cmap_run *run, const bson_t *op)
{
    const char *type = cmap_utf8(op, "event");
    int64_t count = cmap_int(op, "count", 1);
    int64_t limit_ms = cmap_int(op, "timeout", CMAP_WAIT_MS);
    uint64_t deadline_ns = base_mono_ns() + (uint64_t)limit_ms * BASE_NS_PER_MS;
    bool in_time = true;
    sync_mutex_lock(run->mutex);
    while (in_time && count_events_locked(run, type) < count) {
        in_time = sync_cond_wait(run->changed, run->mutex, deadline_ns);
    }
    int64_t seen = count_events_locked(run, type);
    if (seen < count) {
        snprintf(run->failure, sizeof(run->failure), "waited for %s %lld times, saw %lld", type,
                 (long long)count, (long long)seen);
    }
    sync_mutex_unlock(run->mutex);
    return seen < count ? GLEANER_E_CANCELLED : GLEANER_OK;
}

static enum gleaner_status op_check_out(struct cmap_run *run, const bson_t *op)
{
    struct pool_handle handle;
    enum gleaner_status status = pool_check_out(run->pool, BASE_NO_DEADLINE, &handle);
    if (status != GLEANER_OK) {
        return status;
    }
    const char *label = cmap_utf8(op, "label");
    sync_mutex_lock(run->mutex);
    BASE_ASSERT(run->loan_count < CMAP_HANDLES_MAX);
    struct cmap_loan *loan = &run->loans[run->loan_count++];
    *loan = (struct cmap_loan){.handle = handle, .is_out = true};
    snprintf(loan->label, sizeof(loan->label), "%s", label == NULL ? "" : label);
    sync_mutex_unlock(run->mutex);
    return GLEANER_OK;
}

static enum gleaner_status op_check_in(struct cmap_run *run, const bson_t *op)
{
    const char *label = cmap_utf8(op, "connection");
    struct cmap_loan *loan = NULL;
    sync_mutex_lock(run->mutex);
    for (uint32_t i = 0; i < run->loan_count; i++) {
        if (run->loans[i].is_out && strcmp(run->loans[i].label, label) == 0) {
            loan = &run->loans[i];
        }
    }
    BASE_ASSERT(loan != NULL); /* else the test returns what nobody has */
    loan->is_out = false;
    sync_mutex_unlock(run->mutex);
    return pool_check_in(run->pool, &loan->handle, POOL_CLIENT_GOOD);
}

/* To the tests a thread that checks out waits. Ours takes its ticket a moment before it looks at
 * the gate for the last time: clearing in that moment is right too, but it refuses itself then,
 * before the pending connections are closed. So: until everybody in line is parked, or answered. */
static void await_parked(struct pool *pool)
{
    uint64_t queue = atomic_load_explicit(&pool->queue, memory_order_seq_cst);
    for (uint32_t ticket = queue_head_of(queue); ticket != queue_tail_of(queue); ticket++) {
        struct pool_cell *cell = &pool->cells[ticket & pool->cell_mask];
        while (atomic_load_explicit(&cell->word, memory_order_acquire) ==
               cell_word(ticket, CELL_FREE, 0)) {
            sched_yield();
        }
    }
}

static enum gleaner_status op_clear(struct cmap_run *run, const bson_t *op)
{
    bson_iter_t iter;
    bool interrupt =
        bson_iter_init_find(&iter, op, "interruptInUseConnections") && bson_iter_as_bool(&iter);
    await_parked(run->pool);
    (void)pool_clear(run->pool, interrupt);
    return GLEANER_OK;
}

static enum gleaner_status op_close(struct cmap_run *run, const bson_t *op)
{
    (void)op;
    pool_close(run->pool);
    return GLEANER_OK;
}

static enum gleaner_status op_ready(struct cmap_run *run, const bson_t *op)
{
    (void)op;
    pool_ready(run->pool);
    return GLEANER_OK;
}

/* What the test says, on the calling thread. */
enum gleaner_status cmap_operate(struct cmap_run *run, const bson_t *operation)
{
    static const struct {
        const char *name;
        enum gleaner_status (*act)(struct cmap_run *run, const bson_t *operation);
    } operations[] = {
        {"start", op_start},      {"wait", op_wait},
        {"ready", op_ready},      {"waitForThread", op_wait_for_thread},
        {"clear", op_clear},      {"waitForEvent", op_wait_for_event},
        {"close", op_close},      {"checkOut", op_check_out},
        {"checkIn", op_check_in},
    };
    const char *thread = cmap_utf8(operation, "thread");
    if (thread != NULL && strcmp(sync_thread_name(), "virtual") != 0) {
        schedule(run, thread, operation);
        return GLEANER_OK;
    }
    const char *name = cmap_utf8(operation, "name");
    for (size_t i = 0; i < BASE_ARRAY_LEN(operations); i++) {
        if (strcmp(operations[i].name, name) == 0) {
            return operations[i].act(run, operation);
        }
    }
    snprintf(run->failure, sizeof(run->failure), "unknown operation %s", name);
    return GLEANER_E_UNSUPPORTED;
}
