/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers, for any thread, without waiting. */
#include "monitor_internal.h"
#include <string.h>

#define READ(field) atomic_load_explicit(&monitors->field, memory_order_relaxed)

static void read_pool(struct monitors *monitors, uint64_t now_ns,
                      struct gleaner_monitor_report *out)
{
    struct pool_stats stats;
    pool_read_stats(supervisor_pool(monitors->supervisor), now_ns, &stats);
    out->total = stats.total;
    out->available = stats.available;
    out->in_use = stats.in_use;
    out->pending = stats.pending;
    out->waiting = stats.waiting;
    out->max_size = READ(shown_max_size);
    out->oldest_in_use_ms = stats.oldest_in_use_ns / BASE_NS_PER_MS;
    out->oldest_pending_ms = stats.oldest_pending_ns / BASE_NS_PER_MS;
    out->oldest_wait_ms = stats.oldest_wait_ns / BASE_NS_PER_MS;
    out->check_outs = stats.check_outs;
    out->check_ins = stats.check_ins;
    out->timeouts = stats.timeouts;
    out->connects = stats.connects;
    out->connect_failures = stats.connect_failures;
    out->closed = stats.closed;
    out->stale_returns = stats.stale_returns;
}

static void read_supervisor(struct monitors *monitors, struct gleaner_monitor_report *out)
{
    struct supervisor_counts counts;
    supervisor_read_counts(monitors->supervisor, &counts);
    out->refreshes = counts.refreshes;
    out->forced_refreshes = counts.forced_refreshes;
    out->stuck_pending = counts.stuck;
    out->reconnects = counts.reconnects;
    out->reconnect_tokens = counts.reconnect_tokens;
    struct connection *connection = supervisor_connection(monitors->supervisor);
    connection_report_counts(connection, &out->reports, &out->stale_reports);
    out->transitions = connection_transitions(connection);
}

static void read_heartbeats(struct monitors *monitors, uint64_t now_ns,
                            struct gleaner_monitor_report *out)
{
    struct supervisor_heartbeats beats;
    supervisor_read_heartbeats(monitors->supervisor, &beats);
    out->heartbeats = beats.passed;
    out->failed_heartbeats = beats.failed;
    out->heartbeat_round_trip_us = beats.round_trip_ns / BASE_NS_PER_US;
    out->last_heartbeat_age_ms = beats.last_ns != 0 && now_ns > beats.last_ns
                                     ? (now_ns - beats.last_ns) / BASE_NS_PER_MS
                                     : 0;
}

static void read_operations(struct monitors *monitors, struct gleaner_monitor_report *out)
{
    if (monitors->config.watch != NULL) {
        out->operations = mongo_watch_count(monitors->config.watch);
        out->slow_operations = mongo_watch_slow_count(monitors->config.watch);
    }
    out->explains = READ(explains);
    out->server_queued = READ(server_queued);
    out->server_tickets_used = READ(server_tickets_used);
    out->server_cache_used = READ(server_cache_used);
    out->server_operations = READ(server_operations);
}

static void read_monitors(struct monitors *monitors, uint64_t now_ns,
                          struct gleaner_monitor_report *out)
{
    uint64_t last_ns = READ(last_check_ns);
    out->failed_checks_in_row = READ(failed_in_row);
    out->checks = READ(checks);
    out->last_check_age_ms =
        last_ns != 0 && now_ns > last_ns ? (now_ns - last_ns) / BASE_NS_PER_MS : 0;
    out->last_round_trip_us = READ(last_round_trip_ns) / BASE_NS_PER_US;
    out->average_round_trip_us = READ(average_round_trip_ns) / BASE_NS_PER_US;
    out->p95_round_trip_us = base_histogram_quantile(&monitors->round_trips, 0.95) / BASE_NS_PER_US;
    out->driver_round_trip_ms = READ(driver_round_trip_ms);
    out->majority_lag_ms = READ(majority_lag_ms);
    out->slowest_lag_ms = READ(slowest_lag_ms);
    out->server_current = READ(server_current);
    out->server_available = READ(server_available);
    out->server_total_created = READ(server_total_created);
    /* healthy is what serves and was not found sick since */
    struct connection_snapshot snapshot;
    connection_copy(supervisor_connection(monitors->supervisor), &snapshot);
    out->is_healthy =
        (snapshot.phase == CONNECTION_CONNECTED || snapshot.phase == CONNECTION_FALLBACK) &&
        out->failed_checks_in_row < READ(shown_unhealthy_after);
    sync_read_lock();
    out->alerts = ((const struct alert_list *)sync_read(&monitors->alerts.published))->count;
    sync_read_unlock();
}

void monitors_read(struct monitors *monitors, struct gleaner_monitor_report *out)
{
    struct gleaner_monitor_report all = {0};
    uint64_t now_ns = monitors_now(monitors);
    read_pool(monitors, now_ns, &all);
    read_supervisor(monitors, &all);
    read_monitors(monitors, now_ns, &all);
    read_heartbeats(monitors, now_ns, &all);
    read_operations(monitors, &all);
    size_t size = out->size < sizeof(all) ? out->size : sizeof(all);
    all.size = size;
    memcpy(out, &all, size);
}
