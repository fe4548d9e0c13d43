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
    /* health monitor: our own checks, and what the driver's monitors saw between them */
    uint64_t average_round_trip_us, p95_round_trip_us; /**< of our checks */
    int64_t driver_round_trip_ms;                      /**< its moving average, -1 = not known */
    uint64_t heartbeats, failed_heartbeats;            /**< of the tier in use */
    uint64_t last_heartbeat_age_ms;                    /**< 0 = none yet */
    uint64_t heartbeat_round_trip_us; /**< the last that did not wait for news: with connecting */
    /* what explains slowness; -1 = not allowed to see, or not said */
    int64_t majority_lag_ms, slowest_lag_ms; /**< of a replica set, behind its primary */
    int64_t server_queued;                   /**< operations that wait inside the server */
    int64_t server_tickets_used;             /**< per cent, reads or writes, whichever is more */
    int64_t server_cache_used;               /**< per cent */
    int64_t server_operations;               /**< of all users, since its start */
    uint64_t operations, slow_operations;    /**< ours; slow: from slow_ms on */
    uint64_t explains;
};
/** Thread: [any]. Set out->size first. */
GLEANER_API void gleaner_monitor_read(struct gleaner_db *db, struct gleaner_monitor_report *out);

/** Text of the alerts raised now, each with what to do about it, one a line, into buf. */
GLEANER_API size_t gleaner_monitor_alerts(struct gleaner_db *db, char *buf, size_t buf_size);

/* A shape of command: what is asked without the values, which may be secrets. */
struct gleaner_operation {
    uint64_t count, failed;
    /** of the last 5 to 10 minutes, as the times are */
    uint64_t recent, slow;
    uint64_t total_us, p50_us, p95_us, max_us;
    char command[32];
    char where[128];  /**< database.collection */
    char shape[256];  /**< {status,due:{$lte}} sort:{due:1} */
    char advice[384]; /**< what would help, out of one explain; "" = nothing to say */
};
/**
 * The shapes of commands that this db's clients ran, the costliest first. Pass sizeof(*out) as
 * entry_size: later versions append. Returns how many were written.
 *
 * Thread: [any]. Allocates and sorts some hundred entries: for reports, not for each operation.
 */
GLEANER_API size_t gleaner_monitor_operations(struct gleaner_db *db, struct gleaner_operation *out,
                                              size_t entry_size, size_t most);
/** Those that were slow, as text, one a line, into buf; returns the length it would need. */
GLEANER_API size_t gleaner_monitor_slow(struct gleaner_db *db, char *buf, size_t buf_size);

/** Tell the monitor how full the spool is: it raises the alert. Wait-free. Thread: [any]. */
GLEANER_API void gleaner_monitor_note_spool(struct gleaner_db *db, uint64_t bytes,
                                            uint64_t max_bytes);

#ifdef __cplusplus
}
#endif
#endif
