/* SPDX-License-Identifier: Apache-2.0 */
#include "queue_internal.h"

#include <stdlib.h>
#include <string.h>

/* 4 MiB: three quarters of 2^19 slots of 8 bytes. What a full filter has forgotten costs an
 * operation of the store (bench/frontier). Budgets count by it, so they get one that is exact for a
 * million URLs, 16 MiB. */
#define SEEN_KEYS ((size_t)3 << 17)
#define SEEN_KEYS_BUDGETS ((size_t)1 << 20)

static size_t seen_keys(const struct queue *queue)
{
    return queue->options.seen_keys > 0 ? queue->options.seen_keys
           : budget_is_on(queue)        ? SEEN_KEYS_BUDGETS
                                        : SEEN_KEYS;
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

void queue_configure(struct queue *queue, const struct queue_live *live)
{
    const memory_order relaxed = memory_order_relaxed;
    atomic_store_explicit(&queue->max_attempts, or_default(live->max_attempts, 4), relaxed);
    atomic_store_explicit(&queue->retry_base_ms, or_default(live->retry_base_ms, 1000), relaxed);
    atomic_store_explicit(&queue->retry_cap_ms, or_default(live->retry_cap_ms, 300000), relaxed);
}

enum gleaner_status queue_create(const struct queue_options *options, struct queue **out)
{
    struct queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL) {
        return GLEANER_E_NOMEM;
    }
    queue->options = *options;
    queue->options.lease_ms = or_default(options->lease_ms, 60000);
    queue->options.max_deliveries = or_default(options->max_deliveries, 5);
    queue_configure(queue, &(struct queue_live){.max_attempts = options->max_attempts,
                                                .retry_base_ms = options->retry_base_ms,
                                                .retry_cap_ms = options->retry_cap_ms});
    queue->owner = strdup(options->owner);
    queue->options.owner = queue->owner;
    base_keyset_init(&queue->seen, seen_keys(queue));
    base_random_init(&queue->random, 0);
    if (queue->owner == NULL || sync_mutex_create(&queue->lock) != GLEANER_OK) {
        queue_destroy(&queue);
        return GLEANER_E_NOMEM;
    }
    enum gleaner_status status = budget_is_on(queue) ? budget_load(queue) : GLEANER_OK;
    if (status != GLEANER_OK) {
        queue_destroy(&queue);
        return status;
    }
    *out = queue;
    return GLEANER_OK;
}

void queue_destroy(struct queue **queue)
{
    if (queue == NULL || *queue == NULL) {
        return;
    }
    base_keyset_fini(&(*queue)->seen);
    budget_fini(&(*queue)->budgets);
    sync_mutex_destroy(&(*queue)->lock);
    free((*queue)->owner);
    free(*queue);
    *queue = NULL;
}

uint64_t queue_key_of_url(const char *url, size_t len)
{
    return base_hash64(url, len);
}

uint64_t queue_key_of_submission(const char *type, const char *url)
{
    struct base_buffer text = {0};
    base_buffer_append(&text, type, strlen(type) + 1); /* with its NUL: no two pairs run together */
    base_buffer_append_str(&text, url);
    uint64_t key = base_hash64(text.data, text.len);
    base_buffer_fini(&text);
    return key;
}

enum gleaner_status queue_seed(struct queue *queue, const char *const *urls, size_t count,
                               const char *type, uint64_t *inserted, struct base_error *error)
{
    struct base_arena arena = {0};
    struct store_job *jobs = calloc(count ? count : 1, sizeof(*jobs));
    bool is_page = strcmp(type, "page") == 0;
    enum gleaner_status status = GLEANER_E_NOMEM;

    for (size_t i = 0; jobs != NULL && i < count; i++) {
        size_t len = strlen(urls[i]);
        jobs[i] = (struct store_job){
            .key =
                is_page ? queue_key_of_url(urls[i], len) : queue_key_of_submission(type, urls[i]),
            .url = urls[i],
            .host = base_arena_strndup(&arena, urls[i], queue_origin_length(urls[i], len)),
            .type = type,
            .via = "",
        };
        if (jobs[i].host == NULL) {
            goto out;
        }
    }
    if (jobs != NULL) {
        status = store_enqueue(queue->options.store, jobs, count, inserted, error);
    }
out:
    if (status == GLEANER_E_NOMEM) {
        base_error_set(error, status, "no memory to enqueue %zu URLs", count);
    }
    free(jobs);
    base_arena_fini(&arena);
    return status;
}

enum gleaner_status queue_claim(struct queue *queue, uint32_t max, const bool *shares,
                                struct store_jobs *out, struct base_error *error)
{
    struct store_claim how = {
        .max_jobs = max,
        .lease_ms = queue->options.lease_ms,
        .owner = queue->options.owner,
        .max_deliveries = queue->options.max_deliveries,
        .shares = shares,
    };
    enum gleaner_status status = store_claim(queue->options.store, &how, out, error);
    if (status == GLEANER_OK) {
        base_counter_add(&queue->claimed, out->count);
    }
    return status;
}

/* Full jitter: uniform in [0, min(cap, base * 2^attempt)], so that many failures of one outage do
 * not come back together. */
static uint64_t back_off_ms(struct queue *queue, uint32_t attempts)
{
    const uint64_t cap_ms = atomic_load_explicit(&queue->retry_cap_ms, memory_order_relaxed);
    uint64_t ceiling = atomic_load_explicit(&queue->retry_base_ms, memory_order_relaxed);
    for (uint32_t i = 0; i < attempts && ceiling < cap_ms; i++) {
        ceiling *= 2;
    }
    if (ceiling > cap_ms) {
        ceiling = cap_ms;
    }
    sync_mutex_lock(queue->lock);
    uint64_t delay = base_random_below(&queue->random, ceiling + 1);
    sync_mutex_unlock(queue->lock);
    return delay;
}

void queue_decide_failure(struct queue *queue, const struct store_job *job, bool permanent,
                          uint64_t retry_after_ms, struct store_outcome *out)
{
    *out = (struct store_outcome){.key = job->key, .token = job->token};
    memcpy(out->id, job->id, sizeof(out->id));
    uint32_t max_attempts = atomic_load_explicit(&queue->max_attempts, memory_order_relaxed);
    if (permanent || job->attempts + 1 >= max_attempts) {
        out->kind = STORE_DEAD;
        return;
    }
    out->kind = STORE_RETRY;
    out->delay_ms = back_off_ms(queue, job->attempts);
    if (out->delay_ms < retry_after_ms) {
        out->delay_ms = retry_after_ms;
    }
}

static void count_outcomes(struct queue *queue, const struct store_settlement *settlement)
{
    uint64_t by_kind[STORE_RELEASE + 1] = {0};
    for (size_t i = 0; i < settlement->outcome_count; i++) {
        by_kind[settlement->outcomes[i].kind]++;
    }
    base_counter_add(&queue->settled, settlement->outcome_count);
    base_counter_add(&queue->retried, by_kind[STORE_RETRY]);
    base_counter_add(&queue->dead, by_kind[STORE_DEAD]);
    base_counter_add(&queue->released, by_kind[STORE_RELEASE]);
}

static void remember_links(struct queue *queue, const struct store_settlement *settlement)
{
    sync_mutex_lock(queue->lock);
    for (size_t i = 0; i < settlement->link_count; i++) {
        const struct store_job *link = &settlement->links[i];
        bool is_new = base_keyset_add(&queue->seen, link->key);
        if (!is_new && budget_is_on(queue) && strcmp(link->type, "page") == 0) {
            budget_give_locked(queue, link->url, strlen(link->url));
        }
    }
    sync_mutex_unlock(queue->lock);
}

enum gleaner_status queue_settle(struct queue *queue, const struct store_settlement *settlement,
                                 struct store_settled *out, struct base_error *error)
{
    enum gleaner_status status = store_settle(queue->options.store, settlement, out, error);
    if (status != GLEANER_OK) {
        return status;
    }
    remember_links(queue, settlement);
    count_outcomes(queue, settlement);
    base_counter_add(&queue->links_new, out->links_new);
    base_counter_add(&queue->stale, out->outcomes_stale);
    return GLEANER_OK;
}

void queue_read_stats(const struct queue *queue, struct queue_stats *out)
{
    *out = (struct queue_stats){
        .settled = base_counter_get(&queue->settled), /* before claimed: held is never negative */
        .claimed = base_counter_get(&queue->claimed),
        .retried = base_counter_get(&queue->retried),
        .dead = base_counter_get(&queue->dead),
        .released = base_counter_get(&queue->released),
        .links_offered = base_counter_get(&queue->links_offered),
        .links_new = base_counter_get(&queue->links_new),
        .links_over_budget = base_counter_get(&queue->links_over_budget),
        .stale = base_counter_get(&queue->stale),
    };
    out->held = out->claimed - out->settled;
}

struct store_queue *queue_store(const struct queue *queue)
{
    return queue->options.store;
}

uint32_t queue_max_deliveries(const struct queue *queue)
{
    return queue->options.max_deliveries;
}

uint32_t queue_lease_ms(const struct queue *queue)
{
    return queue->options.lease_ms;
}

const char *queue_owner(const struct queue *queue)
{
    return queue->owner;
}
