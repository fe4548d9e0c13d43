/* SPDX-License-Identifier: Apache-2.0 */
/* The host parser of the URL standard for http(s): percent-decoding, international names, the forms
 * of an IPv4 address. */
#include "url_internal.h"
#include <idn2.h>
#include <stdlib.h>
#include <string.h>

/* ---- lexbor --------------------------------------------------------------------------------- */

enum gleaner_status url_lexbor_init(struct url_lexbor *lexbor)
{
    lexbor->memory = lexbor_mraw_create();
    lexbor->parser = lxb_url_parser_create();
    lexbor->idna = lxb_unicode_idna_create();
    return lexbor_mraw_init(lexbor->memory, 8192) == LXB_STATUS_OK &&
                   lxb_url_parser_init(lexbor->parser, lexbor->memory) == LXB_STATUS_OK &&
                   lxb_unicode_idna_init(lexbor->idna) == LXB_STATUS_OK
               ? GLEANER_OK
               : GLEANER_E_NOMEM;
}

void url_lexbor_fini(struct url_lexbor *lexbor)
{
    lxb_url_parser_destroy(lexbor->parser, true);
    lexbor_mraw_destroy(lexbor->memory, true);
    lxb_unicode_idna_destroy(lexbor->idna, true);
}

lxb_url_t *url_lexbor_parse(struct url_lexbor *lexbor, const char *text, size_t len)
{
    lexbor_mraw_clean(lexbor->memory);
    lxb_url_parser_clean(lexbor->parser);
    return lxb_url_parse(lexbor->parser, NULL, (const lxb_char_t *)text, len);
}

static lxb_status_t append_piece(const lxb_char_t *data, size_t len, void *ctx)
{
    return base_buffer_append(ctx, data, len) ? LXB_STATUS_OK : LXB_STATUS_ERROR_MEMORY_ALLOCATION;
}

/* ---- names ---------------------------------------------------------------------------------- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void put_decoded(const char *from, const char *end, struct base_buffer *out)
{
    while (from < end) {
        int high = *from == '%' && end - from > 2 ? hex_value(from[1]) : -1;
        int low = high >= 0 ? hex_value(from[2]) : -1;
        base_buffer_append_char(out, low >= 0 ? (char)(high * 16 + low) : *from);
        from += low >= 0 ? 3 : 1;
    }
}

static bool is_ascii(const char *text, size_t len)
{
    size_t i = 0;
    while (i < len && (unsigned char)text[i] < 0x80) {
        i++;
    }
    return i == len;
}

/* The forbidden domain code points. */
static bool is_forbidden(unsigned char c)
{
    return c <= ' ' || c == 0x7f || strchr("#/:<>?@[\\]^|%", c) != NULL;
}

/* Lower case, in place; false when there is a character that no host has, or none at all. */
static bool make_domain(char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (is_forbidden((unsigned char)name[i])) {
            return false;
        }
        name[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
    }
    return len > 0;
}

/* What lexbor leaves out of UTS 46: CheckBidi, CheckJoiners, the rule of the first character, and
 * that an "xn--" must have a name in it. libidn2's other complaints are IDNA 2008's, which URLs do
 * not obey. */
static bool breaks_a_rule_of_labels(const char *name)
{
    char *ascii = NULL;
    int code = idn2_to_ascii_8z(name, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    idn2_free(ascii);
    return code == IDN2_BIDI || code == IDN2_CONTEXTJ || code == IDN2_CONTEXTJ_NO_RULE ||
           code == IDN2_LEADING_COMBINING || code == IDN2_PUNYCODE_BAD_INPUT;
}

/* The 253 characters that a name may have at most, in UTF-8. Converting takes quadratic time: a
 * link of 64 KB would take half a second. */
#define INTERNATIONAL_BYTES (253 * 4)

/* An international name in ASCII ("xn--..."). */
static enum gleaner_status put_international(struct url_lexbor *lexbor,
                                             const struct base_buffer *name,
                                             struct base_buffer *out)
{
    if (name->len > INTERNATIONAL_BYTES || !base_utf8_valid(name->data, name->len) ||
        breaks_a_rule_of_labels(name->data)) {
        return GLEANER_E_INVALID;
    }
    lxb_unicode_idna_clean(lexbor->idna);
    lxb_status_t status =
        lxb_unicode_idna_to_ascii(lexbor->idna, (const lxb_char_t *)name->data, name->len,
                                  append_piece, out, LXB_UNICODE_IDNA_FLAG_UNDEF);
    return out->failed || status == LXB_STATUS_ERROR_MEMORY_ALLOCATION ? GLEANER_E_NOMEM
           : status != LXB_STATUS_OK                                   ? GLEANER_E_INVALID
                                                                       : GLEANER_OK;
}

/* ---- IPv4 ----------------------------------------------------------------------------------- */

#define IPV4_TOO_LARGE (UINT64_C(1) << 32)

/* A part of an address: decimal, octal after "0", hexadecimal after "0x". False = no number. */
static bool read_number(const char *from, const char *end, uint64_t *out)
{
    int radix = 10;
    if (from == end) {
        return false;
    }
    if (end - from >= 2 && from[0] == '0') {
        radix = from[1] == 'x' ? 16 : 8;
        from += radix == 16 ? 2 : 1;
    }
    *out = 0;
    for (; from < end; from++) {
        int digit = hex_value(*from);
        if (digit < 0 || digit >= radix) {
            return false;
        }
        *out = *out >= IPV4_TOO_LARGE ? IPV4_TOO_LARGE : *out * (unsigned)radix + (unsigned)digit;
    }
    return true;
}

/* The last label decides: all digits, or a number in another form. */
static bool ends_in_number(const char *name, size_t len)
{
    const char *end = name + len - (len > 1 && name[len - 1] == '.');
    const char *label = end;
    uint64_t number;
    while (label > name && label[-1] != '.') {
        label--;
    }
    const char *digit = label;
    while (digit < end && *digit >= '0' && *digit <= '9') {
        digit++;
    }
    return label < end && (digit == end || read_number(label, end, &number));
}

static enum gleaner_status put_ipv4(const char *name, size_t len, struct base_buffer *out)
{
    const char *end = name + len - (name[len - 1] == '.');
    uint64_t address = 0, number;
    for (unsigned left = 4; left > 0; left--) {
        const char *dot = memchr(name, '.', (size_t)(end - name));
        bool is_last = dot == NULL;
        uint64_t most = is_last ? (UINT64_C(1) << 8 * left) - 1 : 255;
        if (!read_number(name, is_last ? end : dot, &number) || number > most) {
            return GLEANER_E_INVALID;
        }
        address |= is_last ? number : number << 8 * (left - 1);
        if (is_last) {
            base_buffer_printf(out, "%u.%u.%u.%u", (unsigned)(address >> 24) & 255,
                               (unsigned)(address >> 16) & 255, (unsigned)(address >> 8) & 255,
                               (unsigned)address & 255);
            return GLEANER_OK;
        }
        name = dot + 1;
    }
    return GLEANER_E_INVALID;
}

/* ---- the host ------------------------------------------------------------------------------- */

static enum gleaner_status put_ipv6(struct url_lexbor *lexbor, const char *from, const char *end,
                                    struct base_buffer *out)
{
    struct base_buffer text = {0};
    base_buffer_append_str(&text, "http://");
    base_buffer_append(&text, from, (size_t)(end - from));
    base_buffer_append_char(&text, '/');
    enum gleaner_status status = text.failed ? GLEANER_E_NOMEM : GLEANER_E_INVALID;
    lxb_url_t *url = text.failed ? NULL : url_lexbor_parse(lexbor, text.data, text.len);
    if (url != NULL && url->host.type == LXB_URL_HOST_TYPE_IPV6) {
        lxb_url_serialize_host(&url->host, append_piece, out);
        status = out->failed ? GLEANER_E_NOMEM : GLEANER_OK;
    }
    base_buffer_fini(&text);
    return status;
}

static enum gleaner_status put_domain(struct base_buffer *name, struct base_buffer *out)
{
    if (!make_domain(name->data, name->len)) {
        return GLEANER_E_INVALID;
    }
    if (ends_in_number(name->data, name->len)) {
        return put_ipv4(name->data, name->len, out);
    }
    base_buffer_append(out, name->data, name->len);
    return GLEANER_OK;
}

enum gleaner_status url_put_host(struct url_lexbor *lexbor, const char *from, const char *end,
                                 struct base_buffer *out)
{
    if (from < end && *from == '[') {
        return put_ipv6(lexbor, from, end, out);
    }
    struct base_buffer name = {0}, ascii = {0};
    put_decoded(from, end, &name);
    enum gleaner_status status = from == end   ? GLEANER_E_INVALID
                                 : name.failed ? GLEANER_E_NOMEM
                                               : GLEANER_OK;
    /* A name that is ASCII is taken as it is, also where its "xn--" is no valid one: real sites
     * have such names (the standard since 2026). */
    bool is_plain = status == GLEANER_OK && is_ascii(name.data, name.len);
    if (status == GLEANER_OK && !is_plain) {
        status = put_international(lexbor, &name, &ascii);
    }
    if (status == GLEANER_OK) {
        status = put_domain(is_plain ? &name : &ascii, out);
    }
    base_buffer_fini(&name);
    base_buffer_fini(&ascii);
    return status;
}
