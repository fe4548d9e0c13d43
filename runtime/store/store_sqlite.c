/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded store as an object: opening, closing, its table of calls. */
#include "store_sqlite_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPOOL_MAX_BYTES_DEFAULT (UINT64_C(1) << 30)

/* Source of the numbers: bench/store_settle. Pages of 8 KiB halve the writes of a 60 KB document;
 * the log is folded into the file after 32 MiB instead of 4; the cache holds the inner pages of the
 * indexes of a few million jobs and one batch of documents (8 MiB cost a sixth more CPU than 10 or
 * 12; of 12, with the seen-filter, little is left of the 16 that bench/frontier allows). */
#define WRITER_PRAGMAS                                                                             \
    "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4096;"        \
    "PRAGMA cache_size = -10240; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = "         \
    "67108864;"

/* One database for all connections of this process to the same name, gone with the last of them
 * (SQLite 3.36). It has no log; a rollback needs its journal. */
#define MEMORY_NAME "file:/gleaner-%u?vfs=memdb"
#define MEMORY_PRAGMAS                                                                             \
    "PRAGMA page_size = 8192; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;"             \
    "PRAGMA cache_size = -12288; PRAGMA temp_store = MEMORY;"
#define MEMORY_MAX_BYTES (INT64_C(1) << 40) /* instead of SQLite's 1 GiB */

static void sqlite_close(struct store *store)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    BASE_ASSERT(s->queues == NULL); /* somebody would go on using a closed store */
    for (int i = 0; i < SQL_STATEMENT_COUNT; i++) {
        sqlite3_finalize(s->statements[i]);
    }
    if (s->db != NULL && sqlite3_close(s->db) != SQLITE_OK) {
        base_log_error("store", "event=close_failed file=%s", s->path);
    }
    if (s->lock_fd >= 0) {
        close(s->lock_fd); /* after the database: the next holder finds it at rest */
    }
    sync_mutex_destroy(&s->mutex);
    free(s->directory);
    free(s->path);
    free(s);
}

static void sqlite_describe(struct store *store, char *out, size_t out_size)
{
    const struct store_sqlite *s = (const struct store_sqlite *)store;
    if (s->in_memory) {
        snprintf(out, out_size, "nothing was kept (--to none)");
        return;
    }
    snprintf(out, out_size,
             "embedded store in %s\nlook at it: gleaner export --data %s | head, or sqlite3 %s",
             s->path, s->directory, s->path);
}

static const struct store_ops sqlite_ops = {
    .kind = "embedded",
    .close = sqlite_close,
    .describe = sqlite_describe,
    .queue_open = store_sqlite_queue_open,
    .queue_close = store_sqlite_queue_close,
    .queue_drop = store_sqlite_queue_drop,
    .enqueue = store_sqlite_enqueue,
    .claim = store_sqlite_claim,
    .settle = store_sqlite_settle,
    .renew = store_sqlite_renew,
    .release_owner = store_sqlite_release_owner,
    .count = store_sqlite_count,
    .list_jobs = store_sqlite_list_jobs,
    .change_jobs = store_sqlite_change_jobs,
    .queue_names = store_sqlite_queue_names,
    .write_documents = store_sqlite_write_documents,
    .documents = store_sqlite_documents,
    .documents_get = store_sqlite_documents_get,
    .touch_documents = store_sqlite_touch_documents,
    .document_count = store_sqlite_document_count,
    .meta_put = store_sqlite_meta_put,
    .meta_get = store_sqlite_meta_get,
    .hosts_note = store_sqlite_hosts_note,
    .hosts_read = store_sqlite_hosts_read,
};

static char *name_of(const struct store_sqlite_options *options)
{
    static _Atomic unsigned memory_stores; /* relaxed: only makes names differ */
    char *name = NULL;
    int length = options->in_memory
                     ? asprintf(&name, MEMORY_NAME,
                                atomic_fetch_add_explicit(&memory_stores, 1, memory_order_relaxed))
                     : asprintf(&name, "%s/gleaner.db", options->directory);
    return length < 0 ? NULL : name;
}

static enum gleaner_status allocate(const struct store_sqlite_options *options,
                                    struct store_sqlite **out, struct base_error *error)
{
    struct store_sqlite *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory for the store");
    }
    s->base.magic = STORE_MAGIC;
    s->base.ops = &sqlite_ops;
    s->lock_fd = -1;
    s->read_only = options->read_only;
    s->in_memory = options->in_memory;
    s->drops_documents = options->drops_documents || options->in_memory;
    s->spool_max_bytes =
        options->spool_max_bytes > 0 ? options->spool_max_bytes : SPOOL_MAX_BYTES_DEFAULT;
    s->directory = strdup(options->directory);
    s->path = name_of(options);
    if (s->directory == NULL || s->path == NULL) {
        sqlite_close(&s->base);
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory for the store");
    }
    enum gleaner_status status = sync_mutex_create(&s->mutex);
    if (status != GLEANER_OK) {
        sqlite_close(&s->base);
        return base_error_set(error, status, "no lock for the store");
    }
    *out = s;
    return GLEANER_OK;
}

/* In this order: nothing is written before the file is known to be whole and ours. */
static enum gleaner_status open_for_writing(struct store_sqlite *s, bool durable,
                                            struct base_error *error)
{
    int version = 0;
    enum gleaner_status status = store_file_lock(s->directory, &s->lock_fd, error);
    if (status == GLEANER_OK) {
        status = store_file_check(s->path, error);
    }
    if (status == GLEANER_OK) {
        status = store_db_connect(s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &s->db, error);
    }
    if (status == GLEANER_OK) {
        status = store_schema_check(s, &version, error);
    }
    if (status == GLEANER_OK) {
        status = store_db_exec(s, s->db, WRITER_PRAGMAS, error);
    }
    if (status == GLEANER_OK) {
        status = store_db_exec(
            s, s->db, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF", error);
    }
    return status != GLEANER_OK ? status : store_schema_migrate(s, version, error);
}

static enum gleaner_status open_in_memory(struct store_sqlite *s, struct base_error *error)
{
    int64_t most = MEMORY_MAX_BYTES;
    enum gleaner_status status = store_file_lock(s->directory, &s->lock_fd, error);
    if (status == GLEANER_OK) {
        status = store_db_connect(s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &s->db, error);
    }
    if (status != GLEANER_OK) {
        return status;
    }
    (void)sqlite3_file_control(s->db, "main", SQLITE_FCNTL_SIZE_LIMIT, &most);
    status = store_db_exec(s, s->db, MEMORY_PRAGMAS, error);
    return status != GLEANER_OK ? status : store_schema_migrate(s, 0, error);
}

static enum gleaner_status open_for_reading(struct store_sqlite *s, struct base_error *error)
{
    if (access(s->path, F_OK) != 0) {
        return base_error_set(error, GLEANER_E_NOT_FOUND,
                              "%s does not exist: nothing was stored in this directory yet",
                              s->path);
    }
    int version = 0;
    enum gleaner_status status = store_db_connect(s, SQLITE_OPEN_READONLY, &s->db, error);
    return status != GLEANER_OK ? status : store_schema_check(s, &version, error);
}

enum gleaner_status store_sqlite_open(const struct store_sqlite_options *options,
                                      struct store **out, struct base_error *error)
{
    struct store_sqlite *s = NULL;
    *out = NULL;
    enum gleaner_status status = allocate(options, &s, error);
    if (status != GLEANER_OK) {
        return status;
    }
    if (options->in_memory) {
        status = open_in_memory(s, error);
    } else if (options->read_only) {
        status = open_for_reading(s, error);
    } else {
        status = open_for_writing(s, options->durable, error);
    }
    if (status != GLEANER_OK) {
        sqlite_close(&s->base);
        return status;
    }
    *out = &s->base;
    return GLEANER_OK;
}
