/* SPDX-License-Identifier: Apache-2.0 */
/* Stops, failing stores, long modules, crashes. */
#include "rig.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct rig rig;

static void set_up(void)
{
    rig_start(&rig);
}

static void tear_down(void)
{
    rig_end(&rig);
}
TestSuite(life, .init = set_up, .fini = tear_down, .timeout = 90);

Test(life, a_crawl_that_was_stopped_goes_on_to_the_complete_set)
{
    struct worker_stats stats;
    rig.tree = "120";
    rig.gate_is_open = false; /* pages n=5, n=50..59 */
    rig.fetch.max_transfers = 4;
    rig.working.prefetch = 8;
    rig_open(&rig);
    rig_seed(&rig, rig_url(&rig, "/ok?n=1"));
    rig_run(&rig);
    rig_wait_at_gate(&rig);
    worker_group_request_stop(rig.group, base_mono_ns() + 30 * BASE_NS_PER_S);
    rig_open_gate(&rig);
    worker_group_join(&rig.group);
    uint64_t before = rig_document_count(&rig);
    cr_expect_gt(before, 0);
    cr_expect_lt(before, 120);
    cr_expect_eq(rig_counts(&rig).leased, 0, "all leases are settled or handed back");
    rig_close(&rig);

    rig_open(&rig);
    rig_run(&rig);
    cr_assert(worker_group_wait(rig.group, base_mono_ns() + 60 * BASE_NS_PER_S));
    worker_group_read_stats(rig.group, &stats);
    rig_finish(&rig);
    cr_expect_eq(rig_document_count(&rig), 120);
    cr_expect_eq(stats.documents_new, 120 - before);
    cr_expect_eq(stats.documents_replaced, 0, "a clean stop does nothing twice");
}

Test(life, what_is_not_done_at_the_stops_deadline_is_handed_back)
{
    rig.gate_is_open = false;
    rig_open(&rig);
    rig_seed(&rig, rig_url(&rig, "/late?ms=60000"));
    rig_run(&rig);
    while (rig_counts(&rig).leased == 0) {
        sync_cpu_relax(); /* until it is claimed */
    }
    rig_stop(&rig, 1);
    cr_expect_eq(rig_counts(&rig).ready, 1);
    cr_expect_eq(rig_counts(&rig).leased, 0);
}

/* No file of this process grows any more: the store cannot write. Only the soft limit. */
static void forbid_writing(bool forbid)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = forbid ? 1 : limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void wait_for_settle_errors(uint64_t count)
{
    struct worker_stats stats = {0};
    while (stats.settle_errors < count) {
        worker_group_read_stats(rig.group, &stats);
        sync_cpu_relax();
    }
}

Test(life, a_batch_that_the_store_does_not_take_is_kept_and_settled_later)
{
    struct worker_stats stats;
    rig.tree = "40";
    rig.gate_is_open = false;
    rig_open(&rig);
    rig_seed(&rig, rig_url(&rig, "/ok?n=1"));
    rig_run(&rig);
    rig_wait_at_gate(&rig);
    forbid_writing(true);
    rig_open_gate(&rig);
    wait_for_settle_errors(3);
    worker_group_read_stats(rig.group, &stats);
    cr_expect_str_not_empty(stats.last_error);
    forbid_writing(false);
    rig_finish(&rig);
    size_t most = 0;
    cr_expect_eq(rig_document_count(&rig), 40);
    cr_expect_eq(rig_requests(&rig, "/ok", &most), 40, "nothing was fetched again");
    cr_expect_eq(most, 1);
}

Test(life, a_stop_repeats_a_failing_settle_until_its_deadline)
{
    rig.gate_is_open = false;
    rig_open(&rig);
    rig_seed(&rig, rig_url(&rig, "/ok?n=5"));
    rig_run(&rig);
    rig_wait_at_gate(&rig);
    forbid_writing(true);
    worker_group_request_stop(rig.group, base_mono_ns() + 60 * BASE_NS_PER_S);
    rig_open_gate(&rig);
    wait_for_settle_errors(2);
    forbid_writing(false);
    worker_group_join(&rig.group);
    cr_expect_eq(rig_document_count(&rig), 1);
    cr_expect_eq(rig_counts(&rig).done, 1);
}

Test(life, a_crawl_gives_up_when_settling_fails_for_too_long)
{
    struct worker_stats stats;
    rig.gate_is_open = false;
    rig.working.give_up_ms = 100;
    rig_open(&rig);
    rig_seed(&rig, rig_url(&rig, "/ok?n=5"));
    rig_run(&rig);
    rig_wait_at_gate(&rig);
    forbid_writing(true);
    rig_open_gate(&rig);
    cr_assert(worker_group_wait(rig.group, base_mono_ns() + 60 * BASE_NS_PER_S));
    worker_group_read_stats(rig.group, &stats);
    worker_group_join(&rig.group);
    forbid_writing(false);
    cr_expect(stats.has_given_up);
    cr_expect_neq(stats.last_settle_status, GLEANER_OK);
    cr_expect_eq(rig_document_count(&rig), 0);
}

Test(life, a_crawl_gives_up_when_nothing_can_be_claimed)
{
    struct worker_stats stats;
    rig.working.give_up_ms = 100;
    rig_open(&rig);
    rig_seed(&rig, rig_url(&rig, "/ok?n=1"));
    forbid_writing(true);
    rig_run(&rig);
    cr_assert(worker_group_wait(rig.group, base_mono_ns() + 60 * BASE_NS_PER_S));
    worker_group_read_stats(rig.group, &stats);
    worker_group_join(&rig.group);
    forbid_writing(false);
    cr_expect(stats.has_given_up);
    cr_expect_eq(rig_counts(&rig).ready, 1, "nothing is lost");
}

/* The lease is 2 s; the module stays three times as long. Whoever asks meanwhile gets nothing. */
Test(life, a_lease_is_renewed_while_every_worker_is_inside_a_module)
{
    struct store_jobs taken = {0};
    const struct store_claim other = {.max_jobs = 1, .lease_ms = 1000, .owner = "other"};
    rig.gate_is_open = false;
    rig.queueing.lease_ms = 2000;
    rig.working.threads = 1;
    rig_open(&rig);
    rig_seed(&rig, rig_url(&rig, "/ok?n=5"));
    rig_run(&rig);
    rig_wait_at_gate(&rig);
    for (uint64_t end_ns = base_mono_ns() + 6 * BASE_NS_PER_S; base_mono_ns() < end_ns;) {
        cr_assert_eq(store_claim(rig.jobs, &other, &taken, NULL), GLEANER_OK);
        cr_assert_eq(taken.count, 0, "the lease ran out");
        usleep(50000);
    }
    rig_open_gate(&rig);
    rig_finish(&rig);
    store_jobs_fini(&taken);
    cr_expect_eq(rig_counts(&rig).done, 1);
}

/* ---- crashes ---- */

static int crawl_in_child(const char *seed)
{
    pid_t child = fork();
    if (child == 0) {
        rig_open(&rig);
        rig_crawl(&rig, seed, NULL);
        rig_close(&rig);
        _exit(0);
    }
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

Test(life, a_page_that_brings_the_process_down_is_buried_and_the_others_are_stored)
{
    char words[300], path[100];
    snprintf(path, sizeof(path), "%s/suspects", rig.directory);
    rig.tree = "40";
    rig.working.suspects_path = path;
    rig.queueing.max_deliveries = 3;
    const char *bomb = rig_script(&rig, "crash");
    snprintf(words, sizeof(words), "doc link=%s link=%s", bomb, rig_url(&rig, "/ok?n=1"));
    const char *seed = rig_script(&rig, words);
    int crashes = 0;
    while (crawl_in_child(seed) != 0) {
        cr_assert_lt(++crashes, 10, "it goes on crashing");
    }
    cr_expect_eq(crashes, 3);
    rig_open(&rig);
    cr_expect_not_null(strstr(rig_dead(&rig), "poison: "), "%s", rig_dead(&rig));
    cr_expect_eq(rig_document_count(&rig), 41);
    cr_expect_eq(rig_counts(&rig).done, 41);
}
