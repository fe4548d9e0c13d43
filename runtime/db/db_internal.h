/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_INTERNAL_H
#define DB_INTERNAL_H

#include "gleaner/db.h"
#include "gleaner/monitor.h"
#include "monitor.h"
#include "supervisor.h"

#define DB_MAGIC UINT32_C(0x474c4442)

struct gleaner_db {
    uint32_t magic;
    struct gleaner_db_options options; /* copied, defaults filled in */
    struct mongo_options mongo; /* what every endpoint shares; the driver table points here */
    char *uri, *fallback_uri, *app_name, *database;
    struct supervisor *supervisor;
    struct monitors *monitors;
    /* The same, for check ins with an error: stays when close takes the one above away, because
     * late returns come then (a supervisor whose loans are out is kept). */
    struct supervisor *isolating;
    /* of the supervisor, kept beside it for the fast path */
    struct pool *pool;
    struct connection *connection;
    const struct sync_published *published; /* of the connection */
    /* Callers in the slow path, where they wait. The fast path is a read section instead.
     * writes: those callers (acq_rel); reads: gleaner_db_close (acquire)
     * why: close frees what they stand on */
    _Atomic uint32_t slow_callers;
    struct gleaner_db *next_abandoned; /* [owner of close] */
};

/* options.c */
enum gleaner_status db_options_apply(struct gleaner_db *db, const struct gleaner_db_options *given,
                                     struct base_error *error);
void db_options_fini(struct gleaner_db *db);
/** The names that gleaner_db_open() gives out must not move with the ABI. */
void db_supervisor_config(struct gleaner_db *db, struct supervisor_config *out);

#endif
