/* SPDX-License-Identifier: Apache-2.0 */
/* One ping of the server in use per period, whatever the number of clients. */
#include "monitor_internal.h"
#include <stdio.h>

#define HEALTH_RECHECK_MS 5000 /* after a first failure, sooner than the period */
#define HEALTH_BUSY_MS 1000    /* the probe client is taken: that probe checks health as well */

static void note_result(struct monitors *monitors, uint32_t failed, uint64_t round_trip_ns)
{
    atomic_store_explicit(&monitors->failed_in_row, failed, memory_order_relaxed);
    if (failed == 0) {
        atomic_store_explicit(&monitors->last_round_trip_ns, round_trip_ns, memory_order_relaxed);
    }
    alerts_measure(&monitors->alerts, ALERT_UNHEALTHY, failed);
}

static void answered(void *ctx, const struct supervisor_answer *answer)
{
    struct monitors *monitors = ctx;
    monitors->health_is_asked = false;
    uint64_t now_ns = base_clock_now_ns(supervisor_clock(monitors->supervisor));
    atomic_fetch_add_explicit(&monitors->checks, 1, memory_order_relaxed);
    atomic_store_explicit(&monitors->last_check_ns, now_ns, memory_order_relaxed);
    if (answer->status == GLEANER_OK) {
        note_result(monitors, 0, answer->round_trip_ns);
        return;
    }
    uint32_t failed = atomic_load_explicit(&monitors->failed_in_row, memory_order_relaxed) + 1;
    note_result(monitors, failed, 0);
    uint64_t soon_ms = monitors->config.health_interval_ms < HEALTH_RECHECK_MS
                           ? monitors->config.health_interval_ms
                           : HEALTH_RECHECK_MS;
    supervisor_run_task_at(monitors->supervisor, monitors->health_task,
                           now_ns + soon_ms * BASE_NS_PER_MS);
    if (failed >= monitors->config.unhealthy_after) {
        char reason[160];
        snprintf(reason, sizeof(reason), "%u health checks failed in a row: %.100s", failed,
                 answer->error.message);
        supervisor_suspect(monitors->supervisor, reason);
    }
}

uint64_t health_monitor_run(void *ctx, uint64_t now_ns)
{
    struct monitors *monitors = ctx;
    uint64_t next_ns = now_ns + monitors->config.health_interval_ms * BASE_NS_PER_MS;
    if (monitors->health_is_asked) {
        return next_ns;
    }
    /* GLEANER_E_DOWN: recovery asks all the time, there is nothing to add */
    enum gleaner_status status =
        supervisor_call(monitors->supervisor, SUPERVISOR_PING, answered, monitors);
    monitors->health_is_asked = status == GLEANER_OK;
    return status == GLEANER_E_BUSY ? now_ns + HEALTH_BUSY_MS * BASE_NS_PER_MS : next_ns;
}
