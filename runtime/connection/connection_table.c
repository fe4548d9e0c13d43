/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine as data. README.md shows the graph that connection_print_graph() makes of it;
 * tests/connection compares the two. */
#include "connection.h"
#include <stdio.h>

#define PHASE(name) CONNECTION_##name
#define ON(name) [CONNECTION_EV_##name]

/* An absent edge is forbidden.
 *
 * DEGRADED   a failure was reported or a health check failed; clients are still handed out while
 *            one fresh connection finds out whether it was the server or only that client.
 * RECONNECTING the server is not there: the table is cleared, callers wait until their deadline.
 * FALLBACK   clients of the second server are handed out; the primary is probed.
 * EMBEDDED   no server: callers are refused at once; both servers are probed.
 * A probe that passes on the fallback is FALLBACK_UP, so that nothing outside the table has to
 * remember which tier was degraded. EMBEDDED leaves on the first validated handle: hysteresis
 * guards a tier that works from being left, and here none does. */
static const enum connection_phase edges[CONNECTION_PHASE_COUNT][CONNECTION_EVENT_COUNT] = {
    [CONNECTION_STARTING] = {ON(PRIMARY_UP) = PHASE(CONNECTED), ON(FALLBACK_UP) = PHASE(FALLBACK),
                             ON(TIERS_EXHAUSTED) = PHASE(EMBEDDED), ON(DRAIN) = PHASE(DRAINING)},
    [CONNECTION_CONNECTED] = {ON(FAILURE) = PHASE(DEGRADED), ON(DRAIN) = PHASE(DRAINING)},
    [CONNECTION_DEGRADED] = {ON(PROBE_PASSED) = PHASE(CONNECTED), ON(FALLBACK_UP) = PHASE(FALLBACK),
                             ON(PROBE_FAILED) = PHASE(RECONNECTING), ON(DRAIN) = PHASE(DRAINING)},
    [CONNECTION_RECONNECTING] = {ON(PRIMARY_UP) = PHASE(CONNECTED),
                                 ON(FALLBACK_UP) = PHASE(FALLBACK),
                                 ON(TIERS_EXHAUSTED) = PHASE(EMBEDDED),
                                 ON(DRAIN) = PHASE(DRAINING)},
    [CONNECTION_FALLBACK] = {ON(FAILURE) = PHASE(DEGRADED), ON(RETURN_READY) = PHASE(CONNECTED),
                             ON(DRAIN) = PHASE(DRAINING)},
    [CONNECTION_EMBEDDED] = {ON(PRIMARY_UP) = PHASE(CONNECTED), ON(FALLBACK_UP) = PHASE(FALLBACK),
                             ON(DRAIN) = PHASE(DRAINING)},
    [CONNECTION_DRAINING] = {ON(CLOSE) = PHASE(CLOSED)},
};

enum connection_phase connection_edge(enum connection_phase phase, enum connection_event event)
{
    BASE_ASSERT(phase < CONNECTION_PHASE_COUNT && event < CONNECTION_EVENT_COUNT);
    return edges[phase][event];
}

const char *connection_phase_name(enum connection_phase phase)
{
    static const char *const names[CONNECTION_PHASE_COUNT] = {
        [CONNECTION_ABSENT] = "absent",
        [CONNECTION_STARTING] = "starting",
        [CONNECTION_CONNECTED] = "connected",
        [CONNECTION_DEGRADED] = "degraded",
        [CONNECTION_RECONNECTING] = "reconnecting",
        [CONNECTION_FALLBACK] = "fallback",
        [CONNECTION_EMBEDDED] = "embedded",
        [CONNECTION_DRAINING] = "draining",
        [CONNECTION_CLOSED] = "closed",
    };
    return phase < CONNECTION_PHASE_COUNT ? names[phase] : "unknown";
}

const char *connection_event_name(enum connection_event event)
{
    static const char *const names[CONNECTION_EVENT_COUNT] = {
        ON(PRIMARY_UP) = "primary_up",
        ON(FALLBACK_UP) = "fallback_up",
        ON(FAILURE) = "failure",
        ON(PROBE_PASSED) = "probe_passed",
        ON(PROBE_FAILED) = "probe_failed",
        ON(TIERS_EXHAUSTED) = "tiers_exhausted",
        ON(RETURN_READY) = "return_ready",
        ON(DRAIN) = "drain",
        ON(CLOSE) = "close",
    };
    return event < CONNECTION_EVENT_COUNT ? names[event] : "unknown";
}

const char *connection_tier_name(enum connection_tier tier)
{
    static const char *const names[] = {
        [CONNECTION_NONE] = "none",
        [CONNECTION_PRIMARY] = "primary",
        [CONNECTION_SECONDARY] = "fallback",
        [CONNECTION_LOCAL] = "embedded",
    };
    return (size_t)tier < BASE_ARRAY_LEN(names) ? names[tier] : "unknown";
}

void connection_print_graph(void (*write)(void *ctx, const char *line), void *ctx)
{
    write(ctx, "digraph connection {");
    for (int phase = CONNECTION_STARTING; phase < CONNECTION_PHASE_COUNT; phase++) {
        for (int event = 0; event < CONNECTION_EVENT_COUNT; event++) {
            enum connection_phase to = edges[phase][event];
            if (to != CONNECTION_ABSENT) {
                char line[128];
                snprintf(line, sizeof(line), "  %s -> %s [label=\"%s\"];",
                         connection_phase_name((enum connection_phase)phase),
                         connection_phase_name(to),
                         connection_event_name((enum connection_event)event));
                write(ctx, line);
            }
        }
    }
    write(ctx, "}");
}
