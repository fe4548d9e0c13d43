/* SPDX-License-Identifier: Apache-2.0 */
#include "search_internal.h"

#include <stdio.h>
#include <string.h>

#define BUSY_MS 10000
#define SCHEMA_VERSION 1

/* Everything in it can be made again: no durability is paid for. */
static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
    "CREATE TABLE IF NOT EXISTS documents(collection TEXT NOT NULL, id BLOB NOT NULL,"
    " hash INTEGER NOT NULL, seen INTEGER NOT NULL, url TEXT, UNIQUE(collection, id)) STRICT;"
    "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(title, body,"
    " tokenize = 'unicode61 remove_diacritics 2');"
    "PRAGMA user_version = 1";
_Static_assert(SCHEMA_VERSION == 1, "the pragma above says it, too");

/* A title counts ten times. */
static const char find_sql[] =
    "SELECT d.id, d.url, words.title, snippet(words, 1, '', '', ' ... ', 24),"
    " -bm25(words, 10.0, 1.0) AS score"
    " FROM words JOIN documents d ON d.rowid = words.rowid"
    " WHERE words MATCH ?1 AND d.collection = ?2 ORDER BY score DESC, d.id LIMIT ?3";

static enum gleaner_status open_index(const char *directory, sqlite3 **out,
                                      struct base_error *error)
{
    char path[4200];
    *out = NULL;
    if (!sqlite3_compileoption_used("ENABLE_FTS5")) {
        return base_error_set(error, GLEANER_E_UNSUPPORTED,
                              "this SQLite was built without FTS5: no search in embedded stores");
    }
    (void)snprintf(path, sizeof path, "%s/%s", directory, SEARCH_INDEX_FILE);
    if (sqlite3_open_v2(path, out,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW,
                        NULL) != SQLITE_OK) {
        return base_error_set(error, GLEANER_E_IO, "cannot open %s: %s", path,
                              sqlite3_errmsg(*out));
    }
    (void)sqlite3_busy_timeout(*out, BUSY_MS);
    return sqlite3_exec(*out, schema, NULL, NULL, NULL) == SQLITE_OK ? GLEANER_OK
                                                                     : search_db_error(*out, error);
}

static const char *column(sqlite3_stmt *statement, int i)
{
    const unsigned char *text = sqlite3_column_text(statement, i);
    return text != NULL ? (const char *)text : "";
}

static enum gleaner_status ask(sqlite3 *index, const char *query,
                               const struct search_options *options, search_row row, void *ctx,
                               struct base_error *error)
{
    sqlite3_stmt *find = NULL;
    int code = sqlite3_prepare_v2(index, find_sql, -1, &find, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_text(find, 1, query, -1, SQLITE_STATIC);
        sqlite3_bind_text(find, 2, options->collection, -1, SQLITE_STATIC);
        sqlite3_bind_int64(find, 3, options->limit);
    }
    bool wants_more = true;
    while (wants_more && find != NULL && (code = sqlite3_step(find)) == SQLITE_ROW) {
        const struct search_hit hit = {
            .id = column(find, 0),
            .url = column(find, 1),
            .title = column(find, 2),
            .excerpt = column(find, 3),
            .score = sqlite3_column_double(find, 4),
        };
        wants_more = row(ctx, &hit);
    }
    enum gleaner_status status =
        code == SQLITE_DONE || code == SQLITE_ROW ? GLEANER_OK : search_db_error(index, error);
    sqlite3_finalize(find);
    return status;
}

enum gleaner_status search_embedded(struct store *store, const char *directory,
                                    const struct search_options *options, search_row row, void *ctx,
                                    struct base_error *error)
{
    sqlite3 *index = NULL;
    struct base_buffer query = {0};
    enum gleaner_status status = search_query(options->query, SEARCH_FTS5, &query, error);
    if (status == GLEANER_OK) {
        status = open_index(directory, &index, error);
    }
    if (status == GLEANER_OK) {
        status = search_sync(index, store, options->collection, error);
    }
    if (status == GLEANER_OK) {
        status = ask(index, query.data, options, row, ctx, error);
    }
    sqlite3_close(index);
    base_buffer_fini(&query);
    return status;
}
