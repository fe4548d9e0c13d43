/* SPDX-License-Identifier: Apache-2.0 */
/* The chosen part as plain text, without the link lists, slogans and empty headings in it. What
 * turns out not to belong is cut off the end of the output again. */
#include "text_main_internal.h"

#include <lexbor/tag/const.h>
#include <strings.h>

#define SLOGAN_BYTES 100 /* of a line that may be one */
#define PREFACE_BYTES 48 /* of a line that is more than a name or a date */
#define NOWHERE SIZE_MAX

struct output {
    struct main_pass *m;
    struct plain_writer *writer;
    /* The heading(s) at the end of the output that nothing follows yet. */
    size_t heading_start;
    const lxb_dom_node_t *heading_parent;
    bool prose_seen;
    bool keeps_short; /* no prose comes: short lines and a repeated title are all there is */
};

static bool is_heading(uintptr_t tag)
{
    return tag == LXB_TAG_H1 || tag == LXB_TAG_H2 || tag == LXB_TAG_H3 || tag == LXB_TAG_H4 ||
           tag == LXB_TAG_H5 || tag == LXB_TAG_H6;
}

static bool is_group(uintptr_t tag)
{
    return tag == LXB_TAG_UL || tag == LXB_TAG_OL || tag == LXB_TAG_DL || tag == LXB_TAG_DIV ||
           tag == LXB_TAG_SECTION || tag == LXB_TAG_TABLE;
}

static void cut(struct output *o, size_t at)
{
    o->writer->out.len = at;
    o->writer->pending = BREAK_LINE;
}

/* Lists and boxes of links; a paragraph that is one link ("Read our other story"). */
static bool is_link_list(const struct main_part *part)
{
    if (part->text == 0) {
        return false;
    }
    uint64_t percent = (uint64_t)part->link * 100 / part->text;
    if (is_group(part->tag)) {
        return percent > 50 && part->prose < 200;
    }
    return part->tag == LXB_TAG_P && percent >= 90 && part->text < 120;
}

static struct main_part *part_of(const struct output *o, const lxb_dom_node_t *node)
{
    return node->user != NULL ? &o->m->parts[(uintptr_t)node->user - 1] : NULL;
}

/* A heading over something left out is left out, too. */
static void leave_out(struct output *o, const lxb_dom_node_t *node)
{
    if (o->heading_start != NOWHERE && o->heading_parent == node->parent) {
        cut(o, o->heading_start);
        o->heading_start = NOWHERE;
    }
}

static bool enter(struct output *o, const lxb_dom_node_t *node)
{
    struct main_part *part = part_of(o, node);
    if (part == NULL || part->dropped) {
        if (part != NULL && part->text > 0) {
            leave_out(o, node);
        }
        return false;
    }
    if (is_link_list(part)) {
        leave_out(o, node);
        return false;
    }
    struct text_element element = {.tag = part->tag, .is_html = true};
    plain_writer_open(o->writer, &element);
    if (part->block == (uint32_t)((uintptr_t)node->user - 1)) {
        part->out_start = o->writer->out.len;
    }
    if (is_heading(part->tag) && o->heading_start == NOWHERE) {
        o->heading_start = o->writer->out.len;
        o->heading_parent = node->parent;
    }
    return true;
}

/* Does the heading repeat the page's title? Sites add their names to one of them. */
static bool repeats_title(const struct output *o, struct text_slice line)
{
    struct text_slice title = text_trim(o->m->title);
    line = text_trim(line);
    size_t shorter = line.len < title.len ? line.len : title.len;
    bool is_alike = shorter >= 20 || shorter * 2 >= title.len;
    return shorter >= 10 && is_alike && strncasecmp(line.data, title.data, shorter) == 0;
}

static bool is_leaf_slogan(const struct main_part *part, struct text_slice line)
{
    return part->own_text > 0 && line.len <= SLOGAN_BYTES &&
           memchr(line.data, '\n', line.len) == NULL && text_main_is_slogan(line);
}

/* Before the prose begins: the title once more, who wrote it and when. */
static bool is_preface(struct output *o, const struct main_part *part, struct text_slice line)
{
    if (o->prose_seen || part->own_text == 0) {
        return false;
    }
    if (line.len >= PREFACE_BYTES && !repeats_title(o, line)) {
        o->prose_seen = true;
    }
    return !o->prose_seen && (part->tag == LXB_TAG_P || part->tag == LXB_TAG_DIV);
}

static void leave(struct output *o, const lxb_dom_node_t *node)
{
    const struct main_part *part = part_of(o, node);
    plain_writer_close(o->writer, part->tag);
    bool is_block = part->block == (uint32_t)((uintptr_t)node->user - 1);
    if (!is_block || o->writer->out.len <= part->out_start) {
        return;
    }
    struct text_slice line = text_trim((struct text_slice){o->writer->out.data + part->out_start,
                                                           o->writer->out.len - part->out_start});
    if (is_heading(part->tag)) {
        if (!o->keeps_short && repeats_title(o, line)) {
            cut(o, part->out_start);
        }
    } else if (is_leaf_slogan(part, line) || (!o->keeps_short && is_preface(o, part, line))) {
        cut(o, part->out_start);
    } else if (part->own_text > 0) {
        o->heading_start = NOWHERE; /* something follows it */
    }
}

static void write_text(struct output *o, const lxb_dom_node_t *node)
{
    const lexbor_str_t *text = &lxb_dom_interface_text(node)->char_data.data;
    const struct main_part *block = &o->m->parts[part_of(o, node->parent)->block];
    if (!is_heading(block->tag) && block->own_text > SLOGAN_BYTES) {
        o->heading_start = NOWHERE; /* something follows it */
        o->prose_seen = true;
    }
    plain_writer_text(o->writer, (const char *)text->data, text->length);
}

static void write_part(struct output *o, uint32_t at)
{
    lxb_dom_node_t *root = o->m->parts[at].node;
    lxb_dom_node_t *node = root->first_child;
    while (node != NULL) {
        bool entered = node->type == LXB_DOM_NODE_TYPE_ELEMENT && enter(o, node);
        if (node->type == LXB_DOM_NODE_TYPE_TEXT) {
            write_text(o, node);
        }
        if (entered && node->first_child != NULL) {
            node = node->first_child;
            continue;
        }
        if (entered) {
            leave(o, node);
        }
        while (node->next == NULL && node->parent != root) {
            node = node->parent;
            leave(o, node);
        }
        node = node->next;
    }
    if (o->heading_start != NOWHERE && !o->keeps_short) {
        cut(o, o->heading_start);
    }
    o->heading_start = NOWHERE;
}

/* True when prose was among it. */
static bool write_all(struct main_pass *m, uint32_t lead, uint32_t at, bool keeps_short)
{
    struct output o = {
        .m = m, .writer = m->writer, .heading_start = NOWHERE, .keeps_short = keeps_short};
    plain_writer_reset(m->writer);
    if (lead != NO_PART) {
        write_part(&o, lead);
        o.writer->pending = BREAK_LINE;
    }
    write_part(&o, at);
    return o.prose_seen;
}

/* On a page of a few words every line looks like what stands before the prose. */
void text_main_write(struct main_pass *m, uint32_t lead, uint32_t at)
{
    if (!write_all(m, lead, at, false)) {
        (void)write_all(m, lead, at, true);
    }
}
