/* SPDX-License-Identifier: Apache-2.0 */
/* Building, starting, stopping within a bound, and what other rooms may ask. */
#include "supervisor_internal.h"
#include <stdio.h>
#include <stdlib.h>

#define STOP_WITHIN_MS 500 /* when the configuration says nothing */

/* ---- memory
 * ----------------------------------------------------------------------------------------- */

/* Supervisors whose loans never came back: kept for late returns, reachable for leak checkers. */
static _Atomic(struct supervisor *) abandoned_list;

void supervisor_ref(struct supervisor *supervisor)
{
    atomic_fetch_add_explicit(&supervisor->refs, 1, memory_order_relaxed);
}

static void free_supervisor(struct supervisor *supervisor)
{
    connection_destroy(&supervisor->connection);
    pool_destroy(&supervisor->pool);
    isolate_fini(supervisor);
    configure_fini(supervisor);
    sync_mpsc_destroy(&supervisor->completions);
    sync_mpsc_destroy(&supervisor->dead_clients);
    sync_mpsc_destroy(&supervisor->dead_endpoints);
    supervisor->magic = 0;
    free(supervisor);
}

void supervisor_unref(struct supervisor *supervisor)
{
    if (atomic_fetch_sub_explicit(&supervisor->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (!atomic_load_explicit(&supervisor->is_abandoned, memory_order_relaxed)) {
        free_supervisor(supervisor);
    }
}

static void keep_for_late_returns(struct supervisor *supervisor)
{
    atomic_store_explicit(&supervisor->is_abandoned, true, memory_order_relaxed);
    struct supervisor *head = atomic_load_explicit(&abandoned_list, memory_order_relaxed);
    do { /* another supervisor being abandoned makes it repeat */
        supervisor->next_abandoned = head;
    } while (!atomic_compare_exchange_weak_explicit(&abandoned_list, &head, supervisor,
                                                    memory_order_release, memory_order_relaxed));
}

/* ---- creating
 * ------------------------------------------------------------------------------------------ */

static void pool_wants_clients(void *ctx)
{
    supervisor_wake(ctx);
}

/* The last loan may have come back: an owner who drains looks by himself, for the reaper may be
 * held up by a server that is gone. */
static void pool_wants_reaper(void *ctx)
{
    struct supervisor *supervisor = ctx;
    reaper_wake(supervisor);
    sync_unpark(&supervisor->owner_parker);
}

static uint64_t tick(void *ctx, uint64_t now_ns)
{
    struct supervisor *supervisor = ctx;
    pool_tick(supervisor->pool, now_ns);
    return now_ns + SUPERVISOR_TICK_MS * BASE_NS_PER_MS;
}

static void add_tasks(struct supervisor *supervisor)
{
    const uint64_t later = UINT64_MAX;
    supervisor->task_attempt =
        supervisor_add_task(supervisor, "attempt", later, recover_attempt, supervisor);
    supervisor->task_suspect =
        supervisor_add_task(supervisor, "suspect", later, suspect_due, supervisor);
    supervisor->task_watch =
        supervisor_add_task(supervisor, "watch", later, crew_watch, supervisor);
    supervisor->task_refresh =
        supervisor_add_task(supervisor, "refresh", later, refresh_due, supervisor);
    supervisor->task_connect =
        supervisor_add_task(supervisor, "connect", later, fill_due, supervisor);
    supervisor->task_configure =
        supervisor_add_task(supervisor, "configure", later, configure_due, supervisor);
    uint64_t poke_ms = supervisor->config.driver.poke != NULL ? SUPERVISOR_TICK_MS : later;
    (void)supervisor_add_task(supervisor, "poke", poke_ms, return_poke, supervisor);
    (void)supervisor_add_task(supervisor, "tick", SUPERVISOR_TICK_MS, tick, supervisor);
}

static enum gleaner_status create_parts(struct supervisor *supervisor, struct base_error *error)
{
    struct pool_hooks hooks = {
        .on_event = supervisor->config.on_pool_event,
        .event_ctx = supervisor->config.pool_event_ctx,
        .on_connect_wanted = pool_wants_clients,
        .connect_ctx = supervisor,
        .on_reap_wanted = pool_wants_reaper,
        .reap_ctx = supervisor,
    };
    if (sync_mpsc_create(&supervisor->completions) != GLEANER_OK ||
        sync_mpsc_create(&supervisor->dead_clients) != GLEANER_OK ||
        sync_mpsc_create(&supervisor->dead_endpoints) != GLEANER_OK) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory");
    }
    enum gleaner_status status =
        pool_create(&supervisor->config.pool, &hooks, supervisor->clock, &supervisor->pool, error);
    if (status != GLEANER_OK) {
        return status;
    }
    if (isolate_init(supervisor) != GLEANER_OK || configure_init(supervisor) != GLEANER_OK) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory");
    }
    status = connection_create(supervisor->pool, supervisor->clock, pool_wants_clients, supervisor,
                               &supervisor->connection);
    return status == GLEANER_OK ? GLEANER_OK : base_error_set(error, status, "out of memory");
}

enum gleaner_status supervisor_check_config(const struct supervisor_config *config,
                                            struct base_error *error)
{
    if (config->shards < 1 || config->shards > SUPERVISOR_MAX_SHARDS) {
        return base_error_set(error, GLEANER_E_INVALID, "shards must be 1..%d, is %u",
                              SUPERVISOR_MAX_SHARDS, config->shards);
    }
    if (config->reconnect_limit < 1 || config->reconnect_limit > STORM_LIMIT_MAX) {
        return base_error_set(error, GLEANER_E_INVALID, "reconnect_limit must be 1..%d, is %u",
                              STORM_LIMIT_MAX, config->reconnect_limit);
    }
    if (config->backoff_base_ms > config->backoff_cap_ms) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "backoff_base_ms (%u) must not be above backoff_cap_ms (%u)",
                              config->backoff_base_ms, config->backoff_cap_ms);
    }
    return GLEANER_OK;
}

enum gleaner_status supervisor_create(const struct supervisor_config *config,
                                      struct supervisor **out, struct base_error *error)
{
    enum gleaner_status status = supervisor_check_config(config, error);
    if (status != GLEANER_OK) {
        return status;
    }
    struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
    if (supervisor == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory");
    }
    supervisor->magic = SUPERVISOR_MAGIC;
    supervisor->config = *config;
    supervisor->clock = config->clock;
    atomic_store_explicit(&supervisor->refs, 1, memory_order_relaxed);
    sync_park_init(&supervisor->parker);
    sync_park_init(&supervisor->reaper_parker);
    sync_park_init(&supervisor->owner_parker);
    status = create_parts(supervisor, error);
    if (status != GLEANER_OK) {
        supervisor_unref(supervisor);
        return status;
    }
    storm_init(&supervisor->storm, config->reconnect_limit,
               config->reconnect_window_ms * BASE_NS_PER_MS,
               config->backoff_base_ms * BASE_NS_PER_MS, config->backoff_cap_ms * BASE_NS_PER_MS,
               config->random_seed);
    supervisor->suspect_hold_ns = SUPERVISOR_HOLD_OFF_MS * BASE_NS_PER_MS;
    add_tasks(supervisor);
    *out = supervisor;
    return GLEANER_OK;
}

enum gleaner_status supervisor_start(struct supervisor *supervisor)
{
    recover_start(supervisor, supervisor_now(supervisor));
    if (supervisor->config.is_manual) {
        return GLEANER_OK;
    }
    supervisor_ref(supervisor);
    enum gleaner_status status =
        sync_thread_start(&supervisor->reaper, "gl-reaper", SYNC_PLAIN, reaper_main, supervisor);
    if (status != GLEANER_OK) {
        supervisor_unref(supervisor);
        return status;
    }
    supervisor_ref(supervisor);
    status = sync_thread_start(&supervisor->thread, "gl-supervisor", SYNC_READER, supervisor_main,
                               supervisor);
    if (status != GLEANER_OK) {
        supervisor_unref(supervisor); /* the owner stops: that ends the reaper */
    }
    return status;
}

/* ---- stopping
 * ---------------------------------------------------------------------------------------------- */

/* The owner may be faster than the supervisor is awake. */
static void await_drained(struct supervisor *supervisor)
{
    while (supervisor->thread != NULL && /* else it never started, or is manual */
           !atomic_load_explicit(&supervisor->is_drained, memory_order_acquire)) {
        (void)sync_park(&supervisor->owner_parker, BASE_NO_DEADLINE);
    }
}

static uint32_t loans_out(struct supervisor *supervisor)
{
    struct pool_stats stats;
    pool_read_stats(supervisor->pool, supervisor_now(supervisor), &stats);
    return stats.in_use;
}

static uint32_t await_loans(struct supervisor *supervisor, uint64_t deadline_ns)
{
    uint32_t out;
    while ((out = loans_out(supervisor)) > 0 && base_mono_ns() < deadline_ns) {
        if (supervisor->config.is_manual) {
            break; /* nobody else could return one meanwhile */
        }
        (void)sync_park(&supervisor->owner_parker, deadline_ns);
    }
    return out;
}

static void report_loans(struct supervisor *supervisor)
{
    struct pool_slot_view views[64];
    size_t count =
        pool_view_slots(supervisor->pool, supervisor_now(supervisor), views, BASE_ARRAY_LEN(views));
    for (size_t i = 0; i < count && i < BASE_ARRAY_LEN(views); i++) {
        if (views[i].owner_thread != 0) {
            base_log_error("supervisor",
                           "event=loan_abandoned slot=%u thread=%u age_ms=%llu doing=\"%s\"",
                           views[i].slot, views[i].owner_thread,
                           (unsigned long long)(views[i].state_age_ns / BASE_NS_PER_MS),
                           views[i].owner_note != NULL ? views[i].owner_note : "");
        }
    }
}

/* The supervisor thread has ended: what it held goes to the reaper. */
static void let_go(struct supervisor *supervisor)
{
    if (!supervisor->is_closed) { /* never drained: the thread did not start */
        pool_close(supervisor->pool);
    } else {
        supervisor_move(supervisor, CONNECTION_EV_CLOSE, CONNECTION_NONE, "closed");
    }
    for (size_t i = 0; i < BASE_ARRAY_LEN(supervisor->tiers); i++) {
        client_discard(supervisor->tiers[i].probe_client);
        endpoint_unref(supervisor->tiers[i].probe_endpoint);
    }
    client_discard(supervisor->warm);
    endpoint_unref(supervisor->data);
}

static void finish_manually(struct supervisor *supervisor)
{
    struct sync_mpsc_node *node;
    while ((node = sync_mpsc_pop(supervisor->completions)) != NULL) {
        job_dispose(BASE_CONTAINER_OF(node, struct job, node));
    }
    while (reaper_work(supervisor)) {
    }
}

enum supervisor_end supervisor_stop(struct supervisor **out, uint32_t drain_ms)
{
    return supervisor_stop_after(out, drain_ms, NULL, NULL);
}

enum supervisor_end supervisor_stop_after(struct supervisor **out, uint32_t drain_ms,
                                          bool (*leave)(void *ctx), void *leave_ctx)
{
    struct supervisor *supervisor = *out;
    BASE_CHECK_MAGIC(supervisor, SUPERVISOR_MAGIC);
    *out = NULL;
    atomic_store_explicit(&supervisor->drain_requested, true, memory_order_release);
    supervisor_wake(supervisor);
    if (supervisor->config.is_manual) {
        (void)supervisor_step(supervisor);
    }
    uint64_t began_ns = base_mono_ns();
    await_drained(supervisor);
    uint32_t abandoned = await_loans(supervisor, began_ns + (uint64_t)drain_ms * BASE_NS_PER_MS);
    if (abandoned > 0) {
        report_loans(supervisor);
        keep_for_late_returns(supervisor);
    }
    uint32_t within_ms = supervisor->config.stop_within_ms;
    uint64_t deadline_ns =
        base_mono_ns() + (within_ms > 0 ? within_ms : STOP_WITHIN_MS) * BASE_NS_PER_MS;
    atomic_store_explicit(&supervisor->stop_requested, true, memory_order_release);
    supervisor_wake(supervisor);
    sync_thread_join(&supervisor->thread); /* it never blocks, so neither does this */
    /* what is left to do is done here: its callbacks come on this thread from now on */
    atomic_store_explicit(&supervisor->thread_id, sync_thread_id(), memory_order_relaxed);
    (void)configure_take_messages(supervisor, true);
    let_go(supervisor); /* publishes CLOSED, which answers those who wait for a state */
    if (leave != NULL && !leave(leave_ctx) && abandoned == 0) {
        keep_for_late_returns(supervisor);
        abandoned = 1;
    }
    bool clean = crew_stop(supervisor, deadline_ns);
    atomic_store_explicit(&supervisor->reaper_must_finish, true, memory_order_release);
    reaper_wake(supervisor);
    if (supervisor->config.is_manual) {
        finish_manually(supervisor);
    } else if (!sync_thread_join_until(&supervisor->reaper, deadline_ns)) {
        sync_thread_abandon(&supervisor->reaper);
        clean = false;
    }
    supervisor_unref(supervisor);
    return abandoned > 0 ? SUPERVISOR_ABANDONED : clean ? SUPERVISOR_CLEAN : SUPERVISOR_BACKGROUND;
}

/* ---- asking
 * -------------------------------------------------------------------------------------------------
 */

struct pool *supervisor_pool(struct supervisor *supervisor)
{
    return supervisor->pool;
}

struct connection *supervisor_connection(struct supervisor *supervisor)
{
    return supervisor->connection;
}

struct base_clock *supervisor_clock(struct supervisor *supervisor)
{
    return supervisor->clock;
}

void supervisor_wake(struct supervisor *supervisor)
{
    sync_unpark(&supervisor->parker);
}

void supervisor_request_refresh(struct supervisor *supervisor)
{
    atomic_store_explicit(&supervisor->refresh_requested, true, memory_order_release);
    supervisor_wake(supervisor);
}

void supervisor_request_check(struct supervisor *supervisor)
{
    atomic_store_explicit(&supervisor->check_requested, true, memory_order_release);
    supervisor_wake(supervisor);
}

void supervisor_read_counts(struct supervisor *supervisor, struct supervisor_counts *out)
{
    /* acquire: who sees a refresh counted sees its generation published; else numbers for people */
#define READ(field) .field = atomic_load_explicit(&supervisor->field, memory_order_acquire)
    *out = (struct supervisor_counts){
        READ(reconnects),
        READ(reconnects_denied),
        READ(reconnect_tokens),
        READ(refreshes),
        READ(forced_refreshes),
        READ(condemned),
        READ(stuck),
        .connectors = atomic_load_explicit(&supervisor->connector_count, memory_order_relaxed),
        .endpoints = atomic_load_explicit(&supervisor->endpoints_alive, memory_order_relaxed),
    };
#undef READ
}

void supervisor_read_heartbeats(struct supervisor *supervisor, struct supervisor_heartbeats *out)
{
    struct connection_snapshot now;
    connection_copy(supervisor->connection, &now);
    bool has_server = now.tier == CONNECTION_PRIMARY || now.tier == CONNECTION_SECONDARY;
    const struct beats_seen *seen = &supervisor->beats[has_server ? now.tier : CONNECTION_PRIMARY];
    *out = (struct supervisor_heartbeats){
        .passed = atomic_load_explicit(&seen->passed, memory_order_relaxed),
        .failed = atomic_load_explicit(&seen->failed, memory_order_relaxed),
        .last_ns = atomic_load_explicit(&seen->last_ns, memory_order_relaxed),
        .round_trip_ns = atomic_load_explicit(&seen->round_trip_ns, memory_order_relaxed),
    };
}
