/* SPDX-License-Identifier: Apache-2.0 */
/* libgleaner: other settings while it runs. Checked here, applied in one go on the supervisor
 * thread. */
#include "db_internal.h"
#include <string.h>

/* One change on its way to the supervisor; lives on the caller's stack until it is done. */
struct configuring {
    struct supervisor_message message;
    struct gleaner_db *db;
    struct supervisor_change *change;
    struct monitor_config monitor_config;
    uint32_t slow_ms;
    bool was_stopped; /* plain: published by is_done */
    /* futex. writes: supervisor thread (release); reads: the caller (acquire) */
    _Atomic uint32_t is_done;
};

static void apply(struct supervisor_message *message, bool is_stopped)
{
    struct configuring *configuring = BASE_CONTAINER_OF(message, struct configuring, message);
    if (!is_stopped) {
        supervisor_change_apply(configuring->db->isolating, configuring->change);
        monitors_configure(configuring->db->monitors, &configuring->monitor_config);
        mongo_watch_set_slow(configuring->db->watch, configuring->slow_ms);
    }
    configuring->was_stopped = is_stopped;
    atomic_store_explicit(&configuring->is_done, 1, memory_order_release);
    sync_futex_wake(&configuring->is_done, 1);
}

/* What is fixed by opening. */
static enum gleaner_status check_fixed(const struct gleaner_db *db, const struct db_settings *to,
                                       struct base_error *error)
{
    const struct gleaner_db_options *options = &to->options;
    if (db->settings.uri != NULL && to->uri == NULL) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "uri cannot be taken away while open; close, and open without one");
    }
    if (options->on_state != NULL &&
        (options->on_state != db->on_state || options->on_state_ctx != db->on_state_ctx)) {
        return base_error_set(error, GLEANER_E_CONFIG, "on_state cannot change while open");
    }
    return GLEANER_OK;
}

/* The limit is the table's: a set that names none keeps it. */
static enum gleaner_status keep_limit(const struct gleaner_db *db,
                                      const struct gleaner_db_options *given,
                                      struct gleaner_db_options *out, struct base_error *error)
{
    size_t size = given->size < sizeof(*out) ? given->size : sizeof(*out);
    gleaner_db_options_init(out);
    memcpy(out, given, size);
    out->size = size;
    uint32_t limit = db->settings.options.max_pool_size_limit;
    bool has_limit = size == sizeof(*out) && out->max_pool_size_limit != 0;
    if (has_limit && out->max_pool_size_limit != limit) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "max_pool_size_limit cannot change while open: it is %u", limit);
    }
    out->size = size < offsetof(struct gleaner_db_options, on_state) ? size : sizeof(*out);
    out->max_pool_size_limit = limit;
    return GLEANER_OK;
}

static enum gleaner_status hand_over(struct gleaner_db *db, const struct db_settings *settings,
                                     struct base_error *error)
{
    struct configuring configuring = {
        .message = {.run = apply},
        .db = db,
        .monitor_config = db_monitor_config(settings),
        .slow_ms = settings->options.slow_ms,
    };
    configuring.monitor_config.watch = db->watch;
    struct supervisor_config config;
    struct mongo_options mongo = db_mongo_options(settings);
    mongo.watch = db_watch(db, settings);
    db_supervisor_config(settings, &mongo, &config);
    enum gleaner_status status =
        supervisor_change_create(db->isolating, &config, &configuring.change, error);
    if (status != GLEANER_OK) {
        return status;
    }
    supervisor_post(db->isolating, &configuring.message);
    while (atomic_load_explicit(&configuring.is_done, memory_order_acquire) == 0) {
        /* repeats on spurious wakes; the supervisor never blocks, so this ends soon */
        (void)sync_futex_wait(&configuring.is_done, 0, BASE_NO_DEADLINE);
    }
    supervisor_change_destroy(&configuring.change);
    return configuring.was_stopped ? base_error_set(error, GLEANER_E_CLOSED, "it is being closed")
                                   : GLEANER_OK;
}

static enum gleaner_status configure_locked(struct gleaner_db *db,
                                            const struct gleaner_db_options *given,
                                            struct base_error *error)
{
    BASE_ASSERT(sync_mutex_is_mine(db->configuring));
    struct gleaner_db_options options;
    struct db_settings settings = {0};
    enum gleaner_status status = keep_limit(db, given, &options, error);
    if (status == GLEANER_OK) {
        status = db_settings_take(&settings, &options, error);
    }
    if (status == GLEANER_OK) {
        status = check_fixed(db, &settings, error);
    }
    if (status == GLEANER_OK) {
        status = hand_over(db, &settings, error);
    }
    if (status == GLEANER_OK) {
        struct db_settings before = db->settings;
        db->settings = settings;
        settings = before;
    }
    db_settings_fini(&settings);
    return status;
}

enum gleaner_status gleaner_db_configure(struct gleaner_db *db,
                                         const struct gleaner_db_options *options,
                                         struct gleaner_error *error)
{
    struct base_error detail = {0};
    BASE_CHECK_MAGIC(db, DB_MAGIC);
    if (sync_in_forked_child()) {
        return db_tell(error, GLEANER_E_CLOSED, &detail);
    }
    if (supervisor_is_caller(db->isolating)) { /* it would wait for itself */
        (void)base_error_set(&detail, GLEANER_E_INVALID, "on_state must not change settings");
        return db_tell(error, GLEANER_E_INVALID, &detail);
    }
    atomic_fetch_add_explicit(&db->slow_callers, 1, memory_order_acq_rel);
    sync_mutex_lock(db->configuring);
    enum gleaner_status status = configure_locked(db, options, &detail);
    sync_mutex_unlock(db->configuring);
    atomic_fetch_sub_explicit(&db->slow_callers, 1, memory_order_acq_rel);
    return db_tell(error, status, &detail);
}
