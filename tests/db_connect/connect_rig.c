/* SPDX-License-Identifier: Apache-2.0 */
#include "connect_rig.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DNS_PORT = 53 };

int rig_listen(uint16_t *port, int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(fd, backlog), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

struct gleaner_db *rig_open(const char *uri)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = uri;
    options.connect_ms = 2500;
    options.server_selection_ms = 1000;
    options.backoff_base_ms = 100;
    options.backoff_cap_ms = 1000;
    return open_db(&options);
}

bool rig_says(struct gleaner_db *db, const char *words)
{
    bool is_said = EVENTUALLY(strstr(read_state(db).reason, words) != NULL);
    if (!is_said) {
        fprintf(stderr, "wanted \"%s\", is \"%s\"\n", words, read_state(db).reason);
    }
    return is_said;
}

/* ---- a name server of our own
 * --------------------------------------------------------------------------- */

static bool raise_loopback(void)
{
    struct ifreq request = {.ifr_flags = IFF_UP};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "lo");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    close(fd);
    return is_up;
}

/* The resolver's file, for this process alone. */
static bool replace_resolver(void)
{
    char name[] = "/tmp/gleaner-resolv-XXXXXX";
    static const char text[] = "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n";
    int fd = mkstemp(name);
    bool is_done = fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1 &&
                   mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                   mount(name, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;
    if (fd >= 0) {
        close(fd);
        unlink(name);
    }
    return is_done;
}

int rig_own_name_server(void)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(DNS_PORT), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 || !raise_loopback() || !replace_resolver()) {
        return -1;
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* ---- certificates
 * --------------------------------------------------------------------------------- */

static bool run(const char *folder, const char *command)
{
    char line[1024];
    snprintf(line, sizeof(line), "cd '%s' && (%s) >/dev/null 2>&1", folder, command);
    return system(line) == 0; /* NOLINT(cert-env33-c): a test, with words of its own */
}

bool rig_make_certificates(char folder[64])
{
    snprintf(folder, 64, "/tmp/gleaner-tls-XXXXXX");
    return mkdtemp(folder) != NULL &&
           run(folder, "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca "
                       "-keyout ca.key -out ca.pem") &&
           run(folder, "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other-ca "
                       "-keyout other.key -out other.pem") &&
           run(folder, "openssl req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout server.key "
                       "-out server.csr && printf 'subjectAltName=IP:127.0.0.1' > ext && "
                       "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
                       "-days 2 -extfile ext -out server.crt && "
                       "cat server.crt server.key > server.pem");
}

void rig_remove_certificates(const char *folder)
{
    (void)run(folder, "rm -f -- *.key *.pem *.csr *.crt *.srl ext");
    (void)rmdir(folder);
}
