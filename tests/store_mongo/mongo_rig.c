/* SPDX-License-Identifier: Apache-2.0 */
#include "mongo_rig.h"

#include <stdio.h>

void rig_start(struct mongo_rig *rig, const struct fixture_mongod_options *options)
{
    FIXTURE_NEED_MONGOD();
    struct gleaner_db_options db;
    struct gleaner_error error;
    rig->server = fixture_mongod_start(options);
    cr_assert_not_null(rig->server);
    gleaner_db_options_init(&db);
    db.uri = fixture_mongod_uri(rig->server);
    db.max_pool_size = 4;
    db.backoff_base_ms = 50;
    db.backoff_cap_ms = 200;
    cr_assert_eq(gleaner_db_open(&db, &rig->db, &error), GLEANER_OK, "%s", error.message);
    cr_assert_eq(gleaner_db_wait_up(rig->db, 20000), GLEANER_OK);
    const struct store_mongo_options store = {
        .db = rig->db, .database = RIG_DATABASE, .operation_ms = 10000};
    RIG_OK(rig, store_mongo_open(&store, &rig->store, &rig->error));
}

void rig_end(struct mongo_rig *rig)
{
    store_close(&rig->store);
    (void)gleaner_db_close(&rig->db, 2000);
    fixture_mongod_end(&rig->server);
}

void rig_command(struct mongo_rig *rig, const char *json, bson_t *reply)
{
    cr_assert(fixture_mongod_command(rig->server, 0, RIG_DATABASE, json, reply), "%s", json);
}

int64_t rig_number(struct mongo_rig *rig, const char *collection, const char *filter,
                   const char *path)
{
    char json[1024], whole[128];
    bson_t reply;
    bson_iter_t iter, found;
    int64_t value = -1;
    snprintf(json, sizeof json, "{\"find\":\"%s\",\"filter\":%s,\"limit\":1}", collection, filter);
    snprintf(whole, sizeof whole, "cursor.firstBatch.0.%s", path);
    rig_command(rig, json, &reply);
    if (bson_iter_init(&iter, &reply) && bson_iter_find_descendant(&iter, whole, &found)) {
        value = BSON_ITER_HOLDS_DATE_TIME(&found) ? bson_iter_date_time(&found)
                                                  : bson_iter_as_int64(&found);
    }
    bson_destroy(&reply);
    return value;
}

int64_t rig_matching(struct mongo_rig *rig, const char *collection, const char *filter)
{
    char json[1024];
    bson_t reply;
    bson_iter_t iter;
    snprintf(json, sizeof json, "{\"count\":\"%s\",\"query\":%s}", collection, filter);
    rig_command(rig, json, &reply);
    cr_assert(bson_iter_init_find(&iter, &reply, "n"));
    int64_t n = bson_iter_as_int64(&iter);
    bson_destroy(&reply);
    return n;
}

void rig_lose_replies(struct mongo_rig *rig, const char *command, int times)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"configureFailPoint\":\"failCommand\",\"mode\":{\"times\":%d},\"data\":{"
             "\"failCommands\":[\"%s\"],\"writeConcernError\":{\"code\":64,\"errmsg\":\"lost\"}}}",
             times, command);
    cr_assert(fixture_mongod_command(rig->server, 0, "admin", json, NULL));
}
