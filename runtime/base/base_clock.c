/* SPDX-License-Identifier: Apache-2.0 */
/* Time: the real monotonic clock, and one that stands still until a test moves it. */
#include "base.h"
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { WAKERS_MAX = 64 };

struct base_clock {
    bool is_virtual; /* written once, before the clock is shared */

    /* writes: base_clock_advance; reads: any thread
     * order:  seq_cst on both sides; partner is the parker's word in sync_park_until
     * why:    a parker says "I sleep" and then looks at the time, advance sets the time and then
     *         looks for sleepers; one of the two must see the other */
    _Atomic uint64_t now_ns;

    /* Test-and-set lock over the wakers (base knows no pthreads, and only tests contend here).
     * order: acquire in wakers_lock, release in wakers_unlock */
    atomic_flag lock;
    size_t waker_count;
    struct {
        base_clock_waker wake;
        void *ctx;
    } wakers[WAKERS_MAX];
};

static struct base_clock real_clock = {.is_virtual = false, .lock = ATOMIC_FLAG_INIT};

static uint64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * BASE_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void wakers_lock(struct base_clock *clock)
{
    /* Repeats until the holder, who runs a bounded list of futex wakes, is through. */
    while (atomic_flag_test_and_set_explicit(&clock->lock, memory_order_acquire)) {
        sched_yield();
    }
}

static void wakers_unlock(struct base_clock *clock)
{
    atomic_flag_clear_explicit(&clock->lock, memory_order_release);
}

struct base_clock *base_clock_real(void)
{
    return &real_clock;
}

struct base_clock *base_clock_virtual_create(uint64_t start_ns)
{
    struct base_clock *clock = calloc(1, sizeof(*clock));
    if (clock == NULL) {
        return NULL;
    }
    clock->is_virtual = true;
    atomic_init(&clock->now_ns, start_ns);
    atomic_flag_clear_explicit(&clock->lock, memory_order_relaxed); /* not shared yet */
    return clock;
}

void base_clock_destroy(struct base_clock **clock)
{
    if (*clock == NULL) {
        return;
    }
    BASE_ASSERT((*clock)->is_virtual);
    BASE_ASSERT((*clock)->waker_count == 0);
    free(*clock);
    *clock = NULL;
}

bool base_clock_is_virtual(const struct base_clock *clock)
{
    return clock->is_virtual;
}

uint64_t base_clock_now_ns(const struct base_clock *clock)
{
    if (!clock->is_virtual) {
        return read_clock(CLOCK_MONOTONIC);
    }
    return atomic_load_explicit(&clock->now_ns, memory_order_seq_cst);
}

void base_clock_advance(struct base_clock *clock, uint64_t delta_ns)
{
    BASE_ASSERT(clock->is_virtual);
    atomic_fetch_add_explicit(&clock->now_ns, delta_ns, memory_order_seq_cst);
    wakers_lock(clock);
    for (size_t i = 0; i < clock->waker_count; i++) {
        clock->wakers[i].wake(clock->wakers[i].ctx);
    }
    wakers_unlock(clock);
}

void base_clock_add_waker(struct base_clock *clock, base_clock_waker waker, void *ctx)
{
    wakers_lock(clock);
    BASE_ASSERT(clock->waker_count < WAKERS_MAX);
    clock->wakers[clock->waker_count].wake = waker;
    clock->wakers[clock->waker_count].ctx = ctx;
    clock->waker_count++;
    wakers_unlock(clock);
}

void base_clock_remove_waker(struct base_clock *clock, base_clock_waker waker, void *ctx)
{
    wakers_lock(clock);
    for (size_t i = 0; i < clock->waker_count; i++) {
        if (clock->wakers[i].wake == waker && clock->wakers[i].ctx == ctx) {
            clock->wakers[i] = clock->wakers[--clock->waker_count];
            break;
        }
    }
    wakers_unlock(clock);
}

size_t base_clock_waker_count(struct base_clock *clock)
{
    wakers_lock(clock);
    size_t count = clock->waker_count;
    wakers_unlock(clock);
    return count;
}

int64_t base_wall_ms(void)
{
    return (int64_t)(read_clock(CLOCK_REALTIME) / BASE_NS_PER_MS);
}

uint64_t base_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}
