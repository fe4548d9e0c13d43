/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to a real mongod, with the fail point of the test set on it. */
#include "cmap_runner.h"
#include "mongo.h"
#include "mongod.h"

#include <stdlib.h>

/* Longer than any fail point blocks a connection that has to come about (800 ms), shorter than the
 * one that blocks for ever (10 s): that one only has to be given up by the pool. */
#define SOCKET_MS 3000
#define HEARTBEAT_MS 60000 /* the driver's own hellos are not to use up the fail point */

struct connector {
    struct fixture_mongod *server;
    struct mongo_endpoint *endpoint; /* of the test that runs */
};

/* A client that came and went: the driver knows the server before hello fails or hangs. */
static bool learn_server(struct mongo_endpoint *endpoint)
{
    mongo_client *client = NULL;
    if (mongo_client_connect(endpoint, &client, NULL, NULL) != GLEANER_OK) {
        return false;
    }
    mongo_client_destroy(endpoint, client);
    return true;
}

static bool child_document(const bson_t *doc, const char *key, bson_t *out)
{
    bson_iter_t iter;
    const uint8_t *data;
    uint32_t length;
    if (!bson_iter_init_find(&iter, doc, key) || !BSON_ITER_HOLDS_DOCUMENT(&iter)) {
        return false;
    }
    bson_iter_document(&iter, &length, &data);
    return bson_init_static(out, data, length);
}

static bool set_fail_point(struct connector *self, const bson_t *test)
{
    bson_t fail_point;
    if (!child_document(test, "failPoint", &fail_point)) {
        return true;
    }
    char *json = bson_as_canonical_extended_json(&fail_point, NULL);
    bool set = fixture_mongod_command(self->server, 0, "admin", json, NULL);
    bson_free(json);
    return set;
}

static bool mongod_open(void *ctx, const bson_t *test)
{
    struct connector *self = ctx;
    struct base_error error;
    bson_t options = BSON_INITIALIZER;
    (void)child_document(test, "poolOptions", &options);
    struct mongo_options endpoint = {.uri = fixture_mongod_uri(self->server),
                                     .app_name = cmap_utf8(&options, "appName"),
                                     .socket_ms = SOCKET_MS,
                                     .heartbeat_ms = HEARTBEAT_MS};
    return mongo_endpoint_open(&endpoint, &self->endpoint, &error) == GLEANER_OK &&
           learn_server(self->endpoint) && set_fail_point(self, test);
}

static bool mongod_connect(void *ctx, const struct pool_connect_job *job, void **client)
{
    (void)job;
    return mongo_client_connect(((struct connector *)ctx)->endpoint, client, NULL, NULL) ==
           GLEANER_OK;
}

static void mongod_close(void *ctx, void *client)
{
    mongo_client_destroy(((struct connector *)ctx)->endpoint, client);
}

static void mongod_finish(void *ctx)
{
    struct connector *self = ctx;
    bool cleared =
        fixture_mongod_command(self->server, 0, "admin",
                               "{\"configureFailPoint\":\"failCommand\",\"mode\":\"off\"}", NULL);
    BASE_ASSERT(cleared);
    mongo_endpoint_close(&self->endpoint); /* asserts that every client was destroyed */
}

static struct connector connector;

const struct cmap_connector cmap_mongod = {.name = "mongod",
                                           .style = "integration",
                                           .open = mongod_open,
                                           .connect = mongod_connect,
                                           .close = mongod_close,
                                           .finish = mongod_finish,
                                           .ctx = &connector};

bool cmap_mongod_start(void)
{
    if (connector.server == NULL) {
        mongo_init();
        connector.server = fixture_mongod_start(NULL);
    }
    return connector.server != NULL;
}

void cmap_mongod_end(void)
{
    fixture_mongod_end(&connector.server);
}
