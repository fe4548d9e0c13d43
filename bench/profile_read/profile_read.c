/* SPDX-License-Identifier: Apache-2.0 */
/* What does a profile read cost, on a server that is well and without one?
 *
 * Well: gleaner_profile_read() (a hand-over to a reader and back) against the same find command on
 * a client that this thread checked out itself, in turns of 500, medians of the rounds. Away: reads
 * from the cache while the server is down; no peer, libmongoc has none. `bench_profile_read
 * [ROUNDS]`, default 15. */
#include "base.h"
#include "gleaner/profile.h"
#include "mongod.h"
#include "sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READS = 500, ROUNDS_MAX = 101 };

static struct gleaner_db *db;
static struct gleaner_profiles *profiles;

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static void read_profile(enum gleaner_profile_source expected)
{
    struct gleaner_profile profile;
    must(gleaner_profile_read(profiles, "ada", &profile) == GLEANER_OK, "no profile");
    must(profile.source == expected, profile.reason);
    gleaner_profile_fini(&profile);
}

static void read_directly(void)
{
    struct gleaner_client client;
    bson_t reply;
    bson_error_t error;
    must(gleaner_db_check_out(db, 1000, &client) == GLEANER_OK, "no client");
    bson_t *command =
        BCON_NEW("find", "profiles", "filter", "{", "username", "ada", "}", "limit", BCON_INT32(1),
                 "singleBatch", BCON_BOOL(true), "maxTimeMS", BCON_INT64(1000));
    must(
        mongoc_client_command_simple(client.client, client.database, command, NULL, &reply, &error),
        error.message);
    bson_t *copy = bson_copy(&reply);
    bson_destroy(copy);
    bson_destroy(&reply);
    bson_destroy(command);
    (void)gleaner_db_check_in(db, &client, NULL);
}

static double us_each(uint64_t began_ns)
{
    return (double)(base_mono_ns() - began_ns) / READS / 1e3;
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return a < b ? -1 : a > b;
}

static void show(const char *what, double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), compare);
    printf("%-46s median %8.1f us, %.1f to %.1f\n", what, values[count / 2], values[0],
           values[count - 1]);
}

static struct fixture_mongod *open_all(void)
{
    struct gleaner_db_options options;
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    must(server != NULL, "no server");
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(server);
    must(gleaner_db_open(&options, &db, NULL) == GLEANER_OK, "not opened");
    must(gleaner_profiles_open(db, NULL, &profiles, NULL) == GLEANER_OK, "no profiles");
    must(gleaner_db_wait_up(db, 30000) == GLEANER_OK, "not up");
    must(fixture_mongod_command(server, 0, "gleaner_test",
                                "{\"insert\":\"profiles\",\"documents\":[{\"username\":\"ada\"}]}",
                                NULL),
         "not stored");
    return server;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 15;
    double ours[ROUNDS_MAX], direct[ROUNDS_MAX], away[ROUNDS_MAX];
    if (fixture_mongod_program() == NULL) {
        return fixture_mongod_skip_code();
    }
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    struct fixture_mongod *server = open_all();
    for (int round = 0; round < rounds; round++) {
        uint64_t began_ns = base_mono_ns();
        for (int i = 0; i < READS; i++) {
            read_profile(GLEANER_PROFILE_PRIMARY);
        }
        ours[round] = us_each(began_ns);
        began_ns = base_mono_ns();
        for (int i = 0; i < READS; i++) {
            read_directly();
        }
        direct[round] = us_each(began_ns);
    }
    fixture_mongod_kill(server, 0);
    gleaner_db_check_now(db);
    while (gleaner_db_is_up(db)) {
        sync_cpu_relax();
    }
    for (int round = 0; round < rounds; round++) {
        uint64_t began_ns = base_mono_ns();
        for (int i = 0; i < READS; i++) {
            read_profile(GLEANER_PROFILE_CACHE);
        }
        away[round] = us_each(began_ns);
    }
    printf("1 thread, %d rounds of %d reads, one server on this machine\n", rounds, READS);
    show("gleaner_profile_read, from the primary", ours, rounds);
    show("the same find on a client of its own", direct, rounds);
    show("gleaner_profile_read, server away, from the cache", away, rounds);
    gleaner_profiles_close(&profiles);
    (void)gleaner_db_close(&db, 1000);
    fixture_mongod_end(&server);
    return 0;
}
