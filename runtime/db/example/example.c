/* SPDX-License-Identifier: Apache-2.0 */
/* libgleaner in forty lines: a write that is repeated where that is safe, and a profile that can
 * always be read. Start it, kill the server, start it again: it answers within its deadlines.
 *     cc example.c -o example $(pkg-config --cflags --libs gleaner) */
#include <gleaner/db.h>
#include <gleaner/profile.h>
#include <stdio.h>

static bool greet(void *name, struct gleaner_try *attempt)
{
    const struct gleaner_client *client = attempt->client;
    mongoc_collection_t *profiles =
        mongoc_client_get_collection(client->client, client->database, "profiles");
    bson_t *who = BCON_NEW("username", BCON_UTF8(name));
    bson_t *what = BCON_NEW("$set", "{", "about", "hello, world", "}");
    bson_t *upsert = BCON_NEW("upsert", BCON_BOOL(true));
    bool ok = mongoc_collection_update_one(profiles, who, what, upsert, NULL, &attempt->error);
    bson_destroy(upsert);
    bson_destroy(what);
    bson_destroy(who);
    mongoc_collection_destroy(profiles);
    return ok;
}

int main(int argc, char **argv)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = argc > 1 ? argv[1] : "mongodb://127.0.0.1/example";
    struct gleaner_db *db;
    struct gleaner_profiles *profiles;
    struct gleaner_profile ada;
    struct gleaner_error error;
    if (gleaner_db_open(&options, &db, &error) != GLEANER_OK ||
        gleaner_profiles_open(db, NULL, &profiles, &error) != GLEANER_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 2;
    }
    struct gleaner_run_options run = {.size = sizeof(run), .is_idempotent = true};
    bool stored = gleaner_db_run(db, &run, greet, "ada", &error) == GLEANER_OK;
    printf("%s; ", stored ? "stored" : error.message);
    if (gleaner_profile_read(profiles, "ada", &ada) == GLEANER_OK) {
        printf("read from the %s\n",
               ada.source == GLEANER_PROFILE_PRIMARY ? "primary" : ada.reason);
        gleaner_profile_fini(&ada);
    }
    gleaner_profiles_close(&profiles);
    gleaner_db_close(&db, 1000);
    return stored ? 0 : 1;
}
