/* SPDX-License-Identifier: Apache-2.0 */
/* One of 16 clients loses its socket, the server is healthy: what do the other 15 notice?
 *
 * 16 threads read on 16 clients; a fail point closes the connection of one of them. Figure: the
 * longest operation of each other thread in the 1.5 s after that, over all rounds. Beside it the
 * same without an error (what this machine does to a thread by itself), and mongoc_client_pool
 * alone; all alternating in one run. Bar: 0 of the others fail, p99 of the longest operations <= 50
 * ms; on a machine that holds threads up longer than that without any error, <= what it was
 * without.
 */
#include "victims.h"

#include <stdio.h>

enum { ROUNDS = 8 };

#define CLOSE "\"closeConnection\":true"

int main(void)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    base_log_set_level(BASE_LOG_ERROR);
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(server);
    options.max_pool_size = VICTIMS_CLIENTS;
    options.min_pool_size = VICTIMS_CLIENTS;
    struct load ours = {
        .db = load_open_ours(&options), .threads = VICTIMS_CLIENTS, .pause_us = 2000};
    struct load theirs = {.driver = load_open_theirs(options.uri, VICTIMS_CLIENTS),
                          .threads = VICTIMS_CLIENTS,
                          .pause_us = 2000};
    struct victims quiet = {0}, our_figures = {0}, their_figures = {0};
    for (int round = 0; round < ROUNDS; round++) {
        victims_round(&ours, NULL, 0, NULL, &quiet);
        victims_round(&ours, server, 0, CLOSE, &our_figures);
        victims_round(&theirs, server, 0, CLOSE, &their_figures);
    }
    printf("one socket error on one of %d clients, healthy server, %d rounds; bar: 0 failed, p99 "
           "<= %d ms\n",
           VICTIMS_CLIENTS, ROUNDS, VICTIMS_BAR_MS);
    victims_print_header();
    victims_print("no error", &quiet, "");
    victims_print("gleaner", &our_figures, load_verdict(victims_is_met(&our_figures, &quiet)));
    victims_print("libmongoc", &their_figures, "");
    (void)gleaner_db_close(&ours.db, 1000);
    mongoc_client_pool_destroy(theirs.driver);
    fixture_mongod_end(&server);
    return load_exit_code();
}
