/* SPDX-License-Identifier: Apache-2.0 */
/* Generations of driver pools, counted by those who use them. */
#include "supervisor_internal.h"
#include <stdio.h>
#include <stdlib.h>

/* Driver threads: atomics and a wake-up, nothing else (reference/libmongoc.md, Events). */
static void note_heartbeat(void *ctx, bool ok, int64_t duration_us, bool awaited)
{
    struct endpoint *endpoint = ctx;
    struct beats_seen *seen = &endpoint->supervisor->beats[endpoint->tier];
    /* relaxed: counters that only hint; the supervisor acts on fresh connections of its own */
    atomic_fetch_add_explicit(ok ? &endpoint->beats_ok : &endpoint->beats_failed, 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(ok ? &seen->passed : &seen->failed, 1, memory_order_relaxed);
    if (ok) {
        atomic_store_explicit(&seen->last_ns, supervisor_now(endpoint->supervisor),
                              memory_order_relaxed);
    }
    if (ok && !awaited && duration_us > 0) { /* an awaited one's duration is its wait */
        atomic_store_explicit(&seen->round_trip_ns, (uint64_t)duration_us * BASE_NS_PER_US,
                              memory_order_relaxed);
    }
    supervisor_wake(endpoint->supervisor);
}

static enum gleaner_status open_shards(struct endpoint *endpoint, const char *uri, uint32_t shards,
                                       uint32_t max_clients, struct base_error *error)
{
    struct supervisor *supervisor = endpoint->supervisor;
    const struct supervisor_driver *driver = &supervisor->config.driver;
    struct supervisor_target target = {
        .uri = uri,
        .options = endpoint->target->has_options ? &endpoint->target->options : NULL,
        .app_name = endpoint->app_name,
        .max_clients = max_clients,
        .on_heartbeat = note_heartbeat,
        .heartbeat_ctx = endpoint,
    };
    for (uint32_t i = 0; i < shards; i++) {
        enum gleaner_status status =
            driver->open(driver->ctx, &target, &endpoint->shards[i], error);
        if (status != GLEANER_OK) {
            return status;
        }
        endpoint->shard_count = i + 1;
    }
    return GLEANER_OK;
}

struct endpoint *endpoint_open(const struct job *job, uint32_t shards, const char *app_name,
                               uint32_t max_clients, struct base_error *error)
{
    struct supervisor *supervisor = job->supervisor;
    struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
    if (endpoint == NULL) {
        (void)base_error_set(error, GLEANER_E_NOMEM, "out of memory opening a driver pool");
        return NULL;
    }
    endpoint->supervisor = supervisor;
    endpoint->tier = job->tier;
    endpoint->target = target_ref(job->target);
    endpoint->serial =
        atomic_fetch_add_explicit(&supervisor->endpoint_serial, 1, memory_order_relaxed) + 1;
    atomic_store_explicit(&endpoint->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&supervisor->endpoints_alive, 1, memory_order_relaxed);
    supervisor_ref(supervisor);
    snprintf(endpoint->app_name, sizeof(endpoint->app_name), "%s", app_name);
    if (open_shards(endpoint, target_uri(job), shards, max_clients, error) != GLEANER_OK) {
        endpoint_unref(endpoint);
        return NULL;
    }
    const struct supervisor_driver *driver = &supervisor->config.driver;
    snprintf(endpoint->address, sizeof(endpoint->address), "%s",
             driver->address(driver->ctx, endpoint->shards[0]));
    snprintf(endpoint->database, sizeof(endpoint->database), "%s",
             driver->database(driver->ctx, endpoint->shards[0]));
    return endpoint;
}

void endpoint_ref(struct endpoint *endpoint)
{
    atomic_fetch_add_explicit(&endpoint->refs, 1, memory_order_relaxed);
}

void endpoint_unref(struct endpoint *endpoint)
{
    if (endpoint == NULL ||
        atomic_fetch_sub_explicit(&endpoint->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    struct supervisor *supervisor = endpoint->supervisor; /* it outlives the push: our reference */
    sync_mpsc_push(supervisor->dead_endpoints, &endpoint->node);
    reaper_wake(supervisor);
}

struct client *endpoint_connect(struct endpoint *endpoint, uint32_t shard,
                                struct mongo_error *error)
{
    const struct supervisor_driver *driver = &endpoint->supervisor->config.driver;
    struct client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        *error = (struct mongo_error){.error_class = MONGO_RETRY};
        snprintf(error->message, sizeof(error->message), "out of memory");
        return NULL;
    }
    client->shard = shard % endpoint->shard_count;
    enum gleaner_status status =
        driver->connect(driver->ctx, endpoint->shards[client->shard], &client->shown.client,
                        &client->shown.server_connection_id, error);
    if (status != GLEANER_OK) {
        free(client);
        return NULL;
    }
    endpoint_ref(endpoint);
    atomic_fetch_add_explicit(&endpoint->clients[client->shard], 1, memory_order_relaxed);
    client->endpoint = endpoint;
    client->shown.database = endpoint->database;
    client->shown.address = endpoint->address;
    client->shown.tier = endpoint->tier;
    client->shown.tier_name = connection_tier_name(endpoint->tier);
    return client;
}

void client_discard(struct client *client)
{
    if (client == NULL) {
        return;
    }
    struct supervisor *supervisor = client->endpoint->supervisor;
    sync_mpsc_push(supervisor->dead_clients, &client->node);
    reaper_wake(supervisor);
}
