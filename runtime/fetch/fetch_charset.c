/* SPDX-License-Identifier: Apache-2.0 */
/* From bytes to UTF-8, by lexbor's encodings (WHATWG). */
#include "fetch_internal.h"
#include <lexbor/encoding/encoding.h>
#include <lexbor/html/encoding.h>
#include <string.h>

#define PRESCAN_BYTES 1024
/* A <meta> behind the prescan makes a browser start over; so far we look for one. */
#define LATE_META_BYTES 65536
#define REPLACEMENT "\xEF\xBF\xBD"

typedef const lxb_encoding_data_t *encoding;

/* A byte order mark decides, whatever else is said. */
static encoding from_bom(const char *body, size_t len, size_t *bom_len)
{
    *bom_len = 0;
    if (len >= 3 && memcmp(body, "\xEF\xBB\xBF", 3) == 0) {
        *bom_len = 3;
        return lxb_encoding_data(LXB_ENCODING_UTF_8);
    }
    if (len >= 2 && memcmp(body, "\xFE\xFF", 2) == 0) {
        *bom_len = 2;
        return lxb_encoding_data(LXB_ENCODING_UTF_16BE);
    }
    if (len >= 2 && memcmp(body, "\xFF\xFE", 2) == 0) {
        *bom_len = 2;
        return lxb_encoding_data(LXB_ENCODING_UTF_16LE);
    }
    return NULL;
}

static encoding from_label(const lxb_char_t *from, const lxb_char_t *end)
{
    return from != NULL ? lxb_encoding_data_by_pre_name(from, (size_t)(end - from)) : NULL;
}

static encoding from_content_type(const char *content_type)
{
    const lxb_char_t *end = NULL;
    if (content_type == NULL) {
        return NULL;
    }
    const lxb_char_t *text = (const lxb_char_t *)content_type;
    const lxb_char_t *name = lxb_html_encoding_content(text, text + strlen(content_type), &end);
    return from_label(name, end);
}

/* Who could read the name in ASCII does not read UTF-16. */
static encoding named_in_ascii(encoding found)
{
    if (found != NULL &&
        (found->encoding == LXB_ENCODING_UTF_16BE || found->encoding == LXB_ENCODING_UTF_16LE)) {
        return lxb_encoding_data(LXB_ENCODING_UTF_8);
    }
    return found;
}

/* The first <meta> that names a known encoding. */
static encoding from_meta(const char *body, size_t len, size_t limit)
{
    lxb_html_encoding_t em;
    encoding found = NULL;
    const lxb_char_t *data = (const lxb_char_t *)body;
    if (lxb_html_encoding_init(&em) != LXB_STATUS_OK) {
        return NULL;
    }
    len = len > limit ? limit : len;
    if (lxb_html_encoding_determine(&em, data, data + len) == LXB_STATUS_OK) {
        for (size_t i = 0; found == NULL && i < lxb_html_encoding_meta_length(&em); i++) {
            lxb_html_encoding_entry_t *entry = lxb_html_encoding_meta_entry(&em, i);
            found = from_label(entry->name, entry->end);
        }
    }
    lxb_html_encoding_destroy(&em, false);
    if (found != NULL && found->encoding == LXB_ENCODING_X_USER_DEFINED) {
        return lxb_encoding_data(LXB_ENCODING_WINDOWS_1252);
    }
    return named_in_ascii(found);
}

static const char *skip_spaces(const char *at, const char *end)
{
    while (at < end && (unsigned char)*at <= ' ') {
        at++;
    }
    return at;
}

/* The XML declaration that an XHTML page begins with ("get an XML encoding" of the standard), also
 * in UTF-16 without a mark. */
static encoding from_xml(const char *body, size_t len)
{
    if (len >= 6 && memcmp(body, "<\0?\0x\0", 6) == 0) {
        return lxb_encoding_data(LXB_ENCODING_UTF_16LE);
    }
    if (len >= 6 && memcmp(body, "\0<\0?\0x", 6) == 0) {
        return lxb_encoding_data(LXB_ENCODING_UTF_16BE);
    }
    len = len > PRESCAN_BYTES ? PRESCAN_BYTES : len;
    const char *end = len >= 5 && memcmp(body, "<?xml", 5) == 0 ? memchr(body, '>', len) : NULL;
    const char *at = end != NULL ? memmem(body, (size_t)(end - body), "encoding", 8) : NULL;
    at = at != NULL ? skip_spaces(at + 8, end) : end;
    if (at == end || *at != '=') {
        return NULL;
    }
    at = skip_spaces(at + 1, end);
    const char *stop = at < end && (*at == '"' || *at == '\'')
                           ? memchr(at + 1, *at, (size_t)(end - at - 1))
                           : NULL;
    return stop != NULL
               ? named_in_ascii(from_label((const lxb_char_t *)at + 1, (const lxb_char_t *)stop))
               : NULL;
}

/* In these, bytes below 0x80 are not always themselves. */
static bool keeps_ascii(lxb_encoding_t id)
{
    return id != LXB_ENCODING_UTF_16BE && id != LXB_ENCODING_UTF_16LE &&
           id != LXB_ENCODING_ISO_2022_JP && id != LXB_ENCODING_REPLACEMENT;
}

static bool is_ascii(const char *data, size_t len)
{
    uint64_t word;
    for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, data, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0) {
            return false;
        }
    }
    for (; len > 0; data++, len--) {
        if ((unsigned char)*data >= 0x80) {
            return false;
        }
    }
    return true;
}

/* Nothing is declared where it should be. What is UTF-8 beyond ASCII is UTF-8 whatever a late
 * <meta> says; else that is better than the last resort of the HTML standard, windows-1252. */
static encoding guess(const char *body, size_t len, bool *known_valid)
{
    *known_valid = base_utf8_valid(body, len);
    bool is_plain = *known_valid && is_ascii(body, len);
    if (*known_valid && !is_plain) {
        return lxb_encoding_data(LXB_ENCODING_UTF_8);
    }
    encoding late = len > PRESCAN_BYTES ? from_meta(body, len, LATE_META_BYTES) : NULL;
    if (late != NULL) {
        *known_valid = false;
        return late;
    }
    return lxb_encoding_data(is_plain ? LXB_ENCODING_UTF_8 : LXB_ENCODING_WINDOWS_1252);
}

bool fetch_append_points(struct base_buffer *out, const uint32_t *points, size_t count)
{
    if (!base_buffer_reserve(out, count * 4 + 1)) {
        return false;
    }
    unsigned char *to = (unsigned char *)out->data + out->len;
    for (size_t i = 0; i < count; i++) {
        uint32_t c = points[i];
        if (c < 0x80) {
            *to++ = (unsigned char)c;
        } else if (c < 0x800) {
            *to++ = (unsigned char)(0xC0 | (c >> 6));
            *to++ = (unsigned char)(0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
            *to++ = (unsigned char)(0xE0 | (c >> 12));
            *to++ = (unsigned char)(0x80 | ((c >> 6) & 0x3F));
            *to++ = (unsigned char)(0x80 | (c & 0x3F));
        } else {
            *to++ = (unsigned char)(0xF0 | (c >> 18));
            *to++ = (unsigned char)(0x80 | ((c >> 12) & 0x3F));
            *to++ = (unsigned char)(0x80 | ((c >> 6) & 0x3F));
            *to++ = (unsigned char)(0x80 | (c & 0x3F));
        }
    }
    *to = '\0';
    out->len = (size_t)(to - (unsigned char *)out->data);
    return true;
}

/* In pieces that cannot fill the buffer: lexbor 3.0.1 loses a byte of a single-byte encoding when
 * it is full. No byte gives more than one code point, besides the few held back from the piece
 * before. */
static enum gleaner_status convert(encoding from, const char *body, size_t len,
                                   struct base_buffer *out)
{
    enum { PIECE = 2000, SLACK = 48 };
    lxb_codepoint_t points[PIECE + SLACK];
    lxb_encoding_decode_t decode = {0};
    const lxb_char_t *at = (const lxb_char_t *)body, *end = at + len;
    lxb_encoding_decode_init(&decode, from, points, BASE_ARRAY_LEN(points));
    lxb_encoding_decode_replace_set(&decode, LXB_ENCODING_REPLACEMENT_BUFFER,
                                    LXB_ENCODING_REPLACEMENT_BUFFER_LEN);
    while (at < end) {
        const lxb_char_t *stop = end - at > PIECE ? at + PIECE : end;
        from->decode(&decode, &at, stop);
        at = stop;
        if (at == end) { /* cut inside a character, perhaps */
            lxb_encoding_decode_finish(&decode);
        }
        if (!fetch_append_points(out, points, lxb_encoding_decode_buf_used(&decode))) {
            return GLEANER_E_NOMEM;
        }
        lxb_encoding_decode_buf_used_set(&decode, 0);
    }
    return out->failed ? GLEANER_E_NOMEM : GLEANER_OK;
}

static enum gleaner_status convert_any(encoding from, const char *body, size_t len,
                                       struct base_buffer *out)
{
    switch (from->encoding) {
    case LXB_ENCODING_SHIFT_JIS:
        return fetch_decode_shift_jis(body, len, out);
    case LXB_ENCODING_ISO_2022_JP:
        return fetch_decode_iso_2022_jp(body, len, out);
    default:
        return convert(from, body, len, out);
    }
}

static encoding declared(const char *body, size_t len, const char *content_type, size_t *bom)
{
    encoding from = from_bom(body, len, bom);
    from = from != NULL ? from : from_content_type(content_type);
    from = from != NULL ? from : from_meta(body, len, PRESCAN_BYTES);
    return from != NULL ? from : from_xml(body, len);
}

bool fetch_charset_is_declared(const char *body, size_t len, const char *content_type)
{
    size_t bom;
    return declared(body, len, content_type, &bom) != NULL ||
           from_meta(body, len, LATE_META_BYTES) != NULL;
}

enum gleaner_status fetch_decode(const char *body, size_t len, const char *content_type,
                                 struct base_buffer *scratch, struct base_slice *out,
                                 const char **charset)
{
    size_t bom;
    bool known_valid = false;
    encoding from = declared(body, len, content_type, &bom);
    if (from == NULL) {
        from = guess(body, len, &known_valid);
    }
    body += bom;
    len -= bom;
    *charset = (const char *)from->name;
    *out = (struct base_slice){body, len};
    if (len == 0 || known_valid ||
        (from->encoding == LXB_ENCODING_UTF_8
             ? base_utf8_valid(body, len)
             : keeps_ascii(from->encoding) && is_ascii(body, len))) {
        return GLEANER_OK;
    }
    base_buffer_reset(scratch, 1u << 20);
    if (from->encoding == LXB_ENCODING_REPLACEMENT) {
        base_buffer_append(scratch, REPLACEMENT, sizeof(REPLACEMENT) - 1);
    } else if (convert_any(from, body, len, scratch) != GLEANER_OK) {
        return GLEANER_E_NOMEM;
    }
    *out = (struct base_slice){scratch->data, scratch->len};
    return scratch->failed ? GLEANER_E_NOMEM : GLEANER_OK;
}
