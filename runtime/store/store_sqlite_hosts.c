/* SPDX-License-Identifier: Apache-2.0 */
/* Holds and delays of hosts in the embedded file. */
#include "store_sqlite_internal.h"

#define FORGET_AFTER_MS INT64_C(86400000)

/* Once per opening: the table is small, and a host's record is of no use after a day. */
static enum gleaner_status forget_old(struct store_sqlite *s, int64_t now, struct base_error *error)
{
    if (s->hosts_are_clean) {
        return GLEANER_OK;
    }
    s->hosts_are_clean = true;
    sqlite3_stmt *forget = store_sql(s, SQL_HOST_FORGET);
    sqlite3_bind_int64(forget, 1, now - FORGET_AFTER_MS);
    return store_sql_run(s, forget, error);
}

static enum gleaner_status note_locked(struct store_sqlite *s, const struct store_host *hosts,
                                       size_t count, struct base_error *error)
{
    int64_t now = store_db_now_locked(s);
    enum gleaner_status status = forget_old(s, now, error);
    for (size_t i = 0; i < count && status == GLEANER_OK; i++) {
        sqlite3_stmt *put = store_sql(s, SQL_HOST_PUT);
        store_bind_text(put, 1, hosts[i].name);
        sqlite3_bind_int64(put, 2, hosts[i].hold_ms > 0 ? now + (int64_t)hosts[i].hold_ms : 0);
        sqlite3_bind_int64(put, 3, (int64_t)hosts[i].delay_ms);
        sqlite3_bind_int64(put, 4, now);
        status = store_sql_run(s, put, error);
    }
    return status;
}

enum gleaner_status store_sqlite_hosts_note(struct store *store, const struct store_host *hosts,
                                            size_t count, struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    enum gleaner_status status = store_db_begin(s, error);
    return status == GLEANER_OK ? store_db_end(s, note_locked(s, hosts, count, error), error)
                                : status;
}

static enum gleaner_status read_locked(struct store_sqlite *s, struct store_host *host, int64_t now,
                                       struct base_error *error)
{
    bool found = false;
    sqlite3_stmt *get = store_sql(s, SQL_HOST_GET);
    store_bind_text(get, 1, host->name);
    enum gleaner_status status = store_sql_next(s, get, &found, error);
    if (found) {
        int64_t until = sqlite3_column_int64(get, 0);
        host->hold_ms = until > now ? (uint64_t)(until - now) : 0;
        host->delay_ms = (uint64_t)sqlite3_column_int64(get, 1);
        sqlite3_reset(get);
    }
    return status;
}

enum gleaner_status store_sqlite_hosts_read(struct store *store, struct store_host *hosts,
                                            size_t count, struct base_error *error)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    enum gleaner_status status = GLEANER_OK;
    sync_mutex_lock(s->mutex);
    int64_t now = store_db_now_locked(s);
    for (size_t i = 0; i < count && status == GLEANER_OK; i++) {
        status = read_locked(s, &hosts[i], now, error);
    }
    sync_mutex_unlock(s->mutex);
    return status;
}
