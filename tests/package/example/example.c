/* SPDX-License-Identifier: Apache-2.0 */
/* libgleaner in forty lines: insert one document through a pool that recovers by itself. */
#include <gleaner/db.h>
#include <stdio.h>

static bool insert_hello(const struct gleaner_client *client, bson_error_t *error)
{
    mongoc_collection_t *hellos =
        mongoc_client_get_collection(client->client, client->database, "hellos");
    bson_t *document = BCON_NEW("hello", BCON_UTF8("world"));
    bool ok = mongoc_collection_insert_one(hellos, document, NULL, NULL, error);
    bson_destroy(document);
    mongoc_collection_destroy(hellos);
    return ok;
}

int main(int argc, char **argv)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = argc > 1 ? argv[1] : "mongodb://127.0.0.1/example";

    struct gleaner_db *db;
    struct gleaner_error error;
    if (gleaner_db_open(&options, &db, &error) != GLEANER_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 2;
    }
    struct gleaner_client client;
    bson_error_t failure;
    bool ok = false;
    enum gleaner_status status = gleaner_db_check_out(db, 10000, &client);
    if (status == GLEANER_OK) {
        ok = insert_hello(&client, &failure);
        printf("%s on the %s\n", ok ? "stored" : failure.message, client.tier);
        gleaner_db_check_in(db, &client, ok ? NULL : &failure);
    } else {
        printf("no client: %s\n", gleaner_status_name(status));
    }
    gleaner_db_close(&db, 1000);
    return ok ? 0 : 1;
}
