/* SPDX-License-Identifier: Apache-2.0 */
/* libgleaner: opening, closing, looking. */
#include "db_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOW_CALLERS_MS 100 /* they were all answered by the closing of the pool */

static void state_changed(void *ctx, const struct connection_snapshot *snapshot)
{
    struct gleaner_db *db = ctx;
    if (db->on_state != NULL) {
        db->on_state(db->on_state_ctx, connection_phase_name(snapshot->phase),
                     connection_tier_name(snapshot->tier), snapshot->reason);
    }
}

struct mongo_watch *db_watch(const struct gleaner_db *db, const struct db_settings *settings)
{
    return settings->options.slow_ms != MONGO_WATCH_OFF ? db->watch : NULL;
}

static enum gleaner_status create_supervisor(struct gleaner_db *db, struct base_error *error)
{
    struct supervisor_config config;
    if (mongo_watch_create(db->settings.options.slow_ms, &db->watch) != GLEANER_OK) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory");
    }
    db->mongo = db_mongo_options(&db->settings);
    db->mongo.watch = db_watch(db, &db->settings);
    db_supervisor_config(&db->settings, &db->mongo, &config);
    config.clock = base_clock_real();
    config.driver = supervisor_mongo_driver(&db->mongo);
    config.on_state = state_changed;
    config.on_state_ctx = db;
    return supervisor_create(&config, &db->supervisor, error);
}

static enum gleaner_status build(struct gleaner_db *db, struct base_error *error)
{
    enum gleaner_status status = create_supervisor(db, error);
    if (status != GLEANER_OK) {
        return status;
    }
    db->isolating = db->supervisor;
    db->pool = supervisor_pool(db->supervisor);
    db->connection = supervisor_connection(db->supervisor);
    db->published = connection_published(db->connection);
    db->version_word = connection_version_word(db->connection);
    struct monitor_config monitor_config = db_monitor_config(&db->settings);
    monitor_config.watch = db->watch;
    status = monitors_create(db->supervisor, &monitor_config, &db->monitors);
    if (status == GLEANER_OK) {
        status = sync_mutex_create(&db->configuring);
    }
    if (status == GLEANER_OK) {
        status = supervisor_start(db->supervisor);
    }
    return status == GLEANER_OK ? GLEANER_OK
                                : base_error_set(error, status, "threads could not be started");
}

static void free_db(struct gleaner_db *db)
{
    monitors_destroy(&db->monitors);
    mongo_watch_destroy(&db->watch);
    sync_mutex_destroy(&db->configuring);
    db_settings_fini(&db->settings);
    db->magic = 0;
    free(db);
}

enum gleaner_status db_tell(struct gleaner_error *out, enum gleaner_status status,
                            const struct base_error *detail)
{
    if (out != NULL && status != GLEANER_OK) {
        out->status = status;
        snprintf(out->message, sizeof(out->message), "%s", detail->message);
    }
    return status;
}

enum gleaner_status gleaner_db_open(const struct gleaner_db_options *options,
                                    struct gleaner_db **out, struct gleaner_error *error)
{
    struct base_error detail = {0};
    sync_init();
    *out = NULL;
    if (sync_in_forked_child()) {
        return db_tell(error,
                       base_error_set(&detail, GLEANER_E_CLOSED,
                                      "this is a child, forked after the parent had opened a "
                                      "database: fork before the first one is opened, or exec"),
                       &detail);
    }
    mongo_init();
    struct gleaner_db *db = calloc(1, sizeof(*db));
    if (db == NULL) {
        return db_tell(error, base_error_set(&detail, GLEANER_E_NOMEM, "out of memory"), &detail);
    }
    db->magic = DB_MAGIC;
    enum gleaner_status status = db_settings_take(&db->settings, options, &detail);
    if (status == GLEANER_OK) {
        db->on_state = db->settings.options.on_state;
        db->on_state_ctx = db->settings.options.on_state_ctx;
        status = build(db, &detail);
    }
    if (status == GLEANER_OK) {
        *out = db;
        return GLEANER_OK;
    }
    if (db->supervisor != NULL) {
        (void)supervisor_stop(&db->supervisor, 0);
    }
    free_db(db);
    return db_tell(error, status, &detail);
}

/* Databases whose loans never came back: kept for late returns, reachable for leak checkers. */
static _Atomic(struct gleaner_db *) abandoned_list;

static void keep_for_late_returns(struct gleaner_db *db)
{
    struct gleaner_db *head = atomic_load_explicit(&abandoned_list, memory_order_relaxed);
    do { /* another database being abandoned makes it repeat */
        db->next_abandoned = head;
    } while (!atomic_compare_exchange_weak_explicit(&abandoned_list, &head, db,
                                                    memory_order_release, memory_order_relaxed));
}

/* Called when the pool is closed: everybody who waited was answered and is on his way out. False:
 * one of them got no processor so far, on a machine that is very busy; what he stands on is kept.
 */
static bool await_callers(void *ctx)
{
    struct gleaner_db *db = ctx;
    uint64_t deadline_ns = base_mono_ns() + SLOW_CALLERS_MS * BASE_NS_PER_MS;
    uint32_t count;
    while ((count = atomic_load_explicit(&db->slow_callers, memory_order_acquire)) > 0 &&
           base_mono_ns() < deadline_ns) {
        (void)sync_futex_wait(&db->slow_callers, count, base_mono_ns() + BASE_NS_PER_MS);
    }
    sync_wait_readers(); /* ... and the fast path's read sections are over */
    return count == 0;
}

enum gleaner_status gleaner_db_close(struct gleaner_db **out, uint32_t drain_ms)
{
    struct gleaner_db *db = *out;
    if (db == NULL || sync_in_forked_child()) {
        *out = NULL;
        return GLEANER_OK;
    }
    BASE_CHECK_MAGIC(db, DB_MAGIC);
    if (supervisor_is_caller(db->isolating)) { /* it would wait for its own end */
        base_log_error("db", "event=close_refused why=\"called from on_state\"");
        return GLEANER_E_INVALID;
    }
    *out = NULL;
    enum supervisor_end end = supervisor_stop_after(&db->supervisor, drain_ms, await_callers, db);
    if (end == SUPERVISOR_CLEAN) {
        free_db(db);
        return GLEANER_OK;
    }
    /* a thread that hangs in the driver reads our options when it comes back */
    keep_for_late_returns(db);
    return end == SUPERVISOR_ABANDONED ? GLEANER_E_TIMEOUT : GLEANER_OK;
}

/* ---- looking
 * ------------------------------------------------------------------------------------- */

/* Nothing works here, whatever the parent's memory says. */
static void say_forked(struct connection_snapshot *now)
{
    now->phase = CONNECTION_CLOSED;
    now->tier = CONNECTION_NONE;
    now->next_attempt_ns = 0;
    snprintf(now->reason, sizeof(now->reason), "this is a forked child");
}

void gleaner_db_read_state(struct gleaner_db *db, struct gleaner_db_state *out)
{
    struct connection_snapshot now;
    struct gleaner_db_state all = {0};
    connection_copy(db->connection, &now);
    if (sync_in_forked_child()) {
        say_forked(&now);
    }
    uint64_t now_ns = base_mono_ns();
    snprintf(all.phase, sizeof(all.phase), "%s", connection_phase_name(now.phase));
    snprintf(all.tier, sizeof(all.tier), "%s", connection_tier_name(now.tier));
    snprintf(all.address, sizeof(all.address), "%s", now.address);
    snprintf(all.reason, sizeof(all.reason), "%s", now.reason);
    all.version = now.version;
    all.generation = now.generation;
    all.since_ms = now_ns > now.since_ns ? (now_ns - now.since_ns) / BASE_NS_PER_MS : 0;
    all.next_attempt_ms =
        now.next_attempt_ns > now_ns ? (now.next_attempt_ns - now_ns) / BASE_NS_PER_MS : 0;
    size_t size = out->size != 0 && out->size < sizeof(all) ? out->size : sizeof(all);
    all.size = size;
    memcpy(out, &all, size);
}

void gleaner_db_refresh(struct gleaner_db *db)
{
    supervisor_request_refresh(db->supervisor);
}

void gleaner_db_check_now(struct gleaner_db *db)
{
    supervisor_request_check(db->supervisor);
}

void gleaner_monitor_read(struct gleaner_db *db, struct gleaner_monitor_report *out)
{
    monitors_read(db->monitors, out);
}

size_t gleaner_monitor_alerts(struct gleaner_db *db, char *buf, size_t buf_size)
{
    return monitors_alerts(db->monitors, buf, buf_size);
}

size_t gleaner_monitor_operations(struct gleaner_db *db, struct gleaner_operation *out,
                                  size_t entry_size, size_t most)
{
    return monitors_operations(db->monitors, out, entry_size, most);
}

size_t gleaner_monitor_slow(struct gleaner_db *db, char *buf, size_t buf_size)
{
    return monitors_slow(db->monitors, buf, buf_size);
}

void gleaner_monitor_note_spool(struct gleaner_db *db, uint64_t bytes, uint64_t max_bytes)
{
    monitors_note_spool(db->monitors, bytes, max_bytes);
}
