/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the outside: CMAP events, and who has work to do. */
#include "pool_internal.h"

/* Names as in the CMAP specification, where it has one. */
static const char *const type_names[] = {
    [POOL_EV_CREATED] = "ConnectionPoolCreated",
    [POOL_EV_READY] = "ConnectionPoolReady",
    [POOL_EV_CLEARED] = "ConnectionPoolCleared",
    [POOL_EV_CLOSED] = "ConnectionPoolClosed",
    [POOL_EV_CONNECTION_CREATED] = "ConnectionCreated",
    [POOL_EV_CONNECTION_READY] = "ConnectionReady",
    [POOL_EV_CONNECTION_CLOSED] = "ConnectionClosed",
    [POOL_EV_CHECK_OUT_STARTED] = "ConnectionCheckOutStarted",
    [POOL_EV_CHECK_OUT_FAILED] = "ConnectionCheckOutFailed",
    [POOL_EV_CHECKED_OUT] = "ConnectionCheckedOut",
    [POOL_EV_CHECKED_IN] = "ConnectionCheckedIn",
};
static const char *const reason_names[] = {
    [POOL_REASON_NONE] = "none",
    [POOL_REASON_STALE] = "stale",
    [POOL_REASON_IDLE] = "idle",
    [POOL_REASON_ERROR] = "error",
    [POOL_REASON_POOL_CLOSED] = "poolClosed",
    [POOL_REASON_TIMEOUT] = "timeout",
    [POOL_REASON_CONNECTION_ERROR] = "connectionError",
    [POOL_REASON_REFRESH] = "refresh",
    [POOL_REASON_LIFETIME] = "lifetime",
    [POOL_REASON_SURPLUS] = "surplus",
};

const char *pool_event_type_name(enum pool_event_type type)
{
    return (size_t)type < BASE_ARRAY_LEN(type_names) ? type_names[type] : "unknown";
}

const char *pool_event_reason_name(enum pool_event_reason reason)
{
    return (size_t)reason < BASE_ARRAY_LEN(reason_names) ? reason_names[reason] : "unknown";
}

void pool_emit(struct pool *pool, const struct pool_event *event)
{
    if (pool->hooks.on_event == NULL) {
        return;
    }
    struct pool_event complete = *event;
    complete.address = pool->address;
    pool->hooks.on_event(pool->hooks.event_ctx, &complete);
}

void pool_want_connection(struct pool *pool)
{
    if (pool->hooks.on_connect_wanted != NULL) {
        pool->hooks.on_connect_wanted(pool->hooks.connect_ctx);
    }
}

void pool_want_reaper(struct pool *pool)
{
    if (pool->hooks.on_reap_wanted != NULL) {
        pool->hooks.on_reap_wanted(pool->hooks.reap_ctx);
    }
}
