/* SPDX-License-Identifier: Apache-2.0 */
#include "search_internal.h"

#include <string.h>

const char *const search_body_fields[SEARCH_BODY_FIELDS] = {"text", "content", "main_text",
                                                            "description"};
const char *const search_meta_fields[SEARCH_META_FIELDS] = {
    "metadata.description", "metadata.keywords", "metadata.title", "filePath"};

struct term {
    const char *text;
    size_t len;
    bool is_excluded;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Only a letter, a digit or a byte of a longer character can be found. */
static bool has_word(const struct term *term)
{
    for (size_t i = 0; i < term->len; i++) {
        unsigned char c = (unsigned char)term->text[i];
        if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c >= 0x80) {
            return true;
        }
    }
    return false;
}

/* The next word or quoted phrase; false at the end. */
static bool next_term(const char **at, struct term *term)
{
    const char *p = *at;
    while (is_space(*p)) {
        p++;
    }
    term->is_excluded = *p == '-';
    p += term->is_excluded;
    bool is_phrase = *p == '"';
    p += is_phrase;
    term->text = p;
    while (*p != '\0' && (is_phrase ? *p != '"' : !is_space(*p) && *p != '"')) {
        p++;
    }
    term->len = (size_t)(p - term->text);
    *at = is_phrase && *p == '"' ? p + 1 : p;
    return term->len > 0 || **at != '\0';
}

/* Each term is quoted, so that no engine sees operators; a backslash would escape in MongoDB. */
static void add_term(struct base_buffer *out, const struct term *term, const char *before)
{
    base_buffer_append_str(out, before);
    base_buffer_append_char(out, '"');
    for (size_t i = 0; i < term->len; i++) {
        base_buffer_append_char(out, term->text[i] == '\\' ? ' ' : term->text[i]);
    }
    base_buffer_append_char(out, '"');
}

/* FTS5: "a" AND "b" NOT "c"; the excluded ones behind the others. MongoDB: "a" "b" -"c". */
static size_t add_terms(const char *question, enum search_dialect dialect, bool excluded,
                        struct base_buffer *out)
{
    const char *joint =
        dialect == SEARCH_MONGODB ? (excluded ? " -" : " ") : (excluded ? " NOT " : " AND ");
    struct term term;
    size_t count = 0;
    while (next_term(&question, &term)) {
        if (term.is_excluded == excluded && has_word(&term)) {
            add_term(out, &term, out->len > 0 ? joint : "");
            count++;
        }
    }
    return count;
}

enum gleaner_status search_query(const char *question, enum search_dialect dialect,
                                 struct base_buffer *out, struct base_error *error)
{
    base_buffer_reset(out, 4096);
    if (strlen(question) > SEARCH_MAX_QUERY_BYTES) {
        return base_error_set(error, GLEANER_E_INVALID, "a query has %d bytes at most",
                              SEARCH_MAX_QUERY_BYTES);
    }
    if (!base_utf8_valid(question, strlen(question))) {
        return base_error_set(error, GLEANER_E_INVALID, "a query is UTF-8");
    }
    size_t count = add_terms(question, dialect, false, out);
    if (count == 0) {
        return base_error_set(error, GLEANER_E_INVALID, "the query '%s' has no word to look for",
                              question);
    }
    count += add_terms(question, dialect, true, out);
    if (count > SEARCH_MAX_TERMS) {
        return base_error_set(error, GLEANER_E_INVALID, "a query has %d words at most",
                              SEARCH_MAX_TERMS);
    }
    return out->failed ? base_error_set(error, GLEANER_E_NOMEM, "no memory for a query")
                       : GLEANER_OK;
}
