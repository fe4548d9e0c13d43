/* SPDX-License-Identifier: Apache-2.0 */
/* One command to the server in use per period, whatever the number of clients: a ping, or the
 * connection monitor's look when that is due. */
#include "monitor_internal.h"
#include <stdio.h>

#define HEALTH_RECHECK_MS 5000 /* after a first failure, sooner than the period */
#define HEALTH_BUSY_MS 1000    /* the probe client is taken: that probe checks health as well */
#define ROUND_TRIP_SHARE 5     /* of a new round trip in the average: 1/5, as the driver's */

static void note_round_trip(struct monitors *monitors, uint64_t round_trip_ns)
{
    if (round_trip_ns == 0) {
        return;
    }
    uint64_t average = atomic_load_explicit(&monitors->average_round_trip_ns, memory_order_relaxed);
    average = average == 0
                  ? round_trip_ns
                  : average - average / ROUND_TRIP_SHARE + round_trip_ns / ROUND_TRIP_SHARE;
    atomic_store_explicit(&monitors->last_round_trip_ns, round_trip_ns, memory_order_relaxed);
    atomic_store_explicit(&monitors->average_round_trip_ns, average, memory_order_relaxed);
    base_histogram_add(&monitors->round_trips, round_trip_ns);
}

static void note_known(struct monitors *monitors, const struct mongo_known *known)
{
    atomic_store_explicit(&monitors->driver_round_trip_ms, known->round_trip_ms,
                          memory_order_relaxed);
    atomic_store_explicit(&monitors->majority_lag_ms, known->majority_lag_ms, memory_order_relaxed);
    atomic_store_explicit(&monitors->slowest_lag_ms, known->slowest_lag_ms, memory_order_relaxed);
    alerts_measure(&monitors->alerts, ALERT_LAG,
                   known->majority_lag_ms > 0 ? known->majority_lag_ms / 1000 : 0);
}

static void note_failure(struct monitors *monitors, const struct supervisor_answer *answer)
{
    uint32_t failed = atomic_load_explicit(&monitors->failed_in_row, memory_order_relaxed) + 1;
    atomic_store_explicit(&monitors->failed_in_row, failed, memory_order_relaxed);
    alerts_measure_with(&monitors->alerts, ALERT_UNHEALTHY, failed, answer->error.message);
    uint64_t soon_ms = monitors->config.health_interval_ms < HEALTH_RECHECK_MS
                           ? monitors->config.health_interval_ms
                           : HEALTH_RECHECK_MS;
    supervisor_run_task_at(monitors->supervisor, monitors->health_task,
                           monitors_now(monitors) + soon_ms * BASE_NS_PER_MS);
    if (failed >= monitors->config.unhealthy_after) {
        char reason[160];
        snprintf(reason, sizeof(reason), "%u health checks failed in a row: %.100s", failed,
                 answer->error.message);
        supervisor_suspect(monitors->supervisor, reason);
    }
}

void health_monitor_note(struct monitors *monitors, const struct supervisor_answer *answer,
                         uint64_t round_trip_ns)
{
    atomic_fetch_add_explicit(&monitors->checks, 1, memory_order_relaxed);
    atomic_store_explicit(&monitors->last_check_ns, monitors_now(monitors), memory_order_relaxed);
    if (answer->status != GLEANER_OK) {
        note_failure(monitors, answer);
        return;
    }
    atomic_store_explicit(&monitors->failed_in_row, 0, memory_order_relaxed);
    alerts_measure(&monitors->alerts, ALERT_UNHEALTHY, 0);
    note_round_trip(monitors, round_trip_ns);
    note_known(monitors, &answer->known);
}

static void answered(void *ctx, const struct supervisor_answer *answer)
{
    struct monitors *monitors = ctx;
    monitors->health_is_asked = false;
    health_monitor_note(monitors, answer, answer->round_trip_ns);
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
