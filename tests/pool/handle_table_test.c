/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <sys/wait.h>
#include <unistd.h>

Test(handle_table, a_paused_pool_answers_down_and_a_closed_one_closed, .timeout = 10)
{
    struct rig rig;
    struct pool_config config = rig_config(2);
    struct pool_handle handle;
    rig_open(&rig, &config, false);
    cr_assert_eq(pool_check_out(rig.pool, BASE_NO_DEADLINE, &handle), GLEANER_E_DOWN);
    pool_close(rig.pool);
    cr_assert_eq(pool_check_out(rig.pool, BASE_NO_DEADLINE, &handle), GLEANER_E_CLOSED);
    rig_close(&rig);
}

Test(handle_table, a_client_goes_out_once_and_comes_back, .timeout = 10)
{
    struct rig rig;
    rig_open_filled(&rig, 2, false);
    struct pool_handle a = rig_take(&rig), b = rig_take(&rig), c;
    cr_assert_neq(a.client, b.client);
    cr_assert_eq(pool_check_out(rig.pool, 0, &c), GLEANER_E_BUSY);
    rig_give(&rig, &a);
    c = rig_take(&rig);
    cr_assert_eq(c.client, a.client);
    cr_assert_eq(c.connection_id, a.connection_id);
    cr_assert_neq(c.loan, a.loan);
    rig_give(&rig, &b);
    rig_give(&rig, &c);
    rig_close(&rig);
}

Test(handle_table, the_same_thread_gets_the_same_client_again, .timeout = 10)
{
    struct rig rig;
    rig_open_filled(&rig, 8, false);
    struct pool_handle first = rig_take(&rig);
    rig_give(&rig, &first);
    for (int i = 0; i < 100; i++) {
        struct pool_handle again = rig_take(&rig);
        cr_assert_eq(again.slot, first.slot);
        rig_give(&rig, &again);
    }
    rig_close(&rig);
}

Test(handle_table, double_foreign_and_late_returns_are_refused_and_counted, .timeout = 10)
{
    struct rig rig;
    rig_open_filled(&rig, 2, false);
    struct pool_handle a = rig_take(&rig);
    struct pool_handle foreign = a, outside = a;
    foreign.generation++;
    outside.slot = 4000;
    cr_assert_eq(pool_check_in(rig.pool, &foreign, POOL_CLIENT_GOOD), GLEANER_E_STALE);
    cr_assert_eq(pool_check_in(rig.pool, &outside, POOL_CLIENT_GOOD), GLEANER_E_STALE);
    rig_give(&rig, &a);
    cr_assert_eq(pool_check_in(rig.pool, &a, POOL_CLIENT_GOOD), GLEANER_E_STALE);
    struct pool_handle next = rig_take(&rig); /* the same slot, a later loan */
    cr_assert_eq(next.slot, a.slot);
    cr_assert_eq(pool_check_in(rig.pool, &a, POOL_CLIENT_BROKEN), GLEANER_E_STALE);
    rig_give(&rig, &next);
    struct pool_stats stats = rig_stats(&rig);
    cr_assert_eq(stats.stale_returns, 4);
    cr_assert_eq(stats.available, 2);
    cr_assert_eq(stats.check_outs, 2);
    cr_assert_eq(stats.check_ins, 2);
    rig_close(&rig);
}

Test(handle_table, a_forked_child_gets_nothing_and_returns_nothing, .timeout = 20)
{
    struct rig rig;
    rig_open_filled(&rig, 2, false);
    struct pool_handle handle = rig_take(&rig);
    pid_t child = fork();
    if (child == 0) {
        struct pool_handle other;
        bool refused = pool_check_out(rig.pool, 0, &other) == GLEANER_E_CLOSED &&
                       pool_check_in(rig.pool, &handle, POOL_CLIENT_GOOD) == GLEANER_E_STALE;
        _exit(refused ? 42 : 1);
    }
    int state = 0;
    cr_assert_eq(waitpid(child, &state, 0), child);
    cr_assert(WIFEXITED(state) && WEXITSTATUS(state) == 42);
    rig_give(&rig, &handle);
    rig_close(&rig);
}

Test(handle_table, a_broken_client_is_retired_and_its_place_is_free, .timeout = 10)
{
    struct rig rig;
    rig_open_filled(&rig, 1, false);
    struct pool_handle handle = rig_take(&rig);
    cr_assert_eq(pool_check_in(rig.pool, &handle, POOL_CLIENT_BROKEN), GLEANER_OK);
    cr_assert_eq(rig_connect(&rig), 1, "the limit does not wait for the reaper");
    struct pool_reap_job job;
    cr_assert_eq(pool_reap_begin(rig.pool, &job), GLEANER_OK);
    cr_assert_eq(job.client, handle.client);
    cr_assert_eq(job.reason, POOL_REASON_ERROR);
    pool_reap_done(rig.pool, &job);
    struct pool_handle next = rig_take(&rig);
    cr_assert_neq(next.client, handle.client);
    cr_assert_eq(next.connection_id, 2);
    rig_give(&rig, &next);
    rig_close(&rig);
}

Test(handle_table, clear_retires_idle_clients_now_and_busy_ones_on_return, .timeout = 10)
{
    struct rig rig;
    rig_open_filled(&rig, 2, false);
    struct pool_handle handle = rig_take(&rig);
    cr_assert_eq(pool_clear(rig.pool, false), 1);
    cr_assert_eq(rig_stats(&rig).retiring, 1);
    cr_assert_not(pool_is_interrupted(rig.pool, &handle));
    rig_give(&rig, &handle);
    cr_assert_eq(rig_stats(&rig).retiring, 2);
    cr_assert_eq(rig_stats(&rig).total, 0);
    cr_assert_eq(rig_reap(&rig), 2);
    pool_ready(rig.pool);
    cr_assert_eq(rig_connect(&rig), 2);
    struct pool_handle fresh = rig_take(&rig);
    cr_assert_eq(fresh.generation, 1);
    rig_give(&rig, &fresh);
    rig_close(&rig);
}

Test(handle_table, an_interrupting_clear_marks_old_holders_and_gives_up_pending_ones, .timeout = 10)
{
    struct rig rig;
    struct pool_config config = rig_config(2);
    config.min_size = 2;
    rig_open(&rig, &config, false);
    pool_ready(rig.pool);
    struct pool_connect_job held, pending;
    cr_assert_eq(pool_connect_begin(rig.pool, &held), GLEANER_OK);
    cr_assert_eq(pool_connect_done(rig.pool, &held, &rig), GLEANER_OK);
    struct pool_handle handle = rig_take(&rig);
    cr_assert_eq(pool_connect_begin(rig.pool, &pending), GLEANER_OK);
    (void)pool_clear(rig.pool, true);
    cr_assert(pool_is_interrupted(rig.pool, &handle));
    cr_assert_eq(rig_stats(&rig).pending, 0);
    cr_assert_eq(pool_connect_done(rig.pool, &pending, &config), GLEANER_E_STALE);
    rig_give(&rig, &handle);
    cr_assert_eq(rig_reap(&rig), 2);
    rig_close(&rig);
}

Test(handle_table, a_client_that_was_connecting_during_clear_never_serves, .timeout = 10)
{
    struct rig rig;
    struct pool_config config = rig_config(1);
    config.min_size = 1;
    rig_open(&rig, &config, false);
    pool_ready(rig.pool);
    struct pool_connect_job job;
    cr_assert_eq(pool_connect_begin(rig.pool, &job), GLEANER_OK);
    (void)pool_clear(rig.pool, false);
    pool_ready(rig.pool);
    cr_assert_eq(pool_connect_done(rig.pool, &job, &rig), GLEANER_E_STALE);
    struct pool_handle handle;
    cr_assert_eq(pool_check_out(rig.pool, 0, &handle), GLEANER_E_BUSY);
    cr_assert_eq(rig_reap(&rig), 1);
    rig_close(&rig);
}

Test(handle_table, a_condemned_connection_frees_its_place_and_its_late_client_is_reaped,
     .timeout = 10)
{
    struct rig rig;
    struct pool_config config = rig_config(1);
    config.min_size = 1;
    rig_open(&rig, &config, false);
    pool_ready(rig.pool);
    struct pool_connect_job stuck, failed;
    cr_assert_eq(pool_connect_begin(rig.pool, &stuck), GLEANER_OK);
    cr_assert_eq(pool_connect_condemn(rig.pool, &stuck), GLEANER_OK);
    cr_assert_eq(pool_connect_condemn(rig.pool, &stuck), GLEANER_E_STALE);
    cr_assert_eq(pool_connect_begin(rig.pool, &failed), GLEANER_OK);
    cr_assert_eq(pool_connect_condemn(rig.pool, &failed), GLEANER_OK);
    cr_assert_eq(rig_connect(&rig), 1);
    cr_assert_eq(pool_connect_done(rig.pool, &stuck, &rig), GLEANER_E_STALE);
    pool_connect_failed(rig.pool, &failed, true);
    cr_assert_eq(rig_reap(&rig), 1);
    cr_assert_eq(rig_stats(&rig).connect_failures, 2);
    cr_assert_eq(rig_stats(&rig).available, 1);
    rig_close(&rig);
}

Test(handle_table, a_view_names_holder_and_note, .timeout = 10)
{
    struct rig rig;
    rig_open_filled(&rig, 1, true);
    struct pool_handle handle = rig_take(&rig);
    pool_note(rig.pool, &handle, "insert pages");
    base_clock_advance(rig.clock, 3 * BASE_NS_PER_S);
    struct pool_slot_view view;
    cr_assert_eq(pool_view_slots(rig.pool, base_clock_now_ns(rig.clock), &view, 1), 1);
    cr_assert_str_eq(view.state, "busy");
    cr_assert_str_eq(view.owner_note, "insert pages");
    cr_assert_eq(view.owner_thread, sync_thread_id());
    cr_assert_eq(view.state_age_ns, 3 * BASE_NS_PER_S);
    cr_assert_eq(view.uses, 1);
    cr_assert_eq(rig_stats(&rig).oldest_in_use_ns, 3 * BASE_NS_PER_S);
    rig_give(&rig, &handle);
    pool_note(rig.pool, &handle, "late");
    cr_assert_eq(pool_view_slots(rig.pool, base_clock_now_ns(rig.clock), &view, 1), 1);
    cr_assert_null(view.owner_note);
    rig_close(&rig);
}

Test(handle_table, without_a_clock_on_the_fast_path_ages_count_from_the_first_tick, .timeout = 10)
{
    struct rig rig;
    rig_open_filled(&rig, 1, false);
    struct pool_handle handle = rig_take(&rig);
    uint64_t now_ns = base_mono_ns();
    struct pool_stats stats;
    pool_tick(rig.pool, now_ns);
    pool_read_stats(rig.pool, now_ns + 5 * BASE_NS_PER_S, &stats);
    cr_assert_eq(stats.oldest_in_use_ns, 5 * BASE_NS_PER_S);
    pool_tick(rig.pool, now_ns + 6 * BASE_NS_PER_S); /* the same loan: still from the first tick */
    pool_read_stats(rig.pool, now_ns + 7 * BASE_NS_PER_S, &stats);
    cr_assert_eq(stats.oldest_in_use_ns, 7 * BASE_NS_PER_S);
    rig_give(&rig, &handle);
    pool_read_stats(rig.pool, now_ns + 7 * BASE_NS_PER_S, &stats);
    cr_assert_eq(stats.oldest_in_use_ns, 0);
    rig_close(&rig);
}
