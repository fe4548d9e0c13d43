/* SPDX-License-Identifier: Apache-2.0 */
/* The driver table over runtime/mongo. */
#include "poke.h"
#include "supervisor.h"

static enum gleaner_status open_endpoint(void *ctx, const struct supervisor_target *target,
                                         void **endpoint, struct base_error *error)
{
    struct mongo_options options =
        target->options != NULL ? *target->options : *(const struct mongo_options *)ctx;
    options.uri = target->uri;
    options.app_name = target->app_name;
    options.max_clients = target->max_clients;
    options.on_heartbeat = target->on_heartbeat;
    options.heartbeat_ctx = target->heartbeat_ctx;
    struct mongo_endpoint *opened = NULL;
    enum gleaner_status status = mongo_endpoint_open(&options, &opened, error);
    *endpoint = opened;
    return status;
}

static void close_endpoint(void *ctx, void *endpoint)
{
    (void)ctx;
    struct mongo_endpoint *closing = endpoint;
    mongo_endpoint_close(&closing);
}

static const char *address(void *ctx, void *endpoint)
{
    (void)ctx;
    return mongo_endpoint_address(endpoint);
}

static const char *database(void *ctx, void *endpoint)
{
    (void)ctx;
    return mongo_endpoint_database(endpoint);
}

static enum gleaner_status connect_client(void *ctx, void *endpoint, void **client,
                                          int64_t *connection_id, struct mongo_error *error)
{
    (void)ctx;
    return mongo_client_connect(endpoint, client, connection_id, error);
}

static void destroy_client(void *ctx, void *endpoint, void *client)
{
    (void)ctx;
    mongo_client_destroy(endpoint, client);
}

static enum gleaner_status ping(void *ctx, void *client, struct mongo_error *error)
{
    (void)ctx;
    return mongo_client_ping(client, error);
}

static void poke_seeds(void *ctx, const char *uri, uint32_t timeout_ms,
                       const _Atomic bool *must_end, struct poke_report *out)
{
    (void)ctx;
    poke(uri, timeout_ms, must_end, out);
}

static enum gleaner_status server_connections(void *ctx, void *client,
                                              struct supervisor_server_connections *out,
                                              struct mongo_error *error)
{
    (void)ctx;
    enum gleaner_status status = mongo_server_status(client, &out->status, error);
    if (status == GLEANER_OK) {
        out->has_status = true;
        out->current = out->status.connections_current;
        out->available = out->status.connections_available;
        out->total_created = out->status.connections_created;
    }
    return status;
}

static char *find_members(void *ctx, void *client, const char *uri)
{
    (void)ctx;
    return mongo_client_find_members(client, uri);
}

static void known(void *ctx, void *client, struct mongo_known *out)
{
    (void)ctx;
    mongo_client_known(client, out);
}

struct supervisor_driver supervisor_mongo_driver(const struct mongo_options *shared)
{
    return (struct supervisor_driver){
        .ctx = (void *)shared, /* read only */
        .isolates_errors = mongo_isolates_errors(),
        .open = open_endpoint,
        .close = close_endpoint,
        .address = address,
        .database = database,
        .connect = connect_client,
        .destroy = destroy_client,
        .ping = ping,
        .poke = poke_seeds,
        .server_connections = server_connections,
        .find_members = find_members,
        .known = known,
    };
}
