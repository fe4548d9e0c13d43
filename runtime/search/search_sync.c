/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over the collection, in one transaction: what is new or changed (by a hash of its bytes)
 * is indexed, what is gone is taken out. */
#include "search_internal.h"

#include <bson/bson.h>
#define XXH_INLINE_ALL
#include <string.h>
#include <xxhash.h>

enum { GET, TOUCH, ADD, CHANGE, WORDS_ADD, WORDS_DROP, SWEEP_WORDS, SWEEP, STATEMENTS };
static const char *const sql[STATEMENTS] = {
    [GET] = "SELECT rowid, hash FROM documents WHERE collection = ?1 AND id = ?2",
    [TOUCH] = "UPDATE documents SET seen = ?2 WHERE rowid = ?1",
    [ADD] = "INSERT INTO documents(collection, id, hash, seen, url) VALUES(?1, ?2, ?3, ?4, ?5)",
    [CHANGE] = "UPDATE documents SET hash = ?2, seen = ?3, url = ?4 WHERE rowid = ?1",
    [WORDS_ADD] = "INSERT INTO words(rowid, title, body) VALUES(?1, ?2, ?3)",
    [WORDS_DROP] = "DELETE FROM words WHERE rowid = ?1",
    [SWEEP_WORDS] = ("DELETE FROM words WHERE rowid IN"
                     " (SELECT rowid FROM documents WHERE collection = ?1 AND seen <> ?2)"),
    [SWEEP] = "DELETE FROM documents WHERE collection = ?1 AND seen <> ?2",
};

struct sync {
    sqlite3 *index;
    sqlite3_stmt *statements[STATEMENTS];
    const char *collection;
    int64_t turn; /* of this walk: what has another one afterwards is gone */
    struct base_buffer body, id;
    enum gleaner_status status;
    struct base_error *error;
};

enum gleaner_status search_db_error(sqlite3 *db, struct base_error *error)
{
    int code = sqlite3_errcode(db) & 0xFF;
    enum gleaner_status status = code == SQLITE_FULL    ? GLEANER_E_FULL
                                 : code == SQLITE_NOMEM ? GLEANER_E_NOMEM
                                 : code == SQLITE_BUSY  ? GLEANER_E_BUSY
                                                        : GLEANER_E_IO;
    return base_error_set(error, status, "the search index: %s", sqlite3_errmsg(db));
}

static sqlite3_stmt *use(struct sync *s, int which)
{
    sqlite3_reset(s->statements[which]);
    return s->statements[which];
}

static bool run(struct sync *s, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        s->status = search_db_error(s->index, s->error);
    }
    sqlite3_reset(statement);
    return s->status == GLEANER_OK;
}

static const char *text_of(const bson_t *document, const char *path, uint32_t *len)
{
    bson_iter_t at, found;
    *len = 0;
    return bson_iter_init(&at, document) && bson_iter_find_descendant(&at, path, &found) &&
                   BSON_ITER_HOLDS_UTF8(&found)
               ? bson_iter_utf8(&found, len)
               : "";
}

static void add_field(struct base_buffer *out, const bson_t *document, const char *path)
{
    bson_iter_t at, found, item;
    uint32_t len;
    if (!bson_iter_init(&at, document) || !bson_iter_find_descendant(&at, path, &found)) {
        return;
    }
    if (BSON_ITER_HOLDS_UTF8(&found)) {
        const char *text = bson_iter_utf8(&found, &len);
        base_buffer_append(out, text, len);
        base_buffer_append_char(out, '\n');
    } else if (BSON_ITER_HOLDS_ARRAY(&found) && bson_iter_recurse(&found, &item)) {
        while (bson_iter_next(&item)) {
            if (BSON_ITER_HOLDS_UTF8(&item)) {
                const char *text = bson_iter_utf8(&item, &len);
                base_buffer_append(out, text, len);
                base_buffer_append_char(out, '\n');
            }
        }
    }
}

static bool index_words(struct sync *s, int64_t row, const bson_t *document)
{
    uint32_t title_len;
    const char *title = text_of(document, "title", &title_len);
    base_buffer_reset(&s->body, 1 << 20);
    for (size_t i = 0; i < SEARCH_BODY_FIELDS; i++) {
        add_field(&s->body, document, search_body_fields[i]);
    }
    for (size_t i = 0; i < SEARCH_META_FIELDS; i++) {
        add_field(&s->body, document, search_meta_fields[i]);
    }
    if (s->body.failed) {
        s->status = base_error_set(s->error, GLEANER_E_NOMEM, "no memory for the search index");
        return false;
    }
    sqlite3_stmt *add = use(s, WORDS_ADD);
    sqlite3_bind_int64(add, 1, row);
    sqlite3_bind_text(add, 2, title, (int)title_len, SQLITE_STATIC);
    sqlite3_bind_text(add, 3, s->body.data != NULL ? s->body.data : "", (int)s->body.len,
                      SQLITE_STATIC);
    return run(s, add);
}

/* url, or the file's path. */
static void bind_url(sqlite3_stmt *statement, int at, const bson_t *document)
{
    uint32_t len;
    const char *url = text_of(document, "url", &len);
    if (len == 0) {
        url = text_of(document, "filePath", &len);
    }
    sqlite3_bind_text(statement, at, url, (int)len, SQLITE_STATIC);
}

static bool add_document(struct sync *s, int64_t hash, const bson_t *document)
{
    sqlite3_stmt *add = use(s, ADD);
    sqlite3_bind_text(add, 1, s->collection, -1, SQLITE_STATIC);
    sqlite3_bind_blob(add, 2, s->id.data, (int)s->id.len, SQLITE_STATIC);
    sqlite3_bind_int64(add, 3, hash);
    sqlite3_bind_int64(add, 4, s->turn);
    bind_url(add, 5, document);
    return run(s, add) && index_words(s, sqlite3_last_insert_rowid(s->index), document);
}

static bool change_document(struct sync *s, int64_t row, int64_t hash, const bson_t *document)
{
    sqlite3_stmt *change = use(s, CHANGE), *drop = use(s, WORDS_DROP);
    sqlite3_bind_int64(change, 1, row);
    sqlite3_bind_int64(change, 2, hash);
    sqlite3_bind_int64(change, 3, s->turn);
    bind_url(change, 4, document);
    sqlite3_bind_int64(drop, 1, row);
    return run(s, change) && run(s, drop) && index_words(s, row, document);
}

static bool set_id(struct sync *s, const bson_t *document)
{
    bson_iter_t at;
    char hex[25] = "";
    base_buffer_reset(&s->id, 4096);
    if (bson_iter_init_find(&at, document, "_id") && BSON_ITER_HOLDS_OID(&at)) {
        bson_oid_to_string(bson_iter_oid(&at), hex);
    }
    return hex[0] != '\0' && base_buffer_append(&s->id, hex, 24);
}

static bool sync_row(void *ctx, const char *collection, const uint8_t *bytes, uint32_t len)
{
    struct sync *s = ctx;
    bson_t document;
    (void)collection;
    if (!bson_init_static(&document, bytes, len) || !set_id(s, &document)) {
        return true; /* not one of ours: the store checks its bytes */
    }
    int64_t hash = (int64_t)XXH3_64bits(bytes, len);
    sqlite3_stmt *get = use(s, GET);
    sqlite3_bind_text(get, 1, s->collection, -1, SQLITE_STATIC);
    sqlite3_bind_blob(get, 2, s->id.data, (int)s->id.len, SQLITE_STATIC);
    bool is_known = sqlite3_step(get) == SQLITE_ROW;
    int64_t row = sqlite3_column_int64(get, 0);
    bool is_same = is_known && sqlite3_column_int64(get, 1) == hash;
    sqlite3_reset(get);
    if (!is_known) {
        return add_document(s, hash, &document);
    }
    if (!is_same) {
        return change_document(s, row, hash, &document);
    }
    sqlite3_stmt *touch = use(s, TOUCH);
    sqlite3_bind_int64(touch, 1, row);
    sqlite3_bind_int64(touch, 2, s->turn);
    return run(s, touch);
}

static bool sweep(struct sync *s)
{
    for (int which = SWEEP_WORDS; which <= SWEEP; which++) {
        sqlite3_stmt *statement = use(s, which);
        sqlite3_bind_text(statement, 1, s->collection, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, s->turn);
        if (!run(s, statement)) {
            return false;
        }
    }
    return true;
}

static enum gleaner_status prepare(struct sync *s)
{
    for (int i = 0; i < STATEMENTS; i++) {
        if (sqlite3_prepare_v2(s->index, sql[i], -1, &s->statements[i], NULL) != SQLITE_OK) {
            return search_db_error(s->index, s->error);
        }
    }
    return GLEANER_OK;
}

enum gleaner_status search_sync(sqlite3 *index, struct store *store, const char *collection,
                                struct base_error *error)
{
    struct sync s = {.index = index, .collection = collection, .error = error};
    s.turn = base_wall_ms();
    if (sqlite3_exec(index, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        return search_db_error(index, error);
    }
    s.status = prepare(&s);
    if (s.status == GLEANER_OK) {
        enum gleaner_status walked = store_documents(store, collection, sync_row, &s, error);
        s.status = s.status != GLEANER_OK ? s.status : walked;
    }
    bool is_good = s.status == GLEANER_OK && sweep(&s);
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(s.statements[i]);
    }
    if (is_good && sqlite3_exec(index, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
        s.status = search_db_error(index, error);
    }
    if (s.status != GLEANER_OK) {
        sqlite3_exec(index, "ROLLBACK", NULL, NULL, NULL);
    }
    base_buffer_fini(&s.body);
    base_buffer_fini(&s.id);
    return s.status;
}
