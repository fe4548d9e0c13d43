/* SPDX-License-Identifier: Apache-2.0 */
/* Lost replies, killed servers, several stores on one database. */
#include "mongo_rig.h"

#include "mongo.h"
#include "sync.h"
#include <string.h>

static struct mongo_rig rig;
static struct store_queue *queue;

static void start(void)
{
    rig_start(&rig, NULL);
    RIG_OK(&rig, store_queue_open(rig.store, "crawl/t", &queue, &rig.error));
}

static void end(void)
{
    store_queue_close(&queue);
    rig_end(&rig);
}

static void put(struct store_queue *to, size_t count)
{
    static char urls[1000][32];
    static struct store_job jobs[1000];
    uint64_t inserted = 0;
    for (size_t i = 0; i < count; i++) {
        snprintf(urls[i], sizeof urls[i], "http://h%zu/%zu", i % 7, i);
        jobs[i] = (struct store_job){.key = base_hash64(urls[i], strlen(urls[i])),
                                     .url = urls[i],
                                     .host = "h",
                                     .type = "page"};
    }
    RIG_OK(&rig, store_enqueue(to, jobs, count, &inserted, &rig.error));
    cr_assert_eq(inserted, count);
}

static const struct store_claim ten = {.max_jobs = 10, .lease_ms = 600000, .owner = "o"};

Test(mongo_trouble, a_claim_whose_reply_was_lost_loses_no_job, .timeout = 60)
{
    struct store_jobs jobs = {0};
    start();
    put(queue, 10);
    rig_lose_replies(&rig, "update", 1);
    RIG_OK(&rig, store_claim(queue, &ten, &jobs, &rig.error));
    cr_expect_eq(jobs.count, 10);
    for (size_t i = 0; i < jobs.count; i++) {
        cr_expect_eq(jobs.jobs[i].deliveries, 1, "delivered once, not once for each try");
    }
    store_jobs_fini(&jobs);
    end();
}

Test(mongo_trouble, a_settle_whose_reply_was_lost_is_done_once_and_not_stale, .timeout = 60)
{
    struct store_jobs jobs = {0};
    struct store_settled settled;
    start();
    put(queue, 1);
    RIG_OK(&rig, store_claim(queue, &ten, &jobs, &rig.error));
    struct store_outcome outcome = {.key = jobs.jobs[0].key,
                                    .token = jobs.jobs[0].token,
                                    .kind = STORE_RETRY,
                                    .delay_ms = 600000,
                                    .error_class = "timeout"};
    const struct store_settlement s = {.outcomes = &outcome, .outcome_count = 1};
    rig_lose_replies(&rig, "update", 1);
    RIG_OK(&rig, store_settle(queue, &s, &settled, &rig.error));
    cr_expect_eq(settled.outcomes_stale, 0);
    cr_expect_eq(rig_matching(&rig, "gleaner_frontier", "{\"attempts\":1}"), 1);
    RIG_OK(&rig, store_settle(queue, &s, &settled, &rig.error));
    cr_expect_eq(settled.outcomes_stale, 0);
    cr_expect_eq(rig_matching(&rig, "gleaner_frontier", "{\"attempts\":1}"), 1);
    store_jobs_fini(&jobs);
    end();
}

Test(mongo_trouble, a_connection_closed_under_a_command_is_repeated_on_another, .timeout = 60)
{
    struct store_jobs jobs = {0};
    start();
    put(queue, 10);
    cr_assert(fixture_mongod_command(
        rig.server, 0, "admin",
        "{\"configureFailPoint\":\"failCommand\",\"mode\":{\"times\":1},\"data\":{"
        "\"failCommands\":[\"update\"],\"closeConnection\":true}}",
        NULL));
    RIG_OK(&rig, store_claim(queue, &ten, &jobs, &rig.error));
    cr_expect_eq(jobs.count, 10);
    store_jobs_fini(&jobs);
    end();
}

/* Sets the server's fail point; how often one was met until now. */
static int64_t fail_point(const char *rest)
{
    char json[512];
    bson_t reply;
    bson_iter_t iter;
    snprintf(json, sizeof json, "{\"configureFailPoint\":\"failCommand\",%s}", rest);
    cr_assert(fixture_mongod_command(rig.server, 0, "admin", json, &reply));
    cr_assert(bson_iter_init_find(&iter, &reply, "count"));
    int64_t count = bson_iter_as_int64(&iter);
    bson_destroy(&reply);
    return count;
}

/* A server that keeps silent for longer than the socket timeout counts how often it was asked. */
static int64_t asked_while_silent(const char *command, uint32_t operation_ms)
{
    char rest[256], name[64];
    struct gleaner_db_options options;
    struct gleaner_error why;
    struct gleaner_db *db = NULL;
    struct store *store = NULL;
    struct store_queue *jobs_queue = NULL;
    struct store_jobs jobs = {0};
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(rig.server);
    options.max_pool_size = 4;
    options.socket_ms = 1000;
    cr_assert_eq(gleaner_db_open(&options, &db, &why), GLEANER_OK);
    cr_assert_eq(gleaner_db_wait_up(db, 20000), GLEANER_OK);
    const struct store_mongo_options on = {
        .db = db, .database = RIG_DATABASE, .operation_ms = operation_ms};
    RIG_OK(&rig, store_mongo_open(&on, &store, &rig.error));
    /* a queue of its own: what is given up here may still be done by the server later */
    snprintf(name, sizeof name, "crawl/%s-%u", command, (unsigned)operation_ms);
    RIG_OK(&rig, store_queue_open(store, name, &jobs_queue, &rig.error));
    put(jobs_queue, 10);
    snprintf(rest, sizeof rest,
             "\"mode\":\"alwaysOn\",\"data\":{\"failCommands\":[\"%s\"],"
             "\"blockConnection\":true,\"blockTimeMS\":3000}",
             command);
    int64_t before = fail_point(rest);
    enum gleaner_status status = store_claim(jobs_queue, &ten, &jobs, &rig.error);
    cr_expect_eq(status, GLEANER_E_TIMEOUT, "%s", gleaner_status_name(status));
    int64_t count = fail_point("\"mode\":\"off\"") - before;
    store_jobs_fini(&jobs);
    store_queue_close(&jobs_queue);
    store_close(&store);
    (void)gleaner_db_close(&db, 5000);
    return count;
}

/* The socket's time-out is 1,000 ms. */
Test(mongo_trouble, a_silent_server_is_asked_again_only_if_the_deadline_leaves_time, .timeout = 120)
{
    start();
    cr_expect_eq(asked_while_silent("find", 900), 1);
    cr_expect_eq(asked_while_silent("find", 60000), 2);
    cr_expect_eq(asked_while_silent("update", 900), 1);
    cr_expect_eq(asked_while_silent("update", 60000), 2);
    end();
}

/* Its sockets would wait for longer than the test may take. */
Test(mongo_trouble, a_frozen_server_holds_a_call_no_longer_than_its_deadline, .timeout = 60)
{
    struct gleaner_db_options options;
    struct gleaner_error why;
    struct gleaner_db *db = NULL;
    struct store *store = NULL;
    struct base_buffer value = {0};
    if (!mongo_isolates_errors()) {
        cr_skip_test("libmongoc 2 knows no deadline");
    }
    start();
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(rig.server);
    options.socket_ms = 600000;
    cr_assert_eq(gleaner_db_open(&options, &db, &why), GLEANER_OK);
    cr_assert_eq(gleaner_db_wait_up(db, 20000), GLEANER_OK);
    const struct store_mongo_options on = {
        .db = db, .database = RIG_DATABASE, .operation_ms = 1000};
    RIG_OK(&rig, store_mongo_open(&on, &store, &rig.error));
    RIG_OK(&rig, store_meta_put(store, "a", "1", &rig.error));
    fixture_mongod_freeze(rig.server, 0);
    cr_expect_eq(store_meta_get(store, "a", &value, &rig.error), GLEANER_E_TIMEOUT, "%s",
                 rig.error.message);
    cr_expect_eq(store_meta_put(store, "a", "2", &rig.error), GLEANER_E_TIMEOUT, "%s",
                 rig.error.message);
    fixture_mongod_thaw(rig.server, 0);
    base_buffer_fini(&value);
    store_close(&store);
    (void)gleaner_db_close(&db, 5000);
    end();
}

Test(mongo_trouble, a_dead_server_is_an_error_in_time_and_a_restarted_one_has_everything,
     .timeout = 120)
{
    struct store_jobs jobs = {0};
    start();
    put(queue, 10);
    fixture_mongod_kill(rig.server, 0);
    enum gleaner_status status = store_claim(queue, &ten, &jobs, &rig.error);
    cr_expect(status == GLEANER_E_NETWORK || status == GLEANER_E_DOWN ||
                  status == GLEANER_E_TIMEOUT,
              "%s", gleaner_status_name(status));
    cr_assert(fixture_mongod_restart(rig.server, 0));
    for (int i = 0; i < 100 && status != GLEANER_OK; i++) {
        (void)!gleaner_db_wait_up(rig.db, 30000);
        status = store_claim(queue, &ten, &jobs, &rig.error);
    }
    cr_assert_eq(status, GLEANER_OK, "%s", rig.error.message);
    cr_expect_eq(jobs.count, 10);
    store_jobs_fini(&jobs);
    end();
}

Test(mongo_trouble, a_killed_primary_of_three_loses_nothing_acknowledged, .timeout = 180)
{
    struct store_jobs before = {0}, after = {0};
    enum gleaner_status status = GLEANER_E_DOWN;
    rig_start(&rig, &(struct fixture_mongod_options){.members = 3});
    RIG_OK(&rig, store_queue_open(rig.store, "crawl/t", &queue, &rig.error));
    put(queue, 30);
    RIG_OK(&rig, store_claim(queue, &ten, &before, &rig.error));
    cr_assert_eq(before.count, 10);
    int primary = fixture_mongod_primary(rig.server);
    cr_assert_geq(primary, 0);
    fixture_mongod_kill(rig.server, (unsigned)primary);
    struct store_counts counts = {0};
    for (int i = 0; i < 200 && status != GLEANER_OK; i++) { /* until another one is elected */
        (void)!gleaner_db_wait_up(rig.db, 30000);
        status = store_count(queue, &counts, &rig.error);
    }
    cr_assert_eq(status, GLEANER_OK, "%s", rig.error.message);
    cr_expect_eq(counts.leased, 10);
    cr_expect_eq(counts.ready, 20);
    RIG_OK(&rig, store_claim(queue, &ten, &after, &rig.error));
    cr_expect_eq(after.count, 10);
    for (size_t i = 0; i < after.count; i++) {
        for (size_t k = 0; k < before.count; k++) {
            cr_expect_neq(after.jobs[i].key, before.jobs[k].key, "claimed twice");
        }
    }
    store_jobs_fini(&before);
    store_jobs_fini(&after);
    end();
}

/* ---- rivals: two stores, four threads, one frontier ---- */

struct rival {
    struct store_queue *queue;
    struct base_error error;
    enum gleaner_status status;
    uint64_t keys[1000];
    size_t count;
};

static void take_all(void *arg)
{
    struct rival *rival = arg;
    struct store_jobs jobs = {0};
    do {
        rival->status = store_claim(rival->queue, &ten, &jobs, &rival->error);
        for (size_t i = 0; i < jobs.count && rival->status == GLEANER_OK; i++) {
            rival->keys[rival->count++] = jobs.jobs[i].key;
        }
    } while (rival->status == GLEANER_OK && jobs.count > 0);
    store_jobs_fini(&jobs);
}

Test(mongo_trouble, rivals_of_two_stores_get_each_job_once, .timeout = 120)
{
    enum { RIVALS = 4, JOBS = 1000 };
    static struct rival rivals[RIVALS];
    struct sync_thread *threads[RIVALS];
    struct store *other = NULL;
    struct store_queue *other_queue = NULL;
    struct base_keyset seen;
    size_t total = 0;
    start();
    put(queue, JOBS);
    const struct store_mongo_options options = {.db = rig.db, .database = RIG_DATABASE};
    RIG_OK(&rig, store_mongo_open(&options, &other, &rig.error));
    RIG_OK(&rig, store_queue_open(other, "crawl/t", &other_queue, &rig.error));
    base_keyset_init(&seen, 4096);
    for (int i = 0; i < RIVALS; i++) {
        rivals[i].queue = i % 2 == 0 ? queue : other_queue;
        cr_assert_eq(sync_thread_start(&threads[i], "rival", SYNC_READER, take_all, &rivals[i]),
                     GLEANER_OK);
    }
    for (int i = 0; i < RIVALS; i++) {
        sync_thread_join(&threads[i]);
        cr_assert_eq(rivals[i].status, GLEANER_OK, "%s", rivals[i].error.message);
        total += rivals[i].count;
        for (size_t k = 0; k < rivals[i].count; k++) {
            cr_expect(base_keyset_add(&seen, rivals[i].keys[k]), "claimed twice");
        }
    }
    /* A rival may leave while others hold what it looked at; nothing may be left in the end. */
    struct rival last = {.queue = queue};
    take_all(&last);
    cr_expect_eq(total + last.count, JOBS);
    base_keyset_fini(&seen);
    store_queue_close(&other_queue);
    store_close(&other);
    end();
}
