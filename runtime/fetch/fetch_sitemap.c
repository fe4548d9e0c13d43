/* SPDX-License-Identifier: Apache-2.0 */
/* Sitemaps (sitemaps.org): from bytes to lists of URLs. What kind of document it is, decides its
 * content, never its name or header: servers send sitemaps under every type there is. */
#include "fetch_sitemap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_ENCODING_NAME 40

static struct base_slice trim(const char *from, const char *end)
{
    while (from < end && (unsigned char)*from <= ' ') {
        from++;
    }
    while (end > from && (unsigned char)end[-1] <= ' ') {
        end--;
    }
    return (struct base_slice){from, (size_t)(end - from)};
}

/* ---- lists ---------------------------------------------------------------------------------- */

static bool grow_list(struct sitemap_list *list)
{
    if (list->count < list->cap) {
        return true;
    }
    size_t cap = list->cap == 0 ? 64 : list->cap * 2;
    const char **items = realloc((void *)list->items, cap * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    list->items = items;
    list->cap = cap;
    return true;
}

bool sitemap_add(struct sitemap_builder *builder, struct sitemap_list *list, const char *text,
                 size_t len)
{
    struct base_slice url, link = trim(text, text + len);
    enum gleaner_status status =
        link.len == 0 ? GLEANER_E_INVALID : url_resolve(builder->parser, link.data, link.len, &url);
    if (status == GLEANER_E_NOMEM) {
        builder->failed = true;
        return false;
    }
    if (status != GLEANER_OK || base_keyset_has(&list->seen, base_hash64(url.data, url.len))) {
        return true;
    }
    if (list->count == SITEMAP_MAX_URLS) {
        builder->is_cut = true;
        return false;
    }
    const char *copy = base_arena_strndup(builder->arena, url.data, url.len);
    if (copy == NULL || !grow_list(list)) {
        builder->failed = true;
        return false;
    }
    (void)base_keyset_add(&list->seen, base_hash64(url.data, url.len));
    list->items[list->count++] = copy;
    return true;
}

/* ---- plain text ----------------------------------------------------------------------------- */

static bool starts_with(struct base_slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && strncasecmp(text.data, prefix, len) == 0;
}

/* One absolute URL a line; anything else is not of a list, and is passed over. */
static void read_lines(struct sitemap_builder *builder, const char *text, size_t len)
{
    const char *end = text + len;
    for (const char *at = text; at < end;) {
        const char *stop = at;
        while (stop < end && *stop != '\n' && *stop != '\r') {
            stop++;
        }
        struct base_slice line = trim(at, stop);
        if ((starts_with(line, "http://") || starts_with(line, "https://")) &&
            !sitemap_add(builder, &builder->urls, line.data, line.len)) {
            return;
        }
        at = stop + 1;
    }
}

/* A robots.txt names sitemaps; in a list of URLs its parser finds none. */
static void read_robots(struct sitemap_builder *builder, const char *text, size_t len)
{
    struct fetch_robots *robots;
    if (fetch_robots_parse(text, len, &robots) != GLEANER_OK) {
        builder->failed = true;
        return;
    }
    const char *line;
    for (size_t i = 0; (line = fetch_robots_sitemap(robots, i)) != NULL; i++) {
        if (!sitemap_add(builder, &builder->sitemaps, line, strlen(line))) {
            break;
        }
    }
    fetch_robots_free(&robots);
}

/* ---- what it is ----------------------------------------------------------------------------- */

/* encoding="..." of an XML declaration, as a header would say it. UTF-16 is believed by its bytes
 * only: who could read the declaration as ASCII does not read UTF-16. */
static const char *declared_type(struct base_slice text, char *out, size_t out_size)
{
    if (text.len >= 2 && text.data[0] == '<' && text.data[1] == '\0') {
        return "text/xml; charset=utf-16le";
    }
    if (text.len >= 2 && text.data[0] == '\0' && text.data[1] == '<') {
        return "text/xml; charset=utf-16be";
    }
    const char *stop =
        starts_with(text, "<?xml") ? memchr(text.data, '>', text.len < 200 ? text.len : 200) : NULL;
    const char *name =
        stop != NULL ? memmem(text.data, (size_t)(stop - text.data), "encoding", 8) : NULL;
    if (name == NULL) {
        return NULL;
    }
    name += 8 + strspn(name + 8, " \t\r\n=\"'");
    size_t len = strcspn(name, " \t\r\n\"'?>");
    struct base_slice label = {name, len};
    if (len == 0 || len > MAX_ENCODING_NAME || starts_with(label, "utf-16") ||
        starts_with(label, "ucs-2") || starts_with(label, "iso-10646")) {
        return NULL;
    }
    (void)snprintf(out, out_size, "text/xml; charset=%.*s", (int)len, name);
    return out;
}

/* Where markup begins: at the first byte, or behind what a broken generator printed before it. */
static const char *find_markup(struct base_slice text)
{
    static const char *const starts[] = {"<?xml", "<urlset", "<sitemapindex", "<rss", "<feed"};
    if (text.len > 0 && text.data[0] == '<') {
        return text.data;
    }
    size_t head = text.len < 4096 ? text.len : 4096;
    for (size_t i = 0; i < BASE_ARRAY_LEN(starts); i++) {
        const char *hit = memmem(text.data, head, starts[i], strlen(starts[i]));
        if (hit != NULL) {
            return hit;
        }
    }
    return NULL;
}

static enum gleaner_status read_text(struct sitemap_builder *builder, struct base_slice body)
{
    char type[MAX_ENCODING_NAME + 32];
    struct base_buffer scratch = {0};
    struct base_slice text;
    const char *charset;
    struct base_slice head = trim(body.data, body.data + body.len);
    enum gleaner_status status = fetch_decode(
        body.data, body.len, declared_type(head, type, sizeof(type)), &scratch, &text, &charset);
    if (status == GLEANER_OK) {
        text = trim(text.data, text.data + text.len);
        const char *markup = find_markup(text);
        if (markup != NULL) {
            sitemap_read_xml(builder, markup, (size_t)(text.data + text.len - markup));
        } else {
            read_lines(builder, text.data, text.len);
            read_robots(builder, text.data, text.len);
        }
        status = builder->failed ? GLEANER_E_NOMEM : GLEANER_OK;
    }
    base_buffer_fini(&scratch);
    return status;
}

static bool is_gzip(struct base_slice body)
{
    return body.len > 2 && memcmp(body.data, "\x1f\x8b", 2) == 0;
}

/* Twice: a .gz file sent with Content-Encoding: gzip may have lost only one of its layers. */
static enum gleaner_status read_body(struct sitemap_builder *builder, struct base_slice body)
{
    struct base_buffer layers[2] = {{0}};
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < 2 && status == GLEANER_OK && is_gzip(body); i++) {
        if (!sitemap_inflate(body.data, body.len, &layers[i], &builder->is_cut)) {
            status = GLEANER_E_NOMEM;
        }
        body = (struct base_slice){layers[i].data != NULL ? layers[i].data : "", layers[i].len};
    }
    if (body.len > SITEMAP_MAX_BYTES) {
        body.len = SITEMAP_MAX_BYTES;
        builder->is_cut = true;
    }
    if (status == GLEANER_OK && body.len > 0) {
        status = read_text(builder, body);
    }
    base_buffer_fini(&layers[0]);
    base_buffer_fini(&layers[1]);
    return status;
}

/* ---- the door ------------------------------------------------------------------------------- */

static void list_fini(struct sitemap_list *list)
{
    free((void *)list->items);
    base_keyset_fini(&list->seen);
}

enum gleaner_status fetch_sitemap_parse(const char *body, size_t len, const char *url,
                                        struct fetch_sitemap **out)
{
    struct sitemap_builder builder = {0};
    *out = NULL;
    struct fetch_sitemap *sitemap = calloc(1, sizeof(*sitemap));
    enum gleaner_status status =
        sitemap != NULL ? url_parser_create(&builder.parser) : GLEANER_E_NOMEM;
    if (status != GLEANER_OK) {
        free(sitemap);
        return status;
    }
    builder.arena = &sitemap->arena;
    base_keyset_init(&builder.urls.seen, SITEMAP_MAX_URLS);
    base_keyset_init(&builder.sitemaps.seen, SITEMAP_MAX_URLS);
    if (url != NULL && url[0] != '\0') {
        status = url_set_base(builder.parser, url, strlen(url));
    }
    if (status == GLEANER_OK) {
        status = read_body(&builder, (struct base_slice){body, len});
    }
    sitemap->urls = builder.urls.items;
    sitemap->url_count = builder.urls.count;
    sitemap->sitemaps = builder.sitemaps.items;
    sitemap->sitemap_count = builder.sitemaps.count;
    sitemap->is_cut = builder.is_cut;
    builder.urls.items = builder.sitemaps.items = NULL;
    list_fini(&builder.urls);
    list_fini(&builder.sitemaps);
    url_parser_destroy(&builder.parser);
    if (status != GLEANER_OK) {
        fetch_sitemap_free(&sitemap);
    }
    *out = sitemap;
    return status;
}

void fetch_sitemap_free(struct fetch_sitemap **sitemap)
{
    struct fetch_sitemap *s = *sitemap;
    if (s != NULL) {
        free((void *)s->urls);
        free((void *)s->sitemaps);
        base_arena_fini(&s->arena);
        free(s);
        *sitemap = NULL;
    }
}
