/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that are kept for the thread that always takes them: everything else goes on as if they
 * were not. Without a heavy barrier none is kept, and nothing of this is to be seen. */
#include "rig.h"

#include <sys/wait.h>
#include <unistd.h>

static enum slot_state state_of(const struct rig *rig, uint32_t slot)
{
    return slot_state_of(atomic_load(&rig->pool->slots[slot].word));
}

/* A pool whose clients are in, the first of them kept for this thread. Skips without barrier. */
static uint32_t open_kept(struct rig *rig, uint32_t count)
{
    rig_open_filled(rig, count, false);
    if (!sync_has_heavy_barrier()) {
        cr_skip_test("no membarrier(2) here");
    }
    struct pool_handle handle = {0};
    for (uint32_t i = 0; i <= POOL_KEEP_AFTER + 1; i++) {
        handle = rig_take(rig);
        rig_give(rig, &handle);
    }
    cr_assert_eq(state_of(rig, handle.slot), SLOT_KEPT);
    return handle.slot;
}

/* What another thread does, and what it got. */
struct other {
    struct rig *rig;
    struct pool_handle handle;
    enum gleaner_status status;
};

static void take_without_waiting(void *arg)
{
    struct other *other = arg;
    other->status = pool_check_out(other->rig->pool, 0, &other->handle);
}

static void give(void *arg)
{
    struct other *other = arg;
    other->status = pool_check_in(other->rig->pool, &other->handle, POOL_CLIENT_GOOD);
}

static void keep_and_end(void *arg)
{
    struct other *other = arg;
    for (uint32_t i = 0; i <= POOL_KEEP_AFTER + 1; i++) {
        other->handle = rig_take(other->rig);
        rig_give(other->rig, &other->handle);
    }
}

static void elsewhere(struct other *other, sync_thread_main run)
{
    struct sync_thread *thread;
    cr_assert_eq(sync_thread_start(&thread, "other", SYNC_PLAIN, run, other), GLEANER_OK);
    sync_thread_join(&thread);
}

Test(keep, counts_and_tickets_go_on, .timeout = 10)
{
    struct rig rig;
    uint32_t slot = open_kept(&rig, 2);
    uint64_t before = rig_stats(&rig).check_outs;
    cr_assert_eq(before, POOL_KEEP_AFTER + 2);
    struct pool_handle first = rig_take(&rig);
    cr_assert_eq(first.slot, slot);
    struct pool_stats stats = rig_stats(&rig);
    cr_assert_eq(stats.in_use, 1);
    cr_assert_eq(stats.available, 1);
    cr_assert_eq(stats.check_outs, before + 1);
    cr_assert_eq(stats.check_ins, before);
    rig_give(&rig, &first);
    struct pool_handle second = rig_take(&rig);
    cr_assert_neq(second.loan, first.loan);
    cr_assert_eq(second.connection_id, first.connection_id);
    rig_give(&rig, &second);
    stats = rig_stats(&rig);
    cr_assert_eq(stats.check_ins, before + 2);
    cr_assert_eq(stats.available, 2);
    rig_close(&rig);
}

Test(keep, a_late_return_is_refused, .timeout = 10)
{
    struct rig rig;
    (void)open_kept(&rig, 1);
    struct pool_handle first = rig_take(&rig);
    rig_give(&rig, &first);
    cr_assert_eq(pool_check_in(rig.pool, &first, POOL_CLIENT_GOOD), GLEANER_E_STALE);
    struct pool_handle second = rig_take(&rig);
    cr_assert_eq(pool_check_in(rig.pool, &first, POOL_CLIENT_BROKEN), GLEANER_E_STALE);
    cr_assert_null(pool_loaned_client(rig.pool, &first));
    cr_assert_eq(pool_loaned_client(rig.pool, &second), second.client);
    rig_give(&rig, &second);
    cr_assert_eq(rig_stats(&rig).stale_returns, 2);
    rig_close(&rig);
}

Test(keep, a_second_client_of_the_same_thread_is_another_one, .timeout = 10)
{
    struct rig rig;
    uint32_t slot = open_kept(&rig, 2);
    struct pool_handle first = rig_take(&rig), second = rig_take(&rig), third;
    cr_assert_neq(second.slot, slot);
    cr_assert_eq(pool_check_out(rig.pool, 0, &third), GLEANER_E_BUSY);
    rig_give(&rig, &second);
    rig_give(&rig, &first);
    cr_assert_eq(rig_stats(&rig).available, 2);
    rig_close(&rig);
}

Test(keep, who_finds_no_other_client_gets_it_when_it_is_in, .timeout = 10)
{
    struct rig rig;
    (void)open_kept(&rig, 1);
    struct other other = {.rig = &rig};
    struct pool_handle handle = rig_take(&rig);
    elsewhere(&other, take_without_waiting);
    cr_assert_eq(other.status, GLEANER_E_BUSY);
    rig_give(&rig, &handle);
    elsewhere(&other, take_without_waiting);
    cr_assert_eq(other.status, GLEANER_OK);
    cr_assert_eq(other.handle.client, handle.client);
    cr_assert_eq(pool_check_out(rig.pool, 0, &handle), GLEANER_E_BUSY, "it is kept no more");
    rig_give(&rig, &other.handle);
    rig_close(&rig);
}

Test(keep, who_waits_is_served_when_it_comes_back, .timeout = 10)
{
    struct rig rig;
    uint32_t slot = open_kept(&rig, 1);
    struct pool_handle handle = rig_take(&rig);
    struct rig_waiter waiter;
    rig_wait_start(&rig, &waiter, BASE_NO_DEADLINE, 1);
    rig_give(&rig, &handle);
    cr_assert_eq(rig_wait_end(&waiter), GLEANER_OK);
    cr_assert_eq(state_of(&rig, slot), SLOT_BUSY);
    rig_give(&rig, &waiter.handle);
    cr_assert_eq(rig_stats(&rig).check_outs, POOL_KEEP_AFTER + 4);
    rig_close(&rig);
}

Test(keep, a_loan_may_be_returned_by_another_thread_once, .timeout = 10)
{
    struct rig rig;
    uint32_t slot = open_kept(&rig, 1);
    struct other other = {.rig = &rig, .handle = rig_take(&rig)};
    elsewhere(&other, give);
    cr_assert_eq(other.status, GLEANER_OK);
    cr_assert_eq(state_of(&rig, slot), SLOT_IDLE);
    cr_assert_eq(pool_check_in(rig.pool, &other.handle, POOL_CLIENT_GOOD), GLEANER_E_STALE);
    elsewhere(&other, give);
    cr_assert_eq(other.status, GLEANER_E_STALE);
    struct pool_handle next = rig_take(&rig);
    rig_give(&rig, &next);
    cr_assert_eq(rig_stats(&rig).stale_returns, 2);
    rig_close(&rig);
}

Test(keep, what_an_ended_thread_had_is_for_everybody, .timeout = 10)
{
    struct rig rig;
    rig_open_filled(&rig, 1, false);
    struct other other = {.rig = &rig};
    elsewhere(&other, keep_and_end);
    struct pool_handle handle = rig_take(&rig);
    cr_assert_eq(handle.client, other.handle.client);
    rig_give(&rig, &handle);
    elsewhere(&other, keep_and_end); /* most likely of the same index: the keep serves again */
    cr_assert_eq(rig_stats(&rig).check_outs, 2 * (POOL_KEEP_AFTER + 2) + 1);
    rig_close(&rig);
}

Test(keep, a_broken_one_is_retired, .timeout = 10)
{
    struct rig rig;
    (void)open_kept(&rig, 1);
    struct pool_handle handle = rig_take(&rig);
    cr_assert_eq(pool_check_in(rig.pool, &handle, POOL_CLIENT_BROKEN), GLEANER_OK);
    cr_assert_eq(rig_reap(&rig), 1);
    cr_assert_eq(rig_connect(&rig), 1);
    struct pool_handle next = rig_take(&rig);
    cr_assert_neq(next.client, handle.client);
    rig_give(&rig, &next);
    rig_close(&rig);
}

Test(keep, a_clear_retires_it_at_once_or_when_it_returns, .timeout = 10)
{
    for (int is_out = 0; is_out < 2; is_out++) {
        struct rig rig;
        struct pool_handle handle = {0};
        (void)open_kept(&rig, 1);
        if (is_out) {
            handle = rig_take(&rig);
        }
        (void)pool_clear(rig.pool, false);
        cr_assert_eq(rig_reap(&rig), is_out ? 0 : 1);
        if (is_out) {
            rig_give(&rig, &handle);
            cr_assert_eq(rig_reap(&rig), 1);
        }
        cr_assert_eq(pool_check_out(rig.pool, 0, &handle), GLEANER_E_DOWN);
        rig_close(&rig);
    }
}

Test(keep, a_refresh_replaces_it, .timeout = 10)
{
    struct rig rig;
    (void)open_kept(&rig, 1);
    struct pool_handle old = rig_take(&rig);
    uint32_t generation;
    cr_assert_eq(pool_refresh_begin(rig.pool, &generation), GLEANER_OK);
    cr_assert_eq(pool_refresh_left(rig.pool), 1);
    cr_assert_eq(rig_connect(&rig), 1);
    rig_give(&rig, &old);
    cr_assert_eq(rig_reap(&rig), 1);
    cr_assert_eq(pool_refresh_left(rig.pool), 0);
    struct pool_handle next = rig_take(&rig);
    cr_assert_eq(next.generation, generation);
    rig_give(&rig, &next);
    rig_close(&rig);
}

Test(keep, it_leaves_when_it_is_evicted, .timeout = 10)
{
    for (int is_out = 0; is_out < 2; is_out++) {
        struct rig rig;
        struct pool_handle handle = {0};
        uint32_t slot = open_kept(&rig, 1);
        if (is_out) {
            handle = rig_take(&rig);
        }
        pool_evict(rig.pool, slot);
        if (is_out) {
            rig_give(&rig, &handle);
        }
        cr_assert_eq(rig_reap(&rig), 1);
        rig_close(&rig);
    }
}

Test(keep, it_leaves_when_it_is_idle_for_too_long, .timeout = 10)
{
    struct rig rig;
    (void)open_kept(&rig, 1);
    struct pool_config config = rig_config(1);
    config.max_idle_ms = 1000;
    struct base_error error;
    cr_assert_eq(pool_configure(rig.pool, &config, &error), GLEANER_OK);
    uint64_t now_ns = base_mono_ns();
    pool_tick(rig.pool, now_ns);
    struct pool_handle handle =
        rig_take(&rig); /* one loan, seen by no tick, begins the time anew */
    rig_give(&rig, &handle);
    pool_tick(rig.pool, now_ns + 2 * BASE_NS_PER_S);
    cr_assert_eq(rig_reap(&rig), 0);
    pool_tick(rig.pool, now_ns + 4 * BASE_NS_PER_S);
    cr_assert_eq(rig_reap(&rig), 1);
    rig_close(&rig);
}

Test(keep, a_note_is_shown_until_it_returns, .timeout = 10)
{
    struct rig rig;
    (void)open_kept(&rig, 1);
    struct pool_handle handle = rig_take(&rig);
    struct pool_slot_view view;
    pool_note(rig.pool, &handle, "insert pages");
    cr_assert_eq(pool_view_slots(rig.pool, base_mono_ns(), &view, 1), 1);
    cr_assert_str_eq(view.state, "busy");
    cr_assert_str_eq(view.owner_note, "insert pages");
    cr_assert_eq(view.owner_thread, sync_thread_id());
    cr_assert_eq(view.uses, POOL_KEEP_AFTER + 3);
    rig_give(&rig, &handle);
    cr_assert_eq(pool_view_slots(rig.pool, base_mono_ns(), &view, 1), 1);
    cr_assert_str_eq(view.state, "idle");
    cr_assert_null(view.owner_note);
    rig_close(&rig);
}

Test(keep, a_forked_child_gets_nothing_and_returns_nothing, .timeout = 20)
{
    for (int is_out = 0; is_out < 2; is_out++) {
        struct rig rig;
        struct pool_handle handle = {0}, other;
        (void)open_kept(&rig, 1);
        if (is_out) {
            handle = rig_take(&rig);
        }
        pid_t child = fork();
        if (child == 0) {
            bool refused = pool_check_out(rig.pool, 0, &other) == GLEANER_E_CLOSED &&
                           pool_check_in(rig.pool, &handle, POOL_CLIENT_GOOD) == GLEANER_E_STALE;
            _exit(refused ? 42 : 1);
        }
        int state = 0;
        cr_assert_eq(waitpid(child, &state, 0), child);
        cr_assert(WIFEXITED(state) && WEXITSTATUS(state) == 42);
        if (is_out) {
            rig_give(&rig, &handle);
        }
        rig_close(&rig);
    }
}

Test(keep, a_pool_that_is_gone_is_no_danger, .timeout = 10)
{
    for (int i = 0; i < 3; i++) { /* likely at the same address: the keep must not match */
        struct rig rig;
        (void)open_kept(&rig, 1);
        struct other other = {.rig = &rig, .handle = rig_take(&rig)};
        if (i != 1) {
            elsewhere(&other, give); /* this thread still thinks that it is out */
        } else {
            rig_give(&rig, &other.handle);
        }
        rig_close(&rig);
        rig_open_filled(&rig, 1, false);
        cr_assert_eq(pool_check_in(rig.pool, &other.handle, POOL_CLIENT_GOOD), GLEANER_E_STALE);
        struct pool_handle handle = rig_take(&rig);
        rig_give(&rig, &handle);
        rig_close(&rig);
    }
}
