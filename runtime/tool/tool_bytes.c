/* SPDX-License-Identifier: Apache-2.0 */
/* Texts and bytes: out of questions, out of files, into answers. */
#include "tool_internal.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

json_t *tool_error(const char *fmt, ...)
{
    char text[600];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return json_pack("{s:o}", "error", tool_text(text));
}

/* jansson takes no invalid UTF-8; base's JSON writer repairs it. */
json_t *tool_text_of(const char *text, size_t len)
{
    json_t *value = json_stringn(text != NULL ? text : "", len);
    if (value != NULL) {
        return value;
    }
    struct base_buffer literal = {0};
    if (base_buffer_append_json(&literal, text, len)) {
        value = json_loadb(literal.data, literal.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    }
    base_buffer_fini(&literal);
    return value != NULL ? value : json_string("");
}

json_t *tool_text(const char *text)
{
    return text != NULL ? tool_text_of(text, strlen(text)) : json_null();
}

void tool_bytes_fini(struct tool_bytes *bytes)
{
    free(bytes->owned);
    *bytes = (struct tool_bytes){0};
}

/* RFC 4648, the usual alphabet; line breaks are passed over. */
static bool decode_base64(const char *text, size_t len, struct tool_bytes *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                   "+/= \r\n\t";
    bool is_good = len < INT32_MAX && strspn(text, alphabet) == len;
    EVP_ENCODE_CTX *decoder = is_good ? EVP_ENCODE_CTX_new() : NULL;
    out->owned = decoder != NULL ? malloc(len / 4 * 3 + 8) : NULL;
    int first = 0, last = 0;
    if (out->owned != NULL) {
        unsigned char *to = (unsigned char *)out->owned;
        EVP_DecodeInit(decoder);
        is_good =
            EVP_DecodeUpdate(decoder, to, &first, (const unsigned char *)text, (int)len) >= 0 &&
            EVP_DecodeFinal(decoder, to + first, &last) >= 0;
        out->len = (size_t)first + (size_t)last;
        out->owned[is_good ? out->len : 0] = '\0';
        out->data = out->owned;
    }
    EVP_ENCODE_CTX_free(decoder);
    return is_good && out->owned != NULL;
}

bool tool_bytes_of(const json_t *question, const char *name, struct tool_bytes *out, json_t **error)
{
    char coded_name[32];
    *out = (struct tool_bytes){0};
    (void)snprintf(coded_name, sizeof coded_name, "%s_b64", name);
    const json_t *plain = json_object_get(question, name);
    const json_t *coded = json_object_get(question, coded_name);
    if (json_is_string(plain)) {
        out->data = json_string_value(plain);
        out->len = json_string_length(plain);
        return true;
    }
    if (!json_is_string(coded)) {
        *error = tool_error("\"%s\" (text) or \"%s\" (base64) is missing", name, coded_name);
        return false;
    }
    if (!decode_base64(json_string_value(coded), json_string_length(coded), out)) {
        tool_bytes_fini(out);
        *error = tool_error("\"%s\" is not base64", coded_name);
        return false;
    }
    return true;
}

bool tool_string_of(const json_t *question, const char *name, const char *fallback,
                    const char **out, json_t **error)
{
    const json_t *value = json_object_get(question, name);
    *out = fallback;
    if (value == NULL || json_is_null(value)) {
        if (fallback == NULL) {
            *error = tool_error("\"%s\" is missing", name);
        }
        return fallback != NULL;
    }
    if (!json_is_string(value)) {
        *error = tool_error("\"%s\" is no text", name);
        return false;
    }
    *out = json_string_value(value);
    if (strlen(*out) != json_string_length(value)) {
        *error = tool_error("\"%s\" holds a NUL", name);
        return false;
    }
    return true;
}

enum gleaner_status tool_read_file(const struct tool_options *options, const char *path,
                                   struct base_buffer *out, struct base_error *error)
{
    char piece[65536];
    bool is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? options->in : fopen(path, "rbe");
    if (file == NULL) {
        return base_error_set(error, GLEANER_E_NOT_FOUND, "%s: %s", path, strerror(errno));
    }
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, file)) > 0) {
        base_buffer_append(out, piece, got);
    }
    enum gleaner_status status = GLEANER_OK;
    if (ferror(file)) {
        status = base_error_set(error, GLEANER_E_IO, "%s: %s", path, strerror(errno));
    } else if (out->failed || !base_buffer_append(out, "", 0)) {
        status = base_error_set(error, GLEANER_E_NOMEM, "%s: no memory for it", path);
    }
    if (!is_input) {
        (void)fclose(file);
    }
    return status;
}

bool tool_is_url(const char *operand)
{
    return strstr(operand, "://") != NULL;
}
