/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file monitor.h
 * What the three monitors of a gleaner_db see. Reading never blocks and costs the server nothing.
 */
#ifndef GLEANER_MONITOR_H
#define GLEANER_MONITOR_H

#include "gleaner/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gleaner_db;

struct gleaner_monitor_report {
    size_t size;
    /* pool monitor */
    uint32_t total, available, in_use, pending, waiting, max_size;
    uint64_t oldest_in_use_ms, oldest_pending_ms, oldest_wait_ms;
    uint64_t check_outs, check_ins, timeouts, connects, connect_failures, closed, stale_returns;
    uint64_t refreshes, forced_refreshes;
    uint32_t stuck_pending; /**< connections in progress past their deadline */
    /* health monitor */
    bool is_healthy;
    uint32_t failed_checks_in_row;
    uint64_t checks, last_check_age_ms, last_round_trip_us;
    uint64_t reconnects;       /**< in all */
    uint32_t reconnect_tokens; /**< left of the storm limit */
    /* connection monitor */
    int64_t server_current, server_available, server_total_created; /**< -1 = not allowed to see */
    uint32_t alerts;                                                /**< raised now */
    /* state */
    uint64_t reports, stale_reports, transitions;
};
/** Thread: [any]. Set out->size first. */
GLEANER_API void gleaner_monitor_read(struct gleaner_db *db, struct gleaner_monitor_report *out);

/** Text of the alerts raised now, each with what to do about it, one a line, into buf. */
GLEANER_API size_t gleaner_monitor_alerts(struct gleaner_db *db, char *buf, size_t buf_size);

#ifdef __cplusplus
}
#endif
#endif
