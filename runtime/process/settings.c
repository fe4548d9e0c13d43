/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the sources, the rules over several settings, and questions about them. */
#include "settings_internal.h"
#include "sink.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the order of the sources ---- */

static enum gleaner_status apply_defaults(struct settings *settings, struct base_error *error)
{
    const struct setting_origin origin = {.source = SOURCE_DEFAULT};
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; status == GLEANER_OK && i < settings_count; i++) {
        if (settings_table[i].initial != NULL) {
            status = settings_apply(settings, i, settings_table[i].initial, &origin, error);
        }
    }
    return status;
}

static const char *join_path(struct settings *settings, const char *directory, const char *rest)
{
    char path[4096];
    int len = snprintf(path, sizeof path, "%s%s", directory, rest);
    return len > 0 && (size_t)len < sizeof path
               ? base_arena_strndup(&settings->arena, path, (size_t)len)
               : NULL;
}

/* $XDG_STATE_HOME/gleaner and the like: `variable`, else $HOME + `under_home`. */
static const char *user_path(struct settings *settings, const char *variable,
                             const char *under_home, const char *rest)
{
    const char *base = getenv(variable);
    if (base != NULL && base[0] == '/') {
        return join_path(settings, base, rest);
    }
    const char *home = getenv("HOME");
    const char *under = join_path(settings, home != NULL ? home : "/tmp", under_home);
    return under != NULL ? join_path(settings, under, rest) : NULL;
}

static const char *find_config_file(struct settings *settings)
{
    const char *mine = user_path(settings, "XDG_CONFIG_HOME", "/.config", "/gleaner/gleaner.yaml");
    if (mine != NULL && access(mine, F_OK) == 0) {
        return mine;
    }
    static const char *const system_wide = "/etc/gleaner/gleaner.yaml";
    return access(system_wide, F_OK) == 0 ? system_wide : NULL;
}

/* The two files that name other sources are known before these are read: from the command line,
 * else the environment. */
static enum gleaner_status read_files(struct settings *settings, const char *config,
                                      const char *env_file, struct base_error *error)
{
    if (config == NULL) {
        config = getenv("GLEANER_CONFIG");
    }
    if (config == NULL || config[0] == '\0') {
        config = find_config_file(settings);
    }
    enum gleaner_status status = GLEANER_OK;
    if (config != NULL) {
        status = settings_read_file(settings, config, error);
    }
    if (status == GLEANER_OK) {
        status = settings_read_dotenv(settings, env_file != NULL ? env_file : ".env",
                                      env_file != NULL, error);
    }
    return status;
}

/* What MongoDB takes as a collection's name (manual, "Naming Restrictions"), in the embedded store,
 * too, so that data can move. */
static enum gleaner_status check_collections(const struct settings *settings,
                                             struct base_error *error)
{
    const char *const names[][2] = {{"store.collection", settings->collection},
                                    {"store.jobs_collection", settings->jobs_collection},
                                    {"store.frontier_collection", settings->frontier_collection}};
    for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
        const char *name = names[i][1];
        size_t len = strlen(name);
        if (strchr(name, '$') != NULL || strncmp(name, "system.", 7) == 0 || name[0] == '.' ||
            name[len - 1] == '.') {
            return base_error_set(
                error, GLEANER_E_CONFIG,
                "%s: '%s' is not a collection's name: no $, no dot at an end, not "
                "system.*",
                names[i][0], name);
        }
    }
    return GLEANER_OK;
}

enum gleaner_status settings_check(const struct settings *settings, struct base_error *error)
{
    if (settings->ca_file != NULL && access(settings->ca_file, R_OK) != 0) {
        return base_error_set(error, GLEANER_E_CONFIG, "fetch.ca_file: %s: %s", settings->ca_file,
                              strerror(errno));
    }
    if (settings->min_pool_size > settings->max_pool_size) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "database.min_pool_size (%llu) is larger than "
                              "database.max_pool_size (%llu)",
                              (unsigned long long)settings->min_pool_size,
                              (unsigned long long)settings->max_pool_size);
    }
    if (settings->backoff_base_ms > settings->backoff_cap_ms) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "database.backoff_base_ms is larger than database.backoff_cap_ms");
    }
    for (size_t i = 0; i < settings->module_settings.count; i++) {
        const char *entry = settings->module_settings.items[i];
        const char *dot = strchr(entry, '.');
        const char *equals = strchr(entry, '=');
        if (dot == NULL || equals == NULL || dot > equals) {
            return base_error_set(error, GLEANER_E_CONFIG,
                                  "modules.settings: '%s' is not MODULE.NAME=VALUE", entry);
        }
    }
    return check_collections(settings, error);
}

static enum gleaner_status fill_dependent(struct settings *settings)
{
    if (settings->data == NULL) {
        settings->data = user_path(settings, "XDG_STATE_HOME", "/.local/state", "/gleaner");
    }
    /* An include list says where to go; the host of the seeds is then no limit unless asked for. */
    if (settings->include.count + settings->include_regex.count > 0 &&
        !settings_is_given(settings, &settings->same_host)) {
        settings->same_host = false;
    }
    return settings->data != NULL ? GLEANER_OK : GLEANER_E_NOMEM;
}

enum gleaner_status settings_load(struct settings *out, int argc, char *const argv[],
                                  unsigned groups, struct base_error *error)
{
    memset(out, 0, sizeof *out);
    enum gleaner_status status = apply_defaults(out, error);
    /* The command line is read first, because it may ask for help or name the file, and applied
     * last, because it is the strongest. */
    struct command_line line = {0};
    if (status == GLEANER_OK) {
        status = command_line_parse(&line, argc, argv, groups, error);
    }
    if (status == GLEANER_OK && !command_line_has(&line, "help")) {
        status = read_files(out, command_line_value(&line, "config"),
                            command_line_value(&line, "env-file"), error);
        if (status == GLEANER_OK) {
            status = settings_read_environment(out, error);
        }
    }
    if (status == GLEANER_OK) {
        status = command_line_apply(&line, out, error);
    }
    command_line_fini(&line);
    if (status == GLEANER_OK) {
        status = settings_check(out, error);
    }
    return status == GLEANER_OK ? fill_dependent(out) : status;
}

void settings_fini(struct settings *settings)
{
    base_arena_fini(&settings->arena);
    memset(settings, 0, sizeof *settings);
}

/* ---- questions ---- */

enum settings_target settings_target(const struct settings *settings)
{
    enum sink_format format;
    const char *path = NULL;
    if (settings_is_uri(settings->target)) { /* also one of a database named app.csv */
        return TARGET_SERVER;
    }
    if (sink_parse(settings->target, &format, &path, NULL) == GLEANER_OK) {
        return strcmp(path, "-") == 0 ? TARGET_STREAM : TARGET_FILE;
    }
    return strcmp(settings->target, "none") == 0 ? TARGET_NONE : TARGET_EMBEDDED;
}

bool settings_wants_server(const struct settings *settings)
{
    return settings_target(settings) == TARGET_SERVER;
}

bool settings_wants_sink(const struct settings *settings)
{
    enum settings_target target = settings_target(settings);
    return target == TARGET_FILE || target == TARGET_STREAM;
}

bool settings_is_given(const struct settings *settings, const void *field)
{
    size_t offset = (size_t)((const char *)field - (const char *)settings);
    for (size_t i = 0; i < settings_count; i++) {
        if (settings_table[i].offset == offset) {
            return settings->origins[i].source != SOURCE_DEFAULT;
        }
    }
    return false;
}

const char *settings_of_module(void *ctx, const char *module, const char *name)
{
    const struct settings *settings = ctx;
    size_t module_len = strlen(module);
    size_t name_len = strlen(name);
    for (size_t i = settings->module_settings.count; i-- > 0;) { /* the last one wins */
        const char *entry = settings->module_settings.items[i];
        if (strncmp(entry, module, module_len) == 0 && entry[module_len] == '.' &&
            strncmp(entry + module_len + 1, name, name_len) == 0 &&
            entry[module_len + 1 + name_len] == '=') {
            return entry + module_len + name_len + 2;
        }
    }
    return NULL;
}
