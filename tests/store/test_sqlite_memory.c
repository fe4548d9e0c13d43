/* SPDX-License-Identifier: Apache-2.0 */
/* --to none: the embedded store without a file. */
#include "store_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

static char directory[64];

static void setup(void)
{
    rig_make_directory(directory);
}

static void teardown(void)
{
    rig_remove_directory(directory);
}

TestSuite(store_memory, .init = setup, .fini = teardown, .timeout = 60);

static void open_in_memory(struct rig *rig, const char *inside)
{
    const struct store_sqlite_options options = {.directory = inside, .in_memory = true};
    memset(rig, 0, sizeof *rig);
    RIG_OK(rig, store_sqlite_open(&options, &rig->store, &rig->error));
    RIG_OK(rig, store_queue_open(rig->store, "crawl/test", &rig->queue, &rig->error));
}

static void close_memory(struct rig *rig)
{
    store_queue_close(&rig->queue);
    store_close(&rig->store);
}

static bool count_row(void *ctx, const struct store_job_view *view)
{
    (void)view;
    ++*(unsigned *)ctx;
    return true;
}

Test(store_memory, jobs_are_claimed_settled_and_listed)
{
    struct rig rig;
    struct store_jobs jobs = {0};
    unsigned listed = 0;
    open_in_memory(&rig, directory);
    rig_put_urls(&rig, 2, (const char *const[]){"http://a.test/1", "http://a.test/2"});
    cr_expect_eq(rig_put_urls(&rig, 1, (const char *const[]){"http://a.test/1"}), 0, "seen");
    cr_assert_eq(rig_claim(&rig, 1, 60000, &jobs), 1);
    struct store_outcome done = rig_outcome(&jobs.jobs[0], STORE_DONE);
    cr_expect_eq(rig_settle(&rig, &done).outcomes_stale, 0);
    RIG_OK(&rig, store_list_jobs(rig.queue, NULL, 0, count_row, &listed, &rig.error));
    cr_expect_eq(listed, 2);
    cr_expect_eq(rig_counts(&rig).done, 1);
    store_jobs_fini(&jobs);
    close_memory(&rig);
}

Test(store_memory, documents_are_counted_and_dropped)
{
    struct rig rig;
    struct rig_document document;
    struct store_settled settled;
    uint64_t count = 0;
    open_in_memory(&rig, directory);
    rig_document(&document, "pages", "one", 7);
    const struct store_settlement settlement = {.documents = &document.document,
                                                .document_count = 1};
    RIG_OK(&rig, store_settle(rig.queue, &settlement, &settled, &rig.error));
    cr_expect_eq(settled.documents_new, 1);
    RIG_OK(&rig, store_document_count(rig.store, "pages", &count, &rig.error));
    cr_expect_eq(count, 1);
    cr_expect_eq(rig_stored(&rig, "pages", "one"), -1);
    close_memory(&rig);
}

Test(store_memory, a_stale_lease_changes_nothing)
{
    struct rig rig;
    struct store_jobs jobs = {0};
    open_in_memory(&rig, directory);
    rig_put_urls(&rig, 1, (const char *const[]){"http://a.test/1"});
    cr_assert_eq(rig_claim(&rig, 1, 60000, &jobs), 1);
    struct store_outcome stale = rig_outcome(&jobs.jobs[0], STORE_DONE);
    stale.token++; /* somebody else's lease */
    cr_expect_eq(rig_settle(&rig, &stale).outcomes_stale, 1);
    cr_expect_eq(rig_counts(&rig).leased, 1);
    store_jobs_fini(&jobs);
    close_memory(&rig);
}

Test(store_memory, two_stores_share_nothing_and_leave_nothing)
{
    struct rig one, other;
    char second[80];
    (void)snprintf(second, sizeof second, "%s/second", directory);
    open_in_memory(&one, directory);
    open_in_memory(&other, second);
    rig_put_urls(&one, 1, (const char *const[]){"http://a.test/1"});
    cr_expect_eq(rig_counts(&other).ready, 0);
    close_memory(&other);
    cr_expect_eq(rig_counts(&one).ready, 1);
    close_memory(&one);
    open_in_memory(&one, directory);
    cr_expect_eq(rig_counts(&one).ready, 0, "gone with its store");
    close_memory(&one);
    DIR *dir = opendir(second);
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        cr_expect(entry->d_name[0] == '.' || strcmp(entry->d_name, "lock") == 0, "%s",
                  entry->d_name);
    }
    closedir(dir);
}
