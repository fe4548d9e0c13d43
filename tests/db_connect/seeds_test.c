/* SPDX-License-Identifier: Apache-2.0 */
/* Where URIs lead, and mongodb+srv:// by a name server of our own in a namespace of our own. */
#include "connect_rig.h"
#include "mongo.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(seeds, .timeout = 60);

static struct mongo_seeds seeds;
static struct base_error error;

Test(seeds, of_a_list_are_all_its_hosts)
{
    mongo_init();
    cr_assert_eq(mongo_seeds_find("mongodb://u:p@a.example:27018,[::1],b.example/db?tls=true",
                                  &seeds, &error),
                 GLEANER_OK, "%s", error.message);
    cr_assert_eq(seeds.count, 3);
    cr_expect_str_eq(seeds.at[0].host, "a.example");
    cr_expect_str_eq(seeds.at[0].port, "27018");
    cr_expect_str_eq(seeds.at[1].host, "::1");
    cr_expect_str_eq(seeds.at[2].port, "27017");
    cr_expect(seeds.uses_tls);
    cr_expect(seeds.is_set);
}

Test(seeds, of_one_server_is_no_set_unless_the_uri_names_one)
{
    mongo_init();
    cr_assert_eq(mongo_seeds_find("mongodb://127.0.0.1/", &seeds, &error), GLEANER_OK);
    cr_expect_not(seeds.is_set);
    cr_expect_not(seeds.uses_tls);
    cr_assert_eq(mongo_seeds_find("mongodb://127.0.0.1/?replicaSet=x", &seeds, &error), GLEANER_OK);
    cr_expect(seeds.is_set);
    cr_assert_eq(mongo_seeds_find("mongodb://%2Ftmp%2Fa.sock", &seeds, &error), GLEANER_OK);
    cr_expect_eq(seeds.count, 0);
}

/* ---- a name server that knows one set
 * ------------------------------------------------------------------- */

static size_t append_name(unsigned char *at, const char *name)
{
    size_t length = 0;
    while (*name != '\0') {
        size_t label = strcspn(name, ".");
        at[length++] = (unsigned char)label;
        memcpy(at + length, name, label);
        length += label;
        name += label + (name[label] == '.');
    }
    at[length++] = 0;
    return length;
}

static size_t append_16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
    return 2;
}

/* type, class IN, 60 s, the length of what follows */
static size_t append_head(unsigned char *at, unsigned type, size_t size)
{
    size_t length = append_16(at, 0xc00c); /* the question's name */
    length += append_16(at + length, type);
    length += append_16(at + length, 1);
    length += append_16(at + length, 0) + append_16(at + length + 2, 60);
    return length + append_16(at + length, (unsigned)size);
}

struct name_server {
    int fd;
    uint16_t port; /* of the server that the SRV records name */
    struct sync_thread *thread;
};

static size_t answer_of(const struct name_server *server, unsigned char *text, size_t question_end)
{
    unsigned type = (unsigned)text[question_end - 4] << 8 | text[question_end - 3];
    size_t length = question_end;
    unsigned count = 0;
    if (type == 33) { /* SRV */
        unsigned char name[64];
        size_t size = append_name(name, "node.gleaner.test");
        length += append_head(text + length, type, 6 + size);
        length += append_16(text + length, 0);
        length += append_16(text + length, 0);
        length += append_16(text + length, server->port);
        memcpy(text + length, name, size);
        length += size;
        count = 1;
    } else if (type == 1) { /* A */
        static const unsigned char loopback[] = {127, 0, 0, 1};
        length += append_head(text + length, type, sizeof(loopback));
        memcpy(text + length, loopback, sizeof(loopback));
        length += sizeof(loopback);
        count = 1;
    }
    text[2] = 0x85; /* an answer, with authority */
    text[3] = 0x80;
    append_16(text + 6, count);
    append_16(text + 8, 0);
    append_16(text + 10, 0);
    return length;
}

static void serve_names(void *arg)
{
    struct name_server *server = arg;
    unsigned char text[512];
    struct sockaddr_in from;
    for (;;) {
        socklen_t size = sizeof(from);
        ssize_t got = recvfrom(server->fd, text, 256, 0, (struct sockaddr *)&from, &size);
        if (got < 17) {
            break; /* one byte from the test: the end */
        }
        size_t end = 12;
        while (end < (size_t)got && text[end] != 0) {
            end += text[end] + 1U;
        }
        size_t length = answer_of(server, text, end + 5);
        (void)sendto(server->fd, text, length, 0, (struct sockaddr *)&from, size);
    }
}

static void start_names(struct name_server *server)
{
    sync_init();
    cr_assert_eq(sync_thread_start(&server->thread, "names", SYNC_PLAIN, serve_names, server),
                 GLEANER_OK);
}

static void end_names(struct name_server *server)
{
    struct sockaddr_in at;
    socklen_t size = sizeof(at);
    cr_assert_eq(getsockname(server->fd, (struct sockaddr *)&at, &size), 0);
    cr_assert_eq(sendto(server->fd, "", 1, 0, (struct sockaddr *)&at, size), 1);
    sync_thread_join(&server->thread);
    close(server->fd);
}

Test(seeds, of_srv_come_from_the_name_server)
{
    struct name_server names = {.fd = rig_own_name_server(), .port = 27099};
    if (names.fd < 0) {
        cr_skip_test("a network namespace needs root");
    }
    mongo_init();
    start_names(&names);
    cr_assert_eq(mongo_seeds_find("mongodb+srv://set.gleaner.test/db", &seeds, &error), GLEANER_OK,
                 "%s", error.message);
    cr_assert_eq(seeds.count, 1);
    cr_expect_str_eq(seeds.at[0].host, "node.gleaner.test");
    cr_expect_str_eq(seeds.at[0].port, "27099");
    cr_expect(seeds.uses_tls, "the default of mongodb+srv");
    cr_expect(seeds.is_set);
    end_names(&names);
}

Test(seeds, of_srv_without_a_name_server_are_a_timeout_that_says_so)
{
    int fd = rig_own_name_server();
    if (fd < 0) {
        cr_skip_test("a network namespace needs root");
    }
    mongo_init();
    cr_expect_eq(mongo_seeds_find("mongodb+srv://set.gleaner.test/db", &seeds, &error),
                 GLEANER_E_TIMEOUT);
    cr_expect_not_null(strstr(error.message, "DNS does not answer"));
    close(fd);
}

Test(seeds, of_srv_lead_a_gleaner_to_a_real_server)
{
    FIXTURE_NEED_MONGOD();
    struct name_server names = {.fd = rig_own_name_server()};
    if (names.fd < 0) {
        cr_skip_test("a network namespace needs root");
    }
    struct fixture_mongod *server = fixture_mongod_start(NULL); /* in our namespace */
    cr_assert_not_null(server);
    names.port = fixture_mongod_port(server, 0);
    start_names(&names);
    struct gleaner_db *db = rig_open("mongodb+srv://set.gleaner.test/gleaner_test?tls=false");
    struct gleaner_client client;
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK, "%s",
                 read_state(db).reason);
    bson_error_t why = {0};
    cr_expect(ping(&client, &why), "%s", why.message);
    (void)gleaner_db_check_in(db, &client, NULL);
    (void)gleaner_db_close(&db, 1000);
    end_names(&names);
    fixture_mongod_end(&server);
}
