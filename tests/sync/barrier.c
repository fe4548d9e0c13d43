/* SPDX-License-Identifier: Apache-2.0 */
/* Store, light barrier, look; store, heavy barrier, look: one of the two sees the other. */
#include "sync.h"
#include <criterion/criterion.h>
#include <sched.h>

TestSuite(barrier, .timeout = 60);

enum { TURNS = 2000 };

/* Both count turns: each writes its number of the turn, then reads the other's. */
static struct {
    _Alignas(128) _Atomic uint32_t light;
    _Alignas(128) _Atomic uint32_t heavy;
    _Alignas(128) _Atomic uint32_t turn, done;
    uint32_t light_saw[TURNS + 1];
} field;

static void light_side(void *unused)
{
    (void)unused;
    for (uint32_t turn = 1; turn <= TURNS; turn++) {
        while (atomic_load_explicit(&field.turn, memory_order_acquire) < turn) {
            sched_yield();
        }
        atomic_store_explicit(&field.light, turn, memory_order_relaxed);
        sync_light_barrier();
        field.light_saw[turn] = atomic_load_explicit(&field.heavy, memory_order_relaxed);
        atomic_store_explicit(&field.done, turn, memory_order_release);
    }
}

Test(barrier, of_two_sides_one_sees_the_other)
{
    struct sync_thread *thread;
    uint32_t lost = 0;
    sync_init();
    if (!sync_has_heavy_barrier()) {
        cr_skip_test("no membarrier(2) here");
    }
    cr_assert_eq(sync_thread_start(&thread, "light", SYNC_PLAIN, light_side, NULL), GLEANER_OK);
    for (uint32_t turn = 1; turn <= TURNS; turn++) {
        atomic_store_explicit(&field.turn, turn, memory_order_release);
        atomic_store_explicit(&field.heavy, turn, memory_order_relaxed);
        sync_heavy_barrier();
        uint32_t saw = atomic_load_explicit(&field.light, memory_order_relaxed);
        while (atomic_load_explicit(&field.done, memory_order_acquire) < turn) {
            sched_yield();
        }
        lost += saw < turn && field.light_saw[turn] < turn;
    }
    sync_thread_join(&thread);
    cr_assert_eq(lost, 0);
}
