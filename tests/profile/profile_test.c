/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of a server that is well, frozen, dead, back again, slow, or not the primary. No test
 * looks at a watch: a frozen server is thawed only after the read has come back. */
#include "db_fixture.h"
#include "gleaner/profile.h"
#include <stdio.h>
#include <unistd.h>

struct world {
    struct fixture_mongod *server;
    struct gleaner_db *db;
    struct gleaner_profiles *profiles;
};

static struct gleaner_profiles *open_profiles(struct gleaner_db *db,
                                              const struct gleaner_profiles_options *options)
{
    struct gleaner_profiles *profiles;
    struct gleaner_error error = {0};
    cr_assert_eq(gleaner_profiles_open(db, options, &profiles, &error), GLEANER_OK, "%s",
                 error.message);
    return profiles;
}

static void world_open(struct world *world, const struct gleaner_profiles_options *options)
{
    struct gleaner_db_options db_options;
    gleaner_db_options_init(&db_options);
    world->server = fixture_mongod_start(NULL);
    cr_assert_not_null(world->server);
    db_options.uri = fixture_mongod_uri(world->server);
    db_options.socket_ms =
        60000; /* a read that waited for the driver would not come back in time */
    db_options.backoff_base_ms = 20;
    db_options.backoff_cap_ms = 200;
    db_options.reconnect_limit = 100;
    world->db = open_db(&db_options);
    world->profiles = open_profiles(world->db, options);
    cr_assert_eq(gleaner_db_wait_up(world->db, PATIENCE_MS), GLEANER_OK);
}

static void world_close(struct world *world)
{
    gleaner_profiles_close(&world->profiles);
    cr_expect_null(world->profiles);
    (void)gleaner_db_close(&world->db, 1000);
    fixture_mongod_end(&world->server);
}

static void run(struct world *world, const char *json)
{
    bson_t reply;
    cr_assert(fixture_mongod_command(world->server, 0, "gleaner_test", json, &reply), "%s", json);
    bson_destroy(&reply);
}

static void store_ada(struct world *world)
{
    run(world,
        "{\"update\":\"profiles\",\"updates\":[{\"q\":{\"username\":\"ada\"},\"u\":{\"$set\":{"
        "\"displayName\":\"Ada\",\"xp\":7}},\"upsert\":true}]}");
}

static bool is_true(const bson_t *document, const char *field)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, document, field) && bson_iter_as_bool(&iter);
}

static int64_t number(const bson_t *document, const char *field)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, document, field) ? bson_iter_as_int64(&iter) : -1;
}

static void expect_fresh(struct world *world)
{
    struct gleaner_profile profile;
    cr_assert_eq(gleaner_profile_read(world->profiles, "ada", &profile), GLEANER_OK);
    cr_expect_eq(profile.source, GLEANER_PROFILE_PRIMARY, "%s", profile.reason);
    cr_expect_eq(number(profile.document, "xp"), 7);
    cr_expect_eq(profile.age_ms, 0);
    cr_expect_str_empty(profile.reason);
    cr_expect_not(bson_has_field(profile.document, "isStale"));
    cr_expect_not(bson_has_field(profile.document, "isFallback"));
    gleaner_profile_fini(&profile);
}

static void expect_stale(struct world *world)
{
    struct gleaner_profile profile;
    cr_assert_eq(gleaner_profile_read(world->profiles, "ada", &profile), GLEANER_OK);
    cr_expect_eq(profile.source, GLEANER_PROFILE_CACHE);
    cr_expect_eq(number(profile.document, "xp"), 7);
    cr_expect(is_true(profile.document, "isStale"));
    cr_expect_eq(number(profile.document, "staleAgeMs"), (int64_t)profile.age_ms);
    cr_expect_str_not_empty(profile.reason);
    gleaner_profile_fini(&profile);
}

static void expect_default(struct world *world, const char *name)
{
    struct gleaner_profile profile;
    cr_assert_eq(gleaner_profile_read(world->profiles, name, &profile), GLEANER_OK);
    cr_expect_eq(profile.source, GLEANER_PROFILE_DEFAULT);
    char *json = bson_as_relaxed_extended_json(profile.document, NULL);
    char expected[1024];
    snprintf(expected, sizeof(expected),
             "{ \"username\" : \"%s\", \"displayName\" : \"%s\", \"about\" : \"Temporary Profile - "
             "Connection Error\", \"activeTriggers\" : [ \"BAMBI SLEEP\" ], \"settings\" : { "
             "\"theme\" : \"dark\" }, \"xp\" : 0, \"level\" : 1, \"isFallback\" : true, "
             "\"fallbackReason\" : ",
             name, name);
    cr_expect_eq(strncmp(json, expected, strlen(expected)), 0, "%s", json);
    cr_expect_str_not_empty(profile.reason);
    bson_free(json);
    gleaner_profile_fini(&profile);
}

static bool comes_from_primary(struct world *world)
{
    struct gleaner_profile profile;
    bool is = gleaner_profile_read(world->profiles, "ada", &profile) == GLEANER_OK &&
              profile.source == GLEANER_PROFILE_PRIMARY;
    gleaner_profile_fini(&profile);
    return is;
}

static struct gleaner_profiles_stats stats_of(struct world *world)
{
    struct gleaner_profiles_stats stats = {.size = sizeof(stats)};
    gleaner_profiles_read_stats(world->profiles, &stats);
    return stats;
}

Test(profile, a_server_that_is_well_answers_itself_also_that_there_is_none)
{
    FIXTURE_NEED_MONGOD();
    struct world world;
    struct gleaner_profile profile;
    world_open(&world, NULL);
    store_ada(&world);
    expect_fresh(&world);
    cr_expect_eq(gleaner_profile_read(world.profiles, "nobody", &profile), GLEANER_E_NOT_FOUND);
    cr_expect_null(profile.document);
    cr_expect_eq(stats_of(&world).from_primary, 1);
    cr_expect_eq(stats_of(&world).not_found, 1);
    cr_expect_eq(stats_of(&world).entries, 1);
    world_close(&world);
}

Test(profile, a_name_that_is_none_is_refused)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    struct gleaner_db *db = open_db(&options);
    struct gleaner_profiles *profiles = open_profiles(db, NULL);
    struct gleaner_profile profile;
    char longer[300];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    cr_expect_eq(gleaner_profile_read(profiles, NULL, &profile), GLEANER_E_INVALID);
    cr_expect_eq(gleaner_profile_read(profiles, "", &profile), GLEANER_E_INVALID);
    cr_expect_eq(gleaner_profile_read(profiles, longer, &profile), GLEANER_E_INVALID);
    cr_expect_eq(gleaner_profile_read(profiles, "\xff\xfe", &profile), GLEANER_E_INVALID);
    gleaner_profiles_close(&profiles);
    cr_expect_eq(gleaner_db_close(&db, 0), GLEANER_OK);
}

Test(profile, a_wrong_option_is_refused_by_name)
{
    struct gleaner_profiles *profiles;
    struct gleaner_profiles_options options;
    struct gleaner_error error = {0};
    gleaner_profiles_options_init(&options);
    options.deadline_ms = 5000;
    cr_expect_eq(gleaner_profiles_open(NULL, &options, &profiles, &error), GLEANER_E_CONFIG);
    cr_expect(strstr(error.message, "deadline_ms") != NULL);
    cr_expect_null(profiles);
    gleaner_profiles_options_init(&options);
    cr_expect_eq(gleaner_profiles_open(NULL, &options, &profiles, &error), GLEANER_E_CONFIG);
    cr_expect_null(profiles);
}

Test(profile, a_frozen_server_is_not_waited_for_and_answers_again_when_it_thaws)
{
    FIXTURE_NEED_MONGOD();
    struct world world;
    world_open(&world, NULL);
    store_ada(&world);
    expect_fresh(&world);
    fixture_mongod_freeze(world.server, 0);
    expect_stale(&world);
    expect_default(&world, "never-seen");
    for (int i = 0; i < 20; i++) {
        expect_stale(&world);
    }
    fixture_mongod_thaw(world.server, 0);
    cr_expect(EVENTUALLY(comes_from_primary(&world)));
    expect_fresh(&world);
    world_close(&world);
}

Test(profile, a_dead_server_is_never_a_profile_that_does_not_exist)
{
    FIXTURE_NEED_MONGOD();
    struct world world;
    world_open(&world, NULL);
    store_ada(&world);
    expect_fresh(&world);
    fixture_mongod_kill(world.server, 0);
    for (int i = 0; i < 50; i++) { /* through all phases of the outage */
        expect_stale(&world);
        expect_default(&world, "never-seen");
    }
    cr_assert(fixture_mongod_restart(world.server, 0));
    cr_expect(EVENTUALLY(comes_from_primary(&world)));
    struct gleaner_profile profile;
    cr_expect_eq(gleaner_profile_read(world.profiles, "never-seen", &profile), GLEANER_E_NOT_FOUND,
                 "a default is never stored");
    cr_expect_eq(stats_of(&world).not_found, 1);
    world_close(&world);
}

Test(profile, a_profile_that_was_deleted_is_forgotten)
{
    FIXTURE_NEED_MONGOD();
    struct world world;
    struct gleaner_profile profile;
    world_open(&world, NULL);
    store_ada(&world);
    expect_fresh(&world);
    run(&world, "{\"delete\":\"profiles\",\"deletes\":[{\"q\":{},\"limit\":0}]}");
    cr_expect_eq(gleaner_profile_read(world.profiles, "ada", &profile), GLEANER_E_NOT_FOUND);
    fixture_mongod_kill(world.server, 0);
    expect_default(&world, "ada");
    world_close(&world);
}

Test(profile, the_fallback_server_is_not_believed)
{
    FIXTURE_NEED_MONGOD();
    struct world world = {.server = fixture_mongod_start(NULL)};
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = "mongodb://127.0.0.1:1/gleaner_test";
    options.fallback_uri = fixture_mongod_uri(world.server);
    options.server_selection_ms = 500;
    store_ada(&world);
    world.db = open_db(&options);
    world.profiles = open_profiles(world.db, NULL);
    cr_assert_eq(gleaner_db_wait_up(world.db, PATIENCE_MS), GLEANER_OK);
    cr_expect_str_eq(read_state(world.db).phase, "fallback");
    expect_default(&world, "ada");
    expect_default(&world, "nobody");
    world_close(&world);
}

Test(profile, an_answer_that_comes_too_late_refreshes_the_cache)
{
    FIXTURE_NEED_MONGOD();
    struct world world;
    struct gleaner_profiles_options options;
    gleaner_profiles_options_init(&options);
    options.deadline_ms = 100;
    options.readers = 1; /* no second try beside it */
    world_open(&world, &options);
    store_ada(&world);
    run(&world, "{\"ping\":1}");
    bson_t reply;
    cr_assert(fixture_mongod_command(
        world.server, 0, "admin",
        "{\"configureFailPoint\":\"failCommand\",\"mode\":{\"times\":1},\"data\":{\"failCommands\":"
        "[\"find\"],\"blockConnection\":true,\"blockTimeMS\":500}}",
        &reply));
    bson_destroy(&reply);
    expect_default(&world, "ada");
    cr_expect(EVENTUALLY(stats_of(&world).late == 1));
    fixture_mongod_kill(world.server, 0);
    expect_stale(&world);
    world_close(&world);
}

Test(profile, a_cache_file_outlives_the_process)
{
    FIXTURE_NEED_MONGOD();
    struct world world;
    struct gleaner_profiles_options options;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/gleaner-profile-test-%ld", (long)getpid());
    gleaner_profiles_options_init(&options);
    options.cache_path = path;
    world_open(&world, &options);
    store_ada(&world);
    expect_fresh(&world);
    gleaner_profiles_close(&world.profiles);
    fixture_mongod_kill(world.server, 0);
    world.profiles = open_profiles(world.db, &options);
    expect_stale(&world);
    world_close(&world);
    unlink(path);
}

/* ---- many callers
 * ----------------------------------------------------------------------------------- */

#define CALLERS 12

struct caller {
    struct world *world;
    char name[16];
    _Atomic bool *must_stop;
    uint64_t answers, wrong;
};

static void keep_reading(void *arg)
{
    struct caller *caller = arg;
    while (!atomic_load(caller->must_stop)) {
        struct gleaner_profile profile;
        bool ok =
            gleaner_profile_read(caller->world->profiles, caller->name, &profile) == GLEANER_OK &&
            profile.document != NULL;
        bson_iter_t iter;
        ok = ok && bson_iter_init_find(&iter, profile.document, "username") &&
             strcmp(bson_iter_utf8(&iter, NULL), caller->name) == 0;
        caller->answers++;
        caller->wrong += ok ? 0 : 1;
        gleaner_profile_fini(&profile);
    }
}

Test(profile, many_callers_are_all_answered_through_a_freeze_and_a_kill)
{
    FIXTURE_NEED_MONGOD();
    struct world world;
    struct gleaner_profiles_options options;
    gleaner_profiles_options_init(&options);
    options.deadline_ms = 200;
    world_open(&world, &options);
    struct caller callers[CALLERS];
    struct sync_thread *threads[CALLERS];
    _Atomic bool must_stop = false;
    for (int i = 0; i < CALLERS; i++) {
        char json[256];
        callers[i] = (struct caller){.world = &world, .must_stop = &must_stop};
        snprintf(callers[i].name, sizeof(callers[i].name), "user-%d", i % 6);
        snprintf(json, sizeof(json),
                 "{\"update\":\"profiles\",\"updates\":[{\"q\":{\"username\":\"user-%d\"},\"u\":{"
                 "\"$set\":{\"xp\":%d}},\"upsert\":true}]}",
                 i % 6, i);
        run(&world, json);
    }
    for (int i = 0; i < CALLERS; i++) {
        cr_assert_eq(
            sync_thread_start(&threads[i], "caller", SYNC_READER, keep_reading, &callers[i]),
            GLEANER_OK);
    }
    cr_expect(EVENTUALLY(stats_of(&world).from_primary > 200));
    fixture_mongod_freeze(world.server, 0);
    uint64_t stale = stats_of(&world).from_cache;
    cr_expect(EVENTUALLY(stats_of(&world).from_cache > stale + 50));
    fixture_mongod_thaw(world.server, 0);
    uint64_t fresh = stats_of(&world).from_primary;
    cr_expect(EVENTUALLY(stats_of(&world).from_primary > fresh + 100));
    fixture_mongod_kill(world.server, 0);
    stale = stats_of(&world).from_cache;
    cr_expect(EVENTUALLY(stats_of(&world).from_cache > stale + 50));
    cr_assert(fixture_mongod_restart(world.server, 0));
    fresh = stats_of(&world).from_primary;
    cr_expect(EVENTUALLY(stats_of(&world).from_primary > fresh + 100));
    atomic_store(&must_stop, true);
    for (int i = 0; i < CALLERS; i++) {
        sync_thread_join(&threads[i]);
        cr_expect_eq(callers[i].wrong, 0);
        cr_expect_gt(callers[i].answers, 0);
    }
    cr_expect_eq(stats_of(&world).not_found, 0);
    world_close(&world);
}

Test(profile, closing_does_not_wait_for_a_frozen_server)
{
    FIXTURE_NEED_MONGOD();
    struct world world;
    world_open(&world, NULL);
    store_ada(&world);
    expect_fresh(&world);
    fixture_mongod_freeze(world.server, 0);
    expect_stale(&world); /* a reader is at it still */
    gleaner_profiles_close(&world.profiles);
    (void)gleaner_db_close(&world.db, 0);
    fixture_mongod_thaw(world.server, 0);
    fixture_mongod_end(&world.server);
}
