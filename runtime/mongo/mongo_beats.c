/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's heartbeats, which come from every server it knows: of a replica set from each
 * member. Operations go to one that takes writes. So a member that is away says nothing against the
 * server in use, and one that answers does not show that there is a primary: only what concerns the
 * server in use is handed on.
 *
 * Driver threads, one per server, a driver mutex may be held: atomics and the callback, nothing
 * else (mongo.h). */
#include "mongo_internal.h"

#include <string.h>

/* What is known of one server, the low bits of its word; above them a hash of its name. */
enum standing { STANDING_GONE, STANDING_SILENT, STANDING_ANSWERS, STANDING_TAKES_WRITES };
#define STANDING_MASK UINT64_C(3)

static enum standing standing_of(uint64_t word)
{
    return (enum standing)(word & STANDING_MASK);
}

/* A place for each server that ever beat; NULL when all are taken. */
static _Atomic uint64_t *find_place(struct mongo_endpoint *endpoint, uint64_t name)
{
    for (size_t i = 0; i < MONGO_BEATS_MAX; i++) {
        _Atomic uint64_t *place = &endpoint->beats[i];
        uint64_t word = 0; /* free */
        if (atomic_compare_exchange_strong_explicit(place, &word, name, memory_order_relaxed,
                                                    memory_order_relaxed) ||
            (word & ~STANDING_MASK) == name) {
            return place;
        }
    }
    return NULL;
}

struct others {
    bool any, answers, takes_writes;
};

/* A set has one primary: when another says that it is, those before are not any more. */
static struct others look_at_others(struct mongo_endpoint *endpoint, const _Atomic uint64_t *mine,
                                    bool is_only_primary)
{
    struct others seen = {false, false, false};
    for (size_t i = 0; i < MONGO_BEATS_MAX; i++) {
        _Atomic uint64_t *place = &endpoint->beats[i];
        uint64_t word = atomic_load_explicit(place, memory_order_relaxed);
        if (place == mine || standing_of(word) == STANDING_GONE) {
            continue;
        }
        if (is_only_primary && standing_of(word) == STANDING_TAKES_WRITES) {
            uint64_t demoted = (word & ~STANDING_MASK) | STANDING_ANSWERS;
            (void)atomic_compare_exchange_strong_explicit(
                place, &word, demoted, memory_order_relaxed, memory_order_relaxed);
        }
        seen.any = true;
        seen.answers = seen.answers || standing_of(word) >= STANDING_ANSWERS;
        seen.takes_writes = seen.takes_writes || standing_of(word) == STANDING_TAKES_WRITES;
    }
    return seen;
}

/* Does it concern the server in use? A server that stands alone is the one, whatever it says. */
static bool concerns_us(struct mongo_endpoint *endpoint, const mongoc_host_list_t *host,
                        enum standing now, bool is_mongos)
{
    uint64_t name = base_hash64(host->host_and_port, strlen(host->host_and_port)) & ~STANDING_MASK;
    _Atomic uint64_t *place = find_place(endpoint, name);
    if (place == NULL) {
        return true;
    }
    uint64_t before = atomic_exchange_explicit(place, name | now, memory_order_relaxed);
    bool takes_writes = now == STANDING_TAKES_WRITES;
    struct others others = look_at_others(endpoint, place, takes_writes && !is_mongos);
    if (!others.any || takes_writes) {
        return true;
    }
    /* silent: it was the one, or nobody is known who could be */
    return now == STANDING_SILENT && !others.takes_writes &&
           (standing_of(before) == STANDING_TAKES_WRITES || !others.answers);
}

static bool is_true(const bson_t *hello, const char *field)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, hello, field) && bson_iter_as_bool(&iter);
}

static void BSON_CALL on_beat(const mongoc_apm_server_heartbeat_succeeded_t *event)
{
    struct mongo_endpoint *endpoint = mongoc_apm_server_heartbeat_succeeded_get_context(event);
    const bson_t *hello = mongoc_apm_server_heartbeat_succeeded_get_reply(event);
    bson_iter_t iter;
    bool takes_writes = is_true(hello, "isWritablePrimary") || is_true(hello, "ismaster");
    bool is_mongos = bson_iter_init_find(&iter, hello, "msg"); /* "isdbgrid" */
    if (concerns_us(endpoint, mongoc_apm_server_heartbeat_succeeded_get_host(event),
                    takes_writes ? STANDING_TAKES_WRITES : STANDING_ANSWERS, is_mongos)) {
        endpoint->on_heartbeat(endpoint->heartbeat_ctx, true,
                               mongoc_apm_server_heartbeat_succeeded_get_duration(event),
                               mongoc_apm_server_heartbeat_succeeded_get_awaited(event));
    }
}

static void BSON_CALL on_missed_beat(const mongoc_apm_server_heartbeat_failed_t *event)
{
    struct mongo_endpoint *endpoint = mongoc_apm_server_heartbeat_failed_get_context(event);
    if (concerns_us(endpoint, mongoc_apm_server_heartbeat_failed_get_host(event), STANDING_SILENT,
                    false)) {
        endpoint->on_heartbeat(endpoint->heartbeat_ctx, false,
                               mongoc_apm_server_heartbeat_failed_get_duration(event),
                               mongoc_apm_server_heartbeat_failed_get_awaited(event));
    }
}

/* It left the set, or is no longer in the SRV records: what it said last means nothing. */
static void BSON_CALL on_closed(const mongoc_apm_server_closed_t *event)
{
    struct mongo_endpoint *endpoint = mongoc_apm_server_closed_get_context(event);
    (void)concerns_us(endpoint, mongoc_apm_server_closed_get_host(event), STANDING_GONE, false);
}

void mongo_beats_add(mongoc_apm_callbacks_t *callbacks)
{
    mongoc_apm_set_server_heartbeat_succeeded_cb(callbacks, on_beat);
    mongoc_apm_set_server_heartbeat_failed_cb(callbacks, on_missed_beat);
    mongoc_apm_set_server_closed_cb(callbacks, on_closed);
}
