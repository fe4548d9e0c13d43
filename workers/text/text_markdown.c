/* SPDX-License-Identifier: Apache-2.0 */
/* Markdown (CommonMark with GitHub's tables). Blocks are separated through `pending`, written only
 * when content follows; inline markers wait for content too, so that they hug their words and empty
 * ones vanish. */
#include "text_markdown.h"

#include <lexbor/tag/const.h>

void markdown_writer_reset(struct markdown_writer *w, struct text_url *url, bool *resolved)
{
    struct text_buffer out = w->out;
    struct text_buffer code = w->code;
    struct text_buffer hrefs = w->hrefs;
    memset(w, 0, sizeof *w);
    w->out = out;
    w->code = code;
    w->hrefs = hrefs;
    text_buffer_clear(&w->out);
    text_buffer_clear(&w->code);
    text_buffer_clear(&w->hrefs);
    w->url = url;
    w->resolved = resolved;
    w->line_start = true;
}

/* ---- breaks and prefixes --------------------------------------------------------------------- */

void markdown_ask_break(struct markdown_writer *w, enum text_break wanted)
{
    if (w->in_cell && wanted > BREAK_SPACE) {
        wanted = BREAK_SPACE; /* a row is one line */
    }
    if (wanted > w->pending) {
        w->pending = wanted;
    }
}

/* Quote marks and the indentation of list items around this line. The innermost item's marker
 * stands in its own indentation, once. */
static void write_prefix(struct markdown_writer *w)
{
    for (unsigned i = 0; i < w->container_count; i++) {
        if (w->containers[i].is_quote) {
            text_buffer_append(&w->out, "> ", 2);
        } else if (w->marker_due && i + 1 == w->container_count) {
            text_buffer_append(&w->out, w->item_marker, strlen(w->item_marker));
            w->marker_due = false;
        } else {
            for (unsigned column = 0; column < w->containers[i].indent; column++) {
                text_buffer_append_char(&w->out, ' ');
            }
        }
    }
}

void markdown_trim_spaces(struct markdown_writer *w)
{
    while (w->out.len > 0 && w->out.data[w->out.len - 1] == ' ') {
        w->out.len--;
    }
}

/* A blank line stands in the containers that were there before it: not in a quote that begins
 * behind it. */
static void write_blank_line(struct markdown_writer *w)
{
    unsigned count = w->container_count;
    bool marker_due = w->marker_due;
    w->container_count = w->settled < count ? w->settled : count;
    w->marker_due = false;
    write_prefix(w);
    w->container_count = count;
    w->marker_due = marker_due;
    markdown_trim_spaces(w);
    text_buffer_append_char(&w->out, '\n');
}

void markdown_start_line(struct markdown_writer *w)
{
    if (w->out.len > 0 && w->pending >= BREAK_LINE) {
        text_buffer_append_char(&w->out, '\n');
        if (w->pending == BREAK_PARAGRAPH) {
            write_blank_line(w);
        }
        w->line_start = true;
    } else if (w->pending == BREAK_SPACE && !w->line_start && w->out.data[w->out.len - 1] != ' ') {
        text_buffer_append_char(&w->out, ' ');
    }
    w->pending = BREAK_NONE;
    if (w->line_start) {
        write_prefix(w);
        w->settled = w->container_count;
    }
}

/* ---- text ------------------------------------------------------------------------------------ */

static void write_waiting_markers(struct markdown_writer *w)
{
    for (unsigned i = 0; i < w->inline_count; i++) {
        struct markdown_inline *mark = &w->inlines[i];
        if (!mark->written) {
            text_buffer_append(&w->out, mark->marker, strlen(mark->marker));
            mark->written = true;
        }
    }
}

/* Something that is not a word follows: an image, a code span. */
void markdown_before_content(struct markdown_writer *w)
{
    markdown_start_line(w);
    if (w->heading > 0) {
        text_buffer_append(&w->out, &"###### "[6 - w->heading], w -> heading + 1);
        w->heading = 0;
    }
    write_waiting_markers(w);
    w->line_start = false;
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

static bool in_link(const struct markdown_writer *w)
{
    for (unsigned i = 0; i < w->inline_count; i++) {
        if (w->inlines[i].tag == LXB_TAG_A) {
            return true;
        }
    }
    return false;
}

/* "&amp;" written as text would be read as "&". */
static bool is_reference(const char *p, const char *end)
{
    const char *q = p + 1;
    while (q < end && (is_word_char(*q) || *q == '#')) {
        q++;
    }
    return q > p + 1 && q < end && *q == ';';
}

/* Does this character mean something in markdown where it stands? */
static bool needs_escape(const struct markdown_writer *w, const char *start, const char *p,
                         const char *end)
{
    char next = p + 1 < end ? p[1] : ' ';
    switch (*p) {
    case '\\':
    case '`':
    case '*':
        return true;
    case '_':
        return p == start || !is_word_char(p[-1]) || !is_word_char(next);
    case '[':
        return in_link(w);
    case ']':
        return in_link(w) || next == '(' || next == '[';
    case '<':
        return is_word_char(next) || next == '/' || next == '!' || next == '?';
    case '&':
        return is_reference(p, end);
    case '~':
        return next == '~';
    case '|':
        return w->in_cell;
    default:
        return false;
    }
}

/* At the start of a line a word may look like a heading, a quote or a list item. */
static bool looks_like_block(const char *word, size_t len)
{
    size_t i = 0;
    switch (word[0]) {
    case '#':
        while (i < len && word[i] == '#') {
            i++;
        }
        return i == len;
    case '>':
        return true;
    case '+':
    case '-':
        return len == 1 || (len >= 3 && word[1] == '-' && word[2] == '-');
    case '=':
        while (i < len && word[i] == '=') {
            i++;
        }
        return i == len;
    default:
        return false;
    }
}

/* "1." at the start of a line: the dot is what makes it a list item. 0 for other words. */
static size_t number_dot(const char *word, size_t len)
{
    size_t i = 0;
    while (i < len && word[i] >= '0' && word[i] <= '9') {
        i++;
    }
    return i > 0 && i <= 9 && i + 1 == len && (word[i] == '.' || word[i] == ')') ? i : 0;
}

static void write_word(struct markdown_writer *w, const char *word, size_t len)
{
    bool was_line_start = w->line_start || w->pending >= BREAK_LINE;
    markdown_before_content(w);
    size_t dot = was_line_start ? number_dot(word, len) : 0;
    if (was_line_start && looks_like_block(word, len)) {
        text_buffer_append_char(&w->out, '\\');
    }
    const char *end = word + len;
    const char *done = word;
    for (const char *p = word; p < end; p++) {
        if ((dot != 0 && p == word + dot) || needs_escape(w, word, p, end)) {
            text_buffer_append(&w->out, done, (size_t)(p - done));
            text_buffer_append_char(&w->out, '\\');
            done = p;
        }
    }
    text_buffer_append(&w->out, done, (size_t)(end - done));
}

void markdown_writer_text(struct markdown_writer *w, const char *data, size_t len)
{
    if (w->code_depth > 0) {
        if (w->first_in_code && len > 0 && data[0] == '\n') {
            data++;
            len--;
        }
        w->first_in_code = false;
        text_buffer_append(&w->code, data, len);
        return;
    }
    const char *end = data + len;
    while (data < end) {
        const char *start = data;
        while (data < end && text_is_space(*data)) {
            data++;
        }
        if (data > start) {
            markdown_ask_break(w, BREAK_SPACE);
        }
        start = data;
        while (data < end && !text_is_space(*data)) {
            data++;
        }
        if (data > start) {
            write_word(w, start, (size_t)(data - start));
        }
    }
}

/* ---- inline elements ------------------------------------------------------------------------- */

static const char *marker_of(uintptr_t tag)
{
    switch (tag) {
    case LXB_TAG_STRONG:
    case LXB_TAG_B:
        return "**";
    case LXB_TAG_EM:
    case LXB_TAG_I:
    case LXB_TAG_CITE:
    case LXB_TAG_DFN:
    case LXB_TAG_VAR:
        return "*";
    case LXB_TAG_DEL:
    case LXB_TAG_S:
    case LXB_TAG_STRIKE:
        return "~~";
    case LXB_TAG_A:
        return "[";
    default:
        return NULL;
    }
}

/* Emphasis of one kind inside itself would end it; a link inside a link is none. */
static bool is_inside_itself(const struct markdown_writer *w, const char *marker)
{
    for (unsigned i = 0; i < w->inline_count; i++) {
        if (strcmp(w->inlines[i].marker, marker) == 0) {
            return true;
        }
    }
    return false;
}

static void open_inline(struct markdown_writer *w, const struct text_element *element)
{
    const char *marker = marker_of(element->tag);
    if (w->inline_count == MARKDOWN_DEPTH || is_inside_itself(w, marker)) {
        return;
    }
    struct markdown_inline mark = {
        .tag = element->tag, .marker = marker, .href_offset = w->hrefs.len};
    if (element->tag == LXB_TAG_A) {
        if (!text_element_has(element, ATTRIBUTE_HREF)) {
            return;
        }
        *w->resolved = true;
        if (!text_url_resolve(w->url, text_trim(element->attributes[ATTRIBUTE_HREF]), &w->hrefs)) {
            return;
        }
        mark.href_len = w->hrefs.len - mark.href_offset;
    }
    w->inlines[w->inline_count++] = mark;
}

/* "](address)"; an address with parentheses stands in angle brackets. */
void markdown_write_target(struct markdown_writer *w, const char *href, size_t len)
{
    bool brackets = memchr(href, '(', len) != NULL || memchr(href, ')', len) != NULL;
    text_buffer_append(&w->out, brackets ? "](<" : "](", brackets ? 3 : 2);
    for (size_t i = 0; i < len; i++) {
        if (href[i] == '|' && w->in_cell) {
            text_buffer_append(&w->out, "%7C", 3);
        } else {
            text_buffer_append_char(&w->out, href[i]);
        }
    }
    text_buffer_append(&w->out, brackets ? ">)" : ")", brackets ? 2 : 1);
}

static void end_inline(struct markdown_writer *w, const struct markdown_inline *mark)
{
    if (!mark->written) {
        return;
    }
    if (mark->tag == LXB_TAG_A) {
        markdown_write_target(w, w->hrefs.data + mark->href_offset, mark->href_len);
    } else {
        text_buffer_append(&w->out, mark->marker, strlen(mark->marker));
    }
}

/* Close the innermost of this tag and what is inside it; markers inside others are taken up again
 * behind, as a browser would ("<b>a<i>b</b>c</i>"). */
static void close_inline(struct markdown_writer *w, uintptr_t tag)
{
    unsigned at = w->inline_count;
    while (at > 0 && w->inlines[at - 1].tag != tag) {
        at--;
    }
    if (at == 0) {
        return;
    }
    for (unsigned i = w->inline_count; i >= at; i--) {
        end_inline(w, &w->inlines[i - 1]);
    }
    for (unsigned i = at; i < w->inline_count; i++) {
        w->inlines[i - 1] = w->inlines[i];
        w->inlines[i - 1].written = false;
    }
    w->inline_count--;
    if (w->inline_count == 0) {
        w->hrefs.len = 0;
    }
}

/* A block begins or ends: inline markers do not reach over it, but go on behind it. */
void markdown_suspend_inlines(struct markdown_writer *w)
{
    for (unsigned i = w->inline_count; i > 0; i--) {
        end_inline(w, &w->inlines[i - 1]);
        w->inlines[i - 1].written = false;
    }
}

static void write_image(struct markdown_writer *w, const struct text_element *element)
{
    if (!text_element_has(element, ATTRIBUTE_SRC) || w->code_depth > 0) {
        return;
    }
    size_t offset = w->hrefs.len;
    *w->resolved = true;
    if (!text_url_resolve(w->url, text_trim(element->attributes[ATTRIBUTE_SRC]), &w->hrefs)) {
        return;
    }
    markdown_before_content(w);
    text_buffer_append(&w->out, "![", 2);
    struct text_slice alt = text_trim(element->attributes[ATTRIBUTE_ALT]);
    for (size_t i = 0; i < alt.len; i++) {
        char c = text_is_space(alt.data[i]) ? ' ' : alt.data[i];
        if (c == '[' || c == ']' || c == '\\' || c == '`' || c == '*' || (c == '|' && w->in_cell)) {
            text_buffer_append_char(&w->out, '\\');
        }
        text_buffer_append_char(&w->out, c);
    }
    if (!w->hrefs.failed) {
        markdown_write_target(w, w->hrefs.data + offset, w->hrefs.len - offset);
        w->hrefs.len = offset;
    }
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static void open_line_break(struct markdown_writer *w)
{
    if (w->pending < BREAK_LINE && !w->line_start && !w->in_cell) {
        text_buffer_append(&w->out, "\\", 1); /* a hard break that no editor trims */
    }
    markdown_ask_break(w, BREAK_LINE);
}

void markdown_writer_open(struct markdown_writer *w, const struct text_element *element)
{
    if (w->code_depth > 0) {
        markdown_open_in_code(w, element);
        return;
    }
    if (!element->is_html && element->tag != LXB_TAG_A) {
        markdown_ask_break(w, text_break_of(element->tag));
    } else if (marker_of(element->tag) != NULL) {
        open_inline(w, element);
    } else if (element->tag == LXB_TAG_IMG) {
        write_image(w, element);
    } else if (element->tag == LXB_TAG_BR) {
        open_line_break(w);
    } else {
        markdown_open_block(w, element);
    }
}

void markdown_writer_close(struct markdown_writer *w, uintptr_t tag)
{
    if (w->code_depth > 0) {
        markdown_close_in_code(w, tag);
    } else if (marker_of(tag) != NULL) {
        close_inline(w, tag);
    } else {
        markdown_close_block(w, tag);
    }
}

void markdown_writer_end(struct markdown_writer *w)
{
    if (w->code_depth > 0) {
        markdown_end_code(w);
    }
    markdown_suspend_inlines(w);
    markdown_end_row(w);
}
