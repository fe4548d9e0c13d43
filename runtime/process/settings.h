/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCESS_SETTINGS_H
#define PROCESS_SETTINGS_H

/**
 * @file settings.h
 * Inside runtime/process: the settings, where each may come from, and where each came from.
 *
 * One table (settings_table.c) drives the configuration file, the environment, the command line,
 * `--help` and `gleaner config`. Every source gives text; one function turns text into a value, so
 * that a wrong value gets the same sentence wherever it stands.
 */
#include "base.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum setting_type {
    SETTING_TEXT,
    SETTING_NUMBER,
    SETTING_SWITCH, /* --name, --no-name */
    SETTING_CHOICE,
    SETTING_LIST,  /* repeatable; the environment separates with commas */
    SETTING_URI,   /* mongodb:// or mongodb+srv://, checked, shown without its password */
    SETTING_TARGET /* the same, or `embedded`, `none`, or a file */
};

/* What a setting belongs to: `--help` of a command shows its groups only. */
enum setting_group {
    GROUP_DATABASE = 1 << 0,
    GROUP_STORE = 1 << 1,
    GROUP_CRAWL = 1 << 2,
    GROUP_FETCH = 1 << 3,
    GROUP_WORKER = 1 << 4,
    GROUP_PROCESS = 1 << 5,
    GROUP_EXPERT =
        1 << 6, /* accepted everywhere its group is, listed by `gleaner config --help` only */
    /* `command.*` settings are of the command line alone; each names its commands */
    GROUP_ONLY_SCRAPE = 1 << 20,
    GROUP_ONLY_ROBOTS = 1 << 21,
    GROUP_ONLY_FETCH = 1 << 22,
    GROUP_ONLY_CONFIG = 1 << 25,
    GROUP_PAGE_URL = 1 << 23, /* a FILE may stand in for a URL */
    GROUP_BATCH = 1 << 24,
    GROUP_ONLY_SCAN = 1 << 26,
    GROUP_ONLY_SEARCH = 1 << 27,
    GROUP_ONLY_QUEUE = 1 << 28,
    GROUP_ONLY_WORKER = 1 << 29,
    GROUP_ONLY_CRAWL = 1 << 8,
    GROUP_ONLY_SUBMIT = 1 << 9,
    GROUP_ONLY_EXPORT = 1 << 10,
    GROUP_ONLY_STATUS = 1 << 11,
    GROUP_ANY = 1 << 12,
    GROUP_JSON = 1 << 13,
    GROUP_DATA = 1 << 14, /* --data alone, for what only looks into the directory */
    GROUP_LOG = 1 << 15   /* --log-level alone */
};

struct setting_list {
    const char **items;
    size_t count;
};

struct setting {
    const char *key;         /* section.name, as in the file */
    const char *option;      /* without --; NULL = not on the command line */
    const char *environment; /* NULL = not in the environment */
    enum setting_type type;
    unsigned groups;
    bool is_live; /* SIGHUP and `gleaner set` apply it to a running process; database.uri only
                     where settings_same_place() */
    size_t offset;
    const char *initial; /* as text; NULL = unset */
    uint64_t min, max;
    const char *choices;  /* a|b|c */
    const char *argument; /* in the help */
    const char *help;
};

#define SETTING_MAX 128

/* Who said so. */
enum setting_source {
    SOURCE_DEFAULT,
    SOURCE_FILE,
    SOURCE_DOTENV,
    SOURCE_ENVIRONMENT,
    SOURCE_COMMAND_LINE,
    SOURCE_RUN_TIME /* gleaner set */
};
struct setting_origin {
    enum setting_source source;
    uint32_t line;    /* of a file; 0 = not known */
    const char *name; /* of the file, the variable or the option; owned by the settings' arena */
    const char *text; /* the value as it was written */
};

/* The values in force. Filled once before threads start; the main thread alone changes what is live
 * in it (live.c) and tells the rooms, so that nobody ever reads a value that is being changed. */
struct settings {
    struct base_arena arena; /* owns every string */
    struct setting_origin origins[SETTING_MAX];
    struct setting_list operands; /* what is left on the command line: URLs */

    const char *target, *fallback_uri, *database, *profiles_uri, *app_name;
    uint64_t max_pool_size, min_pool_size, max_connecting, max_idle_ms, server_selection_ms,
        connect_ms, socket_ms, heartbeat_ms, health_interval_ms, unhealthy_after,
        pool_check_interval_ms, connection_check_interval_ms, refresh_interval_ms, reconnect_limit,
        reconnect_window_ms, backoff_base_ms, backoff_cap_ms, return_checks, return_span_ms,
        operation_ms, wait_queue_timeout_ms, driver_pools, close_wait_ms, slow_ms;
    bool retry_writes, database_debug;

    const char *data, *collection, *jobs_collection, *frontier_collection;
    uint64_t spool_max_mb, spool_wait_ms, drain_documents_per_s;

    uint64_t depth, pages, max_path_repeats, max_url_bytes, host_pages, query_variants,
        date_variants, sitemap_urls, also_max_mb;
    bool same_host, sitemaps;
    struct setting_list also, include, exclude, include_regex, exclude_regex;
    const char *content, *frontier, *revisit;
    uint64_t revisit_after_s;

    uint64_t concurrency, per_host, delay_ms, fetchers, http_connect_ms, first_byte_ms, total_ms,
        max_body_bytes, max_header_bytes, max_redirects, max_delay_ms;
    bool robots, use_env_proxy, cookies;
    const char *user_agent, *robots_agent, *ca_file, *proxy, *no_proxy;
    struct setting_list allow_net;

    uint64_t threads, handle_ms, batch_pages, batch_ms, lease_ms, max_attempts, max_deliveries,
        retry_base_ms, retry_cap_ms;
    const char *module_dir;
    bool isolate;
    struct setting_list modules, module_settings;

    uint64_t scan_depth, scan_files, scan_file_bytes, scan_mb, search_limit;

    const char *log_level;
    uint64_t drain_ms, storage_patience_ms;
    bool progress;

    /* command line only */
    const char *config_file, *env_file, *format, *job_type;
    const char *agent, *robots_file, *page_url;
    const char *queue_name, *job_id, *job_state;
    bool json, fresh, help, batch, verbose, live, all, stdio, make_index;
};

extern const struct setting settings_table[];
extern const size_t settings_count;

/**
 * Read all sources, weakest first: defaults, file, .env, environment, command line.
 *
 * Thread: [startup]; SIGHUP calls it again with the same arguments. `groups` are those of the
 *         command: an option of another one is refused, naming where it belongs.
 * Owns:   *out is filled in place; settings_fini() in every case.
 * Errors: GLEANER_E_CONFIG names source, line, the allowed values or the nearest key.
 */
GLEANER_MUST_CHECK enum gleaner_status settings_load(struct settings *out, int argc,
                                                     char *const argv[], unsigned groups,
                                                     struct base_error *error);
void settings_fini(struct settings *settings);

/** Rules over several settings (min and max of a pool, names of collections). */
GLEANER_MUST_CHECK enum gleaner_status settings_check(const struct settings *settings,
                                                      struct base_error *error);
/** Index of a key of the file ("fetch.delay_ms"). Errors: GLEANER_E_CONFIG with the nearest one. */
GLEANER_MUST_CHECK enum gleaner_status settings_find(const char *key, size_t *out,
                                                     struct base_error *error);
/** "file.yaml:12", "environment LOG_LEVEL", "--content", "default". */
void settings_describe_place(const struct setting_origin *origin, char *out, size_t out_size);
/** One value as `gleaner config` prints it. */
void settings_print_value(const struct settings *settings, size_t index, struct base_buffer *out);

/**
 * Do both connection strings lead to the same hosts and the same database? Users, passwords and
 * options may differ; the hosts and their order may not. A database that is named beside the URI
 * comes after a space ("URI NAME"), as the spool notes its owner. `embedded`, `none` are places of
 * their own.
 */
bool settings_same_place(const char *a, const char *b);

/** The groups of a command's options (commands.c). */
unsigned settings_groups_of(const char *command);

/** May a running process take over `after`'s value of this setting? */
bool settings_may_change(const struct settings *before, const struct settings *after, size_t index);

/* What --to names. */
enum settings_target {
    TARGET_SERVER,
    TARGET_EMBEDDED,
    TARGET_NONE,  /* kept nowhere: the frontier in memory, documents counted and dropped */
    TARGET_FILE,  /* documents in a file alone, the frontier in --data */
    TARGET_STREAM /* on standard output; the frontier in memory: nobody knows what was read */
};
enum settings_target settings_target(const struct settings *settings);
bool settings_wants_server(const struct settings *settings);
/** TARGET_FILE or TARGET_STREAM. */
bool settings_wants_sink(const struct settings *settings);
/** True when somebody set it: not the default. `field` is &settings->member. */
bool settings_is_given(const struct settings *settings, const void *field);
/** `modules.settings` entry of a module, or NULL. Matches worker_options.setting. */
const char *settings_of_module(void *settings, const char *module, const char *name);

/** Print `key = value   # origin` for every setting, passwords replaced. */
void settings_print(const struct settings *settings, struct base_buffer *out);
/** The options of these groups, for --help. */
void settings_print_help(unsigned groups, struct base_buffer *out);

/* ---- shared by the sources (settings_*.c) ---- */

/** Turn text into the value of a setting and note its origin. Lists are replaced by the first entry
 *  of a stronger source and grow with the following ones of the same. */
GLEANER_MUST_CHECK enum gleaner_status settings_apply(struct settings *settings, size_t index,
                                                      const char *text,
                                                      const struct setting_origin *origin,
                                                      struct base_error *error);
GLEANER_MUST_CHECK enum gleaner_status
settings_read_file(struct settings *settings, const char *path, struct base_error *error);
GLEANER_MUST_CHECK enum gleaner_status settings_read_dotenv(struct settings *settings,
                                                            const char *path, bool must_exist,
                                                            struct base_error *error);
GLEANER_MUST_CHECK enum gleaner_status settings_read_environment(struct settings *settings,
                                                                 struct base_error *error);
/** Of the names accepted by `next`, the one nearest to `name`, or NULL when none is near. */
const char *settings_nearest(const char *name, size_t len,
                             const char *(*next)(const void *ctx, size_t i), const void *ctx);
/** The whole file as text in *out. */
GLEANER_MUST_CHECK enum gleaner_status settings_slurp(const char *path, struct base_buffer *out,
                                                      struct base_error *error);

#endif
