/* SPDX-License-Identifier: Apache-2.0 */
/* Making and ending one client. The driver connects lazily at the first operation; here a client
 * has spoken to its server before anybody gets it, so that no worker ever pays for it. */
#include "mongo_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define HANDSHAKE_EXTRA_MS 500

/* The first pop starts the driver's monitor threads, which inherit the caller's signal mask: with
 * all blocked, no signal of the process is ever handled on a driver thread. */
static mongoc_client_t *pop_masked(mongoc_client_pool_t *pool)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    mongoc_client_t *client = mongoc_client_pool_try_pop(pool); /* never waits */
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return client;
}

static bool take_place(struct mongo_endpoint *endpoint)
{
    uint32_t before = atomic_fetch_add_explicit(&endpoint->clients, 1, memory_order_acq_rel);
    if (endpoint->max_clients == 0 || before < endpoint->max_clients) {
        return true;
    }
    atomic_fetch_sub_explicit(&endpoint->clients, 1, memory_order_acq_rel);
    return false;
}

static void fail_own(struct mongo_error *error, enum mongo_error_class error_class,
                     const char *message)
{
    memset(error, 0, sizeof *error);
    error->error_class = error_class;
    snprintf(error->message, sizeof error->message, "%s", message);
}

static int64_t connection_id_of(const mongoc_server_description_t *description)
{
    const bson_t *hello = mongoc_server_description_hello_response(description);
    bson_iter_t iter;
    if (hello != NULL && bson_iter_init_find(&iter, hello, "connectionId") &&
        BSON_ITER_HOLDS_NUMBER(&iter)) {
        return bson_iter_as_int64(&iter);
    }
    return 0; /* behind a load balancer, say */
}

/* The supervisor gives up on a connector at the connect deadline, and says so; a little later the
 * connector is free again. */
static uint64_t handshake_deadline_ns(mongoc_client_t *client)
{
    int32_t connect_ms =
        mongoc_uri_get_option_as_int32(mongoc_client_get_uri(client), MONGOC_URI_CONNECTTIMEOUTMS,
                                       MONGOC_DEFAULT_CONNECTTIMEOUTMS);
    return base_mono_ns() + (uint64_t)(connect_ms + HANDSHAKE_EXTRA_MS) * BASE_NS_PER_MS;
}

/* ---- links ---- */

static struct mongo_link *take_link(struct mongo_endpoint *endpoint, mongoc_client_t *client)
{
    struct mongo_link *link = atomic_load_explicit(&endpoint->links, memory_order_acquire);
    for (; link != NULL; link = link->next) {
        mongoc_client_t *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&link->client, &none, client,
                                                    memory_order_acq_rel, memory_order_relaxed)) {
            return link;
        }
    }
    link = calloc(1, sizeof *link);
    if (link == NULL) {
        return NULL;
    }
    atomic_store_explicit(&link->client, client, memory_order_relaxed);
    link->watch = endpoint->watches_streams ? endpoint->watch : NULL;
    link->next = atomic_load_explicit(&endpoint->links, memory_order_relaxed);
    /* repeats only because another connector has added one */
    while (!atomic_compare_exchange_weak_explicit(&endpoint->links, &link->next, link,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    return link;
}

/* Its link, which is free when the client is gone; before that no other has its address. */
static struct mongo_link *find_link(struct mongo_endpoint *endpoint, const mongoc_client_t *client)
{
    struct mongo_link *link = atomic_load_explicit(&endpoint->links, memory_order_acquire);
    while (link != NULL && atomic_load_explicit(&link->client, memory_order_relaxed) != client) {
        link = link->next;
    }
    return link;
}

/* ---- connecting ---- */

static mongoc_server_description_t *
shake_hands(struct mongo_link *link, const mongoc_server_description_t *with, bson_error_t *error)
{
    mongoc_client_t *client = atomic_load_explicit(&link->client, memory_order_relaxed); /* ours */
    uint64_t outer_ns = mongo_narrow_deadline(handshake_deadline_ns(client));
    mongoc_server_description_t *spoken = NULL;
    if (mongo_stream_prepare(link, with, error)) {
        spoken = mongoc_client_get_handshake_description(client, mongoc_server_description_id(with),
                                                         NULL, error);
    }
    mongo_stream_drop_prepared();
    mongo_set_deadline(outer_ns);
    return spoken;
}

/* Select the server that takes writes, then open and authenticate the connection to it. */
static bool warm(struct mongo_endpoint *endpoint, mongoc_client_t *client, int64_t *connection_id,
                 bson_error_t *error)
{
    struct mongo_link *link = take_link(endpoint, client);
    if (link == NULL) {
        bson_set_error(error, MONGOC_ERROR_CLIENT, 0, "out of memory");
        return false;
    }
    mongoc_server_description_t *selected = mongoc_client_select_server(client, true, NULL, error);
    if (selected == NULL) {
        return false;
    }
    mongoc_server_description_t *spoken = shake_hands(link, selected, error);
    mongoc_server_description_destroy(selected);
    if (spoken == NULL) {
        return false;
    }
    *connection_id = connection_id_of(spoken);
    mongoc_server_description_destroy(spoken);
    return true;
}

enum gleaner_status mongo_client_connect(struct mongo_endpoint *endpoint, mongo_client **out,
                                         int64_t *server_connection_id, struct mongo_error *error)
{
    BASE_CHECK_MAGIC(endpoint, MONGO_ENDPOINT_MAGIC);
    struct mongo_error local;
    struct mongo_error *detail = error != NULL ? error : &local;
    int64_t connection_id = 0;
    *out = NULL;
    if (!take_place(endpoint)) {
        fail_own(detail, MONGO_BUG, "more clients than the endpoint was opened for");
        return GLEANER_E_LIMIT;
    }
    mongoc_client_t *client = pop_masked(endpoint->pool);
    BASE_ASSERT(client != NULL); /* its limit is out of reach */
    bson_error_t driver_error;
    if (!warm(endpoint, client, &connection_id, &driver_error)) {
        mongo_classify(&driver_error, NULL, detail);
        mongo_client_destroy(endpoint, client);
        return mongo_error_status(detail->error_class);
    }
    memset(detail, 0, sizeof *detail);
    if (server_connection_id != NULL) {
        *server_connection_id = connection_id;
    }
    *out = client;
    return GLEANER_OK;
}

void mongo_client_destroy(struct mongo_endpoint *endpoint, mongo_client *client)
{
    BASE_CHECK_MAGIC(endpoint, MONGO_ENDPOINT_MAGIC);
    if (client == NULL) {
        return;
    }
    struct mongo_link *link = find_link(endpoint, client);
    mongoc_client_destroy(client);
    if (link != NULL) {
        atomic_store_explicit(&link->client, NULL, memory_order_release);
    }
    uint32_t before = atomic_fetch_sub_explicit(&endpoint->clients, 1, memory_order_acq_rel);
    BASE_ASSERT(before > 0);
}

enum gleaner_status mongo_client_ping(mongo_client *client, struct mongo_error *error)
{
    bson_t command = BSON_INITIALIZER;
    bson_t reply;
    BSON_APPEND_INT32(&command, "ping", 1);
    enum gleaner_status status =
        mongo_command(client, "admin", MONGO_READ, &command, &reply, error);
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}
