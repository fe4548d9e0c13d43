/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_CHECKOUT_H
#define BENCH_CHECKOUT_H

#include "pool.h"

/* A ready pool of real clock, no events, with `clients` idle clients (any pointers do: neither pool
 * looks at what it hands out). */
struct pool *bench_pool_open(uint32_t clients);
void bench_pool_close(struct pool **pool);
int bench_compare_doubles(const void *a, const void *b);
/** The question of wait.c: threads that share one client. */
void bench_waits(void);

#endif
