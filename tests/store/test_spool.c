/* SPDX-License-Identifier: Apache-2.0 */
/* The spool by itself. */
#include "store_rig.h"
#include "store_sqlite_internal.h"

#include <string.h>

static void spool(struct rig *rig, const char *key, int32_t n)
{
    struct rig_document document;
    struct store_settled settled = {0};
    rig_document(&document, "pages", key, n);
    RIG_OK(rig, store_spool_write(rig->store, &document.document, 1, &settled, &rig->error));
    cr_expect_eq(settled.documents_spooled, 1);
}

static int32_t number_of(const struct store_document *document)
{
    int32_t n;
    memcpy(&n, document->bson + 7, sizeof n);
    return n;
}

static struct store_spool_stats stats(struct rig *rig)
{
    struct store_spool_stats out;
    RIG_OK(rig, store_spool_read(rig->store, &out, &rig->error));
    return out;
}

Test(store_spool, entries_come_out_in_the_order_they_went_in)
{
    struct rig rig;
    struct store_spool_batch batch = {0};
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    spool(&rig, "c", 1);
    spool(&rig, "a", 2);
    spool(&rig, "b", 3);
    RIG_OK(&rig, store_spool_take(rig.store, 10, 1 << 20, &batch, &rig.error));
    cr_assert_eq(batch.count, 3);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(number_of(&batch.documents[i]), i + 1);
        cr_expect_str_eq(batch.documents[i].collection, "pages");
    }
    store_spool_batch_fini(&batch);
    rig_close(&rig);
}

Test(store_spool, a_later_version_takes_the_place_of_the_earlier)
{
    struct rig rig;
    struct store_spool_batch batch = {0};
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    spool(&rig, "a", 1);
    spool(&rig, "b", 2);
    spool(&rig, "a", 3);
    cr_expect_eq(stats(&rig).documents, 2);
    cr_expect_eq(stats(&rig).bytes, 24);
    RIG_OK(&rig, store_spool_take(rig.store, 10, 1 << 20, &batch, &rig.error));
    cr_assert_eq(batch.count, 2);
    cr_expect_eq(number_of(&batch.documents[0]), 2);
    cr_expect_eq(number_of(&batch.documents[1]), 3);
    store_spool_batch_fini(&batch);
    rig_close(&rig);
}

Test(store_spool, a_version_that_came_while_the_earlier_was_replayed_stays)
{
    struct rig rig;
    struct store_spool_batch batch = {0};
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    spool(&rig, "a", 1);
    RIG_OK(&rig, store_spool_take(rig.store, 10, 1 << 20, &batch, &rig.error));
    spool(&rig, "a", 2); /* the drainer is writing version 1 now */
    RIG_OK(&rig, store_spool_remove(rig.store, &batch, &rig.error));
    cr_expect_eq(stats(&rig).documents, 1);
    cr_expect_eq(stats(&rig).replayed, 1);
    RIG_OK(&rig, store_spool_take(rig.store, 10, 1 << 20, &batch, &rig.error));
    cr_assert_eq(batch.count, 1);
    cr_expect_eq(number_of(&batch.documents[0]), 2);
    store_spool_batch_fini(&batch);
    rig_close(&rig);
}

Test(store_spool, a_removed_entry_is_gone_and_counted)
{
    struct rig rig;
    struct store_spool_batch batch = {0};
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    spool(&rig, "a", 1);
    spool(&rig, "b", 2);
    RIG_OK(&rig, store_spool_take(rig.store, 1, 1 << 20, &batch, &rig.error));
    RIG_OK(&rig, store_spool_remove(rig.store, &batch, &rig.error));
    RIG_OK(&rig, store_spool_remove(rig.store, &batch, &rig.error)); /* twice is harmless */
    cr_expect_eq(stats(&rig).documents, 1);
    cr_expect_eq(stats(&rig).bytes, 12);
    store_spool_batch_fini(&batch);
    rig_close(&rig);
}

Test(store_spool, what_was_spooled_is_there_after_a_restart)
{
    struct rig rig;
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    spool(&rig, "a", 1);
    store_queue_close(&rig.queue);
    store_close(&rig.store);
    rig.store = rig_open_sqlite(rig.directory, &rig.error);
    cr_expect_eq(stats(&rig).documents, 1);
    cr_expect_eq(stats(&rig).bytes, 12);
    rig_close(&rig);
}

Test(store_spool, the_limit_refuses_the_whole_settlement)
{
    struct rig rig;
    struct store_jobs jobs = {0};
    struct store_settled settled;
    struct rig_document document;
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    ((struct store_sqlite *)rig.store)->spool_max_bytes = 30; /* two of twelve */
    rig_put_urls(&rig, 1, (const char *[]){"http://a/1"});
    rig_claim(&rig, 1, 600000, &jobs);
    spool(&rig, "a", 1);
    spool(&rig, "b", 1);
    struct store_outcome done = rig_outcome(&jobs.jobs[0], STORE_DONE);
    rig_document(&document, "pages", "c", 1);
    const struct store_settlement settlement = {.documents = &document.document,
                                                .document_count = 1,
                                                .outcomes = &done,
                                                .outcome_count = 1};
    cr_expect_eq(store_spool_settle(rig.queue, &settlement, &settled, &rig.error), GLEANER_E_FULL);
    cr_expect_not_null(strstr(rig.error.message, "limit"));
    cr_expect_eq(rig_counts(&rig).leased, 1);
    cr_expect_eq(stats(&rig).documents, 2);
    struct store_spool_batch batch = {0};
    RIG_OK(&rig, store_spool_take(rig.store, 10, 1 << 20, &batch, &rig.error));
    cr_expect_eq(batch.count, 2);
    store_spool_batch_fini(&batch);
    store_jobs_fini(&jobs);
    rig_close(&rig);
}

Test(store_spool, a_damaged_entry_is_set_aside_and_the_others_go_on)
{
    struct rig rig;
    struct store_spool_batch batch = {0};
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    spool(&rig, "a", 1);
    spool(&rig, "b", 2);
    struct store_sqlite *s = (struct store_sqlite *)rig.store;
    cr_assert_eq(
        sqlite3_exec(s->db, "UPDATE spool SET bson = zeroblob(12) WHERE seq = 1", NULL, NULL, NULL),
        SQLITE_OK);
    RIG_OK(&rig, store_spool_take(rig.store, 10, 1 << 20, &batch, &rig.error));
    cr_assert_eq(batch.count, 1);
    cr_expect_eq(number_of(&batch.documents[0]), 2);
    cr_expect_eq(stats(&rig).documents, 1);
    store_spool_batch_fini(&batch);
    rig_close(&rig);
}
