/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says about itself, and what the driver's monitors know without asking it. */
#include "mongo_internal.h"
#include "mongo_watch.h"

#include <string.h>

static int64_t number_at(const bson_t *reply, const char *path)
{
    bson_iter_t iter, at;
    return bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter, path, &at) &&
                   BSON_ITER_HOLDS_NUMBER(&at)
               ? bson_iter_as_int64(&at)
               : -1;
}

/* Where a number is has changed between versions. */
static int64_t either(const bson_t *reply, const char *path, const char *older)
{
    int64_t value = number_at(reply, path);
    return value >= 0 ? value : number_at(reply, older);
}

static int64_t percent_of(int64_t part, int64_t whole)
{
    return part >= 0 && whole > 0 ? part * 100 / whole : -1;
}

static int64_t sum_of_operations(const bson_t *reply)
{
    static const char *const kinds[] = {"opcounters.insert",  "opcounters.query",
                                        "opcounters.update",  "opcounters.delete",
                                        "opcounters.getmore", "opcounters.command"};
    int64_t sum = -1;
    for (size_t i = 0; i < BASE_ARRAY_LEN(kinds); i++) {
        int64_t value = number_at(reply, kinds[i]);
        sum = value < 0 ? sum : (sum < 0 ? 0 : sum) + value;
    }
    return sum;
}

static void read_reply(const bson_t *reply, struct mongo_server_status *out)
{
#define EXECUTION "queues.execution."                /* 8.0 */
#define TICKETS "wiredTiger.concurrentTransactions." /* before */
#define CACHE "wiredTiger.cache."
    int64_t cache_max = number_at(reply, CACHE "maximum bytes configured");
    *out = (struct mongo_server_status){
        .connections_current = number_at(reply, "connections.current"),
        .connections_available = number_at(reply, "connections.available"),
        .connections_created = number_at(reply, "connections.totalCreated"),
        .queued_readers = number_at(reply, "globalLock.currentQueue.readers"),
        .queued_writers = number_at(reply, "globalLock.currentQueue.writers"),
        .read_tickets_out = either(reply, EXECUTION "read.out", TICKETS "read.out"),
        .read_tickets = either(reply, EXECUTION "read.totalTickets", TICKETS "read.totalTickets"),
        .write_tickets_out = either(reply, EXECUTION "write.out", TICKETS "write.out"),
        .write_tickets =
            either(reply, EXECUTION "write.totalTickets", TICKETS "write.totalTickets"),
        .cache_used_percent =
            percent_of(number_at(reply, CACHE "bytes currently in the cache"), cache_max),
        .cache_dirty_percent =
            percent_of(number_at(reply, CACHE "tracked dirty bytes in the cache"), cache_max),
        .evicted_by_operations = number_at(reply, CACHE "pages evicted by application threads"),
        .operations = sum_of_operations(reply),
    };
#undef EXECUTION
#undef TICKETS
#undef CACHE
}

/* The sections that are long and not read are left out; wiredTiger, which is, has no smaller one.
 */
enum gleaner_status mongo_server_status(mongo_client *client, struct mongo_server_status *out,
                                        struct mongo_error *error)
{
    static const char *const unread[] = {
        "repl",     "metrics",          "locks",
        "tcmalloc", "transactions",     "logicalSessionRecordCache",
        "network",  "electionMetrics",  "flowControl",
        "asserts",  "opLatencies",      "security",
        "sharding", "indexBulkBuilder", "indexBuilds"};
    bson_t command = BSON_INITIALIZER;
    bson_t reply;
    BSON_APPEND_INT32(&command, "serverStatus", 1);
    for (size_t i = 0; i < BASE_ARRAY_LEN(unread); i++) {
        BSON_APPEND_INT32(&command, unread[i], 0);
    }
    BSON_APPEND_INT32(&command, "maxTimeMS", 2000);
    enum gleaner_status status =
        mongo_command(client, "admin", MONGO_READ, &command, &reply, error);
    if (status == GLEANER_OK) {
        read_reply(&reply, out);
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

/* ---- the driver's own knowledge ---- */

static int64_t date_at(const mongoc_server_description_t *server, const char *path)
{
    bson_iter_t iter, at;
    const bson_t *hello = mongoc_server_description_hello_response(server);
    return hello != NULL && bson_iter_init(&iter, hello) &&
                   bson_iter_find_descendant(&iter, path, &at) && BSON_ITER_HOLDS_DATE_TIME(&at)
               ? bson_iter_date_time(&at)
               : -1;
}

static bool is_of_type(const mongoc_server_description_t *server, const char *type)
{
    return strcmp(mongoc_server_description_type((mongoc_server_description_t *)server), type) == 0;
}

static bool takes_writes(const mongoc_server_description_t *server)
{
    return is_of_type(server, "RSPrimary") || is_of_type(server, "Standalone") ||
           is_of_type(server, "Mongos") || is_of_type(server, "LoadBalancer");
}

static int64_t not_below_zero(int64_t value)
{
    return value < 0 ? 0 : value;
}

static void know_primary(const mongoc_server_description_t *server, struct mongo_known *out)
{
    int64_t written = date_at(server, "lastWrite.lastWriteDate");
    int64_t agreed = date_at(server, "lastWrite.majorityWriteDate");
    out->round_trip_ms = mongoc_server_description_round_trip_time(server);
    if (written >= 0 && agreed >= 0) {
        out->majority_lag_ms = not_below_zero(written - agreed);
    }
}

/* Hellos of different servers are up to a heartbeat apart: a lag below that means nothing. */
static void know_secondaries(mongoc_server_description_t *const *servers, size_t count,
                             struct mongo_known *out)
{
    int64_t newest = -1, oldest = -1;
    for (size_t i = 0; i < count; i++) {
        int64_t written = date_at(servers[i], "lastWrite.lastWriteDate");
        if (is_of_type(servers[i], "RSPrimary")) {
            newest = written;
        } else if (is_of_type(servers[i], "RSSecondary") && written >= 0 &&
                   (oldest < 0 || written < oldest)) {
            oldest = written;
        }
    }
    if (newest >= 0 && oldest >= 0) {
        out->slowest_lag_ms = not_below_zero(newest - oldest);
    }
}

void mongo_client_known(mongo_client *client, struct mongo_known *out)
{
    size_t count = 0;
    mongoc_server_description_t **servers = mongoc_client_get_server_descriptions(client, &count);
    *out = (struct mongo_known){-1, -1, -1};
    for (size_t i = 0; i < count; i++) {
        if (takes_writes(servers[i])) {
            know_primary(servers[i], out);
        }
    }
    know_secondaries(servers, count, out);
    mongoc_server_descriptions_destroy_all(servers, count);
}

uint32_t mongo_uri_heartbeat_ms(const char *uri, uint32_t otherwise)
{
    mongoc_uri_t *parsed = uri != NULL ? mongoc_uri_new(uri) : NULL;
    int32_t named = parsed != NULL
                        ? mongoc_uri_get_option_as_int32(parsed, MONGOC_URI_HEARTBEATFREQUENCYMS, 0)
                        : 0;
    mongoc_uri_destroy(parsed); /* accepts NULL */
    return named > 0 ? (uint32_t)named : otherwise;
}
