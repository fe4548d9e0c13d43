/* SPDX-License-Identifier: Apache-2.0 */
/* A person's question in the words of both engines: nothing of it is syntax there. */
#include "search_internal.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct {
    const char *question, *fts5, *mongodb;
} cases[] = {
    {"one", "\"one\"", "\"one\""},
    {" one\ttwo ", "\"one\" AND \"two\"", "\"one\" \"two\""},
    {"-no yes", "\"yes\" NOT \"no\"", "\"yes\" -\"no\""},
    {"\"two words\" x", "\"two words\" AND \"x\"", "\"two words\" \"x\""},
    {"a\"b c\"", "\"a\" AND \"b c\"", "\"a\" \"b c\""},
    {"\"not closed", "\"not closed\"", "\"not closed\""},
    {"a OR (NEAR* ^b: {c}", "\"a\" AND \"OR\" AND \"(NEAR*\" AND \"^b:\" AND \"{c}\"",
     "\"a\" \"OR\" \"(NEAR*\" \"^b:\" \"{c}\""},
    {"a\\\"", "\"a \"", "\"a \""},
    {"-\"p q\" r", "\"r\" NOT \"p q\"", "\"r\" -\"p q\""},
    {"caf\xc3\xa9 + *", "\"caf\xc3\xa9\"", "\"caf\xc3\xa9\""},
};

Test(search, a_question_means_the_same_in_both_engines, .timeout = 5)
{
    struct base_buffer out = {0};
    struct base_error error;
    for (size_t i = 0; i < BASE_ARRAY_LEN(cases); i++) {
        cr_expect_eq(search_query(cases[i].question, SEARCH_FTS5, &out, &error), GLEANER_OK);
        base_buffer_append_char(&out, '\0');
        cr_expect_str_eq(out.data, cases[i].fts5);
        cr_expect_eq(search_query(cases[i].question, SEARCH_MONGODB, &out, &error), GLEANER_OK);
        base_buffer_append_char(&out, '\0');
        cr_expect_str_eq(out.data, cases[i].mongodb);
    }
    base_buffer_fini(&out);
}

Test(search, a_question_without_a_word_or_with_too_many_is_refused, .timeout = 5)
{
    static const char *const bad[] = {"", "  ", "\"\"", "-", "-only", "+ * ()", "\xff"};
    struct base_buffer out = {0};
    struct base_error error;
    char many[2 * (SEARCH_MAX_TERMS + 1) + 1], large[SEARCH_MAX_QUERY_BYTES + 2];
    for (size_t i = 0; i < BASE_ARRAY_LEN(bad); i++) {
        cr_expect_eq(search_query(bad[i], SEARCH_FTS5, &out, &error), GLEANER_E_INVALID, "%s",
                     bad[i]);
    }
    many[0] = '\0';
    for (int i = 0; i <= SEARCH_MAX_TERMS; i++) {
        strcat(many, "a ");
    }
    cr_expect_eq(search_query(many, SEARCH_FTS5, &out, &error), GLEANER_E_INVALID);
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    cr_expect_eq(search_query(large, SEARCH_FTS5, &out, &error), GLEANER_E_INVALID);
    base_buffer_fini(&out);
}
