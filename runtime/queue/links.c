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
bool queue_links_add(struct queue *queue, struct queue_links *links, const char *url, size_t len,
                     uint32_t depth, const char *via)
{
    base_counter_add(&queue->links_offered, 1);
    uint64_t key = queue_key_of_url(url, len);
    if (!links->is_ready) {
        base_keyset_init(&links->keys, SIZE_MAX);
        links->is_ready = true;
    }
    if (base_keyset_has(&links->keys, key) || is_seen(queue, key)) {
        return false;
    }
    if (queue->options.scope != NULL &&
        !queue_scope_allows(queue->options.scope, url, len, depth)) {
        return false;
    }
    if (!grow(links)) {
        links->failed = true;
        return false;
    }
    struct store_job *job = &links->jobs[links->count];
    *job = (struct store_job){
        .key = key,
        .url = base_arena_strndup(&links->arena, url, len),
        .host = base_arena_strndup(&links->arena, url, queue_origin_length(url, len)),
        .via = via[0] ? base_arena_strndup(&links->arena, via, strlen(via)) : "",
        .type = "page",
        .depth = depth,
    };
    if (job->url == NULL || job->host == NULL || job->via == NULL) {
        links->failed = true;
        return false;
    }
    base_keyset_add(&links->keys, key);
    links->count++;
    return true;
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
