/* SPDX-License-Identifier: Apache-2.0 */
/* From text to values: the one parser that every source uses, and the order of the sources. */
#include "mongo.h"
#include "settings_internal.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static void *value_at(struct settings *settings, const struct setting *setting)
{
    return (char *)settings + setting->offset;
}

#define LIST_FIRST 8u

/* ---- text to value ---- */

static enum gleaner_status bad_value(const struct setting *setting, const char *text,
                                     const char *wanted, struct base_error *error)
{
    char shown[200];
    base_redact_uri(text, shown, sizeof shown);
    return base_error_set(error, GLEANER_E_CONFIG, "%s: '%s' is not %s", setting->key, shown,
                          wanted);
}

/* Two words stand for numbers, each only where it is the default: `unlimited` and `auto`. */
bool settings_parse_word(const struct setting *setting, const char *text, uint64_t *out)
{
    if (setting->initial == NULL || strcmp(text, setting->initial) != 0) {
        return false;
    }
    if (strcmp(text, "unlimited") == 0) {
        *out = setting->max;
        return true;
    }
    *out = 0;
    return strcmp(text, "auto") == 0;
}

static enum gleaner_status parse_number(const struct setting *setting, const char *text,
                                        uint64_t *out, struct base_error *error)
{
    if (settings_parse_word(setting, text, out)) {
        return GLEANER_OK;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long value = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
    if (end == NULL || *end != '\0' || errno != 0 || value < setting->min || value > setting->max) {
        char wanted[120];
        const char *word = setting->initial;
        bool has_word = word != NULL && isalpha((unsigned char)word[0]);
        (void)snprintf(wanted, sizeof wanted, "a whole number from %llu to %llu%s%s",
                       (unsigned long long)setting->min, (unsigned long long)setting->max,
                       has_word ? ", or " : "", has_word ? word : "");
        return bad_value(setting, text, wanted, error);
    }
    *out = value;
    return GLEANER_OK;
}

static enum gleaner_status parse_switch(const struct setting *setting, const char *text, bool *out,
                                        struct base_error *error)
{
    static const char *const words[][2] = {
        {"true", "false"}, {"yes", "no"}, {"on", "off"}, {"1", "0"}};
    for (size_t i = 0; i < BASE_ARRAY_LEN(words); i++) {
        for (size_t side = 0; side < 2; side++) {
            if (strcasecmp(text, words[i][side]) == 0) {
                *out = side == 0;
                return GLEANER_OK;
            }
        }
    }
    return bad_value(setting, text, "true or false", error);
}

static enum gleaner_status parse_choice(struct settings *settings, const struct setting *setting,
                                        const char *text, const char **out,
                                        struct base_error *error)
{
    size_t len = strlen(text);
    for (const char *at = setting->choices; *at != '\0';) {
        size_t part = strcspn(at, "|");
        if (part == len && strncasecmp(at, text, len) == 0) {
            *out = base_arena_strndup(&settings->arena, at, part);
            return *out != NULL ? GLEANER_OK : GLEANER_E_NOMEM;
        }
        at += part + (at[part] == '|');
    }
    char wanted[120];
    (void)snprintf(wanted, sizeof wanted, "one of %s", setting->choices);
    return bad_value(setting, text, wanted, error);
}

static enum gleaner_status parse_text(struct settings *settings, const struct setting *setting,
                                      const char *text, const char **out, struct base_error *error)
{
    size_t len = strlen(text);
    if (len < setting->min || len > setting->max) {
        char wanted[80];
        (void)snprintf(wanted, sizeof wanted, "a text of %llu to %llu bytes",
                       (unsigned long long)setting->min, (unsigned long long)setting->max);
        return bad_value(setting, text, wanted, error);
    }
    *out = base_arena_strndup(&settings->arena, text, len);
    return *out != NULL ? GLEANER_OK : GLEANER_E_NOMEM;
}

static enum gleaner_status parse_uri(struct settings *settings, const struct setting *setting,
                                     const char *text, const char **out, struct base_error *error)
{
    bool is_target = setting->type == SETTING_TARGET;
    bool is_word = is_target && (strcmp(text, "embedded") == 0 || strcmp(text, "none") == 0);
    if (!is_word) {
        if (strncmp(text, "mongodb://", 10) != 0 && strncmp(text, "mongodb+srv://", 14) != 0) {
            return bad_value(setting, text,
                             is_target
                                 ? "mongodb://HOST/DB, mongodb+srv://HOST/DB, embedded or none"
                                 : "mongodb://HOST/DB or mongodb+srv://HOST/DB",
                             error);
        }
        struct base_error why = {0};
        if (mongo_uri_check(text, &why) != GLEANER_OK) {
            return base_error_set(error, GLEANER_E_CONFIG, "%s: %s", setting->key, why.message);
        }
    }
    *out = base_arena_strndup(&settings->arena, text, strlen(text));
    return *out != NULL ? GLEANER_OK : GLEANER_E_NOMEM;
}

/* Room is made at 0, 8, 16, 32 ...: an arena gives nothing back, and seeds come by the thousand. */
static bool list_has_room(const struct setting_list *list)
{
    return list->count != 0 && (list->count < LIST_FIRST || (list->count & (list->count - 1)) != 0);
}

static bool list_grow(struct settings *settings, struct setting_list *list)
{
    size_t cap = list->count > 0 ? list->count * 2 : LIST_FIRST;
    const char **items = base_arena_alloc(&settings->arena, cap * sizeof(const char *));
    if (items == NULL) {
        return false;
    }
    if (list->count > 0) {
        memcpy((void *)items, (const void *)list->items, list->count * sizeof(const char *));
    }
    list->items = items;
    return true;
}

static enum gleaner_status list_add(struct settings *settings, struct setting_list *list,
                                    const char *text, size_t len)
{
    char *copy = base_arena_strndup(&settings->arena, text, len);
    if (copy == NULL || (!list_has_room(list) && !list_grow(settings, list))) {
        return GLEANER_E_NOMEM;
    }
    list->items[list->count++] = copy;
    return GLEANER_OK;
}

enum gleaner_status settings_add_operand(struct settings *settings, const char *text)
{
    return list_add(settings, &settings->operands, text, strlen(text));
}

static enum gleaner_status parse_list(struct settings *settings, size_t index, const char *text,
                                      const struct setting_origin *origin)
{
    struct setting_list *list = value_at(settings, &settings_table[index]);
    if (settings->origins[index].source != origin->source) {
        list->count = 0; /* a stronger source replaces the list of a weaker one */
    }
    if (origin->source != SOURCE_ENVIRONMENT && origin->source != SOURCE_DOTENV) {
        return list_add(settings, list, text, strlen(text));
    }
    enum gleaner_status status = GLEANER_OK;
    while (status == GLEANER_OK && *text != '\0') {
        size_t len = strcspn(text, ",");
        if (len > 0) {
            status = list_add(settings, list, text, len);
        }
        text += len + (text[len] == ',');
    }
    return status;
}

static enum gleaner_status parse_value(struct settings *settings, size_t index, const char *text,
                                       const struct setting_origin *origin,
                                       struct base_error *error)
{
    const struct setting *setting = &settings_table[index];
    void *value = value_at(settings, setting);
    switch (setting->type) {
    case SETTING_NUMBER:
        return parse_number(setting, text, value, error);
    case SETTING_SWITCH:
        return parse_switch(setting, text, value, error);
    case SETTING_CHOICE:
        return parse_choice(settings, setting, text, value, error);
    case SETTING_TEXT:
        return parse_text(settings, setting, text, value, error);
    case SETTING_URI:
    case SETTING_TARGET:
        return parse_uri(settings, setting, text, value, error);
    case SETTING_LIST:
        return parse_list(settings, index, text, origin);
    }
    return GLEANER_E_INTERNAL;
}

/* "file.yaml:12: ", "environment LOG_LEVEL: ", "--content: " */
void settings_describe_place(const struct setting_origin *origin, char *out, size_t out_size)
{
    switch (origin->source) {
    case SOURCE_FILE:
    case SOURCE_DOTENV:
        if (origin->line > 0) {
            (void)snprintf(out, out_size, "%s:%u", origin->name, origin->line);
            return;
        }
        (void)snprintf(out, out_size, "%s", origin->name);
        return;
    case SOURCE_ENVIRONMENT:
        (void)snprintf(out, out_size, "environment %s", origin->name);
        return;
    case SOURCE_COMMAND_LINE:
        (void)snprintf(out, out_size, "--%s", origin->name);
        return;
    case SOURCE_RUN_TIME:
        (void)snprintf(out, out_size, "set at run time");
        return;
    case SOURCE_DEFAULT:
        break;
    }
    (void)snprintf(out, out_size, "default");
}

enum gleaner_status settings_apply(struct settings *settings, size_t index, const char *text,
                                   const struct setting_origin *origin, struct base_error *error)
{
    struct base_error why = {0};
    enum gleaner_status status = parse_value(settings, index, text, origin, &why);
    if (status != GLEANER_OK) {
        char place[400];
        settings_describe_place(origin, place, sizeof place);
        return base_error_set(error, status, "%s: %s", place,
                              why.message[0] != '\0' ? why.message : gleaner_status_name(status));
    }
    struct setting_origin *to = &settings->origins[index];
    to->source = origin->source;
    to->line = origin->line;
    to->name = origin->name == NULL
                   ? NULL
                   : base_arena_strndup(&settings->arena, origin->name, strlen(origin->name));
    to->text = base_arena_strndup(&settings->arena, text, strlen(text));
    return GLEANER_OK;
}

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

bool settings_wants_server(const struct settings *settings)
{
    return strncmp(settings->target, "mongodb", 7) == 0;
}

bool settings_wants_nothing_kept(const struct settings *settings)
{
    return strcmp(settings->target, "none") == 0;
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
