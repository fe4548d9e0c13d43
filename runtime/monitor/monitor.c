/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor_internal.h"
#include <stdlib.h>
#include <string.h>

enum gleaner_status monitors_create(struct supervisor *supervisor,
                                    const struct monitor_config *config, struct monitors **out)
{
    struct monitors *monitors = calloc(1, sizeof(*monitors));
    if (monitors == NULL) {
        return GLEANER_E_NOMEM;
    }
    monitors->magic = MONITOR_MAGIC;
    monitors->supervisor = supervisor;
    monitors_take_config(monitors, config);
    monitors->created_before = -1;
    atomic_store_explicit(&monitors->server_current, -1, memory_order_relaxed);
    atomic_store_explicit(&monitors->server_available, -1, memory_order_relaxed);
    atomic_store_explicit(&monitors->server_total_created, -1, memory_order_relaxed);
    alerts_init(&monitors->alerts);
    monitors->health_task = supervisor_add_task(supervisor, "health", config->health_interval_ms,
                                                health_monitor_run, monitors);
    monitors->pool_task =
        supervisor_add_task(supervisor, "pool", config->pool_first_ms, pool_monitor_run, monitors);
    monitors->connection_task =
        supervisor_add_task(supervisor, "connections", config->connection_interval_ms,
                            connection_monitor_run, monitors);
    BASE_ASSERT(monitors->health_task >= 0 && monitors->pool_task >= 0 &&
                monitors->connection_task >= 0);
    *out = monitors;
    return GLEANER_OK;
}

void monitors_destroy(struct monitors **monitors)
{
    if (*monitors != NULL) {
        BASE_CHECK_MAGIC(*monitors, MONITOR_MAGIC);
        (*monitors)->magic = 0;
        free(*monitors);
        *monitors = NULL;
    }
}

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
    out->max_size = atomic_load_explicit(&monitors->shown_max_size, memory_order_relaxed);
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

static void read_monitors(struct monitors *monitors, uint64_t now_ns,
                          struct gleaner_monitor_report *out)
{
#define READ(field) atomic_load_explicit(&monitors->field, memory_order_relaxed)
    uint64_t last_ns = READ(last_check_ns);
    out->failed_checks_in_row = READ(failed_in_row);
    out->checks = READ(checks);
    out->last_check_age_ms =
        last_ns != 0 && now_ns > last_ns ? (now_ns - last_ns) / BASE_NS_PER_MS : 0;
    out->last_round_trip_us = READ(last_round_trip_ns) / BASE_NS_PER_US;
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
#undef READ
}

void monitors_read(struct monitors *monitors, struct gleaner_monitor_report *out)
{
    struct gleaner_monitor_report all = {0};
    uint64_t now_ns = base_clock_now_ns(supervisor_clock(monitors->supervisor));
    read_pool(monitors, now_ns, &all);
    read_supervisor(monitors, &all);
    read_monitors(monitors, now_ns, &all);
    size_t size = out->size < sizeof(all) ? out->size : sizeof(all);
    all.size = size;
    memcpy(out, &all, size);
}
