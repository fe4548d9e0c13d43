/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of profiles, alone: its bounds, its order, its file. */
#include "profile_internal.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct profile_entry *entry_of(const char *name, int32_t xp, uint64_t asked_ns)
{
    bson_t *document = BCON_NEW("username", BCON_UTF8(name), "xp", BCON_INT32(xp));
    struct profile_entry *entry =
        profile_entry_create(name, document, asked_ns, (int64_t)base_mono_ns());
    bson_destroy(document);
    cr_assert_not_null(entry);
    return entry;
}

static void put(struct profile_cache *cache, const char *name, int32_t xp, uint64_t asked_ns)
{
    profile_cache_put(cache, entry_of(name, xp, asked_ns));
}

/* Its xp, -1 when it is not there. */
static int32_t xp_of(struct profile_cache *cache, const char *name)
{
    struct profile_entry *entry = profile_cache_find(cache, name);
    int32_t xp = -1;
    bson_iter_t iter;
    if (entry != NULL && bson_iter_init_find(&iter, entry->document, "xp")) {
        xp = bson_iter_int32(&iter);
    }
    profile_entry_unref(entry);
    return xp;
}

static void put_many(struct profile_cache *cache, int count)
{
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "user-%d", i);
        put(cache, name, i, 1);
    }
}

Test(profile_cache, what_was_put_is_found_under_its_name_alone)
{
    struct profile_cache cache = {0};
    cr_assert_eq(profile_cache_init(&cache, 64, 1U << 20), GLEANER_OK);
    put(&cache, "ada", 1, 1);
    put(&cache, "bob", 2, 1);
    cr_expect_eq(xp_of(&cache, "ada"), 1);
    cr_expect_eq(xp_of(&cache, "bob"), 2);
    cr_expect_eq(xp_of(&cache, "ad"), -1);
    profile_cache_remove(&cache, "ada", 2);
    cr_expect_eq(xp_of(&cache, "ada"), -1);
    cr_expect_eq(xp_of(&cache, "bob"), 2);
    profile_cache_fini(&cache);
}

Test(profile_cache, it_never_holds_more_entries_than_it_was_made_for)
{
    struct profile_cache cache = {0};
    cr_assert_eq(profile_cache_init(&cache, 64, 1U << 20), GLEANER_OK);
    put_many(&cache, 1000);
    cr_expect_leq(atomic_load(&cache.entries), 64);
    cr_expect_eq(atomic_load(&cache.evicted) + atomic_load(&cache.entries), 1000);
    profile_cache_fini(&cache);
}

Test(profile_cache, it_never_holds_more_bytes_than_it_was_made_for)
{
    struct profile_cache cache = {0};
    cr_assert_eq(profile_cache_init(&cache, 4096, 8192), GLEANER_OK);
    put_many(&cache, 1000);
    cr_expect_leq(atomic_load(&cache.bytes), 8192);
    cr_expect_geq(atomic_load(&cache.entries), 8192 / 512, "and it is used");
    cr_expect_eq(xp_of(&cache, "user-999"), 999, "the newest is there");
    profile_cache_fini(&cache);
    cr_expect_eq(atomic_load(&cache.bytes), 0);
}

Test(profile_cache, a_profile_too_large_for_it_pushes_out_nobody_and_is_not_left_stale)
{
    struct profile_cache cache = {0};
    char *much = calloc(1, 4096);
    memset(much, 'x', 4095);
    cr_assert_eq(profile_cache_init(&cache, 64, 8192), GLEANER_OK);
    put(&cache, "ada", 1, 1);
    put(&cache, "bob", 1, 1);
    bson_t *document = BCON_NEW("about", BCON_UTF8(much));
    profile_cache_put(&cache, profile_entry_create("ada", document, 2, 0));
    cr_expect_eq(xp_of(&cache, "ada"), -1, "the old one is not the last known any more");
    cr_expect_eq(xp_of(&cache, "bob"), 1);
    bson_destroy(document);
    profile_cache_fini(&cache);
    free(much);
}

Test(profile_cache, the_one_used_least_recently_makes_room)
{
    struct profile_cache cache = {0};
    cr_assert_eq(profile_cache_init(&cache, PROFILE_WAYS, 1U << 20), GLEANER_OK); /* one set */
    put_many(&cache, PROFILE_WAYS);
    for (int i = 0; i < PROFILE_WAYS; i++) { /* all but user-3 */
        char name[32];
        snprintf(name, sizeof(name), "user-%d", i);
        cr_assert(i == 3 || xp_of(&cache, name) == i);
    }
    put(&cache, "new", 77, 1);
    cr_expect_eq(xp_of(&cache, "new"), 77);
    cr_expect_eq(xp_of(&cache, "user-3"), -1);
    cr_expect_eq(xp_of(&cache, "user-0"), 0);
    profile_cache_fini(&cache);
}

Test(profile_cache, a_late_answer_replaces_nothing_newer)
{
    struct profile_cache cache = {0};
    cr_assert_eq(profile_cache_init(&cache, 64, 1U << 20), GLEANER_OK);
    put(&cache, "ada", 1, 100);
    put(&cache, "ada", 2, 200);
    put(&cache, "ada", 1, 150); /* asked before that, and came after it */
    cr_expect_eq(xp_of(&cache, "ada"), 2);
    put(&cache, "ada", 2, 300); /* the same again: only its time is new */
    put(&cache, "ada", 1, 250);
    cr_expect_eq(xp_of(&cache, "ada"), 2);
    profile_cache_remove(&cache, "ada", 250);
    cr_expect_eq(xp_of(&cache, "ada"), 2, "a late \"not found\" neither");
    profile_cache_remove(&cache, "ada", 301);
    cr_expect_eq(xp_of(&cache, "ada"), -1);
    profile_cache_fini(&cache);
}

Test(profile_cache, a_reference_outlives_its_removal)
{
    struct profile_cache cache = {0};
    cr_assert_eq(profile_cache_init(&cache, 64, 1U << 20), GLEANER_OK);
    put(&cache, "ada", 5, 1);
    struct profile_entry *held = profile_cache_find(&cache, "ada");
    profile_cache_remove(&cache, "ada", 2);
    profile_cache_fini(&cache);
    bson_iter_t iter;
    cr_assert(bson_iter_init_find(&iter, held->document, "xp"));
    cr_expect_eq(bson_iter_int32(&iter), 5);
    profile_entry_unref(held);
}

/* ---- the file
 * ---------------------------------------------------------------------------------------- */

static void path_of(char path[64])
{
    snprintf(path, 64, "/tmp/gleaner-profiles-%ld", (long)getpid());
}

Test(profile_cache, the_file_gives_back_every_profile_and_its_age)
{
    char path[64];
    path_of(path);
    struct profile_cache cache = {0}, again = {0};
    cr_assert_eq(profile_cache_init(&cache, 64, 1U << 20), GLEANER_OK);
    cr_assert_eq(profile_cache_init(&again, 64, 1U << 20), GLEANER_OK);
    put_many(&cache, 5);
    bson_t empty = BSON_INITIALIZER;
    int64_t hour_ago_ns = (int64_t)base_mono_ns() - INT64_C(3600) * (int64_t)BASE_NS_PER_S;
    profile_cache_put(&cache, profile_entry_create("old", &empty, 1, hour_ago_ns));
    cr_assert(profile_file_save(&cache, path));
    struct stat about;
    cr_assert_eq(stat(path, &about), 0);
    cr_expect_eq(about.st_mode & 0777, 0600, "profiles are nobody else's business");
    profile_file_load(&again, path);
    cr_expect_eq(atomic_load(&again.entries), atomic_load(&cache.entries));
    cr_expect_eq(xp_of(&again, "user-4"), 4);
    struct profile_entry *old = profile_cache_find(&again, "old");
    cr_assert_not_null(old);
    uint64_t age_ms = profile_entry_age_ms(old);
    cr_expect(age_ms >= 3599000 && age_ms < 7200000, "%llu", (unsigned long long)age_ms);
    profile_entry_unref(old);
    profile_cache_fini(&cache);
    profile_cache_fini(&again);
    unlink(path);
}

Test(profile_cache, a_file_cut_or_changed_anywhere_gives_only_whole_profiles)
{
    char path[64];
    path_of(path);
    struct profile_cache cache = {0};
    cr_assert_eq(profile_cache_init(&cache, 64, 1U << 20), GLEANER_OK);
    put_many(&cache, 3);
    cr_assert(profile_file_save(&cache, path));
    uint8_t data[1024];
    FILE *file = fopen(path, "rb");
    size_t size = fread(data, 1, sizeof(data), file);
    fclose(file);
    cr_assert_gt(size, 60);
    base_log_set_level(BASE_LOG_ERROR);        /* it says each time that it was cut */
    for (size_t at = 0; at < 2 * size; at++) { /* cut at each byte, then change each byte */
        file = fopen(path, "wb");
        uint8_t changed = (uint8_t)(data[at % size] ^ 0x55);
        cr_assert_eq(fwrite(data, 1, at % size, file), at % size);
        if (at >= size) {
            cr_assert_eq(fwrite(&changed, 1, 1, file), 1);
            size_t rest = size - at % size - 1;
            cr_assert_eq(fwrite(data + at % size + 1, 1, rest, file), rest);
        }
        fclose(file);
        struct profile_cache again = {0};
        cr_assert_eq(profile_cache_init(&again, 64, 1U << 20), GLEANER_OK);
        profile_file_load(&again, path);
        cr_expect_lt(atomic_load(&again.entries), 3);
        for (int i = 0; i < 3; i++) {
            char name[32];
            snprintf(name, sizeof(name), "user-%d", i);
            int32_t xp = xp_of(&again, name);
            cr_expect(xp == -1 || xp == i);
        }
        profile_cache_fini(&again);
    }
    profile_cache_fini(&cache);
    unlink(path);
}

Test(profile_cache, a_folder_that_is_not_there_is_said_and_survived)
{
    struct profile_cache cache = {0};
    cr_assert_eq(profile_cache_init(&cache, 64, 1U << 20), GLEANER_OK);
    cr_expect_not(profile_file_save(&cache, "/nonexistent/folder/file"));
    profile_file_load(&cache, "/nonexistent/folder/file");
    cr_expect_eq(atomic_load(&cache.entries), 0);
    profile_cache_fini(&cache);
}
