/* SPDX-License-Identifier: Apache-2.0 */
/* The spool for people: its entries as they lie there, damaged ones included, beside a running
 * process (a connection of its own, one snapshot). */
#include "store_sqlite_internal.h"

static const char list_sql[] =
    "SELECT e.seq, c.name, e.id, e.url, e.crc, e.at_ms, e.bson, e.aside FROM"
    " (SELECT *, 0 AS aside FROM spool UNION ALL SELECT *, 1 FROM spool_damaged) e"
    " LEFT JOIN collections c ON c.id = e.collection WHERE ?1 = 0 OR e.seq = ?1 ORDER BY e.seq";

enum list_column { AT_SEQ, AT_COLLECTION, AT_ID, AT_URL, AT_CRC, AT_TIME, AT_BSON, AT_ASIDE };

static bool is_whole(sqlite3_stmt *list)
{
    size_t len = (size_t)sqlite3_column_bytes(list, AT_BSON);
    if (sqlite3_column_bytes(list, AT_ID) != STORE_ID_BYTES || len < 5) {
        return false;
    }
    uint32_t crc = base_crc32c(0, sqlite3_column_blob(list, AT_ID), STORE_ID_BYTES);
    return base_crc32c(crc, sqlite3_column_blob(list, AT_BSON), len) ==
           (uint32_t)sqlite3_column_int64(list, AT_CRC);
}

/* The document with its `_id`, as the server will get it; nothing of a damaged one is trusted. */
static enum gleaner_status fill_entry(sqlite3_stmt *list, struct base_buffer *whole,
                                      struct store_spool_entry *out, struct base_error *error)
{
    int64_t age = base_wall_ms() - sqlite3_column_int64(list, AT_TIME);
    *out = (struct store_spool_entry){
        .number = (uint64_t)sqlite3_column_int64(list, AT_SEQ),
        .collection = store_column_text(list, AT_COLLECTION),
        .url = store_column_text(list, AT_URL),
        .age_ms = age > 0 ? (uint64_t)age : 0,
        .bytes = (uint32_t)sqlite3_column_bytes(list, AT_BSON),
        .is_damaged = !is_whole(list),
    };
    out->is_refused = !out->is_damaged && sqlite3_column_int(list, AT_ASIDE) != 0;
    base_buffer_reset(whole, SIZE_MAX);
    if (out->is_damaged) {
        return GLEANER_OK;
    }
    if (!store_bson_with_id(sqlite3_column_blob(list, AT_ID), sqlite3_column_blob(list, AT_BSON),
                            out->bytes, whole)) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory for a document");
    }
    out->bson = (const uint8_t *)whole->data;
    out->bson_len = (uint32_t)whole->len;
    return GLEANER_OK;
}

static enum gleaner_status list_rows(struct store_sqlite *s, sqlite3 *db, sqlite3_stmt *list,
                                     bool (*row)(void *ctx, const struct store_spool_entry *entry),
                                     void *ctx, struct base_error *error)
{
    struct base_buffer whole = {0};
    struct store_spool_entry entry;
    enum gleaner_status status = GLEANER_OK;
    int code = SQLITE_ROW;
    while (status == GLEANER_OK && (code = sqlite3_step(list)) == SQLITE_ROW) {
        status = fill_entry(list, &whole, &entry, error);
        if (status == GLEANER_OK && !row(ctx, &entry)) {
            break;
        }
    }
    if (status == GLEANER_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
        status = store_db_error(s, db, error);
    }
    base_buffer_fini(&whole);
    return status;
}

enum gleaner_status store_spool_list(struct store *embedded, uint64_t number,
                                     bool (*row)(void *ctx, const struct store_spool_entry *entry),
                                     void *ctx, struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)embedded;
    sqlite3 *db = NULL;
    sqlite3_stmt *list = NULL;
    enum gleaner_status status = store_db_connect(s, SQLITE_OPEN_READONLY, &db, error);
    if (status != GLEANER_OK) {
        return status;
    }
    if (sqlite3_prepare_v2(db, list_sql, -1, &list, NULL) != SQLITE_OK) {
        status = store_db_error(s, db, error);
    } else {
        sqlite3_bind_int64(list, 1, (int64_t)number);
        status = list_rows(s, db, list, row, ctx, error);
    }
    sqlite3_finalize(list);
    sqlite3_close(db);
    return status;
}
