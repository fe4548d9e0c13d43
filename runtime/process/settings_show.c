/* SPDX-License-Identifier: Apache-2.0 */
/* The settings for people: `gleaner config` and the options of `--help`. */
#include "settings_internal.h"
#include <stdio.h>
#include <string.h>

void settings_print_value(const struct settings *settings, size_t index, struct base_buffer *out)
{
    const struct setting *setting = &settings_table[index];
    const char *base = (const char *)settings + setting->offset;
    switch (setting->type) {
    case SETTING_NUMBER: {
        const char *text = settings->origins[index].text;
        uint64_t number;
        if (text != NULL && settings_parse_word(setting, text, &number)) {
            base_buffer_append_str(out, text);
            return;
        }
        memcpy(&number, base, sizeof number);
        base_buffer_printf(out, "%llu", (unsigned long long)number);
        return;
    }
    case SETTING_SWITCH:
        base_buffer_append_str(out, *(const bool *)base ? "true" : "false");
        return;
    case SETTING_LIST: {
        const struct setting_list *list = (const void *)base;
        base_buffer_append_str(out, "[");
        for (size_t i = 0; i < list->count; i++) {
            base_buffer_printf(out, "%s%s", i > 0 ? ", " : "", list->items[i]);
        }
        base_buffer_append_str(out, "]");
        return;
    }
    case SETTING_URI:
    case SETTING_TARGET:
    case SETTING_TEXT:
    case SETTING_CHOICE: {
        const char *text = *(const char *const *)(const void *)base;
        char shown[1024];
        base_redact_uri(text != NULL ? text : "-", shown, sizeof shown);
        base_buffer_append_str(out, shown);
        return;
    }
    }
}

void settings_print(const struct settings *settings, struct base_buffer *out)
{
    for (size_t i = 0; i < settings_count; i++) {
        if (strncmp(settings_table[i].key, "command.", 8) == 0) {
            continue;
        }
        char place[400];
        settings_describe_place(&settings->origins[i], place, sizeof place);
        size_t start = out->len;
        base_buffer_printf(out, "%-36s ", settings_table[i].key);
        settings_print_value(settings, i, out);
        while (out->len < start + 64 && base_buffer_append_char(out, ' ')) {
        }
        base_buffer_printf(out, "  # %s\n", place);
    }
}

/* ---- --help ---- */

#define HELP_INDENT 27
#define HELP_WIDTH 80 /* a terminal nobody has made wider */

/* Words from `column` on, in lines of HELP_WIDTH, the further ones indented. */
static void print_wrapped(const char *text, size_t column, struct base_buffer *out)
{
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column > HELP_INDENT && column + 1 + len > HELP_WIDTH) {
            base_buffer_printf(out, "\n%*s", HELP_INDENT, "");
            column = HELP_INDENT;
        }
        base_buffer_printf(out, "%s%.*s", column > HELP_INDENT ? " " : "", (int)len, text);
        column += len + (column > HELP_INDENT ? 1 : 0);
        text += len + strspn(text + len, " ");
    }
    base_buffer_append_str(out, "\n");
}

/* "--depth N", "--content text|markdown", "--[no-]robots" */
static void print_option(const struct setting *setting, struct base_buffer *out)
{
    char option[80];
    char text[400];
    bool is_switch = setting->type == SETTING_SWITCH;
    bool is_on = is_switch && setting->initial != NULL && strcmp(setting->initial, "true") == 0;
    const char *argument = setting->type == SETTING_CHOICE ? setting->choices : setting->argument;
    (void)snprintf(option, sizeof option, "--%s%s%s%s", is_on ? "[no-]" : "", setting->option,
                   argument != NULL ? " " : "", argument != NULL ? argument : "");
    const char *initial = is_on ? "on" : is_switch ? NULL : setting->initial;
    (void)snprintf(text, sizeof text, "%s%s%s%s", setting->help, initial != NULL ? " [" : "",
                   initial != NULL ? initial : "", initial != NULL ? "]" : "");
    size_t start = out->len;
    base_buffer_printf(out, "  %-*s", HELP_INDENT - 3, option);
    if (out->len - start >= HELP_INDENT) {
        base_buffer_printf(out, "\n%*s", HELP_INDENT - 1, "");
    }
    base_buffer_append_str(out, " ");
    print_wrapped(text, HELP_INDENT, out);
}

void settings_print_help(unsigned groups, struct base_buffer *out)
{
    static const unsigned order[] = {
        GROUP_ONLY_CRAWL,  GROUP_ONLY_CONFIG, GROUP_ONLY_SUBMIT, GROUP_ONLY_EXPORT,
        GROUP_ONLY_STATUS, GROUP_ONLY_SCRAPE, GROUP_ONLY_ROBOTS, GROUP_ONLY_FETCH,
        GROUP_ONLY_SCAN,   GROUP_ONLY_SEARCH, GROUP_ONLY_QUEUE,  GROUP_ONLY_WORKER,
        GROUP_PAGE_URL,    GROUP_BATCH,       GROUP_CRAWL,       GROUP_FETCH,
        GROUP_DATABASE,    GROUP_STORE,       GROUP_DATA,        GROUP_WORKER,
        GROUP_PROCESS,     GROUP_LOG,         GROUP_JSON,        GROUP_ANY};
    unsigned shown = 0;
    for (size_t g = 0; g < BASE_ARRAY_LEN(order); g++) {
        for (size_t i = 0; i < settings_count; i++) {
            const struct setting *setting = &settings_table[i];
            bool is_here = (setting->groups & order[g] & groups) != 0 &&
                           (setting->groups & shown) == 0; /* once, in its first group */
            bool is_fine = (setting->groups & GROUP_EXPERT) != 0 && (groups & GROUP_EXPERT) == 0;
            if (setting->option != NULL && is_here && !is_fine) {
                print_option(setting, out);
            }
        }
        shown |= order[g] & groups;
    }
}
