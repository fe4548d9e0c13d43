/* SPDX-License-Identifier: Apache-2.0 */
/* No room on the disk: nothing of the batch is there, nothing of before is lost, and the same batch
 * goes in once there is room. */
#include "store_rig.h"
#include "store_sqlite_internal.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static uint8_t bson[60000] = {0x60, 0xea, 0, 0, 0x05, 't', 0, 0x53, 0xea};

/* Settle documents one by one until one does not fit; its number. */
static int fill_up(struct rig *rig, const struct store_outcome *outcome,
                   enum gleaner_status *status)
{
    int n = 0;
    for (*status = GLEANER_OK; *status == GLEANER_OK && n < 2000; n++) {
        struct store_settled settled;
        struct store_document document = {
            .collection = "pages", .bson = bson, .bson_len = sizeof bson};
        char key[16];
        store_document_id("pages", key, (size_t)snprintf(key, sizeof key, "%d", n), document.id);
        const struct store_settlement settlement = {.documents = &document,
                                                    .document_count = 1,
                                                    .outcomes = outcome,
                                                    .outcome_count = outcome != NULL};
        *status = store_settle(rig->queue, &settlement, &settled, &rig->error);
    }
    return n - 1;
}

static void expect_documents(struct rig *rig, int expected)
{
    uint64_t count = 0;
    RIG_OK(rig, store_document_count(rig->store, "pages", &count, &rig->error));
    cr_expect_eq(count, (uint64_t)expected);
}

Test(store_room, a_limit_of_the_file_rolls_back_the_whole_settlement)
{
    struct rig rig;
    enum gleaner_status status;
    struct store_jobs jobs = {0};
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    struct store_sqlite *s = (struct store_sqlite *)rig.store;
    rig_put_urls(&rig, 1, (const char *[]){"http://a/1"});
    rig_claim(&rig, 1, 600000, &jobs);
    sqlite3_exec(s->db, "PRAGMA max_page_count = 100", NULL, NULL, NULL);
    int fitted = fill_up(&rig, NULL, &status);
    cr_assert_eq(status, GLEANER_E_FULL);
    cr_expect_not_null(strstr(rig.error.message, "make room"));
    expect_documents(&rig, fitted);
    cr_expect_eq(rig_counts(&rig).leased, 1);
    sqlite3_exec(s->db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL);
    struct store_outcome done = rig_outcome(&jobs.jobs[0], STORE_DONE);
    cr_expect_eq(rig_settle(&rig, &done).outcomes_stale, 0);
    cr_expect_eq(rig_counts(&rig).done, 1);
    store_jobs_fini(&jobs);
    rig_close(&rig);
}

/* A file system of its own, seen by this test's process alone. */
static bool small_disk(const char *directory, const char *size)
{
    static bool apart;
    if (!apart && unshare(CLONE_NEWNS) == 0 &&
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) {
        apart = true;
        return mount("tmpfs", directory, "tmpfs", 0, size) == 0;
    }
    return apart && mount(NULL, directory, NULL, MS_REMOUNT, size) == 0;
}

Test(store_room, a_full_disk_loses_nothing_and_goes_on_when_there_is_room, .timeout = 60)
{
    struct rig rig = {0};
    char directory[64];
    enum gleaner_status status;
    rig_make_directory(directory);
    if (!small_disk(directory, "size=3m")) {
        fprintf(stderr, "SKIPPED: no tmpfs for the full-disk test: %s\n", strerror(errno));
        rig_remove_directory(directory);
        cr_skip_test("no tmpfs may be mounted here");
    }
    rig.store = rig_open_sqlite(directory, &rig.error);
    RIG_OK(&rig, store_queue_open(rig.store, "crawl/test", &rig.queue, &rig.error));
    int fitted = fill_up(&rig, NULL, &status);
    cr_assert_eq(status, GLEANER_E_FULL, "%s", rig.error.message);
    cr_assert_gt(fitted, 3);
    expect_documents(&rig, fitted);
    cr_assert(small_disk(directory, "size=30m"));
    struct rig_document small;
    rig_document(&small, "pages", "small", 77);
    const struct store_settlement settlement = {.documents = &small.document, .document_count = 1};
    struct store_settled settled;
    RIG_OK(&rig, store_settle(rig.queue, &settlement, &settled, &rig.error));
    expect_documents(&rig, fitted + 1);
    store_queue_close(&rig.queue);
    store_close(&rig.store);
    rig.store = rig_open_sqlite(directory, &rig.error);
    expect_documents(&rig, fitted + 1);
    store_close(&rig.store);
    (void)umount(directory);
    rig_remove_directory(directory);
}

Test(store_room, a_disk_that_is_full_at_the_start_is_told)
{
    char directory[64], inside[80];
    struct base_error error;
    struct store *store = NULL;
    rig_make_directory(directory);
    if (!small_disk(directory, "size=4k")) {
        fprintf(stderr, "SKIPPED: no tmpfs for the full-disk test: %s\n", strerror(errno));
        rig_remove_directory(directory);
        cr_skip_test("no tmpfs may be mounted here");
    }
    snprintf(inside, sizeof inside, "%s/data", directory);
    const struct store_sqlite_options options = {.directory = inside, .durable = true};
    cr_expect_eq(store_sqlite_open(&options, &store, &error), GLEANER_E_FULL, "%s", error.message);
    (void)umount(directory);
    rig_remove_directory(directory);
}
