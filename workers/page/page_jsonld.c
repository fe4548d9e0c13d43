/* SPDX-License-Identifier: Apache-2.0 */
#include "page_jsonld.h"

#include <stdlib.h>

/* Recursion ends here: deeper data is skipped as unreadable. */
#define MAX_DEPTH 32
#define NO_PROPERTY PAGE_LD_COUNT
#define NO_OBJECT UINT32_MAX

static const char *const names[PAGE_LD_COUNT] = {
    [PAGE_LD_TYPE] = "@type",
    [PAGE_LD_NAME] = "name",
    [PAGE_LD_HEADLINE] = "headline",
    [PAGE_LD_DESCRIPTION] = "description",
    [PAGE_LD_AUTHOR] = "author",
    [PAGE_LD_PUBLISHER] = "publisher",
    [PAGE_LD_PUBLISHED] = "datePublished",
    [PAGE_LD_MODIFIED] = "dateModified",
    [PAGE_LD_UPLOADED] = "uploadDate",
    [PAGE_LD_KEYWORDS] = "keywords",
    [PAGE_LD_SECTION] = "articleSection",
    [PAGE_LD_LANGUAGE] = "inLanguage",
    [PAGE_LD_URL] = "url",
    [PAGE_LD_IMAGE] = "image",
    [PAGE_LD_CONTENT_URL] = "contentUrl",
    [PAGE_LD_EMBED_URL] = "embedUrl",
    [PAGE_LD_THUMBNAIL] = "thumbnailUrl",
    [PAGE_LD_DURATION] = "duration",
    [PAGE_LD_BODY] = "articleBody",
};

struct reader {
    struct page_ld *ld;
    const char *p, *end;
    struct text_buffer *text; /* of the last string */
};

/* Where a value belongs. */
struct place {
    uint32_t object;
    enum page_ld_property property;
};

static bool read_value(struct reader *r, struct place place, unsigned depth);

const char *page_ld_name(enum page_ld_property property)
{
    return names[property];
}

void page_ld_clear(struct page_ld *ld)
{
    text_buffer_clear(&ld->bytes);
    ld->count = 0;
}

void page_ld_fini(struct page_ld *ld)
{
    text_buffer_fini(&ld->bytes);
}

struct text_slice page_ld_value(const struct page_ld *ld, unsigned object,
                                enum page_ld_property property)
{
    const struct page_ld_object *o = &ld->objects[object];
    if (o->len[property] == 0) {
        return (struct text_slice){"", 0};
    }
    return (struct text_slice){ld->bytes.data + o->offset[property], o->len[property]};
}

struct text_slice page_ld_first(const struct page_ld *ld, enum page_ld_property property)
{
    for (unsigned i = 0; i < ld->count; i++) {
        if (!ld->objects[i].is_part && ld->objects[i].len[property] > 0) {
            return page_ld_value(ld, i, property);
        }
    }
    return (struct text_slice){"", 0};
}

/* ---- characters ------------------------------------------------------------------------------ */

static char peek(struct reader *r)
{
    while (r->p < r->end && (text_is_space(*r->p) || *r->p == ';')) {
        r->p++;
    }
    return r->p < r->end ? *r->p : '\0';
}

static void append_code_point(struct text_buffer *out, uint32_t code)
{
    if (code < 0x80) {
        text_buffer_append_char(out, (char)code);
    } else if (code < 0x800) {
        text_buffer_append_char(out, (char)(0xC0 | (code >> 6)));
        text_buffer_append_char(out, (char)(0x80 | (code & 63)));
    } else if (code < 0x10000) {
        text_buffer_append_char(out, (char)(0xE0 | (code >> 12)));
        text_buffer_append_char(out, (char)(0x80 | ((code >> 6) & 63)));
        text_buffer_append_char(out, (char)(0x80 | (code & 63)));
    } else {
        text_buffer_append_char(out, (char)(0xF0 | (code >> 18)));
        text_buffer_append_char(out, (char)(0x80 | ((code >> 12) & 63)));
        text_buffer_append_char(out, (char)(0x80 | ((code >> 6) & 63)));
        text_buffer_append_char(out, (char)(0x80 | (code & 63)));
    }
}

/* Four hexadecimal digits, or UINT32_MAX. */
static uint32_t read_hex(struct reader *r)
{
    uint32_t code = 0;
    if (r->end - r->p < 4) {
        return UINT32_MAX;
    }
    for (int i = 0; i < 4; i++) {
        char c = r->p[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                                : UINT32_MAX;
        if (digit == UINT32_MAX) {
            return UINT32_MAX;
        }
        code = code * 16 + digit;
    }
    r->p += 4;
    return code;
}

/* \uXXXX, pairs of surrogates joined; a lone one becomes U+FFFD. */
static void read_unicode(struct reader *r)
{
    uint32_t code = read_hex(r);
    if (code >= 0xD800 && code < 0xDC00 && r->end - r->p >= 6 && r->p[0] == '\\' &&
        r->p[1] == 'u') {
        r->p += 2;
        uint32_t low = read_hex(r);
        code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                                             : 0xFFFD;
    }
    bool is_bad = code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) || code == 0;
    append_code_point(r->text, is_bad ? 0xFFFD : code);
}

static void read_escape(struct reader *r)
{
    static const char from[] = "nrtbf";
    static const char to[] = "\n\r\t  ";
    char c = *r->p++;
    if (c == 'u') {
        read_unicode(r);
        return;
    }
    const char *known = strchr(from, c);
    text_buffer_append_char(r->text, known != NULL && c != '\0' ? to[known - from] : c);
}

/* Behind the opening quote. */
static bool read_string(struct reader *r)
{
    text_buffer_clear(r->text);
    while (r->p < r->end && *r->p != '"') {
        if (*r->p == '\\' && r->p + 1 < r->end) {
            r->p++;
            read_escape(r);
        } else {
            text_buffer_append_char(r->text, *r->p++);
        }
    }
    return r->p < r->end && *r->p++ == '"';
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool joins(enum page_ld_property property)
{
    return property == PAGE_LD_AUTHOR || property == PAGE_LD_KEYWORDS ||
           property == PAGE_LD_SECTION;
}

/* The first value counts; names and keywords are joined. */
static void keep(struct page_ld *ld, struct place place, const char *data, size_t len)
{
    if (place.object == NO_OBJECT || place.property == NO_PROPERTY || len == 0) {
        return;
    }
    struct page_ld_object *o = &ld->objects[place.object];
    size_t old = o->len[place.property];
    if (old > 0 && (!joins(place.property) || old > 4096)) {
        return;
    }
    size_t offset = ld->bytes.len;
    if (old > 0 && text_buffer_reserve(&ld->bytes, old + 2)) {
        text_buffer_append(&ld->bytes, ld->bytes.data + o->offset[place.property], old);
        text_buffer_append(&ld->bytes, ", ", 2);
    }
    text_buffer_append(&ld->bytes, data, len);
    if (!ld->bytes.failed) {
        o->offset[place.property] = offset;
        o->len[place.property] = ld->bytes.len - offset;
    }
}

/* An object where a string was expected: {"@type": "Person", "name": ...}. */
static void keep_of_child(struct page_ld *ld, struct place place, uint32_t child)
{
    static const enum page_ld_property as_text[] = {PAGE_LD_NAME, PAGE_LD_URL, PAGE_LD_CONTENT_URL};
    static const enum page_ld_property as_image[] = {PAGE_LD_URL, PAGE_LD_CONTENT_URL,
                                                     PAGE_LD_NAME};
    bool is_image = place.property == PAGE_LD_IMAGE || place.property == PAGE_LD_THUMBNAIL;
    for (size_t i = 0; i < 3; i++) {
        enum page_ld_property property = is_image ? as_image[i] : as_text[i];
        if (ld->objects[child].len[property] > 0) {
            /* A copy: keeping may move the bytes. */
            struct text_slice value = page_ld_value(ld, child, property);
            if (text_buffer_reserve(&ld->bytes, 2 * value.len + 4096 + 8)) {
                value = page_ld_value(ld, child, property);
                keep(ld, place, value.data, value.len);
            }
            return;
        }
    }
}

static enum page_ld_property property_of(const struct text_buffer *name)
{
    for (unsigned i = 0; i < PAGE_LD_COUNT; i++) {
        if (strlen(names[i]) == name->len && memcmp(names[i], name->data, name->len) == 0) {
            return (enum page_ld_property)i;
        }
    }
    return NO_PROPERTY;
}

static uint32_t new_object(struct page_ld *ld, bool is_part)
{
    if (ld->count == PAGE_LD_OBJECTS) {
        return NO_OBJECT;
    }
    ld->objects[ld->count] = (struct page_ld_object){.is_part = is_part};
    return ld->count++;
}

static bool read_object(struct reader *r, struct place place, unsigned depth)
{
    uint32_t object = new_object(r->ld, place.property != NO_PROPERTY);
    char c = peek(r);
    while (c != '}' && c != '\0') {
        if (c != '"') {
            r->p++; /* a comma, or what should not be here */
            c = peek(r);
            continue;
        }
        r->p++;
        if (!read_string(r)) {
            return false;
        }
        struct place into = {object, r->text->len > 0 ? property_of(r->text) : NO_PROPERTY};
        if (peek(r) != ':') {
            return false;
        }
        r->p++;
        if (!read_value(r, into, depth + 1)) {
            return false;
        }
        c = peek(r);
    }
    if (c == '\0') {
        return false;
    }
    r->p++;
    if (object != NO_OBJECT) {
        keep_of_child(r->ld, place, object);
    }
    return true;
}

static bool read_array(struct reader *r, struct place place, unsigned depth)
{
    char c = peek(r);
    while (c != ']' && c != '\0') {
        if (c == ',') {
            r->p++;
        } else if (!read_value(r, place, depth + 1)) {
            return false;
        }
        c = peek(r);
    }
    r->p += c == ']' ? 1 : 0;
    return c == ']';
}

/* A number, true, false, null; anything else cannot be read. */
static bool read_literal(struct reader *r)
{
    const char *start = r->p;
    while (r->p < r->end && ((*r->p >= '0' && *r->p <= '9') || (*r->p >= 'a' && *r->p <= 'z') ||
                             (*r->p >= 'A' && *r->p <= 'Z') || strchr("+-.", *r->p) != NULL)) {
        if (*r->p == '\0') {
            return false;
        }
        r->p++;
    }
    return r->p > start;
}

static bool read_value(struct reader *r, struct place place, unsigned depth)
{
    if (depth > MAX_DEPTH || r->ld->bytes.failed) {
        return false;
    }
    switch (peek(r)) {
    case '"':
        r->p++;
        if (!read_string(r)) {
            return false;
        }
        keep(r->ld, place, r->text->data, r->text->len);
        return true;
    case '{':
        r->p++;
        return read_object(r, place, depth);
    case '[':
        r->p++;
        return read_array(r, place, depth);
    default:
        return read_literal(r);
    }
}

void page_ld_read(struct page_ld *ld, const char *json, size_t len)
{
    struct text_buffer text = {0};
    struct reader r = {.ld = ld, .p = json, .end = json + len, .text = &text};
    /* "<!--", "//<![CDATA[" and the like may stand before the data. */
    while (r.p < r.end && *r.p != '{' && *r.p != '[') {
        r.p++;
    }
    if (r.end - r.p > 7 && memcmp(r.p, "[CDATA[", 7) == 0) {
        r.p += 7;
    }
    if (r.p < r.end) {
        (void)read_value(&r, (struct place){NO_OBJECT, NO_PROPERTY}, 0);
    }
    text_buffer_fini(&text);
}
