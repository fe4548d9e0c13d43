/* SPDX-License-Identifier: Apache-2.0 */
#include "page_relevance.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Marks of markdown may stand inside a phrase: "**bambi** sleep". */
static bool is_mark(char c)
{
    return c == '*' || c == '\\' || c == '~' || c == '[' || c == ']' || c == '`';
}

/* Does `text` go on with `word` here? Any white space in the text is one space of the word. */
static bool matches_at(const char *p, const char *end, struct text_slice word)
{
    size_t i = 0;
    while (i < word.len && p < end) {
        if (text_is_space(word.data[i]) && text_is_space(*p)) {
            while (p < end && (text_is_space(*p) || is_mark(*p))) {
                p++;
            }
            i++;
        } else if (lower(*p) == lower(word.data[i])) {
            p++;
            i++;
        } else if (is_mark(*p)) {
            p++;
        } else {
            return false;
        }
    }
    return i == word.len;
}

static bool speaks_of(struct text_slice text, struct text_slice word)
{
    for (size_t i = 0; i + word.len <= text.len; i++) {
        if (lower(text.data[i]) == lower(word.data[0]) &&
            matches_at(text.data + i, text.data + text.len, word)) {
            return true;
        }
    }
    return false;
}

static bool any_speaks_of(const struct text_slice texts[], size_t count, struct text_slice word)
{
    for (size_t i = 0; i < count; i++) {
        if (speaks_of(texts[i], word)) {
            return true;
        }
    }
    return false;
}

/* The next word of the list, trimmed; empty ones are passed. */
static bool next_word(const char **words, struct text_slice *word)
{
    while (*words != NULL && **words != '\0') {
        size_t len = strcspn(*words, ",");
        *word = text_trim((struct text_slice){*words, len});
        *words += (*words)[len] == ',' ? len + 1 : len;
        if (word->len > 0) {
            return true;
        }
    }
    return false;
}

bool page_has_relevance(const struct gleaner_host *host, struct gleaner_task *task)
{
    const char *words = host->setting(task, "relevance");
    struct text_slice word;
    return next_word(&words, &word);
}

bool page_is_relevant(const struct gleaner_host *host, struct gleaner_task *task,
                      const struct text_slice texts[], size_t count)
{
    const char *words = host->setting(task, "relevance");
    struct text_slice word;
    bool any = false;
    while (next_word(&words, &word)) {
        any = true;
        if (any_speaks_of(texts, count, word)) {
            return true;
        }
    }
    return !any;
}
