/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_common.h"

static void ping(mongoc_client_t *client)
{
    bson_t command = BSON_INITIALIZER;
    BSON_APPEND_INT32(&command, "ping", 1);
    bool ok = mongoc_client_command_simple(client, "admin", &command, NULL, NULL, NULL);
    BASE_ASSERT(ok);
    bson_destroy(&command);
}

mongoc_client_pool_t *bench_mongoc_pool(const char *address, uint32_t clients, bool is_connected)
{
    mongoc_client_t *popped[BENCH_THREADS_MAX];
    mongoc_uri_t *uri = mongoc_uri_new(address);
    mongoc_client_pool_t *pool = mongoc_client_pool_new(uri);
    mongoc_uri_destroy(uri);
    mongoc_client_pool_max_size(pool, clients);
    for (uint32_t i = 0; is_connected && i < clients; i++) { /* all at once: so many connect */
        popped[i] = mongoc_client_pool_pop(pool);
        ping(popped[i]);
    }
    for (uint32_t i = 0; is_connected && i < clients; i++) {
        mongoc_client_pool_push(pool, popped[i]);
    }
    return pool;
}

void bench_mongoc_pairs(void *pool, uint32_t thread)
{
    (void)thread;
    for (int i = 0; i < BENCH_BATCH; i++) {
        mongoc_client_pool_push(pool, mongoc_client_pool_pop(pool));
    }
}
