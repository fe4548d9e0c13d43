/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the handle table: starved, stuck, crowded; and every few seconds at all else that costs
 * the server nothing. */
#include "monitor_internal.h"
#include <stdio.h>

#define STARVED_CHECKS 2 /* in a row before a refresh is forced */
#define SILENT_SLACK_MS 5000

void pool_monitor_measure(struct monitors *monitors, uint64_t now_ns)
{
    struct alerts *alerts = &monitors->alerts;
    struct pool_stats stats;
    struct supervisor_counts counts;
    char detail[96] = "";
    pool_read_stats(supervisor_pool(monitors->supervisor), now_ns, &stats);
    supervisor_read_counts(monitors->supervisor, &counts);
    uint32_t max_size = monitors->config.max_size;
    alerts_measure(alerts, ALERT_POOL_USED,
                   max_size > 0 ? (int64_t)stats.in_use * 100 / max_size : 0);
    alerts_measure(alerts, ALERT_WAITING, stats.waiting);
    alerts_measure_with(alerts, ALERT_STUCK, counts.stuck,
                        supervisor_verdict(monitors->supervisor));
    uint32_t limit = monitors->config.reconnect_limit;
    if (limit > 0) {
        uint32_t left = counts.reconnect_tokens < limit ? counts.reconnect_tokens : limit;
        if (counts.reconnects_denied > 0) {
            snprintf(detail, sizeof(detail), "%llu attempts were put off so far",
                     (unsigned long long)counts.reconnects_denied);
        }
        alerts_measure_with(alerts, ALERT_STORM, (int64_t)(limit - left) * 100 / limit, detail);
    }
}

uint64_t pool_monitor_run(void *ctx, uint64_t now_ns)
{
    struct monitors *monitors = ctx;
    struct pool_stats stats;
    struct supervisor_counts counts;
    pool_monitor_measure(monitors, now_ns);
    pool_read_stats(supervisor_pool(monitors->supervisor), now_ns, &stats);
    supervisor_read_counts(monitors->supervisor, &counts);

    /* The old layer's sign of a stuck pool: nothing available, something pending, and that for
     * longer than connecting may take. The connector itself was condemned at its deadline. */
    bool is_overdue =
        stats.oldest_pending_ns >= monitors->config.connect_ms * BASE_NS_PER_MS || counts.stuck > 0;
    bool is_starved = stats.is_ready && stats.available == 0 && stats.pending > 0 && is_overdue;
    monitors->starved_checks = is_starved ? monitors->starved_checks + 1 : 0;
    if (monitors->starved_checks >= STARVED_CHECKS) {
        monitors->starved_checks = 0;
        supervisor_force_refresh(monitors->supervisor,
                                 "no client available and connections stuck in progress");
    }
    return now_ns + monitors->config.pool_interval_ms * BASE_NS_PER_MS;
}

/* ---- the look ---- */

static void measure_tier(struct monitors *monitors, const struct connection_snapshot *now)
{
    char detail[300] = "";
    bool is_elsewhere = now->tier == CONNECTION_SECONDARY || now->tier == CONNECTION_LOCAL;
    if (is_elsewhere) {
        snprintf(detail, sizeof(detail), "they go to the %s; %s", connection_tier_name(now->tier),
                 now->reason);
    }
    alerts_measure_with(&monitors->alerts, ALERT_TIER, is_elsewhere && monitors->config.has_primary,
                        detail);
}

static void measure_spool(struct monitors *monitors)
{
    uint64_t max = atomic_load_explicit(&monitors->spool_max_bytes, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&monitors->spool_bytes, memory_order_relaxed);
    alerts_measure(&monitors->alerts, ALERT_SPOOL,
                   max > 0 ? (int64_t)((double)bytes * 100 / (double)max) : 0);
}

/* No heartbeat for an interval and a connect: the driver's monitor itself hangs. Its silence is no
 * proof against the server: our own check is brought forward, once. */
static void measure_silence(struct monitors *monitors, const struct connection_snapshot *snapshot,
                            uint64_t now_ns)
{
    struct supervisor_heartbeats beats;
    supervisor_read_heartbeats(monitors->supervisor, &beats);
    uint64_t allowed_ns =
        ((uint64_t)monitors->config.heartbeat_ms + monitors->config.connect_ms + SILENT_SLACK_MS) *
        BASE_NS_PER_MS;
    bool is_watched = monitors->config.heartbeat_ms > 0 && beats.last_ns != 0 &&
                      snapshot->phase == CONNECTION_CONNECTED;
    bool is_silent = is_watched && now_ns > beats.last_ns && now_ns - beats.last_ns > allowed_ns;
    alerts_measure(&monitors->alerts, ALERT_SILENT,
                   is_silent ? (int64_t)((now_ns - beats.last_ns) / BASE_NS_PER_S) : 0);
    if (is_silent && !monitors->was_silent) {
        supervisor_run_task_at(monitors->supervisor, monitors->health_task, now_ns);
    }
    monitors->was_silent = is_silent;
}

uint64_t look_run(void *ctx, uint64_t now_ns)
{
    struct monitors *monitors = ctx;
    struct connection_snapshot snapshot;
    connection_copy(supervisor_connection(monitors->supervisor), &snapshot);
    connection_monitor_follow(monitors);
    pool_monitor_measure(monitors, now_ns);
    measure_tier(monitors, &snapshot);
    measure_spool(monitors);
    measure_silence(monitors, &snapshot, now_ns);
    slow_look(monitors, now_ns);
    return now_ns + MONITOR_LOOK_MS * BASE_NS_PER_MS;
}
