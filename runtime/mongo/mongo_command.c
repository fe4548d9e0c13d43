/* SPDX-License-Identifier: Apache-2.0 */
#include "mongo_internal.h"

#include <string.h>

uint32_t mongo_client_socket_ms(const mongo_client *client)
{
    int32_t limit_ms = mongoc_uri_get_option_as_int32(
        mongoc_client_get_uri(client), MONGOC_URI_SOCKETTIMEOUTMS, MONGOC_DEFAULT_SOCKETTIMEOUTMS);
    return limit_ms > 0 ? (uint32_t)limit_ms : (uint32_t)MONGOC_DEFAULT_SOCKETTIMEOUTMS;
}

/* The driver reports a socket that broke and one that was silent too long with the same code. The
 * silent one costs this connection only and must not be reported as a lost server. Our own streams
 * know (mongo_classify() asks them); with the driver's, the time tells them apart: an operation
 * that failed on the stream after the socket timeout was waiting for an answer. Less a sixteenth:
 * the driver counts in its own milliseconds. */
static void tell_timeout(mongoc_client_t *client, uint64_t started_ns, struct mongo_error *error)
{
    if (error->domain != MONGOC_ERROR_STREAM || error->code != MONGOC_ERROR_STREAM_SOCKET) {
        return;
    }
    uint64_t limit_ns = mongo_client_socket_ms(client) * BASE_NS_PER_MS;
    if (base_mono_ns() - started_ns >= limit_ns - limit_ns / 16) {
        error->error_class = MONGO_TIMEOUT;
    }
}

static enum gleaner_status fail(mongoc_client_t *client, uint64_t started_ns,
                                const bson_error_t *driver_error, const bson_t *reply,
                                struct mongo_error *error)
{
    mongo_classify(driver_error, reply, error);
    if (error->error_class == MONGO_OK) { /* a failure without a code must not look like success */
        error->error_class = MONGO_BUG;
        snprintf(error->message, sizeof error->message, "the driver gave no reason");
    }
    tell_timeout(client, started_ns, error);
    return mongo_error_status(error->error_class);
}

/* Durable means: survives a kill of the server, and of the primary in a replica set.
 *  - mongod writes its journal every 100 ms and answers w:1 before that: a killed one forgets what
 * it has acknowledged. So j:true.
 *  - {j: true} alone makes w 1, not the server's default of majority: a new primary may not have
 * it. So w:majority, which a single server takes as 1. tests/store_mongo lost jobs in both ways.
 * What the URI says itself (w, journal) stays. */
static void ask_for_durable(mongoc_client_t *client, bson_t *opts)
{
    const mongoc_write_concern_t *given = mongoc_client_get_write_concern(client);
    if (mongoc_write_concern_journal_is_set(given)) {
        return;
    }
    mongoc_write_concern_t *durable = mongoc_write_concern_copy(given);
    mongoc_write_concern_set_journal(durable, true);
    if (mongoc_write_concern_get_w(given) == MONGOC_WRITE_CONCERN_W_DEFAULT) {
        mongoc_write_concern_set_w(durable, MONGOC_WRITE_CONCERN_W_MAJORITY);
    }
    mongoc_write_concern_append(durable, opts);
    mongoc_write_concern_destroy(durable);
}

static void ask_for_read_concern(mongoc_client_t *client, bson_t *opts)
{
    const mongoc_read_concern_t *given = mongoc_client_get_read_concern(client);
    if (!mongoc_read_concern_is_default(given)) {
        mongoc_read_concern_t *copy = mongoc_read_concern_copy(given);
        mongoc_read_concern_append(copy, opts);
        mongoc_read_concern_destroy(copy);
    }
}

/* Both to the primary, and repeated by nobody here: the store repeats its idempotent calls itself,
 * once, on another client, if the deadline leaves time for it. So not the driver's read_command,
 * with which a silent server holds each attempt for two socket timeouts; of writes the driver
 * repeats only findAndModify (it adds txnNumber to no other raw command). */
static bool run(mongoc_client_t *client, const char *database, enum mongo_command_kind kind,
                const bson_t *command, bson_t *reply, bson_error_t *error)
{
    bson_t opts = BSON_INITIALIZER;
    bool ok;
    if (kind == MONGO_READ) {
        ask_for_read_concern(client, &opts);
        ok = mongoc_client_command_with_opts(client, database, command, mongo_read_primary(), &opts,
                                             reply, error);
    } else {
        ask_for_durable(client, &opts);
        ok = mongoc_client_write_command_with_opts(client, database, command, &opts, reply, error);
    }
    bson_destroy(&opts);
    return ok;
}

enum gleaner_status mongo_command(mongo_client *client, const char *database,
                                  enum mongo_command_kind kind, const bson_t *command,
                                  bson_t *reply, struct mongo_error *error)
{
    struct mongo_error local;
    struct mongo_error *detail = error != NULL ? error : &local;
    bson_error_t driver_error = {0};
    uint64_t started_ns = base_mono_ns();
    if (!mongo_may_begin(client, detail)) {
        bson_init(reply);
        return mongo_error_status(detail->error_class);
    }
    bool ok = run(client, database, kind, command, reply, &driver_error);
    if (ok || driver_error.domain == MONGOC_ERROR_WRITE_CONCERN) {
        memset(detail, 0, sizeof *detail);
        return GLEANER_OK;
    }
    return fail(client, started_ns, &driver_error, reply, detail);
}

enum gleaner_status mongo_find(mongo_client *client, const char *database, const char *collection,
                               const bson_t *filter, const bson_t *opts,
                               bool (*row)(void *ctx, const bson_t *document), void *ctx,
                               struct mongo_error *error)
{
    struct mongo_error local;
    struct mongo_error *detail = error != NULL ? error : &local;
    bson_error_t driver_error = {0};
    const bson_t *document = NULL;
    const bson_t *reply = NULL;
    uint64_t started_ns = base_mono_ns();
    if (!mongo_may_begin(client, detail)) {
        return mongo_error_status(detail->error_class);
    }
    mongoc_collection_t *handle = mongoc_client_get_collection(client, database, collection);
    mongoc_cursor_t *cursor =
        mongoc_collection_find_with_opts(handle, filter, opts, mongo_read_primary());
    bool more = true;
    while (more && mongoc_cursor_next(cursor, &document)) {
        more = row(ctx, document);
        started_ns = base_mono_ns(); /* the next batch has its own socket timeout */
    }
    enum gleaner_status status = GLEANER_OK;
    memset(detail, 0, sizeof *detail);
    if (mongoc_cursor_error_document(cursor, &driver_error, &reply)) {
        status = fail(client, started_ns, &driver_error, reply, detail);
    }
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(handle);
    return status;
}
