/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_INTERNAL_H
#define MONITOR_INTERNAL_H

#include "monitor.h"

#define MONITOR_MAGIC UINT32_C(0x4d4f4e31)

/* ---- alerts: alerts.c --------------------------------------------------------------------------
 */

enum alert {
    ALERT_CONNECTIONS_USED, /* per cent of the server's */
    ALERT_POOL_USED,        /* per cent of max_size */
    ALERT_WAITING,          /* callers in the queue */
    ALERT_NEW_CONNECTIONS,  /* made on the server in 60 s */
    ALERT_UNHEALTHY,        /* failed checks in a row */
    ALERT_STUCK,            /* connections in progress past their deadline */
    ALERT_COUNT
};
/* What readers see; immutable once published. */
struct alert_list {
    uint32_t count;
    char text[ALERT_COUNT][256];
};
struct alerts {
    /* writes: supervisor, only the one not published; two take turns across the grace period */
    struct alert_list buffers[2];
    struct sync_published published; /* publisher and owner of its grace period: the supervisor */
    bool is_raised[ALERT_COUNT];     /* [supervisor] */
    int64_t value[ALERT_COUNT];      /* [supervisor] */
};
void alerts_init(struct alerts *alerts);
/** A new measurement: raises above the table's level, ends at or below its lower one. [supervisor]
 */
void alerts_measure(struct alerts *alerts, enum alert alert, int64_t value);

/* ---- the three
 * ------------------------------------------------------------------------------------ */

struct monitors {
    uint32_t magic;
    struct supervisor *supervisor;
    struct monitor_config config;
    struct alerts alerts;

    /* writes: supervisor (relaxed); reads: any (relaxed): numbers for people */
    _Atomic uint32_t failed_in_row;
    _Atomic uint64_t checks;
    _Atomic uint64_t last_check_ns; /* 0 = none yet */
    _Atomic uint64_t last_round_trip_ns;
    _Atomic int64_t server_current, server_available, server_total_created;

    /* of the configuration, for readers. writes: supervisor (relaxed); reads: any (relaxed) */
    _Atomic uint32_t shown_max_size, shown_unhealthy_after;

    /* [supervisor] */
    int health_task, pool_task, connection_task;
    bool health_is_asked;
    bool connection_is_refused; /* the user may not see; said once */
    int64_t created_before;     /* totalCreated at the last look, -1 = none */
    uint64_t created_at_ns;
    uint32_t starved_checks;
};

/** configure.c: a configuration, the first or another. */
void monitors_take_config(struct monitors *monitors, const struct monitor_config *config);

uint64_t health_monitor_run(void *ctx, uint64_t now_ns);
uint64_t pool_monitor_run(void *ctx, uint64_t now_ns);
uint64_t connection_monitor_run(void *ctx, uint64_t now_ns);

#endif
