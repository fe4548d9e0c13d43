/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the primary: callers put requests into a list and wait by their deadline; readers take
 * them, and may block in the driver. Who waits for the same name joins a request that no reader has
 * begun (one that has begun may be older than what its caller wrote before). */
#include "profile_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 1024
#define SAVE_CHECK_MS 10000
#define LATE_MS 1000 /* an answer that comes so late is still good for the cache */

/* ---- requests
 * ------------------------------------------------------------------------------------------ */

static void drop_locked(struct gleaner_profiles *profiles, struct profile_request *request)
{
    BASE_ASSERT(sync_mutex_is_mine(profiles->lock));
    if (--request->refs == 0) {
        profile_entry_unref(request->entry);
        free(request);
    }
}

static void append_locked(struct gleaner_profiles *profiles, struct profile_request *request)
{
    request->next = NULL;
    request->is_pending = true;
    if (profiles->last != NULL) {
        profiles->last->next = request;
    } else {
        profiles->first = request;
    }
    profiles->last = request;
    profiles->waiting++;
    sync_cond_signal(profiles->wanted);
}

static void remove_locked(struct gleaner_profiles *profiles, struct profile_request *request)
{
    struct profile_request **at = &profiles->first;
    struct profile_request *before = NULL;
    while (*at != request) {
        BASE_ASSERT(*at != NULL);
        before = *at;
        at = &(*at)->next;
    }
    *at = request->next;
    if (profiles->last == request) {
        profiles->last = before;
    }
    request->is_pending = false;
    profiles->waiting--;
}

static struct profile_request *join_locked(struct gleaner_profiles *profiles, uint64_t hash,
                                           const char *name)
{
    for (struct profile_request *at = profiles->first; at != NULL; at = at->next) {
        if (at->hash == hash && at->running == 0 && strcmp(at->name, name) == 0) {
            atomic_fetch_add_explicit(&profiles->joined, 1, memory_order_relaxed);
            return at;
        }
    }
    return NULL;
}

static struct profile_request *create_locked(struct gleaner_profiles *profiles, uint64_t hash,
                                             const char *name)
{
    if (profiles->waiting >= WAITING_MAX || profiles->must_stop) {
        return NULL;
    }
    struct profile_request *request = calloc(1, sizeof(*request));
    if (request == NULL) {
        return NULL;
    }
    request->hash = hash;
    request->status = GLEANER_E_TIMEOUT;
    snprintf(request->name, sizeof(request->name), "%s", name);
    append_locked(profiles, request);
    return request;
}

static void settle_locked(struct profile_request *request, enum gleaner_status status,
                          struct profile_entry *entry, const char *reason)
{
    if (atomic_load_explicit(&request->is_done, memory_order_relaxed) != 0) {
        profile_entry_unref(entry); /* the other reader was first */
        return;
    }
    request->status = status;
    request->entry = entry;
    snprintf(request->reason, sizeof(request->reason), "%s", reason);
    atomic_store_explicit(&request->is_done, 1, memory_order_release);
    sync_futex_wake(&request->is_done, UINT32_MAX / 2);
}

void profile_refuse_all(struct gleaner_profiles *profiles)
{
    sync_mutex_lock(profiles->lock);
    profiles->must_stop = true;
    while (profiles->first != NULL) {
        struct profile_request *request = profiles->first;
        remove_locked(profiles, request);
        settle_locked(request, GLEANER_E_CLOSED, NULL, "it is being closed");
    }
    sync_cond_broadcast(profiles->wanted);
    sync_mutex_unlock(profiles->lock);
}

/* ---- callers
 * ------------------------------------------------------------------------------------------- */

static bool is_done(struct profile_request *request)
{
    return atomic_load_explicit(&request->is_done, memory_order_acquire) != 0;
}

static bool wait_done(struct profile_request *request, uint64_t deadline_ns)
{
    while (!is_done(request) && base_mono_ns() < deadline_ns) { /* repeats on spurious wakes */
        (void)sync_futex_wait(&request->is_done, 0, deadline_ns);
    }
    return is_done(request);
}

/* The first reader has it for too long: let another one try, on another connection. */
static void hedge(struct gleaner_profiles *profiles, struct profile_request *request)
{
    sync_mutex_lock(profiles->lock);
    if (!is_done(request) && !request->is_pending && request->running == 1 &&
        profiles->waiting == 0 && !profiles->must_stop) {
        append_locked(profiles, request);
        atomic_fetch_add_explicit(&profiles->hedged, 1, memory_order_relaxed);
    }
    sync_mutex_unlock(profiles->lock);
}

static struct profile_request *submit(struct gleaner_profiles *profiles, const char *name,
                                      uint64_t deadline_ns)
{
    uint64_t hash = base_hash64(name, strlen(name));
    sync_mutex_lock(profiles->lock);
    struct profile_request *request = join_locked(profiles, hash, name);
    if (request == NULL) {
        request = create_locked(profiles, hash, name);
    }
    if (request != NULL) {
        request->refs++;
        request->waiters++;
        request->deadline_ns = deadline_ns;
    }
    sync_mutex_unlock(profiles->lock);
    return request;
}

static enum gleaner_status leave(struct gleaner_profiles *profiles, struct profile_request *request,
                                 struct profile_entry **entry, char reason[200])
{
    sync_mutex_lock(profiles->lock);
    enum gleaner_status status = GLEANER_E_TIMEOUT;
    if (is_done(request)) {
        status = request->status;
        memcpy(reason, request->reason, sizeof(request->reason));
        *entry = request->entry;
        if (*entry != NULL) {
            profile_entry_ref(*entry);
        }
    } else {
        snprintf(reason, 200, "the primary did not answer in time");
    }
    request->waiters--;
    if (request->is_pending && request->waiters == 0) { /* nobody will begin it any more */
        remove_locked(profiles, request);
    }
    drop_locked(profiles, request);
    sync_mutex_unlock(profiles->lock);
    return status;
}

enum gleaner_status profile_ask(struct gleaner_profiles *profiles, const char *name,
                                uint64_t hedge_ns, uint64_t deadline_ns,
                                struct profile_entry **entry, char reason[200])
{
    struct profile_request *request = submit(profiles, name, deadline_ns);
    *entry = NULL;
    if (request == NULL) {
        snprintf(reason, 200, "too many reads are waiting");
        return GLEANER_E_FULL;
    }
    if (!wait_done(request, hedge_ns < deadline_ns ? hedge_ns : deadline_ns)) {
        if (hedge_ns < deadline_ns) {
            hedge(profiles, request);
        }
        (void)wait_done(request, deadline_ns);
    }
    return leave(profiles, request, entry, reason);
}

bool profile_readers_hang(const struct gleaner_profiles *profiles, uint64_t longer_ns)
{
    uint64_t now_ns = base_mono_ns();
    for (uint32_t i = 0; i < profiles->reader_count; i++) {
        uint64_t since_ns =
            atomic_load_explicit(&profiles->readers[i].busy_since_ns, memory_order_relaxed);
        if (since_ns == 0 || now_ns < since_ns + longer_ns) {
            return false;
        }
    }
    return true;
}

/* ---- readers
 * -------------------------------------------------------------------------------------------- */

/* What one read found. */
struct finding {
    const struct gleaner_profiles *profiles;
    const char *name;
    bool is_elsewhere; /* not a client of the primary */
    bool has_document;
    bson_t document;
};

static void take_first(struct finding *finding, const bson_t *reply)
{
    bson_iter_t iter, first;
    const uint8_t *data;
    uint32_t len;
    bson_t document;
    if (!bson_iter_init(&iter, reply) ||
        !bson_iter_find_descendant(&iter, "cursor.firstBatch.0", &first) ||
        !BSON_ITER_HOLDS_DOCUMENT(&first)) {
        return;
    }
    bson_iter_document(&first, &len, &data);
    if (bson_init_static(&document, data, len)) {
        bson_copy_to(&document, &finding->document);
        finding->has_document = true;
    }
}

static bool find(void *ctx, struct gleaner_try *attempt)
{
    struct finding *finding = ctx;
    const struct gleaner_profiles *profiles = finding->profiles;
    if (strcmp(attempt->client->tier, "primary") != 0) {
        finding->is_elsewhere = true; /* what it says of a name says nothing about the primary */
        return true;
    }
    const char *database =
        profiles->database != NULL ? profiles->database : attempt->client->database;
    bson_t *command = BCON_NEW("find", BCON_UTF8(profiles->collection), "filter", "{",
                               profiles->key, BCON_UTF8(finding->name), "}", "limit", BCON_INT32(1),
                               "singleBatch", BCON_BOOL(true), "maxTimeMS",
                               BCON_INT64(attempt->left_ms > 0 ? attempt->left_ms : 1));
    bool ok = mongoc_client_command_with_opts(attempt->client->client, database, command, NULL,
                                              NULL, &attempt->reply, &attempt->error);
    if (ok) {
        take_first(finding, &attempt->reply);
    }
    bson_destroy(command);
    return ok;
}

static void note_time(_Atomic uint64_t *stamp)
{
    atomic_store_explicit(stamp, base_mono_ns(), memory_order_relaxed);
}

/* May block in the driver. The entry, if any, is the caller's. */
static enum gleaner_status read_primary(struct gleaner_profiles *profiles, const char *name,
                                        uint32_t left_ms, struct profile_entry **entry,
                                        struct gleaner_error *error)
{
    struct finding finding = {.profiles = profiles, .name = name};
    struct gleaner_run_options options;
    uint64_t asked_ns = base_mono_ns();
    gleaner_run_options_init(&options);
    options.deadline_ms = left_ms;
    options.is_idempotent = true;
    options.what = "reading a profile";
    enum gleaner_status status = gleaner_db_run(profiles->db, &options, find, &finding, error);
    if (status != GLEANER_OK || finding.is_elsewhere) {
        note_time(&profiles->failed_ns);
        if (status == GLEANER_OK) {
            snprintf(error->message, sizeof(error->message), "connected to the fallback server");
        }
        return status == GLEANER_OK || status == GLEANER_E_NOT_FOUND ? GLEANER_E_DOWN : status;
    }
    note_time(&profiles->answered_ns);
    if (!finding.has_document) {
        profile_cache_remove(&profiles->cache, name, asked_ns);
        return GLEANER_E_NOT_FOUND;
    }
    *entry = profile_entry_create(name, &finding.document, asked_ns, (int64_t)base_mono_ns());
    bson_destroy(&finding.document);
    if (*entry == NULL) {
        snprintf(error->message, sizeof(error->message), "out of memory");
        return GLEANER_E_NOMEM;
    }
    profile_entry_ref(*entry);
    profile_cache_put(&profiles->cache, *entry);
    return GLEANER_OK;
}

static void serve(struct profile_reader *reader, struct profile_request *request,
                  uint64_t deadline_ns)
{
    struct gleaner_profiles *profiles = reader->profiles;
    struct profile_entry *entry = NULL;
    struct gleaner_error error = {.status = GLEANER_OK};
    uint64_t now_ns = base_mono_ns();
    uint64_t left_ms = deadline_ns > now_ns ? (deadline_ns - now_ns) / BASE_NS_PER_MS : 0;
    atomic_store_explicit(&reader->busy_since_ns, now_ns, memory_order_relaxed);
    enum gleaner_status status =
        read_primary(profiles, request->name, left_ms > 0 ? (uint32_t)left_ms : 1, &entry, &error);
    atomic_store_explicit(&reader->busy_since_ns, 0, memory_order_relaxed);
    sync_mutex_lock(profiles->lock);
    request->running--;
    bool is_definite = status == GLEANER_OK || status == GLEANER_E_NOT_FOUND;
    if (is_definite && request->waiters == 0) {
        atomic_fetch_add_explicit(&profiles->late, 1, memory_order_relaxed);
    }
    if (is_definite || (request->running == 0 && !request->is_pending)) {
        settle_locked(request, status, entry, is_definite ? "" : error.message);
    }
    drop_locked(profiles, request);
    sync_mutex_unlock(profiles->lock);
}

/* NULL: nothing to do for now. */
static struct profile_request *take_locked(struct gleaner_profiles *profiles)
{
    struct profile_request *request = profiles->first;
    if (request == NULL) {
        (void)sync_cond_wait(profiles->wanted, profiles->lock,
                             base_mono_ns() + SAVE_CHECK_MS * BASE_NS_PER_MS);
        request = profiles->first;
    }
    if (request != NULL) {
        remove_locked(profiles, request);
        request->refs++;
        request->running++;
    }
    return request;
}

void profile_reader_main(void *arg)
{
    struct profile_reader *reader = arg;
    struct gleaner_profiles *profiles = reader->profiles;
    sync_mutex_lock(profiles->lock);
    while (!profiles->must_stop) {
        struct profile_request *request = take_locked(profiles);
        uint64_t deadline_ns =
            request != NULL ? request->deadline_ns + LATE_MS * BASE_NS_PER_MS : 0;
        sync_mutex_unlock(profiles->lock);
        if (request != NULL) {
            serve(reader, request, deadline_ns);
        }
        if (reader == &profiles->readers[0]) {
            profile_save_if_due(profiles, false);
        }
        sync_mutex_lock(profiles->lock);
    }
    sync_mutex_unlock(profiles->lock);
    profiles_unref(profiles);
}
