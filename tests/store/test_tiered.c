/* SPDX-License-Identifier: Apache-2.0 */
/* The tiered store over a remote that fails on command. */
#include "store_internal.h"
#include "store_rig.h"

#include <stdio.h>
#include <string.h>

static enum gleaner_status put(struct rig *rig, const char *key, int32_t n,
                               struct store_settled *settled)
{
    struct rig_document document;
    rig_document(&document, "pages", key, n);
    const struct store_settlement settlement = {.documents = &document.document,
                                                .document_count = 1};
    return store_settle(rig->queue, &settlement, settled, &rig->error);
}

static void drain(struct rig *rig)
{
    RIG_OK(rig, store_tiered_drain(rig->store, base_mono_ns() + 20 * BASE_NS_PER_S));
}

static uint64_t spooled(struct rig *rig)
{
    struct store_spool_stats stats;
    store_tiered_spool(rig->store, &stats);
    return stats.documents;
}

static uint64_t in_remote(struct rig *rig)
{
    uint64_t count = 0;
    RIG_OK(rig, store_document_count(rig->remote, "pages", &count, &rig->error));
    return count;
}

Test(store_tiered, documents_go_to_the_remote_while_it_is_up, .timeout = 30)
{
    struct rig rig;
    struct store_settled settled;
    cr_assert(rig_open(&rig, RIG_TIERED));
    RIG_OK(&rig, put(&rig, "a", 1, &settled));
    cr_expect_eq(settled.documents_new, 1);
    cr_expect_eq(settled.documents_spooled, 0);
    cr_expect_eq(in_remote(&rig), 1);
    rig_close(&rig);
}

Test(store_tiered, documents_wait_in_the_spool_while_it_is_down_and_are_replayed_once,
     .timeout = 30)
{
    struct rig rig;
    struct store_settled settled;
    cr_assert(rig_open(&rig, RIG_TIERED));
    failing_store_set_up(rig.failing, false);
    RIG_OK(&rig, put(&rig, "a", 1, &settled));
    RIG_OK(&rig, put(&rig, "b", 2, &settled));
    cr_expect_eq(settled.documents_spooled, 1);
    cr_expect_eq(failing_store_writes(rig.failing), 0, "nobody asks a remote that is down");
    cr_expect_eq(store_tiered_drain(rig.store, base_mono_ns()), GLEANER_E_TIMEOUT);
    cr_expect_eq(spooled(&rig), 2);
    failing_store_set_up(rig.failing, true);
    drain(&rig);
    cr_expect_eq(in_remote(&rig), 2);
    cr_expect_eq(failing_store_writes(rig.failing), 2);
    cr_expect_eq(spooled(&rig), 0);
    rig_close(&rig);
}

static const enum gleaner_status away[] = {GLEANER_E_DOWN, GLEANER_E_NETWORK, GLEANER_E_TIMEOUT};

Test(store_tiered, a_write_that_fails_for_absence_goes_to_the_spool, .timeout = 30)
{
    struct rig rig;
    struct store_settled settled;
    cr_assert(rig_open(&rig, RIG_TIERED));
    for (size_t i = 0; i < BASE_ARRAY_LEN(away); i++) {
        char key[8];
        snprintf(key, sizeof key, "%zu", i);
        failing_store_set(rig.failing, FAILING_BEFORE, away[i]);
        RIG_OK(&rig, put(&rig, key, 1, &settled));
        cr_expect_eq(settled.documents_spooled, 1);
    }
    failing_store_set(rig.failing, FAILING_NOT, GLEANER_OK);
    drain(&rig);
    cr_expect_eq(in_remote(&rig), BASE_ARRAY_LEN(away));
    rig_close(&rig);
}

Test(store_tiered, a_refusal_is_told_and_settles_nothing, .timeout = 30)
{
    struct rig rig;
    struct store_jobs jobs = {0};
    struct store_settled settled;
    struct rig_document document;
    cr_assert(rig_open(&rig, RIG_TIERED));
    rig_put_urls(&rig, 1, (const char *[]){"http://a/1"});
    rig_claim(&rig, 1, 600000, &jobs);
    struct store_outcome done = rig_outcome(&jobs.jobs[0], STORE_DONE);
    rig_document(&document, "pages", "a", 1);
    const struct store_settlement settlement = {.documents = &document.document,
                                                .document_count = 1,
                                                .outcomes = &done,
                                                .outcome_count = 1};
    failing_store_set(rig.failing, FAILING_BEFORE, GLEANER_E_AUTH);
    cr_expect_eq(store_settle(rig.queue, &settlement, &settled, &rig.error), GLEANER_E_AUTH);
    cr_expect_eq(rig_counts(&rig).leased, 1);
    cr_expect_eq(spooled(&rig), 0);
    store_jobs_fini(&jobs);
    rig_close(&rig);
}

Test(store_tiered, a_replay_that_fails_keeps_the_document, .timeout = 30)
{
    struct rig rig;
    struct store_settled settled;
    cr_assert(rig_open(&rig, RIG_TIERED));
    failing_store_set(rig.failing, FAILING_BEFORE, GLEANER_E_NETWORK);
    RIG_OK(&rig, put(&rig, "a", 1, &settled));
    while (failing_store_attempts(rig.failing) < 3) { /* the live write, then two replays */
    }
    cr_expect_eq(spooled(&rig), 1);
    failing_store_set(rig.failing, FAILING_NOT, GLEANER_OK);
    drain(&rig);
    cr_expect_eq(in_remote(&rig), 1);
    rig_close(&rig);
}

Test(store_tiered, a_write_whose_answer_was_lost_is_there_once, .timeout = 30)
{
    struct rig rig;
    struct store_settled settled;
    cr_assert(rig_open(&rig, RIG_TIERED));
    failing_store_set(rig.failing, FAILING_AFTER, GLEANER_E_NETWORK);
    RIG_OK(&rig, put(&rig, "a", 1, &settled));
    cr_expect_eq(settled.documents_spooled, 1);
    failing_store_set(rig.failing, FAILING_NOT, GLEANER_OK);
    drain(&rig);
    cr_expect_eq(in_remote(&rig), 1);
    rig_close(&rig);
}

Test(store_tiered, a_newer_version_never_passes_a_spooled_one, .timeout = 30)
{
    struct rig rig;
    struct store_settled settled;
    cr_assert(rig_open(&rig, RIG_TIERED));
    failing_store_set_up(rig.failing, false);
    RIG_OK(&rig, put(&rig, "a", 1, &settled));
    /* Up for live writes, but replay fails: the spool still holds version 1. */
    failing_store_set(rig.failing, FAILING_BEFORE, GLEANER_E_NETWORK);
    failing_store_set_up(rig.failing, true);
    RIG_OK(&rig, put(&rig, "a", 2, &settled));
    cr_expect_eq(settled.documents_spooled, 1, "it must follow the earlier version");
    failing_store_set(rig.failing, FAILING_NOT, GLEANER_OK);
    drain(&rig);
    cr_expect_eq(in_remote(&rig), 1);
    cr_expect_eq(rig_stored(&rig, "pages", "a"), 2);
    rig_close(&rig);
}

Test(store_tiered, versions_keep_their_order_through_any_number_of_failures, .timeout = 60)
{
    struct rig rig;
    struct store_settled settled;
    struct base_random random;
    int32_t last[5] = {0};
    cr_assert(rig_open(&rig, RIG_TIERED));
    base_random_init(&random, 42);
    for (int32_t n = 1; n <= 400; n++) {
        static const enum failing_mode modes[] = {FAILING_NOT, FAILING_NOT, FAILING_BEFORE,
                                                  FAILING_AFTER};
        uint64_t which = base_random_below(&random, 5);
        char key[2] = {(char)('a' + which), '\0'};
        failing_store_set(rig.failing, modes[base_random_below(&random, 4)], GLEANER_E_NETWORK);
        RIG_OK(&rig, put(&rig, key, n, &settled));
        last[which] = n;
    }
    failing_store_set(rig.failing, FAILING_NOT, GLEANER_OK);
    drain(&rig);
    for (int i = 0; i < 5; i++) {
        char key[2] = {(char)('a' + i), '\0'};
        cr_expect_eq(rig_stored(&rig, "pages", key), last[i]);
    }
    rig_close(&rig);
}

Test(store_tiered, a_walk_shows_the_spooled_version_instead_of_the_older_one, .timeout = 30)
{
    struct rig rig;
    struct store_settled settled;
    cr_assert(rig_open(&rig, RIG_TIERED));
    RIG_OK(&rig, put(&rig, "a", 1, &settled));
    failing_store_set_up(rig.failing, false);
    RIG_OK(&rig, put(&rig, "a", 2, &settled));
    cr_expect_eq(rig_stored(&rig, "pages", "a"), 2); /* asserts that it is there once */
    rig_close(&rig);
}

Test(store_tiered, a_spool_left_by_an_earlier_process_is_replayed, .timeout = 30)
{
    struct rig rig;
    struct store_settled settled;
    cr_assert(rig_open(&rig, RIG_TIERED));
    failing_store_set_up(rig.failing, false);
    RIG_OK(&rig, put(&rig, "a", 1, &settled));
    store_queue_close(&rig.queue);
    store_close(&rig.store);
    store_close(&rig.local);
    failing_store_set_up(rig.failing, true);
    rig.local = rig_open_sqlite(rig.directory, &rig.error);
    const struct store_tiered_options options = {.local = rig.local,
                                                 .remote = rig.failing,
                                                 .remote_is_up = failing_store_is_up,
                                                 .remote_ctx = rig.failing};
    RIG_OK(&rig, store_tiered_open(&options, &rig.store, &rig.error));
    drain(&rig);
    cr_expect_eq(in_remote(&rig), 1);
    rig_close(&rig);
}
