/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that change while it runs: messages to the supervisor thread, changes that were checked
 * before, and the tiers that follow them. */
#include "supervisor_internal.h"
#include <stdio.h>
#include <stdlib.h>

#define TRY_AGAIN_MS 5000 /* a refresh to the new settings failed; the old connections serve on */

struct supervisor_change {
    struct supervisor_config config;          /* its strings are not used */
    struct target *targets[CONNECTION_LOCAL]; /* by enum connection_tier, as the tiers are */
};

/* ---- messages
 * ------------------------------------------------------------------------------------- */

bool supervisor_is_caller(const struct supervisor *supervisor)
{
    return atomic_load_explicit(&supervisor->thread_id, memory_order_relaxed) == sync_thread_id();
}

void supervisor_post(struct supervisor *supervisor, struct supervisor_message *message)
{
    sync_mpsc_push(supervisor->messages, &message->node);
    supervisor_wake(supervisor);
}

bool configure_take_messages(struct supervisor *supervisor, bool is_stopped)
{
    bool worked = false;
    struct sync_mpsc_node *node;
    while ((node = sync_mpsc_pop(supervisor->messages)) != NULL) {
        struct supervisor_message *message =
            BASE_CONTAINER_OF(node, struct supervisor_message, node);
        message->run(message, is_stopped);
        worked = true;
    }
    return worked;
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

static void give_target(struct tier *tier, struct target *target)
{
    target_unref(tier->target);
    free(tier->members_uri);
    tier->members_uri = NULL; /* of another server, perhaps */
    tier->target = target;
    tier->uri = target->uri;
}

enum gleaner_status configure_init(struct supervisor *supervisor)
{
    struct supervisor_config *config = &supervisor->config;
    struct target *primary = target_create(config, config->primary_uri);
    struct target *fallback = target_create(config, config->fallback_uri);
    if (primary == NULL || fallback == NULL ||
        sync_mpsc_create(&supervisor->messages) != GLEANER_OK) {
        target_unref(primary);
        target_unref(fallback);
        return GLEANER_E_NOMEM;
    }
    give_target(&supervisor->tiers[CONNECTION_PRIMARY], primary);
    give_target(&supervisor->tiers[CONNECTION_SECONDARY], fallback);
    /* the targets have copies; these belong to the caller, who may change them */
    config->primary_uri = config->fallback_uri = config->app_name = NULL;
    config->mongo = NULL;
    return GLEANER_OK;
}

void configure_fini(struct supervisor *supervisor)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(supervisor->tiers); i++) {
        target_unref(supervisor->tiers[i].target);
        free(supervisor->tiers[i].members_uri);
        target_unref(supervisor->tiers[i].next);
    }
    sync_mpsc_destroy(&supervisor->messages);
}

/* ---- changes
 * -------------------------------------------------------------------------------------- */

static enum gleaner_status check_pool(const struct supervisor *supervisor,
                                      const struct pool_config *pool, struct base_error *error)
{
    uint32_t capacity = supervisor->config.pool.slot_capacity; /* never changes */
    uint32_t extra = pool->refresh_extra > 0 ? pool->refresh_extra : 1;
    if (pool->max_size < 1 || extra >= capacity || pool->max_size > capacity - extra) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "max_size can be 1..%u while it runs (the table has %u places), is "
                              "%u",
                              extra < capacity ? capacity - extra : 0, capacity, pool->max_size);
    }
    if (pool->min_size > pool->max_size || pool->max_connecting < 1) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "min_size (%u) must not be above max_size (%u), max_connecting (%u) "
                              "not 0",
                              pool->min_size, pool->max_size, pool->max_connecting);
    }
    return GLEANER_OK;
}

enum gleaner_status supervisor_change_create(struct supervisor *supervisor,
                                             const struct supervisor_config *config,
                                             struct supervisor_change **out,
                                             struct base_error *error)
{
    enum gleaner_status status = supervisor_check_config(config, error);
    if (status == GLEANER_OK) {
        status = check_pool(supervisor, &config->pool, error);
    }
    if (status != GLEANER_OK) {
        return status;
    }
    struct supervisor_change *change = calloc(1, sizeof(*change));
    if (change != NULL) {
        change->config = *config;
        change->targets[CONNECTION_PRIMARY] = target_create(config, config->primary_uri);
        change->targets[CONNECTION_SECONDARY] = target_create(config, config->fallback_uri);
    }
    if (change == NULL || change->targets[CONNECTION_PRIMARY] == NULL ||
        change->targets[CONNECTION_SECONDARY] == NULL) {
        supervisor_change_destroy(&change);
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory");
    }
    *out = change;
    return GLEANER_OK;
}

void supervisor_change_destroy(struct supervisor_change **change)
{
    if (*change != NULL) {
        target_unref((*change)->targets[CONNECTION_PRIMARY]);
        target_unref((*change)->targets[CONNECTION_SECONDARY]);
        free(*change);
        *change = NULL;
    }
}

/* Field by field: connectors read those that never change. */
static void take_numbers(struct supervisor *supervisor, const struct supervisor_config *from,
                         uint64_t now_ns)
{
    struct supervisor_config *config = &supervisor->config;
    bool has_new_interval = config->refresh_interval_ms != from->refresh_interval_ms;
    config->connect_ms = from->connect_ms;
    config->refresh_interval_ms = from->refresh_interval_ms;
    config->stop_within_ms = from->stop_within_ms;
    config->return_checks = from->return_checks;
    config->return_span_ms = from->return_span_ms;
    storm_configure(&supervisor->storm, from->reconnect_limit,
                    from->reconnect_window_ms * BASE_NS_PER_MS,
                    from->backoff_base_ms * BASE_NS_PER_MS, from->backoff_cap_ms * BASE_NS_PER_MS);
    if (has_new_interval && !supervisor->is_refreshing && supervisor->renew_job == NULL &&
        supervisor->data != NULL) {
        refresh_restart_timer(supervisor, now_ns);
    }
}

static void take_pool(struct supervisor *supervisor, const struct pool_config *from)
{
    struct pool_config *config = &supervisor->config.pool;
    config->max_size = from->max_size;
    config->min_size = from->min_size;
    config->max_connecting = from->max_connecting;
    config->refresh_extra = from->refresh_extra;
    config->wait_queue_timeout_ms = from->wait_queue_timeout_ms;
    config->max_idle_ms = from->max_idle_ms;
    config->max_lifetime_ms = from->max_lifetime_ms;
    struct base_error error = {0};
    if (pool_configure(supervisor->pool, config, &error) != GLEANER_OK) {
        base_log_error("supervisor", "event=configure_failed why=\"%s\"", error.message);
    }
    if (supervisor->connect_allowance > config->max_connecting) {
        supervisor->connect_allowance = config->max_connecting;
    }
}

static void wish_target(struct supervisor *supervisor, enum connection_tier which,
                        struct supervisor_change *change)
{
    struct tier *tier = &supervisor->tiers[which];
    struct target *wanted = change->targets[which];
    change->targets[which] = NULL;
    const struct target *planned = tier->next != NULL ? tier->next : tier->target;
    if (target_is_same(wanted, planned)) {
        target_unref(wanted);
        return;
    }
    target_unref(tier->next);
    tier->next = wanted;
    if (target_is_same(wanted, tier->target)) { /* back to what it is: nothing to do any more */
        target_unref(tier->next);
        tier->next = NULL;
    }
    supervisor->configure_not_before_ns = 0;
}

void supervisor_change_apply(struct supervisor *supervisor, struct supervisor_change *change)
{
    if (supervisor->is_closed) {
        return;
    }
    uint64_t now_ns = supervisor_now(supervisor);
    take_pool(supervisor, &change->config.pool);
    take_numbers(supervisor, &change->config, now_ns);
    wish_target(supervisor, CONNECTION_PRIMARY, change);
    wish_target(supervisor, CONNECTION_SECONDARY, change);
    (void)configure_follow(supervisor, now_ns);
}

/* ---- following
 * -------------------------------------------------------------------------------------- */

/* What was known about the old server goes. A job that is out is told when it comes home. */
static void take_up(struct tier *tier)
{
    give_target(tier, tier->next);
    tier->next = NULL;
    client_discard(tier->probe_client);
    endpoint_unref(tier->probe_endpoint);
    tier->probe_client = NULL;
    tier->probe_endpoint = NULL;
    tier->lent = NULL;
    tier->poked.count = 0;
    tier->was_refused = false;
    return_forget(tier);
    witness_forget(tier);
    tier->good_checks = 0;
}

static bool serves(const struct supervisor *supervisor, enum connection_tier which)
{
    return supervisor->data != NULL && supervisor->data->tier == which;
}

/* Nothing depends on that tier now, or it is no longer wanted at all. */
static void take_up_at_once(struct supervisor *supervisor, enum connection_tier which,
                            uint64_t now_ns)
{
    bool was_serving = serves(supervisor, which);
    take_up(&supervisor->tiers[which]);
    if (was_serving) {
        if (supervisor_phase(supervisor) != CONNECTION_DEGRADED) {
            supervisor_move(supervisor, CONNECTION_EV_FAILURE, which, "no longer configured");
        }
        recover_lost(supervisor, which, "no longer configured", now_ns);
    } else if (supervisor->tiers[CONNECTION_PRIMARY].uri != NULL &&
               supervisor->tiers[CONNECTION_PRIMARY].job == NULL &&
               !serves(supervisor, CONNECTION_PRIMARY)) {
        supervisor_run_task_at(supervisor, supervisor->task_attempt, now_ns);
    }
}

static bool follow(struct supervisor *supervisor, enum connection_tier which, uint64_t now_ns)
{
    const struct tier *tier = &supervisor->tiers[which];
    if (tier->next == NULL) {
        return false;
    }
    if (!serves(supervisor, which) || tier->next->uri == NULL) {
        take_up_at_once(supervisor, which, now_ns);
        return true;
    }
    if (supervisor->is_refreshing || supervisor->renew_job != NULL ||
        now_ns < supervisor->configure_not_before_ns) {
        return false;
    }
    supervisor->configure_not_before_ns = now_ns + TRY_AGAIN_MS * BASE_NS_PER_MS;
    supervisor_run_task_at(supervisor, supervisor->task_configure,
                           supervisor->configure_not_before_ns);
    refresh_begin(supervisor, now_ns); /* not while degraded: again then */
    return true;
}

bool configure_follow(struct supervisor *supervisor, uint64_t now_ns)
{
    bool worked = follow(supervisor, CONNECTION_PRIMARY, now_ns);
    return follow(supervisor, CONNECTION_SECONDARY, now_ns) || worked;
}

uint64_t configure_due(void *ctx, uint64_t now_ns)
{
    (void)ctx;
    (void)now_ns;
    return BASE_NO_DEADLINE; /* being awake is enough: configure_follow() comes next */
}

void configure_ask_again(struct supervisor *supervisor, const struct job *job, uint64_t now_ns)
{
    struct tier *tier = &supervisor->tiers[job->tier];
    if (supervisor->is_closed) {
        return;
    }
    if (tier->uri != NULL) {
        ask_server(supervisor, tier, job->kind, now_ns);
    } else { /* nobody else plans the next attempt */
        supervisor_run_task_at(supervisor, supervisor->task_attempt, now_ns);
    }
}

bool configure_is_wanted(const struct supervisor *supervisor, const struct job *job)
{
    const struct tier *tier = &supervisor->tiers[job->tier];
    return job->target == tier->target || job->target == tier->next;
}

void configure_renewed(struct supervisor *supervisor, struct job *job, uint64_t now_ns)
{
    if (job->answer.status == GLEANER_OK) {
        take_up(&supervisor->tiers[job->tier]);
        base_log_info("supervisor", "event=settings_taken_up tier=%s",
                      connection_tier_name(job->tier));
        return;
    }
    base_log_warn("supervisor",
                  "event=settings_wait tier=%s why=\"%s\" now=\"the old connections serve on\"",
                  connection_tier_name(job->tier), job->answer.error.message);
    supervisor->configure_not_before_ns = now_ns + TRY_AGAIN_MS * BASE_NS_PER_MS;
    supervisor_run_task_at(supervisor, supervisor->task_configure,
                           supervisor->configure_not_before_ns);
}
