/* SPDX-License-Identifier: Apache-2.0 */
/* Ending and connecting with a server that does not help.
 *
 * 1. Closing with a dead (killed) and with a frozen server: bar drain + 0.6 s; beside it
 *    mongoc_client_pool_destroy() of libmongoc alone, server selection 30 s by default.
 * 2. A server that accepts and stays silent: from the first attempt to the connector being declared
 *    stuck; bar connect deadline + 250 ms. */
#include "db_load.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 8, DRAIN_MS = 1000, CLOSE_BAR_MS = DRAIN_MS + 600, CONNECT_MS = 1500 };

typedef void (*trouble)(struct fixture_mongod *server, unsigned member);

static double since_ms(uint64_t from_ns)
{
    return (double)(base_mono_ns() - from_ns) / 1e6;
}

static void close_with(struct fixture_mongod *server, const char *what, trouble make)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(server);
    options.max_pool_size = CLIENTS;
    options.min_pool_size = CLIENTS;
    struct gleaner_db *db = load_open_ours(&options);
    make(server, 0);
    uint64_t from_ns = base_mono_ns();
    (void)gleaner_db_close(&db, DRAIN_MS);
    double took_ms = since_ms(from_ns);
    printf("close with a %s server: %.0f ms, bar %d ms: %s\n", what, took_ms, CLOSE_BAR_MS,
           load_verdict(took_ms <= CLOSE_BAR_MS));
    fflush(stdout);
}

static void close_theirs(struct fixture_mongod *server)
{
    mongoc_client_pool_t *driver = load_open_theirs(fixture_mongod_uri(server), CLIENTS);
    fixture_mongod_kill(server, 0);
    uint64_t from_ns = base_mono_ns();
    mongoc_client_pool_destroy(driver);
    printf("libmongoc alone, pool destroyed with a killed server: %.0f ms\n", since_ms(from_ns));
}

static uint32_t stuck_now(struct gleaner_db *db)
{
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    gleaner_monitor_read(db, &report);
    return report.stuck_pending;
}

/* The server is frozen before we come: it accepts (the kernel does) and says nothing. */
static void connect_to_silence(struct fixture_mongod *server)
{
    struct gleaner_db_options options;
    struct gleaner_error error;
    struct gleaner_db *db = NULL;
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(server);
    options.connect_ms = CONNECT_MS;
    options.server_selection_ms = 10000; /* the driver is not to give up first */
    fixture_mongod_freeze(server, 0);
    uint64_t from_ns = base_mono_ns();
    BASE_ASSERT(gleaner_db_open(&options, &db, &error) == GLEANER_OK);
    while (stuck_now(db) == 0 && since_ms(from_ns) < 30000) {
        load_sleep_ms(2);
    }
    double took_ms = since_ms(from_ns);
    printf("silent server: declared stuck after %.0f ms, bar %d ms: %s\n", took_ms,
           CONNECT_MS + 250, load_verdict(stuck_now(db) > 0 && took_ms <= CONNECT_MS + 250));
    from_ns = base_mono_ns();
    (void)gleaner_db_close(&db, 0);
    took_ms = since_ms(from_ns);
    printf("closing meanwhile, without a drain: %.0f ms, bar 600 ms: %s\n", took_ms,
           load_verdict(took_ms <= 600));
    fixture_mongod_thaw(server, 0);
}

int main(void)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    base_log_set_level(BASE_LOG_ERROR);
    connect_to_silence(server);
    close_with(server, "frozen", fixture_mongod_freeze);
    fixture_mongod_thaw(server, 0);
    close_with(server, "killed", fixture_mongod_kill);
    BASE_ASSERT(fixture_mongod_restart(server, 0));
    close_theirs(server);
    fixture_mongod_end(&server);
    return load_exit_code();
}
