/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_COST_BENCH_H
#define MONITOR_COST_BENCH_H

#include <stdint.h>

/** Nanoseconds that watching one command costs its thread, without and with a server. */
void watch_cost_alone(void);
void watch_cost_on_server(const char *uri);

int compare_doubles(const void *a, const void *b);

#endif
