/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner export: the stored documents as JSON Lines, CSV or WARC on standard output, one at a
 * time. */
#include "process_internal.h"
#include "sink.h"
#include <bson/bson.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct export
{
    enum sink_format format;
    struct sink_csv csv;
    struct base_buffer text; /* of one document */
    uint64_t rows;
    uint64_t without_text; /* WARC: documents that are no page with a text */
    bool is_broken;        /* standard output was closed or is full, or there is no memory */
    int saved_errno;
};

static bool write_out(struct export *export)
{
    const struct base_buffer *text = &export->text;
    if (text->len > 0 && fwrite(text->data, 1, text->len, stdout) != text->len) {
        export->is_broken = true;
        export->saved_errno = errno;
    }
    return !export->is_broken;
}

static bool format_document(struct export *export, const uint8_t *bson, uint32_t len)
{
    struct base_buffer *text = &export->text;
    bool has_text = true, is_first = export->rows == 1, is_good = true;
    switch (export->format) {
    case SINK_CSV:
        return (!is_first || sink_csv_header(&export->csv, NULL, bson, len, text)) &&
               sink_csv_row(&export->csv, NULL, bson, len, text);
    case SINK_WARC:
        is_good = (!is_first || sink_warc_info("pages.warc.gz", SINK_GZIP, text)) &&
                  sink_warc_conversion(bson, len, text, &has_text);
        export->without_text += !has_text;
        return is_good;
    default:
        return sink_json(NULL, bson, len, text);
    }
}

/* ---- the command ---- */

static bool export_row(void *ctx, const char *collection, const uint8_t *bytes, uint32_t len)
{
    (void)collection;
    enum { KEEP_BYTES = 1 << 20 };
    struct export *export = ctx;
    bson_t document;
    if (!bson_init_static(&document, bytes, len)) {
        return true; /* the store checks its bytes; one bad document does not hide the others */
    }
    export->rows++;
    base_buffer_reset(&export->text, KEEP_BYTES);
    if (!format_document(export, bytes, len)) {
        export->is_broken = true;
        export->saved_errno = ENOMEM;
    }
    return !signals_stop_wanted() && !export->is_broken && write_out(export);
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

static enum sink_format format_named(const char *name)
{
    return strcmp(name, "csv") == 0 ? SINK_CSV : strcmp(name, "warc") == 0 ? SINK_WARC : SINK_JSONL;
}

int export_documents(struct settings *settings, enum export_source source)
{
    struct work work = {0};
    struct base_error error = {0};
    struct export export = {.format = format_named(settings->format)};
    enum gleaner_status status = open_for_reading(&work, settings, source, &error);
    if (status == GLEANER_OK) {
        status = walk(&work, settings, source, &export, &error);
    }
    if (fflush(stdout) != 0 && !export.is_broken) {
        export.is_broken = true;
        export.saved_errno = errno;
    }
    work_close(&work);
    sink_csv_fini(&export.csv);
    base_buffer_fini(&export.text);
    if (export.without_text > 0) {
        (void)fprintf(stderr,
                      "gleaner: %llu documents have no url and text and are not in the WARC; pages "
                      "as they came are written by gleaner crawl --also FILE.warc.gz\n",
                      (unsigned long long)export.without_text);
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
