/* SPDX-License-Identifier: Apache-2.0 */
/* Poking sockets of our own: somebody who hangs up, somebody silent, nobody. */
#include "poke.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A listening socket that nobody serves: the kernel accepts, as for a frozen server. */
static int listen_silently(char address[64])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(fd, 4), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    snprintf(address, 64, "127.0.0.1:%u/test", ntohs(at.sin_port));
    return fd;
}

Test(poke, a_server_that_accepts_and_stays_silent_is_not_there, .timeout = 30)
{
    char address[64];
    int fd = listen_silently(address);
    cr_expect_not(poke(address, 50));
    close(fd);
}

Test(poke, a_closed_port_is_not_there, .timeout = 30)
{
    char address[64];
    close(listen_silently(address));
    cr_expect_not(poke(address, 5000));
}

Test(poke, an_address_without_a_port_is_not_asked, .timeout = 30)
{
    cr_expect_not(poke("cluster.example.com/test", 5000));
    cr_expect_not(poke("", 5000));
}
