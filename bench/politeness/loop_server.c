/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of the server, and its life as a child process. */
#include "loop_internal.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define TICK_MS 2
/* One turn a second: a slow connection gets its byte when its slot comes round. */
#define WHEEL_SLOTS (1000 / TICK_MS)

static struct loop_shared *shared;
static int epoll_fd;
static struct loop_connection *wheel[WHEEL_SLOTS], *at_gate;
static size_t wheel_at;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void note(const struct loop_connection *c, uint64_t ns)
{
    size_t at = atomic_load_explicit(&shared->count, memory_order_relaxed);
    if (at < LOOP_LOG_MAX) {
        shared->log[at] = (struct loop_entry){.ns = ns, .address = c->address, .kind = c->kind};
        atomic_store_explicit(&shared->count, at + 1, memory_order_release);
    }
}

static void take_out(struct loop_connection **list, const struct loop_connection *c)
{
    while (*list != NULL && *list != c) {
        list = &(*list)->next;
    }
    if (*list == c) {
        *list = c->next;
    }
}

static void end_connection(struct loop_connection *c)
{
    if (c->state == LOOP_DRIPPING) {
        c->fd = (close(c->fd), -1); /* drip() frees it */
        atomic_fetch_sub_explicit(&shared->slow, 1, memory_order_relaxed);
        return;
    }
    take_out(&at_gate, c);
    close(c->fd);
    free(c);
}

static void watch(struct loop_connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static void enter_state(struct loop_connection *c)
{
    if (c->state == LOOP_DRIPPING) {
        c->next = wheel[wheel_at];
        wheel[wheel_at] = c;
        atomic_fetch_add_explicit(&shared->slow, 1, memory_order_relaxed);
    } else if (c->state == LOOP_WAITING_GATE) {
        c->next = at_gate;
        at_gate = c;
    } else if (c->state == LOOP_POURING) {
        watch(c, EPOLLIN | EPOLLOUT);
    }
}

static void on_input(struct loop_connection *c)
{
    ssize_t got = recv(c->fd, c->request + c->used, sizeof c->request - 1 - c->used, MSG_DONTWAIT);
    uint64_t ns = now_ns();
    if (got <= 0) {
        end_connection(c);
        return;
    }
    c->used += (size_t)got;
    c->request[c->used] = '\0';
    if (c->state == LOOP_READING && strstr(c->request, "\r\n\r\n") != NULL) {
        c->used = 0;
        loop_answer(shared, c);
        note(c, ns);
        enter_state(c);
    }
    c->used = c->used < sizeof c->request - 1 ? c->used : 0;
}

static void on_event(struct loop_connection *c, uint32_t events)
{
    if (c->fd >= 0 && c->state == LOOP_POURING && (events & (EPOLLOUT | EPOLLHUP)) != 0) {
        if (!loop_pour(c)) {
            end_connection(c);
        }
    } else if (c->fd >= 0) {
        on_input(c);
    }
}

static void on_accept(int listener)
{
    int one = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        struct sockaddr_in own = {0};
        socklen_t len = sizeof own;
        struct loop_connection *c = calloc(1, sizeof *c);
        if (c == NULL) {
            close(fd);
            continue;
        }
        getsockname(fd, (struct sockaddr *)&own, &len);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
        c->address = ntohl(own.sin_addr.s_addr);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void drip(void)
{
    for (struct loop_connection **at = &wheel[wheel_at], *c; (c = *at) != NULL;) {
        if (c->fd < 0) {
            *at = c->next;
            free(c);
            continue;
        }
        (void)!send(c->fd, "s", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        at = &c->next;
    }
    wheel_at = (wheel_at + 1) % WHEEL_SLOTS;
}

static void look_at_gate(void)
{
    while (at_gate != NULL && atomic_load_explicit(&shared->gate_is_open, memory_order_relaxed)) {
        struct loop_connection *c = at_gate;
        at_gate = c->next;
        c->state = LOOP_READING;
        loop_send_page(shared, c, 0);
    }
}

static void serve(int listener)
{
    struct epoll_event events[256], own = {.events = EPOLLIN, .data.ptr = NULL};
    uint64_t tick_ns = now_ns();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &own);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, 256, TICK_MS);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL) {
                on_accept(listener);
            } else {
                on_event(events[i].data.ptr, events[i].events);
            }
        }
        for (uint64_t ns = now_ns(); tick_ns <= ns; tick_ns += TICK_MS * UINT64_C(1000000)) {
            drip();
            look_at_gate();
        }
    }
}

/* ---- the parent's side ---- */

bool loop_server_start(struct loop_server *server, uint32_t tree_pages)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 16384) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0) {
        return false;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return false;
    }
    shared->tree_pages = tree_pages;
    server->shared = shared;
    server->port = ntohs(address.sin_port);
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener);
    }
    close(listener);
    return server->pid > 0;
}

void loop_server_end(struct loop_server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    munmap(server->shared, sizeof *server->shared);
}

size_t loop_server_count(const struct loop_server *server)
{
    return atomic_load_explicit(&server->shared->count, memory_order_acquire);
}

const struct loop_entry *loop_server_log(const struct loop_server *server)
{
    return server->shared->log;
}

void loop_server_clear(struct loop_server *server)
{
    atomic_store_explicit(&server->shared->count, 0, memory_order_relaxed);
}

void loop_server_open_gate(struct loop_server *server, bool is_open)
{
    atomic_store_explicit(&server->shared->gate_is_open, is_open, memory_order_relaxed);
}

uint32_t loop_server_slow(const struct loop_server *server)
{
    return atomic_load_explicit(&server->shared->slow, memory_order_relaxed);
}
