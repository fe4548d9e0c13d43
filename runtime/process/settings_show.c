/* SPDX-License-Identifier: Apache-2.0 */
/* The settings for people: `gleaner config` and the options of `--help`. */
#include "settings_internal.h"
#include <stdio.h>
#include <string.h>

static void print_value(const struct settings *settings, size_t index, struct base_buffer *out)
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
        print_value(settings, i, out);
        while (out->len < start + 64 && base_buffer_append_char(out, ' ')) {
        }
        base_buffer_printf(out, "  # %s\n", place);
    }
}

void settings_print_help(unsigned groups, struct base_buffer *out)
{
    static const unsigned order[] = {GROUP_ONLY_CRAWL,  GROUP_ONLY_SUBMIT, GROUP_ONLY_EXPORT,
                                     GROUP_ONLY_STATUS, GROUP_CRAWL,       GROUP_FETCH,
                                     GROUP_DATABASE,    GROUP_STORE,       GROUP_WORKER,
                                     GROUP_PROCESS,     GROUP_JSON,        GROUP_ANY};
    for (size_t g = 0; g < BASE_ARRAY_LEN(order); g++) {
        for (size_t i = 0; i < settings_count; i++) {
            const struct setting *setting = &settings_table[i];
            if (setting->option == NULL || !(setting->groups & order[g] & groups) ||
                (setting->groups & GROUP_EXPERT)) {
                continue;
            }
            bool is_on = setting->type == SETTING_SWITCH && setting->initial != NULL &&
                         strcmp(setting->initial, "true") == 0;
            char option[80];
            (void)snprintf(option, sizeof option, "--%s%s%s%s", is_on ? "no-" : "", setting->option,
                           setting->argument != NULL ? " " : "",
                           setting->argument != NULL ? setting->argument : "");
            base_buffer_printf(out, "  %-24s %s%s", option, is_on ? "do not: " : "", setting->help);
            if (setting->initial != NULL && setting->type != SETTING_SWITCH) {
                base_buffer_printf(out, " [%s]", setting->initial);
            }
            base_buffer_append_str(out, "\n");
        }
    }
}
