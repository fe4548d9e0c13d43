/* SPDX-License-Identifier: Apache-2.0 */
/* Intervals and limits that change while it runs. */
#include "monitor_internal.h"

void monitors_take_config(struct monitors *monitors, const struct monitor_config *config)
{
    monitors->config = *config;
    atomic_store_explicit(&monitors->shown_max_size, config->max_size, memory_order_relaxed);
    atomic_store_explicit(&monitors->shown_unhealthy_after, config->unhealthy_after,
                          memory_order_relaxed);
}

void monitors_configure(struct monitors *monitors, const struct monitor_config *config)
{
    struct monitor_config before = monitors->config;
    uint64_t now_ns = base_clock_now_ns(supervisor_clock(monitors->supervisor));
    monitors_take_config(monitors, config);
    const struct {
        int task;
        uint32_t before_ms, now_ms;
    } periods[] = {
        {monitors->health_task, before.health_interval_ms, config->health_interval_ms},
        {monitors->pool_task, before.pool_interval_ms, config->pool_interval_ms},
        {monitors->connection_task, before.connection_interval_ms, config->connection_interval_ms},
    };
    for (size_t i = 0; i < BASE_ARRAY_LEN(periods); i++) {
        if (periods[i].now_ms != periods[i].before_ms) {
            supervisor_run_task_at(monitors->supervisor, periods[i].task,
                                   now_ns + periods[i].now_ms * BASE_NS_PER_MS);
        }
    }
}
