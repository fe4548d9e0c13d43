/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the markdown writer: text_markdown.c writes lines, text_markdown_blocks.c blocks,
 * text_markdown_code.c code. */
#ifndef TEXT_MARKDOWN_H
#define TEXT_MARKDOWN_H

#include "text_writer.h"

void markdown_ask_break(struct markdown_writer *writer, enum text_break wanted);
/** Write the break that is due, and the prefixes of a new line. */
void markdown_start_line(struct markdown_writer *writer);
void markdown_trim_spaces(struct markdown_writer *writer);
/** Leave containers; blank lines from here on are not theirs. */
void markdown_leave_containers(struct markdown_writer *writer, unsigned count);
/** The break and the inline markers that wait for content. */
void markdown_before_content(struct markdown_writer *writer);
void markdown_write_target(struct markdown_writer *writer, const char *href, size_t len);
void markdown_suspend_inlines(struct markdown_writer *writer);

void markdown_open_block(struct markdown_writer *writer, const struct text_element *element);
void markdown_close_block(struct markdown_writer *writer, uintptr_t tag);
void markdown_begin_code(struct markdown_writer *writer, const struct text_element *element,
                         bool is_block);
void markdown_open_in_code(struct markdown_writer *writer, const struct text_element *element);
void markdown_close_in_code(struct markdown_writer *writer, uintptr_t tag);
void markdown_end_code(struct markdown_writer *writer);
void markdown_end_row(struct markdown_writer *writer);

#endif
