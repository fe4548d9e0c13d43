/* SPDX-License-Identifier: Apache-2.0 */
/* Why a server does not answer, in words, each on real sockets: what the state's reason says is
 * what the log and `gleaner status` show. */
#include "connect_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

static void quiet(void)
{
    base_log_set_level(BASE_LOG_ERROR);
}

TestSuite(verdict, .init = quiet, .timeout = 120);

static void expect(uint16_t port, const char *options, const char *words)
{
    char uri[160];
    snprintf(uri, sizeof(uri), "mongodb://127.0.0.1:%u/test%s", port, options);
    struct gleaner_db *db = rig_open(uri);
    cr_expect(rig_says(db, words), "%s", words);
    (void)gleaner_db_close(&db, 0);
}

Test(verdict, a_port_where_nobody_listens_is_refused)
{
    uint16_t port;
    close(rig_listen(&port, 1));
    expect(port, "", "refused (nobody listens): 127.0.0.1:");
}

Test(verdict, a_listener_that_never_answers_is_accepted_but_silent)
{
    uint16_t port;
    int fd = rig_listen(&port, 128);
    expect(port, "", "accepted but silent");
    close(fd);
}

Test(verdict, a_tls_handshake_that_is_never_answered_is_stalled)
{
    uint16_t port;
    int fd = rig_listen(&port, 128);
    expect(port, "?tls=true", "TLS handshake stalled");
    close(fd);
}

/* One connection waits to be accepted, and the kernel drops every further SYN. */
Test(verdict, a_syn_that_is_dropped_is_a_black_hole)
{
    uint16_t port;
    int fd = rig_listen(&port, 0), filler[2];
    struct sockaddr_in at;
    socklen_t size = sizeof(at);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    for (int i = 0; i < 2; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(filler[i], (struct sockaddr *)&at, sizeof(at));
    }
    expect(port, "", "black hole (SYN unanswered for ");
    close(filler[0]);
    close(filler[1]);
    close(fd);
}

Test(verdict, a_name_server_that_never_answers_is_named)
{
    int fd = rig_own_name_server();
    if (fd < 0) {
        cr_skip_test("a network namespace needs root");
    }
    struct gleaner_db *db = rig_open("mongodb://no-such-host.gleaner.test:27017/test");
    cr_expect(rig_says(db, "DNS does not answer"));
    (void)gleaner_db_close(&db, 0);
    close(fd);
}

static struct fixture_mongod *start(const struct fixture_mongod_options *options)
{
    struct fixture_mongod *server = fixture_mongod_start(options);
    cr_assert_not_null(server);
    return server;
}

Test(verdict, a_server_without_tls_is_told_apart)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = start(NULL);
    expect(fixture_mongod_port(server, 0), "?tls=true", "speaks no TLS");
    fixture_mongod_end(&server);
}

Test(verdict, a_packet_that_is_dropped_under_way_is_a_black_hole)
{
    FIXTURE_NEED_MONGOD();
    if (!fixture_mongod_has_networks()) {
        cr_skip_test("a network namespace needs root and ip");
    }
    struct fixture_mongod *server = start(&(struct fixture_mongod_options){.own_network = true});
    struct gleaner_db *db = rig_open(fixture_mongod_uri(server));
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    fixture_mongod_cut(server);
    gleaner_db_check_now(db);
    cr_expect(rig_says(db, "black hole ("));
    fixture_mongod_mend(server);
    cr_expect_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    (void)gleaner_db_close(&db, 0);
    fixture_mongod_end(&server);
}

Test(verdict, a_server_that_is_full_is_at_its_connection_limit)
{
    FIXTURE_NEED_MONGOD();
    enum { LIMIT = 8 };
    struct fixture_mongod *server =
        start(&(struct fixture_mongod_options){.max_connections = LIMIT});
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_port = htons(fixture_mongod_port(server, 0))};
    int taken[LIMIT + 4];
    for (size_t i = 0; i < BASE_ARRAY_LEN(taken); i++) {
        taken[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(connect(taken[i], (struct sockaddr *)&at, sizeof(at)), 0);
    }
    expect(ntohs(at.sin_port), "", "server at its connection limit");
    for (size_t i = 0; i < BASE_ARRAY_LEN(taken); i++) {
        close(taken[i]);
    }
    fixture_mongod_end(&server);
}

Test(verdict, is_said_by_the_alert_of_a_stuck_connection_too)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = start(NULL);
    struct gleaner_db_options options;
    char text[2048];
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(server);
    options.connect_ms = 300;
    options.min_pool_size = 1;
    options.pool_check_interval_ms = 100;
    struct gleaner_db *db = open_db(&options);
    struct gleaner_client one, other;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &one), GLEANER_OK);
    fixture_mongod_freeze(server, 0);
    cr_expect_neq(gleaner_db_check_out(db, 10, &other), GLEANER_OK, "its demand connects");
    cr_expect(EVENTUALLY((gleaner_monitor_alerts(db, text, sizeof(text)),
                          strstr(text, "accepted but silent") != NULL)));
    fixture_mongod_thaw(server, 0);
    (void)gleaner_db_check_in(db, &one, NULL);
    (void)gleaner_db_close(&db, 0);
    fixture_mongod_end(&server);
}
