/* SPDX-License-Identifier: Apache-2.0 */
/* Documents and small named values in the embedded store. */
#include "store_sqlite_internal.h"

#include <string.h>

/* ---- collections ---- */

enum gleaner_status store_collection_id_locked(struct store_sqlite *s,
                                               struct collection_cache *cache, const char *name,
                                               size_t *entry, struct base_error *error)
{
    for (size_t i = 0; i < cache->count; i++) {
        if (cache->entries[i].name == name || strcmp(cache->entries[i].name, name) == 0) {
            *entry = i;
            return GLEANER_OK;
        }
    }
    bool found = false;
    sqlite3_stmt *get = store_sql(s, SQL_COLLECTION_GET);
    store_bind_text(get, 1, name);
    enum gleaner_status status = store_sql_next(s, get, &found, error);
    int64_t id = found ? sqlite3_column_int64(get, 0) : 0;
    sqlite3_reset(get);
    if (status == GLEANER_OK && !found) {
        sqlite3_stmt *add = store_sql(s, SQL_COLLECTION_ADD);
        store_bind_text(add, 1, name);
        status = store_sql_run(s, add, error);
        id = sqlite3_last_insert_rowid(s->db);
    }
    if (status == GLEANER_OK) {
        BASE_ASSERT(cache->count < COLLECTIONS_CACHED);
        *entry = cache->count++;
        cache->entries[*entry].name = name;
        cache->entries[*entry].id = id;
        cache->entries[*entry].added = 0;
    }
    return status;
}

static enum gleaner_status put_counts_locked(struct store_sqlite *s, struct collection_cache *cache,
                                             struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < cache->count && status == GLEANER_OK; i++) {
        if (cache->entries[i].added != 0) {
            sqlite3_stmt *count = store_sql(s, SQL_COLLECTION_COUNT);
            sqlite3_bind_int64(count, 1, cache->entries[i].id);
            sqlite3_bind_int64(count, 2, cache->entries[i].added);
            status = store_sql_run(s, count, error);
        }
    }
    cache->count = 0;
    return status;
}

/* ---- writing ---- */

static void bind_document(sqlite3_stmt *statement, int64_t collection,
                          const struct store_document *document)
{
    sqlite3_bind_int64(statement, 1, collection);
    sqlite3_bind_blob(statement, 2, document->id, STORE_ID_BYTES, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, document->url, -1, SQLITE_STATIC); /* NULL stays NULL */
    sqlite3_bind_blob(statement, 4, document->bson, (int)document->bson_len, SQLITE_STATIC);
}

/* Insert first: a crawl writes new documents nearly always. */
static enum gleaner_status put_document_locked(struct store_sqlite *s,
                                               struct collection_cache *cache,
                                               const struct store_document *document,
                                               struct store_settled *out, struct base_error *error)
{
    size_t entry = 0;
    if (s->drops_documents && !s->in_memory) { /* the file's count is of what it holds */
        out->documents_new++;
        return GLEANER_OK;
    }
    enum gleaner_status status =
        store_collection_id_locked(s, cache, document->collection, &entry, error);
    if (status != GLEANER_OK) {
        return status;
    }
    if (s->in_memory) {
        cache->entries[entry].added++;
        out->documents_new++;
        return GLEANER_OK;
    }
    sqlite3_stmt *insert = store_sql(s, SQL_DOCUMENT_INSERT);
    bind_document(insert, cache->entries[entry].id, document);
    status = store_sql_run(s, insert, error);
    if (status == GLEANER_OK && sqlite3_changes(s->db) > 0) {
        cache->entries[entry].added++;
        out->documents_new++;
    } else if (status == GLEANER_OK) {
        sqlite3_stmt *replace = store_sql(s, SQL_DOCUMENT_REPLACE);
        bind_document(replace, cache->entries[entry].id, document);
        status = store_sql_run(s, replace, error);
        out->documents_replaced++;
    }
    return status;
}

enum gleaner_status store_documents_put_locked(struct store_sqlite *s,
                                               const struct store_document *documents, size_t count,
                                               struct store_settled *out, struct base_error *error)
{
    struct collection_cache cache = {.count = 0};
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < count && status == GLEANER_OK; i++) {
        if (!store_document_is_sane(&documents[i])) {
            out->documents_refused++;
            continue;
        }
        if (cache.count == COLLECTIONS_CACHED) {
            status = put_counts_locked(s, &cache, error);
        }
        if (status == GLEANER_OK) {
            status = put_document_locked(s, &cache, &documents[i], out, error);
        }
    }
    return status != GLEANER_OK ? status : put_counts_locked(s, &cache, error);
}

enum gleaner_status store_sqlite_write_documents(struct store *store,
                                                 const struct store_document *documents,
                                                 size_t count, struct store_settled *out,
                                                 struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct store_settled before = *out;
    enum gleaner_status status = store_db_begin(s, error);
    if (status == GLEANER_OK) {
        status = store_documents_put_locked(s, documents, count, out, error);
        status = store_db_end(s, status, error);
    }
    if (status != GLEANER_OK) {
        *out = before;
    }
    return status;
}

/* ---- reading ----
 *
 * A walk has its own connection: it sees one snapshot for as long as it takes, holds no lock of
 * ours while the caller's `row` runs, and stops no writer. */

static enum gleaner_status walk_rows(struct store_sqlite *s, sqlite3 *db, sqlite3_stmt *walk,
                                     bool (*row)(void *ctx, const char *collection,
                                                 const uint8_t *bson, uint32_t len),
                                     void *ctx, struct base_error *error)
{
    struct base_buffer whole = {0};
    enum gleaner_status status = GLEANER_OK;
    int code = SQLITE_ROW;
    while (status == GLEANER_OK && (code = sqlite3_step(walk)) == SQLITE_ROW) {
        base_buffer_reset(&whole, SIZE_MAX);
        if (sqlite3_column_bytes(walk, 1) != STORE_ID_BYTES || sqlite3_column_bytes(walk, 2) < 5) {
            status =
                base_error_set(error, GLEANER_E_CORRUPT, "%s: a document makes no sense", s->path);
        } else if (!store_bson_with_id(sqlite3_column_blob(walk, 1), sqlite3_column_blob(walk, 2),
                                       (uint32_t)sqlite3_column_bytes(walk, 2), &whole)) {
            status = base_error_set(error, GLEANER_E_NOMEM, "out of memory for a document");
        } else if (!row(ctx, store_column_text(walk, 0), (const uint8_t *)whole.data,
                        (uint32_t)whole.len)) {
            break;
        }
    }
    if (status == GLEANER_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
        status = store_db_error(s, db, error);
    }
    base_buffer_fini(&whole);
    return status;
}

/* `sql` gives collection, id, bson and takes the collection's name, or NULL for all, as ?1. */
static enum gleaner_status walk(struct store_sqlite *s, const char *sql, const char *collection,
                                bool (*row)(void *ctx, const char *collection, const uint8_t *bson,
                                            uint32_t len),
                                void *ctx, struct base_error *error)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    enum gleaner_status status = store_db_connect(s, SQLITE_OPEN_READONLY, &db, error);
    if (status != GLEANER_OK) {
        return status;
    }
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
        status = store_db_error(s, db, error);
    } else {
        sqlite3_bind_text(statement, 1, collection, -1, SQLITE_STATIC);
        status = walk_rows(s, db, statement, row, ctx, error);
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return status;
}

enum gleaner_status store_sqlite_documents(struct store *store, const char *collection,
                                           bool (*row)(void *ctx, const char *collection,
                                                       const uint8_t *bson, uint32_t len),
                                           void *ctx, struct base_error *error)
{
    return walk((struct store_sqlite *)store,
                "SELECT c.name, d.id, d.bson FROM collections c JOIN documents d"
                " ON d.collection = c.id WHERE ?1 IS NULL OR c.name = ?1 ORDER BY c.id, d.id",
                collection, row, ctx, error);
}

enum gleaner_status store_spool_walk(struct store *local, const char *collection,
                                     bool (*row)(void *ctx, const char *collection,
                                                 const uint8_t *bson, uint32_t len),
                                     void *ctx, struct base_error *error)
{
    return walk((struct store_sqlite *)local,
                "SELECT c.name, s.id, s.bson FROM spool s JOIN collections c"
                " ON c.id = s.collection WHERE ?1 IS NULL OR c.name = ?1 ORDER BY s.seq",
                collection, row, ctx, error);
}

enum gleaner_status store_sqlite_document_count(struct store *store, const char *collection,
                                                uint64_t *out, struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    bool found = false;
    sync_mutex_lock(s->mutex);
    sqlite3_stmt *count =
        store_sql(s, collection != NULL ? SQL_COLLECTION_GET : SQL_COLLECTION_SUM);
    if (collection != NULL) {
        store_bind_text(count, 1, collection);
    }
    enum gleaner_status status = store_sql_next(s, count, &found, error);
    if (found) {
        *out = (uint64_t)sqlite3_column_int64(count, collection != NULL ? 1 : 0);
        sqlite3_reset(count);
    }
    sync_mutex_unlock(s->mutex);
    return status;
}

/* ---- meta ---- */

enum gleaner_status store_sqlite_meta_put(struct store *store, const char *name, const char *value,
                                          struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    enum gleaner_status status = store_db_begin(s, error);
    if (status != GLEANER_OK) {
        return status;
    }
    sqlite3_stmt *put = store_sql(s, SQL_META_PUT);
    store_bind_text(put, 1, name);
    store_bind_text(put, 2, value);
    return store_db_end(s, store_sql_run(s, put, error), error);
}

enum gleaner_status store_sqlite_meta_get(struct store *store, const char *name,
                                          struct base_buffer *out, struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    bool found = false;
    sync_mutex_lock(s->mutex);
    sqlite3_stmt *get = store_sql(s, SQL_META_GET);
    store_bind_text(get, 1, name);
    enum gleaner_status status = store_sql_next(s, get, &found, error);
    if (found) {
        if (!base_buffer_append_str(out, store_column_text(get, 0))) {
            status = base_error_set(error, GLEANER_E_NOMEM, "out of memory for %s", name);
        }
        sqlite3_reset(get);
    } else if (status == GLEANER_OK) {
        status = base_error_set(error, GLEANER_E_NOT_FOUND, "no value named %s", name);
    }
    sync_mutex_unlock(s->mutex);
    return status;
}
