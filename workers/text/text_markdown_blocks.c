/* SPDX-License-Identifier: Apache-2.0 */
/* Headings, lists, quotes and tables of the markdown writer. */
#include "text_markdown.h"

#include <lexbor/tag/const.h>
#include <stdio.h>
#include <stdlib.h>

void markdown_leave_containers(struct markdown_writer *w, unsigned count)
{
    w->container_count = count;
    w->settled = w->settled < count ? w->settled : count;
}

/* An item's marker without anything behind it on its line. */
static void write_lonely_marker(struct markdown_writer *w)
{
    markdown_ask_break(w, BREAK_LINE);
    markdown_start_line(w);
    markdown_trim_spaces(w);
    w->line_start = false;
}

/* ---- lists and quotes ------------------------------------------------------------------------ */

static void end_item(struct markdown_writer *w, struct markdown_list *list)
{
    if (list->item_open) {
        if (w->marker_due && w->container_count == list->containers + 1) {
            write_lonely_marker(w);
        }
        markdown_leave_containers(w, list->containers);
        list->item_open = false;
        markdown_ask_break(w, BREAK_LINE);
    }
}

static void open_list(struct markdown_writer *w, const struct text_element *element)
{
    markdown_ask_break(w, w->list_count > 0 ? BREAK_LINE : BREAK_PARAGRAPH);
    if (w->list_count == MARKDOWN_DEPTH) {
        return;
    }
    long start = 1;
    if (element->tag == LXB_TAG_OL && text_element_has(element, ATTRIBUTE_START)) {
        char digits[16] = "";
        struct text_slice value = text_trim(element->attributes[ATTRIBUTE_START]);
        size_t len = value.len < sizeof digits - 1 ? value.len : sizeof digits - 1;
        memcpy(digits, value.data, len);
        start = strtol(digits, NULL, 10);
        start = start < 0 || start > 999999999 ? 1 : start;
    }
    w->lists[w->list_count++] = (struct markdown_list){
        .tag = element->tag, .next = start, .containers = w->container_count};
}

/* The innermost list of that tag, and everything inside it. */
static void close_list(struct markdown_writer *w, uintptr_t tag)
{
    unsigned at = w->list_count;
    while (at > 0 && w->lists[at - 1].tag != tag) {
        at--;
    }
    if (at == 0) {
        return;
    }
    while (w->list_count >= at) {
        end_item(w, &w->lists[w->list_count - 1]);
        w->list_count--;
    }
    markdown_ask_break(w, w->list_count > 0 ? BREAK_LINE : BREAK_PARAGRAPH);
}

static void open_item(struct markdown_writer *w)
{
    if (w->list_count == 0 || w->in_cell) {
        markdown_ask_break(w, BREAK_LINE);
        return;
    }
    struct markdown_list *list = &w->lists[w->list_count - 1];
    end_item(w, list);
    markdown_ask_break(w, BREAK_LINE);
    if (w->container_count >= MARKDOWN_DEPTH) {
        return;
    }
    if (w->marker_due) {
        /* A list right at the start of an item: the outer marker gets its own line. */
        write_lonely_marker(w);
        w->pending = BREAK_LINE;
    }
    if (list->tag == LXB_TAG_OL) {
        snprintf(w->item_marker, sizeof w->item_marker, "%ld. ", list->next++);
    } else {
        snprintf(w->item_marker, sizeof w->item_marker, "- ");
    }
    list->item_open = true;
    list->containers = w->container_count;
    w->containers[w->container_count++] =
        (struct markdown_container){.indent = (unsigned)strlen(w->item_marker)};
    w->marker_due = true;
}

static void open_quote(struct markdown_writer *w)
{
    markdown_ask_break(w, BREAK_PARAGRAPH);
    if (w->in_cell || w->container_count >= MARKDOWN_DEPTH) {
        return;
    }
    if (w->marker_due) {
        write_lonely_marker(w);
        w->pending = BREAK_LINE;
    }
    w->containers[w->container_count++] = (struct markdown_container){.is_quote = true};
}

static void close_quote(struct markdown_writer *w)
{
    unsigned at = w->container_count;
    while (at > 0 && !w->containers[at - 1].is_quote) {
        at--;
    }
    if (at > 0 && !w->in_cell) {
        while (w->list_count > 0 && w->lists[w->list_count - 1].containers >= at) {
            w->list_count--;
        }
        markdown_leave_containers(w, at - 1);
    }
    markdown_ask_break(w, BREAK_PARAGRAPH);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void end_cell(struct markdown_writer *w)
{
    if (w->in_cell) {
        markdown_suspend_inlines(w);
        w->in_cell = false;
        w->pending = BREAK_NONE;
        text_buffer_append(&w->out, " |", 2);
    }
}

/* The first row is the heading: markdown tables have one. */
void markdown_end_row(struct markdown_writer *w)
{
    end_cell(w);
    if (w->columns == 0) {
        return;
    }
    if (w->row == 1) {
        w->pending = BREAK_LINE;
        markdown_start_line(w);
        text_buffer_append_char(&w->out, '|');
        for (unsigned i = 0; i < w->columns; i++) {
            text_buffer_append(&w->out, " --- |", 6);
        }
    }
    w->columns = 0;
    w->line_start = false;
    w->pending = BREAK_LINE;
}

static void open_cell(struct markdown_writer *w)
{
    if (w->table_depth != 1) {
        markdown_ask_break(w, BREAK_SPACE); /* of a table inside a table: only its words */
        return;
    }
    end_cell(w);
    if (w->columns == 0) {
        w->pending = w->row == 0 ? BREAK_PARAGRAPH : BREAK_LINE;
        w->row++;
        markdown_start_line(w);
        text_buffer_append_char(&w->out, '|');
    }
    w->columns++;
    text_buffer_append_char(&w->out, ' ');
    w->in_cell = true;
    w->pending = BREAK_NONE;
    w->line_start = false;
}

static void open_table(struct markdown_writer *w)
{
    markdown_ask_break(w, BREAK_PARAGRAPH);
    w->table_depth++;
    if (w->table_depth == 1) {
        w->row = 0;
        w->columns = 0;
    }
}

static void close_table(struct markdown_writer *w)
{
    if (w->table_depth == 1) {
        markdown_end_row(w);
    }
    w->table_depth -= w->table_depth > 0 ? 1 : 0;
    markdown_ask_break(w, BREAK_PARAGRAPH);
}

static void open_row(struct markdown_writer *w)
{
    if (w->table_depth == 1) {
        markdown_end_row(w);
    } else {
        markdown_ask_break(w, BREAK_LINE);
    }
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static void open_heading(struct markdown_writer *w, uintptr_t tag)
{
    markdown_ask_break(w, BREAK_PARAGRAPH);
    if (!w->in_cell) {
        /* Written with the first word: an empty heading leaves nothing. */
        w->heading = (unsigned)(tag - LXB_TAG_H1) + 1;
    }
}

static void write_rule(struct markdown_writer *w)
{
    if (w->in_cell) {
        markdown_ask_break(w, BREAK_SPACE);
        return;
    }
    markdown_ask_break(w, BREAK_PARAGRAPH);
    markdown_start_line(w);
    text_buffer_append(&w->out, "---", 3);
    w->line_start = false;
    w->pending = BREAK_PARAGRAPH;
}

void markdown_open_block(struct markdown_writer *w, const struct text_element *element)
{
    uintptr_t tag = element->tag;
    if (text_break_of(tag) >= BREAK_LINE) {
        markdown_suspend_inlines(w);
    }
    switch (tag) {
    case LXB_TAG_H1:
    case LXB_TAG_H2:
    case LXB_TAG_H3:
    case LXB_TAG_H4:
    case LXB_TAG_H5:
    case LXB_TAG_H6:
        open_heading(w, tag);
        break;
    case LXB_TAG_CODE:
    case LXB_TAG_KBD:
    case LXB_TAG_SAMP:
    case LXB_TAG_TT:
        markdown_begin_code(w, element, false);
        break;
    case LXB_TAG_PRE:
    case LXB_TAG_LISTING:
    case LXB_TAG_XMP:
        markdown_begin_code(w, element, true);
        break;
    case LXB_TAG_UL:
    case LXB_TAG_OL:
    case LXB_TAG_MENU:
    case LXB_TAG_DIR:
        open_list(w, element);
        break;
    case LXB_TAG_LI:
        open_item(w);
        break;
    case LXB_TAG_BLOCKQUOTE:
        open_quote(w);
        break;
    case LXB_TAG_HR:
        write_rule(w);
        break;
    case LXB_TAG_TABLE:
        open_table(w);
        break;
    case LXB_TAG_TR:
        open_row(w);
        break;
    case LXB_TAG_TD:
    case LXB_TAG_TH:
        open_cell(w);
        break;
    case LXB_TAG_DD:
        markdown_ask_break(w, BREAK_PARAGRAPH);
        break;
    default:
        markdown_ask_break(w, text_break_of(tag));
        break;
    }
}

void markdown_close_block(struct markdown_writer *w, uintptr_t tag)
{
    if (text_break_of(tag) >= BREAK_LINE) {
        markdown_suspend_inlines(w);
    }
    switch (tag) {
    case LXB_TAG_H1:
    case LXB_TAG_H2:
    case LXB_TAG_H3:
    case LXB_TAG_H4:
    case LXB_TAG_H5:
    case LXB_TAG_H6:
        w->heading = 0;
        markdown_ask_break(w, BREAK_PARAGRAPH);
        break;
    case LXB_TAG_UL:
    case LXB_TAG_OL:
    case LXB_TAG_MENU:
    case LXB_TAG_DIR:
        close_list(w, tag);
        break;
    case LXB_TAG_LI:
        if (w->list_count > 0) {
            end_item(w, &w->lists[w->list_count - 1]);
        }
        break;
    case LXB_TAG_BLOCKQUOTE:
        close_quote(w);
        break;
    case LXB_TAG_TABLE:
        close_table(w);
        break;
    case LXB_TAG_TR:
        open_row(w);
        break;
    case LXB_TAG_TD:
    case LXB_TAG_TH:
        if (w->table_depth == 1) {
            end_cell(w);
        } else {
            markdown_ask_break(w, BREAK_SPACE);
        }
        break;
    default:
        markdown_ask_break(w, text_break_of(tag));
        break;
    }
}
