/* SPDX-License-Identifier: Apache-2.0 */
/* Lookers without a lock against those who put, replace, evict and remove. The oracle: what is
 * found under a name is that name's, and whole; in the roomy cache, where nothing is evicted or
 * removed, a looker never sees an older version after a newer one, whatever order late answers come
 * in; both keep their bounds; nothing leaks (address sanitizer) or races (thread sanitizer). */
#include "../stress.h"
#include "profile_internal.h"

enum { LOOKERS = 3, WRITERS = 3, NAMES = 24, TIGHT_ENTRIES = 8, TIGHT_BYTES = 1U << 16 };

static struct profile_cache roomy, tight;
/* writers take the next one; relaxed: unique and growing is all that matters */
static _Atomic uint64_t next_version = 1;
/* writes: all threads; reads: main after the joins; relaxed: counters */
static _Atomic uint64_t found, missed, wrong, went_back, over;
static struct stress_options options;

static void name_of(char name[24], uint64_t number)
{
    snprintf(name, 24, "user-%" PRIu64, number);
}

static int64_t check_of(uint64_t number, int64_t version)
{
    return (int64_t)((uint64_t)version * UINT64_C(0x9E3779B97F4A7C15) + number);
}

static struct profile_entry *make_entry(uint64_t number, uint64_t version)
{
    char name[24];
    name_of(name, number);
    bson_t *document = BCON_NEW("v", BCON_INT64((int64_t)version), "c",
                                BCON_INT64(check_of(number, (int64_t)version)));
    struct profile_entry *entry = profile_entry_create(name, document, version, 0);
    bson_destroy(document);
    if (entry == NULL) {
        abort();
    }
    return entry;
}

static void write_forever(void *arg)
{
    struct base_random random;
    base_random_init(&random, options.seed + (uint64_t)(uintptr_t)arg);
    while (base_mono_ns() < options.end_ns) {
        uint64_t number = base_random_below(&random, NAMES);
        uint64_t version = atomic_fetch_add_explicit(&next_version, 1, memory_order_relaxed);
        char name[24];
        name_of(name, number);
        profile_cache_put(&roomy, make_entry(number, version));
        if (base_random_below(&random, 4) == 0) {
            profile_cache_remove(&tight, name, version);
        } else {
            profile_cache_put(&tight, make_entry(number, version));
        }
        if (atomic_load_explicit(&tight.entries, memory_order_relaxed) > TIGHT_ENTRIES) {
            atomic_fetch_add_explicit(&over, 1, memory_order_relaxed);
        }
    }
}

/* Its version, 0 when it is not there. */
static int64_t look(struct profile_cache *cache, uint64_t number)
{
    char name[24];
    name_of(name, number);
    struct profile_entry *entry = profile_cache_find(cache, name);
    if (entry == NULL) {
        atomic_fetch_add_explicit(&missed, 1, memory_order_relaxed);
        return 0;
    }
    bson_iter_t iter;
    int64_t version = bson_iter_init_find(&iter, entry->document, "v") ? bson_iter_int64(&iter) : 0;
    bool whole = bson_iter_init_find(&iter, entry->document, "c") &&
                 bson_iter_int64(&iter) == check_of(number, version) &&
                 strcmp(entry->name, name) == 0;
    atomic_fetch_add_explicit(whole ? &found : &wrong, 1, memory_order_relaxed);
    profile_entry_unref(entry);
    return version;
}

static void look_forever(void *arg)
{
    struct base_random random;
    int64_t newest[NAMES] = {0};
    base_random_init(&random, options.seed + 100 + (uint64_t)(uintptr_t)arg);
    while (base_mono_ns() < options.end_ns) {
        uint64_t number = base_random_below(&random, NAMES);
        int64_t version = look(&roomy, number);
        if (version < newest[number]) {
            atomic_fetch_add_explicit(&went_back, 1, memory_order_relaxed);
        }
        newest[number] = version;
        (void)look(&tight, number);
    }
}

int main(int argc, char **argv)
{
    options = stress_parse("profile_cache", argc, argv);
    if (profile_cache_init(&roomy, (size_t)NAMES * PROFILE_WAYS * 8, 1U << 24) != GLEANER_OK ||
        profile_cache_init(&tight, TIGHT_ENTRIES, TIGHT_BYTES) != GLEANER_OK) {
        return 2;
    }
    struct sync_thread *threads[LOOKERS + WRITERS];
    for (uintptr_t i = 0; i < LOOKERS + WRITERS; i++) {
        if (sync_thread_start(&threads[i], "stress", SYNC_READER,
                              i < LOOKERS ? look_forever : write_forever,
                              (void *)i) != GLEANER_OK) { // NOLINT(performance-no-int-to-ptr)
            return 2;
        }
    }
    for (size_t i = 0; i < LOOKERS + WRITERS; i++) {
        sync_thread_join(&threads[i]);
    }
    printf("profile_cache: puts %" PRIu64 ", found %" PRIu64 ", missed %" PRIu64
           ", evicted %" PRIu64 ", wrong %" PRIu64 ", went back %" PRIu64 ", over %" PRIu64 "\n",
           next_version, found, missed, tight.evicted, wrong, went_back, over);
    bool bad = wrong != 0 || went_back != 0 || over != 0 || found == 0;
    profile_cache_fini(&roomy);
    profile_cache_fini(&tight);
    return bad ? 1 : 0;
}
