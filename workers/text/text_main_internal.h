/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the main text's passes. */
#ifndef TEXT_MAIN_INTERNAL_H
#define TEXT_MAIN_INTERNAL_H

#include "text_main.h"

#include <lexbor/dom/dom.h>

#define NO_PART UINT32_MAX

/* One element of the body that may be main text; node->user holds its index + 1. Lengths are bytes
 * without white space. */
struct main_part {
    lxb_dom_node_t *node;
    uintptr_t tag;
    uint32_t parent;             /* index */
    uint32_t block;              /* index of the block its text stands in */
    uint32_t own_text, own_link; /* of a block: directly in it */
    uint32_t text, link, prose;  /* with everything inside that is not dropped */
    size_t out_start;            /* where its text begins in the output */
    uint32_t linked_headings;    /* inside it */
    uint32_t cards, card_prose;  /* children that are summaries of other pages */
    uint32_t bodies;             /* prose of the parts in it that are named as a body */
    bool in_link;
    bool dropped;
    bool holds_lead; /* a part named as a lead, with some prose */
    bool holds_body; /* the page's heading, main, or what is named as a body */
    uint8_t hints;
};

struct main_pass {
    struct main_part *parts;
    uint32_t count;
    size_t cap;
    bool failed;
    struct plain_writer *writer;
    struct text_slice title;
};

/** List the body's elements; pass->failed when there are too many, or no memory. */
void text_main_list(struct main_pass *pass, lxb_dom_node_t *body);
/** Write what is main text inside the lead (NO_PART: there is none) and inside the part. */
void text_main_write(struct main_pass *pass, uint32_t lead, uint32_t part);

#endif
