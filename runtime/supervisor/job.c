/* SPDX-License-Identifier: Apache-2.0 */
/* What connectors do: everything here may block in the driver. A job owns what it carries, so that
 * a connector that hangs holds nothing the supervisor still needs. */
#include "supervisor_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PROBE_CLIENTS 8
#define LISTEN_WAIT_MS 2000
#define LISTEN_LOOK_MS 20
#define FIRST_LOOK_MS 250
#define POKE_PART 10 /* 1/10 of connect_ms is left when a poke of a frozen server gives up */

struct job *job_create(struct supervisor *supervisor, enum job_kind kind, enum connection_tier tier)
{
    struct job *job = calloc(1, sizeof(*job));
    if (job != NULL) {
        job->supervisor = supervisor;
        job->kind = kind;
        job->tier = tier;
        target_aim(job, supervisor->tiers[tier].target, supervisor->tiers[tier].members_uri);
        atomic_fetch_add_explicit(&supervisor->jobs_alive, 1, memory_order_relaxed);
    }
    return job;
}

static void finish_late(struct job *job)
{
    struct pool *pool = job->supervisor->pool;
    if (job->client != NULL) {
        (void)pool_connect_done(pool, &job->pool_job, job->client); /* retires it: stale */
        job->client = NULL;
    } else {
        pool_connect_failed(pool, &job->pool_job, false);
    }
}

void job_dispose(struct job *job)
{
    struct supervisor *supervisor = job->supervisor;
    if (job->holds_slot) { /* condemned, or nobody is left to settle it: its slot waits for this */
        finish_late(job);
    }
    client_discard(job->client);
    client_discard(job->probe_client);
    client_discard(job->old_probe_client);
    endpoint_unref(job->old_probe_endpoint);
    endpoint_unref(job->data);
    endpoint_unref(job->probe_endpoint);
    target_unref(job->target);
    free(job->members_uri);
    free(job->found_uri);
    if (job->errand != NULL) {
        job->errand->dispose(job->errand);
    }
    free(job);
    /* release: the reaper that sees 0 sees what was handed over above */
    atomic_fetch_sub_explicit(&supervisor->jobs_alive, 1, memory_order_release);
}

const char *job_kind_name(enum job_kind kind)
{
    static const char *const names[] = {"connect", "probe", "recover", "renew", "call", "poke"};
    return names[kind];
}

static enum gleaner_status fail(struct job *job, enum gleaner_status status, const char *message)
{
    snprintf(job->answer.error.message, sizeof(job->answer.error.message), "%.399s", message);
    return status;
}

static struct endpoint *open_endpoint(struct job *job, uint32_t shards, const char *suffix,
                                      uint32_t max_clients, enum gleaner_status *status)
{
    char app_name[129];
    struct base_error error = {0};
    snprintf(app_name, sizeof(app_name), "%.80s/%ld/%s", job->target->app_name, (long)getpid(),
             suffix);
    struct endpoint *endpoint = endpoint_open(job, shards, app_name, max_clients, &error);
    if (endpoint == NULL) {
        *status = fail(job, error.status, error.message);
    }
    return endpoint;
}

static enum gleaner_status connect_to(struct job *job, struct endpoint *endpoint, uint32_t shard,
                                      struct client **out)
{
    *out = endpoint_connect(endpoint, shard, &job->answer.error);
    return *out != NULL ? GLEANER_OK : mongo_error_status(job->answer.error.error_class);
}

static enum gleaner_status ping(struct job *job, struct client *client)
{
    const struct supervisor_driver *driver = &job->supervisor->config.driver;
    uint64_t started_ns = base_mono_ns();
    enum gleaner_status status =
        driver->ping(driver->ctx, client->shown.client, &job->answer.error);
    job->answer.round_trip_ns = base_mono_ns() - started_ns;
    return status;
}

/* ---- a server of this machine: is anybody there at all? ---- */

static bool is_absent(const struct job *job)
{
    return atomic_load_explicit(&job->target->listens_here, memory_order_relaxed) &&
           listener_look(&job->ports) == LISTENER_ABSENT;
}

static void note_listener(const struct job *job)
{
    struct target *target = job->target;
    if (!atomic_load_explicit(&target->listens_here, memory_order_relaxed) &&
        listener_look(&job->ports) == LISTENER_PRESENT) {
        atomic_store_explicit(&target->listens_here, true, memory_order_relaxed);
    }
}

/* An attempt takes as long as the driver's server selection would, but asks the kernel meanwhile,
 * where the driver would knock every 500 ms; and it sees the return at once. */
static void await_listener(const struct job *job)
{
    const struct supervisor *supervisor = job->supervisor;
    /* connect_ms of when it began: connectors do not read settings, which may change meanwhile */
    uint64_t half_ms = (job->deadline_ns - job->started_ns) / BASE_NS_PER_MS / 2;
    uint64_t wait_ms = half_ms < LISTEN_WAIT_MS ? half_ms : LISTEN_WAIT_MS;
    uint64_t deadline_ns = base_mono_ns() + wait_ms * BASE_NS_PER_MS;
    const struct timespec look_again = {.tv_nsec = LISTEN_LOOK_MS * (long)BASE_NS_PER_MS};
    while (is_absent(job) && base_mono_ns() < deadline_ns &&
           !atomic_load_explicit(&supervisor->stop_requested, memory_order_acquire)) {
        (void)nanosleep(&look_again, NULL);
    }
}

static void poke_target(struct job *job, uint32_t timeout_ms)
{
    const struct supervisor_driver *driver = &job->supervisor->config.driver;
    driver->poke(driver->ctx, target_uri(job), timeout_ms, &job->supervisor->stop_requested,
                 &job->poke);
}

/* The server in use is under suspicion. Where TCP is refused the driver would look five times in
 * two seconds and then say "no suitable servers": one look of our own says it now. */
static bool is_plainly_gone(struct job *job)
{
    bool is_told = atomic_load_explicit(&job->target->listens_here, memory_order_relaxed);
    if (job->kind != JOB_PROBE || is_told || job->supervisor->config.driver.poke == NULL) {
        return false;
    }
    poke_target(job, FIRST_LOOK_MS);
    return job->poke.answer == POKE_REFUSED || job->poke.answer == POKE_UNREACHABLE;
}

static enum gleaner_status fail_absent(struct job *job)
{
    job->is_absent = true;
    job->poke.answer = POKE_REFUSED;
    job->answer.error.error_class = MONGO_RECONNECT;
    return fail(job, GLEANER_E_NETWORK, "no process listens on the server's port");
}

/* What the tier had for its probes and commands goes with the job. Not at once: the supervisor
 * looks at its heartbeats as long as the job runs. */
static void replace_probe_endpoint(struct job *job, struct endpoint *endpoint)
{
    job->old_probe_endpoint = job->probe_endpoint;
    job->old_probe_client = job->probe_client;
    job->probe_endpoint = endpoint;
    job->probe_client = NULL;
}

/* A handshake that fails makes the driver forget its server for a while, and stalls every client
 * of that driver pool: a probe must not do that to the table's. */
static enum gleaner_status need_probe_endpoint(struct job *job)
{
    enum gleaner_status status = GLEANER_OK;
    struct endpoint *given = job->probe_endpoint;
    if (given == NULL || (!given->is_probes && job->kind != JOB_CALL)) {
        struct endpoint *own = open_endpoint(job, 1, "probe", PROBE_CLIENTS, &status);
        if (own != NULL) {
            own->is_probes = true;
            replace_probe_endpoint(job, own);
        }
    }
    return status;
}

/* A fresh connection that answers a ping; it replaces the probe client. */
static enum gleaner_status probe(struct job *job)
{
    if (job->kind == JOB_RECOVER) {
        await_listener(job);
    }
    if (is_absent(job)) {
        return fail_absent(job);
    }
    if (is_plainly_gone(job)) {
        job->answer.error.error_class = MONGO_RECONNECT;
        return GLEANER_E_NETWORK;
    }
    enum gleaner_status status = need_probe_endpoint(job);
    if (status != GLEANER_OK) {
        return status;
    }
    struct client *fresh;
    status = connect_to(job, job->probe_endpoint, 0, &fresh);
    if (status != GLEANER_OK) {
        return status;
    }
    status = ping(job, fresh);
    if (status != GLEANER_OK) {
        client_discard(fresh);
        return status;
    }
    note_listener(job);
    if (job->probe_client != NULL) {
        job->old_probe_client = job->probe_client;
    }
    job->probe_client = fresh;
    return GLEANER_OK;
}

/* The driver's words are the same for a dead server and for one that is full. */
static void look_why(struct job *job)
{
    bool is_known = job->is_absent || job->poke.answer != POKE_UNASKED;
    if (!is_known && job->supervisor->config.driver.poke != NULL) {
        poke_target(job, FIRST_LOOK_MS);
    }
}

/* A new generation of driver pools, and its first client, connected. */
static enum gleaner_status renew(struct job *job)
{
    uint32_t capacity = job->supervisor->config.pool.slot_capacity; /* never changes */
    enum gleaner_status status = GLEANER_OK;
    char number[16];
    snprintf(number, sizeof(number), "%u", job->generation);
    /* the driver's pool is never waited in: room for every slot, and for recycled ones */
    job->data = open_endpoint(job, job->target->shards, number, 2 * capacity, &status);
    if (job->data == NULL) {
        return status;
    }
    return connect_to(job, job->data, 0, &job->client);
}

/* Nothing of the lost server serves any more, so that no driver pool has to be spared: the first
 * client of the new one is the probe, and the server is asked for three connections less. */
static enum gleaner_status recover_directly(struct job *job)
{
    await_listener(job);
    if (is_absent(job)) {
        return fail_absent(job);
    }
    replace_probe_endpoint(job, NULL);
    enum gleaner_status status = renew(job);
    if (status == GLEANER_OK) {
        status = ping(job, job->client);
    }
    if (status == GLEANER_OK) {
        note_listener(job);
        return status;
    }
    client_discard(job->client);
    job->client = NULL;
    /* it stays until the next attempt: the heartbeats of its monitor may tell of the return */
    job->probe_endpoint = job->data;
    job->data = NULL;
    if (job->probe_endpoint != NULL) {
        job->probe_endpoint->is_probes = true;
    }
    return status;
}

static enum gleaner_status recover(struct job *job)
{
    if (job->supervisor->config.driver.isolates_errors) {
        return recover_directly(job);
    }
    enum gleaner_status status = probe(job);
    return status == GLEANER_OK ? renew(job) : status;
}

static enum gleaner_status ask(struct job *job)
{
    const struct supervisor_driver *driver = &job->supervisor->config.driver;
    switch (job->call) {
    case SUPERVISOR_PING:
        return ping(job, job->probe_client);
    case SUPERVISOR_ERRAND:
        return job->errand->run(job->errand, job->probe_client->shown.client, &job->answer.error);
    case SUPERVISOR_SERVER_CONNECTIONS:
        break;
    }
    return driver->server_connections(driver->ctx, job->probe_client->shown.client,
                                      &job->answer.connections, &job->answer.error);
}

static enum gleaner_status call(struct job *job)
{
    const struct supervisor_driver *driver = &job->supervisor->config.driver;
    enum gleaner_status status = job->probe_client == NULL ? probe(job) : GLEANER_OK;
    bool is_answered = job->answer.round_trip_ns != 0 && job->call == SUPERVISOR_PING;
    if (status == GLEANER_OK && !is_answered) {
        status = ask(job);
    }
    job->answer.known = (struct mongo_known){-1, -1, -1};
    if (status == GLEANER_OK && driver->known != NULL) {
        driver->known(driver->ctx, job->probe_client->shown.client, &job->answer.known);
    }
    return status;
}

static enum gleaner_status poke_once(struct job *job)
{
    if (is_absent(job)) {
        job->poke.answer = POKE_REFUSED;
        return GLEANER_E_DOWN;
    }
    uint32_t connect_ms = (uint32_t)((job->deadline_ns - job->started_ns) / BASE_NS_PER_MS);
    poke_target(job, connect_ms - connect_ms / POKE_PART);
    return poke_is_good(job->poke.answer) ? GLEANER_OK : GLEANER_E_DOWN;
}

/* It has just answered: its driver pool knows the set as it is now. */
static void find_members(struct job *job)
{
    const struct supervisor_driver *driver = &job->supervisor->config.driver;
    const struct client *client = job->client != NULL ? job->client : job->probe_client;
    if (driver->find_members != NULL && client != NULL && job->kind != JOB_CONNECT) {
        job->found_uri = driver->find_members(driver->ctx, client->shown.client, job->target->uri);
    }
}

void job_run(struct job *job)
{
    enum gleaner_status status = GLEANER_E_INTERNAL;
    switch (job->kind) {
    case JOB_CONNECT:
        status = connect_to(job, job->data, job->shard, &job->client);
        break;
    case JOB_PROBE:
        status = probe(job);
        if (status != GLEANER_OK && status != GLEANER_E_AUTH) {
            look_why(job);
        }
        break;
    case JOB_RECOVER:
        status = recover(job);
        break;
    case JOB_RENEW:
        status = renew(job);
        break;
    case JOB_CALL:
        status = call(job);
        break;
    case JOB_POKE:
        status = poke_once(job);
        break;
    }
    if (status == GLEANER_OK) {
        find_members(job);
    }
    job->answer.status = status;
}
