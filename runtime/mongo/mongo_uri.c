/* SPDX-License-Identifier: Apache-2.0 */
/* Connection strings: what is wrong with one, where, and what to do, without showing a secret. */
#include "mongo_internal.h"

#include <string.h>

static const char *scheme_end(const char *text)
{
    if (strncmp(text, "mongodb://", 10) == 0) {
        return text + 10;
    }
    return strncmp(text, "mongodb+srv://", 14) == 0 ? text + 14 : NULL;
}

static mongoc_uri_t *refuse_scheme(const char *text, struct base_error *error)
{
    const char *colon = strstr(text, "://");
    int len = colon != NULL && colon - text < 20 ? (int)(colon - text) : 0;
    base_error_set(error, GLEANER_E_CONFIG,
                   "MongoDB URI: the scheme %s%.*s%s is not one of mongodb:// and mongodb+srv://; "
                   "write mongodb://HOST:27017/DATABASE",
                   len > 0 ? "'" : "", len, text, len > 0 ? "'" : "at its start");
    return NULL;
}

/* The driver's message may quote user name and password when these are what it cannot read. So
 * the part after the last '@' is parsed by itself: if that is right, the fault is before it and
 * is described without quoting; if it is wrong, the message is about hosts and options. */
static mongoc_uri_t *explain(const char *text, const char *rest, const bson_error_t *first,
                             struct base_error *error)
{
    const char *at = strrchr(rest, '@');
    bson_error_t second;
    char message[sizeof first->message];
    memcpy(message, first->message, sizeof message);
    if (at != NULL) {
        struct base_buffer hosts = {0};
        base_buffer_append(&hosts, text, (size_t)(rest - text));
        base_buffer_append_str(&hosts, at + 1);
        mongoc_uri_t *uri = hosts.failed ? NULL : mongoc_uri_new_with_error(hosts.data, &second);
        base_buffer_fini(&hosts);
        if (uri != NULL) {
            mongoc_uri_destroy(uri);
            base_error_set(error, GLEANER_E_CONFIG,
                           "MongoDB URI: the part before '@' cannot be read; in user name and "
                           "password write the characters : / ? # [ ] @ %% as %%3A %%2F %%3F %%23 "
                           "%%5B %%5D %%40 %%25");
            return NULL;
        }
        memcpy(message, second.message, sizeof message);
    }
    message[sizeof message - 1] = '\0';
    char redacted[400];
    base_redact_uri(message, redacted, sizeof redacted);
    base_error_set(error, GLEANER_E_CONFIG,
                   "MongoDB URI: %s; the form is mongodb://[CREDENTIALS@]HOST[:PORT]"
                   "[,HOST[:PORT]...]/[DATABASE][?OPTION=VALUE&...]",
                   redacted);
    return NULL;
}

mongoc_uri_t *mongo_uri_parse(const char *text, struct base_error *error)
{
    if (text == NULL || text[0] == '\0') {
        base_error_set(error, GLEANER_E_CONFIG,
                       "MongoDB URI: it is empty; write mongodb://HOST:27017/DATABASE");
        return NULL;
    }
    const char *rest = scheme_end(text);
    if (rest == NULL) {
        return refuse_scheme(text, error);
    }
    mongo_init(); /* what the driver says of it comes to our log */
    bson_error_t driver_error;
    mongoc_uri_t *uri = mongoc_uri_new_with_error(text, &driver_error);
    if (uri == NULL) {
        return explain(text, rest, &driver_error, error);
    }
    const mongoc_write_concern_t *concern = mongoc_uri_get_write_concern(uri);
    if (concern != NULL && !mongoc_write_concern_is_acknowledged(concern)) {
        mongoc_uri_destroy(uri);
        base_error_set(error, GLEANER_E_CONFIG,
                       "MongoDB URI: w=0 asks for no acknowledgement, and what is not acknowledged "
                       "cannot be kept safe; use w=1 or w=majority");
        return NULL;
    }
    return uri;
}

enum gleaner_status mongo_uri_check(const char *uri, struct base_error *error)
{
    mongoc_uri_t *parsed = mongo_uri_parse(uri, error);
    if (parsed == NULL) {
        return GLEANER_E_CONFIG;
    }
    mongoc_uri_destroy(parsed);
    return GLEANER_OK;
}

/* ---- what the driver remarks ---- */

struct listener {
    void (*note)(void *ctx, const char *words);
    void *ctx;
};

/* Set while the driver parses a URI for us: it has no other way to say what it skipped. */
static _Thread_local const struct listener *listening;

bool mongo_uri_hears(const char *words)
{
    if (listening == NULL) {
        return false;
    }
    listening->note(listening->ctx, words);
    return true;
}

void mongo_uri_each_note(const char *uri, void (*note)(void *ctx, const char *words), void *ctx)
{
    const struct listener listener = {.note = note, .ctx = ctx};
    struct base_error error = {0};
    listening = &listener;
    mongoc_uri_t *parsed = mongo_uri_parse(uri, &error);
    listening = NULL;
    if (parsed != NULL) {
        mongoc_uri_destroy(parsed);
    }
}
