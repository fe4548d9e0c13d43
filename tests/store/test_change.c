/* SPDX-License-Identifier: Apache-2.0 */
/* What a person does to jobs by hand: the same for every body. */
#include "store_rig.h"
#include "sync.h"

#include <stdio.h>
#include <string.h>

static struct store_job claim_one(struct rig *rig, struct store_jobs *jobs, const char *url)
{
    rig_put_urls(rig, 1, (const char *[]){url});
    cr_assert_eq(rig_claim(rig, 1, 600000, jobs), 1);
    return jobs->jobs[0];
}

static void end_as(struct rig *rig, const struct store_job *job, enum store_outcome_kind kind)
{
    struct store_outcome outcome = rig_outcome(job, kind);
    outcome.error_class = "timeout";
    outcome.reason = "it took too long";
    outcome.delay_ms = kind == STORE_RETRY ? 600000 : 0;
    cr_assert_eq(rig_settle(rig, &outcome).outcomes_stale, 0);
}

static uint64_t change(struct rig *rig, enum store_change how, const struct store_job *job)
{
    uint64_t changed = 77;
    RIG_OK(rig, store_change_jobs(rig->queue, how, job, 1, &changed, &rig->error));
    return changed;
}

struct seen {
    size_t count;
    char state[16], error_class[32];
    uint32_t attempts, deliveries;
};

static bool see(void *ctx, const struct store_job_view *view)
{
    struct seen *seen = ctx;
    seen->count++;
    (void)snprintf(seen->state, sizeof seen->state, "%s", view->state);
    (void)snprintf(seen->error_class, sizeof seen->error_class, "%s", view->error_class);
    seen->attempts = view->job->attempts;
    seen->deliveries = view->job->deliveries;
    return true;
}

static struct seen look(struct rig *rig)
{
    struct seen seen = {0};
    RIG_OK(rig, store_list_jobs(rig->queue, NULL, 0, see, &seen, &rig->error));
    return seen;
}

BEHAVIOUR(store_change, a_dead_job_is_tried_again_as_if_it_were_new)
{
    struct store_jobs jobs = {0};
    struct store_job job = claim_one(rig, &jobs, "http://a/1");
    end_as(rig, &job, STORE_DEAD);
    cr_expect_eq(change(rig, STORE_CHANGE_RETRY, &job), 1);
    struct seen seen = look(rig);
    cr_expect_str_eq(seen.state, "ready");
    cr_expect_str_eq(seen.error_class, "");
    cr_expect_eq(rig_counts(rig).ready, 1);
    cr_expect_eq(rig_counts(rig).dead, 0);
    cr_assert_eq(rig_claim(rig, 1, 600000, &jobs), 1);
    cr_expect_eq(jobs.jobs[0].attempts, 0);
    cr_expect_eq(jobs.jobs[0].deliveries, 1);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_change, the_outcome_that_killed_a_job_does_not_kill_it_again)
{
    struct store_jobs jobs = {0};
    struct store_job job = claim_one(rig, &jobs, "http://a/1");
    struct store_outcome dead = rig_outcome(&job, STORE_DEAD);
    rig_settle(rig, &dead);
    change(rig, STORE_CHANGE_RETRY, &job);
    cr_expect_eq(rig_settle(rig, &dead).outcomes_stale, 1);
    cr_expect_eq(rig_counts(rig).ready, 1);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_change, a_job_that_waits_for_its_retry_can_be_claimed_at_once)
{
    struct store_jobs jobs = {0};
    struct store_job job = claim_one(rig, &jobs, "http://a/1");
    end_as(rig, &job, STORE_RETRY);
    cr_expect_eq(rig_claim(rig, 1, 1000, &jobs), 0);
    cr_expect_eq(change(rig, STORE_CHANGE_RETRY, &job), 1);
    cr_expect_eq(rig_claim(rig, 1, 1000, &jobs), 1);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_change, retry_leaves_done_and_leased_jobs_alone)
{
    struct store_jobs jobs = {0};
    struct store_job job = claim_one(rig, &jobs, "http://a/1");
    cr_expect_eq(change(rig, STORE_CHANGE_RETRY, &job), 0);
    end_as(rig, &job, STORE_DONE);
    cr_expect_eq(change(rig, STORE_CHANGE_RETRY, &job), 0);
    cr_expect_eq(rig_counts(rig).done, 1);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_change, a_dropped_job_is_never_given_nor_found_anew)
{
    rig_put_urls(rig, 1, (const char *[]){"http://a/1"});
    struct store_job job = rig_job("http://a/1");
    struct store_jobs jobs = {0};
    cr_expect_eq(change(rig, STORE_CHANGE_DROP, &job), 1);
    cr_expect_eq(rig_claim(rig, 1, 1000, &jobs), 0);
    cr_expect_eq(rig_put_urls(rig, 1, (const char *[]){"http://a/1"}), 0);
    struct seen seen = look(rig);
    cr_expect_str_eq(seen.state, "dead");
    cr_expect_str_eq(seen.error_class, STORE_DROPPED);
    cr_expect_eq(rig_counts(rig).dead, 1);
    cr_expect_eq(change(rig, STORE_CHANGE_DROP, &job), 0);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_change, a_job_dropped_while_on_lease_is_taken_away_from_its_holder)
{
    struct store_jobs jobs = {0};
    struct store_job job = claim_one(rig, &jobs, "http://a/1");
    cr_expect_eq(change(rig, STORE_CHANGE_DROP, &job), 1);
    struct store_outcome done = rig_outcome(&job, STORE_DONE);
    cr_expect_eq(rig_settle(rig, &done).outcomes_stale, 1);
    cr_expect_eq(rig_counts(rig).done, 0);
    cr_expect_eq(rig_counts(rig).leased, 0);
    cr_expect_eq(rig_counts(rig).dead, 1);
    store_jobs_fini(&jobs);
}

BEHAVIOUR(store_change, a_dropped_job_comes_back_by_retry_and_an_unknown_one_is_ignored)
{
    rig_put_urls(rig, 1, (const char *[]){"http://a/1"});
    struct store_job job = rig_job("http://a/1"), stranger = rig_job("http://a/2");
    change(rig, STORE_CHANGE_DROP, &job);
    cr_expect_eq(change(rig, STORE_CHANGE_RETRY, &job), 1);
    cr_expect_eq(rig_counts(rig).ready, 1);
    cr_expect_eq(change(rig, STORE_CHANGE_DROP, &stranger), 0);
}

static bool remember(void *ctx, const char *name)
{
    struct base_buffer *names = ctx;
    base_buffer_printf(names, "%s;", name);
    return true;
}

BEHAVIOUR(store_change, the_names_of_queues_that_hold_something_are_listed)
{
    struct base_buffer names = {0};
    rig_put_urls(rig, 1, (const char *[]){"http://a/1"});
    struct store_queue *jobs_queue = NULL;
    RIG_OK(rig, store_queue_open(rig->store, "jobs", &jobs_queue, &rig->error));
    RIG_OK(rig, store_queue_names(rig->store, remember, &names, &rig->error));
    cr_expect_not_null(strstr(names.data, "jobs;"), "%s", names.data);
    cr_expect_not_null(strstr(names.data, "crawl/"), "%s", names.data);
    store_queue_close(&jobs_queue);
    base_buffer_fini(&names);
}

/* Somebody looks at the queue again and again, as a person's command does beside a process. */
struct onlooker {
    struct rig *rig;
    _Atomic bool may_leave;
    uint64_t failures;
};

static void open_and_close(void *arg)
{
    struct onlooker *onlooker = arg;
    while (!atomic_load_explicit(&onlooker->may_leave, memory_order_relaxed)) {
        struct store_queue *queue = NULL;
        struct base_error error = {0};
        onlooker->failures +=
            store_queue_open(onlooker->rig->store, "crawl/test", &queue, &error) != GLEANER_OK;
        store_queue_close(&queue);
    }
}

BEHAVIOUR(store_change, a_queue_that_somebody_else_closes_stays_open_for_us)
{
    enum { ONLOOKERS = 3, CALLS = 300 };
    struct onlooker onlookers[ONLOOKERS];
    struct sync_thread *threads[ONLOOKERS] = {NULL};
    struct store_jobs jobs = {0};
    for (int i = 0; i < ONLOOKERS; i++) {
        onlookers[i] = (struct onlooker){.rig = rig};
        cr_assert_eq(
            sync_thread_start(&threads[i], "onlooker", SYNC_READER, open_and_close, &onlookers[i]),
            GLEANER_OK);
    }
    for (int i = 0; i < CALLS; i++) {
        (void)rig_claim(rig, 1, 1000, &jobs);
    }
    for (int i = 0; i < ONLOOKERS; i++) {
        atomic_store_explicit(&onlookers[i].may_leave, true, memory_order_relaxed);
        sync_thread_join(&threads[i]);
        cr_expect_eq(onlookers[i].failures, 0);
    }
    store_jobs_fini(&jobs);
}
