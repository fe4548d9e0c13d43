/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file profile.h
 * Profiles that can always be read: from the primary; else the last known one, marked stale with
 * its age; else a default, marked as such. Every read is answered within its deadline (1 s at
 * most), also when the server is frozen, killed, silent, or cut off: what can block is done by
 * readers, a few threads of their own, and the caller goes on without them.
 *
 *     struct gleaner_profiles *profiles;
 *     gleaner_profiles_open(db, NULL, &profiles, &error);
 *
 *     struct gleaner_profile profile;
 *     if (gleaner_profile_read(profiles, "ada", &profile) == GLEANER_OK) {
 *         ... profile.document, profile.source, profile.age_ms ...
 *         gleaner_profile_fini(&profile);
 *     }
 *     gleaner_profiles_close(&profiles);
 *     gleaner_db_close(&db, 5000);
 *
 * Nothing is ever written to the database here. "No such profile" is said only by a primary that
 * answered; trouble is never "not found".
 *
 * ABI: structs start with their size; fields are only appended.
 *   2026-11-24  version 1
 */
#ifndef GLEANER_PROFILE_H
#define GLEANER_PROFILE_H

#include "gleaner/db.h"

#ifdef __cplusplus
extern "C" {
#endif

struct gleaner_profiles;

/* 0 and NULL mean the default. Strings are copied. */
struct gleaner_profiles_options {
    size_t size;          /**< sizeof(struct gleaner_profiles_options), set by the init function */
    const char *uri;      /**< a server of their own (MONGODB_PROFILES); default: that of `db` */
    const char *database; /**< default: that of the URI */
    const char *collection; /**< default "profiles" */
    const char *key;        /**< the unique field, default "username" */
    uint32_t deadline_ms;   /**< of each read, 50..1,000, default 1,000 */
    uint32_t readers;       /**< threads, and reads under way at once, 1..16, default 4 */
    uint32_t cache_entries; /**< default 4,096, rounded up to a multiple of 8 */
    uint32_t cache_bytes;   /**< of documents and keys, default 16 MiB */
    const char
        *cache_path; /**< keeps the cache over a restart (a file of mode 0600); default none */
};
GLEANER_API void gleaner_profiles_options_init(struct gleaner_profiles_options *options);

/**
 * Start the readers. `db` must stay open until gleaner_profiles_close(); with options->uri it may
 * be NULL.
 *
 * Thread: [any]. Owns: *out until gleaner_profiles_close(). options may be NULL.
 * Errors: GLEANER_E_CONFIG a value is wrong (named); GLEANER_E_NOMEM. A cache file that cannot be
 *         read is reported in the log and begins anew.
 */
GLEANER_API GLEANER_MUST_CHECK enum gleaner_status
gleaner_profiles_open(struct gleaner_db *db, const struct gleaner_profiles_options *options,
                      struct gleaner_profiles **out, struct gleaner_error *error);

enum gleaner_profile_source {
    GLEANER_PROFILE_PRIMARY = 1, /**< the primary answered this read */
    GLEANER_PROFILE_CACHE = 2,   /**< the last known one: stale, age_ms old */
    GLEANER_PROFILE_DEFAULT =
        3 /**< never seen: {key, displayName, activeTriggers, settings, ...} */
};

/* One answer. The document of a cached one carries isStale: true, staleAgeMs and fallbackReason, a
 * default isFallback: true and fallbackReason: so that marks survive being passed on. Do not store
 * either. */
struct gleaner_profile {
    bson_t *document; /**< owned: gleaner_profile_fini(); NULL when there is none */
    enum gleaner_profile_source source;
    uint64_t age_ms;  /**< since the primary last said so; 0 from the primary and for a default */
    char reason[200]; /**< why it is not from the primary; "" when it is; holds no password */
};

/**
 * Read one profile.
 *
 * Thread: [any]; waits at most deadline_ms. What is known to be of no use is not waited for: while
 *         no server answers the cache or the default comes at once. The look into the cache takes
 *         no lock; asking the primary takes one for the length of a list operation.
 * Owns:   out->document, on GLEANER_OK.
 * Errors: GLEANER_E_NOT_FOUND  the primary answered that there is none (and the cache forgot it);
 *         GLEANER_E_INVALID    no name, one over 256 bytes, or not UTF-8;
 *         GLEANER_E_CLOSED     in a forked child.
 */
GLEANER_API GLEANER_MUST_CHECK enum gleaner_status
gleaner_profile_read(struct gleaner_profiles *profiles, const char *name,
                     struct gleaner_profile *out);
/** Free the document; *profile may be used again. */
GLEANER_API void gleaner_profile_fini(struct gleaner_profile *profile);

struct gleaner_profiles_stats {
    size_t size;
    uint64_t from_primary, from_cache, from_default, not_found;
    uint64_t late;   /**< answers that came when nobody waited any more: they refreshed the cache */
    uint64_t hedged; /**< reads that were asked a second time on another connection */
    uint64_t joined; /**< reads answered by one that another caller had begun to wait for */
    uint64_t entries, bytes, evicted;
    uint32_t readers_busy, reads_waiting;
};
/** Thread: [any]. Set out->size first. */
GLEANER_API void gleaner_profiles_read_stats(struct gleaner_profiles *profiles,
                                             struct gleaner_profiles_stats *out);

/**
 * Stop the readers, save the cache. Bounded by 0.6 s: a reader that hangs in the driver is left
 * behind and frees what it holds when it comes back. *profiles becomes NULL.
 *
 * Thread: one, and no read may be under way or begin. Before gleaner_db_close().
 */
GLEANER_API void gleaner_profiles_close(struct gleaner_profiles **profiles);

#ifdef __cplusplus
}
#endif
#endif
