/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers of the tests of libgleaner. */
#ifndef DB_FIXTURE_H
#define DB_FIXTURE_H

#include "base.h"
#include "gleaner/db.h"
#include "gleaner/monitor.h"
#include "mongod.h"
#include "sync.h"
#include <criterion/criterion.h>
#include <string.h>

/* Long enough for a loaded machine: no test is decided by it, it only ends one that hangs. */
#define PATIENCE_MS 60000

static inline struct gleaner_db *open_db(const struct gleaner_db_options *options)
{
    struct gleaner_db *db = NULL;
    struct gleaner_error error = {0};
    cr_assert_eq(gleaner_db_open(options, &db, &error), GLEANER_OK, "%s", error.message);
    return db;
}

/* One insert of {_id: id} through `client`; true when acknowledged. */
static inline bool insert_one(const struct gleaner_client *client, const char *collection,
                              int64_t id, bson_error_t *error)
{
    mongoc_collection_t *target =
        mongoc_client_get_collection(client->client, client->database, collection);
    bson_t *document = BCON_NEW("_id", BCON_INT64(id));
    /* journaled: what is acknowledged is to survive kill -9 of the server */
    bson_t *journaled =
        BCON_NEW("writeConcern", "{", "w", BCON_INT32(1), "j", BCON_BOOL(true), "}");
    bool ok = mongoc_collection_insert_one(target, document, journaled, NULL, error);
    bson_destroy(journaled);
    bson_destroy(document);
    mongoc_collection_destroy(target);
    return ok;
}

static inline bool ping(const struct gleaner_client *client, bson_error_t *error)
{
    bson_t *command = BCON_NEW("ping", BCON_INT32(1));
    bool ok = mongoc_client_command_simple(client->client, "admin", command, NULL, NULL, error);
    bson_destroy(command);
    return ok;
}

static inline struct gleaner_monitor_report read_report(struct gleaner_db *db)
{
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    gleaner_monitor_read(db, &report);
    return report;
}

static inline struct gleaner_db_state read_state(struct gleaner_db *db)
{
    struct gleaner_db_state state = {.size = sizeof(state)};
    gleaner_db_read_state(db, &state);
    return state;
}

/* Wait until `condition` holds, looking often; false after PATIENCE_MS. */
#define EVENTUALLY(condition)                                                                      \
    ({                                                                                             \
        uint64_t give_up_ns = base_mono_ns() + PATIENCE_MS * BASE_NS_PER_MS;                       \
        struct sync_parker nap;                                                                    \
        sync_park_init(&nap);                                                                      \
        bool holds;                                                                                \
        while (!(holds = (condition)) && base_mono_ns() < give_up_ns) {                            \
            (void)sync_park(&nap, base_mono_ns() + 2 * BASE_NS_PER_MS);                            \
        }                                                                                          \
        holds;                                                                                     \
    })

#endif
