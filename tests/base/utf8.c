/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Another way to say the same: decode, then compare with the shortest form's range. */
static bool reference_valid(const unsigned char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned n = s[i] < 0x80       ? 1
                     : s[i] >> 5 == 6  ? 2
                     : s[i] >> 4 == 14 ? 3
                     : s[i] >> 3 == 30 ? 4
                                       : 0;
        if (n == 0 || i + n > len) {
            return false;
        }
        uint32_t c = n == 1 ? s[i] : s[i] & (0xFFU >> (n + 1));
        for (unsigned k = 1; k < n; k++) {
            if ((s[i + k] & 0xC0) != 0x80) {
                return false;
            }
            c = (c << 6) | (s[i + k] & 0x3F);
        }
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
            return false;
        }
        i += n;
    }
    return true;
}

Test(utf8, agrees_with_a_decoder_on_every_sequence_of_three_bytes)
{
    for (uint32_t v = 0; v < (1U << 24); v += 1) {
        unsigned char s[3] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v};
        bool agrees = reference_valid(s, 3) == base_utf8_valid((char *)s, 3);
        if (!agrees) { /* an assertion each would take minutes */
            cr_assert(agrees, "%02x %02x %02x", s[0], s[1], s[2]);
        }
    }
}

Test(utf8, agrees_with_a_decoder_on_every_boundary_of_four_bytes)
{
    static const unsigned char edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90,
                                          0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    for (unsigned lead = 0xEF; lead <= 0xFF; lead++) {
        for (size_t i = 0; i < 1000; i++) {
            unsigned char s[4] = {(unsigned char)lead, edges[i / 100], edges[i / 10 % 10],
                                  edges[i % 10]};
            cr_assert_eq(reference_valid(s, 4), base_utf8_valid((char *)s, 4));
        }
    }
}

Test(utf8, finds_a_bad_byte_at_every_offset_of_a_long_text)
{
    char text[200];
    for (size_t at = 0; at < sizeof(text); at++) {
        memset(text, 'a', sizeof(text));
        cr_assert(base_utf8_valid(text, sizeof(text)));
        text[at] = (char)0xFF;
        cr_assert_not(base_utf8_valid(text, sizeof(text)), "offset %zu", at);
    }
}

Test(utf8, a_character_cut_by_the_end_is_not_valid)
{
    cr_assert(base_utf8_valid("ab\xE2\x82\xAC", 5));
    cr_assert_not(base_utf8_valid("ab\xE2\x82\xAC", 4));
    cr_assert_not(base_utf8_valid("ab\xE2\x82\xAC", 3));
    cr_assert(base_utf8_valid(NULL, 0));
}
