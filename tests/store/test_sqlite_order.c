/* SPDX-License-Identifier: Apache-2.0 */
/* The order of claims in the embedded store: hosts take turns. */
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 20000

static void put_many(struct rig *rig, const char *host, int count)
{
    char(*urls)[48] = calloc((size_t)count, sizeof *urls);
    struct store_job *jobs = calloc((size_t)count, sizeof *jobs);
    cr_assert(urls != NULL && jobs != NULL);
    for (int i = 0; i < count; i++) {
        snprintf(urls[i], sizeof urls[i], "%s/%d", host, i);
        jobs[i] = rig_job(urls[i]);
        jobs[i].host = host;
    }
    cr_assert_eq(rig_put(rig, jobs, (size_t)count), (uint64_t)count);
    free(urls);
    free(jobs);
}

static size_t of_host(const struct store_jobs *jobs, const char *host)
{
    size_t count = 0;
    for (size_t i = 0; i < jobs->count; i++) {
        count += strcmp(jobs->jobs[i].host, host) == 0;
    }
    return count;
}

Test(store_order, hosts_take_turns_however_many_jobs_each_has, .timeout = 60)
{
    struct rig rig;
    struct store_jobs jobs = {0};
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    put_many(&rig, "http://large", MANY);
    put_many(&rig, "http://small", 10);
    cr_assert_eq(rig_claim(&rig, 20, 600000, &jobs), 20);
    cr_expect_eq(of_host(&jobs, "http://small"), 10);
    store_jobs_fini(&jobs);
    rig_close(&rig);
}

Test(store_order, a_host_seen_later_does_not_wait_for_the_backlog_of_another, .timeout = 60)
{
    struct rig rig;
    struct store_jobs jobs = {0};
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    put_many(&rig, "http://large", MANY);
    cr_assert_eq(rig_claim(&rig, 500, 600000, &jobs), 500);
    put_many(&rig, "http://late", 2);
    cr_assert_eq(rig_claim(&rig, 5, 600000, &jobs), 5);
    cr_expect_eq(of_host(&jobs, "http://late"), 2);
    store_jobs_fini(&jobs);
    rig_close(&rig);
}

Test(store_order, a_host_seen_after_a_restart_does_not_wait_either, .timeout = 60)
{
    struct rig rig;
    struct store_jobs jobs = {0};
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    put_many(&rig, "http://large", MANY);
    cr_assert_eq(rig_claim(&rig, 500, 600000, &jobs), 500);
    store_queue_close(&rig.queue);
    store_close(&rig.store);
    rig.store = rig_open_sqlite(rig.directory, &rig.error);
    RIG_OK(&rig, store_queue_open(rig.store, "crawl/test", &rig.queue, &rig.error));
    put_many(&rig, "http://late", 2);
    cr_assert_eq(rig_claim(&rig, 10, 600000, &jobs), 10);
    cr_expect_eq(of_host(&jobs, "http://late"), 2);
    store_jobs_fini(&jobs);
    rig_close(&rig);
}

Test(store_order, one_host_comes_in_the_order_of_its_links, .timeout = 60)
{
    struct rig rig;
    struct store_jobs jobs = {0};
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    put_many(&rig, "http://a", 50);
    cr_assert_eq(rig_claim(&rig, 50, 600000, &jobs), 50);
    for (size_t i = 0; i < jobs.count; i++) {
        char url[48];
        snprintf(url, sizeof url, "http://a/%zu", i);
        cr_expect_str_eq(jobs.jobs[i].url, url);
    }
    store_jobs_fini(&jobs);
    rig_close(&rig);
}
