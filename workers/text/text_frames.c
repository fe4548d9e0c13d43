/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of the token pass: tables, noscript, select, template and foreign content. What the
 * tree builder does with tags in them is followed here; where that would mean rebuilding it, the
 * page becomes doubtful. */
#include "text_tokens.h"

#include <lexbor/tag/const.h>

struct text_frame *text_top_frame(struct text_context *c)
{
    return c->frame_count > 0 ? &c->frames[c->frame_count - 1] : NULL;
}

void text_push_frame(struct text_context *c, enum frame_kind kind, uintptr_t tag, bool skips)
{
    if (c->frame_count == TEXT_MAX_FRAMES) {
        c->doubtful = true;
        return;
    }
    c->frames[c->frame_count++] =
        (struct text_frame){.kind = (uint16_t)kind, .skips = skips, .tag = tag};
    c->skip_depth += skips ? 1 : 0;
    c->template_depth += kind == FRAME_TEMPLATE ? 1 : 0;
    c->namespace_node.ns = kind == FRAME_FOREIGN ? LXB_NS_SVG : LXB_NS_HTML;
}

void text_pop_frame(struct text_context *c)
{
    const struct text_frame *frame = &c->frames[--c->frame_count];
    c->skip_depth -= frame->skips ? 1 : 0;
    c->template_depth -= frame->kind == FRAME_TEMPLATE ? 1 : 0;
    const struct text_frame *top = text_top_frame(c);
    c->namespace_node.ns = top != NULL && top->kind == FRAME_FOREIGN ? LXB_NS_SVG : LXB_NS_HTML;
}

void text_pop_frames_to(struct text_context *c, unsigned count)
{
    while (c->frame_count > count) {
        text_pop_frame(c);
    }
}

static bool is_table_kind(unsigned kind)
{
    return kind <= FRAME_CAPTION;
}

/* Directly inside a table, outside any cell: what stands here is moved before the table. */
bool text_is_between_cells(const struct text_frame *frame)
{
    return frame != NULL && frame->kind <= FRAME_COLUMNS;
}

/* Opened less closed blocks inside noscript and the like; see close_guarded(). */
static void count_special(struct text_context *c, uintptr_t tag, int change)
{
    struct text_frame *top = text_top_frame(c);
    if (top == NULL || (top->kind != FRAME_NOSCRIPT && top->kind != FRAME_INTEGRATION) ||
        !text_is_special(tag)) {
        return;
    }
    top->specials += change;
    if (top->specials < 0) {
        c->doubtful = true; /* closes an element outside */
    }
}

static enum frame_kind kind_of_table_part(uintptr_t tag)
{
    switch (tag) {
    case LXB_TAG_CAPTION:
        return FRAME_CAPTION;
    case LXB_TAG_COL:
    case LXB_TAG_COLGROUP:
        return FRAME_COLUMNS;
    case LXB_TAG_TR:
        return FRAME_ROW;
    case LXB_TAG_TD:
    case LXB_TAG_TH:
        return FRAME_CELL;
    default:
        return FRAME_SECTION;
    }
}

/* Does a table part of this kind belong directly into that frame? Otherwise the frame ends. */
static bool part_fits(enum frame_kind part, const struct text_frame *frame, uintptr_t tag)
{
    switch (frame->kind) {
    case FRAME_TABLE:
        return true;
    case FRAME_SECTION:
        return part == FRAME_ROW || part == FRAME_CELL;
    case FRAME_ROW:
        return part == FRAME_CELL;
    case FRAME_COLUMNS:
        return tag == LXB_TAG_COL;
    default:
        return false;
    }
}

/* caption, colgroup, col, tbody, thead, tfoot, tr, td, th. False when the tag is ignored. */
static bool open_table_part(struct text_context *c, uintptr_t tag)
{
    unsigned depth = c->frame_count;
    while (depth > 0 && !is_table_kind(c->frames[depth - 1].kind)) {
        unsigned kind = c->frames[depth - 1].kind;
        if (kind == FRAME_INTEGRATION || kind == FRAME_TEMPLATE) {
            return false;
        }
        depth--;
    }
    if (depth == 0) {
        return false; /* not in a table */
    }
    if (depth != c->frame_count) {
        c->doubtful = true; /* out of a noscript or select inside a cell */
        text_pop_frames_to(c, depth);
    }
    enum frame_kind part = kind_of_table_part(tag);
    while (!part_fits(part, text_top_frame(c), tag)) {
        text_pop_frame(c);
    }
    enum frame_kind top = text_top_frame(c)->kind;
    if (top == FRAME_COLUMNS) {
        return true;
    }
    if (top == FRAME_TABLE && (part == FRAME_ROW || part == FRAME_CELL)) {
        text_push_frame(c, FRAME_SECTION, LXB_TAG_TBODY, false);
        top = FRAME_SECTION;
    }
    if (top == FRAME_SECTION && part == FRAME_CELL) {
        text_push_frame(c, FRAME_ROW, LXB_TAG_TR, false);
    }
    text_push_frame(c, part, tag == LXB_TAG_COL ? LXB_TAG_COLGROUP : tag, false);
    return true;
}

/* Tags that may stand between cells without being moved before the table (or whose move shows
 * nowhere). */
static bool may_stand_between_cells(uintptr_t tag)
{
    return tag == LXB_TAG_SCRIPT || tag == LXB_TAG_STYLE || tag == LXB_TAG_TEMPLATE ||
           tag == LXB_TAG_INPUT || tag == LXB_TAG_FORM;
}

static bool may_stand_in_select(uintptr_t tag)
{
    return tag == LXB_TAG_OPTION || tag == LXB_TAG_OPTGROUP || tag == LXB_TAG_HR ||
           tag == LXB_TAG_SCRIPT || tag == LXB_TAG_TEMPLATE;
}

/* The structure of HTML start tags. False when the tree builder would drop the tag. */
bool text_open_structure(struct text_context *c, uintptr_t tag)
{
    const struct text_frame *top = text_top_frame(c);
    if (top != NULL && top->kind == FRAME_SELECT && !may_stand_in_select(tag)) {
        c->doubtful = true;
    }
    switch (tag) {
    case LXB_TAG_CAPTION:
    case LXB_TAG_COL:
    case LXB_TAG_COLGROUP:
    case LXB_TAG_TBODY:
    case LXB_TAG_THEAD:
    case LXB_TAG_TFOOT:
    case LXB_TAG_TR:
    case LXB_TAG_TD:
    case LXB_TAG_TH:
        return open_table_part(c, tag);
    case LXB_TAG_FRAMESET:
        c->doubtful = true;
        return false;
    case LXB_TAG_HTML:
    case LXB_TAG_HEAD:
    case LXB_TAG_BODY:
        return false;
    default:
        break;
    }
    if (text_is_between_cells(top) && !may_stand_between_cells(tag)) {
        c->doubtful = true;
    }
    count_special(c, tag, 1);
    switch (tag) {
    case LXB_TAG_TABLE:
        text_push_frame(c, FRAME_TABLE, tag, false);
        break;
    case LXB_TAG_SELECT:
        text_push_frame(c, FRAME_SELECT, tag, false);
        break;
    case LXB_TAG_NOSCRIPT:
        text_push_frame(c, FRAME_NOSCRIPT, tag, true);
        break;
    default:
        break;
    }
    return true;
}

/* The nearest frame with that tag, not looking behind a boundary. 0 none, else its depth. */
static unsigned find_frame(const struct text_context *c, uintptr_t tag)
{
    for (unsigned depth = c->frame_count; depth > 0; depth--) {
        const struct text_frame *frame = &c->frames[depth - 1];
        if (frame->tag == tag) {
            return depth;
        }
        if (frame->kind == FRAME_INTEGRATION || frame->kind == FRAME_TEMPLATE ||
            frame->kind == FRAME_TABLE) {
            return 0;
        }
    }
    return 0;
}

/* noscript, and HTML inside SVG: their end tag closes them only when no block inside is open; one
 * that is swallows the end tag. The tree builder knows which; here a count has to do. */
static bool close_guarded(struct text_context *c, uintptr_t tag)
{
    unsigned depth = find_frame(c, tag);
    if (depth == 0) {
        return false;
    }
    if (depth != c->frame_count || c->frames[depth - 1].specials != 0) {
        c->doubtful = true;
    }
    text_pop_frames_to(c, depth - 1);
    return true;
}

static bool close_table_part(struct text_context *c, uintptr_t tag)
{
    unsigned depth = find_frame(c, tag);
    if (depth == 0) {
        return false;
    }
    for (unsigned i = depth; i < c->frame_count; i++) {
        if (!is_table_kind(c->frames[i].kind)) {
            c->doubtful = true;
        }
        if (c->frames[i].kind == FRAME_CAPTION && tag != LXB_TAG_TABLE) {
            return false; /* ignored inside a caption */
        }
    }
    text_pop_frames_to(c, depth - 1);
    return true;
}

void text_close_template(struct text_context *c)
{
    if (c->template_depth == 0) {
        return;
    }
    while (c->frames[c->frame_count - 1].kind != FRAME_TEMPLATE) {
        text_pop_frame(c);
    }
    text_pop_frame(c);
}

/* False when the end tag closes nothing that the writers should know of. */
bool text_close_structure(struct text_context *c, uintptr_t tag)
{
    bool known = true;
    switch (tag) {
    case LXB_TAG_TABLE:
        known = close_table_part(c, tag);
        count_special(c, tag, known ? -1 : 0);
        return known;
    case LXB_TAG_CAPTION:
    case LXB_TAG_COLGROUP:
    case LXB_TAG_TBODY:
    case LXB_TAG_THEAD:
    case LXB_TAG_TFOOT:
    case LXB_TAG_TR:
    case LXB_TAG_TD:
    case LXB_TAG_TH:
        return close_table_part(c, tag);
    case LXB_TAG_SELECT:
        known = close_guarded(c, tag);
        count_special(c, tag, known ? -1 : 0);
        return known;
    case LXB_TAG_NOSCRIPT:
        known = close_guarded(c, tag);
        count_special(c, tag, known ? -1 : 0);
        return false;
    case LXB_TAG_HTML:
    case LXB_TAG_HEAD:
    case LXB_TAG_BODY:
        return false;
    default:
        break;
    }
    const struct text_frame *top = text_top_frame(c);
    if (top != NULL && top->kind == FRAME_INTEGRATION && top->tag == tag) {
        return close_guarded(c, tag);
    }
    if (tag != LXB_TAG_BR) {
        count_special(c, tag, -1);
    }
    return true;
}
