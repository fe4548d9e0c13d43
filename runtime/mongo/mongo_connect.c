/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting for mongo_stream.c: as the driver does, but with one deadline for all of it, and
 * before the driver is asked, which does not hear of a failure then. */
#include "mongo_internal.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#if !MONGO_COMPAT_STREAMS

bool mongo_isolates_errors(void)
{
    return false;
}

bool mongo_stream_can_watch(const mongoc_uri_t *uri)
{
    (void)uri;
    return false;
}

bool mongo_stream_prepare(struct mongo_link *link, const mongoc_server_description_t *server,
                          bson_error_t *error)
{
    (void)link;
    (void)server;
    (void)error;
    return true; /* the driver connects by itself */
}

void mongo_stream_drop_prepared(void)
{
}

#else

#define BUFFER_BYTES 1024 /* as the driver's own, of what TLS has deciphered */

/* Connected by mongo_stream_prepare(), taken by the initiator on the same thread. */
static _Thread_local mongoc_stream_t *prepared;

bool mongo_isolates_errors(void)
{
    return true;
}

static mongoc_stream_t *connect_unix(const mongoc_host_list_t *host, uint64_t deadline_ns)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(host->host) >= sizeof address.sun_path) {
        return NULL;
    }
    memcpy(address.sun_path, host->host, strlen(host->host));
    return mongo_socket_connect(AF_UNIX, 0, (struct sockaddr *)&address, sizeof address,
                                deadline_ns);
}

/* A name has several addresses, and one of them may swallow what is sent to it (IPv6 on a way that
 * has none, as the first of two): each has its share of the time that is left. */
mongoc_stream_t *mongo_connect_any(const struct addrinfo *found, uint64_t deadline_ns)
{
    mongoc_stream_t *stream = NULL;
    uint32_t left = 0;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        left++;
    }
    for (const struct addrinfo *at = found; at != NULL && stream == NULL; at = at->ai_next) {
        uint64_t now_ns = base_mono_ns();
        uint64_t share_ns = now_ns < deadline_ns ? (deadline_ns - now_ns) / left-- : 0;
        stream = mongo_socket_connect(at->ai_family, at->ai_protocol, at->ai_addr, at->ai_addrlen,
                                      now_ns + share_ns);
    }
    return stream;
}

static mongoc_stream_t *connect_tcp(const mongoc_host_list_t *host, uint64_t deadline_ns,
                                    bson_error_t *error)
{
    char port[8];
    struct addrinfo hints = {.ai_family = host->family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    snprintf(port, sizeof port, "%hu", host->port);
    if (getaddrinfo(host->host, port, &hints, &found) != 0) { /* has no deadline in any libc */
        bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NAME_RESOLUTION,
                       "Failed to resolve %s", host->host);
        return NULL;
    }
    mongoc_stream_t *stream = mongo_connect_any(found, deadline_ns);
    freeaddrinfo(found);
    return stream;
}

/* Takes `base`, whatever happens. */
static mongoc_stream_t *speak_tls(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                  mongoc_stream_t *base, uint64_t deadline_ns, bson_error_t *error)
{
    bool insecure = mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSINSECURE, false);
    mongoc_ssl_opt_t options = {
        .pem_file = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, NULL),
        .pem_pwd =
            mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD, NULL),
        .ca_file = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCAFILE, NULL),
        .weak_cert_validation =
            mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSALLOWINVALIDCERTIFICATES, insecure),
        .allow_invalid_hostname =
            mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSALLOWINVALIDHOSTNAMES, insecure),
    };
    mongoc_stream_t *tls = mongoc_stream_tls_new_with_hostname(base, host->host, &options, 1);
    if (tls == NULL) {
        mongoc_stream_destroy(base);
        bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET,
                       "Failed to initialize TLS");
        return NULL;
    }
    if (!mongoc_stream_tls_handshake_block(tls, host->host, mongo_left_ms(deadline_ns), error)) {
        mongoc_stream_destroy(tls);
        return NULL;
    }
    return tls;
}

/* `server`: what the driver's monitor knows of it, or NULL. */
static mongoc_stream_t *connect_stream(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                       const mongoc_server_description_t *server,
                                       struct mongo_watch *watch, bson_error_t *error)
{
    int32_t connect_ms = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS,
                                                        MONGOC_DEFAULT_CONNECTTIMEOUTMS);
    uint64_t deadline_ns = base_mono_ns() + (uint64_t)mongo_bounded_ms(connect_ms) * BASE_NS_PER_MS;
    bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT,
                   "Failed to connect to target host: %s", host->host_and_port);
    mongoc_stream_t *stream = host->family == AF_UNIX ? connect_unix(host, deadline_ns)
                                                      : connect_tcp(host, deadline_ns, error);
    if (stream == NULL) {
        mongo_stream_note_silence(base_mono_ns() >= deadline_ns);
        return NULL;
    }
    const char *mechanism = mongoc_uri_get_auth_mechanism(uri);
    bool is_x509 = mechanism != NULL && strcmp(mechanism, "MONGODB-X509") == 0;
    if (mongoc_uri_get_tls(uri) || is_x509) {
        stream = speak_tls(uri, host, stream, deadline_ns, error);
        stream = stream != NULL ? mongoc_stream_buffered_new(stream, BUFFER_BYTES) : NULL;
    }
    return stream == NULL
               ? NULL
               : mongo_stream_wrap(stream,
                                   server != NULL ? mongoc_server_description_hello_response(server)
                                                  : NULL,
                                   watch);
}

/* ---- under the driver ---- */

static const mongoc_server_description_t *find_server(mongoc_server_description_t **servers,
                                                      size_t count, const mongoc_host_list_t *host)
{
    for (size_t i = 0; i < count; i++) {
        const mongoc_host_list_t *its = mongoc_server_description_host(servers[i]);
        if (strcmp(its->host_and_port, host->host_and_port) == 0) {
            return servers[i];
        }
    }
    return NULL;
}

/* Without a prepared one: the driver repeats a retryable operation by itself on a new connection,
 * on the thread of the worker; bounded by the connect time and the thread's deadline. */
static mongoc_stream_t *initiate(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                 void *user_data, bson_error_t *error)
{
    mongoc_stream_t *ready = prepared;
    prepared = NULL;
    if (ready != NULL) {
        return ready;
    }
    mongo_extend_deadline();
    size_t count = 0;
    const struct mongo_link *link = user_data;
    mongoc_client_t *client = atomic_load_explicit(&link->client, memory_order_acquire);
    mongoc_server_description_t **servers = mongoc_client_get_server_descriptions(client, &count);
    ready = connect_stream(uri, host, find_server(servers, count, host), link->watch, error);
    mongoc_server_descriptions_destroy_all(servers, count);
    return ready;
}

/* Two options that the driver keeps in a private part of its own: who sets them keeps the driver's
 * streams, and its stalls. */
static bool wants_drivers_tls(const mongoc_uri_t *uri)
{
    return mongoc_uri_has_option(uri, MONGOC_URI_TLSDISABLECERTIFICATEREVOCATIONCHECK) ||
           mongoc_uri_has_option(uri, MONGOC_URI_TLSDISABLEOCSPENDPOINTCHECK);
}

bool mongo_stream_can_watch(const mongoc_uri_t *uri)
{
    const bson_t *compressors = mongoc_uri_get_compressors(uri);
    return !wants_drivers_tls(uri) && (compressors == NULL || bson_empty(compressors));
}

bool mongo_stream_prepare(struct mongo_link *link, const mongoc_server_description_t *server,
                          bson_error_t *error)
{
    mongoc_client_t *client = atomic_load_explicit(&link->client, memory_order_acquire);
    const mongoc_uri_t *uri = mongoc_client_get_uri(client);
    if (wants_drivers_tls(uri)) {
        return true;
    }
    mongoc_client_set_stream_initiator(client, initiate, link);
    prepared =
        connect_stream(uri, mongoc_server_description_host(server), server, link->watch, error);
    return prepared != NULL;
}

void mongo_stream_drop_prepared(void)
{
    if (prepared != NULL) {
        mongoc_stream_destroy(prepared);
        prepared = NULL;
    }
}

#endif
