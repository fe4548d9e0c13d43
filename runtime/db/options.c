/* SPDX-License-Identifier: Apache-2.0 */
/* Options: defaults, copies, limits. Every number's reason is in README.md. */
#include "db_internal.h"
#include "db_limits.h"
#include <stdlib.h>
#include <string.h>

#define CONDEMNED_SLOTS 16
#define POOL_FIRST_CHECK_MS 5000

void gleaner_db_options_init(struct gleaner_db_options *options)
{
    *options = (struct gleaner_db_options){.size = sizeof(*options)};
}

/* One row per number: 0 means its default; outside of the limits is refused by name. */
static const struct number {
    const char *name;
    size_t offset;
    uint32_t fallback, least, most;
} numbers[] = {
#define NUMBER(field, limits)                                                                      \
    {                                                                                              \
#field, offsetof(struct gleaner_db_options, field), limits                                 \
    }
    NUMBER(max_pool_size, DB_MAX_POOL_SIZE),
    NUMBER(min_pool_size, DB_MIN_POOL_SIZE),
    NUMBER(max_connecting, DB_MAX_CONNECTING),
    NUMBER(max_idle_ms, DB_MAX_IDLE_MS),
    NUMBER(server_selection_ms, DB_SERVER_SELECTION_MS),
    NUMBER(connect_ms, DB_CONNECT_MS),
    NUMBER(socket_ms, DB_SOCKET_MS),
    NUMBER(heartbeat_ms, DB_HEARTBEAT_MS),
    NUMBER(health_interval_ms, DB_HEALTH_INTERVAL_MS),
    NUMBER(unhealthy_after, DB_UNHEALTHY_AFTER),
    NUMBER(pool_check_interval_ms, DB_POOL_CHECK_INTERVAL_MS),
    NUMBER(connection_check_interval_ms, DB_CONNECTION_CHECK_INTERVAL_MS),
    NUMBER(refresh_interval_ms, DB_REFRESH_INTERVAL_MS),
    NUMBER(reconnect_limit, DB_RECONNECT_LIMIT),
    NUMBER(reconnect_window_ms, DB_RECONNECT_WINDOW_MS),
    NUMBER(backoff_base_ms, DB_BACKOFF_BASE_MS),
    NUMBER(backoff_cap_ms, DB_BACKOFF_CAP_MS),
    NUMBER(return_checks, DB_RETURN_CHECKS),
    NUMBER(return_span_ms, DB_RETURN_SPAN_MS),
    NUMBER(driver_pools, DB_DRIVER_POOLS),
    NUMBER(close_wait_ms, DB_CLOSE_WAIT_MS),
    NUMBER(max_pool_size_limit,
           DB_MAX_POOL_SIZE_LIMIT), /* its default depends: see default_limit() */
    NUMBER(slow_ms, DB_SLOW_MS),
#undef NUMBER
};
#define MOST_POOLS(otherwise, least, most) most
#define MOST(limits) MOST_POOLS(limits)
_Static_assert(MOST(DB_DRIVER_POOLS) == SUPERVISOR_MAX_SHARDS, "the supervisor's table is as long");
#undef MOST
#undef MOST_POOLS

/* The table's places are fixed: room to grow is reserved, within reason. */
static uint32_t default_limit(uint32_t max_pool_size)
{
    uint32_t twice = 2 * max_pool_size;
    return twice < 32 ? 32 : twice > 100 ? 100 : twice;
}

static uint32_t *number_at(struct gleaner_db_options *options, const struct number *number)
{
    return (uint32_t *)(void *)((char *)options + number->offset);
}

static enum gleaner_status fill_numbers(struct gleaner_db_options *options,
                                        struct base_error *error)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(numbers); i++) {
        uint32_t *value = number_at(options, &numbers[i]);
        if (*value == 0) {
            *value = numbers[i].fallback > 0 ? numbers[i].fallback
                                             : default_limit(options->max_pool_size);
        }
        if (*value < numbers[i].least || *value > numbers[i].most) {
            return base_error_set(error, GLEANER_E_CONFIG, "%s must be %u..%u, is %u",
                                  numbers[i].name, numbers[i].least, numbers[i].most, *value);
        }
    }
    if (options->max_pool_size > options->max_pool_size_limit) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "max_pool_size (%u) must not be above max_pool_size_limit (%u)",
                              options->max_pool_size, options->max_pool_size_limit);
    }
    if (options->min_pool_size > options->max_pool_size) {
        options->min_pool_size = options->max_pool_size;
    }
    if (options->backoff_base_ms > options->backoff_cap_ms) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "backoff_base_ms (%u) must not be above backoff_cap_ms (%u)",
                              options->backoff_base_ms, options->backoff_cap_ms);
    }
    return GLEANER_OK;
}

static bool copy_string(char **out, const char *text, const char *otherwise)
{
    const char *from = text != NULL ? text : otherwise;
    *out = from != NULL ? strdup(from) : NULL;
    return from == NULL || *out != NULL;
}

static enum gleaner_status check_uri(const char *which, const char *uri, struct base_error *error)
{
    struct base_error detail = {0};
    if (uri == NULL || mongo_uri_check(uri, &detail) == GLEANER_OK) {
        return GLEANER_OK;
    }
    return base_error_set(error, GLEANER_E_CONFIG, "%s: %s", which, detail.message);
}

enum gleaner_status db_settings_take(struct db_settings *settings,
                                     const struct gleaner_db_options *given,
                                     struct base_error *error)
{
    struct gleaner_db_options *options = &settings->options;
    if (given->size < offsetof(struct gleaner_db_options, on_state)) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "options.size is %zu: call gleaner_db_options_init() first",
                              given->size);
    }
    gleaner_db_options_init(options);
    memcpy(options, given, given->size < sizeof(*options) ? given->size : sizeof(*options));
    if (!copy_string(&settings->uri, options->uri, NULL) ||
        !copy_string(&settings->fallback_uri, options->fallback_uri, NULL) ||
        !copy_string(&settings->app_name, options->app_name, "gleaner") ||
        !copy_string(&settings->database, options->database, "bambisleep")) {
        return base_error_set(error, GLEANER_E_NOMEM, "out of memory");
    }
    options->uri = settings->uri;
    options->fallback_uri = settings->fallback_uri;
    options->app_name = settings->app_name;
    options->database = settings->database;
    db_take_uri_options(options);
    enum gleaner_status status = fill_numbers(options, error);
    if (status == GLEANER_OK) {
        status = check_uri("uri", settings->uri, error);
    }
    return status == GLEANER_OK ? check_uri("fallback_uri", settings->fallback_uri, error) : status;
}

void db_settings_fini(struct db_settings *settings)
{
    free(settings->uri);
    free(settings->fallback_uri);
    free(settings->app_name);
    free(settings->database);
    *settings = (struct db_settings){0};
}

/* Clients above max_pool_size while a refresh rolls. */
static uint32_t refresh_extra(uint32_t max_pool_size)
{
    return max_pool_size >= 16 ? max_pool_size / 8 : 2;
}

/* Condemned connects (a dozen at most) and loans of a dropped generation keep their slots for a
 * while; and there is room to grow. */
static uint32_t slot_capacity(const struct gleaner_db_options *options)
{
    uint32_t now =
        2 * options->max_pool_size + refresh_extra(options->max_pool_size) + CONDEMNED_SLOTS;
    uint32_t grown = options->max_pool_size_limit + refresh_extra(options->max_pool_size_limit);
    return now > grown ? now : grown;
}

static struct pool_config pool_config_of(const struct gleaner_db_options *options)
{
    return (struct pool_config){
        .slot_capacity = slot_capacity(options),
        .max_size = options->max_pool_size,
        .min_size = options->min_pool_size,
        .max_connecting = options->max_connecting,
        .refresh_extra = refresh_extra(options->max_pool_size),
        .wait_queue_timeout_ms = options->wait_queue_timeout_ms,
        .max_idle_ms = options->max_idle_ms,
        .address = "gleaner",
    };
}

struct mongo_options db_mongo_options(const struct db_settings *settings)
{
    return (struct mongo_options){
        .default_db = settings->database,
        .server_selection_ms = settings->options.server_selection_ms,
        .connect_ms = settings->options.connect_ms,
        .socket_ms = settings->options.socket_ms,
        .heartbeat_ms = settings->options.heartbeat_ms,
        .retry_writes = !settings->options.no_retry_writes,
    };
}

void db_supervisor_config(const struct db_settings *settings, const struct mongo_options *mongo,
                          struct supervisor_config *out)
{
    const struct gleaner_db_options *options = &settings->options;
    *out = (struct supervisor_config){
        .primary_uri = settings->uri,
        .fallback_uri = settings->fallback_uri,
        .app_name = settings->app_name,
        .mongo = mongo,
        .pool = pool_config_of(options),
        .shards = options->driver_pools < options->max_pool_size ? options->driver_pools
                                                                 : options->max_pool_size,
        .connect_ms = options->connect_ms,
        .refresh_interval_ms = options->refresh_interval_ms,
        .reconnect_limit = options->reconnect_limit,
        .reconnect_window_ms = options->reconnect_window_ms,
        .backoff_base_ms = options->backoff_base_ms,
        .backoff_cap_ms = options->backoff_cap_ms,
        .return_checks = options->return_checks,
        .return_span_ms = options->return_span_ms,
        .stop_within_ms = options->close_wait_ms,
    };
}

/* Of both servers: what is too long a silence for one must not be for the other. */
static uint32_t longest_heartbeat_ms(const struct db_settings *settings)
{
    uint32_t otherwise = settings->options.heartbeat_ms;
    uint32_t first = mongo_uri_heartbeat_ms(settings->uri, otherwise);
    uint32_t second = mongo_uri_heartbeat_ms(settings->fallback_uri, otherwise);
    return first > second ? first : second;
}

struct monitor_config db_monitor_config(const struct db_settings *settings)
{
    const struct gleaner_db_options *options = &settings->options;
    uint32_t period_ms = options->pool_check_interval_ms;
    return (struct monitor_config){
        .health_interval_ms = options->health_interval_ms,
        .unhealthy_after = options->unhealthy_after,
        .pool_first_ms = period_ms < POOL_FIRST_CHECK_MS ? period_ms : POOL_FIRST_CHECK_MS,
        .pool_interval_ms = period_ms,
        .connection_interval_ms = options->connection_check_interval_ms,
        .connect_ms = options->connect_ms,
        .max_size = options->max_pool_size,
        .heartbeat_ms = longest_heartbeat_ms(settings),
        .reconnect_limit = options->reconnect_limit,
        .has_primary = settings->uri != NULL,
    };
}
