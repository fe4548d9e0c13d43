/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side: one HTTP/1.0 request over the Unix socket. HTTP/1.0, because then the answer
 * ends with the connection and twenty lines are a whole client. */
#include "admin_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

bool admin_address_open(const char *directory, struct admin_address *out)
{
    memset(out, 0, sizeof *out);
    out->directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (out->directory_fd < 0) {
        return false;
    }
    out->socket.sun_family = AF_UNIX;
    (void)snprintf(out->socket.sun_path, sizeof out->socket.sun_path, "/proc/self/fd/%d/%s",
                   out->directory_fd, ADMIN_SOCKET_NAME);
    return true;
}

void admin_address_close(struct admin_address *address)
{
    (void)close(address->directory_fd);
    address->directory_fd = -1;
}

static int connect_to(const char *directory)
{
    struct admin_address address;
    if (!admin_address_open(directory, &address)) {
        return -1;
    }
    const struct timeval limit = {.tv_sec = 5};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 &&
        (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
         setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
         connect(fd, (const struct sockaddr *)&address.socket, sizeof address.socket) != 0)) {
        (void)close(fd);
        fd = -1;
    }
    admin_address_close(&address);
    return fd;
}

static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool receive_all(int fd, struct base_buffer *out)
{
    char chunk[8192];
    for (;;) {
        ssize_t len = recv(fd, chunk, sizeof chunk, 0);
        if (len < 0 && errno == EINTR) {
            continue;
        }
        if (len <= 0) {
            return len == 0 && !out->failed;
        }
        base_buffer_append(out, chunk, (size_t)len);
    }
}

static bool exchange(int fd, const char *path, const char *body, struct base_buffer *raw)
{
    struct base_buffer request = {0};
    size_t body_len = body != NULL ? strlen(body) : 0;
    base_buffer_printf(&request, "%s %s HTTP/1.0\r\nHost: gleaner\r\n",
                       body != NULL ? "POST" : "GET", path);
    if (body != NULL) {
        base_buffer_printf(&request, "Content-Length: %zu\r\n", body_len);
    }
    base_buffer_append_str(&request, "\r\n");
    base_buffer_append(&request, body != NULL ? body : "", body_len);
    bool is_good =
        !request.failed && send_all(fd, request.data, request.len) && receive_all(fd, raw);
    base_buffer_fini(&request);
    return is_good;
}

enum gleaner_status admin_ask(const char *directory, const char *path, const char *body,
                              struct base_buffer *out, struct base_error *error)
{
    int fd = connect_to(directory);
    if (fd < 0) {
        return base_error_set(error, GLEANER_E_NOT_FOUND, "no gleaner process works in %s",
                              directory);
    }
    struct base_buffer raw = {0};
    bool is_good = exchange(fd, path, body, &raw);
    (void)close(fd);
    const char *text = is_good && raw.len > 12 ? strstr(raw.data, "\r\n\r\n") : NULL;
    enum gleaner_status status = GLEANER_OK;
    if (text == NULL) {
        status = base_error_set(error, GLEANER_E_NETWORK,
                                "the process in %s did not answer within 5 s", directory);
    } else if (strncmp(raw.data + 8, " 200", 4) != 0) {
        text += 4;
        status = base_error_set(error, GLEANER_E_REFUSED, "%.*s", (int)strcspn(text, "\n"), text);
    } else {
        base_buffer_append_str(out, text + 4);
    }
    base_buffer_fini(&raw);
    return status;
}
