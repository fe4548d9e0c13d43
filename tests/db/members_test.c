/* SPDX-License-Identifier: Apache-2.0 */
/* libgleaner and the members of a replica set: which of them matter. */
#include "db_fixture.h"

enum { MEMBERS = 3 };

static struct fixture_mongod *set;
static struct gleaner_db *db;

static void start_set(void)
{
    set = fixture_mongod_start(&(struct fixture_mongod_options){.members = MEMBERS});
    cr_assert_not_null(set);
}

static void open_set(const char *uri)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = uri;
    options.heartbeat_ms = 500;
    db = open_db(&options);
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
}

static void end(void)
{
    cr_expect_eq(gleaner_db_close(&db, PATIENCE_MS), GLEANER_OK);
    fixture_mongod_end(&set);
}

/* What the driver's monitors know, after they told their listeners. */
static bool is_known(unsigned member)
{
    struct gleaner_client client;
    size_t count = 0;
    bool is = false;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    mongoc_server_description_t **servers =
        mongoc_client_get_server_descriptions(client.client, &count);
    for (size_t i = 0; i < count; i++) { /* a server that does not answer is not among them */
        is = is ||
             mongoc_server_description_host(servers[i])->port == fixture_mongod_port(set, member);
    }
    mongoc_server_descriptions_destroy_all(servers, count);
    (void)gleaner_db_check_in(db, &client, NULL);
    return is;
}

static bool writes(int64_t id)
{
    struct gleaner_client client;
    bson_error_t error;
    if (gleaner_db_check_out(db, 100, &client) != GLEANER_OK) {
        return false;
    }
    bool ok = insert_one(&client, "members", id, &error);
    (void)gleaner_db_check_in(db, &client, ok ? NULL : &error);
    return ok;
}

Test(db_members, a_secondary_that_dies_says_nothing_against_the_primary, .timeout = 200)
{
    FIXTURE_NEED_MONGOD();
    start_set();
    unsigned secondary = ((unsigned)fixture_mongod_primary(set) + 1) % MEMBERS;
    open_set(fixture_mongod_uri(set));
    cr_assert(EVENTUALLY(is_known(secondary)));
    uint64_t version = read_state(db).version;
    fixture_mongod_kill(set, secondary);
    cr_assert(EVENTUALLY(!is_known(secondary)));
    cr_expect_eq(read_report(db).failed_heartbeats, 0, "it was taken for the server in use");
    cr_expect_eq(read_state(db).version, version, "%s", read_state(db).reason);
    cr_expect(writes(1));
    end();
}
