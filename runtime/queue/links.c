/* SPDX-License-Identifier: Apache-2.0 */
#include "queue_internal.h"

#include <stdlib.h>
#include <string.h>

static bool grow(struct queue_links *links)
{
    if (links->count < links->cap) {
        return true;
    }
    size_t cap = links->cap ? links->cap * 2 : 256;
    struct store_job *jobs = realloc(links->jobs, cap * sizeof(*jobs));
    if (jobs == NULL) {
        return false;
    }
    links->jobs = jobs;
    links->cap = cap;
    return true;
}

static bool is_seen(struct queue *queue, uint64_t key)
{
    sync_mutex_lock(queue->lock);
    bool seen = base_keyset_has(&queue->seen, key);
    sync_mutex_unlock(queue->lock);
    return seen;
}

/* The batch's own set catches the links that all pages of a batch share; the queue's set those that
 * the store has already. Neither has the last word: the store inserts only what is absent. */
static bool is_known(struct queue *queue, struct queue_links *links, uint64_t key)
{
    base_counter_add(&queue->links_offered, 1);
    if (!links->is_ready) {
        base_keyset_init(&links->keys, SIZE_MAX);
        links->is_ready = true;
    }
    return base_keyset_has(&links->keys, key) || is_seen(queue, key);
}

static bool append(struct queue_links *links, const struct store_job *from, size_t len)
{
    if (!grow(links)) {
        links->failed = true;
        return false;
    }
    struct store_job *job = &links->jobs[links->count];
    *job = *from;
    job->url = base_arena_strndup(&links->arena, from->url, len);
    job->host = base_arena_strndup(&links->arena, from->url, queue_origin_length(from->url, len));
    job->via = from->via[0] ? base_arena_strndup(&links->arena, from->via, strlen(from->via)) : "";
    if (job->url == NULL || job->host == NULL || job->via == NULL) {
        links->failed = true;
        return false;
    }
    base_keyset_add(&links->keys, from->key);
    links->count++;
    return true;
}

bool queue_is_in_scope(const struct queue *queue, const char *url, size_t len, uint32_t depth)
{
    return queue->options.scope == NULL ||
           queue_scope_allows(queue->options.scope, url, len, depth);
}

bool queue_links_add(struct queue *queue, struct queue_links *links, const char *url, size_t len,
                     uint32_t depth, const char *via)
{
    const struct store_job job = {
        .key = queue_key_of_url(url, len), .url = url, .via = via, .type = "page", .depth = depth};
    if (is_known(queue, links, job.key) || !queue_is_in_scope(queue, url, len, depth)) {
        return false;
    }
    if (budget_is_on(queue) && !budget_take(queue, url, len)) {
        base_counter_add(&queue->links_over_budget, 1);
        return false;
    }
    return append(links, &job, len);
}

bool queue_links_add_sitemap(struct queue *queue, struct queue_links *links, const char *url,
                             size_t len, uint32_t depth)
{
    struct store_job job = {.url = url, .via = "", .type = "sitemap", .depth = depth};
    job.key = queue_key_of_submission(job.type, url);
    return !is_known(queue, links, job.key) && append(links, &job, len);
}

void queue_links_reset(struct queue_links *links)
{
    links->count = 0;
    links->failed = false;
    base_arena_reset(&links->arena);
    if (links->is_ready) {
        base_keyset_clear(&links->keys);
    }
}

void queue_links_fini(struct queue_links *links)
{
    free(links->jobs);
    base_arena_fini(&links->arena);
    if (links->is_ready) {
        base_keyset_fini(&links->keys);
    }
    *links = (struct queue_links){0};
}
