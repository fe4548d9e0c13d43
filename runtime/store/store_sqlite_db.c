/* SPDX-License-Identifier: Apache-2.0 */
/* The connection: opening, prepared statements, transactions, and errors in words. */
#include "store_sqlite_internal.h"

#include <errno.h>
#include <string.h>

/* ---- errors ---- */

/* The system's reason decides where SQLite says only "I/O error": a full disk shows as SQLITE_FULL
 * from write(2), but as IOERR from the shared-memory file or under a file size limit. */
static bool is_no_room(int system_error)
{
    return system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG;
}

static enum gleaner_status status_of(int code, int system_error)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return GLEANER_E_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return GLEANER_E_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return GLEANER_E_BUSY;
    case SQLITE_NOMEM:
        return GLEANER_E_NOMEM;
    case SQLITE_TOOBIG:
        return GLEANER_E_LIMIT;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return is_no_room(system_error) ? GLEANER_E_FULL : GLEANER_E_IO;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return GLEANER_E_IO;
    default:
        return GLEANER_E_INTERNAL;
    }
}

enum gleaner_status store_db_error(struct store_sqlite *s, sqlite3 *db, struct base_error *error)
{
    int code = db != NULL ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
    int system_error = db != NULL ? sqlite3_system_errno(db) : 0;
    const char *text = db != NULL ? sqlite3_errmsg(db) : "out of memory";
    enum gleaner_status status = status_of(code, system_error);
    switch (status) {
    case GLEANER_E_FULL:
        return base_error_set(error, status,
                              "%s: no room left on the disk (%s). Nothing of this batch was "
                              "written; make room and it goes on",
                              s->path, system_error != 0 ? strerror(system_error) : text);
    case GLEANER_E_CORRUPT:
        return base_error_set(error, status,
                              "%s is damaged (%s). It is left as it is: move it away to start "
                              "anew, or rescue what it holds with: sqlite3 %s .recover",
                              s->path, text, s->path);
    case GLEANER_E_BUSY:
        return base_error_set(error, status, "%s is held by another program (%s)", s->path, text);
    case GLEANER_E_IO:
        return base_error_set(error, status, "%s: %s%s%s", s->path, text,
                              system_error != 0 ? ": " : "",
                              system_error != 0 ? strerror(system_error) : "");
    default:
        return base_error_set(error, status, "%s: %s (SQLite %d)", s->path, text, code);
    }
}

/* ---- opening ---- */

enum gleaner_status store_db_connect(struct store_sqlite *s, int flags, sqlite3 **out,
                                     struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (s->in_memory ? SQLITE_OPEN_URI : 0);
    int code = sqlite3_open_v2(s->path, out, flags, NULL);
    if (code != SQLITE_OK) {
        status = store_db_error(s, *out, error);
        sqlite3_close(*out);
        *out = NULL;
        return status;
    }
    sqlite3_busy_timeout(*out, 5000);
    return GLEANER_OK;
}

enum gleaner_status store_db_exec(struct store_sqlite *s, sqlite3 *db, const char *sql,
                                  struct base_error *error)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? GLEANER_OK
                                                                : store_db_error(s, db, error);
}

/* ---- statements ---- */

sqlite3_stmt *store_sql(struct store_sqlite *s, enum store_sql which)
{
    BASE_ASSERT(sync_mutex_is_mine(s->mutex));
    if (s->statements[which] == NULL) {
        sqlite3_prepare_v3(s->db, store_sql_text[which], -1, SQLITE_PREPARE_PERSISTENT,
                           &s->statements[which], NULL);
    }
    return s->statements[which];
}

enum gleaner_status store_sql_run(struct store_sqlite *s, sqlite3_stmt *statement,
                                  struct base_error *error)
{
    if (statement == NULL) {
        return store_db_error(s, s->db, error);
    }
    enum gleaner_status status = GLEANER_OK;
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        status = store_db_error(s, s->db, error);
    }
    sqlite3_reset(statement);
    return status;
}

enum gleaner_status store_sql_next(struct store_sqlite *s, sqlite3_stmt *statement, bool *row,
                                   struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    int code = statement != NULL ? sqlite3_step(statement) : SQLITE_ERROR;
    *row = code == SQLITE_ROW;
    if (!*row) {
        if (code != SQLITE_DONE) {
            status = store_db_error(s, s->db, error);
        }
        sqlite3_reset(statement);
    }
    return status;
}

/* ---- transactions ---- */

enum gleaner_status store_db_begin(struct store_sqlite *s, struct base_error *error)
{
    sync_mutex_lock(s->mutex);
    if (s->read_only) {
        sync_mutex_unlock(s->mutex);
        return base_error_set(error, GLEANER_E_REFUSED, "%s was opened for reading only", s->path);
    }
    enum gleaner_status status = store_sql_run(s, store_sql(s, SQL_BEGIN), error);
    if (status != GLEANER_OK) {
        sync_mutex_unlock(s->mutex);
    }
    return status;
}

enum gleaner_status store_db_end(struct store_sqlite *s, enum gleaner_status status,
                                 struct base_error *error)
{
    if (status == GLEANER_OK) {
        status = store_sql_run(s, store_sql(s, SQL_COMMIT), error);
    }
    /* SQLite has rolled back by itself after some errors (a full disk, for one). */
    if (status != GLEANER_OK && sqlite3_get_autocommit(s->db) == 0) {
        (void)store_sql_run(s, store_sql(s, SQL_ROLLBACK), NULL);
    }
    sync_mutex_unlock(s->mutex);
    return status;
}

/* Never back, and never at rest: a wall clock that was an hour ahead and is set right would else
 * stop every delay and lease for that hour. */
int64_t store_db_now_locked(struct store_sqlite *s)
{
    int64_t wall_ms = base_wall_ms();
    uint64_t mono_ns = base_mono_ns();
    int64_t gone_ms = (int64_t)((mono_ns - s->clock_at_ns) / BASE_NS_PER_MS);
    if (s->clock_at_ns == 0 || wall_ms >= s->clock_ms + gone_ms) {
        s->clock_ms = wall_ms;
        s->clock_at_ns = mono_ns;
        return wall_ms;
    }
    return s->clock_ms + gone_ms;
}
