/* SPDX-License-Identifier: Apache-2.0 */
/* "Not primary", "stepped down", "shutting down" answered to one of 16 clients by a healthy server.
 *
 * libmongoc takes such an answer for news about the server; a single server's names no
 * topologyVersion, so it forgets the server until its monitor's next hello, which may be 10 s away,
 * and everybody waits. 16 threads read on 16 clients; a fail point answers one read with the code.
 * Figures: the longest operation of each other thread in the 1.5 s after that, and how long the
 * victim's thread went without a success; on a single server and on the primary of a replica set of
 * three, beside no error at all and mongoc_client_pool alone. Bar: 0 of the others fail, p99 <= 50
 * ms, or what it was without an error. */
#include "victims.h"

#include <stdio.h>

static const int codes[] = {10107, 13435, 189, 91, 11600};

struct sides {
    struct load ours, theirs;
};

static void open_sides(struct sides *sides, const char *uri)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = uri;
    options.max_pool_size = VICTIMS_CLIENTS;
    options.min_pool_size = VICTIMS_CLIENTS;
    sides->ours =
        (struct load){.db = load_open_ours(&options), .threads = VICTIMS_CLIENTS, .pause_us = 2000};
    sides->theirs = (struct load){.driver = load_open_theirs(uri, VICTIMS_CLIENTS),
                                  .threads = VICTIMS_CLIENTS,
                                  .pause_us = 2000};
}

static void run_codes(struct sides *sides, const struct fixture_mongod *server, unsigned member,
                      const char *what)
{
    struct victims quiet = {0}, all = {0};
    printf("one error answered to one of %d clients, %s; bar of the others: 0 failed, p99 <= %d "
           "ms\n",
           VICTIMS_CLIENTS, what, VICTIMS_BAR_MS);
    victims_print_header();
    for (size_t i = 0; i < BASE_ARRAY_LEN(codes); i++) {
        struct victims theirs = {0};
        char data[48], name[48];
        snprintf(data, sizeof(data), "\"errorCode\":%d", codes[i]);
        victims_round(&sides->ours, NULL, 0, NULL, &quiet);
        victims_round(&sides->ours, NULL, 0, NULL, &quiet);
        victims_round(&sides->ours, server, member, data, &all);
        victims_round(&sides->ours, server, member, data, &all);
        victims_round(&sides->theirs, server, member, data, &theirs);
        snprintf(name, sizeof(name), "libmongoc, %d", codes[i]);
        victims_print(name, &theirs, "");
    }
    victims_print("no error", &quiet, "");
    victims_print("gleaner, all of them", &all, load_verdict(victims_is_met(&all, &quiet)));
}

static int run_topology(unsigned members, const char *what)
{
    struct fixture_mongod *server =
        fixture_mongod_start(&(struct fixture_mongod_options){.members = members});
    struct sides sides;
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    int primary = members > 0 ? fixture_mongod_primary(server) : 0;
    BASE_ASSERT(primary >= 0);
    open_sides(&sides, fixture_mongod_uri(server));
    run_codes(&sides, server, (unsigned)primary, what);
    (void)gleaner_db_close(&sides.ours.db, 1000);
    mongoc_client_pool_destroy(sides.theirs.driver);
    fixture_mongod_end(&server);
    return load_exit_code();
}

int main(void)
{
    base_log_set_level(BASE_LOG_ERROR);
    int code = run_topology(0, "a single server");
    return code == FIXTURE_SKIP_CODE ? code : run_topology(3, "the primary of three");
}
