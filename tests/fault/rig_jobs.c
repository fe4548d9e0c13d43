/* SPDX-License-Identifier: Apache-2.0 */
#include "rig_jobs.h"

#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS_MAX = 16, JOBS_MAX = 256, LEASE_MS = 20000, URL_BYTES = 64, OPERATION_MS = 5000 };

struct rig_jobs {
    struct store *store;
    struct store_queue *queue;
    struct sync_thread *threads[WORKERS_MAX];
    uint32_t thread_count, work_ms;
    uint64_t submitted;
    _Atomic uint64_t settled, last_done_ns;
    _Atomic bool must_stop;
};

static bool stops(struct rig_jobs *jobs)
{
    return atomic_load_explicit(&jobs->must_stop, memory_order_relaxed);
}

/* One document a job, its key the job's URL: the same job twice is the same document. */
static void settle(struct rig_jobs *jobs, const struct store_job *job)
{
    struct store_document document = {.collection = "jobpages", .url = job->url};
    struct store_outcome outcome = {.key = job->key,
                                    .token = job->token,
                                    .kind = STORE_DONE,
                                    .error_class = "",
                                    .reason = "",
                                    .content_found = true};
    bson_t *bson = BCON_NEW("url", BCON_UTF8(job->url), "title", BCON_UTF8("a page"));
    memcpy(outcome.id, job->id, sizeof outcome.id);
    document.bson = bson_get_data(bson);
    document.bson_len = bson->len;
    store_document_id(document.collection, job->url, strlen(job->url), document.id);
    struct store_settlement settlement = {
        .documents = &document, .document_count = 1, .outcomes = &outcome, .outcome_count = 1};
    struct store_settled settled;
    struct base_error error;
    while (store_settle(jobs->queue, &settlement, &settled, &error) != GLEANER_OK && !stops(jobs)) {
        rig_sleep_ms(20);
    }
    bson_destroy(bson);
    atomic_store(&jobs->last_done_ns, base_mono_ns());
    atomic_fetch_add(&jobs->settled, 1);
}

static void work_main(void *arg)
{
    struct rig_jobs *jobs = arg;
    struct store_jobs claimed = {0};
    struct store_claim how = {.max_jobs = 1, .lease_ms = LEASE_MS, .owner = "fault"};
    while (!stops(jobs) && atomic_load(&jobs->settled) < jobs->submitted) {
        struct base_error error;
        if (store_claim(jobs->queue, &how, &claimed, &error) != GLEANER_OK || claimed.count == 0) {
            rig_sleep_ms(20);
            continue;
        }
        rig_sleep_ms(jobs->work_ms);
        settle(jobs, &claimed.jobs[0]);
    }
    store_jobs_fini(&claimed);
}

static void submit(struct rig_jobs *jobs, uint32_t count)
{
    static char urls[JOBS_MAX][URL_BYTES];
    struct store_job list[JOBS_MAX] = {0};
    struct base_error error;
    BASE_ASSERT(count <= JOBS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(urls[i], URL_BYTES, "http://127.0.0.1/job/%u", i);
        list[i] = (struct store_job){.key = base_hash64(urls[i], strlen(urls[i])),
                                     .url = urls[i],
                                     .host = "http://127.0.0.1",
                                     .type = "text",
                                     .via = ""};
    }
    BASE_ASSERT(store_enqueue(jobs->queue, list, count, &jobs->submitted, &error) == GLEANER_OK);
    BASE_ASSERT(jobs->submitted == count);
}

struct rig_jobs *rig_jobs_start(struct gleaner_db *db, const char *uri, uint32_t count,
                                uint32_t threads, uint32_t work_ms)
{
    struct rig_jobs *jobs = calloc(1, sizeof *jobs);
    struct store_mongo_options options = {
        .db = db, .database = RIG_DATABASE, .uri = uri, .operation_ms = OPERATION_MS};
    struct base_error error;
    BASE_ASSERT(jobs != NULL && threads <= WORKERS_MAX);
    BASE_ASSERT(store_mongo_open(&options, &jobs->store, &error) == GLEANER_OK);
    BASE_ASSERT(store_queue_open(jobs->store, "jobs", &jobs->queue, &error) == GLEANER_OK);
    jobs->work_ms = work_ms;
    jobs->thread_count = threads;
    submit(jobs, count);
    for (uint32_t i = 0; i < threads; i++) {
        BASE_ASSERT(sync_thread_start(&jobs->threads[i], "job", SYNC_READER, work_main, jobs) ==
                    GLEANER_OK);
    }
    return jobs;
}

struct rig_jobs_result rig_jobs_end(struct rig_jobs **held, uint32_t limit_ms)
{
    struct rig_jobs *jobs = *held;
    struct store_counts counts = {0};
    struct base_error error;
    uint64_t until_ns = base_mono_ns() + limit_ms * BASE_NS_PER_MS;
    while (atomic_load(&jobs->settled) < jobs->submitted && base_mono_ns() < until_ns) {
        rig_sleep_ms(5);
    }
    atomic_store(&jobs->must_stop, true);
    for (uint32_t i = 0; i < jobs->thread_count; i++) {
        sync_thread_join(&jobs->threads[i]);
    }
    struct rig_jobs_result result = {.submitted = jobs->submitted,
                                     .settled = atomic_load(&jobs->settled),
                                     .last_done_ns = atomic_load(&jobs->last_done_ns)};
    BASE_ASSERT(store_count(jobs->queue, &counts, &error) == GLEANER_OK);
    result.completed = counts.done;
    BASE_ASSERT(store_document_count(jobs->store, "jobpages", &result.documents, &error) ==
                GLEANER_OK);
    store_queue_close(&jobs->queue);
    store_close(&jobs->store);
    free(jobs);
    *held = NULL;
    return result;
}
