/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the stores that a command works on: embedded, MongoDB, or both with the spool between. */
#include "process_internal.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- libgleaner ---- */

/* The pool's table is as long from the start: max_pool_size may be set to anything that is allowed
 * while the process runs. */
#define POOL_SIZE_LIMIT 100

static uint32_t narrow(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* A number that nobody set is left to the URI, and to libgleaner, whose default is the same. */
static uint32_t chosen(const struct settings *s, const uint64_t *value)
{
    return settings_is_given(s, value) ? narrow(*value) : 0;
}

void work_db_options(const struct settings *s, struct gleaner_db_options *o)
{
    gleaner_db_options_init(o);
    o->uri = s->target;
    o->fallback_uri = s->fallback_uri;
    o->app_name = s->app_name;
    o->database = s->database;
    o->max_pool_size = chosen(s, &s->max_pool_size);
    o->min_pool_size = chosen(s, &s->min_pool_size);
    o->max_connecting = chosen(s, &s->max_connecting);
    o->max_idle_ms = chosen(s, &s->max_idle_ms);
    o->server_selection_ms = narrow(s->server_selection_ms);
    o->connect_ms = narrow(s->connect_ms);
    o->socket_ms = narrow(s->socket_ms);
    o->heartbeat_ms = narrow(s->heartbeat_ms);
    o->health_interval_ms = narrow(s->health_interval_ms);
    o->unhealthy_after = narrow(s->unhealthy_after);
    o->pool_check_interval_ms = narrow(s->pool_check_interval_ms);
    o->connection_check_interval_ms = narrow(s->connection_check_interval_ms);
    o->refresh_interval_ms = narrow(s->refresh_interval_ms);
    o->reconnect_limit = narrow(s->reconnect_limit);
    o->reconnect_window_ms = narrow(s->reconnect_window_ms);
    o->backoff_base_ms = narrow(s->backoff_base_ms);
    o->backoff_cap_ms = narrow(s->backoff_cap_ms);
    o->return_checks = narrow(s->return_checks);
    o->return_span_ms = narrow(s->return_span_ms);
    o->no_retry_writes = !s->retry_writes;
    o->wait_queue_timeout_ms = narrow(s->wait_queue_timeout_ms);
    o->driver_pools = narrow(s->driver_pools);
    /* Every command ends with its process, and main leaves by _exit() while driver pools are still
     * being destroyed: half a second that nobody need wait for, so the default is short. */
    o->close_wait_ms = narrow(s->close_wait_ms);
    o->slow_ms = narrow(s->slow_ms);
    o->max_pool_size_limit = POOL_SIZE_LIMIT;
}

enum gleaner_status work_open_db(const struct settings *settings, struct gleaner_db **out,
                                 struct base_error *error)
{
    struct gleaner_db_options options;
    struct gleaner_error why = {0};
    work_db_options(settings, &options);
    enum gleaner_status status = gleaner_db_open(&options, out, &why);
    if (status != GLEANER_OK) {
        return base_error_set(error, status, "%s", why.message);
    }
    return GLEANER_OK;
}

enum gleaner_status work_wait_server(struct work *work, struct base_error *error)
{
    const struct settings *s = work->settings;
    uint64_t first_ms = s->server_selection_ms + s->connect_ms;
    uint64_t limit_ms = s->operation_ms < first_ms ? s->operation_ms : first_ms;
    if (gleaner_db_wait_up(work->db, narrow(limit_ms)) == GLEANER_OK) {
        return GLEANER_OK;
    }
    struct gleaner_db_state state = {.size = sizeof state};
    gleaner_db_read_state(work->db, &state);
    return base_error_set(error, GLEANER_E_DOWN, "%s cannot be used: %s", work->target,
                          state.reason[0] != '\0' ? state.reason : "no answer");
}

static bool remote_is_up(void *ctx)
{
    struct work *work = ctx;
    return atomic_load_explicit(&work->may_use_remote, memory_order_acquire) &&
           gleaner_db_is_up(work->db);
}

static enum gleaner_status open_remote(struct work *work, struct base_error *error)
{
    const struct settings *settings = work->settings;
    enum gleaner_status status = work_open_db(settings, &work->db, error);
    if (status != GLEANER_OK) {
        return status;
    }
    const struct store_mongo_options options = {
        .db = work->db,
        .database = settings->database,
        .uri = settings->target,
        .jobs_collection = settings->jobs_collection,
        .frontier_collection = settings->frontier_collection,
        .operation_ms = narrow(settings->operation_ms),
    };
    return store_mongo_open(&options, &work->remote, error);
}

/* ---- the data directory ---- */

static enum gleaner_status choose_directory(struct work *work, struct base_error *error)
{
    enum settings_target target = settings_target(work->settings);
    if (target != TARGET_NONE && target != TARGET_STREAM) {
        (void)snprintf(work->data, sizeof work->data, "%s", work->settings->data);
        return GLEANER_OK;
    }
    const char *base = getenv("TMPDIR");
    (void)snprintf(work->data, sizeof work->data, "%s/gleaner.XXXXXX",
                   base != NULL && base[0] == '/' ? base : "/tmp");
    if (mkdtemp(work->data) == NULL) {
        return base_error_set(error, GLEANER_E_IO, "cannot make a directory in %s: %s", work->data,
                              strerror(errno));
    }
    work->is_temporary = true;
    return GLEANER_OK;
}

static void remove_temporary(const char *directory)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, "gleaner", 7) == 0 || strcmp(entry->d_name, "lock") == 0) {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    (void)rmdir(directory);
}

static enum gleaner_status open_local(struct work *work, struct base_error *error)
{
    const struct store_sqlite_options options = {
        .directory = work->data,
        .durable = true,
        .in_memory = work->is_temporary,
        .drops_documents = settings_wants_sink(work->settings),
        .spool_max_bytes = work->settings->spool_max_mb << 20,
    };
    return store_sqlite_open(&options, &work->local, error);
}

/* ---- the spool's owner ---- */

/* Documents in the spool belong to the server they could not reach, whoever logs in there.
 * Replaying them to another one because somebody changed --to would be split brain, so the data
 * directory remembers its server and the remote is not used before this was checked. */
static enum gleaner_status check_spool_owner(struct work *work, struct base_error *error)
{
    char mine[700];
    const char *database = work->settings->database;
    (void)snprintf(mine, sizeof mine, "%s %s", work->target, database != NULL ? database : "");
    struct store_spool_stats spool = {0};
    struct base_buffer owner = {0};
    store_tiered_spool(work->tiered, &spool);
    enum gleaner_status status = store_meta_get(work->local, "spool/target", &owner, NULL);
    bool is_known = status == GLEANER_OK && strcmp(owner.data, mine) == 0;
    bool is_other = status == GLEANER_OK && !settings_same_place(owner.data, mine);
    if (is_other && spool.documents > 0) {
        status =
            base_error_set(error, GLEANER_E_CONFIG,
                           "%s holds %llu documents for %s; deliver them there first (gleaner "
                           "spool drain), take them out (gleaner spool export), or use another "
                           "--data directory",
                           work->data, (unsigned long long)spool.documents, owner.data);
    } else if (status == GLEANER_E_NOT_FOUND || (status == GLEANER_OK && !is_known)) {
        status = store_meta_put(work->local, "spool/target", mine, error);
    }
    base_buffer_fini(&owner);
    if (status == GLEANER_OK) {
        atomic_store_explicit(&work->may_use_remote, true, memory_order_release);
    }
    return status;
}

static enum gleaner_status open_tiered(struct work *work, struct base_error *error)
{
    const struct store_tiered_options options = {
        .local = work->local,
        .remote = work->remote,
        .remote_is_up = remote_is_up,
        .remote_ctx = work,
        .drain_documents_per_s = narrow(work->settings->drain_documents_per_s),
    };
    enum gleaner_status status = store_tiered_open(&options, &work->tiered, error);
    return status == GLEANER_OK ? check_spool_owner(work, error) : status;
}

/* ---- all together ---- */

enum gleaner_status work_open_stores(struct work *work, const struct settings *settings,
                                     enum work_kind kind, struct base_error *error)
{
    work->settings = settings;
    work->kind = kind;
    work->sources.started_ns = base_mono_ns();
    base_redact_uri(settings->target, work->target, sizeof work->target);
    bool has_server = settings_wants_server(settings);
    if (work->is_shared && !has_server) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "--frontier shared keeps the crawl on a server: --to mongodb://...");
    }
    bool is_local = kind == WORK_CRAWL && !work->is_shared;
    enum gleaner_status status = choose_directory(work, error);
    if (status == GLEANER_OK && (is_local || !has_server)) {
        status = open_local(work, error);
        work->documents = work->local;
    }
    if (status == GLEANER_OK && has_server) {
        status = open_remote(work, error);
        work->documents = work->remote;
    }
    if (status == GLEANER_OK && has_server && is_local) {
        status = open_tiered(work, error);
        work->documents = work->tiered;
    }
    work_name_owner(work, kind);
    return status;
}

/* How long the drivers' pool may take to end; the stores are closed by then. */
#define DB_CLOSE_MS 2000

/* ... and the rest of the closing of what ran. */
#define CLOSE_MS (DB_CLOSE_MS + 600)

void work_close_soon(struct work *work, enum exit_code code)
{
    if (work->db != NULL) {
        signals_leave_by(base_mono_ns() + CLOSE_MS * BASE_NS_PER_MS, code);
    }
    work_close(work);
}

void work_close(struct work *work)
{
    live_stop(work);
    admin_server_stop(&work->server);
    live_close(work);
    work_count_end(work);
    if (work->workers != NULL) {
        worker_group_request_stop(work->workers, base_mono_ns());
        worker_group_join(&work->workers);
    }
    sinks_close(&work->sinks);
    if (work->fetch != NULL) {
        fetch_engine_stop(&work->fetch);
    }
    worker_shares_destroy(&work->shares); /* the engine asked them */
    if (work->modules != NULL) {
        module_registry_destroy(&work->modules);
    }
    queue_destroy(&work->queue);
    queue_scope_destroy(&work->scope);
    if (work->jobs != NULL) {
        store_queue_close(&work->jobs);
    }
    struct store **const stores[] = {&work->tiered, &work->remote, &work->local};
    for (size_t i = 0; i < BASE_ARRAY_LEN(stores); i++) {
        if (*stores[i] != NULL) {
            store_close(stores[i]);
        }
    }
    if (work->db != NULL) {
        (void)gleaner_db_close(&work->db, DB_CLOSE_MS);
    }
    work_forget_owner(work);
    if (work->is_temporary) {
        remove_temporary(work->data);
        work->is_temporary = false;
    }
}

enum exit_code work_exit_code(enum gleaner_status status)
{
    switch (status) {
    case GLEANER_OK:
        return EXIT_COMPLETE;
    case GLEANER_E_CONFIG:
    case GLEANER_E_INVALID:
    case GLEANER_E_UNSUPPORTED:
    case GLEANER_E_NOT_FOUND:
    case GLEANER_E_EXISTS:
        return EXIT_USAGE;
    case GLEANER_E_NOMEM:
    case GLEANER_E_INTERNAL:
        return EXIT_OTHER;
    default:
        return EXIT_STORAGE;
    }
}
