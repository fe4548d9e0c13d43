/* SPDX-License-Identifier: Apache-2.0 */
/* What passes our streams is counted as the driver's own command events would count it: the same
 * operations by a client of each kind (compressed messages cannot be read: there the events count).
 */
#include "mongo_test.h"
#include "mongo_watch.h"
#include <criterion/criterion.h>
#include <mongoc/mongoc.h>

static struct fixture_mongod *server;

struct side {
    struct mongo_watch *watch;
    struct mongo_endpoint *endpoint;
    mongoc_client_t *client;
};

static struct side open_side(const char *more, const char *app_name)
{
    char uri[512];
    struct side side = {0};
    struct base_error error = {0};
    snprintf(uri, sizeof uri, "%s%s%s", fixture_mongod_uri(server),
             strchr(fixture_mongod_uri(server), '?') != NULL ? "&" : "?", more);
    cr_assert_eq(mongo_watch_create(1, &side.watch), GLEANER_OK);
    struct mongo_options options = {
        .uri = uri, .app_name = app_name, .default_db = "test", .watch = side.watch};
    cr_assert_eq(mongo_endpoint_open(&options, &side.endpoint, &error), GLEANER_OK, "%s",
                 error.message);
    struct mongo_error why;
    mongo_client *client = NULL;
    cr_assert_eq(mongo_client_connect(side.endpoint, &client, NULL, &why), GLEANER_OK, "%s",
                 why.message);
    side.client = client;
    return side;
}

static void close_side(struct side *side)
{
    mongo_client_destroy(side->endpoint, side->client);
    mongo_endpoint_close(&side->endpoint);
    mongo_watch_destroy(&side->watch);
}

static void start(void)
{
    FIXTURE_NEED_MONGOD();
    mongo_init();
    server = fixture_mongod_start(NULL);
    cr_assert_not_null(server);
}

static void end(void)
{
    fixture_mongod_end(&server);
    mongo_cleanup();
}

/* ---- the same things with both ---- */

static void run_json(mongoc_client_t *client, const char *json)
{
    bson_error_t error;
    bson_t *command = bson_new_from_json((const uint8_t *)json, -1, &error);
    cr_assert_not_null(command, "%s", error.message);
    (void)mongoc_client_command_simple(client, "test", command, NULL, NULL, &error);
    bson_destroy(command);
}

static void write_some(mongoc_client_t *client)
{
    mongoc_collection_t *things = mongoc_client_get_collection(client, "test", "things");
    mongoc_bulk_operation_t *bulk = mongoc_collection_create_bulk_operation_with_opts(things, NULL);
    bson_error_t error;
    bson_t *query = BCON_NEW("kind", "{", "$gte", BCON_INT32(1), "}");
    bson_t *change = BCON_NEW("$set", "{", "seen", BCON_BOOL(true), "}");
    bson_t *thing = BCON_NEW("text", BCON_UTF8("some text that makes the answer a long one"));
    for (int i = 0; i < 100; i++) {
        mongoc_bulk_operation_insert(bulk, thing);
    }
    cr_assert_neq(mongoc_bulk_operation_execute(bulk, NULL, &error), 0, "%s", error.message);
    mongoc_bulk_operation_destroy(bulk);
    cr_assert(mongoc_collection_update_many(things, query, change, NULL, NULL, &error));
    cr_assert(mongoc_collection_update_one(things, thing, change, NULL, NULL, &error));
    cr_assert(mongoc_collection_delete_one(things, query, NULL, NULL, &error));
    bson_destroy(query);
    bson_destroy(change);
    bson_destroy(thing);
    mongoc_collection_destroy(things);
}

/* Two batches: find and getMore, of more than a short message each. */
static void read_some(mongoc_client_t *client)
{
    const bson_t *thing;
    int count = 0;
    bson_t *query = BCON_NEW("text", "{", "$exists", BCON_BOOL(true), "}");
    bson_t *options = BCON_NEW("batchSize", BCON_INT32(60), "limit", BCON_INT32(99));
    mongoc_collection_t *things = mongoc_client_get_collection(client, "test", "things");
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(things, query, options, NULL);
    while (mongoc_cursor_next(cursor, &thing)) {
        count++;
    }
    cr_assert_eq(count, 99);
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(things);
    bson_destroy(query);
    bson_destroy(options);
}

static void do_all(mongoc_client_t *client)
{
    run_json(client, "{\"ping\":1}");
    write_some(client);
    read_some(client);
    run_json(client, "{\"find\":\"things\",\"filter\":{\"a\":{\"$wrong\":1}}}");
    run_json(client,
             "{\"aggregate\":\"things\",\"cursor\":{},\"pipeline\":[{\"$match\":{\"a\":1}}]}");
    run_json(client,
             "{\"insert\":\"things\",\"documents\":[{\"b\":1}],\"writeConcern\":{\"w\":0}}");
    run_json(client, "{\"drop\":\"things\"}");
}

/* By name, as ids come with the first sight. */
static bool find_shape(const struct mongo_watch *watch, const struct mongo_shape *like,
                       struct mongo_shape *out)
{
    for (uint32_t id = 0; id <= MONGO_SHAPES; id++) {
        if (mongo_watch_read(watch, id, out) && strcmp(out->command, like->command) == 0 &&
            strcmp(out->where, like->where) == 0 && strcmp(out->text, like->text) == 0) {
            return true;
        }
    }
    return false;
}

static uint32_t compare_shapes(const struct mongo_watch *one, const struct mongo_watch *other)
{
    uint32_t count = 0;
    for (uint32_t id = 0; id <= MONGO_SHAPES; id++) {
        struct mongo_shape mine, its;
        if (!mongo_watch_read(one, id, &mine)) {
            continue;
        }
        count++;
        bool found = find_shape(other, &mine, &its);
        cr_expect(found, "%s %s %s", mine.command, mine.where, mine.text);
        cr_expect(!found || (its.count == mine.count && its.failed == mine.failed),
                  "%s %s: %d of %d, %d of %d", mine.command, mine.text, (int)mine.failed,
                  (int)mine.count, (int)its.failed, (int)its.count);
    }
    return count;
}

Test(mongo_timing, counts_what_the_drivers_own_events_count, .timeout = 60)
{
    start();
    struct side ours = open_side("retryWrites=true", "ours");
    struct side theirs = open_side("compressors=zlib", "theirs");
    for (int i = 0; i < 3; i++) {
        do_all(ours.client);
        do_all(theirs.client);
    }
    cr_expect_geq(compare_shapes(ours.watch, theirs.watch), 9);
    cr_expect_eq(mongo_watch_count(ours.watch), mongo_watch_count(theirs.watch));
    close_side(&ours);
    close_side(&theirs);
    end();
}

static struct mongo_sample *take_sample(struct mongo_watch *watch, const char *command)
{
    struct mongo_shape shape;
    struct mongo_sample *sample = NULL;
    for (uint32_t id = 0; id <= MONGO_SHAPES && sample == NULL; id++) {
        if (mongo_watch_read(watch, id, &shape) && strcmp(shape.command, command) == 0) {
            (void)mongo_watch_take_sample(watch, id, &sample);
        }
    }
    return sample;
}

/* Statements are sent after the command; the planner wants them in it. */
Test(mongo_timing, a_slow_update_of_a_bulk_can_be_explained, .timeout = 60)
{
    start();
    struct side side = open_side("retryWrites=true", "ours");
    mongoc_collection_t *things = mongoc_client_get_collection(side.client, "test", "things");
    bson_error_t error;
    bson_t *thing = BCON_NEW("kind", BCON_INT32(1));
    bson_t *slow = BCON_NEW("kind", BCON_INT32(1), "$where", BCON_UTF8("sleep(20) || true"));
    bson_t *change = BCON_NEW("$set", "{", "seen", BCON_BOOL(true), "}");
    cr_assert(mongoc_collection_insert_one(things, thing, NULL, NULL, &error));
    for (int i = 0; i < 2; i++) { /* the copy is of the second */
        cr_assert(mongoc_collection_update_one(things, slow, change, NULL, NULL, &error), "%s",
                  error.message);
    }
    struct mongo_sample *sample = take_sample(side.watch, "update");
    cr_assert_not_null(sample);
    struct mongo_plan plan;
    struct mongo_error why;
    cr_expect_eq(mongo_explain(side.client, sample, &plan, &why), GLEANER_OK, "%s", why.message);
    cr_expect(plan.is_scan);
    mongo_sample_destroy(&sample);
    bson_destroy(thing);
    bson_destroy(slow);
    bson_destroy(change);
    mongoc_collection_destroy(things);
    close_side(&side);
    end();
}

Test(mongo_timing, goes_on_when_the_driver_has_connected_anew, .timeout = 60)
{
    start();
    struct side side = open_side("retryWrites=true", "ours");
    cr_assert(fixture_mongod_command(
        server, 0, "admin",
        "{\"configureFailPoint\":\"failCommand\",\"mode\":{\"times\":1},\"data\":{"
        "\"failCommands\":[\"count\"],\"closeConnection\":true}}",
        NULL));
    for (int i = 0; i < 3; i++) {
        run_json(side.client, "{\"count\":\"things\"}");
    }
    struct mongo_shape shape, like = {.command = "count", .where = "test.things"};
    cr_assert(find_shape(side.watch, &like, &shape));
    cr_expect_eq(shape.count, 3);
    cr_expect_eq(shape.failed, 1);
    close_side(&side);
    end();
}
