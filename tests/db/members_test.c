/* SPDX-License-Identifier: Apache-2.0 */
/* libgleaner and the members of a replica set: which of them matter, and how the set is found
 * again. */
#include "db_fixture.h"
#include <stdio.h>

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

static void name_one(char *out, size_t size, unsigned member)
{
    const char *options = strchr(fixture_mongod_uri(set), '?');
    cr_assert_not_null(options);
    snprintf(out, size, "mongodb://%s:%u/%s", fixture_mongod_address(set, member),
             (unsigned)fixture_mongod_port(set, member), options);
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

Test(db_members, the_one_host_of_the_uri_may_go_while_others_serve, .timeout = 200)
{
    FIXTURE_NEED_MONGOD();
    char uri[128];
    start_set();
    unsigned secondary = ((unsigned)fixture_mongod_primary(set) + 1) % MEMBERS;
    name_one(uri, sizeof(uri), secondary);
    open_set(uri);
    cr_assert(EVENTUALLY(is_known(secondary)));
    fixture_mongod_kill(set, secondary);
    cr_assert(EVENTUALLY(!is_known(secondary)));
    uint32_t generation = read_state(db).generation;
    gleaner_db_refresh(db); /* new driver pools */
    cr_assert(EVENTUALLY(read_state(db).generation > generation), "%s", read_state(db).reason);
    cr_expect_str_eq(read_state(db).phase, "connected");
    cr_expect(writes(1));
    end();
}

Test(db_members, a_primary_that_dies_is_followed_though_the_uri_names_no_other, .timeout = 200)
{
    FIXTURE_NEED_MONGOD();
    char uri[128];
    start_set();
    unsigned primary = (unsigned)fixture_mongod_primary(set);
    name_one(uri, sizeof(uri), primary);
    open_set(uri);
    fixture_mongod_kill(set, primary);
    cr_expect(EVENTUALLY(read_report(db).failed_heartbeats > 0), "it was the server in use");
    cr_assert(EVENTUALLY(writes(1)), "%s", read_state(db).reason);
    end();
}
