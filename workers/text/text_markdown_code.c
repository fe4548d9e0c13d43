/* SPDX-License-Identifier: Apache-2.0 */
/* Code spans and blocks of the markdown writer: collected to their end, because the delimiters
 * depend on what is inside. */
#include "text_markdown.h"

#include <lexbor/tag/const.h>

static unsigned longest_run(const struct text_buffer *text, char c)
{
    unsigned longest = 0;
    unsigned run = 0;
    for (size_t i = 0; text->data != NULL && i < text->len; i++) {
        run = text->data[i] == c ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

static void write_repeated(struct markdown_writer *w, char c, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        text_buffer_append_char(&w->out, c);
    }
}

static void write_code_line(struct markdown_writer *w, const char *line, size_t len)
{
    w->pending = BREAK_LINE;
    markdown_start_line(w);
    text_buffer_append(&w->out, line, len);
    w->line_start = false;
}

/* A fence longer than any run of backticks inside. */
static void write_code_block(struct markdown_writer *w)
{
    while (w->code.len > 0 && text_is_space(w->code.data[w->code.len - 1])) {
        w->code.len--;
    }
    if (w->code.len == 0) {
        return;
    }
    unsigned fence = longest_run(&w->code, '`');
    fence = fence < 3 ? 3 : fence + 1;
    w->pending = w->pending > BREAK_PARAGRAPH ? w->pending : BREAK_PARAGRAPH;
    markdown_start_line(w);
    write_repeated(w, '`', fence);
    text_buffer_append(&w->out, w->code_language, strlen(w->code_language));
    w->line_start = false;
    size_t start = 0;
    for (size_t i = 0; i <= w->code.len; i++) {
        if (i == w->code.len || w->code.data[i] == '\n') {
            write_code_line(w, w->code.data + start, i - start);
            start = i + 1;
        }
    }
    write_code_line(w, "", 0);
    write_repeated(w, '`', fence);
    w->pending = BREAK_PARAGRAPH;
}

/* One line; delimiters longer than any run of backticks inside, spaces where they would touch. */
static void write_code_span(struct markdown_writer *w)
{
    struct text_slice whole = {w->code.data != NULL ? w->code.data : "", w->code.len};
    struct text_slice code = text_trim(whole);
    if (code.len == 0) {
        markdown_ask_break(w, whole.len > 0 ? BREAK_SPACE : BREAK_NONE);
        return;
    }
    if (code.data > whole.data) {
        markdown_ask_break(w, BREAK_SPACE);
    }
    unsigned ticks = longest_run(&w->code, '`') + 1;
    bool pad = code.data[0] == '`' || code.data[code.len - 1] == '`';
    markdown_before_content(w);
    write_repeated(w, '`', ticks);
    write_repeated(w, ' ', pad ? 1 : 0);
    for (size_t i = 0; i < code.len; i++) {
        char c = text_is_space(code.data[i]) ? ' ' : code.data[i];
        if (c == '|' && w->in_cell) {
            text_buffer_append_char(&w->out, '\\');
        }
        text_buffer_append_char(&w->out, c);
    }
    write_repeated(w, ' ', pad ? 1 : 0);
    write_repeated(w, '`', ticks);
    if (code.data + code.len < whole.data + whole.len) {
        markdown_ask_break(w, BREAK_SPACE);
    }
}

void markdown_end_code(struct markdown_writer *w)
{
    bool is_block = w->code_is_block && !w->in_cell;
    w->code_depth = 0;
    if (is_block) {
        write_code_block(w);
    } else {
        write_code_span(w);
        markdown_ask_break(w, w->code_is_block ? BREAK_LINE : BREAK_NONE);
    }
    text_buffer_clear(&w->code);
}

/* What follows "language-" and its like in one class; empty: it names none. */
static struct text_slice language_of_class(struct text_slice name)
{
    static const char *const prefixes[] = {"language-", "lang-", "highlight-source-"};
    for (size_t k = 0; k < sizeof prefixes / sizeof prefixes[0]; k++) {
        size_t skip = strlen(prefixes[k]);
        if (name.len > skip && memcmp(name.data, prefixes[k], skip) == 0) {
            return (struct text_slice){name.data + skip, name.len - skip};
        }
    }
    return (struct text_slice){NULL, 0};
}

/* The first class that names a language names the fence. One that is too long, or would end the
 * fence, is none: half of it would be another name, or half a character. */
static void read_language(struct markdown_writer *w, const struct text_element *element)
{
    struct text_slice classes = element->attributes[ATTRIBUTE_CLASS];
    for (size_t end, i = 0; i < classes.len; i = end + 1) {
        for (end = i; end < classes.len && !text_is_space(classes.data[end]); end++) {
        }
        struct text_slice found = language_of_class((struct text_slice){classes.data + i, end - i});
        if (found.len == 0) {
            continue;
        }
        if (found.len < sizeof w->code_language && memchr(found.data, '`', found.len) == NULL) {
            memcpy(w->code_language, found.data, found.len);
            w->code_language[found.len] = '\0';
        }
        return;
    }
}

void markdown_begin_code(struct markdown_writer *w, const struct text_element *element,
                         bool is_block)
{
    w->code_tag = element->tag;
    w->code_depth = 1;
    w->code_is_block = is_block;
    w->first_in_code = is_block;
    w->code_language[0] = '\0';
    text_buffer_clear(&w->code);
    if (is_block) {
        markdown_suspend_inlines(w);
        markdown_ask_break(w, BREAK_PARAGRAPH);
        read_language(w, element);
    }
}

void markdown_open_in_code(struct markdown_writer *w, const struct text_element *element)
{
    if (element->tag == w->code_tag) {
        w->code_depth++;
    } else if (element->tag == LXB_TAG_BR) {
        text_buffer_append_char(&w->code, '\n');
    } else if (element->tag == LXB_TAG_CODE && w->code_is_block && w->code_language[0] == '\0') {
        read_language(w, element);
    } else if (!w->code_is_block && text_break_of(element->tag) >= BREAK_LINE) {
        /* An inline code element left open must not swallow the rest of the page. */
        markdown_end_code(w);
        markdown_writer_open(w, element);
    }
}

void markdown_close_in_code(struct markdown_writer *w, uintptr_t tag)
{
    if (tag == w->code_tag) {
        w->code_depth--;
        if (w->code_depth == 0) {
            markdown_end_code(w);
        }
    } else if (!w->code_is_block && text_break_of(tag) >= BREAK_LINE) {
        markdown_end_code(w);
        markdown_writer_close(w, tag);
    }
}
