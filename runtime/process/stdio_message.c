/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and replies as JSON, by libbson: it reads and writes what the store has, too. */
#include "stdio_message.h"
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum request_kind kind;
    const char *job_type, *field;
} kinds[] = {
    {"scrape_url", REQUEST_SCRAPE, "text", "url"},
    {"scrape_images", REQUEST_SCRAPE, "image", "url"},
    {"scrape_videos", REQUEST_SCRAPE, "video", "url"},
    {"scan_directory", REQUEST_SCAN, NULL, "directory"},
    {"search_content", REQUEST_SEARCH, NULL, "query"},
    {"shutdown", REQUEST_SHUTDOWN, NULL, NULL},
};
static const char *const reply_types[] = {
    [REQUEST_SCRAPE] = "scrape_result",
    [REQUEST_SCAN] = "scan_result",
    [REQUEST_SEARCH] = "search_result",
    [REQUEST_SHUTDOWN] = "shutdown_result",
};

/* ---- requests ---- */

static const char *text_of(const bson_t *object, const char *name)
{
    bson_iter_t field;
    return bson_iter_init_find(&field, object, name) && BSON_ITER_HOLDS_UTF8(&field)
               ? bson_iter_utf8(&field, NULL)
               : NULL;
}

static void take_id(const bson_t *object, struct request *request)
{
    bson_iter_t field;
    if (bson_iter_init_find(&field, object, "requestId")) {
        request->id = bson_new();
        bson_append_iter(request->id, "requestId", -1, &field);
    }
}

static enum gleaner_status take_kind(const bson_t *object, struct request *request,
                                     struct base_error *error)
{
    const char *type = text_of(object, "type");
    for (size_t i = 0; type != NULL && i < BASE_ARRAY_LEN(kinds); i++) {
        if (strcmp(type, kinds[i].name) != 0) {
            continue;
        }
        request->kind = kinds[i].kind;
        request->job_type = kinds[i].job_type;
        const char *text = kinds[i].field != NULL ? text_of(object, kinds[i].field) : "";
        if (text == NULL || (kinds[i].field != NULL && text[0] == '\0')) {
            return base_error_set(error, GLEANER_E_INVALID, "%s wants \"%s\", a text", type,
                                  kinds[i].field);
        }
        request->text = strdup(text);
        return request->text != NULL ? GLEANER_OK
                                     : base_error_set(error, GLEANER_E_NOMEM, "no memory");
    }
    return base_error_set(error, GLEANER_E_INVALID,
                          "\"type\" is %s%s%s; there are scrape_url, scrape_images, scrape_videos, "
                          "scan_directory, search_content, shutdown",
                          type != NULL ? "'" : "", type != NULL ? type : "missing",
                          type != NULL ? "'" : "");
}

enum gleaner_status request_parse(const char *line, size_t len, struct request **out,
                                  struct base_error *error)
{
    bson_error_t why;
    struct request *request = calloc(1, sizeof *request);
    *out = request;
    if (request == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory");
    }
    /* libbson takes an array for an object with the keys 0, 1, ... */
    size_t start = 0;
    while (start < len && (line[start] == ' ' || line[start] == '\t')) {
        start++;
    }
    bson_t *object = start < len && line[start] == '{'
                         ? bson_new_from_json((const uint8_t *)line, (ssize_t)len, &why)
                         : NULL;
    if (object == NULL) {
        return base_error_set(error, GLEANER_E_INVALID, "the line is no JSON object");
    }
    take_id(object, request);
    enum gleaner_status status = take_kind(object, request, error);
    bson_destroy(object);
    return status;
}

void request_free(struct request **request)
{
    if (*request != NULL) {
        free((*request)->text);
        if ((*request)->id != NULL) {
            bson_destroy((*request)->id);
        }
        free(*request);
    }
    *request = NULL;
}

/* ---- replies ---- */

static void append_text(bson_t *data, const char *name, const char *text)
{
    bool is_sound = bson_utf8_validate(text, strlen(text), false);
    BSON_APPEND_UTF8(data, name, is_sound ? text : "not UTF-8");
}

static void append_data(const struct reply *reply, bson_t *object)
{
    bson_t data;
    BSON_APPEND_DOCUMENT_BEGIN(object, "data", &data);
    BSON_APPEND_BOOL(&data, "success", reply->success);
    append_text(&data, "message", reply->message);
    BSON_APPEND_BOOL(&data, "contentFound", reply->found);
    if (reply->content != NULL) {
        bson_append_iter(&data, "content", -1, reply->content);
    } else {
        BSON_APPEND_NULL(&data, "content");
    }
    if (reply->error != NULL) {
        append_text(&data, "error", reply->error);
    }
    bson_append_document_end(object, &data);
}

void reply_write(const struct request *request, const struct reply *reply, struct base_buffer *out)
{
    bson_t object = BSON_INITIALIZER;
    bson_iter_t id;
    bool is_answer = request != NULL && request->text != NULL;
    BSON_APPEND_UTF8(&object, "type", is_answer ? reply_types[request->kind] : "error");
    append_data(reply, &object);
    if (request != NULL && request->id != NULL &&
        bson_iter_init_find(&id, request->id, "requestId")) {
        bson_append_iter(&object, "requestId", -1, &id);
    } else {
        BSON_APPEND_NULL(&object, "requestId");
    }
    char *text = bson_as_relaxed_extended_json(&object, NULL);
    base_buffer_append_str(out, text != NULL ? text : "{\"type\":\"error\"}");
    base_buffer_append_char(out, '\n');
    bson_free(text);
    bson_destroy(&object);
}
