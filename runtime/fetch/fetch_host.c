/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts and the schedule: which host may start a request, and when. */
#include "fetch_internal.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_IDLE_HOSTS 4096
#define LOOK_AT_IDLE 16 /* for one new host; those with a delay still running are passed over */

/* ---- the table ------------------------------------------------------------------------------ */

static void grow_buckets(struct fetch_thread *t)
{
    size_t count = t->bucket_count * 2;
    struct fetch_host **buckets = calloc(count, sizeof(struct fetch_host *));
    if (buckets == NULL) {
        return; /* longer chains, nothing worse */
    }
    for (size_t i = 0; i < t->bucket_count; i++) {
        for (struct fetch_host *host = t->buckets[i], *next; host != NULL; host = next) {
            next = host->chain;
            host->chain = buckets[host->hash & (count - 1)];
            buckets[host->hash & (count - 1)] = host;
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->bucket_count = count;
}

/* Split "name:port" or "[v6]:port" again, and see whether the name is an address. */
static bool read_key(struct fetch_host *host)
{
    unsigned char address[16];
    const char *close = strchr(host->key, ']');
    const char *colon = strchr(close != NULL ? close : host->key, ':');
    size_t len = colon != NULL ? (size_t)(colon - host->key) : strlen(host->key);
    bool v6 = host->key[0] == '[' && len >= 2;
    host->default_port = colon == NULL;
    host->name = v6 ? strndup(host->key + 1, len - 2) : strndup(host->key, len);
    if (host->name == NULL) {
        return false;
    }
    host->numeric = inet_pton(v6 ? AF_INET6 : AF_INET, host->name, address) == 1;
    return true;
}

static void list_remove(struct fetch_host **head, struct fetch_host **tail, struct fetch_host *host)
{
    *(host->prev != NULL ? &host->prev->next : head) = host->next;
    *(host->next != NULL ? &host->next->prev : tail) = host->prev;
    host->prev = host->next = NULL;
}

static void list_append(struct fetch_host **head, struct fetch_host **tail, struct fetch_host *host)
{
    host->prev = *tail;
    host->next = NULL;
    *(*tail != NULL ? &(*tail)->next : head) = host;
    *tail = host;
}

static void leave_place(struct fetch_thread *t, struct fetch_host *host)
{
    if (host->place == PLACE_IDLE) {
        list_remove(&t->idle_head, &t->idle_tail, host);
    } else if (host->place == PLACE_READY) {
        list_remove(&t->ready_head, &t->ready_tail, host);
    } else if (host->place == PLACE_TIMED) {
        fetch_timer_cancel(&t->timers, &host->timer);
    }
    host->place = PLACE_BLOCKED;
}

static void host_destroy(struct fetch_host *host)
{
    struct fetch_job *job;
    while ((job = fetch_queue_pop(&host->urgent)) != NULL ||
           (job = fetch_queue_pop(&host->queue)) != NULL) {
        fetch_job_free(job);
    }
    fetch_gates_fini(host);
    fetch_cookies_free(host);
    free(host->key);
    free(host->name);
    free(host->dns_reason);
    free(host->addresses);
    free(host);
}

/* libcurl's table of addresses would grow for ever. */
static void unpin(struct fetch_thread *t, const struct fetch_host *host)
{
    static const char *const ports[] = {"80", "443"};
    char line[320];
    const char *own = strrchr(host->key, ':');
    if (host->pinned_serial == 0) {
        return;
    }
    for (size_t i = 0; i < (host->default_port ? 2 : 1); i++) {
        snprintf(line, sizeof(line), "-%s:%s", host->name, host->default_port ? ports[i] : own + 1);
        struct curl_slist *more = curl_slist_append(t->unpins, line);
        t->unpins = more != NULL ? more : t->unpins;
    }
}

static void forget_host(struct fetch_thread *t, struct fetch_host *host)
{
    struct fetch_host **at = &t->buckets[host->hash & (t->bucket_count - 1)];
    while (*at != host) {
        at = &(*at)->chain;
    }
    *at = host->chain;
    unpin(t, host);
    leave_place(t, host);
    fetch_timer_cancel(&t->timers, &host->timer);
    t->host_count--;
    host_destroy(host);
}

/* Hosts with nothing to do are kept for their robots.txt, addresses and delays, but not for ever.
 */
static void forget_idle_hosts(struct fetch_thread *t)
{
    struct fetch_host *host = t->idle_head;
    for (int i = 0; i < LOOK_AT_IDLE && host != NULL && t->host_count > KEEP_IDLE_HOSTS; i++) {
        struct fetch_host *next = host->next;
        if (host->hold_until_ns <= t->now_ns && host->next_start_ns <= t->now_ns) {
            forget_host(t, host);
        }
        host = next;
    }
}

struct fetch_host *fetch_host_find(struct fetch_thread *t, const char *key, bool create)
{
    uint64_t hash = base_hash64(key, strlen(key));
    struct fetch_host *host = t->buckets[hash & (t->bucket_count - 1)];
    while (host != NULL && (host->hash != hash || strcmp(host->key, key) != 0)) {
        host = host->chain;
    }
    if (host != NULL || !create) {
        return host;
    }
    host = calloc(1, sizeof(*host));
    if (host == NULL || (host->key = strdup(key)) == NULL || !read_key(host)) {
        if (host != NULL) {
            host_destroy(host);
        }
        return NULL;
    }
    forget_idle_hosts(t);
    if (t->host_count >= t->bucket_count) {
        grow_buckets(t);
    }
    host->hash = hash;
    host->timer.kind = TIMER_HOST;
    host->chain = t->buckets[hash & (t->bucket_count - 1)];
    t->buckets[hash & (t->bucket_count - 1)] = host;
    t->host_count++;
    host->place = PLACE_IDLE;
    list_append(&t->idle_head, &t->idle_tail, host);
    atomic_store_explicit(&t->hosts, (uint32_t)t->host_count, memory_order_relaxed);
    return host;
}

void fetch_hosts_free(struct fetch_thread *t)
{
    for (size_t i = 0; t->buckets != NULL && i < t->bucket_count; i++) {
        while (t->buckets[i] != NULL) {
            forget_host(t, t->buckets[i]);
        }
    }
}

/* ---- the schedule --------------------------------------------------------------------------- */

static bool has_jobs(const struct fetch_host *host)
{
    return host->urgent.head != NULL || host->queue.head != NULL;
}

static bool is_blocked(const struct fetch_thread *t, const struct fetch_host *host)
{
    uint32_t most = atomic_load_explicit(&t->engine->max_per_host, memory_order_relaxed);
    return host->active >= most || host->unanswered > 0 || host->dns == DNS_PENDING ||
           (host->waits_robots && (host->urgent.head == NULL || !host->urgent.head->is_robots));
}

void fetch_host_place(struct fetch_thread *t, struct fetch_host *host)
{
    uint64_t due =
        host->hold_until_ns > host->next_start_ns ? host->hold_until_ns : host->next_start_ns;
    enum fetch_place place = !has_jobs(host)       ? (host->active > 0 ? PLACE_BLOCKED : PLACE_IDLE)
                             : is_blocked(t, host) ? PLACE_BLOCKED
                             : due > t->now_ns     ? PLACE_TIMED
                                                   : PLACE_READY;
    if (place == host->place && place != PLACE_TIMED) {
        return; /* a ready host keeps its turn */
    }
    leave_place(t, host);
    host->place = place;
    if (place == PLACE_IDLE) {
        list_append(&t->idle_head, &t->idle_tail, host);
    } else if (place == PLACE_READY) {
        list_append(&t->ready_head, &t->ready_tail, host);
    } else if (place == PLACE_TIMED && !fetch_timer_set(&t->timers, &host->timer, due)) {
        host->place = PLACE_READY; /* no memory for a timer: poll */
        list_append(&t->ready_head, &t->ready_tail, host);
    }
}

/* The host's timer is its start time while it is timed, the look-up's deadline while that runs. */
void fetch_host_timer(struct fetch_thread *t, struct fetch_host *host)
{
    if (host->dns == DNS_PENDING) {
        fetch_gate_lookup_late(t, host);
    }
    fetch_host_place(t, host);
}

struct fetch_job *fetch_host_take_job(struct fetch_thread *t, struct fetch_host *host)
{
    struct fetch_job *job = fetch_queue_pop(&host->urgent);
    job = job != NULL ? job : fetch_queue_pop(&host->queue);
    if (job != NULL) {
        atomic_fetch_sub_explicit(&t->queued, 1, memory_order_relaxed);
        t->awaited -= job->waiter != NULL;
    }
    return job;
}

void fetch_host_enqueue(struct fetch_thread *t, struct fetch_job *job)
{
    struct fetch_url_parts parts;
    char key[300];
    bool ok = fetch_url_split(job->url, strlen(job->url), &parts) == GLEANER_OK &&
              fetch_host_key(&parts, key, sizeof(key));
    struct fetch_host *host = ok && !t->draining ? fetch_host_find(t, key, true) : NULL;
    if (host == NULL) {
        fetch_job_finish(t, job, NULL, t->draining ? FETCH_CANCELLED : FETCH_NETWORK, 0, "%s",
                         t->draining ? "cancelled: the engine is draining"
                                     : "no memory for another host");
        return;
    }
    if (job->is_robots) { /* before everything: what else is urgent may wait for a robots.txt */
        fetch_queue_push_front(&host->urgent, job);
    } else {
        bool is_urgent = job->hops > 0 || job->retried || job->waiter != NULL;
        fetch_queue_push(is_urgent ? &host->urgent : &host->queue, job);
    }
    t->awaited += job->waiter != NULL;
    atomic_fetch_add_explicit(&t->queued, 1, memory_order_relaxed);
    fetch_host_return_held(t, host);
    fetch_host_place(t, host);
}

void fetch_hosts_replace_all(struct fetch_thread *t)
{
    for (size_t i = 0; i < t->bucket_count; i++) {
        for (struct fetch_host *host = t->buckets[i]; host != NULL; host = host->chain) {
            if (fetch_host_delay_ns(t, host) == 0) {
                host->next_start_ns = 0;
            }
            fetch_host_place(t, host);
        }
    }
}

void fetch_hosts_cancel_all(struct fetch_thread *t, const char *reason)
{
    struct fetch_job *job;
    for (size_t i = 0; i < t->bucket_count; i++) {
        for (struct fetch_host *host = t->buckets[i]; host != NULL; host = host->chain) {
            while ((job = fetch_host_take_job(t, host)) != NULL) {
                fetch_job_finish(t, job, NULL, FETCH_CANCELLED, 0, "%s", reason);
            }
            fetch_host_place(t, host);
        }
    }
}

/* ---- starting ------------------------------------------------------------------------------- */

/* Neither leaves a result in the queue of results. Whoever takes from that may be waiting for one
 * of these, so that a full queue must not hold them up. */
static bool is_awaited(const struct fetch_job *job)
{
    return job->waiter != NULL || job->is_robots;
}

static struct fetch_job *first_job(const struct fetch_host *host)
{
    return host->urgent.head != NULL ? host->urgent.head : host->queue.head;
}

static bool take_slot(struct fetch_thread *t, const struct fetch_job *job)
{
    struct fetch_engine *e = t->engine;
    uint32_t most = atomic_load_explicit(&e->max_transfers, memory_order_relaxed);
    if (!is_awaited(job) && !fetch_results_have_room(e->results, most, t->done_count)) {
        return false;
    }
    if (atomic_fetch_add_explicit(&e->active, 1, memory_order_seq_cst) >= most) {
        atomic_fetch_sub_explicit(&e->active, 1, memory_order_seq_cst);
        return false;
    }
    return true;
}

/* Say that we want a slot, then look again: whoever frees one in between sees us or we see it. */
static bool take_slot_or_starve(struct fetch_thread *t, const struct fetch_job *job)
{
    if (take_slot(t, job)) {
        return true;
    }
    if (atomic_exchange_explicit(&t->starved, 1, memory_order_seq_cst) == 0) {
        atomic_fetch_add_explicit(&t->engine->starved_count, 1, memory_order_seq_cst);
    }
    return take_slot(t, job);
}

void fetch_slot_free(struct fetch_engine *engine)
{
    atomic_fetch_sub_explicit(&engine->active, 1, memory_order_seq_cst);
    if (engine->thread_count > 1) {
        fetch_engine_wake_starved(engine);
    }
}

/* One step with the host at the head of the round. False when no slot is to be had. */
static bool advance(struct fetch_thread *t, struct fetch_host *host)
{
    struct fetch_job *job = first_job(host);
    if (!fetch_host_is_ours(t, host, job)) {
        return true;
    }
    enum fetch_pass pass = fetch_gate_address(t, host);
    if (pass == PASS_WAIT) {
        fetch_host_place(t, host);
        return true;
    }
    if (pass == PASS_REFUSED) {
        fetch_gate_refuse_address(t, host, fetch_host_take_job(t, host));
        return true;
    }
    pass = fetch_gate_robots(t, host, job);
    if (pass == PASS_WAIT) {
        fetch_host_place(t, host); /* robots.txt is its urgent job now, or on its way */
        return true;
    }
    if (pass == PASS_REFUSED) {
        fetch_gate_refuse_robots(t, host, fetch_host_take_job(t, host));
        return true;
    }
    if (!take_slot_or_starve(t, job)) {
        return false;
    }
    if (!fetch_transfer_start(t, host, fetch_host_take_job(t, host))) {
        fetch_slot_free(t->engine);
    }
    return true;
}

/* While there is no room for results, the hosts are passed over that nobody waits for. */
static struct fetch_host *next_ready(const struct fetch_thread *t, bool is_full)
{
    struct fetch_host *host = t->ready_head;
    while (is_full && host != NULL && has_jobs(host) && !is_awaited(first_job(host))) {
        host = host->next;
    }
    return host;
}

void fetch_hosts_pump(struct fetch_thread *t)
{
    struct fetch_host *host;
    bool is_full = false;
    while ((host = next_ready(t, is_full)) != NULL) {
        if (!has_jobs(host) || is_blocked(t, host)) {
            fetch_host_place(t, host);
            continue;
        }
        if (!advance(t, host)) {
            if (is_full || t->awaited == 0) {
                return;
            }
            is_full = true;
            continue;
        }
        if (host->place == PLACE_READY) { /* to the end of the round */
            leave_place(t, host);
            fetch_host_place(t, host);
        }
    }
}
