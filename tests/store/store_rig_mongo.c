/* SPDX-License-Identifier: Apache-2.0 */
/* The MongoDB body for the behaviour suite: one real mongod for all tests, a database for each. */
#include "gleaner/db.h"
#include "mongod.h"
#include "store_rig.h"

#include <criterion/hooks.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig_mongo {
    struct gleaner_db *db;
    char database[32];
};

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
    (void)tests;
    fixture_mongod_share();
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void)stats;
    fixture_mongod_unshare();
}

static void drop_database(struct rig_mongo *mongo)
{
    struct gleaner_client client;
    if (gleaner_db_check_out(mongo->db, 5000, &client) == GLEANER_OK) {
        bson_error_t error;
        bson_t command = BSON_INITIALIZER;
        BSON_APPEND_INT32(&command, "dropDatabase", 1);
        bool ok = mongoc_client_command_simple(client.client, mongo->database, &command, NULL, NULL,
                                               &error);
        bson_destroy(&command);
        (void)gleaner_db_check_in(mongo->db, &client, ok ? NULL : &error);
    }
}

bool rig_mongo_open(struct rig *rig)
{
    const char *uri = fixture_mongod_shared_uri();
    if (uri == NULL) {
        return false;
    }
    struct gleaner_error error;
    struct gleaner_db_options options;
    struct rig_mongo *mongo = calloc(1, sizeof *mongo);
    cr_assert_not_null(mongo);
    fixture_mongod_database(mongo->database);
    gleaner_db_options_init(&options);
    options.uri = uri;
    options.max_pool_size = 4;
    cr_assert_eq(gleaner_db_open(&options, &mongo->db, &error), GLEANER_OK, "%s", error.message);
    cr_assert_eq(gleaner_db_wait_up(mongo->db, 20000), GLEANER_OK);
    const struct store_mongo_options store = {.db = mongo->db, .database = mongo->database};
    RIG_OK(rig, store_mongo_open(&store, &rig->store, &rig->error));
    rig->mongo = mongo;
    return true;
}

void rig_mongo_close(struct rig *rig)
{
    struct rig_mongo *mongo = rig->mongo;
    drop_database(mongo);
    cr_expect_eq(gleaner_db_close(&mongo->db, 2000), GLEANER_OK);
    free(mongo);
    rig->mongo = NULL;
}
