/* SPDX-License-Identifier: Apache-2.0 */
/* Parking on a futex. Its deadline is absolute CLOCK_MONOTONIC, which FUTEX_WAIT_BITSET takes. */
#include "sync_internal.h"
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PARKER_EMPTY = 0, PARKER_PARKED = 1, PARKER_TOKEN = 2 };

bool sync_futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    struct timespec until = {
        .tv_sec = (time_t)(deadline_ns / BASE_NS_PER_S),
        .tv_nsec = (long)(deadline_ns % BASE_NS_PER_S),
    };
    int saved_errno = errno;
    long result =
        syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                deadline_ns == BASE_NO_DEADLINE ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
    bool timed_out = result < 0 && errno == ETIMEDOUT;
    errno = saved_errno;
    return !timed_out;
}

void sync_futex_wake(_Atomic uint32_t *word, uint32_t count)
{
    int saved_errno = errno; /* sync_unpark is allowed in signal handlers */
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count > INT32_MAX ? INT32_MAX : (int)count, NULL,
            NULL, 0);
    errno = saved_errno;
}

void sync_park_init(struct sync_parker *parker)
{
    atomic_init(&parker->word, PARKER_EMPTY);
}

/* Take the token if there is one, else say that we sleep. seq_cst: see base_clock.now_ns. */
static bool take_token_or_announce(struct sync_parker *parker)
{
    uint32_t word = PARKER_EMPTY;
    if (atomic_compare_exchange_strong_explicit(&parker->word, &word, PARKER_PARKED,
                                                memory_order_seq_cst, memory_order_acquire)) {
        return false;
    }
    BASE_ASSERT(word == PARKER_TOKEN); /* PARKED would be a second thread on this parker */
    atomic_exchange_explicit(&parker->word, PARKER_EMPTY, memory_order_acquire);
    return true;
}

/* Stop sleeping; true when a token came meanwhile. */
static bool take_back_announcement(struct sync_parker *parker)
{
    return atomic_exchange_explicit(&parker->word, PARKER_EMPTY, memory_order_acquire) ==
           PARKER_TOKEN;
}

bool sync_park(struct sync_parker *parker, uint64_t deadline_ns)
{
    if (take_token_or_announce(parker)) {
        return true;
    }
    /* Repeats after a spurious wake only: a real one changes the word. */
    while (sync_futex_wait(&parker->word, PARKER_PARKED, deadline_ns)) {
        if (atomic_load_explicit(&parker->word, memory_order_relaxed) != PARKER_PARKED) {
            break;
        }
    }
    return take_back_announcement(parker);
}

void sync_unpark(struct sync_parker *parker)
{
    /* release: pairs with the acquire of the thread that takes the token */
    if (atomic_exchange_explicit(&parker->word, PARKER_TOKEN, memory_order_release) ==
        PARKER_PARKED) {
        sync_futex_wake(&parker->word, 1);
    }
}

/* The virtual clock moved: make the sleeper look at it again, without leaving a token. */
static void wake_to_look_at_clock(void *ctx)
{
    struct sync_parker *parker = ctx;
    uint32_t word = PARKER_PARKED;
    /* seq_cst: see base_clock.now_ns */
    if (atomic_compare_exchange_strong_explicit(&parker->word, &word, PARKER_EMPTY,
                                                memory_order_seq_cst, memory_order_relaxed)) {
        sync_futex_wake(&parker->word, 1);
    }
}

static bool park_on_virtual(struct sync_parker *parker, struct base_clock *clock,
                            uint64_t deadline_ns)
{
    bool woken = false;
    base_clock_add_waker(clock, wake_to_look_at_clock, parker);
    /* Repeats when the clock was advanced, but not to the deadline. */
    for (;;) {
        woken = take_token_or_announce(parker);
        if (woken || base_clock_now_ns(clock) >= deadline_ns) {
            break;
        }
        sync_futex_wait(&parker->word, PARKER_PARKED, BASE_NO_DEADLINE);
        if (take_back_announcement(parker)) {
            woken = true;
            break;
        }
    }
    base_clock_remove_waker(clock, wake_to_look_at_clock, parker);
    return woken || take_back_announcement(parker);
}

bool sync_park_until(struct sync_parker *parker, struct base_clock *clock, uint64_t deadline_ns)
{
    if (base_clock_is_virtual(clock)) {
        return park_on_virtual(parker, clock, deadline_ns);
    }
    return sync_park(parker, deadline_ns);
}
