/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

enum { WAITERS = 6 };

Test(wait_queue, waiters_are_served_in_the_order_they_came, .timeout = 20)
{
    struct rig rig;
    struct rig_waiter waiters[WAITERS];
    rig_open_filled(&rig, 1, false);
    struct pool_handle handle = rig_take(&rig);
    for (uint32_t i = 0; i < WAITERS; i++) {
        rig_wait_start(&rig, &waiters[i], BASE_NO_DEADLINE, i + 1);
    }
    for (uint32_t i = 0; i < WAITERS; i++) {
        rig_give(&rig, &handle);
        cr_assert_eq(rig_wait_end(&waiters[i]), GLEANER_OK);
        for (uint32_t later = i + 1; later < WAITERS; later++) {
            cr_assert_not(atomic_load(&waiters[later].is_done));
        }
        handle = waiters[i].handle;
    }
    rig_give(&rig, &handle);
    rig_close(&rig);
}

Test(wait_queue, a_returned_client_goes_to_the_waiter_and_not_to_a_newcomer, .timeout = 20)
{
    struct rig rig;
    struct rig_waiter waiter;
    rig_open_filled(&rig, 1, false);
    struct pool_handle handle = rig_take(&rig), newcomer;
    rig_wait_start(&rig, &waiter, BASE_NO_DEADLINE, 1);
    rig_give(&rig, &handle);
    cr_assert_eq(pool_check_out(rig.pool, 0, &newcomer), GLEANER_E_BUSY);
    cr_assert_eq(rig_wait_end(&waiter), GLEANER_OK);
    rig_give(&rig, &waiter.handle);
    rig_close(&rig);
}

Test(wait_queue, a_new_connection_goes_to_the_first_waiter, .timeout = 20)
{
    struct rig rig;
    struct rig_waiter first, second;
    struct pool_config config = rig_config(1);
    rig_open(&rig, &config, false);
    pool_ready(rig.pool);
    rig_wait_start(&rig, &first, BASE_NO_DEADLINE, 1);
    rig_wait_start(&rig, &second, BASE_NO_DEADLINE, 2);
    while (atomic_load(&rig.connect_wanted) == 0) {
    }
    cr_assert_eq(rig_connect(&rig), 1);
    cr_assert_eq(rig_wait_end(&first), GLEANER_OK);
    cr_assert_eq(pool_waiting(rig.pool), 1);
    rig_give(&rig, &first.handle);
    cr_assert_eq(rig_wait_end(&second), GLEANER_OK);
    rig_give(&rig, &second.handle);
    rig_close(&rig);
}

Test(wait_queue, a_deadline_ends_the_wait_and_the_next_in_line_is_served, .timeout = 20)
{
    struct rig rig;
    struct rig_waiter hasty, patient;
    rig_open_filled(&rig, 1, false);
    struct pool_handle handle = rig_take(&rig);
    rig_wait_start(&rig, &hasty, base_mono_ns() + 50 * BASE_NS_PER_MS, 1);
    rig_wait_start(&rig, &patient, BASE_NO_DEADLINE, 1); /* 2nd, or 1st when the other is gone */
    cr_assert_eq(rig_wait_end(&hasty), GLEANER_E_TIMEOUT);
    cr_assert_eq(rig_stats(&rig).timeouts, 1);
    cr_assert_eq(rig_stats(&rig).waiting, 1);
    rig_give(&rig, &handle);
    cr_assert_eq(rig_wait_end(&patient), GLEANER_OK);
    rig_give(&rig, &patient.handle);
    rig_close(&rig);
}

Test(wait_queue, the_pools_own_timeout_bounds_a_wait_without_deadline, .timeout = 20)
{
    struct rig rig;
    struct pool_config config = rig_config(1);
    struct pool_handle handle;
    config.wait_queue_timeout_ms = 20;
    rig_open(&rig, &config, false);
    pool_ready(rig.pool);
    cr_assert_eq(pool_check_out(rig.pool, BASE_NO_DEADLINE, &handle), GLEANER_E_TIMEOUT);
    cr_assert_eq(rig_stats(&rig).waiting, 0);
    rig_close(&rig);
}

Test(wait_queue, clear_answers_all_waiters_down_and_close_closed, .timeout = 20)
{
    struct rig rig;
    struct rig_waiter waiters[WAITERS];
    rig_open_filled(&rig, 1, false);
    struct pool_handle handle = rig_take(&rig);
    for (uint32_t i = 0; i < WAITERS; i++) {
        rig_wait_start(&rig, &waiters[i], BASE_NO_DEADLINE, i + 1);
    }
    (void)pool_clear(rig.pool, false);
    for (uint32_t i = 0; i < WAITERS; i++) {
        cr_assert_eq(rig_wait_end(&waiters[i]), GLEANER_E_DOWN);
    }
    pool_ready(rig.pool);
    for (uint32_t i = 0; i < WAITERS; i++) {
        rig_wait_start(&rig, &waiters[i], BASE_NO_DEADLINE, i + 1);
    }
    pool_close(rig.pool);
    for (uint32_t i = 0; i < WAITERS; i++) {
        cr_assert_eq(rig_wait_end(&waiters[i]), GLEANER_E_CLOSED);
    }
    rig_give(&rig, &handle);
    rig_close(&rig);
}

Test(wait_queue, a_failed_connection_fails_one_waiter_if_told_so, .timeout = 20)
{
    struct rig rig;
    struct rig_waiter first, second;
    struct pool_config config = rig_config(1);
    struct pool_connect_job job;
    rig_open(&rig, &config, false);
    pool_ready(rig.pool);
    rig_wait_start(&rig, &first, BASE_NO_DEADLINE, 1);
    rig_wait_start(&rig, &second, BASE_NO_DEADLINE, 2);
    cr_assert_eq(pool_connect_begin(rig.pool, &job), GLEANER_OK);
    pool_connect_failed(rig.pool, &job, false);
    cr_assert_eq(pool_waiting(rig.pool), 2);
    cr_assert_eq(pool_connect_begin(rig.pool, &job), GLEANER_OK);
    pool_connect_failed(rig.pool, &job, true);
    cr_assert_eq(rig_wait_end(&first), GLEANER_E_DOWN);
    cr_assert_eq(rig_connect(&rig), 1);
    cr_assert_eq(rig_wait_end(&second), GLEANER_OK);
    rig_give(&rig, &second.handle);
    rig_close(&rig);
}

Test(wait_queue, more_waiters_than_cells_are_served_all_the_same, .timeout = 20)
{
    struct rig rig = {0};
    struct rig_waiter waiters[WAITERS];
    struct pool_config config = rig_config(1);
    struct base_error error;
    config.min_size = 1;
    cr_assert_eq(pool_create_sized(&config, NULL, NULL, 2, &rig.pool, &error), GLEANER_OK);
    pool_ready(rig.pool);
    cr_assert_eq(rig_connect(&rig), 1);
    struct pool_handle handle = rig_take(&rig);
    for (uint32_t i = 0; i < WAITERS; i++) {
        rig_wait_start(&rig, &waiters[i], BASE_NO_DEADLINE, i < 2 ? i + 1 : 2);
    }
    rig_give(&rig, &handle);
    for (uint32_t served = 0; served < WAITERS;) {
        for (uint32_t i = 0; i < WAITERS; i++) {
            if (waiters[i].thread != NULL && atomic_load(&waiters[i].is_done)) {
                cr_assert_eq(rig_wait_end(&waiters[i]), GLEANER_OK);
                rig_give(&rig, &waiters[i].handle);
                served++;
            }
        }
    }
    rig_close(&rig);
}

Test(wait_queue, tickets_of_threads_that_gave_up_do_not_fill_the_line, .timeout = 20)
{
    struct rig rig = {0};
    struct pool_config config = rig_config(1);
    struct base_error error;
    struct pool_handle handle;
    cr_assert_eq(pool_create_sized(&config, NULL, NULL, 4, &rig.pool, &error), GLEANER_OK);
    pool_ready(rig.pool);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(pool_check_out(rig.pool, 1, &handle), GLEANER_E_TIMEOUT);
    }
    cr_assert(queue_is_empty(atomic_load(&rig.pool->queue)));
    rig_close(&rig);
}
