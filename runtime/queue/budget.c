/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Budgets: how many URLs of one host, of one path with different queries, of one pattern with
 * different dates. Counted when a link is added, not when it is stored, so that they are never
 * passed; what two batches counted twice is given back when it is stored.
 */
#include "queue_internal.h"

#include <stdlib.h>
#include <string.h>

enum { TABLE_FIRST = 1024, TABLE_MAX = 1 << 21, KINDS = 3 };

/* The keys that one URL counts under. */
struct budget_key {
    uint64_t key, most;
};

bool budget_is_on(const struct queue *queue)
{
    const struct queue_options *o = &queue->options;
    return o->max_host_pages > 0 || o->max_query_variants > 0 || o->max_date_variants > 0;
}

/* ---- the table ---- */

static struct budget_slot *find(const struct budget_table *table, uint64_t key)
{
    size_t at = key & (table->cap - 1);
    while (table->slots[at].key != 0 && table->slots[at].key != key) {
        at = (at + 1) & (table->cap - 1);
    }
    return &table->slots[at];
}

static bool grow(struct budget_table *table)
{
    struct budget_table larger = {.cap = table->cap > 0 ? table->cap * 2 : TABLE_FIRST};
    larger.slots = larger.cap <= TABLE_MAX ? calloc(larger.cap, sizeof(*larger.slots)) : NULL;
    if (larger.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->cap; i++) {
        if (table->slots[i].key != 0) {
            *find(&larger, table->slots[i].key) = table->slots[i];
        }
    }
    larger.used = table->used;
    free(table->slots);
    *table = larger;
    return true;
}

/* NULL when the table is full: what finds no place is not limited. */
static struct budget_slot *slot_of(struct budget_table *table, uint64_t key)
{
    if (table->used * 4 >= table->cap * 3 && !grow(table) && table->used + 1 >= table->cap) {
        return NULL;
    }
    struct budget_slot *slot = find(table, key);
    if (slot->key == 0) {
        slot->key = key;
        table->used++;
    }
    return slot;
}

void budget_fini(struct budget_table *table)
{
    free(table->slots);
    *table = (struct budget_table){0};
}

/* ---- keys of a URL ---- */

static uint64_t mix(uint64_t hash, const char *data, size_t len)
{
    uint64_t both[2] = {hash, base_hash64(data, len)};
    return base_hash64(both, sizeof(both));
}

/* Everything but the date's digits. */
static uint64_t pattern_of(const char *url, size_t len, const struct url_date *date)
{
    uint64_t hash = 'd';
    size_t from = 0;
    for (size_t i = 0; i < date->part_count; i++) {
        hash = mix(hash, url + from, date->parts[i].at - from);
        from = date->parts[i].at + date->parts[i].len;
    }
    return mix(hash, url + from, len - from);
}

static size_t keys_of(const struct queue *queue, const char *url, size_t len,
                      struct budget_key keys[KINDS])
{
    const struct queue_options *o = &queue->options;
    const char *query = memchr(url, '?', len);
    struct url_date date;
    size_t count = 0;
    if (o->max_host_pages > 0) {
        uint64_t key = mix('h', url, queue_origin_length(url, len));
        keys[count++] = (struct budget_key){key | 1, o->max_host_pages};
    }
    if (o->max_query_variants > 0 && query != NULL) {
        uint64_t key = mix('q', url, (size_t)(query - url));
        keys[count++] = (struct budget_key){key | 1, o->max_query_variants};
    }
    if (o->max_date_variants > 0 && queue_find_date(url, len, &date)) {
        keys[count++] = (struct budget_key){pattern_of(url, len, &date) | 1, o->max_date_variants};
    }
    return count;
}

/* ---- counting ---- */

bool budget_take(struct queue *queue, const char *url, size_t len)
{
    struct budget_key keys[KINDS];
    struct budget_slot *slot;
    size_t count = keys_of(queue, url, len, keys);
    bool has_room = true;
    sync_mutex_lock(queue->lock);
    for (size_t i = 0; i < count && has_room; i++) {
        slot = slot_of(&queue->budgets, keys[i].key);
        has_room = slot == NULL || slot->count < keys[i].most;
    }
    for (size_t i = 0; i < count && has_room; i++) { /* looked up again: the table may have moved */
        slot = slot_of(&queue->budgets, keys[i].key);
        if (slot != NULL) {
            slot->count++;
        }
    }
    sync_mutex_unlock(queue->lock);
    return has_room;
}

void budget_give_locked(struct queue *queue, const char *url, size_t len)
{
    struct budget_key keys[KINDS];
    BASE_ASSERT(sync_mutex_is_mine(queue->lock));
    size_t count = keys_of(queue, url, len, keys);
    for (size_t i = 0; i < count; i++) {
        struct budget_slot *slot = slot_of(&queue->budgets, keys[i].key);
        if (slot != NULL && slot->count > 0) {
            slot->count--;
        }
    }
}

static bool count_stored(void *ctx, const struct store_job_view *view)
{
    struct queue *queue = ctx;
    if (strcmp(view->job->type, "page") == 0) {
        (void)budget_take(queue, view->job->url, strlen(view->job->url));
    }
    return true;
}

enum gleaner_status budget_load(struct queue *queue)
{
    return store_list_jobs(queue->options.store, NULL, 0, count_stored, queue, NULL);
}
