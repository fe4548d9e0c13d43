/* SPDX-License-Identifier: Apache-2.0 */
/* What the primary said last: bounded, looked at without a lock. A name has 8 places where it can
 * be; the one used least recently of them makes room, and when bytes are short the least recent of
 * the next few sets. */
#include "profile_internal.h"
#include <stdlib.h>
#include <string.h>

#define SETS_TO_LOOK_AT 4 /* when bytes are short: a sample, as good as a list of all */

/* ---- entries
 * ---------------------------------------------------------------------------------------- */

struct profile_entry *profile_entry_create(const char *name, const bson_t *document,
                                           uint64_t asked_ns, int64_t fresh_ns)
{
    struct profile_entry *entry = calloc(1, sizeof(*entry));
    char *copy = strdup(name);
    if (entry == NULL || copy == NULL) {
        free(entry);
        free(copy);
        return NULL;
    }
    atomic_store_explicit(&entry->refs, 1, memory_order_relaxed);
    atomic_store_explicit(&entry->fresh_ns, fresh_ns, memory_order_relaxed);
    atomic_store_explicit(&entry->used_ns, base_mono_ns(), memory_order_relaxed);
    entry->hash = base_hash64(name, strlen(name));
    entry->asked_ns = asked_ns;
    entry->name = copy;
    entry->document = bson_copy(document);
    return entry;
}

void profile_entry_ref(struct profile_entry *entry)
{
    atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
}

void profile_entry_unref(struct profile_entry *entry)
{
    if (entry != NULL && atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) == 1) {
        bson_destroy(entry->document);
        free(entry->name);
        free(entry);
    }
}

size_t profile_entry_bytes(const struct profile_entry *entry)
{
    return sizeof(*entry) + strlen(entry->name) + 1 + entry->document->len;
}

uint64_t profile_entry_age_ms(const struct profile_entry *entry)
{
    int64_t age_ns =
        (int64_t)base_mono_ns() - atomic_load_explicit(&entry->fresh_ns, memory_order_relaxed);
    return age_ns > 0 ? (uint64_t)age_ns / BASE_NS_PER_MS : 0;
}

/* ---- life
 * ------------------------------------------------------------------------------------------- */

enum gleaner_status profile_cache_init(struct profile_cache *cache, size_t entries,
                                       size_t max_bytes)
{
    cache->set_count = (entries + PROFILE_WAYS - 1) / PROFILE_WAYS;
    cache->sets = calloc(cache->set_count, sizeof(*cache->sets));
    cache->max_bytes = max_bytes;
    return cache->sets != NULL ? sync_mutex_create(&cache->lock) : GLEANER_E_NOMEM;
}

void profile_cache_fini(struct profile_cache *cache)
{
    for (size_t i = 0; cache->sets != NULL && i < cache->set_count; i++) {
        for (int way = 0; way < PROFILE_WAYS; way++) {
            profile_entry_unref(sync_publish(&cache->sets[i].ways[way], NULL));
        }
    }
    free(cache->sets);
    sync_mutex_destroy(&cache->lock);
    *cache = (struct profile_cache){0};
}

/* ---- looking
 * ------------------------------------------------------------------------------------------- */

static struct profile_set *set_of(const struct profile_cache *cache, uint64_t hash)
{
    return &cache->sets[hash % cache->set_count];
}

static bool is_of(const struct profile_entry *entry, uint64_t hash, const char *name)
{
    return entry != NULL && entry->hash == hash && strcmp(entry->name, name) == 0;
}

struct profile_entry *profile_cache_find(struct profile_cache *cache, const char *name)
{
    uint64_t hash = base_hash64(name, strlen(name));
    struct profile_set *set = set_of(cache, hash);
    struct profile_entry *found = NULL;
    sync_reader_ensure();
    sync_read_lock();
    for (int way = 0; way < PROFILE_WAYS && found == NULL; way++) {
        struct profile_entry *entry = sync_read(&set->ways[way]);
        if (is_of(entry, hash, name)) {
            profile_entry_ref(entry); /* the cache's own lasts until this section is over */
            found = entry;
        }
    }
    sync_read_unlock();
    if (found != NULL) {
        atomic_store_explicit(&found->used_ns, base_mono_ns(), memory_order_relaxed);
    }
    return found;
}

size_t profile_cache_look(struct profile_cache *cache, size_t set,
                          struct profile_entry *out[PROFILE_WAYS])
{
    size_t count = 0;
    sync_reader_ensure();
    sync_read_lock();
    for (int way = 0; way < PROFILE_WAYS; way++) {
        struct profile_entry *entry = sync_read(&cache->sets[set].ways[way]);
        if (entry != NULL) {
            profile_entry_ref(entry);
            out[count++] = entry;
        }
    }
    sync_read_unlock();
    return count;
}

/* ---- changing
 * ---------------------------------------------------------------------------------------- */

/* The lock's holder is the one publisher: nobody else changes what it looks at. */
static struct profile_entry *at_locked(const struct profile_cache *cache,
                                       const struct sync_published *way)
{
    BASE_ASSERT(sync_mutex_is_mine(cache->lock));
    return atomic_load_explicit(&way->pointer, memory_order_relaxed);
}

static void exchange_locked(struct profile_cache *cache, struct sync_published *way,
                            struct profile_entry *entry, struct profile_entry **retired)
{
    struct profile_entry *old = at_locked(cache, way);
    size_t bytes = atomic_load_explicit(&cache->bytes, memory_order_relaxed);
    size_t entries = atomic_load_explicit(&cache->entries, memory_order_relaxed);
    (void)sync_publish(way, entry);
    if (entry != NULL) {
        bytes += profile_entry_bytes(entry);
        entries++;
    }
    if (old != NULL) {
        bytes -= profile_entry_bytes(old);
        entries--;
        old->next_retired = *retired;
        *retired = old;
    }
    atomic_store_explicit(&cache->bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&cache->entries, entries, memory_order_relaxed);
    atomic_fetch_add_explicit(&cache->changes, 1, memory_order_relaxed);
}

/* After the grace period nobody can take a new reference from the cache. */
static void free_retired(struct profile_entry *retired)
{
    if (retired == NULL) {
        return;
    }
    sync_wait_readers();
    while (retired != NULL) {
        struct profile_entry *next = retired->next_retired;
        profile_entry_unref(retired);
        retired = next;
    }
}

/* The place of that name, NULL when it has none. */
static struct sync_published *place_of_locked(struct profile_cache *cache, uint64_t hash,
                                              const char *name)
{
    struct profile_set *set = set_of(cache, hash);
    for (int way = 0; way < PROFILE_WAYS; way++) {
        if (is_of(at_locked(cache, &set->ways[way]), hash, name)) {
            return &set->ways[way];
        }
    }
    return NULL;
}

static uint64_t used_ns(const struct profile_entry *entry)
{
    return atomic_load_explicit(&entry->used_ns, memory_order_relaxed);
}

/* An empty place, else that of the least recently used; never that of `keep`. */
static struct sync_published *oldest_of_locked(struct profile_cache *cache, struct profile_set *set,
                                               const struct profile_entry *keep, bool take_empty)
{
    struct sync_published *best = NULL;
    for (int way = 0; way < PROFILE_WAYS; way++) {
        const struct profile_entry *entry = at_locked(cache, &set->ways[way]);
        if (entry == NULL) {
            if (take_empty) {
                return &set->ways[way];
            }
        } else if (entry != keep &&
                   (best == NULL || used_ns(entry) < used_ns(at_locked(cache, best)))) {
            best = &set->ways[way];
        }
    }
    return best;
}

static void make_room_locked(struct profile_cache *cache, const struct profile_entry *keep,
                             struct profile_entry **retired)
{
    size_t fruitless = 0; /* bounded: an empty neighbourhood moves the hand on */
    while (atomic_load_explicit(&cache->bytes, memory_order_relaxed) > cache->max_bytes &&
           fruitless <= cache->set_count) {
        struct sync_published *best = NULL;
        for (int i = 0; i < SETS_TO_LOOK_AT; i++) {
            cache->hand = (cache->hand + 1) % cache->set_count;
            struct sync_published *way =
                oldest_of_locked(cache, &cache->sets[cache->hand], keep, false);
            if (way != NULL && (best == NULL ||
                                used_ns(at_locked(cache, way)) < used_ns(at_locked(cache, best)))) {
                best = way;
            }
        }
        fruitless = best == NULL ? fruitless + SETS_TO_LOOK_AT : 0;
        if (best != NULL) {
            exchange_locked(cache, best, NULL, retired);
            atomic_fetch_add_explicit(&cache->evicted, 1, memory_order_relaxed);
        }
    }
}

/* True when there was nothing to put: the same content, or a newer one. */
static bool refresh_known(struct profile_entry *known, const struct profile_entry *entry)
{
    if (known->asked_ns > entry->asked_ns) {
        return true; /* a late answer */
    }
    if (!bson_equal(known->document, entry->document)) {
        return false;
    }
    known->asked_ns = entry->asked_ns;
    atomic_store_explicit(&known->fresh_ns,
                          atomic_load_explicit(&entry->fresh_ns, memory_order_relaxed),
                          memory_order_relaxed);
    return true;
}

void profile_cache_put(struct profile_cache *cache, struct profile_entry *entry)
{
    struct profile_entry *retired = NULL;
    if (profile_entry_bytes(entry) > cache->max_bytes / PROFILE_WAYS) {
        profile_cache_remove(cache, entry->name,
                             entry->asked_ns); /* it would push out all others */
        profile_entry_unref(entry);
        return;
    }
    sync_mutex_lock(cache->lock);
    struct sync_published *place = place_of_locked(cache, entry->hash, entry->name);
    struct profile_entry *known = place != NULL ? at_locked(cache, place) : NULL;
    if (known != NULL && refresh_known(known, entry)) {
        profile_entry_unref(entry);
    } else {
        if (place == NULL) {
            place = oldest_of_locked(cache, set_of(cache, entry->hash), NULL, true);
            if (at_locked(cache, place) != NULL) {
                atomic_fetch_add_explicit(&cache->evicted, 1, memory_order_relaxed);
            }
        }
        exchange_locked(cache, place, entry, &retired);
        make_room_locked(cache, entry, &retired);
    }
    sync_mutex_unlock(cache->lock);
    free_retired(retired);
}

void profile_cache_remove(struct profile_cache *cache, const char *name, uint64_t asked_ns)
{
    struct profile_entry *retired = NULL;
    sync_mutex_lock(cache->lock);
    struct sync_published *place = place_of_locked(cache, base_hash64(name, strlen(name)), name);
    if (place != NULL && at_locked(cache, place)->asked_ns <= asked_ns) {
        exchange_locked(cache, place, NULL, &retired);
    }
    sync_mutex_unlock(cache->lock);
    free_retired(retired);
}
