/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes, links, counts and lists: the same for every body. */
#include "store_rig.h"

#include <string.h>

static struct store_job claim_one(struct rig *rig, struct store_jobs *jobs, const char *url)
{
    rig_put_urls(rig, 1, (const char *[]){url});
    cr_assert_eq(rig_claim(rig, 1, 600000, jobs), 1);
    return jobs->jobs[0];
}

BEHAVIOUR(store_settle, a_done_job_is_never_given_again)
{
    struct store_jobs jobs = {0};
    struct store_job job = claim_one(rig, &jobs, "http://a/1");
    struct store_outcome done = rig_outcome(&job, STORE_DONE);
    rig_settle(rig, &done);
    cr_expect_eq(rig_put_urls(rig, 1, (const char *[]){"http://a/1"}), 0);
    cr_expect_eq(rig_claim(rig, 1, 1000, &jobs), 0);
    cr_expect_eq(rig_counts(rig).done, 1);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_settle, a_retried_job_waits_for_its_time_and_counts_the_attempt)
{
    struct store_jobs jobs = {0};
    struct store_job job = claim_one(rig, &jobs, "http://a/1");
    struct store_outcome retry = rig_outcome(&job, STORE_RETRY);
    retry.delay_ms = 600000;
    rig_settle(rig, &retry);
    struct store_counts counts = rig_counts(rig);
    cr_expect_eq(counts.waiting, 1);
    cr_expect_eq(counts.ready, 0);
    cr_expect_gt(counts.next_due_ms, 500000);
    cr_expect_eq(rig_claim(rig, 1, 1000, &jobs), 0);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_settle, a_retry_that_is_due_is_claimed_with_one_attempt_more)
{
    struct store_jobs jobs = {0};
    struct store_job job = claim_one(rig, &jobs, "http://a/1");
    struct store_outcome retry = rig_outcome(&job, STORE_RETRY);
    retry.delay_ms = 2;
    rig_settle(rig, &retry);
    rig_claim_when_due(rig, 600000, &jobs);
    cr_expect_eq(jobs.jobs[0].attempts, 1);
    cr_expect_eq(jobs.jobs[0].deliveries, 2);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_settle, a_job_released_with_a_delay_waits_and_counts_nothing)
{
    struct store_jobs jobs = {0};
    struct store_job job = claim_one(rig, &jobs, "http://a/1");
    struct store_outcome release = rig_outcome(&job, STORE_RELEASE);
    release.delay_ms = 600000;
    rig_settle(rig, &release);
    cr_expect_eq(rig_counts(rig).waiting, 1);
    cr_expect_eq(rig_claim(rig, 1, 1000, &jobs), 0);

    job = claim_one(rig, &jobs, "http://a/2");
    release = rig_outcome(&job, STORE_RELEASE);
    release.delay_ms = 2;
    rig_settle(rig, &release);
    rig_claim_when_due(rig, 600000, &jobs);
    cr_expect_eq(jobs.jobs[0].attempts, 0);
    cr_expect_eq(jobs.jobs[0].deliveries, 1);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_settle, a_released_job_is_as_if_it_had_never_been_claimed)
{
    struct store_jobs jobs = {0};
    struct store_job job = claim_one(rig, &jobs, "http://a/1");
    struct store_outcome release = rig_outcome(&job, STORE_RELEASE);
    rig_settle(rig, &release);
    cr_assert_eq(rig_claim(rig, 1, 600000, &jobs), 1);
    cr_expect_eq(jobs.jobs[0].deliveries, 1);
    cr_expect_eq(jobs.jobs[0].attempts, 0);
    store_jobs_fini(&jobs);
}

static bool expect_dead(void *ctx, const struct store_job_view *view)
{
    size_t *rows = ctx;
    ++*rows;
    cr_expect_str_eq(view->state, "dead");
    cr_expect_str_eq(view->job->url, "http://a/gone");
    cr_expect_str_eq(view->error_class, "http_4xx");
    cr_expect_str_eq(view->reason, "the server says 404");
    return true;
}

BEHAVIOUR(store_settle, a_dead_letter_keeps_its_class_and_reason)
{
    struct store_jobs jobs = {0};
    size_t rows = 0;
    struct store_job job = claim_one(rig, &jobs, "http://a/gone");
    struct store_outcome dead = rig_outcome(&job, STORE_DEAD);
    dead.error_class = "http_4xx";
    dead.reason = "the server says 404";
    rig_settle(rig, &dead);
    cr_expect_eq(rig_counts(rig).dead, 1);
    RIG_OK(rig, store_list_jobs(rig->queue, "dead", 10, expect_dead, &rows, &rig->error));
    cr_expect_eq(rows, 1);
    RIG_OK(rig, store_list_jobs(rig->queue, "done", 10, expect_dead, &rows, &rig->error));
    cr_expect_eq(rows, 1);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_settle, a_repeated_settlement_changes_nothing)
{
    struct store_jobs jobs = {0};
    struct store_settled settled;
    struct rig_document document;
    struct store_job job = claim_one(rig, &jobs, "http://a/1");
    struct store_job links[] = {rig_job("http://a/2"), rig_job("http://b/3")};
    struct store_outcome done = rig_outcome(&job, STORE_DONE);
    rig_document(&document, "pages", "http://a/1", 11);
    const struct store_settlement settlement = {.documents = &document.document,
                                                .document_count = 1,
                                                .links = links,
                                                .link_count = 2,
                                                .outcomes = &done,
                                                .outcome_count = 1};
    RIG_OK(rig, store_settle(rig->queue, &settlement, &settled, &rig->error));
    cr_expect_eq(settled.documents_new, 1);
    cr_expect_eq(settled.links_new, 2);
    RIG_OK(rig, store_settle(rig->queue, &settlement, &settled, &rig->error));
    cr_expect_eq(settled.documents_new, 0);
    cr_expect_eq(settled.links_new, 0);
    struct store_counts counts = rig_counts(rig);
    cr_expect_eq(counts.done, 1);
    cr_expect_eq(counts.ready, 2);
    cr_expect_eq(rig_stored(rig, "pages", "http://a/1"), 11);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_settle, a_repeated_retry_counts_one_attempt)
{
    struct store_jobs jobs = {0};
    struct store_job job = claim_one(rig, &jobs, "http://a/1");
    struct store_outcome retry = rig_outcome(&job, STORE_RETRY);
    retry.delay_ms = 1;
    rig_settle(rig, &retry);
    rig_settle(rig, &retry);
    rig_claim_when_due(rig, 600000, &jobs);
    cr_expect_eq(jobs.jobs[0].attempts, 1);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_settle, links_are_claimed_like_enqueued_jobs)
{
    struct store_jobs jobs = {0};
    struct store_settled settled;
    struct store_job links[] = {rig_job("http://a/2"), rig_job("http://a/2")};
    const struct store_settlement settlement = {.links = links, .link_count = 2};
    RIG_OK(rig, store_settle(rig->queue, &settlement, &settled, &rig->error));
    cr_expect_eq(settled.links_new, 1);
    cr_assert_eq(rig_claim(rig, 5, 1000, &jobs), 1);
    cr_expect_str_eq(jobs.jobs[0].url, "http://a/2");
    store_jobs_fini(&jobs);
}

static bool count_row(void *ctx, const struct store_job_view *view)
{
    (void)view;
    size_t *rows = ctx;
    return ++*rows < 3;
}

BEHAVIOUR(store_settle, a_list_ends_at_its_limit_or_when_told)
{
    size_t rows = 0;
    rig_put_urls(rig, 4, (const char *[]){"http://a/1", "http://a/2", "http://a/3", "http://a/4"});
    RIG_OK(rig, store_list_jobs(rig->queue, NULL, 2, count_row, &rows, &rig->error));
    cr_expect_eq(rows, 2);
    rows = 0;
    RIG_OK(rig, store_list_jobs(rig->queue, NULL, 100, count_row, &rows, &rig->error));
    cr_expect_eq(rows, 3);
}

BEHAVIOUR(store_settle, a_dropped_queue_is_empty_and_takes_the_same_jobs_again)
{
    rig_put_urls(rig, 1, (const char *[]){"http://a/1"});
    RIG_OK(rig, store_queue_drop(rig->store, "crawl/test", &rig->error));
    struct store_counts counts = rig_counts(rig);
    cr_expect_eq(counts.ready, 0);
    cr_expect_eq(rig_put_urls(rig, 1, (const char *[]){"http://a/1"}), 1);
}

BEHAVIOUR(store_settle, queues_do_not_see_each_other)
{
    struct store_queue *mine = rig->queue, *other = NULL;
    RIG_OK(rig, store_queue_open(rig->store, "crawl/other", &other, &rig->error));
    rig_put_urls(rig, 1, (const char *[]){"http://a/1"});
    rig->queue = other;
    cr_expect_eq(rig_counts(rig).ready, 0);
    cr_expect_eq(rig_put_urls(rig, 1, (const char *[]){"http://a/1"}), 1);
    rig->queue = mine;
    store_queue_close(&other);
}

static bool count_found(void *ctx, const struct store_job_view *view)
{
    size_t *found = ctx;
    *found += view->content_found;
    return true;
}

BEHAVIOUR(store_settle, a_listed_job_says_whether_content_was_found)
{
    struct store_jobs jobs = {0};
    size_t found = 0;
    struct store_job page = claim_one(rig, &jobs, "http://a/1");
    struct store_outcome done = rig_outcome(&page, STORE_DONE);
    done.content_found = true;
    rig_settle(rig, &done);
    struct store_job redirect = claim_one(rig, &jobs, "http://a/2");
    struct store_outcome moved = rig_outcome(&redirect, STORE_DONE);
    moved.error_class = "redirect";
    rig_settle(rig, &moved);
    RIG_OK(rig, store_list_jobs(rig->queue, "done", 0, count_found, &found, &rig->error));
    cr_expect_eq(found, 1);
    store_jobs_fini(&jobs);
}
