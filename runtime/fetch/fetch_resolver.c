/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses, off the event loops: getaddrinfo blocks and cannot be cancelled. Single
 * flight, cache and negative cache are the hosts' (a host asks once and keeps the answer). */
#include "fetch_internal.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESOLVER_THREADS 2     /* to begin with */
#define RESOLVER_THREADS_MAX 8 /* when look-ups wait behind slow name servers */
#define RESOLVER_JOIN_NS BASE_NS_PER_S

/* Lock `mutex`: protects the queue and the counts; taken under nothing. Held while an answer is
 * sent, so that after `closing` nothing is sent any more; sending takes no lock. */
struct fetch_resolver {
    struct fetch_guard *guard; /* owned: a thread left behind may still read it */
    struct sync_mutex *mutex;
    struct sync_cond *filled;
    struct fetch_lookup *head, *tail;
    struct sync_thread *threads[RESOLVER_THREADS_MAX];
    uint32_t thread_count, idle, refs;
    bool closing;
};

void fetch_lookup_free(struct fetch_lookup *lookup)
{
    free(lookup->key);
    free(lookup->name);
    free(lookup->addresses);
    free(lookup);
}

/* Append one allowed address to the comma separated list. */
static void add_address(struct base_buffer *list, const struct addrinfo *ai)
{
    char text[INET6_ADDRSTRLEN];
    const void *raw =
        ai->ai_family == AF_INET6
            ? (const void *)&((const struct sockaddr_in6 *)(const void *)ai->ai_addr)->sin6_addr
            : (const void *)&((const struct sockaddr_in *)(const void *)ai->ai_addr)->sin_addr;
    if (inet_ntop(ai->ai_family, raw, text, sizeof(text)) != NULL) {
        bool v6 = ai->ai_family == AF_INET6;
        base_buffer_printf(list, "%s%s%s%s", list->len > 0 ? "," : "", v6 ? "[" : "", text,
                           v6 ? "]" : "");
    }
}

static void look_up(const struct fetch_guard *guard, struct fetch_lookup *lookup)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    struct base_buffer addresses = {0};
    int rc = getaddrinfo(lookup->name, NULL, &hints, &list);
    if (rc != 0) {
        snprintf(lookup->reason, sizeof(lookup->reason), "%s", gai_strerror(rc));
        return;
    }
    for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next) {
        if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6) {
            continue;
        }
        if (fetch_guard_allows_socket(guard, ai->ai_addr)) {
            add_address(&addresses, ai);
        } else {
            lookup->guarded = true;
        }
    }
    freeaddrinfo(list);
    lookup->addresses = addresses.data;
    lookup->guarded = lookup->guarded && addresses.data == NULL;
    if (addresses.data == NULL && !lookup->guarded) {
        snprintf(lookup->reason, sizeof(lookup->reason), "it has no address");
    }
}

static void resolver_unref_locked(struct fetch_resolver *r)
{
    bool last = --r->refs == 0;
    sync_mutex_unlock(r->mutex);
    if (last) {
        fetch_guard_destroy(&r->guard);
        sync_cond_destroy(&r->filled);
        sync_mutex_destroy(&r->mutex);
        free(r);
    }
}

static void resolver_main(void *arg)
{
    struct fetch_resolver *r = arg;
    sync_mutex_lock(r->mutex);
    while (!r->closing) {
        struct fetch_lookup *lookup = r->head;
        if (lookup == NULL) {
            r->idle++;
            sync_cond_wait(r->filled, r->mutex, BASE_NO_DEADLINE);
            r->idle--;
            continue;
        }
        r->head = lookup->next;
        r->tail = r->head == NULL ? NULL : r->tail;
        sync_mutex_unlock(r->mutex);
        look_up(r->guard, lookup);
        sync_mutex_lock(r->mutex);
        if (r->closing) {
            fetch_lookup_free(lookup);
        } else {
            fetch_thread_send(lookup->thread, &lookup->message);
        }
    }
    resolver_unref_locked(r);
}

static enum gleaner_status add_thread_locked(struct fetch_resolver *r)
{
    r->refs++;
    enum gleaner_status status = sync_thread_start(&r->threads[r->thread_count], "gl-resolver",
                                                   SYNC_PLAIN, resolver_main, r);
    if (status != GLEANER_OK) {
        r->refs--;
        return status;
    }
    r->thread_count++;
    return GLEANER_OK;
}

enum gleaner_status fetch_resolver_create(struct fetch_guard *guard, struct fetch_resolver **out)
{
    struct fetch_resolver *r = calloc(1, sizeof(*r));
    *out = NULL;
    if (r == NULL) {
        return GLEANER_E_NOMEM;
    }
    r->guard = guard;
    r->refs = 1;
    if (sync_mutex_create(&r->mutex) != GLEANER_OK || sync_cond_create(&r->filled) != GLEANER_OK) {
        sync_mutex_destroy(&r->mutex);
        free(r);
        return GLEANER_E_NOMEM;
    }
    *out = r;
    return GLEANER_OK;
}

/* Threads start with the first look-ups: a crawl of numeric hosts has none. */
void fetch_resolver_submit(struct fetch_resolver *r, struct fetch_lookup *lookup)
{
    lookup->next = NULL;
    sync_mutex_lock(r->mutex);
    bool waits = r->head != NULL;
    if (r->tail != NULL) {
        r->tail->next = lookup;
    } else {
        r->head = lookup;
    }
    r->tail = lookup;
    uint32_t wanted = waits ? RESOLVER_THREADS_MAX : RESOLVER_THREADS;
    if (r->idle == 0 && r->thread_count < wanted && add_thread_locked(r) != GLEANER_OK &&
        r->thread_count == 0) {
        base_log_error("fetch", "no thread for name look-ups; they will time out");
    }
    sync_cond_signal(r->filled);
    sync_mutex_unlock(r->mutex);
}

/* A thread may be inside getaddrinfo for half a minute: it is left behind, holds its own reference
 * and touches nothing but the resolver and its guard; the last one out frees both. */
void fetch_resolver_destroy(struct fetch_resolver **resolver)
{
    struct fetch_resolver *r = *resolver;
    if (r == NULL) {
        return;
    }
    *resolver = NULL;
    sync_mutex_lock(r->mutex);
    r->closing = true;
    struct fetch_lookup *lookup = r->head;
    r->head = r->tail = NULL;
    sync_cond_broadcast(r->filled);
    sync_mutex_unlock(r->mutex);
    while (lookup != NULL) {
        struct fetch_lookup *next = lookup->next;
        fetch_lookup_free(lookup);
        lookup = next;
    }
    uint64_t deadline_ns = base_mono_ns() + RESOLVER_JOIN_NS;
    for (uint32_t i = 0; i < r->thread_count; i++) {
        if (!sync_thread_join_until(&r->threads[i], deadline_ns)) {
            sync_thread_abandon(&r->threads[i]);
        }
    }
    sync_mutex_lock(r->mutex);
    resolver_unref_locked(r);
}
