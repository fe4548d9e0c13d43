/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords out of URIs and of texts that contain URIs. The input may be malformed (a URI that the
 * driver refused is exactly what gets quoted), so every doubt is decided for hiding more. */
#include "base.h"
#include "base_internal.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Where the copy goes. Characters and masks are written whole or not at all; after the first that
 * does not fit, nothing more is written. */
struct redact_out {
    char *data;
    size_t size; /* of data, with the NUL */
    size_t len;
    bool full;
};

static void put(struct redact_out *out, const char *text, size_t len)
{
    if (out->full || len >= out->size - out->len) {
        out->full = true;
        return;
    }
    memcpy(out->data + out->len, text, len);
    out->len += len;
}

static void put_text(struct redact_out *out, const char *text, const char *end)
{
    while (text < end && !out->full) {
        size_t step = base_utf8_char_len((const unsigned char *)text, (size_t)(end - text));
        step = step == 0 ? 1 : step;
        put(out, text, step);
        text += step;
    }
}

/* ---- key=value: options of a query string, and of a log line ---- */

static const char *const secret_keys[] = {
    "authMechanismProperties",
    "tlsCertificateKeyFilePassword",
    "proxyPassword",
    "sslClientCertificateKeyPassword",
    "password",
    "passwd",
    "pwd",
    "pass",
    "secret",
    "client_secret",
    "token",
    "access_token",
    "api_key",
    "apikey",
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool is_secret_key(const char *word, size_t len)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(secret_keys); i++) {
        if (strlen(secret_keys[i]) == len && strncasecmp(secret_keys[i], word, len) == 0) {
            return true;
        }
    }
    return false;
}

/* The end of the value at `value`: a quoted one ends behind its quote, others at what separates
 * options or words. */
static const char *value_end(const char *value)
{
    if (*value == '"' || *value == '\'') {
        const char *close = strchr(value + 1, *value);
        return close != NULL ? close + 1 : value + strlen(value);
    }
    return value + strcspn(value, "& \t\r\n\"'<>`");
}

/* Copy one word; when it is a secret's key with '=' behind, mask the value. Returns what is left.
 */
static const char *copy_word(struct redact_out *out, const char *word)
{
    const char *end = word;
    while (is_word(*end)) {
        end++;
    }
    put_text(out, word, end);
    if (*end != '=' || !is_secret_key(word, (size_t)(end - word))) {
        return end;
    }
    put(out, "=***", 4);
    return value_end(end + 1);
}

/* ---- user:password@ ---- */

static bool starts_scheme(const char *text, const char *scheme)
{
    return strncasecmp(text, scheme, strlen(scheme)) == 0;
}

/* First '@' candidates end where a text around the URI would go on. */
static const char *token_end(const char *text)
{
    while ((unsigned char)*text > ' ' && strchr("\"'<>`", *text) == NULL) {
        text++;
    }
    return text;
}

/* True when every part between commas is host[:digits]: then there is no password in it. */
static bool is_host_list(const char *text, const char *end)
{
    for (const char *at = text; at < end; at++) {
        if (*at == '[') { /* an IPv6 literal has colons of its own */
            while (at < end && *at != ']') {
                at++;
            }
        }
        if (at < end && *at == ':') {
            const char *port = at + 1;
            while (port < end && isdigit((unsigned char)*port)) {
                port++;
            }
            if (port < end && *port != ',') {
                return false;
            }
            at = port;
        }
    }
    return true;
}

/* The '@' that ends the user information of a mongodb URI: the last one that is not inside a query
 * option, because a raw '@', '/' or '?' in a password is the commonest mistake. */
static const char *mongodb_at_sign(const char *authority, const char *end)
{
    const char *found = NULL;
    bool in_query = false;
    for (const char *c = authority; c < end; c++) {
        if (*c == '=' && memchr(authority, '?', (size_t)(c - authority)) != NULL) {
            in_query = true;
        }
        if (*c == '@' && !in_query) {
            found = c;
        }
    }
    return found;
}

/* Where the password that began at no known '@' may end: a quote or a blank may be part of it. */
static const char *doubtful_at_sign(const char *authority, const char *end)
{
    const char *stop = authority;
    while (stop < end && strchr("/?#", *stop) == NULL) {
        stop++;
    }
    if (is_host_list(authority, stop)) {
        return NULL;
    }
    const char *line_end = end + strcspn(end, "\r\n");
    const char *at = memchr(end, '@', (size_t)(line_end - end));
    return at != NULL ? at : end;
}

static const char *find_at_sign(const char *authority, const char *end, bool is_mongodb)
{
    if (!is_mongodb) {
        const char *at = NULL;
        for (const char *c = authority; c < end && strchr("/?#", *c) == NULL; c++) {
            at = *c == '@' ? c : at;
        }
        return at;
    }
    const char *at = mongodb_at_sign(authority, end);
    return at != NULL ? at : doubtful_at_sign(authority, end);
}

/* Copy the user information behind "://", masked. Returns where the host begins. */
static const char *copy_user_info(struct redact_out *out, const char *authority, bool is_mongodb)
{
    const char *at = find_at_sign(authority, token_end(authority), is_mongodb);
    if (at == NULL) {
        return authority;
    }
    const char *colon = memchr(authority, ':', (size_t)(at - authority));
    if (colon == NULL) {
        put_text(out, authority, at);
        return at;
    }
    put_text(out, authority, colon);
    put(out, ":***", 4);
    return at;
}

/* True when the word that ends at `scheme_end` makes this a MongoDB URI. */
static bool is_mongodb_scheme(const char *text, const char *scheme_end)
{
    static const char *const schemes[] = {"mongodb", "mongodb+srv"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if ((size_t)(scheme_end - text) >= len && starts_scheme(scheme_end - len, schemes[i])) {
            return true;
        }
    }
    return false;
}

void base_redact_uri(const char *uri, char *out, unsigned long out_size)
{
    BASE_ASSERT(out_size >= 1);
    struct redact_out copy = {.data = out, .size = out_size};
    const char *at = uri != NULL ? uri : "";
    while (*at != '\0' && !copy.full) {
        if (strncmp(at, "://", 3) == 0) {
            bool is_mongodb = is_mongodb_scheme(uri, at);
            put(&copy, "://", 3);
            at = copy_user_info(&copy, at + 3, is_mongodb);
        } else if (is_word(*at)) {
            at = copy_word(&copy, at);
        } else {
            size_t step = base_utf8_char_len((const unsigned char *)at, strnlen(at, 4));
            put_text(&copy, at, at + (step == 0 ? 1 : step));
            at += step == 0 ? 1 : step;
        }
    }
    out[copy.len] = '\0';
}
