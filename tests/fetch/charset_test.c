/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct base_buffer scratch;
static const char *charset;

static struct base_slice decode(const char *body, size_t len, const char *type)
{
    struct base_slice out;
    cr_assert_eq(fetch_decode(body, len, type, &scratch, &out, &charset), GLEANER_OK);
    cr_assert(base_utf8_valid(out.data, out.len));
    return out;
}

static void expect(const char *body, size_t len, const char *type, const char *text,
                   const char *name)
{
    struct base_slice out = decode(body, len, type);
    cr_expect_eq(out.len, strlen(text), "%s: %zu bytes of %zu", text, out.len, strlen(text));
    cr_expect(out.len == strlen(text) && memcmp(out.data, text, out.len) == 0, "%s", text);
    cr_expect_str_eq(charset, name);
}

#define BYTES(s) s, sizeof(s) - 1

Test(charset, utf8_is_not_copied)
{
    const char body[] = "<p>Gr\xC3\xBC\xC3\x9F"
                        "e";
    struct base_slice out = decode(BYTES(body), "text/html; charset=UTF-8");
    cr_assert_eq(out.data, body);
    out = decode(BYTES(body), NULL);
    cr_assert_eq(out.data, body);
    cr_assert_str_eq(charset, "UTF-8");
    out = decode(BYTES("plain"), "text/html; charset=iso-8859-1");
    cr_assert_eq(scratch.data, NULL);
}

Test(charset, the_order_is_mark_header_meta_guess)
{
    expect(BYTES("\xEF\xBB\xBF\xC3\xA9"), "text/html; charset=windows-1251", "\xC3\xA9", "UTF-8");
    expect(BYTES("<meta charset=koi8-r>\xE9"), "text/html; charset=windows-1252",
           "<meta charset=koi8-r>\xC3\xA9", "windows-1252");
    expect(BYTES("<meta charset=windows-1251>\xE9"), "text/html",
           "<meta charset=windows-1251>\xD0\xB9", "windows-1251");
    expect(BYTES("<meta http-equiv=content-type content='text/html; charset=euc-jp'>\xA4\xA2"),
           NULL, "<meta http-equiv=content-type content='text/html; charset=euc-jp'>\xE3\x81\x82",
           "EUC-JP");
    expect(BYTES("caf\xE9 \x80"), NULL, "caf\xC3\xA9 \xE2\x82\xAC", "windows-1252");
}

Test(charset, utf16_is_known_by_its_mark_or_header_but_not_by_meta)
{
    expect(BYTES("\xFF\xFE"
                 "a\0\xE9\0"),
           NULL, "a\xC3\xA9", "UTF-16LE");
    expect(BYTES("\xFE\xFF\0a\0\xE9"), "text/html; charset=utf-8", "a\xC3\xA9", "UTF-16BE");
    expect(BYTES("\0a\0\xE9"), "text/html; charset=utf-16be", "a\xC3\xA9", "UTF-16BE");
    expect(BYTES("<meta charset=utf-16>\xC3\xA9"), NULL, "<meta charset=utf-16>\xC3\xA9", "UTF-8");
}

Test(charset, an_xml_declaration_is_read_where_no_meta_says_anything)
{
    expect(BYTES("<?xml version='1.0' encoding = \"windows-1251\"?>\xE9"), "application/xhtml+xml",
           "<?xml version='1.0' encoding = \"windows-1251\"?>\xD0\xB9", "windows-1251");
    expect(BYTES("<?xml version='1.0' encoding='koi8-r'?><meta charset=windows-1251>\xE9"), NULL,
           "<?xml version='1.0' encoding='koi8-r'?><meta charset=windows-1251>\xD0\xB9",
           "windows-1251");
    expect(BYTES("<?xml encoding='utf-16'?>\xC3\xA9"), NULL, "<?xml encoding='utf-16'?>\xC3\xA9",
           "UTF-8");
    expect(BYTES("<?xml encoding='koi8-r?>\xE9"), NULL, "<?xml encoding='koi8-r?>\xC3\xA9",
           "windows-1252");
    expect(BYTES(" <?xml encoding='koi8-r'?>\xE9"), NULL, " <?xml encoding='koi8-r'?>\xC3\xA9",
           "windows-1252");
    expect(BYTES("<?xml encoding"), NULL, "<?xml encoding", "UTF-8");
    expect(BYTES("<\0?\0x\0\xE9\0"), NULL, "<?x\xC3\xA9", "UTF-16LE");
    expect(BYTES("\0<\0?\0x\0\xE9"), NULL, "<?x\xC3\xA9", "UTF-16BE");
}

Test(charset, invalid_bytes_become_the_replacement_character)
{
    expect(BYTES("a\xFF"
                 "b"),
           "text/html; charset=utf-8",
           "a\xEF\xBF\xBD"
           "b",
           "UTF-8");
    expect(BYTES("a\xC3"), "text/html; charset=utf-8", "a\xEF\xBF\xBD", "UTF-8");
    expect(BYTES("\xED\xA0\x80"), "text/html; charset=utf-8",
           "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", "UTF-8");
    expect(BYTES("x\x81"), "text/html; charset=shift_jis", "x\xEF\xBF\xBD", "Shift_JIS");
}

Test(charset, asian_encodings_are_converted)
{
    expect(BYTES("\x93\xFA\x96\x7B"), "text/html; charset=\"Shift_JIS\"",
           "\xE6\x97\xA5\xE6\x9C\xAC", "Shift_JIS");
    expect(BYTES("\xD6\xD0\xCE\xC4"), "text/html;charset=GB2312", "\xE4\xB8\xAD\xE6\x96\x87",
           "GBK");
    expect(BYTES("\xA4\xA4\xA4\xE5"), "text/html;charset=big5", "\xE4\xB8\xAD\xE6\x96\x87", "Big5");
    expect(BYTES("\xC7\xD1"), "text/html;charset=euc-kr", "\xED\x95\x9C", "EUC-KR");
    expect(BYTES("\x1B$B$\"\x1B(B!"), "text/html;charset=iso-2022-jp", "\xE3\x81\x82!",
           "ISO-2022-JP");
    expect(BYTES("\x94\x39\xDA\x33"), "text/html;charset=gb18030", "\xF0\x9F\x92\xA9", "gb18030");
}

Test(charset, shift_jis_is_read_as_the_standard_does)
{
    const char *type = "text/html; charset=shift_jis";
    expect(BYTES("\xEA\x69\x97\xD9\xE3\x59"), type, /* the first and the last with a lead byte */
           "\xE9\xBA\x92\xE9\xBA\x9F\xE7\xB6\xBA", "Shift_JIS"); /* of the upper half */
    expect(BYTES("\xB1\x80\xFA\x72\xE1\x42"), type, "\xEF\xBD\xB1\xC2\x80\xE4\xBE\x94\xE7\x93\xA7",
           "Shift_JIS");
    expect(BYTES("\xF0\x40\xF9\xFC"), type, "\xEE\x80\x80\xEE\x9D\x97", "Shift_JIS");
    expect(BYTES("\x81<b>\xA0\xFD\x81\xFF"
                 "a\xE0"),
           type,
           "\xEF\xBF\xBD<b>\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
           "a\xEF\xBF\xBD",
           "Shift_JIS");
}

Test(charset, iso_2022_jp_is_read_as_the_standard_does)
{
    const char *type = "text/html; charset=iso-2022-jp";
    const char *name = "ISO-2022-JP";
    expect(BYTES("a\x1B(J\\~b\x1B(I\x21\x5F\x1B$@$\"\x1B(Bc"), type,
           "a\xC2\xA5\xE2\x80\xBE"
           "b\xEF\xBD\xA1\xEF\xBE\x9F\xE3\x81\x82"
           "c",
           name);
    /* What is no escape is an error, and what stands behind its ESC is text of the set in use. */
    expect(BYTES("a\x1B$Xb\x1B"), type, "a\xEF\xBF\xBD$Xb\xEF\xBF\xBD", name);
    expect(BYTES("\x1B$B\x1B(\"$\""), type, "\xEF\xBF\xBD\xE2\x94\x82\xE3\x81\x82", name);
    /* A pair that is cut, by the end or by an escape, or ended by what is no half of one. */
    expect(BYTES("\x1B$B$\"$"), type, "\xE3\x81\x82\xEF\xBF\xBD", name);
    expect(BYTES("\x1B$B$\x1B(Bc"), type,
           "\xEF\xBF\xBD"
           "c",
           name);
    expect(BYTES("\x1B$B$\n$\"\n"), type, "\xEF\xBF\xBD\xE3\x81\x82\xEF\xBF\xBD", name);
    /* Two escapes with nothing between them hide something. */
    expect(BYTES("\x1B(B\x1B(Jx\x0E\x80"), type, "\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD", name);
}

Test(charset, iso_2022_jp_loses_nothing_of_an_escape_that_the_end_cuts_off)
{
    const char *type = "text/html; charset=iso-2022-jp";
    expect(BYTES("abc\x1B$"), type, "abc\xEF\xBF\xBD$", "ISO-2022-JP");
    expect(BYTES("abc\x1B("), type, "abc\xEF\xBF\xBD(", "ISO-2022-JP");
    expect(BYTES("\x1B(J\x1B("), type, "\xEF\xBF\xBD(", "ISO-2022-JP");
}

Test(charset, iso_2022_jp_does_not_care_for_the_pieces_it_is_read_in)
{
    static const char pair[] = "\x1B$B$\"\x1B(B!";
    char body[64 * (sizeof(pair) - 1) * 9 + 1];
    for (size_t i = 0; i < sizeof(body) / (sizeof(pair) - 1); i++) {
        memcpy(body + i * (sizeof(pair) - 1), pair, sizeof(pair) - 1);
    }
    size_t count = sizeof(body) / (sizeof(pair) - 1);
    for (size_t i = 0; i < 9; i++) { /* an odd number of bytes in front moves the borders */
        char *text = malloc(i + count * (sizeof(pair) - 1));
        memset(text, '.', i);
        memcpy(text + i, body, count * (sizeof(pair) - 1));
        struct base_slice out =
            decode(text, i + count * (sizeof(pair) - 1), "text/html; charset=iso-2022-jp");
        cr_assert_eq(out.len, i + count * 4);
        for (size_t k = 0; k < count; k++) {
            cr_assert_eq(memcmp(out.data + i + k * 4, "\xE3\x81\x82!", 4), 0);
        }
        free(text);
    }
}

Test(charset, a_meta_behind_1024_bytes_is_better_than_the_last_resort_but_not_than_utf8)
{
    char body[2100];
    memset(body, ' ', sizeof(body));
    memcpy(body + 1100, "<meta charset=koi8-r>\xE9", 22);
    decode(body, sizeof(body), NULL);
    cr_assert_str_eq(charset, "KOI8-R");
    memcpy(body + 1100, "<meta charset=koi8-r>\xC3\xA9", 23);
    decode(body, sizeof(body), NULL);
    cr_assert_str_eq(charset, "UTF-8");
    memset(body, ' ', sizeof(body));
    memcpy(body + 900, "<meta charset=koi8-r>\xC3\xA9", 23);
    decode(body, sizeof(body), NULL);
    cr_assert_str_eq(charset, "KOI8-R");
}

Test(charset, what_has_to_be_guessed_is_not_declared)
{
    cr_expect_not(fetch_charset_is_declared(BYTES("<p>plain"), "text/html"));
    cr_expect(fetch_charset_is_declared(BYTES("<p>plain"), "text/html; charset=utf-8"));
    cr_expect(fetch_charset_is_declared(BYTES("<meta charset=utf-8>"), NULL));
    cr_expect(fetch_charset_is_declared(BYTES("\xEF\xBB\xBFx"), NULL));
}

Test(charset, unknown_names_are_passed_over)
{
    expect(BYTES("<meta charset=klingon><meta charset=koi8-r>\xC1"), "text/html; charset=elvish",
           "<meta charset=klingon><meta charset=koi8-r>\xD0\xB0", "KOI8-R");
    expect(BYTES(""), "text/html; charset=", "", "UTF-8");
}

Test(charset, long_bodies_are_converted_whole)
{
    struct base_buffer body = {0};
    for (int i = 0; i < 100000; i++) {
        base_buffer_append(&body, "\xE9", 1);
    }
    struct base_slice out = decode(body.data, body.len, "text/html; charset=latin1");
    cr_assert_eq(out.len, 200000);
    cr_assert_eq(memcmp(out.data + 199998, "\xC3\xA9", 2), 0);
    base_buffer_fini(&body);
}

Test(charset, characters_across_piece_borders_are_kept)
{
    static const struct {
        const char *type, *bytes, *text;
    } cases[] = {
        {"text/html; charset=shift_jis", "\x93\xFA", "\xE6\x97\xA5"},
        {"text/html; charset=gb18030", "\x94\x39\xDA\x33", "\xF0\x9F\x92\xA9"},
        {"text/html; charset=euc-kr", "\xC7\xD1", "\xED\x95\x9C"},
        {"text/html; charset=big5", "\xA4\xA4", "\xE4\xB8\xAD"},
        {"text/html; charset=utf-16le", "\x3D\xD8\xA9\xDC", "\xF0\x9F\x92\xA9"},
    };
    for (size_t i = 0; i < BASE_ARRAY_LEN(cases); i++) {
        struct base_buffer body = {0}, text = {0};
        size_t wide = strstr(cases[i].type, "utf-16") != NULL ? 2 : 1;
        for (int n = 0; n < 9000; n++) {
            bool odd = n % 7 == 0;
            base_buffer_append(&body, odd ? "a\0" : cases[i].bytes,
                               odd ? wide : strlen(cases[i].bytes));
            base_buffer_append_str(&text, odd ? "a" : cases[i].text);
        }
        struct base_slice out = decode(body.data, body.len, cases[i].type);
        cr_expect(base_slice_equal(out, (struct base_slice){text.data, text.len}), "%s",
                  cases[i].type);
        base_buffer_fini(&body);
        base_buffer_fini(&text);
    }
}

Test(charset, random_bytes_come_out_as_valid_utf8_from_every_encoding)
{
    static const char *const names[] = {
        "utf-8",          "utf-16le",    "gbk",          "gb18030",    "big5",   "shift_jis",
        "euc-jp",         "euc-kr",      "iso-2022-jp",  "koi8-u",     "ibm866", "macintosh",
        "x-user-defined", "windows-874", "iso-8859-8-i", "replacement"};
    struct base_random random;
    char body[5000], type[64];
    base_random_init(&random, 1252);
    for (int round = 0; round < 200; round++) {
        size_t len = base_random_below(&random, sizeof(body));
        for (size_t i = 0; i < len; i++) {
            body[i] = (char)base_random_next(&random);
        }
        for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
            snprintf(type, sizeof(type), "text/html; charset=%s", names[i]);
            decode(body, len, type);
        }
    }
}
