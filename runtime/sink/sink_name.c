/* SPDX-License-Identifier: Apache-2.0 */
/* What a person means by the name of a file. */
#include "sink_internal.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 4000 };

static bool ends_in(const char *text, const char *ending)
{
    size_t len = strlen(text), part = strlen(ending);
    return len > part && strcmp(text + len - part, ending) == 0;
}

bool sink_is_gzip(const char *path)
{
    return ends_in(path, ".gz");
}

bool sink_is_stream(const char *path)
{
    return strcmp(path, "-") == 0;
}

/* FORMAT:FILE, or a name that says it. NULL: neither. */
static const char *find_path(const char *text, enum sink_format *format)
{
    static const struct {
        const char *prefix, *ending;
        enum sink_format format;
    } ways[] = {
        {"jsonl:", ".jsonl", SINK_JSONL}, {"jsonl:", ".ndjson", SINK_JSONL},
        {"csv:", ".csv", SINK_CSV},       {"warc:", ".warc.gz", SINK_WARC},
        {"warc:", ".warc", SINK_WARC},
    };
    if (sink_is_stream(text)) {
        *format = SINK_JSONL;
        return text;
    }
    for (size_t i = 0; i < BASE_ARRAY_LEN(ways); i++) {
        size_t prefix = strlen(ways[i].prefix);
        *format = ways[i].format;
        if (strncmp(text, ways[i].prefix, prefix) == 0) {
            return text + prefix;
        }
        if (ends_in(text, ways[i].ending)) {
            return text;
        }
    }
    return NULL;
}

enum gleaner_status sink_parse(const char *text, enum sink_format *format, const char **path,
                               struct base_error *error)
{
    *path = find_path(text, format);
    size_t left = *path != NULL ? strlen(*path) : 0;
    if (left == 0 || left > NAME_MAX_BYTES) {
        return base_error_set(error, GLEANER_E_CONFIG, "'%s' is not %s", text, SINK_NAMES);
    }
    if (*format != SINK_WARC && sink_is_gzip(*path)) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "'%s': only WARC files are compressed here; a name without .gz gives "
                              "it as it is",
                              text);
    }
    return GLEANER_OK;
}

enum gleaner_status sink_full_path(const char *path, char *out, size_t out_size,
                                   struct base_error *error)
{
    if (sink_is_stream(path)) {
        (void)snprintf(out, out_size, "-");
        return GLEANER_OK;
    }
    char *for_folder = strdup(path), *for_name = strdup(path);
    char *folder = for_folder != NULL ? realpath(dirname(for_folder), NULL) : NULL;
    enum gleaner_status status = GLEANER_OK;
    if (for_folder == NULL || for_name == NULL) {
        status = base_error_set(error, GLEANER_E_NOMEM, "no memory for a name");
    } else if (folder == NULL) {
        status =
            base_error_set(error, GLEANER_E_CONFIG, "%s: its folder: %s", path, strerror(errno));
    } else {
        const char *name = basename(for_name);
        const char *slash = strcmp(folder, "/") == 0 ? "" : "/";
        int len = snprintf(out, out_size, "%s%s%s", folder, slash, name);
        if (len < 0 || (size_t)len >= out_size) {
            status = base_error_set(error, GLEANER_E_CONFIG, "%s: the name is too long", path);
        }
    }
    free(folder);
    free(for_folder);
    free(for_name);
    return status;
}
