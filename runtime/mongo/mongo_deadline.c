/* SPDX-License-Identifier: Apache-2.0 */
/* The deadline of the calling thread: the driver works on the caller's thread, so each wait of a
 * stream of ours asks here (mongo_stream.c). What it does not reach is the driver's wait for a
 * server to be known; that is asked about before. */
#include "mongo_internal.h"

#include <string.h>

#define GRACE_MS 150
#define POLL_SLACK_MS 2

static _Thread_local uint64_t operation_deadline_ns; /* 0 = none */
static _Thread_local bool is_extended;

void mongo_set_deadline(uint64_t deadline_ns)
{
    operation_deadline_ns = deadline_ns;
    is_extended = false;
}

uint64_t mongo_narrow_deadline(uint64_t deadline_ns)
{
    uint64_t before_ns = operation_deadline_ns;
    if (before_ns == 0 || deadline_ns < before_ns) {
        operation_deadline_ns = deadline_ns;
    }
    return before_ns;
}

int32_t mongo_left_ms(uint64_t deadline_ns)
{
    uint64_t now_ns = base_mono_ns();
    uint64_t left = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    uint64_t ms = (left + BASE_NS_PER_MS - 1) / BASE_NS_PER_MS;
    return ms < INT32_MAX ? (int32_t)ms : INT32_MAX;
}

int32_t mongo_bounded_ms(int32_t timeout_ms)
{
    if (operation_deadline_ns == 0) {
        return timeout_ms;
    }
    int32_t left = mongo_left_ms(operation_deadline_ns);
    return timeout_ms < 0 || left < timeout_ms ? left : timeout_ms; /* < 0 means without end */
}

bool mongo_deadline_is_set(void)
{
    return operation_deadline_ns != 0;
}

/* Asked when a wait has failed. The driver's poll counts whole milliseconds and ends up to one too
 * early. */
bool mongo_deadline_is_over(void)
{
    return operation_deadline_ns != 0 &&
           base_mono_ns() + POLL_SLACK_MS * BASE_NS_PER_MS >= operation_deadline_ns;
}

/* When a retryable operation has met its deadline, the driver repeats it by itself on a new
 * connection, and takes a handshake that fails for a server that is gone: for a slow query on a
 * healthy one, all others would be stalled. So that handshake gets a little time, once. */
void mongo_extend_deadline(void)
{
    uint64_t least_ns = base_mono_ns() + GRACE_MS * BASE_NS_PER_MS;
    if (operation_deadline_ns != 0 && operation_deadline_ns < least_ns && !is_extended) {
        operation_deadline_ns = least_ns;
        is_extended = true;
    }
}

/* ---- before an operation ---- */

static bool takes_writes(const mongoc_server_description_t *server)
{
    static const char *const types[] = {"Standalone", "RSPrimary", "Mongos", "LoadBalancer"};
    const char *type = mongoc_server_description_type(server);
    for (size_t i = 0; i < BASE_ARRAY_LEN(types); i++) {
        if (strcmp(type, types[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool knows_a_server(const mongoc_client_t *client)
{
    size_t count = 0;
    bool knows = false;
    mongoc_server_description_t **servers = mongoc_client_get_server_descriptions(client, &count);
    for (size_t i = 0; i < count && !knows; i++) {
        knows = takes_writes(servers[i]);
    }
    mongoc_server_descriptions_destroy_all(servers, count);
    return knows;
}

/* The copies of the descriptions cost some microseconds: only a short deadline pays for them. */
bool mongo_may_begin(mongo_client *client, struct mongo_error *error)
{
    if (operation_deadline_ns == 0) {
        return true;
    }
    int32_t selection_ms = mongoc_uri_get_option_as_int32(
        mongoc_client_get_uri(client), MONGOC_URI_SERVERSELECTIONTIMEOUTMS, MONGO_SELECTION_MS);
    if (mongo_left_ms(operation_deadline_ns) > selection_ms || knows_a_server(client)) {
        return true;
    }
    const bson_error_t unknown = {
        .domain = MONGOC_ERROR_SERVER_SELECTION,
        .code = MONGOC_ERROR_SERVER_SELECTION_FAILURE,
        .message = "the driver knows no server now, and the deadline is too near to wait for one"};
    mongo_classify(&unknown, NULL, error);
    return false;
}
