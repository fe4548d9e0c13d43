/* SPDX-License-Identifier: Apache-2.0 */
/* URLs by lexbor, and a fast path for the links that documents are made of. */
#include "fetch_internal.h"
#include <lexbor/url/url.h>
#include <stdlib.h>
#include <string.h>

/* Origins that lexbor serialised to exactly the text they were given as. A link that starts with
 * one of them needs no second look at its host. */
#define KNOWN_ORIGINS 8

struct fetch_url_parser {
    lxb_url_parser_t *parser;
    lexbor_mraw_t *base_memory;
    lexbor_mraw_t *memory; /* of one resolve; emptied before the next */
    lxb_url_t *base;
    struct base_buffer base_text; /* serialised without fragment; "" without an http(s) base */
    size_t base_origin_len;       /* scheme://host:port */
    size_t base_path_len;         /* up to the query */
    size_t base_folder_len;       /* up to and with the last slash of the path */
    struct base_buffer out;
    char *known[KNOWN_ORIGINS];
    size_t known_len[KNOWN_ORIGINS];
    size_t known_next;
};

enum gleaner_status fetch_url_parser_create(struct fetch_url_parser **out)
{
    struct fetch_url_parser *p = calloc(1, sizeof(*p));
    *out = NULL;
    if (p == NULL) {
        return GLEANER_E_NOMEM;
    }
    p->base_memory = lexbor_mraw_create();
    p->memory = lexbor_mraw_create();
    p->parser = lxb_url_parser_create();
    if (lexbor_mraw_init(p->base_memory, 4096) != LXB_STATUS_OK ||
        lexbor_mraw_init(p->memory, 8192) != LXB_STATUS_OK ||
        lxb_url_parser_init(p->parser, p->memory) != LXB_STATUS_OK) {
        fetch_url_parser_destroy(&p);
        return GLEANER_E_NOMEM;
    }
    *out = p;
    return GLEANER_OK;
}

void fetch_url_parser_destroy(struct fetch_url_parser **parser)
{
    struct fetch_url_parser *p = *parser;
    if (p == NULL) {
        return;
    }
    lxb_url_parser_destroy(p->parser, true);
    lexbor_mraw_destroy(p->base_memory, true);
    lexbor_mraw_destroy(p->memory, true);
    base_buffer_fini(&p->base_text);
    base_buffer_fini(&p->out);
    for (size_t i = 0; i < KNOWN_ORIGINS; i++) {
        free(p->known[i]);
    }
    free(p);
    *parser = NULL;
}

static lxb_status_t append_piece(const lxb_char_t *data, size_t len, void *ctx)
{
    return base_buffer_append(ctx, data, len) ? LXB_STATUS_OK : LXB_STATUS_ERROR_MEMORY_ALLOCATION;
}

static bool is_web_scheme(const lxb_url_t *url)
{
    return url->scheme.type == LXB_URL_SCHEMEL_TYPE_HTTP ||
           url->scheme.type == LXB_URL_SCHEMEL_TYPE_HTTPS;
}

/* Parse with lexbor; the result lives in `memory` until that is cleaned. */
static lxb_url_t *parse_into(struct fetch_url_parser *p, lexbor_mraw_t *memory, const char *text,
                             size_t len)
{
    lexbor_mraw_clean(memory);
    lxb_url_parser_clean(p->parser);
    p->parser->mraw = memory;
    return lxb_url_parse(p->parser, p->base, (const lxb_char_t *)text, len);
}

/* Lengths inside a serialised http(s) URL: where its origin, folder and path end. */
static void measure_base(struct fetch_url_parser *p)
{
    const char *text = p->base_text.data;
    struct fetch_url_parts parts;
    p->base_origin_len = 0;
    if (fetch_url_split(text, p->base_text.len, &parts) != GLEANER_OK ||
        memchr(text, '@', (size_t)(parts.path.data - text)) != NULL) {
        return; /* credentials: leave everything to lexbor */
    }
    p->base_origin_len = (size_t)(parts.path.data - text);
    p->base_path_len = p->base_origin_len + parts.path.len;
    p->base_folder_len = p->base_path_len;
    while (text[p->base_folder_len - 1] != '/') {
        p->base_folder_len--;
    }
}

enum gleaner_status fetch_url_set_base(struct fetch_url_parser *parser, const char *base,
                                       size_t len)
{
    if (parser->base_text.len == len && len > 0 && memcmp(parser->base_text.data, base, len) == 0) {
        return GLEANER_OK;
    }
    parser->base = NULL;
    parser->base_origin_len = 0;
    base_buffer_reset(&parser->base_text, 4096);
    lxb_url_t *url = parse_into(parser, parser->base_memory, base, len);
    if (url == NULL) {
        return GLEANER_E_INVALID;
    }
    if (!is_web_scheme(url)) {
        return GLEANER_E_UNSUPPORTED;
    }
    if (lxb_url_serialize(url, append_piece, &parser->base_text, true) != LXB_STATUS_OK) {
        return GLEANER_E_NOMEM;
    }
    parser->base = url;
    measure_base(parser);
    return GLEANER_OK;
}

/* ---- the fast path
 * ------------------------------------------------------------------------------- */

/* Bytes that WHATWG leaves as they are in path and query of a special URL, in any position (tests
 * compare with the slow path). No '%' (dot segments may hide in %2e), no ':' (schemes), no '\\'. */
enum { CH_OTHER = 0, CH_PLAIN, CH_SLASH, CH_QUERY, CH_HASH, CH_QUERY_ONLY };
static const unsigned char url_class[256] = {
    ['a' ... 'z'] = CH_PLAIN, ['A' ... 'Z'] = CH_PLAIN, ['0' ... '9'] = CH_PLAIN, ['-'] = CH_PLAIN,
    ['_'] = CH_PLAIN,         ['.'] = CH_PLAIN,         ['~'] = CH_PLAIN,         ['+'] = CH_PLAIN,
    [','] = CH_PLAIN,         ['='] = CH_PLAIN,         ['&'] = CH_PLAIN,         [';'] = CH_PLAIN,
    ['!'] = CH_PLAIN,         ['('] = CH_PLAIN,         [')'] = CH_PLAIN,         ['@'] = CH_PLAIN,
    ['*'] = CH_PLAIN,         ['/'] = CH_SLASH,         ['?'] = CH_QUERY,         ['#'] = CH_HASH,
    ['%'] = CH_QUERY_ONLY,    [':'] = CH_QUERY_ONLY,
};

/* Length of the plain path of `href`, or SIZE_MAX when something surprising comes before its end.
 * *end is where the query (with its '?') ends. */
static size_t plain_path(const char *href, size_t len, size_t *end)
{
    size_t i = 0;
    while (i < len && (url_class[(unsigned char)href[i]] == CH_PLAIN || href[i] == '/')) {
        i++;
    }
    size_t path = i;
    if (i < len && href[i] == '?') {
        while (i < len && url_class[(unsigned char)href[i]] != CH_OTHER && href[i] != '#') {
            i++;
        }
    }
    *end = i;
    return i == len || href[i] == '#' ? path : SIZE_MAX;
}

/* Append the segments of path[0..len) to p->out, which ends with a slash; dots are resolved. */
static void append_segments(struct base_buffer *out, size_t root, const char *path, size_t len)
{
    size_t i = 0;
    for (;;) {
        const char *slash = memchr(path + i, '/', len - i);
        size_t end = slash != NULL ? (size_t)(slash - path) : len;
        size_t n = end - i;
        if (n == 2 && path[i] == '.' && path[i + 1] == '.') {
            if (out->len > root + 1) {
                out->len--;
                while (out->data[out->len - 1] != '/') {
                    out->len--;
                }
            }
        } else if (!(n == 1 && path[i] == '.')) {
            base_buffer_append(out, path + i, n + (slash != NULL ? 1 : 0));
        }
        if (slash == NULL) {
            return;
        }
        i = end + 1;
    }
}

/* Length of a known origin that href starts with (and a '/' follows), or 0. */
static size_t known_origin(const struct fetch_url_parser *p, const char *href, size_t len)
{
    size_t n = p->base_origin_len;
    if (n > 0 && len > n && href[n] == '/' && memcmp(href, p->base_text.data, n) == 0) {
        return n;
    }
    for (size_t i = 0; i < KNOWN_ORIGINS; i++) {
        n = p->known_len[i];
        if (n > 0 && len > n && href[n] == '/' && memcmp(href, p->known[i], n) == 0) {
            return n;
        }
    }
    return 0;
}

/* True when out got the answer without lexbor. */
static bool resolve_fast(struct fetch_url_parser *p, const char *href, size_t len)
{
    struct base_buffer *out = &p->out;
    const char *origin = p->base_text.data;
    size_t root = p->base_origin_len, end, start = 0;
    if (len > 7 && memcmp(href, "http", 4) == 0) {
        start = known_origin(p, href, len);
        if (start == 0) {
            return false;
        }
        origin = href;
        root = start;
    } else if (root == 0 || (len >= 2 && href[0] == '/' && href[1] == '/')) {
        return false;
    }
    const char *rest = href + start;
    size_t path = plain_path(rest, len - start, &end);
    if (path == SIZE_MAX) {
        return false;
    }
    if (path == 0) { /* "", "#x", "?q" */
        base_buffer_append(out, p->base_text.data, end > 0 ? p->base_path_len : p->base_text.len);
    } else if (rest[0] == '/') {
        base_buffer_append(out, origin, root);
        base_buffer_append_char(out, '/');
        append_segments(out, root, rest + 1, path - 1);
    } else {
        base_buffer_append(out, p->base_text.data, p->base_folder_len);
        append_segments(out, root, rest, path);
    }
    base_buffer_append(out, rest + path, end - path);
    return true;
}

/* Remember the origin of `href` when lexbor left it untouched. */
static void remember_origin(struct fetch_url_parser *p, const char *href, size_t len)
{
    struct fetch_url_parts parts;
    if (fetch_url_split(p->out.data, p->out.len, &parts) != GLEANER_OK) {
        return;
    }
    size_t n = (size_t)(parts.path.data - p->out.data);
    if (len <= n || n > 255 || href[n] != '/' || memcmp(href, p->out.data, n) != 0 ||
        memchr(href, '@', n) != NULL || known_origin(p, href, len) != 0) {
        return;
    }
    char *copy = malloc(n);
    if (copy == NULL) {
        return;
    }
    memcpy(copy, href, n);
    size_t slot = p->known_next++ % KNOWN_ORIGINS;
    free(p->known[slot]);
    p->known[slot] = copy;
    p->known_len[slot] = n;
}

enum gleaner_status fetch_url_resolve_slow(struct fetch_url_parser *parser, const char *href,
                                           size_t len, struct base_slice *out)
{
    base_buffer_reset(&parser->out, 65536);
    lxb_url_t *url = parse_into(parser, parser->memory, href, len);
    if (url == NULL) {
        return GLEANER_E_INVALID;
    }
    if (!is_web_scheme(url)) {
        return GLEANER_E_UNSUPPORTED;
    }
    if (lxb_url_serialize(url, append_piece, &parser->out, true) != LXB_STATUS_OK) {
        return GLEANER_E_NOMEM;
    }
    *out = (struct base_slice){parser->out.data, parser->out.len};
    return GLEANER_OK;
}

enum gleaner_status fetch_url_resolve(struct fetch_url_parser *parser, const char *href, size_t len,
                                      struct base_slice *out)
{
    base_buffer_reset(&parser->out, 65536);
    if (resolve_fast(parser, href, len)) {
        *out = (struct base_slice){parser->out.data, parser->out.len};
        return parser->out.failed ? GLEANER_E_NOMEM : GLEANER_OK;
    }
    enum gleaner_status status = fetch_url_resolve_slow(parser, href, len, out);
    if (status == GLEANER_OK) {
        remember_origin(parser, href, len);
    }
    return status;
}

/* ---- parts
 * --------------------------------------------------------------------------------------- */

static struct base_slice slice(const char *from, const char *to)
{
    return (struct base_slice){from, (size_t)(to - from)};
}

/* First byte of `set` in [from, end), or end. */
static const char *find_any(const char *from, const char *end, const char *set)
{
    while (from < end && strchr(set, *from) == NULL) {
        from++;
    }
    return from;
}

static bool is_clean(const char *from, const char *end)
{
    for (; from < end; from++) {
        unsigned char c = (unsigned char)*from;
        if (c <= ' ' || c == 0x7f || c == '\\' || c == '<' || c == '>' || c == '"') {
            return false;
        }
    }
    return true;
}

static bool split_port(struct fetch_url_parts *out, const char *host, const char *end)
{
    const char *colon = end;
    while (colon > host && colon[-1] >= '0' && colon[-1] <= '9') {
        colon--;
    }
    out->host = slice(host, end);
    out->port = slice(end, end);
    if (colon > host && colon[-1] == ':' && colon < end) {
        out->host = slice(host, colon - 1);
        out->port = slice(colon, end);
    }
    bool bracketed = out->host.len > 0 && *host == '[';
    if (bracketed ? host[out->host.len - 1] != ']'
                  : memchr(out->host.data, ':', out->host.len) != NULL) {
        return false;
    }
    return out->host.len > 0 && out->port.len <= 5;
}

enum gleaner_status fetch_url_split(const char *url, size_t len, struct fetch_url_parts *out)
{
    const char *end = url + len;
    memset(out, 0, sizeof(*out));
    size_t scheme = len > 7 && memcmp(url, "http://", 7) == 0    ? 4
                    : len > 8 && memcmp(url, "https://", 8) == 0 ? 5
                                                                 : 0;
    if (scheme == 0 || !is_clean(url, end)) {
        return GLEANER_E_INVALID;
    }
    const char *authority = url + scheme + 3;
    const char *path = find_any(authority, end, "/?#");
    const char *host = authority;
    for (const char *p = authority; p < path; p++) {
        if (*p == '@') {
            host = p + 1;
        }
    }
    const char *fragment = memchr(path, '#', (size_t)(end - path));
    end = fragment != NULL ? fragment : end;
    const char *query = memchr(path, '?', (size_t)(end - path));
    out->scheme = slice(url, url + scheme);
    out->path = slice(path, query != NULL ? query : end);
    out->query = query != NULL ? slice(query + 1, end) : slice(end, end);
    out->origin = slice(url, path);
    return split_port(out, host, path) && out->path.len > 0 ? GLEANER_OK : GLEANER_E_INVALID;
}
