/* SPDX-License-Identifier: Apache-2.0 */
/* One driver pool with its monitors. The driver's own wait queue and size limit are never used:
 * its limit is set out of reach, ours is `max_clients`, and nobody waits here. */
#include "mongo_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* writes: mongo_init (first of its callers, release), mongo_cleanup; constant in between
 * reads:  any thread (acquire): what it points to was finished before */
static _Atomic(mongoc_read_prefs_t *) primary_prefs;

const mongoc_read_prefs_t *mongo_read_primary(void)
{
    return atomic_load_explicit(&primary_prefs, memory_order_acquire);
}

/* The driver warns about things that are ordinary here (a monitor's failed hello, endSessions on a
 * dead server): they are debug lines. What matters arrives as an error with a code. */
static void log_driver(mongoc_log_level_t level, const char *domain, const char *message, void *ctx)
{
    (void)level;
    (void)ctx;
    if (!mongo_uri_hears(message)) {
        base_log_debug("mongo", "driver domain=%s %s", domain, message);
    }
}

/* writes: a program before it opens anything; reads: mongo_init(). relaxed: it comes before */
static _Atomic bool leaves_log;

void mongo_leave_log(void)
{
    atomic_store_explicit(&leaves_log, true, memory_order_relaxed);
}

void mongo_init(void)
{
    if (mongo_read_primary() != NULL) {
        return;
    }
    if (!atomic_load_explicit(&leaves_log, memory_order_relaxed)) {
        mongoc_log_set_handler(log_driver, NULL); /* first: the initialisation has things to say */
    }
    mongoc_init(); /* a pthread_once inside: later callers wait for the first and do nothing */
    mongoc_read_prefs_t *none = NULL, *mine = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    if (!atomic_compare_exchange_strong_explicit(&primary_prefs, &none, mine, memory_order_release,
                                                 memory_order_relaxed)) {
        mongoc_read_prefs_destroy(mine); /* another thread was first; its value is as good */
    }
}

/* writes: mongo_endpoint_open(), mongo_endpoint_close() at its end (release); reads:
 * mongo_cleanup() (acquire): who sees 0 sees the driver pools gone */
static _Atomic uint32_t endpoints_open;

bool mongo_cleanup(void)
{
    if (atomic_load_explicit(&endpoints_open, memory_order_acquire) > 0) {
        return false;
    }
    mongoc_read_prefs_destroy(atomic_exchange_explicit(&primary_prefs, NULL, memory_order_acq_rel));
    mongoc_cleanup();
    return true;
}

const char *mongo_version(void)
{
    static char text[96];
    snprintf(text, sizeof text, "libmongoc %s (built with %s)", mongoc_get_version(),
             MONGOC_VERSION_S);
    return text;
}

static void watch_events(struct mongo_endpoint *endpoint)
{
    mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();
    if (endpoint->on_heartbeat != NULL) {
        mongo_beats_add(callbacks);
    }
    if (endpoint->watch != NULL && !endpoint->watches_streams) {
        mongo_events_add(callbacks);
    }
    mongoc_client_pool_set_apm_callbacks(endpoint->pool, callbacks, endpoint);
    mongoc_apm_callbacks_destroy(callbacks);
}

/* ---- opening ---- */

static int32_t or_default(uint32_t value, int32_t fallback)
{
    return value == 0 || value > INT32_MAX ? fallback : (int32_t)value;
}

/* What the URI says about connect, socket and heartbeat is the operator's explicit wish and stays.
 * Server selection alone is capped: a closing pool waits that long for a dead server (fact 3). */
static void set_timeouts(mongoc_uri_t *uri, const struct mongo_options *options)
{
    int32_t selection = or_default(options->server_selection_ms, MONGO_SELECTION_MS);
    int32_t asked =
        mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, selection);
    if (asked > 0 && asked < selection) {
        selection = asked;
    }
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, selection);
    const struct {
        const char *name;
        int32_t value;
    } others[] = {
        {MONGOC_URI_CONNECTTIMEOUTMS, or_default(options->connect_ms, 5000)},
        {MONGOC_URI_SOCKETTIMEOUTMS, or_default(options->socket_ms, 10000)},
        {MONGOC_URI_HEARTBEATFREQUENCYMS, or_default(options->heartbeat_ms, 10000)},
    };
    for (size_t i = 0; i < BASE_ARRAY_LEN(others); i++) {
        /* 0 in a URI means the driver's default of 300 s, not "none" */
        if (mongoc_uri_get_option_as_int32(uri, others[i].name, 0) <= 0) {
            mongoc_uri_set_option_as_int32(uri, others[i].name, others[i].value);
        }
    }
    if (!mongoc_uri_has_option(uri, MONGOC_URI_RETRYWRITES)) {
        mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, options->retry_writes);
    }
}

static bool describe_address(struct mongo_endpoint *endpoint, const mongoc_uri_t *uri,
                             const char *database)
{
    struct base_buffer text = {0};
    const char *srv = mongoc_uri_get_srv_hostname(uri);
    if (srv != NULL) {
        base_buffer_append_str(&text, srv);
    }
    const mongoc_host_list_t *host = srv == NULL ? mongoc_uri_get_hosts(uri) : NULL;
    for (; host != NULL; host = host->next) {
        base_buffer_append_str(&text, host->host_and_port);
        base_buffer_append_str(&text, host->next != NULL ? "," : "");
    }
    base_buffer_append_char(&text, '/');
    base_buffer_append_str(&text, database);
    endpoint->address = text.failed ? NULL : strdup(text.data);
    endpoint->database = strdup(database);
    base_buffer_fini(&text);
    return endpoint->address != NULL && endpoint->database != NULL;
}

static const char *choose_database(const mongoc_uri_t *uri, const struct mongo_options *options)
{
    const char *database = mongoc_uri_get_database(uri);
    if (database != NULL && database[0] != '\0') {
        return database;
    }
    return options->default_db != NULL ? options->default_db : "bambisleep";
}

/* Into the URI: a driver pool takes a name once, and one that stands in the URI (as in those that
 * Atlas gives out) would be that one. */
static enum gleaner_status set_app_name(mongoc_uri_t *uri, const char *app_name,
                                        struct base_error *error)
{
    return app_name == NULL || mongoc_uri_set_appname(uri, app_name)
               ? GLEANER_OK
               : base_error_set(error, GLEANER_E_CONFIG,
                                "appName '%.60s...' is not UTF-8 of at most %d bytes", app_name,
                                MONGO_APP_NAME_MAX);
}

static enum gleaner_status make_pool(struct mongo_endpoint *endpoint, mongoc_uri_t *uri,
                                     const char *app_name, struct base_error *error)
{
    bson_error_t driver_error;
    if (set_app_name(uri, app_name, error) != GLEANER_OK) {
        return GLEANER_E_CONFIG;
    }
    endpoint->pool = mongoc_client_pool_new_with_error(uri, &driver_error);
    if (endpoint->pool == NULL) {
        struct mongo_error why;
        mongo_classify(&driver_error, NULL, &why);
        return base_error_set(error, GLEANER_E_CONFIG,
                              "MongoDB URI: no connection pool can be made for %s: %s",
                              endpoint->address, why.message);
    }
    /* A destroyed client's place in the driver's pool is lost (fact 4). Instead of raising the
     * limit by one for each recycled client, it is put out of reach once: 2^30 recycled clients
     * are 34 years at one a second. */
    mongoc_client_pool_max_size(endpoint->pool, UINT32_C(1) << 30);
    mongoc_client_pool_set_error_api(endpoint->pool, MONGOC_ERROR_API_VERSION_2);
    watch_events(endpoint);
    return GLEANER_OK;
}

static void free_endpoint(struct mongo_endpoint *endpoint)
{
    mongoc_client_pool_destroy(endpoint->pool); /* accepts NULL */
    struct mongo_link *link = atomic_load_explicit(&endpoint->links, memory_order_acquire);
    while (link != NULL) {
        struct mongo_link *next = link->next;
        free(link);
        link = next;
    }
    free(endpoint->address);
    free(endpoint->database);
    endpoint->magic = 0;
    free(endpoint);
}

enum gleaner_status mongo_endpoint_open(const struct mongo_options *options,
                                        struct mongo_endpoint **out, struct base_error *error)
{
    *out = NULL;
    mongoc_uri_t *uri = mongo_uri_parse(options->uri, error);
    if (uri == NULL) {
        return GLEANER_E_CONFIG;
    }
    struct mongo_endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (endpoint == NULL || !describe_address(endpoint, uri, choose_database(uri, options))) {
        mongoc_uri_destroy(uri);
        if (endpoint != NULL) {
            free_endpoint(endpoint);
        }
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for a MongoDB endpoint");
    }
    endpoint->magic = MONGO_ENDPOINT_MAGIC;
    endpoint->max_clients = options->max_clients;
    endpoint->on_heartbeat = options->on_heartbeat;
    endpoint->heartbeat_ctx = options->heartbeat_ctx;
    endpoint->watch = options->watch;
    endpoint->watches_streams = options->watch != NULL && mongo_stream_can_watch(uri);
    set_timeouts(uri, options);
    enum gleaner_status status = make_pool(endpoint, uri, options->app_name, error);
    mongoc_uri_destroy(uri);
    if (status != GLEANER_OK) {
        free_endpoint(endpoint);
        return status;
    }
    atomic_fetch_add_explicit(&endpoints_open, 1, memory_order_relaxed);
    *out = endpoint;
    return GLEANER_OK;
}

const char *mongo_endpoint_address(const struct mongo_endpoint *endpoint)
{
    BASE_CHECK_MAGIC(endpoint, MONGO_ENDPOINT_MAGIC);
    return endpoint->address;
}

const char *mongo_endpoint_database(const struct mongo_endpoint *endpoint)
{
    BASE_CHECK_MAGIC(endpoint, MONGO_ENDPOINT_MAGIC);
    return endpoint->database;
}

uint32_t mongo_endpoint_clients(const struct mongo_endpoint *endpoint)
{
    BASE_CHECK_MAGIC(endpoint, MONGO_ENDPOINT_MAGIC);
    return atomic_load_explicit(&endpoint->clients, memory_order_acquire);
}

void mongo_endpoint_close(struct mongo_endpoint **endpoint)
{
    if (*endpoint == NULL) {
        return;
    }
    /* With a client still out the driver's destroy could wait for ever; that is our mistake. */
    BASE_ASSERT(mongo_endpoint_clients(*endpoint) == 0);
    free_endpoint(*endpoint);
    *endpoint = NULL;
    atomic_fetch_sub_explicit(&endpoints_open, 1, memory_order_release);
}
