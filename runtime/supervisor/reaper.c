/* SPDX-License-Identifier: Apache-2.0 */
/* The one thread that destroys: retired clients, clients that never got in, driver pools. It may
 * block for seconds on a dead server, and is the last to leave. */
#include "supervisor_internal.h"
#include <stddef.h>
#include <stdlib.h>

void reaper_wake(void *supervisor)
{
    sync_unpark(&((struct supervisor *)supervisor)->reaper_parker);
}

static void destroy_client(struct supervisor *supervisor, struct client *client)
{
    const struct supervisor_driver *driver = &supervisor->config.driver;
    driver->destroy(driver->ctx, client->endpoint->shards[client->shard], client->shown.client);
    atomic_fetch_sub_explicit(&client->endpoint->clients[client->shard], 1, memory_order_relaxed);
    endpoint_unref(client->endpoint);
    free(client);
}

static bool reap_one_retired(struct supervisor *supervisor)
{
    struct pool_reap_job job;
    if (pool_reap_begin(supervisor->pool, &job) != GLEANER_OK) {
        return false;
    }
    destroy_client(supervisor, job.client);
    pool_reap_done(supervisor->pool, &job);
    supervisor_wake(supervisor); /* a slot is free: somebody may be waiting for it */
    return true;
}

static bool reap_one_discarded(struct supervisor *supervisor)
{
    struct sync_mpsc_node *node = sync_mpsc_pop(supervisor->dead_clients);
    if (node == NULL) {
        return false;
    }
    destroy_client(supervisor, BASE_CONTAINER_OF(node, struct client, node));
    return true;
}

static bool close_one_endpoint(struct supervisor *supervisor)
{
    struct sync_mpsc_node *node = sync_mpsc_pop(supervisor->dead_endpoints);
    if (node == NULL) {
        return false;
    }
    struct endpoint *endpoint = BASE_CONTAINER_OF(node, struct endpoint, node);
    const struct supervisor_driver *driver = &supervisor->config.driver;
    for (uint32_t i = 0; i < endpoint->shard_count; i++) {
        driver->close(driver->ctx, endpoint->shards[i]);
    }
    target_unref(endpoint->target);
    free(endpoint);
    atomic_fetch_sub_explicit(&supervisor->endpoints_alive, 1, memory_order_relaxed);
    supervisor_unref(supervisor);
    return true;
}

bool reaper_work(struct supervisor *supervisor)
{
    return reap_one_retired(supervisor) || reap_one_discarded(supervisor) ||
           close_one_endpoint(supervisor);
}

/* After the supervisor's end its completions are ours to throw away. */
static bool drop_one_completion(struct supervisor *supervisor)
{
    struct sync_mpsc_node *node = sync_mpsc_pop(supervisor->completions);
    if (node == NULL) {
        return false;
    }
    job_dispose(BASE_CONTAINER_OF(node, struct job, node));
    return true;
}

/* Jobs first: a job that is gone has handed over what it owned. Loans keep their endpoints, so an
 * abandoned loan keeps the reaper. */
static bool is_finished(struct supervisor *supervisor)
{
    return atomic_load_explicit(&supervisor->jobs_alive, memory_order_acquire) == 0 &&
           atomic_load_explicit(&supervisor->endpoints_alive, memory_order_relaxed) == 0;
}

void reaper_main(void *arg)
{
    struct supervisor *supervisor = arg;
    for (;;) {
        bool finishing =
            atomic_load_explicit(&supervisor->reaper_must_finish, memory_order_acquire);
        bool worked = reaper_work(supervisor);
        if (finishing) {
            worked = drop_one_completion(supervisor) || worked;
            if (!worked && is_finished(supervisor)) {
                break;
            }
        }
        if (!worked) {
            (void)sync_park(&supervisor->reaper_parker, BASE_NO_DEADLINE);
        }
    }
    supervisor_unref(supervisor);
}
