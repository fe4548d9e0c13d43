/* SPDX-License-Identifier: Apache-2.0 */
/* Claims, leases, fencing: the same for every body. */
#include "store_rig.h"
#include "sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

BEHAVIOUR(store_claim, a_job_is_given_to_one_claim_only)
{
    struct store_jobs jobs = {0};
    rig_put_urls(rig, 1, (const char *[]){"http://a/1"});
    cr_assert_eq(rig_claim(rig, 10, 60000, &jobs), 1);
    cr_expect_str_eq(jobs.jobs[0].url, "http://a/1");
    cr_expect_str_eq(jobs.jobs[0].host, "http://a");
    cr_expect_str_eq(jobs.jobs[0].type, "page");
    cr_expect_eq(jobs.jobs[0].deliveries, 1);
    cr_expect_eq(jobs.jobs[0].attempts, 0);
    cr_expect_eq(rig_claim(rig, 10, 60000, &jobs), 0);
    cr_expect_eq(rig_counts(rig).leased, 1);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_claim, everything_given_to_enqueue_comes_back_from_claim)
{
    struct store_jobs jobs = {0};
    struct store_job job = rig_job("http://a/deep");
    job.via = "00ff,11ee";
    job.depth = 7;
    job.priority = 3;
    rig_put(rig, &job, 1);
    cr_assert_eq(rig_claim(rig, 1, 60000, &jobs), 1);
    cr_expect_eq(jobs.jobs[0].key, job.key);
    cr_expect_str_eq(jobs.jobs[0].via, "00ff,11ee");
    cr_expect_eq(jobs.jobs[0].depth, 7);
    cr_expect_eq(jobs.jobs[0].priority, 3);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_claim, the_same_key_is_enqueued_once)
{
    struct store_job job = rig_job("http://a/1");
    cr_expect_eq(rig_put(rig, &job, 1), 1);
    cr_expect_eq(rig_put(rig, &job, 1), 0);
    cr_expect_eq(rig_counts(rig).ready, 1);
}

BEHAVIOUR(store_claim, an_expired_lease_is_claimed_again_with_another_token)
{
    struct store_jobs first = {0}, second = {0};
    rig_put_urls(rig, 1, (const char *[]){"http://a/1"});
    cr_assert_eq(rig_claim(rig, 1, 3, &first), 1);
    rig_claim_when_due(rig, 60000, &second);
    cr_expect_neq(second.jobs[0].token, first.jobs[0].token);
    cr_expect_eq(second.jobs[0].deliveries, 2);
    store_jobs_fini(&first);
    store_jobs_fini(&second);
}

BEHAVIOUR(store_claim, an_outcome_under_an_old_token_changes_nothing)
{
    struct store_jobs first = {0}, second = {0};
    rig_put_urls(rig, 1, (const char *[]){"http://a/1"});
    rig_claim(rig, 1, 3, &first);
    rig_claim_when_due(rig, 60000, &second);
    struct store_outcome late = rig_outcome(&first.jobs[0], STORE_DONE);
    cr_expect_eq(rig_settle(rig, &late).outcomes_stale, 1);
    cr_expect_eq(rig_counts(rig).leased, 1);
    struct store_outcome done = rig_outcome(&second.jobs[0], STORE_DONE);
    cr_expect_eq(rig_settle(rig, &done).outcomes_stale, 0);
    cr_expect_eq(rig_counts(rig).done, 1);
    store_jobs_fini(&first);
    store_jobs_fini(&second);
}

BEHAVIOUR(store_claim, tokens_of_one_claim_are_all_different)
{
    struct store_jobs jobs = {0};
    rig_put_urls(rig, 3, (const char *[]){"http://a/1", "http://a/2", "http://a/3"});
    cr_assert_eq(rig_claim(rig, 3, 60000, &jobs), 3);
    cr_expect_neq(jobs.jobs[0].token, jobs.jobs[1].token);
    cr_expect_neq(jobs.jobs[1].token, jobs.jobs[2].token);
    cr_expect_neq(jobs.jobs[0].token, jobs.jobs[2].token);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_claim, a_lower_priority_number_comes_first)
{
    struct store_jobs jobs = {0};
    struct store_job late = rig_job("http://a/late"), soon = rig_job("http://a/soon");
    late.priority = 5;
    rig_put(rig, &late, 1);
    rig_put(rig, &soon, 1);
    cr_assert_eq(rig_claim(rig, 1, 60000, &jobs), 1);
    cr_expect_str_eq(jobs.jobs[0].url, "http://a/soon");
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_claim, only_the_wanted_types_are_claimed)
{
    struct store_jobs jobs = {0};
    struct store_job page = rig_job("http://a/page"), image = rig_job("http://a/image");
    const char *const types[] = {"video", "image"};
    const struct store_claim how = {
        .max_jobs = 9, .lease_ms = 60000, .owner = "o", .types = types, .type_count = 2};
    image.type = "image";
    rig_put(rig, &page, 1);
    rig_put(rig, &image, 1);
    RIG_OK(rig, store_claim(rig->queue, &how, &jobs, &rig->error));
    cr_assert_eq(jobs.count, 1);
    cr_expect_str_eq(jobs.jobs[0].url, "http://a/image");
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_claim, one_host_gets_no_more_than_its_share_of_a_claim)
{
    struct store_jobs jobs = {0};
    char urls[60][32];
    for (int i = 0; i < 60; i++) { /* fifty of a, then ten of b */
        snprintf(urls[i], sizeof urls[i], "http://%c/%d", i < 50 ? 'a' : 'b', i);
        rig_put_urls(rig, 1, (const char *[]){urls[i]});
    }
    const struct store_claim how = {
        .max_jobs = 20, .lease_ms = 60000, .owner = "o", .max_per_host = 4};
    RIG_OK(rig, store_claim(rig->queue, &how, &jobs, &rig->error));
    size_t of_b = 0;
    for (size_t i = 0; i < jobs.count; i++) {
        of_b += strcmp(jobs.jobs[i].host, "http://b") == 0;
    }
    cr_expect_eq(jobs.count, 8);
    cr_expect_eq(of_b, 4);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_claim, a_job_claimed_too_often_becomes_a_dead_letter)
{
    struct store_jobs jobs = {0};
    const struct store_claim how = {
        .max_jobs = 5, .lease_ms = 1, .owner = "o", .max_deliveries = 2};
    rig_put_urls(rig, 1, (const char *[]){"http://a/bomb"});
    uint32_t claimed = 0;
    while (rig_counts(rig).dead == 0) {
        RIG_OK(rig, store_claim(rig->queue, &how, &jobs, &rig->error));
        claimed += (uint32_t)jobs.count;
    }
    cr_expect_eq(claimed, 2);
    cr_expect_eq(rig_counts(rig).leased, 0);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_claim, a_renewed_lease_is_kept_and_a_lost_one_is_told)
{
    struct store_jobs jobs = {0}, taken = {0};
    uint64_t lost = 9;
    rig_put_urls(rig, 1, (const char *[]){"http://a/1"});
    rig_claim(rig, 1, 50, &jobs);
    struct store_outcome held = rig_outcome(&jobs.jobs[0], STORE_DONE);
    RIG_OK(rig, store_renew(rig->queue, &held, 1, 600000, &lost, &rig->error));
    cr_expect_eq(lost, 0);
    cr_expect_gt(rig_counts(rig).next_due_ms, 60000);
    RIG_OK(rig, store_renew(rig->queue, &held, 1, 1, &lost, &rig->error));
    rig_claim_when_due(rig, 60000, &taken);
    RIG_OK(rig, store_renew(rig->queue, &held, 1, 60000, &lost, &rig->error));
    cr_expect_eq(lost, 1);
    store_jobs_fini(&jobs);
    store_jobs_fini(&taken);
}

BEHAVIOUR(store_claim, leases_of_a_crashed_owner_are_given_back_at_once)
{
    struct store_jobs jobs = {0};
    uint64_t released = 0;
    rig_put_urls(rig, 2, (const char *[]){"http://a/1", "http://a/2"});
    cr_assert_eq(rig_claim(rig, 2, 600000, &jobs), 2);
    RIG_OK(rig, store_release_owner(rig->queue, "gleaner/other/2", &released, &rig->error));
    cr_expect_eq(released, 0);
    RIG_OK(rig, store_release_owner(rig->queue, "gleaner/t/1", &released, &rig->error));
    cr_expect_eq(released, 2);
    cr_expect_eq(rig_claim(rig, 2, 600000, &jobs), 2);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_claim, an_empty_claim_is_no_error)
{
    struct store_jobs jobs = {0};
    cr_expect_eq(rig_claim(rig, 5, 1000, &jobs), 0);
    cr_expect_eq(rig_counts(rig).next_due_ms, UINT64_MAX);
    store_jobs_fini(&jobs);
}

/* ---- two threads ---- */

#define SHARED_JOBS 300

struct taker {
    struct rig *rig;
    struct base_error error;
    enum gleaner_status status;
    uint64_t keys[SHARED_JOBS];
    size_t count;
};

static void take_all(void *arg)
{
    struct taker *taker = arg;
    struct store_jobs jobs = {0};
    const struct store_claim how = {.max_jobs = 7, .lease_ms = 600000, .owner = "o"};
    do {
        taker->status = store_claim(taker->rig->queue, &how, &jobs, &taker->error);
        for (size_t i = 0; i < jobs.count && taker->status == GLEANER_OK; i++) {
            taker->keys[taker->count++] = jobs.jobs[i].key;
        }
    } while (taker->status == GLEANER_OK && jobs.count > 0);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_claim, two_threads_never_get_the_same_job)
{
    static struct taker takers[2];
    static char urls[SHARED_JOBS][32];
    static struct store_job jobs[SHARED_JOBS];
    struct sync_thread *threads[2];
    struct base_keyset seen;
    base_keyset_init(&seen, 1024);
    for (int i = 0; i < SHARED_JOBS; i++) {
        snprintf(urls[i], sizeof urls[i], "http://h%d/%d", i % 5, i);
        jobs[i] = rig_job(urls[i]);
    }
    cr_assert_eq(rig_put(rig, jobs, SHARED_JOBS), SHARED_JOBS);
    for (int i = 0; i < 2; i++) {
        takers[i].rig = rig;
        cr_assert_eq(sync_thread_start(&threads[i], "taker", SYNC_READER, take_all, &takers[i]),
                     GLEANER_OK);
    }
    for (int i = 0; i < 2; i++) {
        sync_thread_join(&threads[i]);
        cr_assert_eq(takers[i].status, GLEANER_OK, "%s", takers[i].error.message);
        for (size_t k = 0; k < takers[i].count; k++) {
            cr_expect(base_keyset_add(&seen, takers[i].keys[k]), "claimed twice");
        }
    }
    cr_expect_eq(takers[0].count + takers[1].count, SHARED_JOBS);
    base_keyset_fini(&seen);
}
