/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner export: the stored documents as JSON Lines or CSV on standard output, one at a time. */
#include "process_internal.h"
#include <bson/bson.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CSV_MAX_COLUMNS 64

/* CSV needs its columns before its rows: they are the fields of the first document. */
struct csv {
    char *columns[CSV_MAX_COLUMNS];
    size_t count;
};

struct export
{
    bool is_csv;
    struct csv csv;
    uint64_t rows;
    bool is_broken; /* standard output was closed or is full */
    int saved_errno;
};

static bool write_out(struct export *export, const char *text, size_t len)
{
    if (len > 0 && fwrite(text, 1, len, stdout) != len) {
        export->is_broken = true;
        export->saved_errno = errno;
    }
    return !export->is_broken;
}

/* ---- JSON Lines ---- */

static bool write_json(struct export *export, const bson_t *document)
{
    size_t len = 0;
    char *text = bson_as_relaxed_extended_json(document, &len);
    bool is_good = text != NULL && write_out(export, text, len) && write_out(export, "\n", 1);
    bson_free(text);
    return is_good;
}

/* ---- CSV (RFC 4180) ---- */

static bool write_cell(struct export *export, const char *text, size_t len)
{
    if (strcspn(text, ",\"\r\n") >= len) {
        return write_out(export, text, len);
    }
    bool is_good = write_out(export, "\"", 1);
    for (size_t i = 0; is_good && i < len; i++) {
        is_good = (text[i] != '"' || write_out(export, "\"", 1)) && write_out(export, text + i, 1);
    }
    return is_good && write_out(export, "\"", 1);
}

static bool find_columns(struct export *export, const bson_t *document)
{
    struct csv *csv = &export->csv;
    bson_iter_t at;
    if (!bson_iter_init(&at, document)) {
        return false;
    }
    while (csv->count < CSV_MAX_COLUMNS && bson_iter_next(&at)) {
        csv->columns[csv->count] = strdup(bson_iter_key(&at));
        if (csv->columns[csv->count] == NULL) {
            return false;
        }
        csv->count++;
    }
    bool is_good = true;
    for (size_t i = 0; is_good && i < csv->count; i++) {
        is_good = (i == 0 || write_out(export, ",", 1)) &&
                  write_cell(export, csv->columns[i], strlen(csv->columns[i]));
    }
    return is_good && write_out(export, "\r\n", 2);
}

/* Lists of plain texts are easier to read one a line than as JSON. */
static bool list_to_text(const bson_iter_t *list, struct base_buffer *out)
{
    bson_iter_t item;
    if (!bson_iter_recurse(list, &item)) {
        return false;
    }
    while (bson_iter_next(&item)) {
        uint32_t len = 0;
        if (!BSON_ITER_HOLDS_UTF8(&item)) {
            return false;
        }
        const char *text = bson_iter_utf8(&item, &len);
        base_buffer_printf(out, "%s%.*s", out->len > 0 ? "\n" : "", (int)len, text);
    }
    return true;
}

static void date_to_text(int64_t ms, struct base_buffer *out)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    char text[40];
    if (gmtime_r(&seconds, &parts) != NULL &&
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) > 0) {
        base_buffer_printf(out, "%s.%03dZ", text, (int)(ms % 1000));
    }
}

/* Anything else as JSON: {"": value} without its first and last part. */
static void value_to_json(const bson_iter_t *value, struct base_buffer *out)
{
    bson_t *wrapped = bson_new();
    size_t len = 0;
    bool is_good = wrapped != NULL && bson_append_iter(wrapped, "v", 1, value);
    char *text = is_good ? bson_as_relaxed_extended_json(wrapped, &len) : NULL;
    const char *colon = text != NULL ? strchr(text, ':') : NULL;
    if (colon != NULL && len > 0) {
        const char *start = colon + 1 + strspn(colon + 1, " ");
        const char *end = text + len - 1;
        while (end > start && end[-1] == ' ') {
            end--;
        }
        base_buffer_append(out, start, (size_t)(end - start));
    }
    bson_free(text);
    if (wrapped != NULL) {
        bson_destroy(wrapped);
    }
}

static void value_to_text(const bson_iter_t *value, struct base_buffer *out)
{
    uint32_t len = 0;
    char id[25];
    switch (bson_iter_type(value)) {
    case BSON_TYPE_UTF8: {
        const char *text = bson_iter_utf8(value, &len);
        base_buffer_append(out, text, len);
        return;
    }
    case BSON_TYPE_OID:
        bson_oid_to_string(bson_iter_oid(value), id);
        base_buffer_append_str(out, id);
        return;
    case BSON_TYPE_DATE_TIME:
        date_to_text(bson_iter_date_time(value), out);
        return;
    case BSON_TYPE_NULL:
        return;
    case BSON_TYPE_ARRAY:
        if (list_to_text(value, out)) {
            return;
        }
        base_buffer_reset(out, out->cap);
        break;
    default:
        break;
    }
    value_to_json(value, out);
}

static bool write_csv(struct export *export, const bson_t *document)
{
    if (export->csv.count == 0 && !find_columns(export, document)) {
        return false;
    }
    struct base_buffer cell = {0};
    bool is_good = true;
    for (size_t i = 0; is_good && i < export->csv.count; i++) {
        bson_iter_t at;
        base_buffer_reset(&cell, cell.cap);
        if (bson_iter_init_find(&at, document, export->csv.columns[i])) {
            value_to_text(&at, &cell);
        }
        is_good = (i == 0 || write_out(export, ",", 1)) &&
                  (cell.len == 0 || write_cell(export, cell.data, cell.len));
    }
    base_buffer_fini(&cell);
    return is_good && write_out(export, "\r\n", 2);
}

/* ---- the command ---- */

static bool export_row(void *ctx, const char *collection, const uint8_t *bytes, uint32_t len)
{
    (void)collection;
    struct export *export = ctx;
    bson_t document;
    if (!bson_init_static(&document, bytes, len)) {
        return true; /* the store checks its bytes; one bad document does not hide the others */
    }
    export->rows++;
    return !signals_stop_wanted() &&
           (export->is_csv ? write_csv(export, &document) : write_json(export, &document));
}

static bool export_entry(void *ctx, const struct store_spool_entry *entry)
{
    return entry->is_damaged || export_row(ctx, entry->collection, entry->bson, entry->bson_len);
}

static enum gleaner_status open_for_reading(struct work *work, const struct settings *settings,
                                            enum export_source source, struct base_error *error)
{
    if (settings_wants_server(settings) && source == EXPORT_DOCUMENTS) {
        enum gleaner_status status = work_open_stores(work, settings, WORK_SERVICE, error);
        return status == GLEANER_OK ? work_wait_server(work, error) : status;
    }
    const struct store_sqlite_options options = {.directory = settings->data, .read_only = true};
    enum gleaner_status status = store_sqlite_open(&options, &work->local, error);
    work->documents = work->local;
    return status;
}

static bool count_entry(void *ctx, const struct store_spool_entry *entry)
{
    *(uint64_t *)ctx += !entry->is_damaged;
    return true;
}

/* Nothing here, but perhaps on its way. */
static void hint_at_spool(const struct work *work)
{
    uint64_t count = 0;
    if (work->local != NULL &&
        store_spool_list(work->local, 0, count_entry, &count, NULL) == GLEANER_OK && count > 0) {
        (void)fprintf(stderr,
                      "gleaner: no such document here; %llu wait in the spool for their server "
                      "(gleaner spool list, gleaner spool export)\n",
                      (unsigned long long)count);
    }
}

static enum gleaner_status walk(struct work *work, const struct settings *settings,
                                enum export_source source, struct export *export,
                                struct base_error *error)
{
    if (source == EXPORT_SPOOL) {
        return store_spool_list(work->local, 0, export_entry, export, error);
    }
    enum gleaner_status status =
        store_documents(work->documents, settings->collection, export_row, export, error);
    if (status == GLEANER_OK && export->rows == 0) {
        hint_at_spool(work);
    }
    return status;
}

int command_export(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    return export_documents(settings, EXPORT_DOCUMENTS);
}

int export_documents(struct settings *settings, enum export_source source)
{
    struct work work = {0};
    struct base_error error = {0};
    struct export export = {.is_csv = strcmp(settings->format, "csv") == 0};
    enum gleaner_status status = open_for_reading(&work, settings, source, &error);
    if (status == GLEANER_OK) {
        status = walk(&work, settings, source, &export, &error);
    }
    if (fflush(stdout) != 0 && !export.is_broken) {
        export.is_broken = true;
        export.saved_errno = errno;
    }
    work_close(&work);
    for (size_t i = 0; i < export.csv.count; i++) {
        free(export.csv.columns[i]);
    }
    if (status != GLEANER_OK) {
        print_error(&error);
        return (int)work_exit_code(status);
    }
    if (export.is_broken && export.saved_errno != EPIPE) { /* `| head` is no failure */
        (void)base_error_set(&error, GLEANER_E_IO, "writing the documents: %s",
                             strerror(export.saved_errno));
        print_error(&error);
        return EXIT_OTHER;
    }
    return signals_stop_wanted() ? EXIT_STOPPED : EXIT_COMPLETE;
}
