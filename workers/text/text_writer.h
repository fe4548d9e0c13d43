/* SPDX-License-Identifier: Apache-2.0 */
/* What a page's body becomes: plain text or markdown. A writer takes the body's elements and texts
 * in document order; both the token pass and the tree pass feed it. It is told of end tags that
 * close nothing, and is not told of elements that end without one: it copes. */
#ifndef TEXT_WRITER_H
#define TEXT_WRITER_H

#include "text_buffer.h"
#include "text_url.h"

#include <stdint.h>

/* What a writer may want to know of an element. Empty when absent. */
enum text_attribute {
    ATTRIBUTE_HREF,
    ATTRIBUTE_XLINK_HREF,
    ATTRIBUTE_SRC,
    ATTRIBUTE_REL,
    ATTRIBUTE_NAME,
    ATTRIBUTE_PROPERTY,
    ATTRIBUTE_CONTENT,
    ATTRIBUTE_HTTP_EQUIV,
    ATTRIBUTE_LANG,
    ATTRIBUTE_ALT,
    ATTRIBUTE_START,
    ATTRIBUTE_CLASS,
    ATTRIBUTE_COUNT
};
struct text_element {
    uintptr_t tag;    /* lxb_tag_id_t */
    bool is_html;     /* HTML's namespace, not SVG's or MathML's */
    bool is_fallback; /* inside noscript */
    uint32_t present; /* bit 1 << enum text_attribute */
    struct text_slice attributes[ATTRIBUTE_COUNT];
};

static inline bool text_element_has(const struct text_element *element, enum text_attribute which)
{
    return (element->present & (UINT32_C(1) << which)) != 0;
}

/* What separates the text before a tag from the text behind it. */
enum text_break { BREAK_NONE, BREAK_SPACE, BREAK_LINE, BREAK_PARAGRAPH };
enum text_break text_break_of(uintptr_t tag);
bool text_keeps_space(uintptr_t tag); /* pre, textarea, listing, xmp, plaintext */

/* ---- plain text: one line a block, words separated by one space, preformatted text as it is ----
 */

struct plain_writer {
    struct text_buffer out;
    enum text_break pending;
    unsigned preformatted; /* depth */
    bool first_in_pre;     /* a line feed right behind <pre> is not part of it */
};
void plain_writer_reset(struct plain_writer *writer);
void plain_writer_open(struct plain_writer *writer, const struct text_element *element);
void plain_writer_close(struct plain_writer *writer, uintptr_t tag);
void plain_writer_text(struct plain_writer *writer, const char *data, size_t len);

/* ---- markdown ----------------------------------------------------------------------------------
 */

#define MARKDOWN_DEPTH 64 /* quotes and lists inside each other; deeper ones are flattened */

struct markdown_inline {
    uintptr_t tag;
    const char *marker;
    bool written;       /* its marker is in the output: deferred until it has content */
    size_t href_offset; /* of a link's address in `hrefs` */
    size_t href_len;
};
struct markdown_container {
    bool is_quote;
    unsigned indent; /* columns of a list item's marker; 0 for a list itself */
};
struct markdown_list {
    uintptr_t tag;
    bool item_open;
    unsigned containers; /* how many there were outside */
    long next;           /* number of the next item; ordered lists */
};
struct markdown_writer {
    struct text_buffer out;
    struct text_buffer code;  /* of the open code span or block */
    struct text_buffer hrefs; /* of open links */
    struct text_url *url;     /* resolves targets; borrowed */
    bool *resolved;           /* set when an address was resolved; borrowed */
    enum text_break pending;
    bool line_start;
    bool marker_due; /* the innermost item's marker goes before the next content */
    bool in_cell;
    unsigned code_depth;
    bool code_is_block;
    bool first_in_code;
    uintptr_t code_tag;
    char code_language[32];
    struct markdown_inline inlines[MARKDOWN_DEPTH];
    unsigned inline_count;
    struct markdown_container containers[MARKDOWN_DEPTH];
    unsigned container_count;
    unsigned
        settled; /* of these, how many were there at the last content: blank lines are theirs */
    struct markdown_list lists[MARKDOWN_DEPTH];
    unsigned list_count;
    unsigned heading; /* level; its marks go before the first word */
    unsigned table_depth;
    unsigned row; /* of the outermost table */
    unsigned columns;
    char item_marker[24];
};
void markdown_writer_reset(struct markdown_writer *writer, struct text_url *url, bool *resolved);
void markdown_writer_open(struct markdown_writer *writer, const struct text_element *element);
void markdown_writer_close(struct markdown_writer *writer, uintptr_t tag);
void markdown_writer_text(struct markdown_writer *writer, const char *data, size_t len);
/** Whatever is still open. */
void markdown_writer_end(struct markdown_writer *writer);

#endif
