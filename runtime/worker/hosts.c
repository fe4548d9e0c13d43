/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What politeness knows of hosts, carried between the fetchers and the store: a hold or a delay
 * that a result shows is noted with the batch that settles it; what is noted is given back to the
 * fetchers before the first request of this process (or of this owner of the host).
 */
#include "worker_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    BOOK_SLOTS = 4096,          /* a host that loses its slot is noted once more */
    BOOK_KNOWN = 65536,         /* then all are read again */
    HOLD_WORTH_NOTING_MS = 500, /* longer than noted */
    DELAY_WORTH_NOTING = 4      /* a fourth of what was noted */
};

/* What was noted last of a host. */
struct book_slot {
    uint64_t key;
    uint64_t hold_until_ns, delay_ms;
};
struct host_book {
    struct sync_mutex *lock; /* protects everything here; under nothing, briefly */
    struct base_keyset known;
    struct book_slot slots[BOOK_SLOTS];
};

struct host_book *hosts_open(void)
{
    struct host_book *book = calloc(1, sizeof(*book));
    if (book == NULL || sync_mutex_create(&book->lock) != GLEANER_OK) {
        free(book);
        return NULL;
    }
    base_keyset_init(&book->known, BOOK_KNOWN);
    return book;
}

void hosts_close(struct host_book **book)
{
    if (*book != NULL) {
        base_keyset_fini(&(*book)->known);
        sync_mutex_destroy(&(*book)->lock);
        free(*book);
        *book = NULL;
    }
}

void hosts_forget_known(struct host_book *book)
{
    sync_mutex_lock(book->lock);
    base_keyset_clear(&book->known);
    sync_mutex_unlock(book->lock);
}

/* ---- from the store to the fetchers ---- */

static const char *name_of(const struct store_job *job)
{
    const char *authority = strstr(job->host, "://");
    return authority != NULL ? authority + 3 : job->host;
}

static bool is_new(struct worker_group *group, const char *name)
{
    struct host_book *book = group->hosts;
    uint64_t key = base_hash64(name, strlen(name));
    sync_mutex_lock(book->lock);
    if (book->known.count >= BOOK_KNOWN / 2) {
        base_keyset_clear(&book->known);
    }
    /* The hosts of submissions have no owner: another process may have noted something since. */
    bool is_asked = base_keyset_add(&book->known, key) || !group->options.is_crawl;
    sync_mutex_unlock(book->lock);
    return is_asked;
}

static size_t collect_names(struct worker *worker, struct store_host *hosts)
{
    size_t count = 0;
    for (size_t i = 0; i < worker->claimed.count; i++) {
        const char *name = name_of(&worker->claimed.jobs[i]);
        bool is_twice = i > 0 && strcmp(name_of(&worker->claimed.jobs[i - 1]), name) == 0;
        if (!is_twice && is_new(worker->group, name)) {
            hosts[count++].name = name;
        }
    }
    return count;
}

enum gleaner_status hosts_recall(struct worker *worker, struct base_error *error)
{
    struct worker_group *group = worker->group;
    struct store_host *hosts = calloc(worker->claimed.count + 1, sizeof(*hosts));
    if (hosts == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for the hosts of a claim");
    }
    size_t count = collect_names(worker, hosts);
    enum gleaner_status status =
        store_hosts_read(store_of_queue(queue_store(group->options.queue)), hosts, count, error);
    for (size_t i = 0; i < count && status == GLEANER_OK; i++) {
        if (hosts[i].hold_ms > 0 || hosts[i].delay_ms > 0) {
            status = fetch_recall_host(group->options.fetch, hosts[i].name, hosts[i].hold_ms,
                                       hosts[i].delay_ms);
        }
    }
    if (status != GLEANER_OK) {
        hosts_forget_known(group->hosts);
    }
    free(hosts);
    return status;
}

/* ---- from a result to the store ---- */

/* "name" or "name:port" of a normalised URL, in the batch's memory. */
static char *copy_name(struct batch *batch, const char *url)
{
    struct fetch_url_parts parts;
    if (fetch_url_split(url, strlen(url), &parts) != GLEANER_OK) {
        return NULL;
    }
    size_t len = parts.host.len + (parts.port.len > 0 ? parts.port.len + 1 : 0);
    char *name = base_arena_alloc(&batch->arena, len + 1);
    if (name != NULL) {
        snprintf(name, len + 1, "%.*s%s%.*s", (int)parts.host.len, parts.host.data,
                 parts.port.len > 0 ? ":" : "", (int)parts.port.len, parts.port.data);
    }
    return name;
}

enum gleaner_status hosts_recall_one(struct worker *worker, const char *url,
                                     struct base_error *error)
{
    struct worker_group *group = worker->group;
    struct store_host host = {.name = copy_name(&worker->batch, url)};
    if (host.name == NULL || !is_new(group, host.name)) {
        return GLEANER_OK;
    }
    struct store *store = store_of_queue(queue_store(group->options.queue));
    enum gleaner_status status = store_hosts_read(store, &host, 1, error);
    if (status == GLEANER_OK && (host.hold_ms > 0 || host.delay_ms > 0)) {
        status = fetch_recall_host(group->options.fetch, host.name, host.hold_ms, host.delay_ms);
    }
    if (status != GLEANER_OK) {
        hosts_forget_known(group->hosts);
    }
    return status;
}

static uint64_t difference(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* True when the store should hear of it; it is taken as told then. */
static bool is_news(struct host_book *book, const char *name, uint64_t hold_ms, uint64_t delay_ms)
{
    uint64_t key = base_hash64(name, strlen(name)), now_ns = base_mono_ns();
    uint64_t until_ns = hold_ms > 0 ? now_ns + hold_ms * BASE_NS_PER_MS : 0;
    sync_mutex_lock(book->lock);
    struct book_slot *slot = &book->slots[key % BOOK_SLOTS];
    if (slot->key != key) {
        *slot = (struct book_slot){.key = key};
    }
    bool is_longer = until_ns > slot->hold_until_ns + HOLD_WORTH_NOTING_MS * BASE_NS_PER_MS;
    bool is_other = difference(delay_ms, slot->delay_ms) * DELAY_WORTH_NOTING > slot->delay_ms;
    if (is_longer || is_other) {
        slot->hold_until_ns = is_longer ? until_ns : slot->hold_until_ns;
        slot->delay_ms = delay_ms;
    }
    sync_mutex_unlock(book->lock);
    return is_longer || is_other;
}

static bool grow(struct batch *batch)
{
    if (batch->host_count < batch->host_cap) {
        return true;
    }
    size_t cap = batch->host_cap > 0 ? batch->host_cap * 2 : 64;
    struct store_host *more = realloc(batch->hosts, cap * sizeof(*more));
    if (more == NULL) {
        return false;
    }
    batch->hosts = more;
    batch->host_cap = cap;
    return true;
}

void hosts_learn(struct worker *worker, const struct fetch_result *result)
{
    struct worker_group *group = worker->group;
    struct batch *batch = &worker->batch;
    shares_note_delay(group->options.shares, result->host_delay_ms);
    if (result->hold_ms == 0 && result->host_delay_ms == 0) {
        return; /* nothing to be kept: the usual case costs nothing */
    }
    /* Without memory the hold is known to this process alone. */
    const char *name = grow(batch) ? copy_name(batch, result->url) : NULL;
    if (name != NULL && is_news(group->hosts, name, result->hold_ms, result->host_delay_ms)) {
        batch->hosts[batch->host_count++] = (struct store_host){
            .name = name, .hold_ms = result->hold_ms, .delay_ms = result->host_delay_ms};
    }
}

enum gleaner_status hosts_note(struct worker *worker, struct base_error *error)
{
    struct batch *batch = &worker->batch;
    struct queue *queue = worker->group->options.queue;
    return store_hosts_note(store_of_queue(queue_store(queue)), batch->hosts, batch->host_count,
                            error);
}
