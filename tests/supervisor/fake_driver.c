/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_driver.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_ENDPOINTS 256

struct fake_endpoint {
    struct fake_driver *fake;
    struct fake_server *server;
    void (*on_heartbeat)(void *ctx, bool ok, int64_t duration_us, bool awaited);
    void *heartbeat_ctx;
};
struct fake_client {
    struct fake_server *server;
};

/* One thread opens and closes in manual mode; the threaded suite sends no heartbeats. */
static struct fake_endpoint *open_now[FAKE_ENDPOINTS];

static enum gleaner_status fake_open(void *ctx, const struct supervisor_target *target,
                                     void **endpoint, struct base_error *error)
{
    (void)error;
    struct fake_driver *fake = ctx;
    struct fake_endpoint *opened = calloc(1, sizeof(*opened));
    cr_assert_not_null(opened);
    opened->fake = fake;
    opened->server = strcmp(target->uri, FAKE_PRIMARY) == 0 ? &fake->primary : &fake->fallback;
    opened->on_heartbeat = target->on_heartbeat;
    opened->heartbeat_ctx = target->heartbeat_ctx;
    atomic_fetch_add(&opened->server->endpoints, 1);
    for (size_t i = 0; i < FAKE_ENDPOINTS; i++) {
        if (open_now[i] == NULL) {
            open_now[i] = opened;
            break;
        }
    }
    *endpoint = opened;
    return GLEANER_OK;
}

static void fake_close(void *ctx, void *endpoint)
{
    (void)ctx;
    struct fake_endpoint *closing = endpoint;
    for (size_t i = 0; i < FAKE_ENDPOINTS; i++) {
        open_now[i] = open_now[i] == closing ? NULL : open_now[i];
    }
    atomic_fetch_sub(&closing->server->endpoints, 1);
    free(closing);
}

static const char *fake_address(void *ctx, void *endpoint)
{
    struct fake_driver *fake = ctx;
    return ((struct fake_endpoint *)endpoint)->server == &fake->primary ? "primary" : "fallback";
}

static const char *fake_database(void *ctx, void *endpoint)
{
    (void)ctx;
    (void)endpoint;
    return "test";
}

static enum gleaner_status refuse(struct mongo_error *error)
{
    *error = (struct mongo_error){.error_class = MONGO_RECONNECT, .message = "refused"};
    return mongo_error_status(MONGO_RECONNECT);
}

static void hang(struct fake_driver *fake, _Atomic uint32_t *now)
{
    atomic_fetch_add(now, 1);
    while (atomic_load(&fake->released) == 0) {
        (void)sync_futex_wait(&fake->released, 0, BASE_NO_DEADLINE);
    }
    atomic_fetch_sub(now, 1);
}

static enum gleaner_status fake_connect(void *ctx, void *endpoint, void **client,
                                        int64_t *connection_id, struct mongo_error *error)
{
    struct fake_driver *fake = ctx;
    struct fake_server *server = ((struct fake_endpoint *)endpoint)->server;
    atomic_fetch_add(&server->connects, 1);
    if (atomic_load(&server->connect_ms) > 0) {
        base_clock_advance(fake->clock, atomic_load(&server->connect_ms) * BASE_NS_PER_MS);
    }
    if (atomic_load(&server->is_silent)) {
        hang(fake, &fake->silent_now);
    }
    if (atomic_load(&server->is_down)) {
        atomic_fetch_add(&server->connect_failures, 1);
        return refuse(error);
    }
    if (atomic_load(&server->refuses_us)) {
        atomic_fetch_add(&server->connect_failures, 1);
        *error = (struct mongo_error){.error_class = MONGO_AUTH};
        snprintf(error->message, sizeof(error->message), "Authentication failed.");
        return GLEANER_E_AUTH;
    }
    struct fake_client *made = calloc(1, sizeof(*made));
    cr_assert_not_null(made);
    made->server = server;
    atomic_fetch_add(&server->clients, 1);
    *connection_id = 1;
    *client = made;
    return GLEANER_OK;
}

static void fake_destroy(void *ctx, void *endpoint, void *client)
{
    struct fake_driver *fake = ctx;
    (void)endpoint;
    struct fake_client *gone = client;
    if (atomic_load(&gone->server->destroys_hang)) {
        hang(fake, &fake->destroying_now);
    }
    atomic_fetch_sub(&gone->server->clients, 1);
    free(gone);
}

static enum gleaner_status fake_ping(void *ctx, void *client, struct mongo_error *error)
{
    (void)ctx;
    struct fake_server *server = ((struct fake_client *)client)->server;
    atomic_fetch_add(&server->pings, 1);
    return atomic_load(&server->is_down) ? refuse(error) : GLEANER_OK;
}

static enum gleaner_status fake_connections(void *ctx, void *client,
                                            struct supervisor_server_connections *out,
                                            struct mongo_error *error)
{
    struct fake_driver *fake = ctx;
    struct fake_server *server = ((struct fake_client *)client)->server;
    atomic_fetch_add(&server->looks, 1);
    if (atomic_load(&server->looks_hang)) {
        hang(fake, &fake->looking_now);
    }
    if (atomic_load(&server->is_down)) {
        return refuse(error);
    }
    *out = server->shown.current > 0
               ? server->shown
               : (struct supervisor_server_connections){.current = 80, .available = 20};
    return server->shown_status;
}

struct supervisor_driver fake_driver_table(struct fake_driver *fake)
{
    return (struct supervisor_driver){
        .ctx = fake,
        .open = fake_open,
        .close = fake_close,
        .address = fake_address,
        .database = fake_database,
        .connect = fake_connect,
        .destroy = fake_destroy,
        .ping = fake_ping,
        .server_connections = fake_connections,
    };
}

void fake_release(struct fake_driver *fake)
{
    atomic_store(&fake->released, 1);
    sync_futex_wake(&fake->released, 1000);
}

void fake_heartbeat(struct fake_driver *fake, struct fake_server *server, bool ok)
{
    for (size_t i = 0; i < FAKE_ENDPOINTS; i++) {
        struct fake_endpoint *endpoint = open_now[i];
        if (endpoint != NULL && endpoint->fake == fake && endpoint->server == server) {
            endpoint->on_heartbeat(endpoint->heartbeat_ctx, ok, 1000, false);
        }
    }
}

/* ---- a world ------------------------------------------------------------------------------------
 */

void world_open(struct fake_world *world, void (*adjust)(struct supervisor_config *config))
{
    sync_init();
    sync_reader_ensure();
    base_log_set_level(BASE_LOG_ERROR);
    world->clock = base_clock_virtual_create(BASE_NS_PER_S);
    world->fake.clock = world->clock;
    struct supervisor_config config = {
        .primary_uri = FAKE_PRIMARY,
        .app_name = "test",
        .pool = {.slot_capacity = 20,
                 .max_size = 8,
                 .min_size = 2,
                 .max_connecting = 2,
                 .refresh_extra = 2,
                 .address = "fake"},
        .shards = 2,
        .connect_ms = 5000,
        .refresh_interval_ms = 4 * 3600 * 1000,
        .reconnect_limit = 10,
        .reconnect_window_ms = 300000,
        .backoff_base_ms = 500,
        .backoff_cap_ms = 30000,
        .return_checks = 3,
        .return_span_ms = 3000,
        .random_seed = 7,
        .clock = world->clock,
        .driver = fake_driver_table(&world->fake),
        .is_manual = true,
    };
    if (adjust != NULL) {
        adjust(&config);
    }
    struct base_error error = {0};
    cr_assert_eq(supervisor_create(&config, &world->supervisor, &error), GLEANER_OK, "%s",
                 error.message);
    world->pool = supervisor_pool(world->supervisor);
    world->connection = supervisor_connection(world->supervisor);
    cr_assert_eq(supervisor_start(world->supervisor), GLEANER_OK);
    world_settle(world);
}

void world_close(struct fake_world *world)
{
    cr_expect_eq(supervisor_stop(&world->supervisor, 0), SUPERVISOR_CLEAN);
    cr_expect_eq(atomic_load(&world->fake.primary.clients), 0, "every client is destroyed");
    cr_expect_eq(atomic_load(&world->fake.fallback.clients), 0);
    cr_expect_eq(atomic_load(&world->fake.primary.endpoints), 0, "every driver pool is closed");
    cr_expect_eq(atomic_load(&world->fake.fallback.endpoints), 0);
    base_clock_destroy(&world->clock);
}

void world_settle(struct fake_world *world)
{
    while (supervisor_step(world->supervisor)) {
    }
}

static uint64_t step_to_next(struct fake_world *world, uint64_t end_ns)
{
    uint64_t now_ns = base_clock_now_ns(world->clock);
    uint64_t due_ns = supervisor_next_due_ns(world->supervisor);
    uint64_t next_ns = due_ns < end_ns ? due_ns : end_ns;
    base_clock_advance(world->clock, next_ns > now_ns ? next_ns - now_ns : 0);
    world_settle(world);
    return base_clock_now_ns(world->clock);
}

void world_pass(struct fake_world *world, uint64_t ms)
{
    uint64_t end_ns = base_clock_now_ns(world->clock) + ms * BASE_NS_PER_MS;
    world_settle(world);
    while (step_to_next(world, end_ns) < end_ns) {
    }
}

bool world_reach(struct fake_world *world, enum connection_phase phase, uint64_t ms)
{
    uint64_t end_ns = base_clock_now_ns(world->clock) + ms * BASE_NS_PER_MS;
    world_settle(world);
    while (world_phase(world) != phase && step_to_next(world, end_ns) < end_ns) {
    }
    return world_phase(world) == phase;
}

enum connection_phase world_phase(const struct fake_world *world)
{
    return connection_current(world->connection)->phase;
}

enum gleaner_status world_take(struct fake_world *world, struct pool_handle *handle)
{
    enum gleaner_status status = pool_check_out(world->pool, 0, handle);
    world_settle(world);
    return status;
}

void world_report(struct fake_world *world, const struct pool_handle *handle)
{
    (void)pool_check_in(world->pool, handle, POOL_CLIENT_BROKEN);
    connection_report(world->connection, handle->generation, CONNECTION_FAIL_NETWORK, handle->slot,
                      base_clock_now_ns(world->clock));
}

struct supervisor_counts world_counts(struct fake_world *world)
{
    struct supervisor_counts counts;
    supervisor_read_counts(world->supervisor, &counts);
    return counts;
}
