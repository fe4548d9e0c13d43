/* SPDX-License-Identifier: Apache-2.0 */
/* One fetcher thread: inbox, timers, epoll, libcurl's multi handle. */
#include "fetch_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_PER_TURN 256

/* Low nibble: what libcurl wants; high nibble: what epoll has; the bits are these. */
#define SOCKET_IN 1u
#define SOCKET_OUT 2u
#define SOCKET_KNOWN 4u /* high nibble: the descriptor is in epoll at all */

/* ---- sockets -------------------------------------------------------------------------------- */

static bool grow_sockets(struct fetch_thread *t, size_t fd)
{
    size_t count = t->socket_count;
    while (count <= fd) {
        count *= 2;
    }
    uint8_t *sockets = realloc(t->sockets, count);
    if (sockets == NULL) {
        return false;
    }
    memset(sockets + t->socket_count, 0, count - t->socket_count);
    t->sockets = sockets;
    t->socket_count = count;
    return true;
}

static void set_epoll(struct fetch_thread *t, int fd, uint8_t wanted)
{
    uint8_t have = t->sockets[fd] >> 4;
    struct epoll_event event = {
        .events = ((wanted & SOCKET_IN) ? EPOLLIN : 0u) | ((wanted & SOCKET_OUT) ? EPOLLOUT : 0u),
        .data.fd = fd,
    };
    int op = (have & SOCKET_KNOWN) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(t->epoll_fd, op, fd, &event) == 0) {
        t->sockets[fd] = (uint8_t)(wanted | ((wanted | SOCKET_KNOWN) << 4));
    }
}

/* libcurl takes interest in a kept-alive socket for each transfer and loses it after each. Losing
 * is only noted here: the next transfer then needs no system call. An event that nobody wants any
 * more (the peer closes an idle connection) takes the socket out of epoll in on_event(). */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct fetch_thread *t = ctx;
    (void)easy;
    (void)socket_ctx;
    if ((size_t)fd >= t->socket_count && !grow_sockets(t, (size_t)fd)) {
        return -1;
    }
    uint8_t wanted = what == CURL_POLL_IN      ? SOCKET_IN
                     : what == CURL_POLL_OUT   ? SOCKET_OUT
                     : what == CURL_POLL_INOUT ? SOCKET_IN | SOCKET_OUT
                                               : 0;
    uint8_t have = t->sockets[fd] >> 4;
    if (wanted != 0 && have != (wanted | SOCKET_KNOWN)) {
        set_epoll(t, fd, wanted);
    } else {
        t->sockets[fd] = (uint8_t)(wanted | (have << 4));
    }
    return 0;
}

int fetch_thread_close_socket(void *ctx, curl_socket_t fd)
{
    struct fetch_thread *t = ctx;
    if ((size_t)fd < t->socket_count) {
        t->sockets[fd] = 0; /* closing takes it out of epoll */
    }
    return close(fd);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct fetch_thread *t = ctx;
    (void)multi;
    t->curl_deadline_ns =
        timeout_ms < 0
            ? UINT64_MAX
            : (timeout_ms == 0 ? 0 : base_mono_ns() + (uint64_t)timeout_ms * BASE_NS_PER_MS);
    return 0;
}

static void on_event(struct fetch_thread *t, const struct epoll_event *event)
{
    int fd = event->data.fd, running;
    uint8_t wanted = t->sockets[fd] & 0x0f;
    if (wanted == 0) {
        epoll_ctl(t->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        t->sockets[fd] = 0;
        return;
    }
    int mask = ((event->events & EPOLLIN) ? CURL_CSELECT_IN : 0) |
               ((event->events & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
               ((event->events & (EPOLLERR | EPOLLHUP)) ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(t->multi, fd, mask, &running);
}

/* ---- the inbox ------------------------------------------------------------------------------ */

void fetch_thread_wake(struct fetch_thread *thread)
{
    uint64_t one = 1;
    while (write(thread->event_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

void fetch_thread_send(struct fetch_thread *thread, struct fetch_message *message)
{
    sync_mpsc_push(thread->inbox, &message->node);
    if (atomic_exchange_explicit(&thread->sleeping, 0, memory_order_acq_rel) != 0) {
        fetch_thread_wake(thread);
    }
}

static void handle_message(struct fetch_thread *t, struct fetch_message *message)
{
    switch (message->kind) {
    case MESSAGE_JOB:
        fetch_host_enqueue(t, BASE_CONTAINER_OF(message, struct fetch_job, message));
        break;
    case MESSAGE_ROBOTS:
        fetch_gate_on_robots(t, BASE_CONTAINER_OF(message, struct fetch_robots_message, message));
        break;
    case MESSAGE_LOOKUP:
        fetch_gate_on_lookup(t, BASE_CONTAINER_OF(message, struct fetch_lookup, message));
        break;
    case MESSAGE_RECALL:
        fetch_host_on_recall(t, BASE_CONTAINER_OF(message, struct fetch_recall, message));
        break;
    }
}

static bool read_inbox(struct fetch_thread *t)
{
    struct sync_mpsc_node *node;
    bool any = false;
    while ((node = sync_mpsc_pop(t->inbox)) != NULL) {
        handle_message(t, BASE_CONTAINER_OF(node, struct fetch_message, node));
        any = true;
    }
    return any;
}

/* ---- one turn ------------------------------------------------------------------------------- */

static void run_timers(struct fetch_thread *t)
{
    struct fetch_timer *timer;
    while ((timer = fetch_timer_first(&t->timers)) != NULL && timer->at_ns <= t->now_ns) {
        fetch_timer_cancel(&t->timers, timer);
        if (timer->kind == TIMER_TRANSFER) {
            fetch_transfer_timer(BASE_CONTAINER_OF(timer, struct fetch_transfer, timer));
        } else {
            fetch_host_timer(t, BASE_CONTAINER_OF(timer, struct fetch_host, timer));
        }
    }
}

static void follow_orders(struct fetch_thread *t)
{
    struct fetch_engine *e = t->engine;
    uint64_t generation = atomic_load_explicit(&e->generation, memory_order_acquire);
    if (generation != t->seen_generation) {
        t->seen_generation = generation;
        fetch_hosts_replace_all(t);
    }
    uint64_t drain_ns = atomic_load_explicit(&e->drain_deadline_ns, memory_order_acquire);
    bool stopping = atomic_load_explicit(&e->stopping, memory_order_acquire);
    if (drain_ns != 0 || stopping) {
        t->draining = true;
        fetch_hosts_cancel_all(t, "cancelled: the engine is draining");
        if (stopping || t->now_ns >= drain_ns) {
            fetch_transfer_cancel_all(t);
        }
    }
}

static void flush_results(struct fetch_thread *t)
{
    if (t->done_count == 0) {
        return;
    }
    struct fetch_box *first = t->done_head, *last = t->done_tail;
    uint32_t count = t->done_count;
    t->done_head = t->done_tail = NULL;
    t->done_count = 0;
    fetch_results_push(t->engine->results, first, last, count);
    fetch_engine_capacity(t->engine);
}

/* Everything that can be done without waiting; several rounds while one makes work for the next. */
static void run_turn(struct fetch_thread *t)
{
    int running;
    bool again = true;
    while (again) {
        read_inbox(t);
        follow_orders(t);
        run_timers(t);
        fetch_hosts_pump(t);
        again = false;
        if (t->curl_deadline_ns <= t->now_ns) {
            t->curl_deadline_ns = UINT64_MAX;
            curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0, &running);
            again = true;
            t->now_ns = base_mono_ns(); /* data that keeps coming must not hide the deadlines */
        }
        again |= fetch_transfers_collect(t);
    }
    flush_results(t);
}

/* Milliseconds until something is due, rounded up: nothing ever starts too early. */
static int sleep_ms(const struct fetch_thread *t)
{
    uint64_t until = t->curl_deadline_ns;
    const struct fetch_timer *timer = fetch_timer_first(&t->timers);
    if (timer != NULL && timer->at_ns < until) {
        until = timer->at_ns;
    }
    if (t->draining) {
        uint64_t drain_ns =
            atomic_load_explicit(&t->engine->drain_deadline_ns, memory_order_relaxed);
        until = drain_ns != 0 && drain_ns < until && t->running != NULL ? drain_ns : until;
    }
    if (until == UINT64_MAX) {
        return -1;
    }
    uint64_t now_ns = base_mono_ns();
    uint64_t ms = until <= now_ns ? 0 : (until - now_ns + BASE_NS_PER_MS - 1) / BASE_NS_PER_MS;
    return ms > 60000 ? 60000 : (int)ms;
}

/* Announce the sleep, then look once more: either the sender sees the announcement or we see its
 * message. True when there is something to do. */
static bool drain_before_sleep(struct fetch_thread *t)
{
    atomic_exchange_explicit(&t->sleeping, 1, memory_order_acq_rel);
    return read_inbox(t);
}

static void wait_and_dispatch(struct fetch_thread *t)
{
    struct epoll_event events[EVENTS_PER_TURN];
    /* Nobody wakes a thread twice for the stop: once it is ordered, there is no sleep any more. A
     * message read after the turn (a look-up's answer) has kept the thread from its end, and the
     * wake-up may be read already. */
    bool stopping = atomic_load_explicit(&t->engine->stopping, memory_order_acquire);
    int timeout = drain_before_sleep(t) || stopping ? 0 : sleep_ms(t);
    int count = epoll_wait(t->epoll_fd, events, EVENTS_PER_TURN, timeout);
    atomic_exchange_explicit(&t->sleeping, 0, memory_order_acq_rel);
    t->now_ns = base_mono_ns();
    for (int i = 0; i < count; i++) {
        uint64_t ignored;
        if (events[i].data.fd != t->event_fd) {
            on_event(t, &events[i]);
        } else if (read(t->event_fd, &ignored, sizeof(ignored)) < 0) {
            continue; /* somebody else's wake-up was read with an earlier one */
        }
    }
}

static void thread_main(void *arg)
{
    struct fetch_thread *t = arg;
    t->now_ns = base_mono_ns();
    for (;;) {
        run_turn(t);
        if (atomic_load_explicit(&t->engine->stopping, memory_order_acquire) &&
            t->running == NULL && !read_inbox(t)) {
            break;
        }
        wait_and_dispatch(t);
    }
    flush_results(t);
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool open_descriptors(struct fetch_thread *t)
{
    t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    t->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->epoll_fd < 0 || t->event_fd < 0) {
        return false;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = t->event_fd};
    return epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, t->event_fd, &event) == 0;
}

static bool make_multi(struct fetch_thread *t)
{
    t->multi = curl_multi_init();
    if (t->multi == NULL) {
        return false;
    }
    /* Without this, libcurl keeps four connections per running transfer and closes the others when
     * the number of transfers drops for a moment. */
    long keep = (long)t->engine->options.max_transfers * 2 + 16;
    curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, keep);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    return true;
}

enum gleaner_status fetch_thread_create(struct fetch_engine *engine, struct fetch_thread **out)
{
    struct fetch_thread *t = calloc(1, sizeof(*t));
    *out = NULL;
    if (t == NULL) {
        return GLEANER_E_NOMEM;
    }
    t->engine = engine;
    t->epoll_fd = t->event_fd = -1;
    t->curl_deadline_ns = UINT64_MAX;
    t->socket_count = FETCH_SOCKET_SLOTS;
    t->sockets = calloc(t->socket_count, 1);
    t->bucket_count = 64;
    t->buckets = calloc(t->bucket_count, sizeof(struct fetch_host *));
    t->seen_generation = atomic_load_explicit(&engine->generation, memory_order_relaxed);
    if (t->sockets == NULL || t->buckets == NULL || !open_descriptors(t) || !make_multi(t) ||
        sync_mpsc_create(&t->inbox) != GLEANER_OK || url_parser_create(&t->urls) != GLEANER_OK) {
        fetch_thread_destroy(&t);
        return GLEANER_E_NOMEM;
    }
    *out = t;
    return GLEANER_OK;
}

enum gleaner_status fetch_thread_start(struct fetch_thread *thread)
{
    return sync_thread_start(&thread->thread, "gl-fetch", SYNC_PLAIN, thread_main, thread);
}

/* engine->stopping is set. */
void fetch_thread_join(struct fetch_thread *thread)
{
    if (thread->thread != NULL) {
        fetch_thread_wake(thread);
        sync_thread_join(&thread->thread);
    }
}

/* Messages that came after the thread had ended. */
static void discard_inbox(struct fetch_thread *t)
{
    struct sync_mpsc_node *node;
    while ((node = sync_mpsc_pop(t->inbox)) != NULL) {
        struct fetch_message *m = BASE_CONTAINER_OF(node, struct fetch_message, node);
        if (m->kind == MESSAGE_JOB) {
            fetch_job_free(BASE_CONTAINER_OF(m, struct fetch_job, message));
        } else if (m->kind == MESSAGE_LOOKUP) {
            fetch_lookup_free(BASE_CONTAINER_OF(m, struct fetch_lookup, message));
        } else if (m->kind == MESSAGE_RECALL) {
            fetch_recall_free(BASE_CONTAINER_OF(m, struct fetch_recall, message));
        } else {
            fetch_gate_message_free(BASE_CONTAINER_OF(m, struct fetch_robots_message, message));
        }
    }
}

/* The thread was joined, or never ran. */
void fetch_thread_destroy(struct fetch_thread **thread)
{
    struct fetch_thread *t = *thread;
    if (t == NULL) {
        return;
    }
    *thread = NULL;
    fetch_transfers_free(t);
    fetch_hosts_free(t);
    curl_slist_free_all(t->unpins);
    if (t->multi != NULL) {
        curl_multi_cleanup(t->multi);
    }
    if (t->inbox != NULL) {
        discard_inbox(t);
        sync_mpsc_destroy(&t->inbox);
    }
    url_parser_destroy(&t->urls);
    fetch_timers_fini(&t->timers);
    free(t->sockets);
    free(t->buckets);
    if (t->epoll_fd >= 0) {
        close(t->epoll_fd);
    }
    if (t->event_fd >= 0) {
        close(t->event_fd);
    }
    free(t);
}
