/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the embedded store, their versions, and every statement of the writing connection
 * in one table: what the hot path costs can be read here. */
#include "store_sqlite_internal.h"

#include <stdio.h>

/* "GLNR" in the header of the file: tells ours from a foreign database of the same name. */
#define APPLICATION_ID 0x474c4e52

/* migrations[v] leads from version v to v + 1; a released one never changes. */
static const char *const migrations[] = {
    /* 0 -> 1 */
    "CREATE TABLE collections(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " documents INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE documents(collection INTEGER NOT NULL, id BLOB NOT NULL, url TEXT,"
    " bson BLOB NOT NULL, PRIMARY KEY(collection, id)) STRICT;"
    "CREATE TABLE queues(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " ready INTEGER NOT NULL DEFAULT 0, waiting INTEGER NOT NULL DEFAULT 0,"
    " leased INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0,"
    " dead INTEGER NOT NULL DEFAULT 0, token INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE jobs(queue INTEGER NOT NULL, key INTEGER NOT NULL, state INTEGER NOT NULL,"
    " priority INTEGER NOT NULL, rank INTEGER NOT NULL, host_key INTEGER NOT NULL,"
    " due INTEGER, token INTEGER NOT NULL DEFAULT 0, deliveries INTEGER NOT NULL DEFAULT 0,"
    " attempts INTEGER NOT NULL DEFAULT 0, depth INTEGER NOT NULL, url TEXT NOT NULL,"
    " host TEXT NOT NULL, type TEXT NOT NULL, via TEXT NOT NULL, owner TEXT, class TEXT,"
    " reason TEXT, content_found INTEGER, results BLOB, PRIMARY KEY(queue, key)) STRICT;"
    /* Each open job is in exactly one of these two. */
    "CREATE INDEX jobs_ready ON jobs(queue, priority, rank, host_key) WHERE state = 0;"
    "CREATE INDEX jobs_due ON jobs(queue, due, state) WHERE due IS NOT NULL;"
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    /* seq only grows, so a document that is spooled again moves behind what was there. */
    "CREATE TABLE spool(seq INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL,"
    " id BLOB NOT NULL, url TEXT, crc INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    " bson BLOB NOT NULL, UNIQUE(collection, id)) STRICT;"
    "CREATE TABLE spool_damaged(seq INTEGER PRIMARY KEY, collection INTEGER NOT NULL,"
    " id BLOB NOT NULL, url TEXT, crc INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    " bson BLOB NOT NULL) STRICT;"
    "CREATE TABLE spool_state(one INTEGER PRIMARY KEY CHECK(one = 1),"
    " documents INTEGER NOT NULL, bytes INTEGER NOT NULL, replayed INTEGER NOT NULL) STRICT;"
    "INSERT INTO spool_state VALUES(1, 0, 0, 0);",
    /* 1 -> 2: what politeness must not forget */
    "CREATE TABLE hosts(name TEXT PRIMARY KEY, hold_until INTEGER NOT NULL,"
    " delay INTEGER NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};
#define SCHEMA_VERSION ((int)BASE_ARRAY_LEN(migrations))

const char *const store_sql_text[SQL_STATEMENT_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",

    [SQL_COLLECTION_GET] = "SELECT id, documents FROM collections WHERE name = ?1",
    [SQL_COLLECTION_ADD] = "INSERT INTO collections(name) VALUES(?1)",
    [SQL_COLLECTION_COUNT] = "UPDATE collections SET documents = documents + ?2 WHERE id = ?1",
    [SQL_COLLECTION_SUM] = "SELECT coalesce(sum(documents), 0) FROM collections",
    [SQL_DOCUMENT_INSERT] = "INSERT INTO documents(collection, id, url, bson)"
                            " VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    [SQL_DOCUMENT_REPLACE] = "UPDATE documents SET url = ?3, bson = ?4"
                             " WHERE collection = ?1 AND id = ?2 AND bson <> ?4",
    [SQL_DOCUMENT_GET] = "SELECT id, bson, rowid FROM documents"
                         " WHERE collection = ?1 AND id = ?2",
    [SQL_DOCUMENT_ANY] = "SELECT id, bson FROM documents WHERE collection = ?1 LIMIT ?2",

    [SQL_QUEUE_GET] = "SELECT id FROM queues WHERE name = ?1",
    [SQL_QUEUE_ADD] = "INSERT INTO queues(name) VALUES(?1)",
    [SQL_QUEUE_LOAD] = "SELECT ready, waiting, leased, done, dead, token FROM queues WHERE id = ?1",
    [SQL_QUEUE_SAVE] = "UPDATE queues SET ready = ?2, waiting = ?3, leased = ?4, done = ?5,"
                       " dead = ?6, token = ?7 WHERE id = ?1",
    [SQL_QUEUE_FRONT] = "SELECT rank FROM jobs INDEXED BY jobs_ready WHERE queue = ?1 AND state = 0"
                        " ORDER BY priority, rank LIMIT 1",
    [SQL_QUEUE_CLEAR] = "DELETE FROM jobs WHERE queue = ?1",

    [SQL_JOB_INSERT] = "INSERT INTO jobs(queue, key, state, priority, rank, host_key, due, depth,"
                       " url, host, type, via) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
                       " ?12) ON CONFLICT DO NOTHING",
    [SQL_JOB_OVERDUE] = "SELECT rowid, state FROM jobs INDEXED BY jobs_due"
                        " WHERE queue = ?1 AND due <= ?2 ORDER BY due LIMIT ?3",
    [SQL_JOB_PROMOTE] = "UPDATE jobs SET state = 0, due = NULL WHERE rowid = ?1",
    [SQL_JOB_SCAN] = "SELECT rowid, host_key, rank FROM jobs INDEXED BY jobs_ready"
                     " WHERE queue = ?1 AND state = 0 ORDER BY priority, rank",
    [SQL_JOB_SCAN_TYPED] = "SELECT rowid, host_key, rank, type FROM jobs INDEXED BY jobs_ready"
                           " WHERE queue = ?1 AND state = 0 ORDER BY priority, rank",
    [SQL_JOB_FETCH] = "SELECT key, url, host, type, via, depth, priority, deliveries, attempts"
                      " FROM jobs WHERE rowid = ?1",
    [SQL_JOB_LEASE] = "UPDATE jobs SET state = 2, due = ?2, token = ?3,"
                      " deliveries = deliveries + 1, owner = ?4 WHERE rowid = ?1",
    [SQL_JOB_FIND] = "SELECT rowid, state, token FROM jobs WHERE queue = ?1 AND key = ?2",
    [SQL_JOB_CLOSE] = "UPDATE jobs SET state = ?2, due = NULL, token = -abs(token), class = ?3,"
                      " reason = ?4, content_found = ?5, results = ?6 WHERE rowid = ?1",
    [SQL_JOB_BURY] = "UPDATE jobs SET state = 4, due = NULL, token = 0, class = 'poison',"
                     " reason = ?2 WHERE rowid = ?1",
    [SQL_JOB_RETRY] = "UPDATE jobs SET state = ?2, due = ?3, token = -abs(token),"
                      " attempts = attempts + 1, class = ?4, reason = ?5 WHERE rowid = ?1",
    [SQL_JOB_RELEASE] = "UPDATE jobs SET state = ?2, due = ?3, token = -abs(token),"
                        " deliveries = max(deliveries - 1, 0) WHERE rowid = ?1",
    [SQL_JOB_RENEW] = "UPDATE jobs SET state = 2, due = ?2 WHERE rowid = ?1",
    [SQL_JOB_ANEW] = "UPDATE jobs SET state = 0, due = NULL, token = 0, deliveries = 0,"
                     " attempts = 0, owner = NULL, class = NULL, reason = NULL WHERE rowid = ?1",
    /* no token: who has it on lease finds it taken away */
    [SQL_JOB_DROP] = "UPDATE jobs SET state = 4, due = NULL, token = 0, owner = NULL,"
                     " class = '" STORE_DROPPED "', reason = 'dropped by hand' WHERE rowid = ?1",
    [SQL_JOB_LEASES] = "SELECT rowid FROM jobs INDEXED BY jobs_due WHERE queue = ?1"
                       " AND due IS NOT NULL AND state = 2 AND (?2 IS NULL OR owner = ?2)",
    [SQL_JOB_COUNT_OVERDUE] = "SELECT count(*), coalesce(sum(state = 1), 0) FROM jobs"
                              " INDEXED BY jobs_due WHERE queue = ?1 AND due <= ?2",
    [SQL_JOB_NEXT_DUE] = "SELECT due FROM jobs INDEXED BY jobs_due WHERE queue = ?1 AND due > ?2"
                         " ORDER BY due LIMIT 1",

    [SQL_META_PUT] = "INSERT INTO meta(name, value) VALUES(?1, ?2)"
                     " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [SQL_META_GET] = "SELECT value FROM meta WHERE name = ?1",

    [SQL_HOST_PUT] = "INSERT INTO hosts(name, hold_until, delay, at) VALUES(?1, ?2, ?3, ?4)"
                     " ON CONFLICT(name) DO UPDATE SET delay = excluded.delay, at = excluded.at,"
                     " hold_until = max(hold_until, excluded.hold_until)",
    [SQL_HOST_GET] = "SELECT hold_until, delay FROM hosts WHERE name = ?1",
    [SQL_HOST_FORGET] = "DELETE FROM hosts WHERE at < ?1 AND hold_until < ?1",

    [SQL_SPOOL_STATE] = "SELECT documents, bytes, replayed FROM spool_state WHERE one = 1",
    [SQL_SPOOL_STATE_SAVE] = "UPDATE spool_state SET documents = ?1, bytes = ?2, replayed = ?3",
    [SQL_SPOOL_FIND] = "SELECT seq, length(bson) FROM spool WHERE collection = ?1 AND id = ?2",
    [SQL_SPOOL_PUT] = "INSERT OR REPLACE INTO spool(collection, id, url, crc, at_ms, bson)"
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_SPOOL_TAKE] = "SELECT seq, (SELECT name FROM collections c WHERE c.id = s.collection), id,"
                       " url, crc, bson FROM spool s ORDER BY seq LIMIT ?1",
    [SQL_SPOOL_DELETE] = "DELETE FROM spool WHERE seq = ?1 RETURNING length(bson)",
    [SQL_SPOOL_SET_ASIDE] = "INSERT OR IGNORE INTO spool_damaged SELECT seq, collection, id, url,"
                            " crc, at_ms, bson FROM spool WHERE seq = ?1",
    [SQL_SPOOL_OLDEST] = "SELECT at_ms FROM spool ORDER BY seq LIMIT 1",
};

static enum gleaner_status read_number(struct store_sqlite *s, const char *sql, int *out,
                                       struct base_error *error)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        enum gleaner_status status = store_db_error(s, s->db, error);
        sqlite3_finalize(statement);
        return status;
    }
    *out = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return GLEANER_OK;
}

static enum gleaner_status migrate_locked(struct store_sqlite *s, int version,
                                          struct base_error *error)
{
    char pragmas[96];
    enum gleaner_status status = GLEANER_OK;
    for (int v = version; v < SCHEMA_VERSION && status == GLEANER_OK; v++) {
        status = store_db_exec(s, s->db, migrations[v], error);
    }
    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION_ID, SCHEMA_VERSION);
    return status != GLEANER_OK ? status : store_db_exec(s, s->db, pragmas, error);
}

/* Writes nothing: a foreign, newer or damaged file stays as it is. */
enum gleaner_status store_schema_check(struct store_sqlite *s, int *version,
                                       struct base_error *error)
{
    int application = 0, tables = 0;
    enum gleaner_status status = read_number(s, "PRAGMA application_id", &application, error);
    if (status == GLEANER_OK) {
        status = read_number(s, "PRAGMA user_version", version, error);
    }
    if (status == GLEANER_OK) {
        status = read_number(s, "SELECT count(*) FROM sqlite_schema", &tables, error);
    }
    if (status != GLEANER_OK) {
        return status;
    }
    if (tables > 0 && application != APPLICATION_ID) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "%s is a database of another program; choose another directory",
                              s->path);
    }
    if (*version > SCHEMA_VERSION) {
        return base_error_set(error, GLEANER_E_UNSUPPORTED,
                              "%s was written by a newer gleaner (schema %d, this one knows %d); "
                              "use that version, or another directory",
                              s->path, *version, SCHEMA_VERSION);
    }
    if (s->read_only && *version < SCHEMA_VERSION) {
        return base_error_set(error, GLEANER_E_UNSUPPORTED,
                              "%s has schema %d and needs %d; run gleaner on it once to migrate it",
                              s->path, *version, SCHEMA_VERSION);
    }
    return GLEANER_OK;
}

enum gleaner_status store_schema_migrate(struct store_sqlite *s, int version,
                                         struct base_error *error)
{
    if (version == SCHEMA_VERSION) {
        return GLEANER_OK;
    }
    enum gleaner_status status = store_db_begin(s, error);
    return status != GLEANER_OK ? status
                                : store_db_end(s, migrate_locked(s, version, error), error);
}
