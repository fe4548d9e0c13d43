/* SPDX-License-Identifier: Apache-2.0 */
/* The spool. Its totals are a row of their own (spool_state), changed in the same transaction as
 * the entries, so that no crash parts them. */
#include "store_sqlite_internal.h"

#include <stdlib.h>
#include <string.h>

struct spool_state {
    int64_t documents, bytes, replayed;
};

static enum gleaner_status load_state_locked(struct store_sqlite *s, struct spool_state *state,
                                             struct base_error *error)
{
    bool found = false;
    sqlite3_stmt *load = store_sql(s, SQL_SPOOL_STATE);
    enum gleaner_status status = store_sql_next(s, load, &found, error);
    memset(state, 0, sizeof *state);
    if (found) {
        state->documents = sqlite3_column_int64(load, 0);
        state->bytes = sqlite3_column_int64(load, 1);
        state->replayed = sqlite3_column_int64(load, 2);
        sqlite3_reset(load);
    }
    return status;
}

static enum gleaner_status
save_state_locked(struct store_sqlite *s, const struct spool_state *state, struct base_error *error)
{
    sqlite3_stmt *save = store_sql(s, SQL_SPOOL_STATE_SAVE);
    sqlite3_bind_int64(save, 1, state->documents);
    sqlite3_bind_int64(save, 2, state->bytes);
    sqlite3_bind_int64(save, 3, state->replayed);
    return store_sql_run(s, save, error);
}

/* Over what identifies the document and what it says. */
static uint32_t entry_crc(const uint8_t *id, const uint8_t *bson, size_t bson_len)
{
    return base_crc32c(base_crc32c(0, id, STORE_ID_BYTES), bson, bson_len);
}

/* ---- in ---- */

static enum gleaner_status find_entry_locked(struct store_sqlite *s, int64_t collection,
                                             const uint8_t *id, bool *found, int64_t *bytes,
                                             struct base_error *error)
{
    sqlite3_stmt *find = store_sql(s, SQL_SPOOL_FIND);
    sqlite3_bind_int64(find, 1, collection);
    sqlite3_bind_blob(find, 2, id, STORE_ID_BYTES, SQLITE_STATIC);
    enum gleaner_status status = store_sql_next(s, find, found, error);
    if (*found) {
        *bytes = sqlite3_column_int64(find, 1);
        sqlite3_reset(find);
    }
    return status;
}

static enum gleaner_status put_entry_locked(struct store_sqlite *s, struct collection_cache *cache,
                                            const struct store_document *document,
                                            struct spool_state *state, struct base_error *error)
{
    size_t entry = 0;
    bool replaces = false;
    int64_t bytes_before = 0;
    if (cache->count == COLLECTIONS_CACHED) {
        cache->count = 0; /* nothing is counted here */
    }
    enum gleaner_status status =
        store_collection_id_locked(s, cache, document->collection, &entry, error);
    if (status == GLEANER_OK) {
        status = find_entry_locked(s, cache->entries[entry].id, document->id, &replaces,
                                   &bytes_before, error);
    }
    if (status != GLEANER_OK) {
        return status;
    }
    state->documents += replaces ? 0 : 1;
    state->bytes += (int64_t)document->bson_len - bytes_before;
    sqlite3_stmt *put = store_sql(s, SQL_SPOOL_PUT);
    sqlite3_bind_int64(put, 1, cache->entries[entry].id);
    sqlite3_bind_blob(put, 2, document->id, STORE_ID_BYTES, SQLITE_STATIC);
    sqlite3_bind_text(put, 3, document->url, -1, SQLITE_STATIC);
    sqlite3_bind_int64(put, 4, entry_crc(document->id, document->bson, document->bson_len));
    sqlite3_bind_int64(put, 5, store_db_now_locked(s));
    sqlite3_bind_blob(put, 6, document->bson, (int)document->bson_len, SQLITE_STATIC);
    return store_sql_run(s, put, error);
}

enum gleaner_status store_spool_put_locked(struct store_sqlite *s,
                                           const struct store_document *documents, size_t count,
                                           struct store_settled *out, struct base_error *error)
{
    struct collection_cache cache = {.count = 0};
    struct spool_state state;
    if (count == 0) {
        return GLEANER_OK;
    }
    enum gleaner_status status = load_state_locked(s, &state, error);
    for (size_t i = 0; i < count && status == GLEANER_OK; i++) {
        if (!store_document_is_sane(&documents[i])) {
            out->documents_refused++;
            continue;
        }
        status = put_entry_locked(s, &cache, &documents[i], &state, error);
        out->documents_spooled++;
    }
    if (status == GLEANER_OK && (uint64_t)state.bytes > s->spool_max_bytes) {
        return base_error_set(error, GLEANER_E_FULL,
                              "%s: the spool is at its limit of %llu MiB; it goes on when the "
                              "database is back, or raise the limit",
                              s->path, (unsigned long long)(s->spool_max_bytes >> 20));
    }
    return status != GLEANER_OK ? status : save_state_locked(s, &state, error);
}

enum gleaner_status store_spool_write(struct store *local, const struct store_document *documents,
                                      size_t count, struct store_settled *out,
                                      struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)local;
    struct store_settled before = *out;
    enum gleaner_status status = store_db_begin(s, error);
    if (status == GLEANER_OK) {
        status = store_spool_put_locked(s, documents, count, out, error);
        status = store_db_end(s, status, error);
    }
    if (status != GLEANER_OK) {
        *out = before;
    }
    return status;
}

static enum gleaner_status held_locked(struct store_sqlite *s,
                                       const struct store_document *document, bool *held,
                                       struct base_error *error)
{
    bool known = false;
    int64_t bytes = 0;
    sqlite3_stmt *get = store_sql(s, SQL_COLLECTION_GET);
    store_bind_text(get, 1, document->collection);
    enum gleaner_status status = store_sql_next(s, get, &known, error);
    if (!known) {
        return status;
    }
    int64_t collection = sqlite3_column_int64(get, 0);
    sqlite3_reset(get);
    return find_entry_locked(s, collection, document->id, held, &bytes, error);
}

enum gleaner_status store_spool_held(struct store *local, const struct store_document *documents,
                                     size_t count, bool *held, bool *any, struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)local;
    struct spool_state state;
    memset(held, 0, count * sizeof *held);
    *any = false;
    sync_mutex_lock(s->mutex);
    enum gleaner_status status = load_state_locked(s, &state, error);
    for (size_t i = 0; i < count && status == GLEANER_OK && state.documents > 0; i++) {
        status = held_locked(s, &documents[i], &held[i], error);
        *any = *any || held[i];
    }
    sync_mutex_unlock(s->mutex);
    return status;
}

/* ---- out ---- */

static bool batch_grow(struct store_spool_batch *batch, size_t cap)
{
    if (batch->cap >= cap) {
        return true;
    }
    struct store_document *documents = realloc(batch->documents, cap * sizeof *documents);
    batch->documents = documents != NULL ? documents : batch->documents;
    int64_t *sequence = realloc(batch->sequence, cap * sizeof *sequence);
    batch->sequence = sequence != NULL ? sequence : batch->sequence;
    if (documents == NULL || sequence == NULL) {
        return false;
    }
    batch->cap = cap;
    return true;
}

void store_spool_batch_fini(struct store_spool_batch *batch)
{
    free(batch->documents);
    free(batch->sequence);
    base_arena_fini(&batch->arena);
    memset(batch, 0, sizeof *batch);
}

static bool entry_is_whole(sqlite3_stmt *take)
{
    return sqlite3_column_type(take, 1) == SQLITE_TEXT &&
           sqlite3_column_bytes(take, 2) == STORE_ID_BYTES &&
           entry_crc(sqlite3_column_blob(take, 2), sqlite3_column_blob(take, 5),
                     (size_t)sqlite3_column_bytes(take, 5)) ==
               (uint32_t)sqlite3_column_int64(take, 4);
}

static bool copy_entry(struct store_spool_batch *batch, sqlite3_stmt *take)
{
    struct store_document *document = &batch->documents[batch->count];
    size_t bson_len = (size_t)sqlite3_column_bytes(take, 5);
    const char *url = (const char *)sqlite3_column_text(take, 3);
    const char *collection = store_column_text(take, 1);
    uint8_t *bson = base_arena_alloc(&batch->arena, bson_len);
    memset(document, 0, sizeof *document);
    document->collection = base_arena_strndup(&batch->arena, collection, strlen(collection));
    document->url = url != NULL ? base_arena_strndup(&batch->arena, url, strlen(url)) : NULL;
    if (bson == NULL || document->collection == NULL || (url != NULL && document->url == NULL)) {
        return false;
    }
    memcpy(bson, sqlite3_column_blob(take, 5), bson_len);
    memcpy(document->id, sqlite3_column_blob(take, 2), STORE_ID_BYTES);
    document->bson = bson;
    document->bson_len = (uint32_t)bson_len;
    batch->sequence[batch->count++] = sqlite3_column_int64(take, 0);
    return true;
}

/* Reads until the batch is full, the spool is at its end, or an entry is damaged (*damaged != 0).
 */
static enum gleaner_status take_locked(struct store_sqlite *s, size_t max_documents,
                                       uint64_t max_bytes, struct store_spool_batch *batch,
                                       int64_t *damaged, struct base_error *error)
{
    bool found = true;
    uint64_t bytes = 0;
    enum gleaner_status status = GLEANER_OK;
    sqlite3_stmt *take = store_sql(s, SQL_SPOOL_TAKE);
    sqlite3_bind_int64(take, 1, (int64_t)max_documents);
    while (bytes < max_bytes && *damaged == 0) {
        status = store_sql_next(s, take, &found, error);
        if (!found) {
            return status;
        }
        bytes += (uint64_t)sqlite3_column_bytes(take, 5);
        if (!entry_is_whole(take)) {
            *damaged = sqlite3_column_int64(take, 0);
        } else if (!copy_entry(batch, take)) {
            status = base_error_set(error, GLEANER_E_NOMEM, "out of memory for the spool");
            break;
        }
    }
    sqlite3_reset(take);
    return status;
}

static enum gleaner_status delete_entry_locked(struct store_sqlite *s, int64_t sequence,
                                               struct spool_state *state, bool *deleted,
                                               struct base_error *error)
{
    sqlite3_stmt *delete = store_sql(s, SQL_SPOOL_DELETE);
    sqlite3_bind_int64(delete, 1, sequence);
    enum gleaner_status status = store_sql_next(s, delete, deleted, error);
    if (*deleted) {
        state->documents--;
        state->bytes -= sqlite3_column_int64(delete, 0);
        sqlite3_reset(delete);
    }
    return status;
}

static enum gleaner_status set_aside(struct store_sqlite *s, int64_t sequence,
                                     struct base_error *error)
{
    struct spool_state state;
    bool deleted = false;
    enum gleaner_status status = store_db_begin(s, error);
    if (status != GLEANER_OK) {
        return status;
    }
    status = load_state_locked(s, &state, error);
    if (status == GLEANER_OK) {
        sqlite3_stmt *keep = store_sql(s, SQL_SPOOL_SET_ASIDE);
        sqlite3_bind_int64(keep, 1, sequence);
        status = store_sql_run(s, keep, error);
    }
    if (status == GLEANER_OK) {
        status = delete_entry_locked(s, sequence, &state, &deleted, error);
    }
    if (status == GLEANER_OK) {
        status = save_state_locked(s, &state, error);
    }
    return store_db_end(s, status, error);
}

static enum gleaner_status quarantine(struct store_sqlite *s, int64_t sequence,
                                      struct base_error *error)
{
    base_log_error("store",
                   "event=spool_entry_damaged sequence=%lld file=%s "
                   "advice=\"kept in its table spool_damaged, not replayed\"",
                   (long long)sequence, s->path);
    return set_aside(s, sequence, error);
}

enum gleaner_status store_spool_refuse(struct store *local, int64_t sequence,
                                       struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)local;
    base_log_error("store",
                   "event=spool_entry_refused sequence=%lld file=%s advice=\"the server refuses it "
                   "(a validator, a unique index, its size): kept; gleaner spool list, show, "
                   "export\"",
                   (long long)sequence, s->path);
    return set_aside(s, sequence, error);
}

enum gleaner_status store_spool_take(struct store *local, size_t max_documents, uint64_t max_bytes,
                                     struct store_spool_batch *batch, struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)local;
    int64_t damaged = 0;
    enum gleaner_status status = GLEANER_OK;
    if (!batch_grow(batch, max_documents)) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory for the spool");
    }
    do { /* again only when a damaged entry came first: it is out of the way then */
        batch->count = 0;
        base_arena_reset(&batch->arena);
        damaged = 0;
        sync_mutex_lock(s->mutex);
        status = take_locked(s, max_documents, max_bytes, batch, &damaged, error);
        sync_mutex_unlock(s->mutex);
        if (status == GLEANER_OK && damaged != 0) {
            status = quarantine(s, damaged, error);
        }
    } while (status == GLEANER_OK && damaged != 0 && batch->count == 0);
    return status;
}

static enum gleaner_status remove_locked(struct store_sqlite *s,
                                         const struct store_spool_batch *batch,
                                         struct base_error *error)
{
    struct spool_state state;
    enum gleaner_status status = load_state_locked(s, &state, error);
    for (size_t i = 0; i < batch->count && status == GLEANER_OK; i++) {
        bool deleted = false;
        status = delete_entry_locked(s, batch->sequence[i], &state, &deleted, error);
        state.replayed++; /* also what was replaced meanwhile: that version was replayed */
    }
    return status != GLEANER_OK ? status : save_state_locked(s, &state, error);
}

enum gleaner_status store_spool_remove(struct store *local, const struct store_spool_batch *batch,
                                       struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)local;
    enum gleaner_status status = store_db_begin(s, error);
    return status != GLEANER_OK ? status : store_db_end(s, remove_locked(s, batch, error), error);
}

/* ---- looking at it ---- */

enum gleaner_status store_spool_read(struct store *local, struct store_spool_stats *out,
                                     struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)local;
    struct spool_state state;
    bool found = false;
    memset(out, 0, sizeof *out);
    sync_mutex_lock(s->mutex);
    enum gleaner_status status = load_state_locked(s, &state, error);
    sqlite3_stmt *oldest = store_sql(s, SQL_SPOOL_OLDEST);
    if (status == GLEANER_OK) {
        status = store_sql_next(s, oldest, &found, error);
    }
    if (found) {
        int64_t age = store_db_now_locked(s) - sqlite3_column_int64(oldest, 0);
        out->oldest_age_ms = age > 0 ? (uint64_t)age : 0;
        sqlite3_reset(oldest);
    }
    sync_mutex_unlock(s->mutex);
    out->documents = (uint64_t)state.documents;
    out->bytes = (uint64_t)state.bytes;
    out->replayed = (uint64_t)state.replayed;
    out->max_bytes = s->spool_max_bytes;
    return status;
}
