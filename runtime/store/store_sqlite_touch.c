/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of the embedded store by id, and the dates of those that have not changed. */
#include "store_sqlite_internal.h"

#include <string.h>

/* ---- where a date stands in a document ---- */

#define BSON_DATE 0x09
#define BSON_HEAD 4 /* length */

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Bytes of a value; 0 = cannot be told, or more than there is room for. */
static size_t value_bytes(uint8_t type, const uint8_t *at, size_t room)
{
    size_t len = 0;
    switch (type) {
    case 0x01: /* double */
    case BSON_DATE:
    case 0x11: /* timestamp */
    case 0x12: /* int64 */
        len = 8;
        break;
    case 0x10: /* int32 */
        len = 4;
        break;
    case 0x08: /* bool */
        len = 1;
        break;
    case 0x07: /* ObjectId */
        len = 12;
        break;
    case 0x02: /* text: length, bytes */
        len = room >= 4 ? 4 + (size_t)read_u32(at) : 0;
        break;
    case 0x05: /* binary: length, kind, bytes */
        len = room >= 4 ? 5 + (size_t)read_u32(at) : 0;
        break;
    case 0x03: /* document, array: the length counts itself */
    case 0x04:
        len = room >= 4 ? read_u32(at) : 0;
        break;
    default:
        break;
    }
    return len <= room ? len : 0;
}

/* Offset of a top-level date's value; 0 = there is none. */
static size_t find_date(const uint8_t *bson, size_t len, const char *field)
{
    size_t at = BSON_HEAD;
    while (at + 1 < len) {
        uint8_t type = bson[at++];
        const uint8_t *end = memchr(bson + at, 0, len - at);
        if (end == NULL) {
            break;
        }
        const char *name = (const char *)bson + at;
        at = (size_t)(end - bson) + 1;
        bool is_empty = type == 0x0A; /* null */
        size_t bytes = is_empty ? 0 : value_bytes(type, bson + at, len - at);
        if (bytes == 0 && !is_empty) {
            break;
        }
        if (type == BSON_DATE && strcmp(name, field) == 0) {
            return at;
        }
        at += bytes;
    }
    return 0;
}

/* ---- reading ---- */

typedef bool (*document_row)(void *ctx, const char *collection, const uint8_t *bson, uint32_t len);

static enum gleaner_status find_collection_locked(struct store_sqlite *s, const char *name,
                                                  bool *found, int64_t *id,
                                                  struct base_error *error)
{
    sqlite3_stmt *get = store_sql(s, SQL_COLLECTION_GET);
    store_bind_text(get, 1, name);
    enum gleaner_status status = store_sql_next(s, get, found, error);
    *id = *found ? sqlite3_column_int64(get, 0) : 0;
    sqlite3_reset(get);
    return status;
}

/* Give each row of a statement (id, bson) until there are none. */
static enum gleaner_status give_rows_locked(struct store_sqlite *s, sqlite3_stmt *statement,
                                            const char *collection, document_row row, void *ctx,
                                            bool *stopped, struct base_error *error)
{
    struct base_buffer whole = {0};
    bool found = true;
    enum gleaner_status status = GLEANER_OK;
    while (status == GLEANER_OK && found && !*stopped) {
        status = store_sql_next(s, statement, &found, error);
        if (!found || sqlite3_column_bytes(statement, 0) != STORE_ID_BYTES ||
            sqlite3_column_bytes(statement, 1) < 5) {
            continue;
        }
        base_buffer_reset(&whole, SIZE_MAX);
        if (!store_bson_with_id(sqlite3_column_blob(statement, 0),
                                sqlite3_column_blob(statement, 1),
                                (uint32_t)sqlite3_column_bytes(statement, 1), &whole)) {
            status = base_error_set(error, GLEANER_E_NOMEM, "out of memory for a document");
        } else {
            *stopped = !row(ctx, collection, (const uint8_t *)whole.data, (uint32_t)whole.len);
        }
    }
    sqlite3_reset(statement);
    base_buffer_fini(&whole);
    return status;
}

static enum gleaner_status get_locked(struct store_sqlite *s, const char *collection,
                                      const uint8_t (*ids)[STORE_ID_BYTES], size_t count,
                                      document_row row, void *ctx, struct base_error *error)
{
    int64_t id = 0;
    bool found = false, stopped = false;
    enum gleaner_status status = find_collection_locked(s, collection, &found, &id, error);
    if (status != GLEANER_OK || !found) {
        return status;
    }
    if (ids == NULL) {
        sqlite3_stmt *any = store_sql(s, SQL_DOCUMENT_ANY);
        sqlite3_bind_int64(any, 1, id);
        sqlite3_bind_int64(any, 2, (int64_t)count);
        return give_rows_locked(s, any, collection, row, ctx, &stopped, error);
    }
    for (size_t i = 0; i < count && status == GLEANER_OK && !stopped; i++) {
        sqlite3_stmt *get = store_sql(s, SQL_DOCUMENT_GET);
        sqlite3_bind_int64(get, 1, id);
        sqlite3_bind_blob(get, 2, ids[i], STORE_ID_BYTES, SQLITE_STATIC);
        status = give_rows_locked(s, get, collection, row, ctx, &stopped, error);
    }
    return status;
}

/* A row has all fields: to leave some out would cost more than to hand them over. */
enum gleaner_status store_sqlite_documents_get(struct store *store, const char *collection,
                                               const uint8_t (*ids)[STORE_ID_BYTES], size_t count,
                                               const char *const *fields, document_row row,
                                               void *ctx, struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    (void)fields;
    sync_mutex_lock(s->mutex);
    enum gleaner_status status = get_locked(s, collection, ids, count, row, ctx, error);
    sync_mutex_unlock(s->mutex);
    return status;
}

/* ---- touching ---- */

/* Eight bytes in place: of a large document that is one page of the file instead of all. */
static enum gleaner_status write_date_locked(struct store_sqlite *s, int64_t rowid, size_t offset,
                                             int64_t ms_since_1970, struct base_error *error)
{
    uint8_t bytes[8];
    sqlite3_blob *blob = NULL;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)((uint64_t)ms_since_1970 >> (8 * i));
    }
    int code = sqlite3_blob_open(s->db, "main", "documents", "bson", rowid, 1, &blob);
    if (code == SQLITE_OK) {
        code = sqlite3_blob_write(blob, bytes, sizeof bytes, (int)offset);
    }
    int closed = sqlite3_blob_close(blob);
    return code == SQLITE_OK && closed == SQLITE_OK ? GLEANER_OK : store_db_error(s, s->db, error);
}

static enum gleaner_status touch_one_locked(struct store_sqlite *s, int64_t collection,
                                            const struct store_touch *touch, bool *done,
                                            struct base_error *error)
{
    bool found = false;
    size_t offset = 0;
    int64_t rowid = 0;
    sqlite3_stmt *get = store_sql(s, SQL_DOCUMENT_GET);
    sqlite3_bind_int64(get, 1, collection);
    sqlite3_bind_blob(get, 2, touch->id, STORE_ID_BYTES, SQLITE_STATIC);
    enum gleaner_status status = store_sql_next(s, get, &found, error);
    if (found) {
        offset = find_date(sqlite3_column_blob(get, 1), (size_t)sqlite3_column_bytes(get, 1),
                           touch->field);
        rowid = sqlite3_column_int64(get, 2);
    }
    sqlite3_reset(get);
    *done = status == GLEANER_OK && offset > 0;
    return *done ? write_date_locked(s, rowid, offset, touch->ms_since_1970, error) : status;
}

enum gleaner_status store_touch_locked(struct store_sqlite *s, const struct store_touch *touches,
                                       size_t count, struct store_settled *out,
                                       struct base_error *error)
{
    const char *name = NULL;
    int64_t id = 0;
    bool found = false;
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < count && status == GLEANER_OK; i++) {
        if (name != touches[i].collection) { /* nearly always the same one */
            name = touches[i].collection;
            status = find_collection_locked(s, name, &found, &id, error);
        }
        bool done = false;
        if (status == GLEANER_OK && found) {
            status = touch_one_locked(s, id, &touches[i], &done, error);
        }
        out->documents_touched += done;
    }
    return status;
}

enum gleaner_status store_sqlite_touch_documents(struct store *store,
                                                 const struct store_touch *touches, size_t count,
                                                 struct store_settled *out,
                                                 struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct store_settled before = *out;
    enum gleaner_status status = store_db_begin(s, error);
    if (status == GLEANER_OK) {
        status = store_touch_locked(s, touches, count, out, error);
        status = store_db_end(s, status, error);
    }
    if (status != GLEANER_OK) {
        *out = before;
    }
    return status;
}
