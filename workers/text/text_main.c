/* SPDX-License-Identifier: Apache-2.0 */
/* Where the main text is, in four steps over an array of the body's elements in document order (a
 * parent stands before its children, so sums run backwards and no step recurses):
 *  1. list: what is never main text (nav, aside, forms' controls, hidden parts) is not even listed;
 *  2. weigh: prose is text of blocks that are long enough and not mostly links;
 *  3. drop parts whose names say noise, unless they hold too much of the page's prose for that;
 *  4. choose the smallest part that holds the prose: named as an article's body, else article, else
 *     main, else by weight alone.
 * text_main_list.c does the first, text_main_write.c writes what was chosen. */
#include "text_main_internal.h"

#include <lexbor/tag/const.h>
#include <stdlib.h>

#define PROSE_BYTES 60       /* a block of so much text, without white space, is prose */
#define SHORT_PROSE_BYTES 20 /* of so much, half of it counts */
#define MIN_BODY_BYTES 100
#define CARD_BYTES 500 /* more is an article, not its summary */

/* ---- weigh ----------------------------------------------------------------------------------- */

static bool is_heading(uintptr_t tag)
{
    return tag == LXB_TAG_H1 || tag == LXB_TAG_H2 || tag == LXB_TAG_H3 || tag == LXB_TAG_H4 ||
           tag == LXB_TAG_H5 || tag == LXB_TAG_H6;
}

static uint32_t prose_of(const struct main_part *part)
{
    uint32_t own = part->own_text - part->own_link;
    if (is_heading(part->tag) || part->own_link > part->own_text / 2 || own < SHORT_PROSE_BYTES) {
        return 0;
    }
    return own >= PROSE_BYTES ? own : own / 2;
}

static void weigh(struct main_pass *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        struct main_part *part = &m->parts[i];
        part->text = part->own_text;
        part->link = part->own_link;
        part->prose = prose_of(part);
    }
    for (uint32_t i = m->count; i-- > 1;) {
        const struct main_part *part = &m->parts[i];
        if (!part->dropped) {
            struct main_part *parent = &m->parts[part->parent];
            parent->text += part->text;
            parent->link += part->link;
            parent->prose += part->prose;
        }
    }
}

/* ---- drop ------------------------------------------------------------------------------------ */

/* What holds the page's heading or its body is no comment section, whatever it is called. */
static bool is_comments(const struct main_part *part, uint32_t all)
{
    return (part->hints & HINT_COMMENT) != 0 && !part->holds_body &&
           all - part->prose >= MIN_BODY_BYTES;
}

static bool is_noise(const struct main_part *part, uint32_t all)
{
    if ((part->hints & HINT_NOISE) == 0) {
        return false;
    }
    uint64_t share = (uint64_t)part->prose * 100;
    if (part->tag == LXB_TAG_HEADER && (part->prose >= 2 * PROSE_BYTES || part->holds_lead)) {
        return false; /* an article's lead */
    }
    return share < (uint64_t)all * (part->holds_body ? 10 : 35) || part->prose == 0;
}

/* A heading that links elsewhere with a few words under it: other pages' summaries. */
static bool is_card(const struct main_part *part)
{
    bool fits = part->tag == LXB_TAG_DIV || part->tag == LXB_TAG_LI ||
                part->tag == LXB_TAG_ARTICLE || part->tag == LXB_TAG_SECTION ||
                part->tag == LXB_TAG_TD || part->tag == LXB_TAG_A;
    return fits && part->linked_headings == 1 && part->text <= CARD_BYTES;
}

/* Counts per parent: three cards side by side are a list of cards. */
static void count_cards(struct main_pass *m)
{
    for (uint32_t i = m->count; i-- > 1;) {
        const struct main_part *part = &m->parts[i];
        bool is_linked = is_heading(part->tag) &&
                         (part->in_link || (part->own_link > 0 &&
                                            part->own_link >= part->own_text - part->own_text / 5));
        m->parts[part->parent].linked_headings += part->linked_headings + (is_linked ? 1 : 0);
    }
    for (uint32_t i = 1; i < m->count; i++) {
        struct main_part *parent = &m->parts[m->parts[i].parent];
        if (is_card(&m->parts[i])) {
            parent->cards++;
            parent->card_prose += m->parts[i].prose;
        }
    }
}

static bool is_one_of_cards(const struct main_pass *m, const struct main_part *part, uint32_t all)
{
    const struct main_part *parent = &m->parts[part->parent];
    return parent->cards >= 3 && (uint64_t)parent->card_prose * 100 < (uint64_t)all * 70 &&
           is_card(part);
}

static void note_bodies(struct main_pass *m)
{
    for (uint32_t i = m->count; i-- > 1;) {
        struct main_part *part = &m->parts[i];
        part->holds_body = part->holds_body || part->tag == LXB_TAG_H1 ||
                           part->tag == LXB_TAG_MAIN || (part->hints & HINT_BODY) != 0;
        m->parts[part->parent].holds_body |= part->holds_body;
        part->holds_lead =
            part->holds_lead || ((part->hints & HINT_LEAD) != 0 && part->prose >= PROSE_BYTES);
        m->parts[part->parent].holds_lead |= part->holds_lead;
    }
}

/* Comments first: they may be most of the page, and shares are of what is left. */
static void drop_noise(struct main_pass *m)
{
    uint32_t all = m->parts[0].prose;
    note_bodies(m);
    for (uint32_t i = 1; i < m->count; i++) {
        struct main_part *part = &m->parts[i];
        part->dropped = m->parts[part->parent].dropped || is_comments(part, all);
    }
    weigh(m);
    all = m->parts[0].prose;
    count_cards(m);
    for (uint32_t i = 1; i < m->count; i++) {
        struct main_part *part = &m->parts[i];
        part->dropped = part->dropped || m->parts[part->parent].dropped || is_noise(part, all) ||
                        is_one_of_cards(m, part, all);
    }
    weigh(m);
}

/* ---- choose ---------------------------------------------------------------------------------- */

/* The heaviest part with one of these hints (or this tag), when it holds `percent` of the prose. */
static uint32_t heaviest(const struct main_pass *m, unsigned hints, uintptr_t tag, uint32_t percent)
{
    uint32_t best = NO_PART;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct main_part *part = &m->parts[i];
        bool fits = (part->hints & hints) != 0 || part->tag == tag;
        /* Of equals the inner one: nothing but wrapping is lost. */
        if (fits && !part->dropped && part->block == i &&
            (best == NO_PART || part->prose >= m->parts[best].prose)) {
            best = i;
        }
    }
    if (best == NO_PART || m->parts[best].prose < MIN_BODY_BYTES ||
        (uint64_t)m->parts[best].prose * 100 < (uint64_t)m->parts[0].prose * percent) {
        return NO_PART;
    }
    return best;
}

static bool is_container(uintptr_t tag)
{
    return tag == LXB_TAG_DIV || tag == LXB_TAG_SECTION || tag == LXB_TAG_ARTICLE ||
           tag == LXB_TAG_MAIN || tag == LXB_TAG_TABLE || tag == LXB_TAG_TBODY ||
           tag == LXB_TAG_TR || tag == LXB_TAG_TD || tag == LXB_TAG_CENTER || tag == LXB_TAG_FORM;
}

/* Go down while one container holds nearly all of it. */
static uint32_t descend(const struct main_pass *m, uint32_t from, uint32_t percent)
{
    uint32_t at = from;
    /* Children stand behind their parent: one run over the array finds the whole way down. */
    for (uint32_t i = from + 1; i < m->count; i++) {
        const struct main_part *part = &m->parts[i];
        if (part->parent == at && !part->dropped && is_container(part->tag) &&
            (uint64_t)part->prose * 100 >= (uint64_t)m->parts[at].prose * percent &&
            part->prose >= MIN_BODY_BYTES) {
            at = i;
        }
    }
    return at;
}

/* One article of half the page, or of twice the weight of any other: not one of a list. */
static bool stands_out(const struct main_pass *m, uint32_t at)
{
    uint32_t prose = m->parts[at].prose;
    uint32_t end = at + 1; /* of what is inside it */
    if ((uint64_t)prose * 2 >= m->parts[0].prose) {
        return true;
    }
    while (end < m->count && m->parts[end].parent >= at) {
        end++;
    }
    for (uint32_t i = 0; i < m->count; i++) {
        const struct main_part *part = &m->parts[i];
        bool is_apart = i < at ? part->prose <= prose : i >= end;
        if (part->tag == LXB_TAG_ARTICLE && !part->dropped && is_apart && part->prose * 2 > prose) {
            return false;
        }
    }
    return true;
}

/* Some sites cut the body into several parts of one name, with boxes between them. */
static uint32_t join_bodies(struct main_pass *m, uint32_t at)
{
    for (uint32_t i = m->count; i-- > 1;) {
        struct main_part *part = &m->parts[i];
        if (!part->dropped) {
            bool is_body = (part->hints & HINT_BODY) != 0 && part->block == i;
            m->parts[part->parent].bodies += is_body ? part->prose : part->bodies;
        }
    }
    uint32_t all = m->parts[0].bodies;
    uint32_t in_it = m->parts[at].prose;
    while (at != 0 && (uint64_t)in_it * 100 < (uint64_t)all * 85) {
        at = m->parts[at].parent;
        in_it = m->parts[at].bodies;
    }
    return at;
}

/* The only element of its kind that says anything, or NO_PART. */
static uint32_t only_one(const struct main_pass *m, uintptr_t tag)
{
    uint32_t found = NO_PART;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct main_part *part = &m->parts[i];
        if (part->tag == tag && !part->dropped && part->text > 0) {
            if (found != NO_PART) {
                return NO_PART;
            }
            found = i;
        }
    }
    return found;
}

/* A page of a few words has no weights to go by: its author's word is all there is. */
static uint32_t choose_by_name(const struct main_pass *m)
{
    uint32_t at = only_one(m, LXB_TAG_MAIN);
    at = at != NO_PART ? at : only_one(m, LXB_TAG_ARTICLE);
    return at != NO_PART ? at : 0;
}

static uint32_t choose(struct main_pass *m)
{
    if (m->parts[0].prose < MIN_BODY_BYTES) {
        return choose_by_name(m);
    }
    uint32_t at = heaviest(m, HINT_BODY, LXB_TAG__UNDEF, 30);
    if (at != NO_PART) {
        return join_bodies(m, at);
    }
    at = heaviest(m, 0, LXB_TAG_ARTICLE, 25);
    if (at != NO_PART && stands_out(m, at)) {
        return descend(m, at, 95);
    }
    at = heaviest(m, HINT_CONTENT, LXB_TAG_MAIN, 60);
    return at != NO_PART ? descend(m, at, 95) : descend(m, 0, 80);
}

/* ---- the lead ---------------------------------------------------------------------------------
 */

#define LEAD_BYTES 1500 /* more is a body */

static bool is_inside(const struct main_pass *m, uint32_t at, uint32_t outer)
{
    while (at > outer) {
        at = m->parts[at].parent;
    }
    return at == outer;
}

/* The nearest part named as a lead before the chosen one, no further back than the page's heading:
 * many sites keep the article's first sentences beside the body, not in it. */
static uint32_t find_lead(const struct main_pass *m, uint32_t chosen)
{
    uint32_t lead = NO_PART;
    for (uint32_t i = chosen; i-- > 1 && lead == NO_PART;) {
        const struct main_part *part = &m->parts[i];
        bool fits = (part->hints & HINT_LEAD) != 0 && !part->dropped && part->block == i &&
                    part->prose >= PROSE_BYTES && part->text <= LEAD_BYTES &&
                    part->link <= part->text / 3 && !is_inside(m, chosen, i);
        lead = fits ? i : NO_PART;
        if (part->tag == LXB_TAG_H1) {
            break;
        }
    }
    return lead;
}

/* ---- the four steps -------------------------------------------------------------------------- */

static void extract(struct main_pass *m, lxb_dom_node_t *body)
{
    text_main_list(m, body);
    if (m->failed || m->count == 0) {
        return;
    }
    weigh(m);
    drop_noise(m);
    uint32_t chosen = choose(m);
    text_main_write(m, find_lead(m, chosen), chosen);
}

bool text_main_extract(struct text_context *c, struct text_slice title)
{
    plain_writer_reset(&c->main);
    lxb_html_document_t *document;
    struct main_pass m = {.writer = &c->main, .title = title};
    m.failed = text_tree_build(c, &document) != TEXT_TREE_BUILT || document->body == NULL;
    if (!m.failed) {
        extract(&m, lxb_dom_interface_node(document->body));
    }
    free(m.parts);
    (void)lxb_html_document_destroy(document);
    return !m.failed && !c->main.out.failed;
}
