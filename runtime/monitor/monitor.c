/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor_internal.h"
#include <stdlib.h>

static void nothing_known(struct monitors *monitors)
{
    _Atomic int64_t *const numbers[] = {
        &monitors->server_current,       &monitors->server_available,
        &monitors->server_total_created, &monitors->server_queued,
        &monitors->server_tickets_used,  &monitors->server_cache_used,
        &monitors->server_operations,    &monitors->driver_round_trip_ms,
        &monitors->majority_lag_ms,      &monitors->slowest_lag_ms,
    };
    for (size_t i = 0; i < BASE_ARRAY_LEN(numbers); i++) {
        atomic_store_explicit(numbers[i], -1, memory_order_relaxed);
    }
    monitors->created[0].total = -1;
    monitors->created[1].total = -1;
}

/* The connection monitor comes before health: when both are due, its look is the check of health,
 * too. */
static void add_tasks(struct monitors *monitors, const struct monitor_config *config)
{
    struct supervisor *supervisor = monitors->supervisor;
    monitors->connection_task =
        supervisor_add_task(supervisor, "connections", config->connection_interval_ms,
                            connection_monitor_run, monitors);
    monitors->health_task = supervisor_add_task(supervisor, "health", config->health_interval_ms,
                                                health_monitor_run, monitors);
    monitors->pool_task =
        supervisor_add_task(supervisor, "pool", config->pool_first_ms, pool_monitor_run, monitors);
    int look_task = supervisor_add_task(supervisor, "look", MONITOR_LOOK_MS, look_run, monitors);
    BASE_ASSERT(monitors->connection_task >= 0 && monitors->health_task >= 0 &&
                monitors->pool_task >= 0 && look_task >= 0);
}

enum gleaner_status monitors_create(struct supervisor *supervisor,
                                    const struct monitor_config *config, struct monitors **out)
{
    struct monitors *monitors = calloc(1, sizeof(*monitors));
    if (monitors == NULL) {
        return GLEANER_E_NOMEM;
    }
    monitors->magic = MONITOR_MAGIC;
    monitors->supervisor = supervisor;
    monitors_take_config(monitors, config);
    nothing_known(monitors);
    alerts_init(&monitors->alerts);
    monitors->window_began_ns = monitors_now(monitors);
    add_tasks(monitors, config);
    *out = monitors;
    return GLEANER_OK;
}

void monitors_destroy(struct monitors **monitors)
{
    if (*monitors != NULL) {
        BASE_CHECK_MAGIC(*monitors, MONITOR_MAGIC);
        (*monitors)->magic = 0;
        free(*monitors);
        *monitors = NULL;
    }
}

uint64_t monitors_now(const struct monitors *monitors)
{
    return base_clock_now_ns(supervisor_clock(monitors->supervisor));
}

void monitors_note_spool(struct monitors *monitors, uint64_t bytes, uint64_t max_bytes)
{
    atomic_store_explicit(&monitors->spool_bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&monitors->spool_max_bytes, max_bytes, memory_order_relaxed);
}
