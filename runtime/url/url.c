/* SPDX-License-Identifier: Apache-2.0 */
/* Links to absolute URLs (WHATWG). A page has forty links, most to its own host, so an authority is
 * parsed once; path and query are written behind it. Only what is rare and long is lexbor's
 * (url_host.c, README.md). tests/url/data/url_table.txt holds what another implementation answers.
 */
#include "url_internal.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Authorities seen lately, as written and normalised. */
#define KNOWN_ORIGINS 8

struct origin {
    char *raw; /* "scheme://authority/", the scheme in lower case */
    size_t raw_len;
    char *text; /* normalised, with its slash */
    size_t len; /* without it */
};

struct url_parser {
    struct url_lexbor lexbor;
    struct base_buffer base_text; /* normalised, without fragment; empty = no base */
    size_t base_origin_len;       /* scheme://host:port */
    size_t base_path_len;         /* up to the query */
    size_t base_folder_len;       /* up to and with the last slash of the path */
    struct base_buffer out, clean, raw, parsed;
    struct origin known[KNOWN_ORIGINS];
    size_t known_next;
};

enum gleaner_status url_parser_create(struct url_parser **out)
{
    struct url_parser *p = calloc(1, sizeof(*p));
    *out = NULL;
    if (p == NULL) {
        return GLEANER_E_NOMEM;
    }
    if (url_lexbor_init(&p->lexbor) != GLEANER_OK) {
        url_parser_destroy(&p);
        return GLEANER_E_NOMEM;
    }
    *out = p;
    return GLEANER_OK;
}

void url_parser_destroy(struct url_parser **parser)
{
    struct url_parser *p = *parser;
    if (p == NULL) {
        return;
    }
    url_lexbor_fini(&p->lexbor);
    base_buffer_fini(&p->base_text);
    base_buffer_fini(&p->out);
    base_buffer_fini(&p->clean);
    base_buffer_fini(&p->raw);
    base_buffer_fini(&p->parsed);
    for (size_t i = 0; i < KNOWN_ORIGINS; i++) {
        free(p->known[i].raw);
        free(p->known[i].text);
    }
    free(p);
    *parser = NULL;
}

/* ---- origins -------------------------------------------------------------------------------- */

/* p->raw ("scheme://authority/") to p->parsed, normalised. */
static enum gleaner_status parse_origin(struct url_parser *p, bool tls)
{
    size_t scheme_len = tls ? sizeof "https://" - 1 : sizeof "http://" - 1;
    const char *raw = p->raw.data;
    base_buffer_reset(&p->parsed, 4096);
    base_buffer_append(&p->parsed, raw, scheme_len);
    enum gleaner_status status =
        url_put_authority(&p->lexbor, raw + scheme_len, raw + p->raw.len - 1, tls, &p->parsed);
    base_buffer_append_char(&p->parsed, '/');
    return status == GLEANER_OK && p->parsed.failed ? GLEANER_E_NOMEM : status;
}

static char *copy_bytes(const char *from, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, from, len);
        copy[len] = '\0';
    }
    return copy;
}

static enum gleaner_status add_origin(struct url_parser *p, bool tls, const struct origin **out)
{
    size_t raw_len = p->raw.len;
    char *raw = copy_bytes(p->raw.data, raw_len);
    enum gleaner_status status = raw != NULL ? parse_origin(p, tls) : GLEANER_E_NOMEM;
    char *text = status == GLEANER_OK ? copy_bytes(p->parsed.data, p->parsed.len) : NULL;
    if (text == NULL) {
        free(raw);
        return status != GLEANER_OK ? status : GLEANER_E_NOMEM;
    }
    struct origin *o = &p->known[p->known_next++ % KNOWN_ORIGINS];
    free(o->raw);
    free(o->text);
    *o = (struct origin){raw, raw_len, text, p->parsed.len - 1};
    *out = o;
    return GLEANER_OK;
}

/* Normalise the authority written in p->raw, through the memory of the last ones. */
static enum gleaner_status find_origin(struct url_parser *p, bool tls, const struct origin **out)
{
    for (size_t i = 0; i < KNOWN_ORIGINS; i++) {
        const struct origin *o = &p->known[i];
        if (o->raw_len == p->raw.len && memcmp(o->raw, p->raw.data, o->raw_len) == 0) {
            *out = o;
            return GLEANER_OK;
        }
    }
    return add_origin(p, tls, out);
}

/* ---- one link ------------------------------------------------------------------------------- */

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

/* out = the first `keep` bytes of `prefix`, then path and query of `rest`. `root_len` is the length
 * of the prefix's origin; a prefix with more than that, up to a slash, is a folder. */
static enum gleaner_status build(struct url_parser *p, const char *prefix, size_t keep,
                                 size_t root_len, const char *rest, const char *end)
{
    struct base_buffer *out = &p->out;
    base_buffer_reset(out, 65536);
    if (!base_buffer_reserve(out, keep + 3 * (size_t)(end - rest) + 1)) {
        return GLEANER_E_NOMEM;
    }
    char *to = out->data + keep;
    memcpy(out->data, prefix, keep);
    if (rest < end && *rest != '?' && *rest != '#') {
        to = url_put_path(to, out->data + root_len, &rest, end);
    }
    if (rest < end && *rest == '?') {
        to = url_put_query(to, rest, end);
    }
    *to = '\0';
    out->len = (size_t)(to - out->data);
    return GLEANER_OK;
}

/* Everything behind the slashes of "scheme://". */
static enum gleaner_status resolve_authority(struct url_parser *p, bool tls, const char *rest,
                                             const char *end)
{
    const struct origin *origin = NULL;
    while (rest < end && is_slash(*rest)) {
        rest++;
    }
    const char *path = rest;
    while (path < end && !is_slash(*path) && *path != '?' && *path != '#') {
        path++;
    }
    base_buffer_reset(&p->raw, 4096);
    base_buffer_append_str(&p->raw, tls ? "https://" : "http://");
    base_buffer_append(&p->raw, rest, (size_t)(path - rest));
    base_buffer_append_char(&p->raw, '/');
    enum gleaner_status status = p->raw.failed ? GLEANER_E_NOMEM : find_origin(p, tls, &origin);
    if (status != GLEANER_OK) {
        return status;
    }
    path += path < end && is_slash(*path);
    return build(p, origin->text, origin->len + 1, origin->len, path, end);
}

static enum gleaner_status resolve_relative(struct url_parser *p, const char *rest, const char *end)
{
    const char *base = p->base_text.data;
    size_t origin = p->base_origin_len;
    if (rest < end && is_slash(*rest)) {
        if (rest + 1 < end && is_slash(rest[1])) {
            return resolve_authority(p, base[4] == 's', rest, end);
        }
        return build(p, base, origin + 1, origin, rest + 1, end);
    }
    size_t keep = rest == end || *rest == '#' ? p->base_text.len
                  : *rest == '?'              ? p->base_path_len
                                              : p->base_folder_len;
    return build(p, base, keep, origin, rest, end);
}

/* Without C0 controls and spaces around it, and without tabs and newlines in it. */
static struct base_slice clean_link(struct url_parser *p, const char *href, size_t len)
{
    bool dirty = false;
    while (len > 0 && (unsigned char)href[len - 1] <= ' ') {
        len--;
    }
    while (len > 0 && (unsigned char)*href <= ' ') {
        href++;
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        dirty |= href[i] == '\t' || href[i] == '\n' || href[i] == '\r';
    }
    if (!dirty) {
        return (struct base_slice){href, len};
    }
    base_buffer_reset(&p->clean, 65536);
    for (size_t i = 0; i < len; i++) {
        if (href[i] != '\t' && href[i] != '\n' && href[i] != '\r') {
            base_buffer_append_char(&p->clean, href[i]);
        }
    }
    return (struct base_slice){p->clean.data, p->clean.len};
}

/* Length of "scheme" when the link starts with "scheme:", else 0. */
static size_t scheme_length(struct base_slice link)
{
    for (size_t i = 0; i < link.len; i++) {
        char c = link.data[i], lower = (char)(c | 0x20);
        bool letter = lower >= 'a' && lower <= 'z';
        if (c == ':') {
            return i;
        }
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'))) {
            return 0;
        }
    }
    return 0;
}

/* Nobody follows it. Whether it is one at all is worth no more than a short look: lexbor converts
 * international names in quadratic time, and images as data: are long. */
static enum gleaner_status judge_other_scheme(struct url_parser *p, struct base_slice link)
{
    enum { SHORT = 1024 };
    return link.len > SHORT || url_lexbor_parse(&p->lexbor, link.data, link.len) != NULL
               ? GLEANER_E_UNSUPPORTED
               : GLEANER_E_INVALID;
}

static enum gleaner_status resolve(struct url_parser *p, const char *href, size_t len)
{
    struct base_slice link = clean_link(p, href, len);
    const char *end = link.data + link.len;
    bool has_base = p->base_text.len > 0;
    size_t scheme = scheme_length(link);
    if (scheme == 0) {
        return has_base ? resolve_relative(p, link.data, end) : GLEANER_E_INVALID;
    }
    bool tls = scheme == 5;
    if ((scheme != 4 && scheme != 5) || strncasecmp(link.data, "https", scheme) != 0) {
        return judge_other_scheme(p, link);
    }
    const char *rest = link.data + scheme + 1;
    bool two_slashes = end - rest >= 2 && rest[0] == '/' && rest[1] == '/';
    if (has_base && !two_slashes && tls == (p->base_text.data[4] == 's')) {
        return resolve_relative(p, rest, end); /* "http:x" on an http page */
    }
    return resolve_authority(p, tls, rest, end);
}

/* ---- the door ------------------------------------------------------------------------------- */

enum gleaner_status url_set_base(struct url_parser *parser, const char *base, size_t len)
{
    struct base_buffer *text = &parser->base_text;
    if (text->len == len && len > 0 && memcmp(text->data, base, len) == 0) {
        return GLEANER_OK;
    }
    base_buffer_reset(text, 65536);
    enum gleaner_status status = resolve(parser, base, len);
    if (status != GLEANER_OK) {
        return status;
    }
    struct base_buffer old = *text;
    *text = parser->out;
    parser->out = old;
    const char *path = strchr(strstr(text->data, "://") + 3, '/');
    parser->base_origin_len = (size_t)(path - text->data);
    parser->base_path_len = parser->base_origin_len + strcspn(path, "?");
    parser->base_folder_len = parser->base_path_len;
    while (text->data[parser->base_folder_len - 1] != '/') {
        parser->base_folder_len--;
    }
    return GLEANER_OK;
}

void url_forget_base(struct url_parser *parser)
{
    base_buffer_reset(&parser->base_text, 65536);
}

enum gleaner_status url_resolve(struct url_parser *parser, const char *href, size_t len,
                                struct base_slice *out)
{
    enum gleaner_status status = resolve(parser, href, len);
    if (status == GLEANER_OK) {
        *out = (struct base_slice){parser->out.data, parser->out.len};
    }
    return status;
}
