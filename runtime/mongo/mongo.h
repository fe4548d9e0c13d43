/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mongo.h
 * The door of runtime/mongo, the only user of libmongoc: open an endpoint, connect and warm
 * clients, ping, run commands, close; and the classes of its errors. Written for libmongoc 1.23 to
 * 2.x; the differences are hidden in mongo_compat.h.
 *
 * libbson is a data format here, not a driver: doors may name `struct _bson_t` as a pointer.
 */
#ifndef MONGO_H
#define MONGO_H

#include "base.h"
#include <stdbool.h>
#include <stdint.h>

struct _bson_t;
struct _bson_error_t;
struct mongo_watch;
struct mongo_endpoint;     /* one mongoc_client_pool with its monitors */
typedef void mongo_client; /* a mongoc_client_t */

/** Start the driver, and direct its log to ours. Every further call does nothing. Thread: [any]. */
void mongo_init(void);
/** Before mongo_init(): its log stays where the program has directed it. */
void mongo_leave_log(void);
/**
 * End the driver, once per process and for good: the driver does not start again. [startup]
 * False, and nothing is done, while an endpoint is open: one to a dead server may still be closing
 * on the reaper. Leave by _exit() then, for the driver ends itself in a destructor.
 */
bool mongo_cleanup(void);
/** Versions of the driver: header and library. */
const char *mongo_version(void);

/* ---- error classes: by code and label, never by text ---- */

enum mongo_error_class {
    MONGO_OK,
    MONGO_RETRY,     /**< transient on the server: the same client may try again */
    MONGO_RECONNECT, /**< the transport or the server's role changed: report, then try again */
    MONGO_TIMEOUT,   /**< our deadline or a socket timeout: costs this connection only */
    MONGO_AUTH,      /**< credentials or rights: retrying does not help */
    MONGO_CONFIG,    /**< URI or option: retrying does not help */
    MONGO_DUPLICATE, /**< duplicate key: an answer, not a failure */
    MONGO_DATA,      /**< this document or command is wrong; others may work */
    MONGO_BUG        /**< misuse of the driver by us */
};
struct mongo_error {
    enum mongo_error_class error_class;
    uint32_t domain;
    uint32_t code;
    bool retryable_write; /**< server label RetryableWriteError */
    bool overloaded;      /**< label SystemOverloadedError: came from connecting, clears nothing */
    char message[400];    /**< redacted */
};
const char *mongo_error_class_name(enum mongo_error_class error_class);
/** gleaner_status of a class. */
enum gleaner_status mongo_error_status(enum mongo_error_class error_class);
/** Classify a driver error and its reply (may be NULL; labels are read from it). On the thread of
 *  the operation: there it is known whether a socket broke or was silent. */
void mongo_classify(const struct _bson_error_t *error, const struct _bson_t *reply,
                    struct mongo_error *out);
/** Class of a bare server code, as in writeErrors[].code and writeConcernError.code. */
enum mongo_error_class mongo_classify_code(uint32_t server_code);

/* ---- seeds: where a URI leads, for those who look without the driver ---- */

#define MONGO_SEEDS_MAX 16
struct mongo_seed {
    char host[256];
    char port[8];
};
struct mongo_seeds {
    uint32_t count; /**< 0: none that TCP reaches (a socket in the file system) */
    struct mongo_seed at[MONGO_SEEDS_MAX];
    bool uses_tls;
    bool is_set; /**< writes go to one of several members: who answers need not be that one */
};
/**
 * The hosts of a URI; those of mongodb+srv:// are looked up.
 *
 * Thread: [connector]. With mongodb+srv:// it blocks for the name server, some seconds when that is
 *         silent.
 * Errors: GLEANER_E_CONFIG as mongo_uri_check(), GLEANER_E_TIMEOUT the name server does not answer,
 *         GLEANER_E_NETWORK it knows no such name.
 */
GLEANER_MUST_CHECK enum gleaner_status mongo_seeds_find(const char *uri, struct mongo_seeds *out,
                                                        struct base_error *error);

/**
 * `uri` with the members of its replica set that the client's driver pool has found, beside the
 * hosts that it names: so that a driver pool of its own is found though the hosts named are gone.
 * Only of a set that `replicaSet` names, whose members prove to be of it; mongodb+srv:// is looked
 * up anew each time. NULL: nothing to add, no primary is known now, or no memory.
 *
 * Thread: whoever holds the client. Owns: free() the text; it holds the password of `uri`.
 */
char *mongo_client_find_members(mongo_client *client, const char *uri);

/* ---- endpoint ---- */

struct mongo_options {
    const char *uri;        /**< mongodb:// or mongodb+srv://; copied */
    const char *app_name;   /**< at most 128 bytes: gleaner/<pid>/<generation> */
    const char *default_db; /**< when the URI names none */
    /* Times: connect, socket and heartbeat times that the URI names are kept, they are explicit;
     * server selection takes the smaller of both. */
    uint32_t server_selection_ms; /**< default 2,000: no worker ever waits in it (fact 3) */
    uint32_t connect_ms;          /**< default 5,000 */
    uint32_t socket_ms;    /**< default 10,000; bound of hello, auth and operations (fact 2) */
    uint32_t heartbeat_ms; /**< default 10,000 */
    uint32_t max_clients;  /**< at once, connecting ones included: our slots, plus spares; one
                                more gives GLEANER_E_LIMIT. 0 = no limit */
    bool retry_writes;
    /* Health between our own checks; called on driver threads: must only store atomics or post to
     * a mailbox. May be NULL. Of several servers (a replica set, several mongos) it tells what
     * concerns the one in use: of one that takes writes that it answers, and of silence while no
     * other takes writes. */
    void (*on_heartbeat)(void *ctx, bool ok, int64_t duration_us, bool awaited);
    void *heartbeat_ctx;
    /* Times of its commands, see mongo_watch.h; outlives the endpoint. NULL: no command events. */
    struct mongo_watch *watch;
};
/**
 * Check the URI and build the driver's pool. Opens no connection.
 *
 * Thread: [connector]. Owns *out; mongo_endpoint_close() on the reaper.
 * Errors: GLEANER_E_CONFIG with the place in the URI and the remedy, the password redacted.
 */
GLEANER_MUST_CHECK enum gleaner_status mongo_endpoint_open(const struct mongo_options *options,
                                                           struct mongo_endpoint **out,
                                                           struct base_error *error);
/** Check a URI alone, for configuration. */
GLEANER_MUST_CHECK enum gleaner_status mongo_uri_check(const char *uri, struct base_error *error);
/**
 * What the driver remarks on a URI that it takes all the same (an option that it does not know, a
 * spelling that is out of use), in its words. A program that keeps its own handler of the driver's
 * log hears them there.
 *
 * Thread: [any]. `note` is called before this returns; `words` is good for that call.
 */
void mongo_uri_each_note(const char *uri, void (*note)(void *ctx, const char *words), void *ctx);
/** "host:port,host:port/db" without credentials. Lives as long as the endpoint. */
const char *mongo_endpoint_address(const struct mongo_endpoint *endpoint);
const char *mongo_endpoint_database(const struct mongo_endpoint *endpoint);
/** Clients connected and not destroyed yet. [any] */
uint32_t mongo_endpoint_clients(const struct mongo_endpoint *endpoint);
/** Destroy the driver's pool. [reaper] Blocks up to server_selection_ms with a dead server, and
 *  while a monitor thread is inside a connect or a name look-up. Asserts that every client is
 *  destroyed. Accepts a pointer to NULL. */
void mongo_endpoint_close(struct mongo_endpoint **endpoint);

/**
 * Make one client that has spoken to its server: TCP, hello, authentication.
 *
 * Thread: [connector]. May block up to server_selection + connect + socket time; the supervisor
 *         keeps the clock and condemns, nobody joins a stuck one.
 * Owns:   *out until mongo_client_destroy().
 */
GLEANER_MUST_CHECK enum gleaner_status mongo_client_connect(struct mongo_endpoint *endpoint,
                                                            mongo_client **out,
                                                            int64_t *server_connection_id,
                                                            struct mongo_error *error);
/** Close exactly its sockets. [reaper] */
void mongo_client_destroy(struct mongo_endpoint *endpoint, mongo_client *client);
/** How long an operation on it may hang on a silent server: its socket timeout. [any] */
uint32_t mongo_client_socket_ms(const mongo_client *client);
/** One ping. Thread: whoever holds the client. */
enum gleaner_status mongo_client_ping(mongo_client *client, struct mongo_error *error);

/**
 * From now on every wait of this thread for a server's answer ends at deadline_ns (monotonic), and
 * not first after the socket time-out: the operation fails with MONGO_TIMEOUT, its connection is
 * closed. 0 = no deadline: the way to end it. What the server has begun it may finish: name a
 * maxTimeMS, too.
 *
 * Thread: [any]. Of libmongoc 1.x; has no effect where mongo_isolates_errors() is false.
 */
void mongo_set_deadline(uint64_t deadline_ns);
/** The same, but never later than the one that holds already, which is returned: give it to
 *  mongo_set_deadline() afterwards. */
uint64_t mongo_narrow_deadline(uint64_t deadline_ns);
/**
 * The driver's server selection knows no deadline of ours: while no server is known to it, an
 * operation waits in there for server_selection_ms. False, and *error (class MONGO_RECONNECT, not
 * sent), when it would, and the thread's deadline comes before that. mongo_command() and
 * mongo_find() ask; who calls the driver himself asks before he does.
 */
bool mongo_may_begin(mongo_client *client, struct mongo_error *error);
/** True when a socket error of one client leaves the others of its endpoint alone (libmongoc 1.x:
 *  our own sockets). False: they stall for 0.5 to 1.0 s. Constant. */
bool mongo_isolates_errors(void);

/* ---- commands: thread = whoever holds the client ---- */

enum mongo_command_kind { MONGO_READ, MONGO_WRITE };
/**
 * Run one command on `database`, on the primary. Writes are acknowledged by a
 * majority and from the journal, unless the URI says `w` or `journal` itself. `reply` is
 * initialised here and destroyed by the caller in every case (bson_destroy). A reply with
 * writeErrors or a writeConcernError is GLEANER_OK here when the command itself succeeded: the
 * caller reads them.
 */
enum gleaner_status mongo_command(mongo_client *client, const char *database,
                                  enum mongo_command_kind kind, const struct _bson_t *command,
                                  struct _bson_t *reply, struct mongo_error *error);
/** Call `row` for each document; it returns false to stop. */
enum gleaner_status mongo_find(mongo_client *client, const char *database, const char *collection,
                               const struct _bson_t *filter, const struct _bson_t *opts,
                               bool (*row)(void *ctx, const struct _bson_t *document), void *ctx,
                               struct mongo_error *error);

#endif
