/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as rows (RFC 4180). */
#include "sink_internal.h"

#include <bson/bson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool is_plain(const char *text, size_t len)
{
    return memchr(text, ',', len) == NULL && memchr(text, '"', len) == NULL &&
           memchr(text, '\r', len) == NULL && memchr(text, '\n', len) == NULL;
}

/* A NUL inside a text would end the file's last row for whoever reads it back. */
static void append_clean(struct base_buffer *out, const char *text, size_t len)
{
    size_t start = out->len;
    base_buffer_append(out, text, len);
    for (size_t i = start; !out->failed && i < out->len; i++) {
        out->data[i] = out->data[i] == '\0' ? ' ' : out->data[i];
    }
}

static bool write_cell(struct base_buffer *out, const char *text, size_t len)
{
    if (len == 0) {
        return !out->failed;
    }
    if (is_plain(text, len)) {
        append_clean(out, text, len);
        return !out->failed;
    }
    base_buffer_append_char(out, '"');
    for (const char *end = text + len; text < end;) {
        const char *quote = memchr(text, '"', (size_t)(end - text));
        const char *stop = quote != NULL ? quote + 1 : end;
        append_clean(out, text, (size_t)(stop - text));
        if (quote != NULL) {
            base_buffer_append_char(out, '"');
        }
        text = stop;
    }
    return base_buffer_append_char(out, '"');
}

static bool add_column(struct sink_csv *csv, const char *name, size_t len)
{
    char *copy = csv->count < SINK_CSV_COLUMNS ? strndup(name, len) : NULL;
    if (copy != NULL) {
        csv->columns[csv->count++] = copy;
    }
    return copy != NULL;
}

bool sink_csv_header(struct sink_csv *csv, const uint8_t id[12], const uint8_t *bson, uint32_t len,
                     struct base_buffer *out)
{
    bson_t document;
    bson_iter_t at;
    bool is_good = bson_init_static(&document, bson, len) && bson_iter_init(&at, &document);
    if (is_good && id != NULL) {
        is_good = add_column(csv, "_id", 3);
    }
    while (is_good && csv->count < SINK_CSV_COLUMNS && bson_iter_next(&at)) {
        is_good = add_column(csv, bson_iter_key(&at), strlen(bson_iter_key(&at)));
    }
    for (size_t i = 0; is_good && i < csv->count; i++) {
        is_good = (i == 0 || base_buffer_append_char(out, ',')) &&
                  write_cell(out, csv->columns[i], strlen(csv->columns[i]));
    }
    is_good = is_good && base_buffer_append_str(out, "\r\n");
    if (!is_good) {
        sink_csv_fini(csv);
    }
    return is_good;
}

/* One cell of a header line; returns where the next begins. */
static size_t parse_cell(const char *line, size_t len, size_t at, struct base_buffer *cell)
{
    bool is_quoted = at < len && line[at] == '"';
    base_buffer_reset(cell, SIZE_MAX);
    for (at += is_quoted; at < len; at++) {
        if (is_quoted && line[at] == '"') {
            if (at + 1 < len && line[at + 1] == '"') {
                at++;
            } else {
                is_quoted = false;
                continue;
            }
        } else if (!is_quoted && (line[at] == ',' || line[at] == '\r' || line[at] == '\n')) {
            break;
        }
        base_buffer_append_char(cell, line[at]);
    }
    return at;
}

bool sink_csv_parse(struct sink_csv *csv, const char *line, size_t len)
{
    struct base_buffer cell = {0};
    bool is_good = true;
    for (size_t at = 0; is_good && at < len; at++) {
        at = parse_cell(line, len, at, &cell);
        is_good = !cell.failed && (cell.len == 0 || add_column(csv, cell.data, cell.len));
        if (at >= len || line[at] != ',') {
            break;
        }
    }
    base_buffer_fini(&cell);
    return is_good && csv->count > 0;
}

void sink_csv_fini(struct sink_csv *csv)
{
    for (size_t i = 0; i < csv->count; i++) {
        free(csv->columns[i]);
    }
    *csv = (struct sink_csv){0};
}

/* ---- values ---- */

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
        base_buffer_append(out, "\n", out->len > 0 ? 1 : 0);
        base_buffer_append(out, text, len);
    }
    return true;
}

static void date_to_text(int64_t ms, struct base_buffer *out)
{
    int64_t rest = ((ms % 1000) + 1000) % 1000; /* before 1970, too */
    time_t seconds = (time_t)((ms - rest) / 1000);
    struct tm parts;
    char text[40];
    if (gmtime_r(&seconds, &parts) != NULL &&
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) > 0) {
        base_buffer_printf(out, "%s.%03dZ", text, (int)rest);
    }
}

/* Anything else as JSON: {"v": value} without its first and last part. */
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

static void cell_to_text(const bson_t *document, const uint8_t id[12], const char *column,
                         struct base_buffer *out)
{
    bson_iter_t at;
    if (id != NULL && strcmp(column, "_id") == 0) {
        char hex[25];
        bson_oid_t oid;
        bson_oid_init_from_data(&oid, id);
        bson_oid_to_string(&oid, hex);
        base_buffer_append_str(out, hex);
    } else if (bson_iter_init_find(&at, document, column)) {
        value_to_text(&at, out);
    }
}

bool sink_csv_row(const struct sink_csv *csv, const uint8_t id[12], const uint8_t *bson,
                  uint32_t len, struct base_buffer *out)
{
    bson_t document;
    if (!bson_init_static(&document, bson, len)) {
        return false;
    }
    struct base_buffer cell = {0};
    bool is_good = true;
    for (size_t i = 0; is_good && i < csv->count; i++) {
        base_buffer_reset(&cell, cell.cap);
        cell_to_text(&document, id, csv->columns[i], &cell);
        is_good = !cell.failed && (i == 0 || base_buffer_append_char(out, ',')) &&
                  write_cell(out, cell.data, cell.len);
    }
    base_buffer_fini(&cell);
    return is_good && base_buffer_append_str(out, "\r\n");
}
