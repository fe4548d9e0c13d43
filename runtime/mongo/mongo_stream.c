/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets under the driver's clients are ours: a thin mongoc_stream_t around the driver's own
 * socket, TLS and buffer. Three things come of it that the driver does not offer.
 *
 *   1. One broken socket is one broken socket. After a network error libmongoc declares the server
 *      unknown and stalls every client of the pool for 0.5 to 1.0 s; after a time-out of a socket
 *      it does nothing but close it (the SDAM specification's rule; mc/mongoc-topology.c,
 *      _mongoc_topology_handle_app_error). So to the driver every failure of ours is a time-out.
 *      What it means for the server is decided by the supervisor, with a fresh connection; and the
 *      driver's monitors have sockets of their own, which stay as they are.
 *   2. Deadlines. libmongoc knows one socket time-out per URI; here each wait ends at the calling
 *      thread's deadline as well (mongo_set_deadline()).
 *   3. We know whether a socket broke or was silent; the driver reports both with one code.
 *
 * Of libmongoc 1.x alone: 2.0 refuses a stream initiator on a pooled client (MONGO_COMPAT_STREAMS).
 */
#include "mongo_internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Of the calling thread, for the operation it runs: the driver works on the caller's thread. */
static _Thread_local uint64_t operation_deadline_ns; /* 0 = none */
static _Thread_local bool last_failure_was_silence;

void mongo_set_deadline(uint64_t deadline_ns)
{
    operation_deadline_ns = deadline_ns;
}

bool mongo_stream_was_silent(void)
{
    return last_failure_was_silence;
}

#if !MONGO_COMPAT_STREAMS

bool mongo_isolates_errors(void)
{
    return false;
}

bool mongo_stream_prepare(mongoc_client_t *client, const mongoc_server_description_t *server,
                          bson_error_t *error)
{
    (void)client;
    (void)server;
    (void)error;
    return true; /* the driver connects by itself */
}

void mongo_stream_drop_prepared(void)
{
}

#else

#define STREAM_TYPE 0x676c /* none of the driver's: nobody looks inside */
#define BUFFER_BYTES 1024  /* as the driver's own */

struct stream {
    mongoc_stream_t driver; /* first: what the driver sees */
    mongoc_stream_t *inner;
};

/* Connected by mongo_stream_prepare(), taken by the initiator on the same thread. */
static _Thread_local mongoc_stream_t *prepared;

bool mongo_isolates_errors(void)
{
    return true;
}

/* ---- the stream ---- */

static mongoc_stream_t *inner_of(mongoc_stream_t *stream)
{
    return ((struct stream *)stream)->inner;
}

/* Milliseconds until a deadline, at least 0; rounded up, so that a wait does not end before it. */
static int32_t left_ms(uint64_t deadline_ns)
{
    uint64_t now_ns = base_mono_ns();
    uint64_t left = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    uint64_t ms = (left + BASE_NS_PER_MS - 1) / BASE_NS_PER_MS;
    return ms < INT32_MAX ? (int32_t)ms : INT32_MAX;
}

static int32_t bounded(int32_t timeout_ms)
{
    if (operation_deadline_ns == 0) {
        return timeout_ms;
    }
    int32_t left = left_ms(operation_deadline_ns);
    return timeout_ms < 0 || left < timeout_ms ? left : timeout_ms; /* < 0 means without end */
}

static void note_failure(mongoc_stream_t *stream)
{
    bool is_over = operation_deadline_ns != 0 && base_mono_ns() >= operation_deadline_ns;
    last_failure_was_silence = is_over || mongoc_stream_timed_out(inner_of(stream));
}

static ssize_t stream_readv(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t count,
                            size_t min_bytes, int32_t timeout_ms)
{
    ssize_t got = mongoc_stream_readv(inner_of(stream), iov, count, min_bytes, bounded(timeout_ms));
    if (got < 0 || (size_t)got < min_bytes) {
        note_failure(stream);
    }
    return got;
}

static ssize_t stream_writev(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t count,
                             int32_t timeout_ms)
{
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) { /* before: the driver's own streams change `iov` */
        wanted += iov[i].iov_len;
    }
    ssize_t sent = mongoc_stream_writev(inner_of(stream), iov, count, bounded(timeout_ms));
    if (sent < 0 || (size_t)sent < wanted) {
        note_failure(stream);
    }
    return sent;
}

static bool stream_timed_out(mongoc_stream_t *stream)
{
    (void)stream;
    return true; /* asked after a failure only: see 1. above */
}

static int stream_close(mongoc_stream_t *stream)
{
    return mongoc_stream_close(inner_of(stream));
}

static void stream_destroy(mongoc_stream_t *stream)
{
    mongoc_stream_destroy(inner_of(stream));
    free(stream);
}

static void stream_failed(mongoc_stream_t *stream)
{
    mongoc_stream_failed(inner_of(stream)); /* destroys it, too */
    free(stream);
}

static int stream_flush(mongoc_stream_t *stream)
{
    return mongoc_stream_flush(inner_of(stream));
}

static int stream_setsockopt(mongoc_stream_t *stream, int level, int name, void *value,
                             mongoc_socklen_t bytes)
{
    return mongoc_stream_setsockopt(inner_of(stream), level, name, value, bytes);
}

static bool stream_check_closed(mongoc_stream_t *stream)
{
    return mongoc_stream_check_closed(inner_of(stream));
}

static bool stream_should_retry(mongoc_stream_t *stream)
{
    return mongoc_stream_should_retry(inner_of(stream));
}

static mongoc_stream_t *wrap(mongoc_stream_t *inner)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        mongoc_stream_destroy(inner);
        return NULL;
    }
    stream->inner = inner;
    stream->driver = (mongoc_stream_t){
        .type = STREAM_TYPE,
        .destroy = stream_destroy,
        .close = stream_close,
        .flush = stream_flush,
        .writev = stream_writev,
        .readv = stream_readv,
        .setsockopt = stream_setsockopt,
        .get_base_stream = inner_of,
        .check_closed = stream_check_closed,
        .failed = stream_failed,
        .timed_out = stream_timed_out,
        .should_retry = stream_should_retry,
    };
    return &stream->driver;
}

/* ---- connecting, as the driver does, but with one deadline for all of it ---- */

static mongoc_socket_t *connect_to(int family, int protocol, const struct sockaddr *address,
                                   socklen_t bytes, uint64_t deadline_ns)
{
    mongoc_socket_t *socket = mongoc_socket_new(family, SOCK_STREAM, protocol);
    int64_t expire_us = bson_get_monotonic_time() + (int64_t)left_ms(deadline_ns) * 1000;
    if (socket != NULL && mongoc_socket_connect(socket, address, bytes, expire_us) != 0) {
        mongoc_socket_destroy(socket);
        return NULL;
    }
    return socket;
}

static mongoc_socket_t *connect_unix(const mongoc_host_list_t *host, uint64_t deadline_ns)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(host->host) >= sizeof address.sun_path) {
        return NULL;
    }
    memcpy(address.sun_path, host->host, strlen(host->host));
    return connect_to(AF_UNIX, 0, (struct sockaddr *)&address, sizeof address, deadline_ns);
}

static mongoc_socket_t *connect_tcp(const mongoc_host_list_t *host, uint64_t deadline_ns,
                                    bson_error_t *error)
{
    char port[8];
    struct addrinfo hints = {.ai_family = host->family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    mongoc_socket_t *socket = NULL;
    snprintf(port, sizeof port, "%hu", host->port);
    if (getaddrinfo(host->host, port, &hints, &found) != 0) { /* has no deadline in any libc */
        bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NAME_RESOLUTION,
                       "Failed to resolve %s", host->host);
        return NULL;
    }
    for (const struct addrinfo *at = found; at != NULL && socket == NULL; at = at->ai_next) {
        socket =
            connect_to(at->ai_family, at->ai_protocol, at->ai_addr, at->ai_addrlen, deadline_ns);
    }
    freeaddrinfo(found);
    return socket;
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
    if (!mongoc_stream_tls_handshake_block(tls, host->host, left_ms(deadline_ns), error)) {
        mongoc_stream_destroy(tls);
        return NULL;
    }
    return tls;
}

static mongoc_stream_t *connect_stream(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                       bson_error_t *error)
{
    int32_t connect_ms = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS,
                                                        MONGOC_DEFAULT_CONNECTTIMEOUTMS);
    uint64_t deadline_ns = base_mono_ns() + (uint64_t)bounded(connect_ms) * BASE_NS_PER_MS;
    bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT,
                   "Failed to connect to target host: %s", host->host_and_port);
    mongoc_socket_t *socket = host->family == AF_UNIX ? connect_unix(host, deadline_ns)
                                                      : connect_tcp(host, deadline_ns, error);
    if (socket == NULL) {
        last_failure_was_silence = base_mono_ns() >= deadline_ns;
        return NULL;
    }
    mongoc_stream_t *stream = mongoc_stream_socket_new(socket);
    const char *mechanism = mongoc_uri_get_auth_mechanism(uri);
    bool is_x509 = mechanism != NULL && strcmp(mechanism, "MONGODB-X509") == 0;
    if (mongoc_uri_get_tls(uri) || is_x509) {
        stream = speak_tls(uri, host, stream, deadline_ns, error);
    }
    return stream != NULL ? wrap(mongoc_stream_buffered_new(stream, BUFFER_BYTES)) : NULL;
}

/* ---- under the driver ---- */

/* Without a prepared one: the driver repeats a retryable operation by itself on a new connection,
 * on the thread of the worker; bounded by the connect time and the thread's deadline. */
static mongoc_stream_t *initiate(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                 void *user_data, bson_error_t *error)
{
    (void)user_data;
    mongoc_stream_t *ready = prepared;
    prepared = NULL;
    return ready != NULL ? ready : connect_stream(uri, host, error);
}

/* Two options that the driver keeps in a private part of its own: who sets them keeps the driver's
 * streams, and its stalls. */
static bool wants_drivers_tls(const mongoc_uri_t *uri)
{
    return mongoc_uri_has_option(uri, MONGOC_URI_TLSDISABLECERTIFICATEREVOCATIONCHECK) ||
           mongoc_uri_has_option(uri, MONGOC_URI_TLSDISABLEOCSPENDPOINTCHECK);
}

bool mongo_stream_prepare(mongoc_client_t *client, const mongoc_server_description_t *server,
                          bson_error_t *error)
{
    const mongoc_uri_t *uri = mongoc_client_get_uri(client);
    if (wants_drivers_tls(uri)) {
        return true;
    }
    mongoc_client_set_stream_initiator(client, initiate, NULL);
    prepared = connect_stream(uri, mongoc_server_description_host(server), error);
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
