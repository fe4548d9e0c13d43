/* SPDX-License-Identifier: Apache-2.0 */
/* The short way covers what nearly all links of a page are: a relative path, or an http(s) address
 * with a plain host, made of characters that no parser rewrites. Everything else is lexbor's. */
#include "text_url.h"

#include <stdint.h>

#define CLEAN_EVERY 64

/* Characters that stay as they are in a path or a query. Not here: '%' (%2e is a dot), ':' (a
 * scheme), '\\' (a slash), '?' and '#'. */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~' || c == '/' || c == '+' || c == ',' || c == ';' ||
           c == '=' || c == '@' || c == '!' || c == '$' || c == '&' || c == '(' || c == ')' ||
           c == '*';
}

static lxb_url_parser_t *parser_create(void)
{
    lxb_url_parser_t *parser = lxb_url_parser_create();
    if (parser != NULL && lxb_url_parser_init(parser, NULL) != LXB_STATUS_OK) {
        return lxb_url_parser_destroy(parser, true);
    }
    return parser;
}

bool text_url_init(struct text_url *url)
{
    memset(url, 0, sizeof *url);
    url->parser = parser_create();
    url->base_parser = parser_create();
    if (url->parser == NULL || url->base_parser == NULL) {
        text_url_fini(url);
        return false;
    }
    return true;
}

static void parser_destroy(lxb_url_parser_t *parser)
{
    if (parser != NULL) {
        lxb_url_parser_memory_destroy(parser);
        (void)lxb_url_parser_destroy(parser, true);
    }
}

void text_url_fini(struct text_url *url)
{
    parser_destroy(url->parser);
    parser_destroy(url->base_parser);
    text_buffer_fini(&url->base_href);
    memset(url, 0, sizeof *url);
}

static bool is_web(const lxb_url_t *url)
{
    return url->scheme.type == LXB_URL_SCHEMEL_TYPE_HTTP ||
           url->scheme.type == LXB_URL_SCHEMEL_TYPE_HTTPS;
}

static lxb_status_t append_part(const lxb_char_t *data, size_t len, void *ctx)
{
    text_buffer_append(ctx, (const char *)data, len);
    return LXB_STATUS_OK;
}

bool text_url_resolve_fully(struct text_url *url, struct text_slice href, struct text_buffer *out)
{
    if (++url->parsed >= CLEAN_EVERY) {
        url->parsed = 0;
        lexbor_mraw_clean(url->parser->mraw);
    }
    const lxb_char_t *data = (const lxb_char_t *)(href.len > 0 ? href.data : "");
    lxb_url_parser_clean(url->parser);
    const lxb_url_t *parsed = lxb_url_parse(url->parser, url->base, data, href.len);
    if (parsed == NULL || !is_web(parsed)) {
        return false;
    }
    size_t before = out->len;
    if (lxb_url_serialize(parsed, append_part, out, true) != LXB_STATUS_OK || out->failed) {
        out->len = before;
        return false;
    }
    return true;
}

/* What the short way needs of the base: where its authority and its directory end. */
static void measure_base(struct text_url *url)
{
    const char *href = url->base_href.data;
    size_t len = url->base_href.len;
    url->authority_len = 0;
    const char *path = memchr(href + sizeof "https://" - 1, '/', len - (sizeof "https://" - 1));
    if (path == NULL) {
        return;
    }
    size_t end = (size_t)(path - href);
    url->authority_len = end;
    for (; end < len && href[end] != '?'; end++) {
        if (href[end] == '/') {
            url->directory_len = end + 1;
        }
    }
}

bool text_url_set_base(struct text_url *url, struct text_slice href)
{
    const lxb_char_t *data = (const lxb_char_t *)(href.len > 0 ? href.data : "");
    lxb_url_parser_clean(url->base_parser);
    const lxb_url_t *base = lxb_url_parse(url->base_parser, url->base, data, href.len);
    if (base == NULL || !is_web(base)) {
        return false;
    }
    url->base = base;
    text_buffer_clear(&url->base_href);
    url->authority_len = 0;
    if (lxb_url_serialize(base, append_part, &url->base_href, true) == LXB_STATUS_OK &&
        url->base_href.len > sizeof "https://") {
        measure_base(url);
    }
    return true;
}

void text_url_forget_base(struct text_url *url)
{
    url->base = NULL;
    url->authority_len = 0;
    lexbor_mraw_clean(url->base_parser->mraw);
    lexbor_mraw_clean(url->parser->mraw);
    url->parsed = 0;
}

/* Only plain characters, no "." or ".." segment, and nothing that a parser would rewrite. */
static bool path_is_plain(const char *path, size_t len)
{
    bool segment_start = true;
    for (size_t i = 0; i < len; i++) {
        char c = path[i];
        if (!is_plain(c)) {
            return false;
        }
        if (segment_start && c == '.') {
            size_t dots = i + 1 < len && path[i + 1] == '.' ? 2 : 1;
            if (i + dots == len || path[i + dots] == '/') {
                return false;
            }
        }
        segment_start = c == '/';
    }
    return true;
}

/* A path without a scheme, not "//host". Leading "../" are taken from the base's directory. */
static bool resolve_path(const struct text_url *url, struct text_slice href,
                         struct text_buffer *out)
{
    size_t prefix = url->directory_len;
    if (href.data[0] == '/') {
        prefix = url->authority_len;
        if (href.len > 1 && href.data[1] == '/') {
            return false;
        }
    }
    while (href.len >= 3 && memcmp(href.data, "../", 3) == 0) {
        if (prefix > url->authority_len + 1) {
            prefix--;
            while (url->base_href.data[prefix - 1] != '/') {
                prefix--;
            }
        }
        href.data += 3;
        href.len -= 3;
    }
    if (!path_is_plain(href.data, href.len)) {
        return false;
    }
    text_buffer_append(out, url->base_href.data, prefix);
    text_buffer_append(out, href.data, href.len);
    return !out->failed;
}

/* Letters, digits, hyphens and dots, the last label neither a number (an address in disguise) nor
 * empty, no label in the encoding of international names. */
static bool host_is_plain(const char *host, size_t len)
{
    bool last_starts_with_letter = false;
    for (size_t i = 0; i < len; i++) {
        char c = host[i];
        bool label_start = i == 0 || host[i - 1] == '.';
        if (label_start) {
            if (c == '.' || c == '-' || (len - i > 4 && memcmp(host + i, "xn--", 4) == 0)) {
                return false;
            }
            last_starts_with_letter = c >= 'a' && c <= 'z';
        }
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-')) {
            return false;
        }
    }
    return last_starts_with_letter && host[len - 1] != '.' && host[len - 1] != '-';
}

static bool resolve_absolute(struct text_slice href, size_t scheme_len, struct text_buffer *out)
{
    const char *host = href.data + scheme_len;
    size_t rest = href.len - scheme_len;
    const char *path = memchr(host, '/', rest);
    size_t host_len = path != NULL ? (size_t)(path - host) : rest;
    if (host_len == 0 || !host_is_plain(host, host_len) ||
        (path != NULL && !path_is_plain(path, rest - host_len))) {
        return false;
    }
    text_buffer_append(out, href.data, href.len);
    if (path == NULL) {
        text_buffer_append_char(out, '/');
    }
    return !out->failed;
}

bool text_url_resolve(struct text_url *url, struct text_slice href, struct text_buffer *out)
{
    size_t before = out->len;
    bool done = false;
    if (href.len > 8 && memcmp(href.data, "https://", 8) == 0) {
        done = resolve_absolute(href, 8, out);
    } else if (href.len > 7 && memcmp(href.data, "http://", 7) == 0) {
        done = resolve_absolute(href, 7, out);
    } else if (href.len > 0 && url->authority_len > 0) {
        done = resolve_path(url, href, out);
    }
    if (done) {
        return true;
    }
    out->len = before;
    return text_url_resolve_fully(url, href, out);
}
