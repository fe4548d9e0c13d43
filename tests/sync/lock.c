/* SPDX-License-Identifier: Apache-2.0 */
#include "sync.h"
#include <criterion/criterion.h>
#include <signal.h>

static struct sync_mutex *mutex;
static struct sync_cond *cond;

static void make(void)
{
    cr_assert_eq(sync_mutex_create(&mutex), GLEANER_OK);
    cr_assert_eq(sync_cond_create(&cond), GLEANER_OK);
}

static void unmake(void)
{
    sync_cond_destroy(&cond);
    sync_mutex_destroy(&mutex);
}

TestSuite(lock, .init = make, .fini = unmake, .timeout = 10);

static void ask_owner(void *arg)
{
    *(bool *)arg = sync_mutex_is_mine(mutex);
}

Test(lock, knows_whether_it_is_mine)
{
    cr_assert_not(sync_mutex_is_mine(mutex));
    sync_mutex_lock(mutex);
    cr_assert(sync_mutex_is_mine(mutex));
    bool others = true;
    struct sync_thread *thread = NULL;
    cr_assert_eq(sync_thread_start(&thread, "x", SYNC_PLAIN, ask_owner, &others), GLEANER_OK);
    sync_thread_join(&thread);
    cr_assert_not(others);
    sync_mutex_unlock(mutex);
    cr_assert_not(sync_mutex_is_mine(mutex));
}

Test(lock, taken_twice_by_one_thread_aborts, .signal = SIGABRT)
{
    sync_mutex_lock(mutex);
    sync_mutex_lock(mutex);
}

Test(lock, given_back_by_another_thread_aborts, .signal = SIGABRT)
{
    sync_mutex_unlock(mutex);
}

Test(cond, deadline_that_passed_gives_false_and_the_lock, .init = make, .fini = unmake)
{
    sync_mutex_lock(mutex);
    cr_assert_not(sync_cond_wait(cond, mutex, base_mono_ns()));
    cr_assert(sync_mutex_is_mine(mutex));
    sync_mutex_unlock(mutex);
}

static int turn; /* guarded by mutex */

static void take_turns(void *arg)
{
    int mine = *(int *)arg;
    sync_mutex_lock(mutex);
    for (int round = 0; round < 500; round++) {
        while (turn % 3 != mine) {
            sync_cond_wait(cond, mutex, BASE_NO_DEADLINE);
        }
        turn++;
        sync_cond_broadcast(cond);
    }
    sync_mutex_unlock(mutex);
}

Test(cond, broadcast_wakes_whose_turn_it_is, .init = make, .fini = unmake, .timeout = 20)
{
    struct sync_thread *threads[3];
    int numbers[3] = {0, 1, 2};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(sync_thread_start(&threads[i], "turn", SYNC_PLAIN, take_turns, &numbers[i]),
                     GLEANER_OK);
    }
    for (int i = 0; i < 3; i++) {
        sync_thread_join(&threads[i]);
    }
    cr_assert_eq(turn, 1500);
}
