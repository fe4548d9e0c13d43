/* SPDX-License-Identifier: Apache-2.0 */
/* A name with several addresses, of which one is a black hole. */
#include "mongo_internal.h"
#include "sync.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if MONGO_COMPAT_STREAMS

#define FILLERS 2
#define DEADLINE_MS 8000 /* half of it: room for two repeats of a SYN, after 1 and 3 s */

struct place {
    int fd, filler[FILLERS];
    struct sockaddr_in at;
    struct addrinfo info;
};

static void listen_there(struct place *place, int backlog)
{
    socklen_t size = sizeof place->at;
    place->at =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    place->fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(place->fd, (struct sockaddr *)&place->at, size), 0);
    cr_assert_eq(listen(place->fd, backlog), 0);
    cr_assert_eq(getsockname(place->fd, (struct sockaddr *)&place->at, &size), 0);
    place->info = (struct addrinfo){.ai_family = AF_INET,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_addr = (struct sockaddr *)&place->at,
                                    .ai_addrlen = size};
}

/* The kernel drops a SYN for a full backlog. */
static void fill(struct place *place)
{
    for (int i = 0; i < FILLERS; i++) {
        place->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(place->filler[i], (struct sockaddr *)&place->at, sizeof place->at);
    }
}

/* Each is answered by the kernel's repeat of its SYN at the soonest: loopback would be too quick
 * for the test to see whether there was time. So the second one is full, too, until somebody is at
 * its door. */
static bool is_somebody_at(const struct place *place)
{
    char line[256], wanted[32];
    bool found = false;
    FILE *table = fopen("/proc/net/tcp", "r");
    cr_assert_not_null(table);
    snprintf(wanted, sizeof wanted, "0100007F:%04X 02", ntohs(place->at.sin_port)); /* SYN_SENT */
    while (!found && fgets(line, sizeof line, table) != NULL) {
        found = strstr(line, wanted) != NULL;
    }
    fclose(table);
    return found;
}

struct opener {
    struct place *place;
    _Atomic bool must_stop;
};

static void open_when_knocked_at(void *arg)
{
    struct opener *opener = arg;
    struct sync_parker nap;
    sync_park_init(&nap);
    while (!atomic_load(&opener->must_stop)) {
        if (is_somebody_at(opener->place)) {
            for (int i = 0; i < FILLERS; i++) {
                int fd = accept4(opener->place->fd, NULL, NULL, SOCK_NONBLOCK);
                if (fd >= 0) {
                    close(fd);
                }
            }
        }
        (void)sync_park(&nap, base_mono_ns() + 50 * BASE_NS_PER_MS);
    }
}

Test(mongo_connect, an_address_that_swallows_all_leaves_time_for_the_next, .timeout = 60)
{
    struct place hole, server;
    struct opener opener = {.place = &server};
    struct sync_thread *thread;
    mongo_init();
    listen_there(&hole, 0);
    listen_there(&server, 0);
    fill(&hole);
    fill(&server);
    cr_assert_eq(fcntl(server.fd, F_SETFL, O_NONBLOCK), 0);
    hole.info.ai_next = &server.info;
    cr_assert_eq(sync_thread_start(&thread, "opener", SYNC_PLAIN, open_when_knocked_at, &opener),
                 GLEANER_OK);
    mongoc_stream_t *stream =
        mongo_connect_any(&hole.info, base_mono_ns() + DEADLINE_MS * BASE_NS_PER_MS);
    cr_expect_not_null(stream);
    atomic_store(&opener.must_stop, true);
    sync_thread_join(&thread);
    mongoc_stream_destroy(stream);
    for (int i = 0; i < FILLERS; i++) {
        close(hole.filler[i]);
        close(server.filler[i]);
    }
    close(hole.fd);
    close(server.fd);
    mongo_cleanup();
}

#endif
