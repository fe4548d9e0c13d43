/* SPDX-License-Identifier: Apache-2.0 */
/* The Japanese encodings that lexbor 3.0.1 decodes wrongly, by the Encoding standard's own steps
 * with lexbor's table. EUC-JP is right there. */
#include "fetch_internal.h"
#include <lexbor/encoding/multi.h>
#include <string.h>

enum { PIECE = 2000, INVALID = 0xFFFD };

/* The character at a pointer of the table that these encodings share, or U+FFFD. */
static uint32_t jis0208(unsigned pointer)
{
    uint32_t point = pointer < BASE_ARRAY_LEN(lxb_encoding_multi_jis0208_map)
                         ? lxb_encoding_multi_jis0208_map[pointer]
                         : 0;
    return point == 0 || point > 0x10FFFF ? INVALID : point;
}

/* ---- Shift_JIS ------------------------------------------------------------------------------- */

#define SJIS_OWN_FIRST 8836 /* pointers of characters that users define: U+E000 and up */
#define SJIS_OWN_LAST 10715

/* The character of two bytes, or U+FFFD. */
static uint32_t sjis_pair(unsigned lead, unsigned trail)
{
    if (trail < 0x40 || trail == 0x7F || trail > 0xFC) {
        return 0xFFFD;
    }
    unsigned pointer =
        (lead - (lead < 0xA0 ? 0x81 : 0xC1)) * 188 + trail - (trail < 0x7F ? 0x40 : 0x41);
    if (pointer >= SJIS_OWN_FIRST && pointer <= SJIS_OWN_LAST) {
        return 0xE000 - SJIS_OWN_FIRST + pointer;
    }
    return jis0208(pointer);
}

/* By the standard's own steps with lexbor's table: the decoder of lexbor 3.0.1 gives U+FFFD or
 * another character for every lead byte from 0xE1 on, which is half of the kanji. */
enum gleaner_status fetch_decode_shift_jis(const char *body, size_t len, struct base_buffer *out)
{
    uint32_t points[PIECE];
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned byte = (unsigned char)body[i];
        bool leads = (byte >= 0x81 && byte <= 0x9F) || (byte >= 0xE0 && byte <= 0xFC);
        if (leads && i + 1 < len) {
            unsigned trail = (unsigned char)body[i + 1];
            points[count] = sjis_pair(byte, trail);
            i += points[count] != 0xFFFD || trail >= 0x80; /* a bad pair gives its ASCII back */
        } else {
            bool is_kana = byte >= 0xA1 && byte <= 0xDF;
            points[count] = byte <= 0x80 ? byte : is_kana ? 0xFF61 - 0xA1 + byte : 0xFFFD;
        }
        if (++count == PIECE || i + 1 >= len) {
            if (!fetch_append_points(out, points, count)) {
                return GLEANER_E_NOMEM;
            }
            count = 0;
        }
    }
    return GLEANER_OK;
}

/* ---- ISO-2022-JP ----------------------------------------------------------------------------- */

/* lexbor's decoder stops at an escape that the end of the body cuts off, and with it loses what its
 * bytes are when they are no escape. */

enum jis_set { JIS_ASCII, JIS_ROMAN, JIS_KATAKANA, JIS_PAIRS };

struct jis_reader {
    const unsigned char *at, *end;
    enum jis_set set;
    bool has_switched; /* by an escape, and nothing came since: the next one is an error */
};

/* Behind an ESC: takes the escape and tells its set; false when it is none, also when it is cut. */
static bool take_escape(struct jis_reader *r)
{
    static const struct {
        const char *bytes;
        enum jis_set set;
    } escapes[] = {
        {"(B", JIS_ASCII}, {"(J", JIS_ROMAN}, {"(I", JIS_KATAKANA},
        {"$@", JIS_PAIRS}, {"$B", JIS_PAIRS},
    };
    for (size_t i = 0; r->end - r->at >= 2 && i < BASE_ARRAY_LEN(escapes); i++) {
        if (memcmp(r->at, escapes[i].bytes, 2) == 0) {
            r->at += 2;
            r->set = escapes[i].set;
            return true;
        }
    }
    return false;
}

/* One byte of the sets that have no pairs, or the first of a pair. */
static uint32_t take_byte(struct jis_reader *r, unsigned byte)
{
    if (r->set == JIS_KATAKANA) {
        return byte >= 0x21 && byte <= 0x5F ? 0xFF61 - 0x21 + byte : INVALID;
    }
    if (r->set != JIS_PAIRS) {
        bool is_roman = r->set == JIS_ROMAN;
        return byte > 0x7F || byte == 0x0E || byte == 0x0F ? INVALID
               : is_roman && byte == 0x5C                  ? 0xA5
               : is_roman && byte == 0x7E                  ? 0x203E
                                                           : byte;
    }
    if (byte < 0x21 || byte > 0x7E || r->at == r->end || *r->at == 0x1B) {
        return INVALID; /* what follows an ESC is read as an escape all the same */
    }
    unsigned trail = *r->at++;
    return trail < 0x21 || trail > 0x7E ? INVALID : jis0208((byte - 0x21) * 94 + trail - 0x21);
}

/* The next character; false for an escape, which gives none. */
static bool next_point(struct jis_reader *r, uint32_t *point)
{
    unsigned byte = *r->at++;
    if (byte != 0x1B) {
        r->has_switched = false;
        *point = take_byte(r, byte);
        return true;
    }
    bool is_second = r->has_switched;
    r->has_switched = take_escape(r);
    *point = INVALID;
    return is_second || !r->has_switched;
}

enum gleaner_status fetch_decode_iso_2022_jp(const char *body, size_t len, struct base_buffer *out)
{
    uint32_t points[PIECE];
    struct jis_reader reader = {.at = (const unsigned char *)body};
    reader.end = reader.at + len;
    for (size_t count = 0; reader.at < reader.end;) {
        count += next_point(&reader, &points[count]) ? 1 : 0;
        if (count == PIECE || reader.at == reader.end) {
            if (!fetch_append_points(out, points, count)) {
                return GLEANER_E_NOMEM;
            }
            count = 0;
        }
    }
    return GLEANER_OK;
}
