/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the kernel who listens. */
#include "listener.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct uri_case {
    char uri[96];
    uint32_t count;
    uint16_t last_port;
};

ParameterizedTestParameters(listener, ports_are_read_of_uris_that_stay_on_this_machine)
{
    static struct uri_case cases[] = {
        {"mongodb://127.0.0.1:27018/db", 1, 27018},
        {"mongodb://localhost", 1, 27017},
        {"mongodb://me:p@ss@127.0.0.1:1?x=y:9", 1, 1},
        {"mongodb://127.0.0.1:1,127.0.0.2:2,[::1]:3/?replicaSet=rs", 3, 3},
        {"mongodb://[::1]/db", 1, 27017},
        {"mongodb://127.0.0.1:1,10.0.0.1:2/db", 0, 0},
        {"mongodb://db.example.com:27017/db", 0, 0},
        {"mongodb://%2Ftmp%2Fmongodb.sock/db", 0, 0},
        {"mongodb+srv://localhost/db", 0, 0},
        {"mongodb://127.0.0.1:99999/db", 0, 0},
        {"fake://127.0.0.1:1", 0, 0},
    };
    return cr_make_param_array(struct uri_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct uri_case *given, listener,
                  ports_are_read_of_uris_that_stay_on_this_machine)
{
    struct listener_ports ports = listener_parse(given->uri);
    cr_expect_eq(ports.count, given->count, "%s: %u", given->uri, ports.count);
    if (given->count > 0 && ports.count == given->count) {
        cr_expect_eq(ports.port[ports.count - 1], given->last_port, "%s", given->uri);
    }
}

static int listen_at_some_port(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(fd, 4), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

Test(listener, one_is_present_until_it_is_closed)
{
    struct listener_ports ports = {.count = 1};
    int fd = listen_at_some_port(&ports.port[0]);
    enum listener_verdict verdict = listener_look(&ports);
    if (verdict == LISTENER_UNKNOWN) {
        close(fd);
        cr_skip_test("the kernel does not say");
    }
    cr_expect_eq(verdict, LISTENER_PRESENT);
    close(fd);
    cr_expect_eq(listener_look(&ports), LISTENER_ABSENT);
}

Test(listener, one_of_several_is_enough_and_without_ports_nothing_is_known)
{
    struct listener_ports ports = {.port = {1}, .count = 2}, none = {.count = 0};
    int fd = listen_at_some_port(&ports.port[1]);
    cr_expect_neq(listener_look(&ports), LISTENER_ABSENT);
    cr_expect_eq(listener_look(&none), LISTENER_UNKNOWN);
    close(fd);
}
