/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 in the middle of settles: what was acknowledged is there, nothing is there twice, and no
 * settle was applied by halves. */
#include "store_rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLS 20

/* Start the program, let it acknowledge some settles, kill it while it goes on. */
static void run_and_kill(const char *directory, uint64_t acknowledge, struct base_keyset *acks)
{
    int ends[2];
    char line[32];
    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        execl(STORE_CRASHER, STORE_CRASHER, directory, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *out = fdopen(ends[0], "r");
    for (uint64_t i = 0; fgets(line, sizeof line, out) != NULL; i++) {
        if (i == acknowledge) {
            kill(pid, SIGKILL); /* what it still wrote is read to the end: acknowledged, too */
        }
        if (strchr(line, '\n') != NULL) {
            base_keyset_add(acks, strtoull(line, NULL, 10));
        }
    }
    fclose(out);
    int status = 0;
    waitpid(pid, &status, 0);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it ended by itself: %d", status);
}

struct found {
    struct base_keyset ids;
    uint64_t rows;
};

static uint64_t id_key(const uint8_t *id)
{
    return base_hash64(id, STORE_ID_BYTES);
}

static bool collect(void *ctx, const char *collection, const uint8_t *bson, uint32_t len)
{
    struct found *found = ctx;
    (void)collection;
    cr_assert_gt(len, 21);
    cr_assert(base_keyset_add(&found->ids, id_key(bson + 9)), "a document is there twice");
    found->rows++;
    return true;
}

static bool count_job(void *ctx, const struct store_job_view *view)
{
    struct found *found = ctx;
    cr_assert(base_keyset_add(&found->ids, view->job->key), "a job is there twice");
    found->rows++;
    return true;
}

static void expect_documents_of(const struct found *found, uint64_t n)
{
    for (int i = 0; i < 3; i++) {
        char key[32];
        uint8_t id[STORE_ID_BYTES];
        int len = snprintf(key, sizeof key, "%llu-%d", (unsigned long long)n, i);
        store_document_id("pages", key, (size_t)len, id);
        cr_assert(base_keyset_has(&found->ids, id_key(id)), "acknowledged %s is lost", key);
    }
}

static void check(const char *directory, const struct base_keyset *acks, uint64_t jobs_max)
{
    struct rig rig = {.store = rig_open_sqlite(directory, &rig.error)};
    struct found documents = {.rows = 0}, jobs = {.rows = 0};
    uint64_t count = 0;
    base_keyset_init(&documents.ids, 1 << 20);
    base_keyset_init(&jobs.ids, 1 << 20);
    RIG_OK(&rig, store_queue_open(rig.store, "crawl/crash", &rig.queue, &rig.error));
    RIG_OK(&rig, store_documents(rig.store, "pages", collect, &documents, &rig.error));
    RIG_OK(&rig, store_list_jobs(rig.queue, NULL, 0, count_job, &jobs, &rig.error));
    RIG_OK(&rig, store_document_count(rig.store, "pages", &count, &rig.error));
    struct store_counts counts = rig_counts(&rig);
    cr_expect_eq(count, documents.rows, "the kept count is wrong");
    cr_expect_eq(counts.done * 3, documents.rows, "a settle was applied by halves");
    cr_expect_eq(counts.done + counts.ready + counts.leased + counts.waiting, jobs.rows);
    cr_expect_eq(jobs.rows, 3 * counts.done + 1, "links and outcomes do not match");
    cr_expect_geq(counts.done, acks->count);
    for (uint64_t n = 0; n < jobs_max; n++) {
        if (base_keyset_has(acks, n)) {
            expect_documents_of(&documents, n);
        }
    }
    base_keyset_fini(&documents.ids);
    base_keyset_fini(&jobs.ids);
    store_queue_close(&rig.queue);
    store_close(&rig.store);
}

Test(store_crash, nothing_acknowledged_is_lost_and_nothing_is_doubled, .timeout = 120)
{
    char directory[64];
    struct base_keyset acks;
    struct base_random random;
    base_random_init(&random, 0);
    base_keyset_init(&acks, 1 << 20);
    rig_make_directory(directory);
    for (int i = 0; i < KILLS; i++) {
        run_and_kill(directory, base_random_below(&random, 40), &acks);
        check(directory, &acks, 1 << 20);
    }
    cr_expect_gt(acks.count, KILLS);
    base_keyset_fini(&acks);
    rig_remove_directory(directory);
}
