/* SPDX-License-Identifier: Apache-2.0 */
/* The queue "jobs" is the application's own collection. */
#include "mongo_rig.h"

#include <string.h>

#define SUBMISSIONS "scrapersubmissions"
#define RESULTS                                                                                    \
    "\"results\":{\"text\":{\"contentFound\":false,\"content\":\"\"},\"image\":{\"contentFound\":" \
    "false,\"content\":[]},\"video\":{\"contentFound\":false,\"content\":[]}}"

static struct mongo_rig rig;
static struct store_queue *queue;
static struct store_jobs jobs;

static void start(void)
{
    rig_start(&rig, NULL);
    RIG_OK(&rig, store_queue_open(rig.store, "jobs", &queue, &rig.error));
}

static void end(void)
{
    store_jobs_fini(&jobs);
    store_queue_close(&queue);
    rig_end(&rig);
}

static void submit(const char *fields)
{
    char json[1024];
    snprintf(json, sizeof json,
             "{\"insert\":\"" SUBMISSIONS "\",\"documents\":[{%s,\"status\":\"pending\"," RESULTS
             ",\"upvotes\":3,\"downvotes\":1,\"comments\":[],\"__v\":0}]}",
             fields);
    rig_command(&rig, json, NULL);
}

static size_t claim(uint32_t max, uint32_t lease_ms)
{
    const struct store_claim how = {.max_jobs = max, .lease_ms = lease_ms, .owner = "gleaner/t/1"};
    RIG_OK(&rig, store_claim(queue, &how, &jobs, &rig.error));
    return jobs.count;
}

static struct store_settled settle(const struct store_job *job, enum store_outcome_kind kind,
                                   const bson_t *results)
{
    struct store_settled settled;
    struct store_outcome outcome = {.key = job->key,
                                    .token = job->token,
                                    .kind = kind,
                                    .error_class = kind == STORE_DEAD ? "http_4xx" : "",
                                    .reason = kind == STORE_DEAD ? "$404 not found" : "",
                                    .content_found = results != NULL,
                                    .results = results != NULL ? bson_get_data(results) : NULL,
                                    .results_len = results != NULL ? results->len : 0};
    memcpy(outcome.id, job->id, sizeof outcome.id);
    const struct store_settlement s = {.outcomes = &outcome, .outcome_count = 1};
    RIG_OK(&rig, store_settle(queue, &s, &settled, &rig.error));
    return settled;
}

Test(submissions, what_the_application_inserted_is_claimed_oldest_first, .timeout = 60)
{
    start();
    submit("\"type\":\"text\",\"url\":\"http://User@Example.ORG:81/b\",\"submittedAt\":{\"$date\":"
           "\"2026-01-02T00:00:00Z\"}");
    submit("\"scrapeType\":\"image\",\"url\":\"http://old/a\",\"submittedAt\":{\"$date\":"
           "\"2026-01-01T00:00:00Z\"}");
    cr_assert_eq(claim(5, 60000), 2);
    cr_expect_str_eq(jobs.jobs[0].url, "http://old/a");
    cr_expect_str_eq(jobs.jobs[0].type, "image");
    cr_expect_str_eq(jobs.jobs[1].type, "text");
    cr_expect_str_eq(jobs.jobs[1].host, "http://example.org:81");
    cr_expect_eq(strlen(jobs.jobs[1].id), 24);
    cr_expect_eq(claim(5, 60000), 0);
    cr_expect_eq(rig_matching(&rig, SUBMISSIONS, "{\"status\":\"pending\"}"), 2);
    end();
}

Test(submissions, a_claim_by_type_also_finds_the_older_field, .timeout = 60)
{
    start();
    submit("\"type\":\"text\",\"url\":\"http://a/1\"");
    submit("\"scrapeType\":\"image\",\"url\":\"http://a/2\"");
    submit("\"type\":\"video\",\"url\":\"http://a/3\"");
    const char *const types[] = {"image", "video"};
    const struct store_claim how = {
        .max_jobs = 5, .lease_ms = 60000, .owner = "o", .types = types, .type_count = 2};
    RIG_OK(&rig, store_claim(queue, &how, &jobs, &rig.error));
    cr_expect_eq(jobs.count, 2);
    end();
}

Test(submissions, a_completed_one_has_the_whole_skeleton_and_keeps_its_votes, .timeout = 60)
{
    start();
    submit("\"type\":\"text\",\"url\":\"http://a/1\"");
    cr_assert_eq(claim(1, 60000), 1);
    rig_command(&rig, /* the application votes while we work */
                "{\"update\":\"" SUBMISSIONS "\",\"updates\":[{\"q\":{},\"u\":{\"$inc\":{"
                "\"upvotes\":1},\"$push\":{\"comments\":{\"text\":\"hi\"}}}}]}",
                NULL);
    bson_t *results =
        BCON_NEW("text", "{", "contentFound", BCON_BOOL(true), "content", "words", "}");
    cr_expect_eq(settle(&jobs.jobs[0], STORE_DONE, results).outcomes_stale, 0);
    bson_destroy(results);
    cr_expect_eq(rig_matching(&rig, SUBMISSIONS,
                              "{\"status\":\"completed\",\"upvotes\":4,\"comments.text\":\"hi\","
                              "\"results.text.content\":\"words\",\"results.image.content\":[],"
                              "\"results.video.contentFound\":false,\"__v\":0}"),
                 1);
    cr_expect_eq(rig_matching(&rig, SUBMISSIONS, "{\"gleaner.due\":{\"$exists\":true}}"), 0);
    struct store_counts counts;
    RIG_OK(&rig, store_count(queue, &counts, &rig.error));
    cr_expect_eq(counts.done, 1);
    cr_expect_eq(counts.ready + counts.leased + counts.waiting + counts.dead, 0);
    end();
}

Test(submissions, a_dead_one_is_failed_with_class_and_reason, .timeout = 60)
{
    start();
    submit("\"type\":\"text\",\"url\":\"http://a/1\"");
    cr_assert_eq(claim(1, 60000), 1);
    settle(&jobs.jobs[0], STORE_DEAD, NULL);
    cr_expect_eq(rig_matching(&rig, SUBMISSIONS,
                              "{\"status\":\"failed\",\"gleaner.class\":\"http_4xx\","
                              "\"gleaner.reason\":\"$404 not found\"}"),
                 1);
    end();
}

Test(submissions, one_that_fails_without_results_gets_the_whole_skeleton, .timeout = 60)
{
    start();
    rig_command(&rig, /* older ones may lack them */
                "{\"insert\":\"" SUBMISSIONS "\",\"documents\":[{\"scrapeType\":\"text\","
                "\"url\":\"http://a/1\",\"status\":\"pending\"}]}",
                NULL);
    cr_assert_eq(claim(1, 60000), 1);
    settle(&jobs.jobs[0], STORE_DEAD, NULL);
    cr_expect_eq(rig_matching(&rig, SUBMISSIONS, "{\"status\":\"failed\"," RESULTS "}"), 1);
    end();
}

Test(submissions, one_that_the_application_opens_again_begins_anew, .timeout = 60)
{
    const struct store_claim how = {
        .max_jobs = 1, .lease_ms = 60000, .owner = "o", .max_deliveries = 2};
    start();
    submit("\"type\":\"text\",\"url\":\"http://a/1\"");
    for (int i = 0; i < 4; i++) { /* the last ones would be poison if deliveries went on */
        RIG_OK(&rig, store_claim(queue, &how, &jobs, &rig.error));
        cr_assert_eq(jobs.count, 1, "round %d", i);
        cr_expect_eq(jobs.jobs[0].deliveries, 1);
        settle(&jobs.jobs[0], STORE_RETRY, NULL);
        RIG_OK(&rig, store_claim(queue, &how, &jobs, &rig.error));
        cr_assert_eq(jobs.count, 1, "round %d", i);
        cr_expect_eq(jobs.jobs[0].deliveries, 2);
        cr_expect_eq(jobs.jobs[0].attempts, 1);
        settle(&jobs.jobs[0], i % 2 == 0 ? STORE_DONE : STORE_DEAD, NULL);
        rig_command(&rig,
                    "{\"update\":\"" SUBMISSIONS "\",\"updates\":[{\"q\":{},\"u\":{\"$set\":{"
                    "\"status\":\"pending\"}}}]}",
                    NULL);
    }
    end();
}

Test(submissions, poison_fails_with_the_whole_skeleton, .timeout = 60)
{
    const struct store_claim how = {
        .max_jobs = 1, .lease_ms = 1, .owner = "o", .max_deliveries = 1};
    start();
    submit("\"type\":\"text\",\"url\":\"http://a/1\"");
    while (rig_matching(&rig, SUBMISSIONS, "{\"status\":\"failed\"}") == 0) {
        RIG_OK(&rig, store_claim(queue, &how, &jobs, &rig.error)); /* nobody settles it */
    }
    cr_expect_eq(rig_matching(&rig, SUBMISSIONS, "{\"gleaner.class\":\"poison\"," RESULTS "}"), 1);
    end();
}

Test(submissions, one_that_the_application_deleted_is_stale_and_harmless, .timeout = 60)
{
    start();
    submit("\"type\":\"text\",\"url\":\"http://a/1\"");
    cr_assert_eq(claim(1, 60000), 1);
    rig_command(&rig, "{\"delete\":\"" SUBMISSIONS "\",\"deletes\":[{\"q\":{},\"limit\":0}]}",
                NULL);
    cr_expect_eq(settle(&jobs.jobs[0], STORE_DONE, NULL).outcomes_stale, 1);
    cr_expect_eq(rig_matching(&rig, SUBMISSIONS, "{}"), 0);
    end();
}

Test(submissions, our_own_is_one_that_the_application_can_save, .timeout = 60)
{
    start();
    struct store_job job = {.key = 7, .url = "http://a/1", .host = "http://a", .type = "text"};
    uint64_t inserted = 0;
    RIG_OK(&rig, store_enqueue(queue, &job, 1, &inserted, &rig.error));
    cr_expect_eq(inserted, 1);
    RIG_OK(&rig, store_enqueue(queue, &job, 1, &inserted, &rig.error));
    cr_expect_eq(inserted, 0);
    /* the types are those of the application's schema; a JSON $type would be read as a binary */
    cr_expect_eq(rig_matching(&rig, SUBMISSIONS,
                              "{\"type\":\"text\",\"status\":\"pending\",\"comments\":[],"
                              "\"results.text.content\":\"\",\"results.image.content\":[],"
                              "\"results.video.content\":[],\"gleaner\":{\"$exists\":false},"
                              "\"upvotes\":{\"$bitsAllClear\":1},\"__v\":{\"$bitsAllClear\":1},"
                              "\"submittedAt\":{\"$gt\":{\"$date\":\"2020-01-01T00:00:00Z\"}}}"),
                 1);
    cr_expect_eq(claim(1, 60000), 1);
    end();
}

Test(submissions, a_retried_one_stays_pending_and_counts_its_attempt, .timeout = 60)
{
    start();
    submit("\"type\":\"text\",\"url\":\"http://a/1\"");
    cr_assert_eq(claim(1, 60000), 1);
    settle(&jobs.jobs[0], STORE_RETRY, NULL);
    cr_expect_eq(rig_matching(&rig, SUBMISSIONS,
                              "{\"status\":\"pending\",\"gleaner.attempts\":{\"$type\":\"int\"}}"),
                 1);
    cr_assert_eq(claim(1, 60000), 1);
    cr_expect_eq(jobs.jobs[0].attempts, 1);
    cr_expect_eq(jobs.jobs[0].deliveries, 2);
    end();
}

Test(submissions, the_queue_of_the_application_is_never_dropped, .timeout = 60)
{
    start();
    submit("\"type\":\"text\",\"url\":\"http://a/1\"");
    cr_expect_eq(store_queue_drop(rig.store, "jobs", &rig.error), GLEANER_E_REFUSED);
    cr_expect_eq(rig_matching(&rig, SUBMISSIONS, "{}"), 1);
    end();
}

Test(submissions, readwrite_rights_are_enough, .timeout = 60)
{
    rig_start(&rig, &(struct fixture_mongod_options){.auth = true});
    RIG_OK(&rig, store_queue_open(rig.store, "jobs", &queue, &rig.error));
    submit("\"type\":\"text\",\"url\":\"http://a/1\"");
    cr_assert_eq(claim(1, 60000), 1);
    settle(&jobs.jobs[0], STORE_DONE, NULL);
    uint64_t n = 9;
    RIG_OK(&rig, store_document_count(rig.store, NULL, &n, &rig.error));
    cr_expect_eq(n, 0);
    char text[400];
    store_describe(rig.store, text, sizeof text);
    cr_expect_null(strstr(text, FIXTURE_MONGOD_PASSWORD), "%s", text);
    end();
}
