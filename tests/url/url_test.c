/* SPDX-License-Identifier: Apache-2.0 */
#include "url.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct url_parser *parser;

static void open_parser(void)
{
    cr_assert_eq(url_parser_create(&parser), GLEANER_OK);
}

static void close_parser(void)
{
    url_parser_destroy(&parser);
    cr_assert_null(parser);
}

TestSuite(url, .init = open_parser, .fini = close_parser);

static enum gleaner_status resolve(const char *href, struct base_slice *out)
{
    return url_resolve(parser, href, strlen(href), out);
}

static void expect(const char *base, const char *href, const char *answer)
{
    struct base_slice out;
    cr_assert_eq(url_set_base(parser, base, strlen(base)), GLEANER_OK);
    enum gleaner_status status = resolve(href, &out);
    cr_expect_eq(status, GLEANER_OK, "%s on %s", href, base);
    cr_expect(status == GLEANER_OK && base_slice_equal(out, base_slice_of(answer)),
              "%s on %s gave %.*s", href, base, (int)out.len, out.data);
}

/* Undo \xNN in place; returns the length. */
static size_t unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        unsigned byte;
        if (from[0] == '\\' && sscanf(from, "\\x%2x", &byte) == 1) {
            *to = (char)byte;
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
    return (size_t)(to - text);
}

/* One line of the table; true when we agree. */
static bool agrees(char *line)
{
    struct base_slice out = {"", 0};
    char *save = NULL;
    char *base = strtok_r(line, "\t\n", &save);
    char *answer = strrchr(save, '\t'), *href = save;
    *answer++ = '\0';
    answer[strcspn(answer, "\n")] = '\0';
    size_t base_len = unescape(base), len = unescape(href), answer_len = unescape(answer);
    cr_assert_eq(url_set_base(parser, base, base_len), GLEANER_OK);
    enum gleaner_status status = url_resolve(parser, href, len, &out);
    bool same = answer[0] == '-'   ? status == GLEANER_E_INVALID
                : answer[0] == '!' ? status == GLEANER_E_UNSUPPORTED
                                   : status == GLEANER_OK && out.len == answer_len &&
                                         memcmp(out.data, answer, answer_len) == 0;
    if (!same) {
        fprintf(stderr, "base %s link %s expected %s got status %d %.*s\n", base, href, answer,
                status, (int)out.len, out.data);
    }
    return same;
}

Test(url, the_table_of_another_implementation_holds)
{
    char line[4096];
    unsigned cases = 0, wrong = 0;
    FILE *file = fopen(URL_TABLE, "r");
    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        cases++;
        wrong += !agrees(line);
    }
    fclose(file);
    cr_assert_gt(cases, 8000);
    cr_assert_eq(wrong, 0, "%u of %u differ", wrong, cases);
}

Test(url, what_was_resolved_once_stays_as_it_is)
{
    static const char *const pieces[] = {"a",        "b.html",
                                         "/",        "..",
                                         ".",        "?",
                                         "#",        "%",
                                         "%2e",      ":",
                                         "@",        "\\",
                                         " ",        "=",
                                         "\t",       "'",
                                         "|",        "^",
                                         "//",       "\n",
                                         "\xC3\xA9", "http://h.example/",
                                         "https:",   "[",
                                         "\xFF"};
    struct base_random random;
    base_random_init(&random, 3986);
    for (int i = 0; i < 100000; i++) {
        struct base_slice once, twice;
        char href[256] = "", copy[1024];
        for (uint64_t n = base_random_below(&random, 8); n > 0; n--) {
            strcat(href, pieces[base_random_below(&random, BASE_ARRAY_LEN(pieces))]);
        }
        cr_assert_eq(url_set_base(parser, "http://example.org/a/b?q", 24), GLEANER_OK);
        if (resolve(href, &once) != GLEANER_OK) {
            continue;
        }
        memcpy(copy, once.data, once.len + 1);
        cr_assert_eq(resolve(copy, &twice), GLEANER_OK, "%s", copy);
        cr_assert(base_slice_equal(base_slice_of(copy), twice), "%s became %s", copy, twice.data);
    }
}

Test(url, links_of_a_page_become_absolute_without_fragment)
{
    const char *base = "http://docs.example/library/os.html";
    expect(base, "../reference/index.html#top", "http://docs.example/reference/index.html");
    expect(base, "#os.path", "http://docs.example/library/os.html");
    expect(base, "?x=1&y", "http://docs.example/library/os.html?x=1&y");
    expect(base, "//cdn.example/x.js", "http://cdn.example/x.js");
    expect(base, "/a/./b/../c", "http://docs.example/a/c");
    expect(base, " HTTPS://Other.Example:443/X ", "https://other.example/X");
    expect(base, "", base);
}

Test(url, other_schemes_are_told_from_nonsense)
{
    static const char *const others[] = {"javascript:void(0)", "data:text/html,x", "mailto:a@b.c",
                                         "ftp://x/y", "tel:+49"};
    struct base_slice out;
    cr_assert_eq(url_set_base(parser, "http://a/", 9), GLEANER_OK);
    for (size_t i = 0; i < BASE_ARRAY_LEN(others); i++) {
        cr_assert_eq(resolve(others[i], &out), GLEANER_E_UNSUPPORTED, "%s", others[i]);
    }
    cr_assert_eq(resolve("http://", &out), GLEANER_E_INVALID);
    cr_assert_eq(resolve("http://a:99999/", &out), GLEANER_E_INVALID);
    cr_assert_eq(url_set_base(parser, "ftp://a/", 8), GLEANER_E_UNSUPPORTED);
    cr_assert_eq(resolve("relative", &out), GLEANER_E_INVALID);
    cr_assert_eq(resolve("http://a/b", &out), GLEANER_OK);
}

Test(url, an_international_name_longer_than_any_is_none)
{
    enum { LONGEST = 253 };
    char href[sizeof "http://" + 4 * (LONGEST + 1)] = "http://";
    struct base_slice out;
    for (size_t i = 0; i < LONGEST; i++) {
        strcat(href, "\xF0\x90\x8C\x80"); /* U+10300, four bytes */
    }
    cr_expect_eq(resolve(href, &out), GLEANER_OK);
    strcat(href, "\xC3\xA4");
    cr_expect_eq(resolve(href, &out), GLEANER_E_INVALID);
}

Test(url, a_long_address_of_another_scheme_is_not_looked_into)
{
    char href[1200] = "ftp://[/";
    struct base_slice out;
    cr_expect_eq(resolve(href, &out), GLEANER_E_INVALID);
    memset(href + 8, 'x', sizeof href - 9);
    cr_expect_eq(resolve(href, &out), GLEANER_E_UNSUPPORTED);
}
