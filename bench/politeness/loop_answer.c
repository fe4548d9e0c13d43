/* SPDX-License-Identifier: Apache-2.0 */
/* What the server answers. */
#include "loop_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define THROTTLE_SLOTS 4096u

static void send_all(const struct loop_connection *c, const char *text, size_t len)
{
    if (send(c->fd, text, len, MSG_NOSIGNAL) < 0) {
        return; /* the peer has gone: the loop sees it */
    }
}

void loop_send_page(const struct loop_shared *shared, struct loop_connection *c, uint32_t number)
{
    char body[400], answer[600];
    int len = snprintf(body, sizeof body, "<title>page %u</title><p>some words of page %u</p>",
                       number, number);
    for (uint32_t child = 2 * number + 1; child <= 2 * number + 2; child++) {
        if (child < shared->tree_pages) {
            len += snprintf(body + len, sizeof body - (size_t)len, "<a href=\"/p/%u\">%u</a>",
                            child, child);
        }
    }
    int all = snprintf(answer, sizeof answer,
                       "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s",
                       len, body);
    send_all(c, answer, (size_t)all);
}

static void send_throttle(const struct loop_shared *shared, struct loop_connection *c)
{
    static uint32_t seen[THROTTLE_SLOTS];
    static const char refusal[] =
        "HTTP/1.1 429 Slow down\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n";
    uint32_t *slot = &seen[c->address % THROTTLE_SLOTS];
    if (*slot == c->address) {
        loop_send_page(shared, c, 1u << 30);
        return;
    }
    *slot = c->address;
    send_all(c, refusal, sizeof refusal - 1);
}

/* ---- answers without an end ---- */

static void begin_pour(struct loop_connection *c, const char *head, const char *pour, size_t len,
                       uint64_t total)
{
    send_all(c, head, strlen(head));
    c->state = LOOP_POURING;
    c->kind = LOOP_HOSTILE;
    c->pour = pour;
    c->pour_len = len;
    c->pour_at = 0;
    c->left = total;
}

bool loop_pour(struct loop_connection *c)
{
    while (c->left > 0) {
        ssize_t sent = send(c->fd, c->pour + c->pour_at, c->pour_len - c->pour_at,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            return errno == EAGAIN;
        }
        c->pour_at = (c->pour_at + (size_t)sent) % c->pour_len;
        c->left -= c->left == UINT64_MAX ? 0 : (uint64_t)sent < c->left ? (uint64_t)sent : c->left;
    }
    return false;
}

static const char *chunk_of_body(size_t *len)
{
    static char chunk[LOOP_CHUNK + 16];
    if (chunk[0] == '\0') {
        int head = snprintf(chunk, sizeof chunk, "%x\r\n", LOOP_CHUNK);
        memset(chunk + head, 'x', LOOP_CHUNK);
        memcpy(chunk + head + LOOP_CHUNK, "\r\n", 2);
    }
    *len = LOOP_CHUNK + strlen("10000\r\n") + 2;
    return chunk;
}

static const char *lines_of_headers(size_t *len)
{
    static const char line[] = "X-Filler: abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\r\n";
    *len = sizeof line - 1;
    return line;
}

/* What gzip makes of 1 GB of zeros. */
static char bomb[8u << 20];
static size_t bomb_len;

bool loop_server_make_bomb(void)
{
    FILE *gzip = popen("head -c 1000000000 /dev/zero | gzip -1", "r"); /* NOLINT: a constant */
    if (gzip == NULL) {
        return false;
    }
    bomb_len = fread(bomb, 1, sizeof bomb, gzip);
    return pclose(gzip) == 0;
}

static void begin_hostile(struct loop_connection *c, const char *path)
{
    size_t len;
    const char *pour;
    if (strncmp(path, "/chunked", 8) == 0) {
        pour = chunk_of_body(&len);
        begin_pour(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", pour, len,
                   UINT64_C(1000000000));
    } else if (strncmp(path, "/bomb", 5) == 0) {
        begin_pour(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", bomb, bomb_len,
                   bomb_len);
    } else {
        pour = lines_of_headers(&len);
        begin_pour(c, "HTTP/1.1 200 OK\r\n", pour, len, UINT64_MAX);
    }
}

void loop_answer(struct loop_shared *shared, struct loop_connection *c)
{
    static const char missing[] = "HTTP/1.1 404 Not here\r\nContent-Length: 0\r\n\r\n";
    static const char drip[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n";
    const char *path = strchr(c->request, ' ');
    path = path != NULL ? path + 1 : "";
    c->kind = LOOP_PAGE;
    if (strncmp(path, "/p/", 3) == 0) {
        loop_send_page(shared, c, (uint32_t)strtoul(path + 3, NULL, 10));
    } else if (strncmp(path, "/gate", 5) == 0) {
        c->kind = LOOP_GATE;
        c->state = LOOP_WAITING_GATE;
    } else if (strncmp(path, "/slow", 5) == 0) {
        c->kind = LOOP_SLOW;
        c->state = LOOP_DRIPPING;
        send_all(c, drip, sizeof drip - 1);
    } else if (strncmp(path, "/throttle", 9) == 0) {
        c->kind = LOOP_THROTTLE;
        send_throttle(shared, c);
    } else if (strncmp(path, "/chunked", 8) == 0 || strncmp(path, "/bomb", 5) == 0 ||
               strncmp(path, "/headers", 8) == 0) {
        begin_hostile(c, path);
    } else {
        c->kind = LOOP_OTHER;
        send_all(c, missing, sizeof missing - 1);
    }
}
