/* SPDX-License-Identifier: Apache-2.0 */
#include "sync.h"
#include <criterion/criterion.h>
#include <signal.h>

static struct sync_mailbox *mailbox;

static void make(void)
{
    cr_assert_eq(sync_mailbox_create(&mailbox, 8), GLEANER_OK);
}

static void unmake(void)
{
    sync_mailbox_destroy(&mailbox);
    cr_assert_null(mailbox);
}

TestSuite(mailbox, .init = make, .fini = unmake, .timeout = 10);

Test(mailbox, capacity_that_is_no_power_of_two_is_refused)
{
    struct sync_mailbox *other = NULL;
    cr_assert_eq(sync_mailbox_create(&other, 0), GLEANER_E_INVALID);
    cr_assert_eq(sync_mailbox_create(&other, 12), GLEANER_E_INVALID);
    sync_mailbox_destroy(&other);
}

Test(mailbox, is_empty_at_first)
{
    struct sync_report report;
    cr_assert_eq(sync_mailbox_take(mailbox, &report, 1), 0);
}

Test(mailbox, same_keys_are_counted_with_the_first_ones_detail_and_time)
{
    struct sync_report reports[8];
    cr_assert(sync_mailbox_post(mailbox, 7, 100, 1000));
    cr_assert_not(sync_mailbox_post(mailbox, 7, 200, 2000));
    cr_assert_not(sync_mailbox_post(mailbox, 7, 300, 3000));
    cr_assert_eq(sync_mailbox_take(mailbox, reports, 8), 1);
    cr_assert_eq(reports[0].key, 7);
    cr_assert_eq(reports[0].detail, 100);
    cr_assert_eq(reports[0].first_ns, 1000);
    cr_assert_eq(reports[0].count, 3);
    cr_assert_eq(sync_mailbox_take(mailbox, reports, 8), 0);
}

Test(mailbox, first_post_after_a_take_asks_for_a_wake_again)
{
    struct sync_report reports[8];
    for (uint64_t round = 0; round < 10; round++) {
        cr_assert(sync_mailbox_post(mailbox, 5, round, round));
        cr_assert_not(sync_mailbox_post(mailbox, 5, 99, 99));
        cr_assert_eq(sync_mailbox_take(mailbox, reports, 8), 1);
        cr_assert_eq(reports[0].detail, round);
        cr_assert_eq(reports[0].count, 2);
    }
}

Test(mailbox, as_many_keys_as_cells_stay_apart)
{
    struct sync_report reports[16];
    for (uint64_t key = 1; key <= 8; key++) {
        for (uint64_t i = 0; i < key; i++) {
            (void)sync_mailbox_post(mailbox, key, key * 10, 0);
        }
    }
    cr_assert_eq(sync_mailbox_take(mailbox, reports, 16), 8);
    uint64_t seen = 0;
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(reports[i].count, reports[i].key);
        cr_assert_eq(reports[i].detail, reports[i].key * 10);
        seen |= UINT64_C(1) << reports[i].key;
    }
    cr_assert_eq(seen, 0x1FE);
    cr_assert_eq(sync_mailbox_overflow(mailbox), 0);
}

Test(mailbox, keys_beyond_the_cells_are_counted_with_others)
{
    struct sync_report reports[16];
    for (uint64_t key = 1; key <= 11; key++) {
        (void)sync_mailbox_post(mailbox, key, 0, 0);
    }
    cr_assert_eq(sync_mailbox_overflow(mailbox), 3);
    cr_assert_eq(sync_mailbox_take(mailbox, reports, 16), 8);
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++) {
        sum += reports[i].count;
    }
    cr_assert_eq(sum, 11);
}

Test(mailbox, small_takes_get_everything_and_later_posts_too)
{
    struct sync_report report;
    uint64_t sum = 0;
    for (uint64_t key = 1; key <= 8; key++) {
        (void)sync_mailbox_post(mailbox, key, 0, 0);
    }
    cr_assert_eq(sync_mailbox_take(mailbox, &report, 1), 1);
    sum += report.count;
    (void)sync_mailbox_post(mailbox, 8, 0, 0); /* while its old report is not taken yet */
    while (sync_mailbox_take(mailbox, &report, 1) == 1) {
        sum += report.count;
    }
    cr_assert_eq(sum, 9);
}

Test(mailbox, extreme_keys_are_keys)
{
    struct sync_report reports[8];
    (void)sync_mailbox_post(mailbox, UINT64_MAX, 1, 0);
    (void)sync_mailbox_post(mailbox, UINT64_C(1) << 63, 2, 0);
    cr_assert_eq(sync_mailbox_take(mailbox, reports, 8), 2);
}

Test(mailbox, key_zero_aborts, .signal = SIGABRT)
{
    (void)sync_mailbox_post(mailbox, 0, 0, 0);
}
