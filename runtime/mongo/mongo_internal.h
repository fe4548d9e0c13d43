/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONGO_INTERNAL_H
#define MONGO_INTERNAL_H

#include "mongo.h"
#include "mongo_compat.h"
#include <sys/socket.h>

#define MONGO_ENDPOINT_MAGIC UINT32_C(0x6d6f6e67)
#define MONGO_SELECTION_MS 2000 /* server selection, unless the options say otherwise */
#define MONGO_CODE_OVER_TIME 50 /* MaxTimeMSExpired */
#define MONGO_APP_NAME_MAX 128  /* the handshake specification's limit */

/** mongo_events.c: command events, whose context is an endpoint with a watch. For streams that are
 *  not ours, or compressed. */
void mongo_events_add(mongoc_apm_callbacks_t *callbacks);

/** mongo_beats.c: heartbeats, whose context is an endpoint with an on_heartbeat. */
void mongo_beats_add(mongoc_apm_callbacks_t *callbacks);
#define MONGO_BEATS_MAX 64 /* a replica set has at most 50 members */

/* What a client's stream has to know when the driver opens it anew. One for each client of an
 * endpoint; it stays with the endpoint and serves the next client. */
struct mongo_link {
    /* NULL: free. writes: who connects a client (CAS, acq_rel), who destroyed it (release) */
    _Atomic(mongoc_client_t *) client;
    struct mongo_watch *watch; /* constant, as is `next` */
    struct mongo_link *next;
};

/* Built by one connector, used by several, closed by the reaper after all of them. */
struct mongo_endpoint {
    uint32_t magic;

    /* plain; written in mongo_endpoint_open() before anybody else sees the endpoint, then constant
     */
    mongoc_client_pool_t *pool; /* has its own mutex inside */
    char *address;
    char *database;
    uint32_t max_clients; /* 0 = no limit of ours */
    void (*on_heartbeat)(void *ctx, bool ok, int64_t duration_us, bool awaited);
    void *heartbeat_ctx;
    /* What each server said last (mongo_beats.c); 0: free. writes, reads: the driver's monitor
     * threads; relaxed: a word stands for itself, and what follows from it is a hint */
    _Atomic uint64_t beats[MONGO_BEATS_MAX];
    struct mongo_watch *watch; /* NULL: commands are not timed */
    bool watches_streams;      /* they are, by our streams; else by the driver's events */
    /* a stack that only grows; writes: connectors (CAS, release); reads: they, the reaper (acquire)
     */
    _Atomic(struct mongo_link *) links;

    /* clients connected or connecting
     * writes: connectors (+1 before they connect), reaper (-1 after the destroy)
     * reads:  any thread (gauges), the reaper in mongo_endpoint_close
     * order:  acq_rel on the changes, acquire on the reads: who sees 0 sees the destroys done */
    _Atomic uint32_t clients;
};

/** A line of the driver's log: true when it was said about a URI that mongo_uri_each_note() looks
 *  at, on this thread. */
bool mongo_uri_hears(const char *words);

/** Parse and check `text`; NULL and *error when it is wrong. The message shows no secret. */
mongoc_uri_t *mongo_uri_parse(const char *text, struct base_error *error);
/**
 * Connect `client` to `server` on a socket of ours, before the driver is asked for one: a failure
 * is returned, and the driver does not hear of it. The driver's next handshake on this thread takes
 * it; mongo_stream_drop_prepared() in any case. True, and nothing done, where the driver has to
 * connect by itself.
 */
bool mongo_stream_prepare(struct mongo_link *link, const mongoc_server_description_t *server,
                          bson_error_t *error);
struct addrinfo;
/** To the first of these addresses that answers; NULL: none by then. Not with libmongoc 2. */
mongoc_stream_t *mongo_connect_any(const struct addrinfo *found, uint64_t deadline_ns);
/** A socket of ours, connected by then, as a stream of the driver's; else NULL. */
mongoc_stream_t *mongo_socket_connect(int family, int protocol, const struct sockaddr *address,
                                      socklen_t bytes, uint64_t deadline_ns);
/** Will the streams of clients with this URI be ours, and can they read what passes? */
bool mongo_stream_can_watch(const mongoc_uri_t *uri);
void mongo_stream_drop_prepared(void);
/** The last socket that failed on this thread was silent, it did not break. */
bool mongo_stream_was_silent(void);
/** The last operation of this thread was answered for the server, because its deadline came: its
 *  connection is dead. */
bool mongo_stream_was_given_up(void);
void mongo_stream_note_silence(bool was_silent);
/** Around a stream of the driver's, which it takes. `hello`: the server's, or NULL; `watch`: of the
 *  commands that pass, or NULL. */
mongoc_stream_t *mongo_stream_wrap(mongoc_stream_t *inner, const bson_t *hello,
                                   struct mongo_watch *watch);
/** A time-out of the driver's (< 0: none), ended by the deadline of the calling thread. */
int32_t mongo_bounded_ms(int32_t timeout_ms);
/** Milliseconds until then, at least 0; rounded up, so that a wait does not end before it. */
int32_t mongo_left_ms(uint64_t deadline_ns);
bool mongo_deadline_is_set(void);
bool mongo_deadline_is_over(void);
/** Before the driver connects on a worker's thread: see there. */
void mongo_extend_deadline(void);
/** Primary preference for every read of ours: a queue that reads stale jobs is wrong. */
const mongoc_read_prefs_t *mongo_read_primary(void);

#endif
