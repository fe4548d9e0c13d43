/* SPDX-License-Identifier: Apache-2.0 */
/** A real mongod of its own (fail points are server-wide), a pool and a store on it. */
#ifndef MONGO_RIG_H
#define MONGO_RIG_H

#include "gleaner/db.h"
#include "mongod.h"
#include "store.h"

#include <criterion/criterion.h>

#define RIG_DATABASE "gleaner_test"

struct mongo_rig {
    struct fixture_mongod *server;
    struct gleaner_db *db;
    struct store *store;
    struct base_error error;
};

void rig_start(struct mongo_rig *rig, const struct fixture_mongod_options *options);
void rig_end(struct mongo_rig *rig);
/** Run a command written as JSON, on the fixture's own connection; `reply` may be NULL. */
void rig_command(struct mongo_rig *rig, const char *json, bson_t *reply);
/** Number or bool at a path of the one document of a collection that matches; -1 = no such. */
int64_t rig_number(struct mongo_rig *rig, const char *collection, const char *filter,
                   const char *path);
/** How many documents match. */
int64_t rig_matching(struct mongo_rig *rig, const char *collection, const char *filter);
/** Next `times` commands of that name are done, but answered with a write concern error: seen
 *  from here, a reply that was lost. */
void rig_lose_replies(struct mongo_rig *rig, const char *command, int times);

#define RIG_OK(rig, call)                                                                          \
    do {                                                                                           \
        enum gleaner_status rig_status = (call);                                                   \
        cr_assert_eq(rig_status, GLEANER_OK, "%s: %s: %s", #call, gleaner_status_name(rig_status), \
                     (rig)->error.message);                                                        \
    } while (0)

#endif
