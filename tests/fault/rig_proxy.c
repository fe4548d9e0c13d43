/* SPDX-License-Identifier: Apache-2.0 */
#include "rig_proxy.h"

#include "rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_LIMIT_MS = 10000 };

struct rig_proxy {
    pid_t pid;
    uint16_t api_port, port;
};

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    BASE_ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    close(fd);
    return ntohs(address.sin_port);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* One request of toxiproxy's API; the status of the answer, 0 without one. */
static int call(const struct rig_proxy *proxy, const char *method, const char *path,
                const char *body)
{
    char text[1024], answer[512] = "";
    int status = 0, fd = connect_to(proxy->api_port);
    if (fd < 0) {
        return 0;
    }
    int len = snprintf(text, sizeof text,
                       "%s %s HTTP/1.0\r\nHost: localhost\r\nUser-Agent: fault\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       method, path, strlen(body), body);
    if (write(fd, text, (size_t)len) == len && read(fd, answer, sizeof answer - 1) > 0) {
        (void)sscanf(answer, "HTTP/%*s %d", &status);
    }
    close(fd);
    return status;
}

static void must(const struct rig_proxy *proxy, const char *method, const char *path,
                 const char *body)
{
    int status = call(proxy, method, path, body);
    if (status < 200 || status >= 300) {
        fprintf(stderr, "toxiproxy: %s %s: %d\n", method, path, status);
        abort();
    }
}

static pid_t launch(uint16_t api_port)
{
    const char *program = getenv("TOXIPROXY");
    char port[16];
    pid_t parent = getpid();
    snprintf(port, sizeof port, "%u", (unsigned)api_port);
    program = program != NULL && program[0] != '\0' ? program : "toxiproxy-server";
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) {
            dup2(null, 1);
            dup2(null, 2);
            execlp(program, program, "-host", "127.0.0.1", "-port", port, (char *)NULL);
        }
        _exit(127);
    }
    return pid;
}

struct rig_proxy *rig_proxy_start(const char *address, uint16_t port)
{
    struct rig_proxy *proxy = calloc(1, sizeof *proxy);
    char body[256];
    BASE_ASSERT(proxy != NULL);
    proxy->api_port = free_port();
    proxy->port = free_port();
    proxy->pid = launch(proxy->api_port);
    uint64_t until_ns = base_mono_ns() + START_LIMIT_MS * BASE_NS_PER_MS;
    while (call(proxy, "GET", "/version", "") != 200) {
        if (waitpid(proxy->pid, NULL, WNOHANG) != 0 || base_mono_ns() > until_ns) {
            free(proxy);
            return NULL;
        }
        rig_sleep_ms(10);
    }
    snprintf(
        body, sizeof body,
        "{\"name\":\"db\",\"listen\":\"127.0.0.1:%u\",\"upstream\":\"%s:%u\",\"enabled\":true}",
        (unsigned)proxy->port, address, (unsigned)port);
    must(proxy, "POST", "/proxies", body);
    return proxy;
}

void rig_proxy_end(struct rig_proxy **proxy)
{
    if (*proxy != NULL) {
        kill((*proxy)->pid, SIGKILL);
        (void)waitpid((*proxy)->pid, NULL, 0);
        free(*proxy);
        *proxy = NULL;
    }
}

uint16_t rig_proxy_port(const struct rig_proxy *proxy)
{
    return proxy->port;
}

void rig_proxy_poison(struct rig_proxy *proxy, const char *type, const char *attributes)
{
    static const char *const streams[] = {"upstream", "downstream"};
    char body[512];
    for (size_t i = 0; i < 2; i++) {
        snprintf(body, sizeof body, "{\"type\":\"%s\",\"stream\":\"%s\",\"attributes\":%s}", type,
                 streams[i], attributes);
        must(proxy, "POST", "/proxies/db/toxics", body);
    }
}

void rig_proxy_cure(struct rig_proxy *proxy)
{
    must(proxy, "POST", "/reset", "");
}

void rig_proxy_cut(struct rig_proxy *proxy)
{
    must(proxy, "POST", "/proxies/db", "{\"enabled\":false}");
    must(proxy, "POST", "/proxies/db", "{\"enabled\":true}");
}
