/* SPDX-License-Identifier: Apache-2.0 */
/* The command line as a source of settings: --name VALUE, --name=VALUE, --name, --no-name. */
#include "settings_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *next_option(const void *ctx, size_t i)
{
    unsigned groups = *(const unsigned *)ctx;
    for (size_t at = 0, seen = 0; at < settings_count; at++) {
        if (settings_table[at].option != NULL && (settings_table[at].groups & groups) != 0 &&
            seen++ == i) {
            return settings_table[at].option;
        }
    }
    return NULL;
}

static bool find_option(const char *name, size_t len, size_t *out)
{
    for (size_t i = 0; i < settings_count; i++) {
        const char *option = settings_table[i].option;
        if (option != NULL && strlen(option) == len && strncmp(option, name, len) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* What other programs call it. */
static const char *name_elsewhere(const char *name, size_t len, unsigned groups)
{
    static const char *const names[][3] = {
        {"output", "to", "to"},
        {"out", "to", "to"},
        {"workers", "threads", "threads"},
        {"jobs", "threads", "threads"},
        {"quiet", "progress", "no-progress"},
        {"silent", "progress", "no-progress"},
        {"level", "depth", "depth"},
        {"limit", "pages", "pages"},
        {"agent", "user-agent", "user-agent"},
    };
    for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
        size_t index;
        bool is_it = strlen(names[i][0]) == len && strncmp(names[i][0], name, len) == 0;
        if (is_it && find_option(names[i][1], strlen(names[i][1]), &index) &&
            (settings_table[index].groups & groups) != 0) {
            return names[i][2];
        }
    }
    return NULL;
}

static enum gleaner_status refuse(const char *name, size_t len, unsigned groups,
                                  struct base_error *error)
{
    const char *near = name_elsewhere(name, len, groups);
    near = near != NULL ? near : settings_nearest(name, len, next_option, &groups);
    return base_error_set(error, GLEANER_E_CONFIG, "unknown option --%.*s%s%s%s", (int)len, name,
                          near != NULL ? "; did you mean --" : "", near != NULL ? near : "",
                          near != NULL ? "?" : "; --help lists what there is");
}

static enum gleaner_status add_entry(struct command_line *line, size_t index, const char *value)
{
    struct command_line_entry *entries =
        realloc(line->entries, (line->count + 1) * sizeof *entries);
    if (entries == NULL) {
        return GLEANER_E_NOMEM;
    }
    line->entries = entries;
    entries[line->count++] = (struct command_line_entry){.index = index, .value = value};
    return GLEANER_OK;
}

static enum gleaner_status add_operand(struct command_line *line, const char *text)
{
    const char **operands =
        realloc((void *)line->operands, (line->operand_count + 1) * sizeof *operands);
    if (operands == NULL) {
        return GLEANER_E_NOMEM;
    }
    line->operands = operands;
    operands[line->operand_count++] = text;
    return GLEANER_OK;
}

/* One option at argv[*at]; moves *at past its value when that is an argument of its own. */
static enum gleaner_status parse_option(struct command_line *line, int argc, char *const argv[],
                                        int *at, unsigned groups, struct base_error *error)
{
    const char *name = argv[*at] + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] == '=' ? name + len + 1 : NULL;
    size_t index;
    bool is_negated = false;
    if (!find_option(name, len, &index)) {
        is_negated = len > 3 && strncmp(name, "no-", 3) == 0 &&
                     find_option(name + 3, len - 3, &index) &&
                     settings_table[index].type == SETTING_SWITCH;
        if (!is_negated) {
            return refuse(name, len, groups, error);
        }
    }
    if ((settings_table[index].groups & groups) == 0) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "--%.*s does not belong to this command; --help lists what does",
                              (int)len, name);
    }
    if (settings_table[index].type == SETTING_SWITCH) {
        if (is_negated && value != NULL) {
            return base_error_set(error, GLEANER_E_CONFIG, "--%.*s takes no value", (int)len, name);
        }
        return add_entry(line, index, is_negated ? "false" : value != NULL ? value : "true");
    }
    if (value == NULL) {
        if (*at + 1 >= argc) {
            return base_error_set(error, GLEANER_E_CONFIG, "--%.*s wants a value: %s", (int)len,
                                  name, settings_table[index].argument);
        }
        value = argv[++*at];
    }
    return add_entry(line, index, value);
}

enum gleaner_status command_line_parse(struct command_line *line, int argc, char *const argv[],
                                       unsigned groups, struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    bool options_end = false;
    for (int at = 0; status == GLEANER_OK && at < argc; at++) {
        if (!options_end && strcmp(argv[at], "--") == 0) {
            options_end = true;
        } else if (!options_end && strcmp(argv[at], "-h") == 0) {
            size_t index = 0;
            status = find_option("help", 4, &index) ? add_entry(line, index, "true")
                                                    : GLEANER_E_INTERNAL;
        } else if (!options_end && strcmp(argv[at], "-v") == 0 &&
                   (groups & GROUP_ONLY_FETCH) != 0) {
            size_t index = 0;
            status = find_option("verbose", 7, &index) ? add_entry(line, index, "true")
                                                       : GLEANER_E_INTERNAL;
        } else if (!options_end && strncmp(argv[at], "--", 2) == 0) {
            status = parse_option(line, argc, argv, &at, groups, error);
        } else if (!options_end && argv[at][0] == '-' && argv[at][1] != '\0') {
            status =
                base_error_set(error, GLEANER_E_CONFIG,
                               "unknown option %s; options have long names (--help)", argv[at]);
        } else {
            status = add_operand(line, argv[at]);
        }
    }
    return status;
}

void command_line_fini(struct command_line *line)
{
    free(line->entries);
    free((void *)line->operands);
    memset(line, 0, sizeof *line);
}

const char *command_line_value(const struct command_line *line, const char *option)
{
    for (size_t i = line->count; i-- > 0;) {
        if (strcmp(settings_table[line->entries[i].index].option, option) == 0) {
            return line->entries[i].value;
        }
    }
    return NULL;
}

bool command_line_has(const struct command_line *line, const char *option)
{
    return command_line_value(line, option) != NULL;
}

enum gleaner_status command_line_apply(const struct command_line *line, struct settings *settings,
                                       struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; status == GLEANER_OK && i < line->count; i++) {
        const struct setting_origin origin = {
            .source = SOURCE_COMMAND_LINE,
            .name = settings_table[line->entries[i].index].option,
        };
        status = settings_apply(settings, line->entries[i].index, line->entries[i].value, &origin,
                                error);
    }
    for (size_t i = 0; status == GLEANER_OK && i < line->operand_count; i++) {
        status = settings_add_operand(settings, line->operands[i]);
    }
    return status;
}
