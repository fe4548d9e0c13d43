/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file monitor.h
 * The door of runtime/monitor: health, pool and connection monitor and the look at slow operations,
 * tasks on the supervisor's schedule. They look, count, alert, and ask the supervisor; they decide
 * nothing themselves.
 */
#ifndef MONITOR_H
#define MONITOR_H

#include "base.h"
#include "gleaner/monitor.h"
#include "supervisor.h"

struct monitors;

struct monitor_config {
    uint32_t health_interval_ms; /* one ping of the server in use */
    uint32_t unhealthy_after;    /* failed checks in a row */
    uint32_t pool_first_ms;
    uint32_t pool_interval_ms;
    uint32_t connection_interval_ms;
    uint32_t connect_ms; /* a pending connection older than this is stuck */
    uint32_t max_size;   /* of the pool, for the alert on its use */
    /* 0 and NULL in those below: that alert is not raised, that look not taken */
    uint32_t heartbeat_ms;     /* of the driver, for the alert on its silence */
    uint32_t reconnect_limit;  /* of the storm limit */
    bool has_primary;          /* a server is wanted: being elsewhere is an alert */
    struct mongo_watch *watch; /* of the endpoints; outlives the monitors; never changes */
    /* NULL: mongo_explain(). [connector] */
    enum gleaner_status (*explain)(mongo_client *client, const struct mongo_sample *sample,
                                   struct mongo_plan *out, struct mongo_error *error);
};

/** Add the tasks. Thread: [startup], before supervisor_start(). */
GLEANER_MUST_CHECK enum gleaner_status monitors_create(struct supervisor *supervisor,
                                                       const struct monitor_config *config,
                                                       struct monitors **out);
/** Other intervals and limits from now on: what is due later than they say is done by then.
 *  Thread: [supervisor]. */
void monitors_configure(struct monitors *monitors, const struct monitor_config *config);
/** After the supervisor has stopped. [owner] */
void monitors_destroy(struct monitors **monitors);

/** Fill the fields that out->size reaches. Thread: [any], before the supervisor stops. */
void monitors_read(struct monitors *monitors, struct gleaner_monitor_report *out);
/** The alerts raised now, a line each, with what to do. Returns the length it would need without
 *  its NUL; truncates at buf_size. Thread: [any]. */
size_t monitors_alerts(struct monitors *monitors, char *buf, size_t buf_size);
/** Shapes of commands, the costliest first, each as far as entry_size reaches. Returns how many
 *  were written, at most `most`. Thread: [any]. */
size_t monitors_operations(struct monitors *monitors, struct gleaner_operation *out,
                           size_t entry_size, size_t most);
/** Those of them that were slow, as text, a line each; as monitors_alerts(). */
size_t monitors_slow(struct monitors *monitors, char *buf, size_t buf_size);
/** How full the spool is, which is not ours to see. Wait-free. Thread: [any]. */
void monitors_note_spool(struct monitors *monitors, uint64_t bytes, uint64_t max_bytes);

#endif
