/* SPDX-License-Identifier: Apache-2.0 */
/* Sitemaps, indexes, RSS and Atom by expat. Namespaces are not asked for: half of the sitemaps in
 * the world declare a wrong one; an element is known by its name and its parent.
 *
 * Nothing is expanded: references to entities other than XML's own five are taken out before expat
 * sees the text, and a document type with declarations of its own is jumped over. So there is no
 * external entity to fetch and no bomb to unfold.
 *
 * Markup that is not well-formed is read on at the next entry behind the mistake. */
#include "fetch_sitemap.h"
#include <expat.h>
#include <string.h>
#include <strings.h>

#define MAX_DEPTH 64
#define MAX_RESTARTS 10000
#define MAX_TEXT 65536 /* of one URL */

enum element {
    ELEMENT_OTHER,
    ELEMENT_URL,
    ELEMENT_SITEMAP,
    ELEMENT_ITEM,
    ELEMENT_ENTRY,
    ELEMENT_LOC,
    ELEMENT_LINK,
    ELEMENT_GUID
};
static const struct {
    const char *name;
    enum element element;
} names[] = {
    {"url", ELEMENT_URL},     {"sitemap", ELEMENT_SITEMAP}, {"item", ELEMENT_ITEM},
    {"entry", ELEMENT_ENTRY}, {"loc", ELEMENT_LOC},         {"link", ELEMENT_LINK},
    {"guid", ELEMENT_GUID},
};

struct reader {
    struct sitemap_builder *builder;
    XML_Parser parser;
    unsigned char stack[MAX_DEPTH];
    size_t depth;
    struct base_buffer text; /* of the element being collected */
    struct base_buffer guid; /* of the item being read: its address when it has no link */
    bool is_collecting, has_link, is_full;
};

static enum element element_of(const char *name, size_t len)
{
    const char *colon = memchr(name, ':', len);
    if (colon != NULL) {
        len -= (size_t)(colon + 1 - name);
        name = colon + 1;
    }
    for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
        if (strlen(names[i].name) == len && strncasecmp(names[i].name, name, len) == 0) {
            return names[i].element;
        }
    }
    return ELEMENT_OTHER;
}

static void add(struct reader *r, struct sitemap_list *list, const char *text, size_t len)
{
    if (!sitemap_add(r->builder, list, text, len)) {
        r->is_full = true;
        (void)XML_StopParser(r->parser, XML_FALSE);
    }
}

static const char *attribute(const XML_Char **attributes, const char *name)
{
    for (; attributes[0] != NULL; attributes += 2) {
        if (strcasecmp(attributes[0], name) == 0) {
            return attributes[1];
        }
    }
    return NULL;
}

/* <link href rel> of Atom (also inside RSS); without href its text is the address (RSS). */
static void start_link(struct reader *r, const XML_Char **attributes)
{
    const char *href = attribute(attributes, "href");
    const char *rel = attribute(attributes, "rel");
    if (href == NULL) {
        r->is_collecting = true;
    } else if (rel == NULL || strcasecmp(rel, "alternate") == 0) {
        r->has_link = true;
        add(r, &r->builder->urls, href, strlen(href));
    }
}

static void start_inside(struct reader *r, enum element parent, enum element element,
                         const XML_Char **attributes)
{
    bool is_news = parent == ELEMENT_ITEM || parent == ELEMENT_ENTRY;
    if (element == ELEMENT_LOC && (parent == ELEMENT_URL || parent == ELEMENT_SITEMAP)) {
        r->is_collecting = true;
    } else if (element == ELEMENT_LINK && is_news) {
        start_link(r, attributes);
    } else if (element == ELEMENT_GUID && is_news) {
        const char *permanent = attribute(attributes, "isPermaLink");
        r->is_collecting = permanent == NULL || strcasecmp(permanent, "false") != 0;
    }
}

static void XMLCALL on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *r = ctx;
    if (r->depth == MAX_DEPTH) {
        (void)XML_StopParser(r->parser, XML_FALSE);
        return;
    }
    enum element element = element_of(name, strlen(name));
    enum element parent = r->depth > 0 ? r->stack[r->depth - 1] : ELEMENT_OTHER;
    r->stack[r->depth++] = (unsigned char)element;
    r->is_collecting = false;
    base_buffer_reset(&r->text, MAX_TEXT);
    if (element == ELEMENT_ITEM || element == ELEMENT_ENTRY) {
        r->has_link = false;
        base_buffer_reset(&r->guid, MAX_TEXT);
    }
    start_inside(r, parent, element, attributes);
}

static void XMLCALL on_text(void *ctx, const XML_Char *text, int len)
{
    struct reader *r = ctx;
    if (r->is_collecting && r->text.len + (size_t)len > MAX_TEXT) {
        r->is_collecting = false;
    }
    if (r->is_collecting && !base_buffer_append(&r->text, text, (size_t)len)) {
        r->builder->failed = true;
        (void)XML_StopParser(r->parser, XML_FALSE);
    }
}

/* What was collected, by the element that it stood in: the top of the stack. */
static void take_text(struct reader *r)
{
    enum element element = r->stack[r->depth - 1];
    enum element parent = r->depth > 1 ? r->stack[r->depth - 2] : ELEMENT_OTHER;
    r->is_collecting = false;
    if (element == ELEMENT_GUID) {
        struct base_buffer old = r->guid;
        r->guid = r->text;
        r->text = old;
        return;
    }
    struct sitemap_list *list =
        parent == ELEMENT_SITEMAP ? &r->builder->sitemaps : &r->builder->urls;
    r->has_link |= element == ELEMENT_LINK && r->text.len > 0;
    add(r, list, r->text.len > 0 ? r->text.data : "", r->text.len);
}

static bool looks_absolute(const struct base_buffer *text)
{
    const char *at = text->data;
    while (at != NULL && *at != '\0' && (unsigned char)*at <= ' ') {
        at++;
    }
    return at != NULL &&
           (strncasecmp(at, "http://", 7) == 0 || strncasecmp(at, "https://", 8) == 0);
}

static void XMLCALL on_end(void *ctx, const XML_Char *name)
{
    struct reader *r = ctx;
    (void)name;
    if (r->depth == 0) {
        return;
    }
    if (r->is_collecting) {
        take_text(r);
    }
    if (r->stack[r->depth - 1] == ELEMENT_ITEM && !r->has_link && looks_absolute(&r->guid)) {
        add(r, &r->builder->urls, r->guid.data, r->guid.len);
    }
    r->depth--;
}

static void XMLCALL on_doctype(void *ctx, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal_subset)
{
    struct reader *r = ctx;
    (void)name;
    (void)system_id;
    (void)public_id;
    if (has_internal_subset) {
        (void)XML_StopParser(r->parser, XML_FALSE);
    }
}

/* ---- references ----------------------------------------------------------------------------- */

/* Length of the reference at `at` ("&name;", "&#10;"), 0 when it is a bare '&'. */
static size_t reference_length(const char *at, const char *end)
{
    static const char part[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *name = at + 1;
    name += name < end && *name == '#';
    const char *stop = name;
    while (stop < end && *stop != '\0' && strchr(part, *stop) != NULL) {
        stop++;
    }
    return stop > name && stop < end && *stop == ';' ? (size_t)(stop + 1 - at) : 0;
}

static bool is_xmls_own(const char *at, size_t len)
{
    static const char *const own[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(own); i++) {
        if (strlen(own[i]) == len && memcmp(own[i], at, len) == 0) {
            return true;
        }
    }
    return at[1] == '#';
}

/* Behind a CDATA section or a comment at `at`, in which '&' is a letter like any other. */
static const char *skip_section(const char *at, const char *end)
{
    static const struct {
        const char *open, *close;
    } sections[] = {{"<![CDATA[", "]]>"}, {"<!--", "-->"}};
    for (size_t i = 0; i < BASE_ARRAY_LEN(sections); i++) {
        size_t len = strlen(sections[i].open);
        if ((size_t)(end - at) >= len && memcmp(at, sections[i].open, len) == 0) {
            const char *hit = memmem(at + len, (size_t)(end - at) - len, sections[i].close, 3);
            return hit != NULL ? hit + 3 : end;
        }
    }
    return at + 1;
}

/* A bare '&' (the commonest mistake of all) becomes "&amp;"; references to foreign entities go. */
static bool repair_references(const char *text, size_t len, struct base_buffer *out)
{
    const char *end = text + len, *kept = text;
    for (const char *at = text; at < end;) {
        if (*at == '<') {
            at = skip_section(at, end);
            continue;
        }
        size_t reference = *at == '&' ? reference_length(at, end) : 0;
        if (*at != '&' || (reference > 0 && is_xmls_own(at, reference))) {
            at++;
            continue;
        }
        base_buffer_append(out, kept, (size_t)(at - kept));
        if (reference == 0) {
            base_buffer_append_str(out, "&amp;");
        }
        at += reference > 0 ? reference : 1;
        kept = at;
    }
    base_buffer_append(out, kept, (size_t)(end - kept));
    return !out->failed;
}

/* ---- reading -------------------------------------------------------------------------------- */

static void set_handlers(struct reader *r)
{
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    r->depth = 0;
    r->is_collecting = false;
}

/* The start tag of the next entry, from `at` on; `end` when there is none. A name ends at the next
 * '<', too: else "<a<a<a..." would be looked through anew from each of them. */
static const char *next_entry(const char *at, const char *end)
{
    for (; at < end && (at = memchr(at, '<', (size_t)(end - at))) != NULL; at++) {
        const char *name = at + 1, *stop = name;
        while (stop < end && strchr("></", *stop) == NULL && (unsigned char)*stop > ' ') {
            stop++;
        }
        enum element element = element_of(name, (size_t)(stop - name));
        if (element >= ELEMENT_URL && element <= ELEMENT_ENTRY) {
            return at;
        }
    }
    return end;
}

/* Parse from `at`. Where the mistake is, or NULL when there was none. Entries behind a mistake have
 * lost their root, so they get another one. */
static const char *parse_part(struct reader *r, const char *at, const char *end, const char *root)
{
    XML_Index offset = (XML_Index)strlen(root);
    set_handlers(r);
    if (offset > 0) {
        (void)XML_Parse(r->parser, root, (int)offset, XML_FALSE);
    }
    if (XML_Parse(r->parser, at, (int)(end - at), XML_TRUE) == XML_STATUS_OK) {
        return NULL;
    }
    if (r->is_collecting && XML_GetErrorCode(r->parser) == XML_ERROR_TAG_MISMATCH) {
        take_text(r); /* <loc> whose end is missing, in a document that goes on */
    }
    XML_Index where = XML_GetCurrentByteIndex(r->parser) - offset;
    return where > 0 && where < end - at ? at + where : where <= 0 ? at : end;
}

static void read_parts(struct reader *r, const char *text, size_t len)
{
    const char *at = text, *end = text + len, *root = "";
    for (size_t i = 0; i < MAX_RESTARTS && at < end && !r->is_full && !r->builder->failed; i++) {
        const char *mistake = parse_part(r, at, end, root);
        if (mistake == NULL) {
            return;
        }
        r->builder->is_cut = true;
        at = next_entry(mistake > at ? mistake : at + 1, end);
        root = "<entries>";
        (void)XML_ParserReset(r->parser, "UTF-8");
    }
}

void sitemap_read_xml(struct sitemap_builder *builder, const char *text, size_t len)
{
    struct base_buffer repaired = {0};
    struct reader reader = {.builder = builder, .parser = XML_ParserCreate("UTF-8")};
    if (reader.parser == NULL || !repair_references(text, len, &repaired)) {
        builder->failed = true;
    } else {
        read_parts(&reader, repaired.data, repaired.len);
    }
    if (reader.parser != NULL) {
        XML_ParserFree(reader.parser);
    }
    base_buffer_fini(&reader.text);
    base_buffer_fini(&reader.guid);
    base_buffer_fini(&repaired);
}
