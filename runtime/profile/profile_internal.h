/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROFILE_INTERNAL_H
#define PROFILE_INTERNAL_H

#include "base.h"
#include "gleaner/profile.h"
#include "sync.h"

#define PROFILE_MAGIC UINT32_C(0x50524f46)
#define PROFILE_NAME_MAX 256
#define PROFILE_READERS_MAX 16

/* ---- entries: profile_entry.c ------------------------------------------------------------------
 */

/* One profile as the primary gave it. Immutable but for its stamps. */
struct profile_entry {
    /* the cache, answers under way. order: acq_rel down: the last one frees */
    _Atomic uint32_t refs;
    uint64_t hash; /* of the name */
    /* when the read began: an older read never replaces a newer one. In the cache: its lock */
    uint64_t asked_ns;
    /* When the primary last said so, on the monotonic scale; before this process started it is
     * smaller than 0. writes: readers (relaxed); reads: any (relaxed): a time for people */
    _Atomic int64_t fresh_ns;
    /* writes: any (relaxed); reads: who makes room (relaxed): it only chooses */
    _Atomic uint64_t used_ns;
    struct profile_entry *next_retired; /* [who retires it] */
    char *name;
    bson_t *document;
};
struct profile_entry *profile_entry_create(const char *name, const bson_t *document,
                                           uint64_t asked_ns, int64_t fresh_ns);
void profile_entry_ref(struct profile_entry *entry);
/** NULL accepted. */
void profile_entry_unref(struct profile_entry *entry);
size_t profile_entry_bytes(const struct profile_entry *entry);
uint64_t profile_entry_age_ms(const struct profile_entry *entry);

/* ---- the cache: profile_cache.c
 * ----------------------------------------------------------------------------- */

#define PROFILE_WAYS 8

/* Sets of 8 places; a name belongs to one set. Readers look under RCU, without a lock. */
struct profile_set {
    struct sync_published ways[PROFILE_WAYS]; /* publishers take turns under the cache's lock */
};
struct profile_cache {
    struct sync_mutex *lock; /* who changes it; never taken by who looks */
    struct profile_set *sets;
    size_t set_count;
    size_t max_bytes;
    size_t hand; /* lock: where room was made last */
    /* writes: under the lock (relaxed); reads: any (relaxed): for reports */
    _Atomic size_t bytes, entries;
    _Atomic uint64_t evicted, changes;
};
enum gleaner_status profile_cache_init(struct profile_cache *cache, size_t entries,
                                       size_t max_bytes);
/** Nobody may look any more. */
void profile_cache_fini(struct profile_cache *cache);
/** A reference, or NULL. Lock-free. Thread: [any]. */
struct profile_entry *profile_cache_find(struct profile_cache *cache, const char *name);
/** Takes over the caller's reference. Waits for a grace period when something leaves. */
void profile_cache_put(struct profile_cache *cache, struct profile_entry *entry);
/** The primary has none; asked at asked_ns. */
void profile_cache_remove(struct profile_cache *cache, const char *name, uint64_t asked_ns);
/** References to what is in one set; returns how many. */
size_t profile_cache_look(struct profile_cache *cache, size_t set,
                          struct profile_entry *out[PROFILE_WAYS]);

/* ---- its file: profile_file.c
 * ------------------------------------------------------------------------------- */

/** Read what `path` holds into the cache; a missing file is an empty one. */
void profile_file_load(struct profile_cache *cache, const char *path);
/** Written beside it, synced, and renamed. False (and logged) when that failed. */
bool profile_file_save(struct profile_cache *cache, const char *path);

/* ---- asking the primary: profile_ask.c
 * ----------------------------------------------------------------------- */

/* One read that somebody waits for. */
struct profile_request {
    struct profile_request *next; /* lock */
    uint64_t hash;
    uint64_t deadline_ns; /* lock: of the last one that waits */
    uint32_t refs;        /* lock: waiters and readers */
    uint32_t waiters;     /* lock */
    uint32_t running;     /* lock: readers at it */
    bool is_pending;      /* lock: in the list */
    /* futex. writes: a reader, under the lock (release); reads: waiters (acquire)
     * why: what is below is written before */
    _Atomic uint32_t is_done;
    enum gleaner_status status;  /* OK, NOT_FOUND, or trouble */
    struct profile_entry *entry; /* holds a reference */
    char reason[200];
    char name[PROFILE_NAME_MAX + 1];
};
struct profile_reader {
    struct sync_thread *thread;
    struct gleaner_profiles *profiles;
    /* 0 = idle. writes: its thread (relaxed); reads: any (relaxed): it only decides how long to
     * wait */
    _Atomic uint64_t busy_since_ns;
};

struct gleaner_profiles {
    uint32_t magic;
    struct gleaner_db *db;
    struct gleaner_db *own_db; /* with options.uri: the same */
    char *database, *collection, *key, *cache_path;
    uint32_t deadline_ms;
    struct profile_cache cache;

    /* who keeps this memory: owner and readers; order: acq_rel down: the last one frees */
    _Atomic uint32_t refs;

    struct sync_mutex *lock; /* the list and requests; never held while anything blocks */
    struct sync_cond *wanted;
    struct profile_request *first, *last; /* lock */
    uint32_t waiting;                     /* lock: in the list */
    bool must_stop;                       /* lock */
    uint64_t saved_ns, saved_changes;     /* reader 0, at the end the owner */

    struct profile_reader readers[PROFILE_READERS_MAX];
    uint32_t reader_count;

    /* The last read that the primary answered, and the last that it did not. writes: readers
     * (relaxed); reads: any (relaxed): they decide how long a caller with a cached one waits */
    _Atomic uint64_t answered_ns, failed_ns;
    /* for reports: any (relaxed) */
    _Atomic uint64_t from_primary, from_cache, from_default, not_found, late, hedged, joined;
};
void profile_reader_main(void *reader);
/**
 * Ask, and wait until the deadline; a second reader is asked at hedge_ns. GLEANER_OK with a
 * reference in *entry, GLEANER_E_NOT_FOUND, or trouble with its reason.
 */
enum gleaner_status profile_ask(struct gleaner_profiles *profiles, const char *name,
                                uint64_t hedge_ns, uint64_t deadline_ns,
                                struct profile_entry **entry, char reason[200]);
/** Answer everybody: it is being closed. */
void profile_refuse_all(struct gleaner_profiles *profiles);
/** True when every reader has been at its read for longer than this. */
bool profile_readers_hang(const struct gleaner_profiles *profiles, uint64_t longer_ns);
void profile_save_if_due(struct gleaner_profiles *profiles, bool is_end);
void profiles_unref(struct gleaner_profiles *profiles);

/* ---- documents: profile_document.c
 * -------------------------------------------------------------------------------- */

bson_t *profile_document_default(const char *key, const char *name, const char *reason);
bson_t *profile_document_stale(const bson_t *known, uint64_t age_ms, const char *reason);

#endif
