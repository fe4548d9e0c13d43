/* SPDX-License-Identifier: Apache-2.0 */
#include "text_writer.h"

#include <lexbor/tag/const.h>

/* Elements that stand on lines of their own, as a browser's default style has them. */
static const uint8_t breaks[LXB_TAG__LAST_ENTRY] = {
    [LXB_TAG_ADDRESS] = BREAK_PARAGRAPH,
    [LXB_TAG_ARTICLE] = BREAK_PARAGRAPH,
    [LXB_TAG_ASIDE] = BREAK_PARAGRAPH,
    [LXB_TAG_BLOCKQUOTE] = BREAK_PARAGRAPH,
    [LXB_TAG_BODY] = BREAK_PARAGRAPH,
    [LXB_TAG_BR] = BREAK_LINE,
    [LXB_TAG_CAPTION] = BREAK_PARAGRAPH,
    [LXB_TAG_CENTER] = BREAK_PARAGRAPH,
    [LXB_TAG_DD] = BREAK_LINE,
    [LXB_TAG_DETAILS] = BREAK_PARAGRAPH,
    [LXB_TAG_DIALOG] = BREAK_PARAGRAPH,
    [LXB_TAG_DIR] = BREAK_PARAGRAPH,
    [LXB_TAG_DIV] = BREAK_PARAGRAPH,
    [LXB_TAG_DL] = BREAK_PARAGRAPH,
    [LXB_TAG_DT] = BREAK_PARAGRAPH,
    [LXB_TAG_FIELDSET] = BREAK_PARAGRAPH,
    [LXB_TAG_FIGCAPTION] = BREAK_PARAGRAPH,
    [LXB_TAG_FIGURE] = BREAK_PARAGRAPH,
    [LXB_TAG_FOOTER] = BREAK_PARAGRAPH,
    [LXB_TAG_FORM] = BREAK_PARAGRAPH,
    [LXB_TAG_H1] = BREAK_PARAGRAPH,
    [LXB_TAG_H2] = BREAK_PARAGRAPH,
    [LXB_TAG_H3] = BREAK_PARAGRAPH,
    [LXB_TAG_H4] = BREAK_PARAGRAPH,
    [LXB_TAG_H5] = BREAK_PARAGRAPH,
    [LXB_TAG_H6] = BREAK_PARAGRAPH,
    [LXB_TAG_HEADER] = BREAK_PARAGRAPH,
    [LXB_TAG_HGROUP] = BREAK_PARAGRAPH,
    [LXB_TAG_HR] = BREAK_PARAGRAPH,
    [LXB_TAG_IFRAME] = BREAK_LINE,
    [LXB_TAG_IMG] = BREAK_SPACE,
    [LXB_TAG_LEGEND] = BREAK_PARAGRAPH,
    [LXB_TAG_LI] = BREAK_LINE,
    [LXB_TAG_LISTING] = BREAK_PARAGRAPH,
    [LXB_TAG_MAIN] = BREAK_PARAGRAPH,
    [LXB_TAG_MENU] = BREAK_PARAGRAPH,
    [LXB_TAG_NAV] = BREAK_PARAGRAPH,
    [LXB_TAG_NOSCRIPT] = BREAK_LINE,
    [LXB_TAG_OL] = BREAK_PARAGRAPH,
    [LXB_TAG_OPTGROUP] = BREAK_LINE,
    [LXB_TAG_OPTION] = BREAK_LINE,
    [LXB_TAG_P] = BREAK_PARAGRAPH,
    [LXB_TAG_PLAINTEXT] = BREAK_PARAGRAPH,
    [LXB_TAG_PRE] = BREAK_PARAGRAPH,
    [LXB_TAG_RP] = BREAK_NONE,
    [LXB_TAG_SEARCH] = BREAK_PARAGRAPH,
    [LXB_TAG_SECTION] = BREAK_PARAGRAPH,
    [LXB_TAG_SELECT] = BREAK_LINE,
    [LXB_TAG_SUMMARY] = BREAK_PARAGRAPH,
    [LXB_TAG_SVG] = BREAK_SPACE,
    [LXB_TAG_TABLE] = BREAK_PARAGRAPH,
    [LXB_TAG_TBODY] = BREAK_LINE,
    [LXB_TAG_TD] = BREAK_SPACE,
    [LXB_TAG_TEXTAREA] = BREAK_LINE,
    [LXB_TAG_TFOOT] = BREAK_LINE,
    [LXB_TAG_TH] = BREAK_SPACE,
    [LXB_TAG_THEAD] = BREAK_LINE,
    [LXB_TAG_TITLE] = BREAK_LINE,
    [LXB_TAG_TR] = BREAK_LINE,
    [LXB_TAG_UL] = BREAK_PARAGRAPH,
    [LXB_TAG_VIDEO] = BREAK_LINE,
    [LXB_TAG_AUDIO] = BREAK_LINE,
    [LXB_TAG_XMP] = BREAK_PARAGRAPH,
};

enum text_break text_break_of(uintptr_t tag)
{
    return tag < LXB_TAG__LAST_ENTRY ? (enum text_break)breaks[tag] : BREAK_NONE;
}

bool text_keeps_space(uintptr_t tag)
{
    return tag == LXB_TAG_PRE || tag == LXB_TAG_TEXTAREA || tag == LXB_TAG_LISTING ||
           tag == LXB_TAG_XMP || tag == LXB_TAG_PLAINTEXT;
}

void plain_writer_reset(struct plain_writer *writer)
{
    text_buffer_clear(&writer->out);
    writer->pending = BREAK_NONE;
    writer->preformatted = 0;
    writer->first_in_pre = false;
}

/* A paragraph is a line here: blank lines between them would only make the text longer. */
static void ask_break(struct plain_writer *writer, enum text_break wanted)
{
    if (wanted > writer->pending) {
        writer->pending = wanted;
    }
}

void plain_writer_open(struct plain_writer *writer, const struct text_element *element)
{
    ask_break(writer, text_break_of(element->tag));
    if (text_keeps_space(element->tag)) {
        writer->preformatted++;
        writer->first_in_pre = true;
    }
}

void plain_writer_close(struct plain_writer *writer, uintptr_t tag)
{
    ask_break(writer, text_break_of(tag));
    if (text_keeps_space(tag) && writer->preformatted > 0) {
        writer->preformatted--;
    }
}

static void write_break(struct plain_writer *writer)
{
    if (writer->pending != BREAK_NONE && writer->out.len > 0) {
        text_buffer_append_char(&writer->out, writer->pending == BREAK_SPACE ? ' ' : '\n');
    }
    writer->pending = BREAK_NONE;
}

/* Lines and columns matter; only the line feed after the start tag and the ones at the end do not
 * (those become the break behind the block). */
static void write_preformatted(struct plain_writer *writer, const char *data, size_t len)
{
    if (writer->first_in_pre && len > 0 && data[0] == '\n') {
        data++;
        len--;
    }
    writer->first_in_pre = false;
    size_t end = len;
    while (end > 0 && data[end - 1] == '\n') {
        end--;
    }
    if (end > 0) {
        write_break(writer);
        text_buffer_append(&writer->out, data, end);
    }
    if (end == len) {
        return;
    }
    /* Held back line feeds: kept when they are inside the block. */
    if (writer->out.len > 0) {
        if (end == 0) {
            write_break(writer);
        }
        text_buffer_append(&writer->out, data + end, len - end - 1);
        ask_break(writer, BREAK_LINE);
    }
}

static const bool is_space_byte[256] = {
    [' '] = true, ['\n'] = true, ['\t'] = true, ['\r'] = true, ['\f'] = true};

void plain_writer_text(struct plain_writer *writer, const char *data, size_t len)
{
    if (writer->preformatted > 0) {
        write_preformatted(writer, data, len);
        return;
    }
    const unsigned char *p = (const unsigned char *)data;
    const unsigned char *end = p + len;
    while (p < end) {
        const unsigned char *start = p;
        while (p < end && is_space_byte[*p]) {
            p++;
        }
        if (p > start) {
            ask_break(writer, BREAK_SPACE);
        }
        start = p;
        /* A run: words with single spaces between them are copied at once. */
        while (p < end &&
               (!is_space_byte[*p] || (*p == ' ' && p + 1 < end && !is_space_byte[p[1]]))) {
            p++;
        }
        if (p > start) {
            write_break(writer);
            text_buffer_append(&writer->out, (const char *)start, (size_t)(p - start));
        }
    }
}
