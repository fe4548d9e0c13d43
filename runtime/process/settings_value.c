/* SPDX-License-Identifier: Apache-2.0 */
/* From text to values: the one parser that every source uses. */
#include "mongo.h"
#include "settings_internal.h"
#include "sink.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
        char wanted[120], most[32];
        const char *word = setting->initial;
        bool has_word = word != NULL && isalpha((unsigned char)word[0]);
        (void)snprintf(most, sizeof most, "to %llu", (unsigned long long)setting->max);
        (void)snprintf(wanted, sizeof wanted, "a whole number from %llu %s%s%s",
                       (unsigned long long)setting->min, setting->max < UINT64_MAX ? most : "on",
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

/* Where a crawl's documents go may also be said by a word, or by a file's name. */
static bool is_place_without_server(const char *text)
{
    enum sink_format format;
    const char *path;
    return strcmp(text, "embedded") == 0 || strcmp(text, "none") == 0 ||
           sink_parse(text, &format, &path, NULL) == GLEANER_OK;
}

static enum gleaner_status parse_uri(struct settings *settings, const struct setting *setting,
                                     const char *text, const char **out, struct base_error *error)
{
    bool is_target = setting->type == SETTING_TARGET;
    bool is_server = settings_is_uri(text);
    struct base_error why = {0};
    if (!is_server && (!is_target || !is_place_without_server(text))) {
        return bad_value(setting, text,
                         is_target ? "mongodb://HOST/DB, mongodb+srv://HOST/DB, embedded, none, "
                                     "or " SINK_NAMES
                                   : "mongodb://HOST/DB or mongodb+srv://HOST/DB",
                         error);
    }
    if (is_server && mongo_uri_check(text, &why) != GLEANER_OK) {
        return base_error_set(error, GLEANER_E_CONFIG, "%s: %s", setting->key, why.message);
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
