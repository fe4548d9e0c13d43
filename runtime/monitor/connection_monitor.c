/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own count of connections, where the user may see it. */
#include "monitor_internal.h"

#define CREATED_WINDOW_NS (60 * BASE_NS_PER_S)

static void forget(struct monitors *monitors)
{
    atomic_store_explicit(&monitors->server_current, -1, memory_order_relaxed);
    atomic_store_explicit(&monitors->server_available, -1, memory_order_relaxed);
    atomic_store_explicit(&monitors->server_total_created, -1, memory_order_relaxed);
    monitors->created_before = -1;
}

/* New connections, scaled to 60 s whatever the period. */
static void measure_created(struct monitors *monitors, int64_t total)
{
    uint64_t now_ns = base_clock_now_ns(supervisor_clock(monitors->supervisor));
    if (monitors->created_before >= 0 && total >= monitors->created_before &&
        now_ns > monitors->created_at_ns) {
        double grown = (double)(total - monitors->created_before);
        double share = (double)CREATED_WINDOW_NS / (double)(now_ns - monitors->created_at_ns);
        alerts_measure(&monitors->alerts, ALERT_NEW_CONNECTIONS, (int64_t)(grown * share));
    }
    monitors->created_before = total; /* a smaller one: the server was restarted */
    monitors->created_at_ns = now_ns;
}

static void answered(void *ctx, const struct supervisor_answer *answer)
{
    struct monitors *monitors = ctx;
    if (answer->status != GLEANER_OK) {
        forget(monitors);
        if (answer->status == GLEANER_E_AUTH && !monitors->connection_is_refused) {
            monitors->connection_is_refused = true;
            base_log_info("monitor", "event=server_connections_hidden why=\"this user may not run "
                                     "serverStatus; grant clusterMonitor to see them\"");
        }
        return;
    }
    const struct supervisor_server_connections *seen = &answer->connections;
    atomic_store_explicit(&monitors->server_current, seen->current, memory_order_relaxed);
    atomic_store_explicit(&monitors->server_available, seen->available, memory_order_relaxed);
    atomic_store_explicit(&monitors->server_total_created, seen->total_created,
                          memory_order_relaxed);
    if (seen->current >= 0 && seen->available >= 0 && seen->current + seen->available > 0) {
        alerts_measure(&monitors->alerts, ALERT_CONNECTIONS_USED,
                       seen->current * 100 / (seen->current + seen->available));
    }
    measure_created(monitors, seen->total_created);
}

uint64_t connection_monitor_run(void *ctx, uint64_t now_ns)
{
    struct monitors *monitors = ctx;
    if (!monitors->connection_is_refused &&
        supervisor_call(monitors->supervisor, SUPERVISOR_SERVER_CONNECTIONS, answered, monitors) ==
            GLEANER_E_BUSY) {
        return now_ns + BASE_NS_PER_S;
    }
    return now_ns + monitors->config.connection_interval_ms * BASE_NS_PER_MS;
}
