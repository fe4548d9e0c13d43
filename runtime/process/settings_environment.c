/* SPDX-License-Identifier: Apache-2.0 */
/* The environment and `.env` files as sources of settings. A variable that is set in the real
 * environment wins over the same one in the file, as every dotenv implementation has it. */
#include "settings.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum gleaner_status settings_read_environment(struct settings *settings, struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; status == GLEANER_OK && i < settings_count; i++) {
        const char *name = settings_table[i].environment;
        const char *text = name != NULL ? getenv(name) : NULL;
        if (text != NULL && text[0] != '\0') {
            const struct setting_origin origin = {.source = SOURCE_ENVIRONMENT, .name = name};
            status = settings_apply(settings, i, text, &origin, error);
        }
    }
    return status;
}

enum gleaner_status settings_slurp(const char *path, struct base_buffer *out,
                                   struct base_error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return base_error_set(error, errno == ENOENT ? GLEANER_E_NOT_FOUND : GLEANER_E_IO,
                              "cannot read %s: %s", path, strerror(errno));
    }
    char chunk[4096];
    size_t len;
    while ((len = fread(chunk, 1, sizeof chunk, file)) > 0) {
        base_buffer_append(out, chunk, len);
    }
    bool failed = ferror(file) != 0;
    (void)fclose(file);
    if (failed) {
        return base_error_set(error, GLEANER_E_IO, "cannot read %s: %s", path, strerror(errno));
    }
    return out->failed ? GLEANER_E_NOMEM : GLEANER_OK;
}

/* `KEY = "value" # comment` in place: *key and *value point into `line`. False: nothing there. */
static bool split_line(char *line, char **key, char **value)
{
    while (isspace((unsigned char)*line)) {
        line++;
    }
    if (strncmp(line, "export ", 7) == 0) {
        line += 7;
    }
    char *equals = strchr(line, '=');
    if (*line == '#' || *line == '\0' || equals == NULL) {
        return false;
    }
    char *end = equals;
    while (end > line && isspace((unsigned char)end[-1])) {
        end--;
    }
    *end = '\0';
    char *text = equals + 1;
    while (isspace((unsigned char)*text)) {
        text++;
    }
    if (*text == '"' || *text == '\'') {
        char quote = *text++;
        char *close = strchr(text, quote);
        if (close != NULL) {
            *close = '\0';
        }
    } else {
        char *comment = strstr(text, " #");
        if (comment != NULL) {
            *comment = '\0';
        }
        size_t len = strlen(text);
        while (len > 0 && isspace((unsigned char)text[len - 1])) {
            text[--len] = '\0';
        }
    }
    *key = line;
    *value = text;
    return true;
}

static enum gleaner_status apply_variable(struct settings *settings, const char *key,
                                          const char *value, const struct setting_origin *origin,
                                          struct base_error *error)
{
    for (size_t i = 0; i < settings_count; i++) {
        const char *name = settings_table[i].environment;
        if (name != NULL && strcmp(name, key) == 0) {
            return value[0] != '\0' ? settings_apply(settings, i, value, origin, error)
                                    : GLEANER_OK;
        }
    }
    return GLEANER_OK; /* the file belongs to the application: other names are its own */
}

enum gleaner_status settings_read_dotenv(struct settings *settings, const char *path,
                                         bool must_exist, struct base_error *error)
{
    if (!must_exist && access(path, R_OK) != 0) {
        return GLEANER_OK;
    }
    struct base_buffer text = {0};
    enum gleaner_status status = settings_slurp(path, &text, error);
    struct setting_origin origin = {.source = SOURCE_DOTENV, .name = path};
    char *rest = text.data;
    while (status == GLEANER_OK && rest != NULL) {
        char *line = strsep(&rest, "\n");
        char *key;
        char *value;
        origin.line++;
        if (split_line(line, &key, &value)) {
            status = apply_variable(settings, key, value, &origin, error);
        }
    }
    base_buffer_fini(&text);
    return status;
}
