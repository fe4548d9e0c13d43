/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_INTERNAL_H
#define MONITOR_INTERNAL_H

#include "monitor.h"

#define MONITOR_MAGIC UINT32_C(0x4d4f4e31)
#define MONITOR_LOOK_MS 5000 /* looks at memory alone: alerts are at most so late */

/* ---- alerts: alerts.c --------------------------------------------------------------------------
 */

enum alert {
    ALERT_CONNECTIONS_USED, /* per cent of the server's */
    ALERT_POOL_USED,        /* per cent of max_size */
    ALERT_WAITING,          /* callers in the queue */
    ALERT_NEW_CONNECTIONS,  /* made on the server in 60 s */
    ALERT_UNHEALTHY,        /* failed checks in a row */
    ALERT_STUCK,            /* connections in progress past their deadline */
    ALERT_TIER,             /* 1 while operations do not go to the primary */
    ALERT_SPOOL,            /* per cent of its limit */
    ALERT_STORM,            /* per cent of the reconnects allowed */
    ALERT_SLOW,             /* slow operations in 60 s */
    ALERT_QUEUED,           /* operations that wait inside the server */
    ALERT_CACHE,            /* per cent of the server's cache in use */
    ALERT_LAG,              /* seconds that the majority is behind the primary */
    ALERT_SILENT,           /* seconds without a heartbeat of the driver */
    ALERT_COUNT
};
#define ALERT_DETAIL 448
/* What readers see; immutable once published. */
struct alert_list {
    uint32_t count;
    char text[ALERT_COUNT][ALERT_DETAIL + 256];
};
struct alerts {
    /* writes: supervisor, only the one not published; two take turns across the grace period */
    struct alert_list buffers[2];
    struct sync_published published; /* publisher and owner of its grace period: the supervisor */
    bool is_raised[ALERT_COUNT];     /* [supervisor] */
    int64_t value[ALERT_COUNT];      /* [supervisor] */
    char detail[ALERT_COUNT][ALERT_DETAIL]; /* [supervisor] "" = nothing to add */
};
void alerts_init(struct alerts *alerts);
/** A new measurement: raises above the table's level, ends at or below its lower one. [supervisor]
 */
void alerts_measure(struct alerts *alerts, enum alert alert, int64_t value);
/** The same; `detail` is said with it: what is behind the number. */
void alerts_measure_with(struct alerts *alerts, enum alert alert, int64_t value,
                         const char *detail);

/* ---- slow operations: slow.c, advice.c, words.c
 * ------------------------------------------------------------------------------------ */

#define SLOW_MARKS 12 /* looks in 60 s */
#define ADVICE_TEXT 360

/* What an explain said about a shape; by its number. */
struct advice {
    /* writes: supervisor (release), once; reads: any (acquire): the text is complete and stays */
    _Atomic bool is_given;
    char text[ADVICE_TEXT];
};

/** In words, from a plan; `where` is database.collection. */
void advice_of_plan(const struct mongo_plan *plan, const char *where, char *out, size_t out_size);
/** Of a command that cannot be explained. "" = nothing to say. */
const char *advice_of_command(const char *command);

struct monitors;
/** What the server's own numbers say about slowness: "all 128 read tickets are out; ...".
 *  [supervisor] */
void words_about_server(const struct monitors *monitors, char *out, size_t out_size);

/* ---- the monitors
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
    _Atomic uint64_t last_round_trip_ns, average_round_trip_ns;
    struct base_histogram round_trips;
    _Atomic int64_t driver_round_trip_ms, majority_lag_ms, slowest_lag_ms; /* -1 = not known */
    _Atomic int64_t server_current, server_available, server_total_created;
    _Atomic int64_t server_queued, server_tickets_used, server_cache_used, server_operations;
    _Atomic uint64_t explains;
    struct advice advice[MONGO_SHAPES + 1];

    /* writes: any (relaxed); reads: supervisor (relaxed): two numbers a moment apart do no harm */
    _Atomic uint64_t spool_bytes, spool_max_bytes;

    /* of the configuration, for readers. writes: supervisor (relaxed); reads: any (relaxed) */
    _Atomic uint32_t shown_max_size, shown_unhealthy_after;

    /* [supervisor] */
    int health_task, pool_task, connection_task;
    bool health_is_asked;
    bool connection_is_refused; /* the user may not see; said once for each generation */
    /* whose numbers those below and the server's above are */
    enum connection_tier measured_tier;
    uint32_t measured_generation;
    /* totalCreated one and two windows ago, -1 = none */
    struct {
        int64_t total;
        uint64_t at_ns;
    } created[2];
    uint32_t starved_checks;
    struct mongo_server_status status; /* the server's last words ... */
    int64_t evicted;                   /* ... pages evicted by operations since those before */
    bool has_status;
    uint64_t slow_marks[SLOW_MARKS]; /* slow operations in all, at the last looks */
    uint32_t next_mark;
    uint64_t window_began_ns;
    bool is_explaining;
    bool was_silent;
};

/** configure.c: a configuration, the first or another. */
void monitors_take_config(struct monitors *monitors, const struct monitor_config *config);
uint64_t monitors_now(const struct monitors *monitors);

uint64_t health_monitor_run(void *ctx, uint64_t now_ns);
/** A command on the probe client was answered, or not: that is a check of health, whatever the
 *  command. round_trip_ns 0: the answer says nothing about the way. */
void health_monitor_note(struct monitors *monitors, const struct supervisor_answer *answer,
                         uint64_t round_trip_ns);
uint64_t pool_monitor_run(void *ctx, uint64_t now_ns);
/** The pool's alerts. */
void pool_monitor_measure(struct monitors *monitors, uint64_t now_ns);
uint64_t connection_monitor_run(void *ctx, uint64_t now_ns);
/** Another server may be in use, or none: what was measured of the last one is no more. */
void connection_monitor_follow(struct monitors *monitors);
/** Each MONITOR_LOOK_MS: what costs the server nothing. */
uint64_t look_run(void *ctx, uint64_t now_ns);
/** Slow operations: alert, windows, explains. */
void slow_look(struct monitors *monitors, uint64_t now_ns);

#endif
