/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Monotonic nanoseconds. Deadlines are monotonic; wall clock is for logs and documents only. */
#define BASE_NO_DEADLINE UINT64_MAX

/* A source of time. The real one is CLOCK_MONOTONIC; a virtual one stands still until a test
 * advances it, and wakes whoever waits on it (sync_park_until knows how). */
struct base_clock;

/** The real clock. Thread: [any]. Never freed. */
struct base_clock *base_clock_real(void);

/** A virtual clock starting at `start_ns`. Thread: [owner]. Destroy with base_clock_destroy(). */
struct base_clock *base_clock_virtual_create(uint64_t start_ns);
void base_clock_destroy(struct base_clock **clock);
bool base_clock_is_virtual(const struct base_clock *clock);

/** Now on that clock. Thread: [any]. One vDSO call, or one load for a virtual clock. */
uint64_t base_clock_now_ns(const struct base_clock *clock);

/**
 * Move a virtual clock forward and call every registered waker. Thread: [any], one at a time.
 * Asserts that the clock is virtual.
 */
void base_clock_advance(struct base_clock *clock, uint64_t delta_ns);

/**
 * Register a function that base_clock_advance() calls (used by sync_parker; at most 64).
 * Thread: [any]; takes the clock's own lock. The waker must not call back into the clock.
 */
typedef void (*base_clock_waker)(void *ctx);
void base_clock_add_waker(struct base_clock *clock, base_clock_waker waker, void *ctx);
void base_clock_remove_waker(struct base_clock *clock, base_clock_waker waker, void *ctx);
/** How many wakers are registered: how a test sees that a thread has gone to sleep on the clock. */
size_t base_clock_waker_count(struct base_clock *clock);

/** CLOCK_REALTIME in milliseconds since 1970, for documents and logs. Thread: [any]. */
int64_t base_wall_ms(void);

/** CLOCK_MONOTONIC in nanoseconds: base_clock_now_ns(base_clock_real()). Thread: [any]. */
uint64_t base_mono_ns(void);

#endif
