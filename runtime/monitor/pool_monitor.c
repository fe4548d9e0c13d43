/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the handle table: starved, stuck, crowded. */
#include "monitor_internal.h"

#define STARVED_CHECKS 2 /* in a row before a refresh is forced */

uint64_t pool_monitor_run(void *ctx, uint64_t now_ns)
{
    struct monitors *monitors = ctx;
    struct pool_stats stats;
    struct supervisor_counts counts;
    pool_read_stats(supervisor_pool(monitors->supervisor), now_ns, &stats);
    supervisor_read_counts(monitors->supervisor, &counts);
    uint32_t max_size = monitors->config.max_size;
    alerts_measure(&monitors->alerts, ALERT_POOL_USED,
                   max_size > 0 ? (int64_t)stats.in_use * 100 / max_size : 0);
    alerts_measure(&monitors->alerts, ALERT_WAITING, stats.waiting);
    alerts_measure(&monitors->alerts, ALERT_STUCK, counts.stuck);

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
