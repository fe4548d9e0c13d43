/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A queue over the real embedded store in a directory of its own. */
struct fixture {
    char directory[64];
    struct store *store;
    struct store_queue *jobs;
    struct queue_scope *scope;
    struct queue *queue;
    struct queue_links links;
};
static struct fixture f;

static void set_up(void)
{
    static const char *const seeds[] = {"http://a.test/"};
    struct base_error error = {0};
    snprintf(f.directory, sizeof(f.directory), "/tmp/gleaner-queue-XXXXXX");
    cr_assert_not_null(mkdtemp(f.directory));
    struct store_sqlite_options options = {.directory = f.directory, .durable = false};
    cr_assert_eq(store_sqlite_open(&options, &f.store, &error), GLEANER_OK, "%s", error.message);
    cr_assert_eq(store_queue_open(f.store, "crawl/test", &f.jobs, &error), GLEANER_OK);
    struct queue_scope_options scope = {
        .seeds = seeds, .seed_count = 1, .same_host = true, .max_depth = 5};
    cr_assert_eq(queue_scope_create(&scope, &f.scope, &error), GLEANER_OK);
    struct queue_options queue = {.store = f.jobs,
                                  .scope = f.scope,
                                  .owner = "test",
                                  .max_attempts = 3,
                                  .retry_base_ms = 100,
                                  .retry_cap_ms = 1000};
    cr_assert_eq(queue_create(&queue, &f.queue), GLEANER_OK);
}

static void tear_down(void)
{
    char command[128];
    queue_links_fini(&f.links);
    queue_destroy(&f.queue);
    queue_scope_destroy(&f.scope);
    store_queue_close(&f.jobs);
    store_close(&f.store);
    snprintf(command, sizeof(command), "rm -rf '%s'", f.directory);
    cr_assert_eq(system(command), 0);
}
TestSuite(links, .init = set_up, .fini = tear_down, .timeout = 20);

static bool add(const char *url)
{
    return queue_links_add(f.queue, &f.links, url, strlen(url), 1, "");
}

static uint64_t settle_links(void)
{
    struct store_settlement settlement = {.links = f.links.jobs, .link_count = f.links.count};
    struct store_settled settled;
    struct base_error error;
    cr_assert_eq(queue_settle(f.queue, &settlement, &settled, &error), GLEANER_OK);
    queue_links_reset(&f.links);
    return settled.links_new;
}

Test(links, each_link_of_a_batch_is_offered_once)
{
    cr_assert(add("http://a.test/x"));
    cr_assert_not(add("http://a.test/x"));
    cr_assert(add("http://a.test/y"));
    cr_assert_not(add("http://b.test/outside"));
    cr_assert_eq(f.links.count, 2);
    cr_assert_str_eq(f.links.jobs[0].host, "http://a.test");
}

Test(links, a_link_is_seen_only_after_it_was_settled)
{
    cr_assert(add("http://a.test/x"));
    queue_links_reset(&f.links); /* the page failed: its links were not settled */
    cr_assert(add("http://a.test/x"));
    cr_assert_eq(settle_links(), 1);
    cr_assert_not(add("http://a.test/x"));
}

Test(links, a_seed_that_is_there_already_is_not_enqueued_again)
{
    const char *const urls[] = {"http://a.test/", "http://a.test/two"};
    uint64_t inserted = 0;
    cr_assert_eq(queue_seed(f.queue, urls, 2, "page", &inserted, NULL), GLEANER_OK);
    cr_assert_eq(inserted, 2);
    cr_assert_eq(queue_seed(f.queue, urls, 2, "page", &inserted, NULL), GLEANER_OK);
    cr_assert_eq(inserted, 0);
}

Test(links, a_failure_is_retried_with_growing_bounds_then_dead)
{
    struct store_job job = {.key = 7, .token = 9};
    struct store_outcome outcome;
    for (job.attempts = 0; job.attempts < 2; job.attempts++) {
        queue_decide_failure(f.queue, &job, false, 0, &outcome);
        cr_assert_eq(outcome.kind, STORE_RETRY);
        cr_assert_leq(outcome.delay_ms, 100u << job.attempts);
        cr_assert_eq(outcome.token, 9);
    }
    queue_decide_failure(f.queue, &job, false, 0, &outcome);
    cr_assert_eq(outcome.kind, STORE_DEAD);
}

Test(links, a_permanent_failure_is_dead_at_once)
{
    struct store_job job = {.key = 7};
    struct store_outcome outcome;
    queue_decide_failure(f.queue, &job, true, 0, &outcome);
    cr_assert_eq(outcome.kind, STORE_DEAD);
}

Test(links, the_servers_retry_after_is_a_lower_bound)
{
    struct store_job job = {.key = 7};
    struct store_outcome outcome;
    queue_decide_failure(f.queue, &job, false, 30000, &outcome);
    cr_assert_geq(outcome.delay_ms, 30000);
}

Test(links, claimed_minus_settled_is_what_is_held)
{
    const char *const urls[] = {"http://a.test/", "http://a.test/two"};
    struct store_jobs jobs = {0};
    struct queue_stats stats;
    cr_assert_eq(queue_seed(f.queue, urls, 2, "page", NULL, NULL), GLEANER_OK);
    cr_assert_eq(queue_claim(f.queue, 10, NULL, &jobs, NULL), GLEANER_OK);
    cr_assert_eq(jobs.count, 2);
    queue_read_stats(f.queue, &stats);
    cr_assert_eq(stats.held, 2);
    struct store_outcome outcome = {.key = jobs.jobs[0].key,
                                    .token = jobs.jobs[0].token,
                                    .kind = STORE_DONE,
                                    .error_class = "",
                                    .reason = ""};
    struct store_settlement settlement = {.outcomes = &outcome, .outcome_count = 1};
    struct store_settled settled;
    cr_assert_eq(queue_settle(f.queue, &settlement, &settled, NULL), GLEANER_OK);
    queue_read_stats(f.queue, &stats);
    cr_assert_eq(stats.held, 1);
    store_jobs_fini(&jobs);
}
