/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing, and the one question: whom to believe for this read. */
#include "profile_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 1000
#define MARGIN_MS                                                                                  \
    100 /* to copy, to be scheduled on a loaded machine: the promise is 1 s in all                 \
         */
#define READERS 4
#define CACHE_ENTRIES 4096
#define CACHE_BYTES (16U << 20)
#define STOP_WITHIN_MS 400
#define SAVE_EVERY_MS 30000

/* ---- life
 * ---------------------------------------------------------------------------------------------- */

void gleaner_profiles_options_init(struct gleaner_profiles_options *options)
{
    *options = (struct gleaner_profiles_options){.size = sizeof(*options)};
}

static enum gleaner_status fill_number(uint32_t *value, const char *name, uint32_t otherwise,
                                       uint32_t least, uint32_t most, struct base_error *error)
{
    *value = *value == 0 ? otherwise : *value;
    return *value >= least && *value <= most
               ? GLEANER_OK
               : base_error_set(error, GLEANER_E_CONFIG, "%s must be %u..%u, is %u", name, least,
                                most, *value);
}

static enum gleaner_status fill_options(struct gleaner_profiles_options *out,
                                        const struct gleaner_profiles_options *given,
                                        struct base_error *error)
{
    gleaner_profiles_options_init(out);
    if (given != NULL) {
        memcpy(out, given, given->size < sizeof(*out) ? given->size : sizeof(*out));
    }
    const struct {
        uint32_t *value;
        const char *name;
        uint32_t otherwise, least, most;
    } numbers[] = {
        {&out->deadline_ms, "deadline_ms", DEADLINE_MS, 50, 1000},
        {&out->readers, "readers", READERS, 1, PROFILE_READERS_MAX},
        {&out->cache_entries, "cache_entries", CACHE_ENTRIES, 1, 1U << 24},
        {&out->cache_bytes, "cache_bytes", CACHE_BYTES, 1U << 16, 1U << 30},
    };
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < BASE_ARRAY_LEN(numbers) && status == GLEANER_OK; i++) {
        status = fill_number(numbers[i].value, numbers[i].name, numbers[i].otherwise,
                             numbers[i].least, numbers[i].most, error);
    }
    return status;
}

static bool copy(char **out, const char *text, const char *otherwise)
{
    const char *from = text != NULL ? text : otherwise;
    *out = from != NULL ? strdup(from) : NULL;
    return from == NULL || *out != NULL;
}

void profiles_unref(struct gleaner_profiles *profiles)
{
    if (atomic_fetch_sub_explicit(&profiles->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    profile_cache_fini(&profiles->cache);
    sync_cond_destroy(&profiles->wanted);
    sync_mutex_destroy(&profiles->lock);
    free(profiles->database);
    free(profiles->collection);
    free(profiles->key);
    free(profiles->cache_path);
    profiles->magic = 0;
    free(profiles);
}

static enum gleaner_status build(struct gleaner_profiles *profiles,
                                 const struct gleaner_profiles_options *options,
                                 struct base_error *error)
{
    profiles->deadline_ms = options->deadline_ms;
    profiles->saved_ns = base_mono_ns();
    if (!copy(&profiles->database, options->database, NULL) ||
        !copy(&profiles->collection, options->collection, "profiles") ||
        !copy(&profiles->key, options->key, "username") ||
        !copy(&profiles->cache_path, options->cache_path, NULL) ||
        sync_mutex_create(&profiles->lock) != GLEANER_OK ||
        sync_cond_create(&profiles->wanted) != GLEANER_OK ||
        profile_cache_init(&profiles->cache, options->cache_entries, options->cache_bytes) !=
            GLEANER_OK) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory");
    }
    if (profiles->cache_path != NULL) {
        profile_file_load(&profiles->cache, profiles->cache_path);
        profiles->saved_changes =
            atomic_load_explicit(&profiles->cache.changes, memory_order_relaxed);
    }
    return GLEANER_OK;
}

static enum gleaner_status start_readers(struct gleaner_profiles *profiles, uint32_t count,
                                         struct base_error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        struct profile_reader *reader = &profiles->readers[i];
        reader->profiles = profiles;
        atomic_fetch_add_explicit(&profiles->refs, 1, memory_order_relaxed);
        enum gleaner_status status = sync_thread_start(&reader->thread, "gl-profile", SYNC_READER,
                                                       profile_reader_main, reader);
        if (status != GLEANER_OK) {
            /* never the last one: the owner has his */
            atomic_fetch_sub_explicit(&profiles->refs, 1, memory_order_relaxed);
            return base_error_set(error, status, "threads could not be started");
        }
        profiles->reader_count = i + 1;
    }
    return GLEANER_OK;
}

static enum gleaner_status open_own(struct gleaner_profiles *profiles,
                                    const struct gleaner_profiles_options *options,
                                    struct base_error *error)
{
    struct gleaner_db_options db_options;
    struct gleaner_error detail = {0};
    gleaner_db_options_init(&db_options);
    db_options.uri = options->uri;
    db_options.app_name = "gleaner-profiles";
    db_options.max_pool_size = options->readers;
    enum gleaner_status status = gleaner_db_open(&db_options, &profiles->own_db, &detail);
    profiles->db = profiles->own_db;
    return status == GLEANER_OK ? status : base_error_set(error, status, "%s", detail.message);
}

static struct gleaner_profiles *create(struct gleaner_db *db)
{
    struct gleaner_profiles *profiles = calloc(1, sizeof(*profiles));
    if (profiles != NULL) {
        profiles->magic = PROFILE_MAGIC;
        profiles->db = db;
        atomic_store_explicit(&profiles->refs, 1, memory_order_relaxed);
    }
    return profiles;
}

static enum gleaner_status open_all(struct gleaner_profiles *profiles,
                                    const struct gleaner_profiles_options *options,
                                    struct base_error *error)
{
    enum gleaner_status status = build(profiles, options, error);
    if (status == GLEANER_OK && options->uri != NULL) {
        status = open_own(profiles, options, error);
    }
    if (status == GLEANER_OK && profiles->db == NULL) {
        status = base_error_set(error, GLEANER_E_CONFIG, "neither a database nor a uri was given");
    }
    return status == GLEANER_OK ? start_readers(profiles, options->readers, error) : status;
}

enum gleaner_status gleaner_profiles_open(struct gleaner_db *db,
                                          const struct gleaner_profiles_options *given,
                                          struct gleaner_profiles **out,
                                          struct gleaner_error *error)
{
    struct base_error detail = {0};
    struct gleaner_profiles_options options;
    *out = NULL;
    sync_init();
    enum gleaner_status status = fill_options(&options, given, &detail);
    if (status == GLEANER_OK) {
        *out = create(db);
        status = *out != NULL ? open_all(*out, &options, &detail)
                              : base_error_set(&detail, GLEANER_E_NOMEM, "out of memory");
    }
    if (status != GLEANER_OK) {
        gleaner_profiles_close(out);
    }
    if (status != GLEANER_OK && error != NULL) {
        error->status = status;
        snprintf(error->message, sizeof(error->message), "%s", detail.message);
    }
    return status;
}

void profile_save_if_due(struct gleaner_profiles *profiles, bool is_end)
{
    uint64_t now_ns = base_mono_ns();
    uint64_t changes = atomic_load_explicit(&profiles->cache.changes, memory_order_relaxed);
    bool is_due = is_end || now_ns - profiles->saved_ns >= SAVE_EVERY_MS * BASE_NS_PER_MS;
    /* at the end also for the ages: content that was confirmed is no change */
    bool is_wanted = is_end || changes != profiles->saved_changes;
    if (profiles->cache_path != NULL && is_due && is_wanted) {
        profiles->saved_ns = now_ns;
        if (profile_file_save(&profiles->cache, profiles->cache_path)) {
            profiles->saved_changes = changes;
        }
    }
}

void gleaner_profiles_close(struct gleaner_profiles **out)
{
    struct gleaner_profiles *profiles = *out;
    *out = NULL;
    if (profiles == NULL || sync_in_forked_child()) {
        return;
    }
    BASE_CHECK_MAGIC(profiles, PROFILE_MAGIC);
    uint64_t deadline_ns = base_mono_ns() + STOP_WITHIN_MS * BASE_NS_PER_MS;
    bool is_alone = true;
    if (profiles->reader_count > 0) {
        profile_refuse_all(profiles);
    }
    for (uint32_t i = 0; i < profiles->reader_count; i++) {
        if (!sync_thread_join_until(&profiles->readers[i].thread, deadline_ns)) {
            sync_thread_abandon(&profiles->readers[i].thread);
            is_alone = is_alone && i > 0; /* reader 0 may be saving */
        }
    }
    if (is_alone) {
        profile_save_if_due(profiles, true);
    }
    if (profiles->own_db != NULL) {
        (void)gleaner_db_close(&profiles->own_db, 0);
    }
    profiles_unref(profiles);
}

/* ---- reading
 * ---------------------------------------------------------------------------------------------- */

/* What is known to be in vain is not waited for. "" = ask. */
static void say_why_not(const struct gleaner_profiles *profiles, bool has_known, char reason[200])
{
    struct gleaner_db_state state = {.size = sizeof(state)};
    gleaner_db_read_state(profiles->db, &state);
    bool is_up = strcmp(state.phase, "connected") == 0 || strcmp(state.phase, "degraded") == 0;
    bool is_coming =
        strcmp(state.phase, "starting") == 0 || strcmp(state.phase, "reconnecting") == 0;
    reason[0] = '\0';
    if (strcmp(state.tier, "fallback") == 0) {
        snprintf(reason, 200, "connected to the fallback server");
    } else if (!is_up && !(is_coming && !has_known)) { /* worth waiting when nothing is known */
        snprintf(reason, 200, "the database is %s: %.150s", state.phase, state.reason);
    } else if (profile_readers_hang(profiles, profiles->deadline_ms * BASE_NS_PER_MS / 2)) {
        snprintf(reason, 200, "the database does not answer");
    }
}

/* Who has a known profile does not wait long for a server that did not answer the last time. */
static uint64_t patience_ns(const struct gleaner_profiles *profiles, bool has_known)
{
    uint64_t whole_ns = profiles->deadline_ms * BASE_NS_PER_MS;
    uint64_t answered_ns = atomic_load_explicit(&profiles->answered_ns, memory_order_relaxed);
    uint64_t failed_ns = atomic_load_explicit(&profiles->failed_ns, memory_order_relaxed);
    whole_ns -= profiles->deadline_ms > 2 * MARGIN_MS ? MARGIN_MS * BASE_NS_PER_MS : whole_ns / 4;
    return has_known && failed_ns > answered_ns ? whole_ns / 8 : whole_ns;
}

static enum gleaner_status ask(struct gleaner_profiles *profiles, const char *name,
                               uint64_t began_ns, bool has_known, struct profile_entry **fresh,
                               char reason[200])
{
    uint64_t patience = patience_ns(profiles, has_known);
    return profile_ask(profiles, name, began_ns + patience / 4, began_ns + patience, fresh, reason);
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static enum gleaner_status answer_fresh(struct gleaner_profiles *profiles,
                                        const struct profile_entry *fresh,
                                        struct gleaner_profile *out)
{
    count(&profiles->from_primary);
    out->document = bson_copy(fresh->document);
    out->source = GLEANER_PROFILE_PRIMARY;
    return GLEANER_OK;
}

static enum gleaner_status answer_otherwise(struct gleaner_profiles *profiles, const char *name,
                                            const struct profile_entry *known,
                                            struct gleaner_profile *out)
{
    if (known != NULL) {
        count(&profiles->from_cache);
        out->source = GLEANER_PROFILE_CACHE;
        out->age_ms = profile_entry_age_ms(known);
        out->document = profile_document_stale(known->document, out->age_ms, out->reason);
    } else {
        count(&profiles->from_default);
        out->source = GLEANER_PROFILE_DEFAULT;
        out->document = profile_document_default(profiles->key, name, out->reason);
    }
    return GLEANER_OK;
}

static bool is_name(const char *name)
{
    size_t len = name != NULL ? strnlen(name, PROFILE_NAME_MAX + 1) : 0;
    return len > 0 && len <= PROFILE_NAME_MAX && bson_utf8_validate(name, len, false);
}

enum gleaner_status gleaner_profile_read(struct gleaner_profiles *profiles, const char *name,
                                         struct gleaner_profile *out)
{
    uint64_t began_ns = base_mono_ns();
    BASE_CHECK_MAGIC(profiles, PROFILE_MAGIC);
    *out = (struct gleaner_profile){0};
    if (!is_name(name)) {
        return GLEANER_E_INVALID;
    }
    if (sync_in_forked_child()) {
        return GLEANER_E_CLOSED;
    }
    struct profile_entry *known = profile_cache_find(&profiles->cache, name);
    struct profile_entry *fresh = NULL;
    enum gleaner_status status = GLEANER_E_DOWN;
    say_why_not(profiles, known != NULL, out->reason);
    if (out->reason[0] == '\0') {
        status = ask(profiles, name, began_ns, known != NULL, &fresh, out->reason);
    }
    if (status == GLEANER_OK) {
        status = answer_fresh(profiles, fresh, out);
    } else if (status == GLEANER_E_NOT_FOUND) {
        count(&profiles->not_found);
    } else {
        status = answer_otherwise(profiles, name, known, out);
    }
    profile_entry_unref(fresh);
    profile_entry_unref(known);
    return status;
}

void gleaner_profile_fini(struct gleaner_profile *profile)
{
    bson_destroy(profile->document);
    *profile = (struct gleaner_profile){0};
}

void gleaner_profiles_read_stats(struct gleaner_profiles *profiles,
                                 struct gleaner_profiles_stats *out)
{
    struct gleaner_profiles_stats all = {0};
    /* relaxed throughout: numbers for people */
#define READ(from, field) all.field = atomic_load_explicit(&(from).field, memory_order_relaxed)
    READ(*profiles, from_primary);
    READ(*profiles, from_cache);
    READ(*profiles, from_default);
    READ(*profiles, not_found);
    READ(*profiles, late);
    READ(*profiles, hedged);
    READ(*profiles, joined);
    READ(profiles->cache, entries);
    READ(profiles->cache, bytes);
    READ(profiles->cache, evicted);
#undef READ
    for (uint32_t i = 0; i < profiles->reader_count; i++) {
        all.readers_busy +=
            atomic_load_explicit(&profiles->readers[i].busy_since_ns, memory_order_relaxed) != 0;
    }
    sync_mutex_lock(profiles->lock);
    all.reads_waiting = profiles->waiting;
    sync_mutex_unlock(profiles->lock);
    size_t size = out->size < sizeof(all) ? out->size : sizeof(all);
    all.size = size;
    memcpy(out, &all, size);
}
