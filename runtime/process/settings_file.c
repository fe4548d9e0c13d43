/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML file as a source of settings. The schema for libcyaml is made from settings_table, so a
 * key exists in both or in none; libcyaml puts the file straight into one array of slots a section.
 * Values arrive as text and go through settings_apply() like those of every other source.
 *
 * libcyaml tells what is wrong and where only in its log, so that is read here; where a good value
 * stands it does not tell at all, so line_of_key() looks (block style; 0 for anything fancier).
 */
#include "settings.h"
#include <ctype.h>
#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTION_MAX 12

/* What one key of the file gave. One of the two is set. */
struct slot {
    char *text;
    char **items;
    unsigned item_count;
};

struct schema {
    size_t section_count;
    char sections[SECTION_MAX][24];
    size_t first[SECTION_MAX]; /* index in settings_table; a section's settings stand together */
    size_t count[SECTION_MAX];
    cyaml_schema_field_t roots[SECTION_MAX + 1];
    cyaml_schema_field_t leaves[SETTING_MAX + SECTION_MAX];
};

static const cyaml_schema_value_t list_item = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

/* ---- the schema ---- */

static cyaml_schema_field_t leaf_field(const struct setting *setting, const char *name, size_t slot)
{
    cyaml_schema_field_t field = {
        .key = name,
        .value.type = CYAML_STRING,
        .value.flags = CYAML_FLAG_POINTER_NULL_STR | CYAML_FLAG_OPTIONAL,
        .value.data_size = sizeof(char),
        .value.string = {.min = 0, .max = CYAML_UNLIMITED},
        .data_offset = (uint32_t)(slot * sizeof(struct slot) + offsetof(struct slot, text)),
    };
    if (setting->type == SETTING_LIST) {
        field.value.type = CYAML_SEQUENCE;
        field.value.data_size = sizeof(char *);
        field.value.sequence.entry = &list_item;
        field.value.sequence.min = 0;
        field.value.sequence.max = CYAML_UNLIMITED;
        field.data_offset = (uint32_t)(slot * sizeof(struct slot) + offsetof(struct slot, items));
        field.count_offset =
            (uint32_t)(slot * sizeof(struct slot) + offsetof(struct slot, item_count));
        field.count_size = sizeof(unsigned);
    }
    return field;
}

static void open_section(struct schema *schema, const char *key, size_t len, size_t index)
{
    size_t s = schema->section_count++;
    BASE_ASSERT(s < SECTION_MAX && len < sizeof schema->sections[0]);
    memcpy(schema->sections[s], key, len);
    schema->first[s] = index;
}

static void build_schema(struct schema *schema)
{
    memset(schema, 0, sizeof *schema);
    for (size_t i = 0; i < settings_count; i++) {
        const char *key = settings_table[i].key;
        size_t len = strcspn(key, ".");
        if (strncmp(key, "command.", 8) == 0) {
            continue; /* of the command line alone */
        }
        size_t s = schema->section_count;
        if (s == 0 || strncmp(schema->sections[s - 1], key, len) != 0 ||
            schema->sections[s - 1][len] != '\0') {
            open_section(schema, key, len, i);
            s++;
        }
        schema->count[s - 1]++;
    }
    cyaml_schema_field_t *leaf = schema->leaves;
    for (size_t s = 0; s < schema->section_count; s++) {
        schema->roots[s] = (cyaml_schema_field_t){
            .key = schema->sections[s],
            .value.type = CYAML_MAPPING,
            .value.flags = CYAML_FLAG_POINTER_NULL | CYAML_FLAG_OPTIONAL,
            .value.data_size = (uint32_t)(schema->count[s] * sizeof(struct slot)),
            .value.mapping.fields = leaf,
            .data_offset = (uint32_t)(s * sizeof(void *)),
        };
        for (size_t i = 0; i < schema->count[s]; i++) {
            const struct setting *setting = &settings_table[schema->first[s] + i];
            *leaf++ = leaf_field(setting, strchr(setting->key, '.') + 1, i);
        }
        leaf++; /* the zero entry that ends a list */
    }
}

/* ---- where a key stands ---- */

static bool is_key_at(const char *line, const char *key, size_t key_len)
{
    return strncmp(line, key, key_len) == 0 && line[key_len] == ':';
}

/* Line of the `nth` (from 1) "name:" in `section`, or of the section itself where that is "". */
static unsigned find_line(const char *text, const char *section, const char *name, unsigned nth)
{
    size_t section_len = strlen(section), name_len = strlen(name);
    bool in_section = false;
    unsigned number = 1;
    for (const char *line = text; line != NULL && *line != '\0'; number++) {
        const char *start = line + strspn(line, " ");
        bool is_top = start == line && !isspace((unsigned char)*line) && *line != '#';
        if (is_top && section_len > 0) {
            in_section = is_key_at(line, section, section_len);
        } else if ((section_len == 0 ? is_top : in_section) && is_key_at(start, name, name_len) &&
                   --nth == 0) {
            return number;
        }
        const char *end = strchr(line, '\n');
        line = end != NULL ? end + 1 : NULL;
    }
    return 0;
}

/* ---- libcyaml's complaint ---- */

struct complaint {
    char what[200];
    unsigned line;
    char innermost[64]; /* field or "" */
    char section[64];
};

static void take_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
    struct complaint *complaint = ctx;
    char text[256];
    (void)vsnprintf(text, sizeof text, fmt, args);
    if (level < CYAML_LOG_ERROR) {
        return;
    }
    text[strcspn(text, "\n")] = '\0';
    char field[64] = "";
    const char *place = strstr(text, "(line: ");
    if (place == NULL) {
        if (complaint->what[0] == '\0') {
            const char *colon = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
            (void)snprintf(complaint->what, sizeof complaint->what, "%s", colon);
        }
        return;
    }
    if (complaint->line == 0) {
        complaint->line = (unsigned)strtoul(place + 7, NULL, 10);
    }
    (void)sscanf(text, " in mapping field '%63[^']'", field);
    if (complaint->innermost[0] == '\0') {
        memcpy(complaint->innermost, field, sizeof field);
    }
    memcpy(complaint->section, field, sizeof field);
}

/* YAML forbids tabs in the indentation, and libyaml says so in its own words and about the line
 * before. */
static void find_tab(const char *text, struct complaint *complaint)
{
    if (strstr(complaint->what, "cannot start any token") == NULL) {
        return;
    }
    unsigned number = 1;
    for (const char *line = text; line != NULL && *line != '\0'; number++) {
        if (line[strspn(line, " ")] == '\t') {
            complaint->line = number;
            complaint->innermost[0] = '\0';
            (void)snprintf(complaint->what, sizeof complaint->what,
                           "a tab indents this line; YAML wants spaces");
            return;
        }
        const char *end = strchr(line, '\n');
        line = end != NULL ? end + 1 : NULL;
    }
}

/* libcyaml knows only where the mapping began. */
static void find_second(const char *text, struct complaint *complaint)
{
    static const char seen[] = "Mapping field already seen: ";
    if (strncmp(complaint->what, seen, sizeof seen - 1) != 0) {
        return;
    }
    const char *key = complaint->what + sizeof seen - 1;
    bool is_section = strcmp(complaint->section, key) == 0;
    unsigned line = find_line(text, is_section ? "" : complaint->section, key, 2);
    complaint->line = line > 0 ? line : complaint->line;
    (void)snprintf(complaint->what, sizeof complaint->what, "stands there twice");
}

struct key_names {
    const struct schema *schema;
    const char *section; /* NULL or unknown: the sections themselves */
};

static const char *next_key(const void *ctx, size_t i)
{
    const struct key_names *names = ctx;
    const struct schema *schema = names->schema;
    for (size_t s = 0; names->section != NULL && s < schema->section_count; s++) {
        if (strcmp(schema->sections[s], names->section) == 0) {
            return i < schema->count[s] ? strchr(settings_table[schema->first[s] + i].key, '.') + 1
                                        : NULL;
        }
    }
    return i < schema->section_count ? schema->sections[i] : NULL;
}

static enum gleaner_status explain(const struct complaint *complaint, const struct schema *schema,
                                   const char *path, struct base_error *error)
{
    static const char unexpected[] = "Unexpected key: ";
    if (strncmp(complaint->what, unexpected, sizeof unexpected - 1) != 0) {
        bool wants_list = strstr(complaint->what, "Expecting SEQUENCE") != NULL;
        bool wants_text = strstr(complaint->what, "Expecting STRING") != NULL;
        bool wants_section = strstr(complaint->what, "Expecting MAPPING") != NULL;
        const char *why = wants_list      ? "a list is wanted: [a, b]"
                          : wants_text    ? "one plain value is wanted"
                          : wants_section ? "a section is wanted: its keys, indented"
                                          : complaint->what;
        return base_error_set(error, GLEANER_E_CONFIG, "%s:%u: %s%s%s", path, complaint->line,
                              complaint->innermost, complaint->innermost[0] != '\0' ? ": " : "",
                              why);
    }
    const char *key = complaint->what + sizeof unexpected - 1;
    const bool in_section = complaint->section[0] != '\0';
    const struct key_names names = {schema, in_section ? complaint->section : NULL};
    const char *near = settings_nearest(key, strlen(key), next_key, &names);
    struct base_buffer all = {0};
    for (size_t i = 0; next_key(&names, i) != NULL; i++) {
        base_buffer_printf(&all, "%s%s", i > 0 ? ", " : "", next_key(&names, i));
    }
    enum gleaner_status status =
        base_error_set(error, GLEANER_E_CONFIG, "%s:%u: unknown key '%s'%s%s; %s%s%s%s", path,
                       complaint->line, key, in_section ? " in " : "", complaint->section,
                       near != NULL ? "did you mean " : "there are: ", near != NULL ? near : "",
                       near != NULL ? "?" : "", near == NULL && all.data != NULL ? all.data : "");
    base_buffer_fini(&all);
    return status;
}

/* ---- reading ---- */

static enum gleaner_status apply_slot(struct settings *settings, size_t index,
                                      const struct slot *slot, const struct setting_origin *origin,
                                      struct base_error *error)
{
    if (slot->text != NULL) {
        return settings_apply(settings, index, slot->text, origin, error);
    }
    enum gleaner_status status = GLEANER_OK;
    for (unsigned i = 0; status == GLEANER_OK && i < slot->item_count; i++) {
        status = settings_apply(settings, index, slot->items[i], origin, error);
    }
    return status;
}

static enum gleaner_status apply_slots(struct settings *settings, const struct schema *schema,
                                       struct slot *const *loaded, const char *path,
                                       const char *text, struct base_error *error)
{
    for (size_t s = 0; s < schema->section_count; s++) {
        for (size_t i = 0; loaded[s] != NULL && i < schema->count[s]; i++) {
            size_t index = schema->first[s] + i;
            const struct setting_origin origin = {
                .source = SOURCE_FILE,
                .name = path,
                .line = find_line(text, schema->sections[s],
                                  strchr(settings_table[index].key, '.') + 1, 1),
            };
            enum gleaner_status status = apply_slot(settings, index, &loaded[s][i], &origin, error);
            if (status != GLEANER_OK) {
                return status;
            }
        }
    }
    return GLEANER_OK;
}

enum gleaner_status settings_read_file(struct settings *settings, const char *path,
                                       struct base_error *error)
{
    struct base_buffer text = {0};
    enum gleaner_status status = settings_slurp(path, &text, error);
    struct schema *schema = status == GLEANER_OK ? malloc(sizeof *schema) : NULL;
    if (schema == NULL || text.len == 0) { /* an empty file sets nothing */
        free(schema);
        base_buffer_fini(&text);
        return status != GLEANER_OK || text.len == 0 ? status : GLEANER_E_NOMEM;
    }
    build_schema(schema);
    struct complaint complaint = {0};
    const cyaml_config_t config = {.log_fn = take_log,
                                   .log_ctx = &complaint,
                                   .log_level = CYAML_LOG_ERROR,
                                   .mem_fn = cyaml_mem};
    const cyaml_schema_value_t root = {
        .type = CYAML_MAPPING,
        .flags = CYAML_FLAG_POINTER_NULL, /* a file of comments is a null document */
        .data_size = (uint32_t)(schema->section_count * sizeof(void *)),
        .mapping.fields = schema->roots,
    };
    cyaml_data_t *loaded = NULL;
    cyaml_err_t result =
        cyaml_load_data((const uint8_t *)text.data, text.len, &config, &root, &loaded, NULL);
    if (result != CYAML_OK) {
        if (complaint.what[0] == '\0') {
            (void)snprintf(complaint.what, sizeof complaint.what, "%s", cyaml_strerror(result));
        }
        find_tab(text.data, &complaint);
        find_second(text.data, &complaint);
        complaint.line = complaint.line > 0 ? complaint.line : 1;
        status = explain(&complaint, schema, path, error);
    } else if (loaded != NULL) {
        status = apply_slots(settings, schema, loaded, path, text.data, error);
        (void)cyaml_free(&config, &root, loaded, 0);
    }
    free(schema);
    base_buffer_fini(&text);
    return status;
}
