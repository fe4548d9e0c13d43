/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_INTERNAL_H
#define DB_INTERNAL_H

#include "gleaner/db.h"
#include "gleaner/monitor.h"
#include "mongo_watch.h"
#include "monitor.h"
#include "supervisor.h"

#define DB_MAGIC UINT32_C(0x474c4442)

/* Options with their defaults filled in and their strings copied. */
struct db_settings {
    struct gleaner_db_options options; /* its strings are those below */
    char *uri, *fallback_uri, *app_name, *database;
};

struct gleaner_db {
    uint32_t magic;
    struct sync_mutex *configuring; /* protects settings; taken by gleaner_db_configure() alone */
    struct db_settings settings;
    struct mongo_options mongo; /* of the first settings, for the driver table */
    /* never change: read on the supervisor thread */
    void (*on_state)(void *ctx, const char *phase, const char *tier, const char *reason);
    void *on_state_ctx;
    struct supervisor *supervisor;
    struct monitors *monitors;
    struct mongo_watch *watch; /* of every endpoint: freed after the last */
    /* The same, for check ins with an error: stays when close takes the one above away, because
     * late returns come then (a supervisor whose loans are out is kept). */
    struct supervisor *isolating;
    /* of the supervisor, kept beside it for the fast path */
    struct pool *pool;
    struct connection *connection;
    const struct sync_published *published; /* of the connection */
    const _Atomic uint32_t *version_word;   /* of the connection, read relaxed while on loan */
    /* Callers in the slow path, where they wait. The fast path is a read section instead.
     * writes: those callers (acq_rel); reads: gleaner_db_close (acquire)
     * why: close frees what they stand on */
    _Atomic uint32_t slow_callers;
    struct gleaner_db *next_abandoned; /* [owner of close] */
};

/* options.c */
/** Checks and copies; *settings is to be finished in any case. */
enum gleaner_status db_settings_take(struct db_settings *settings,
                                     const struct gleaner_db_options *given,
                                     struct base_error *error);
/** uri_options.c: what the URI says about the pool, where `options` leave it open (0). Says in the
 *  log what cannot be taken. */
void db_take_uri_options(struct gleaner_db_options *options);
void db_settings_fini(struct db_settings *settings);
struct mongo_options db_mongo_options(const struct db_settings *settings);
/** What the settings say; clock, driver and callbacks are left empty. */
void db_supervisor_config(const struct db_settings *settings, const struct mongo_options *mongo,
                          struct supervisor_config *out);
struct monitor_config db_monitor_config(const struct db_settings *settings);
/** The watch that endpoints get: none when slow_ms says so. */
struct mongo_watch *db_watch(const struct gleaner_db *db, const struct db_settings *settings);

/** For the caller, who may not want to know. Returns status. */
enum gleaner_status db_tell(struct gleaner_error *out, enum gleaner_status status,
                            const struct base_error *detail);

#endif
