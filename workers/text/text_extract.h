/* SPDX-License-Identifier: Apache-2.0 */
/* One page in work, and what is found in it. Two passes can fill it:
 *  - the token pass (text_tokens.c) reads the tokenizer's output and follows the tree builder's
 *    rules as far as they change what is stored; nearly every page takes it;
 *  - the tree pass (text_tree.c) builds the tree and walks it; for pages whose markup the token
 * pass is not sure about (text fostered out of a table, broken nesting around noscript, frames). */
#ifndef TEXT_EXTRACT_H
#define TEXT_EXTRACT_H

#include "gleaner/worker.h"
#include "page_worker.h"
#include "text_links.h"
#include "text_writer.h"

#include <lexbor/html/html.h>

#define TEXT_MAX_LINKS 50000
#define TEXT_MAX_IMAGES 50000
#define TEXT_MAX_FIELD 65536 /* bytes of a title, a description */

/* Where the token pass is inside tables, noscript, template, select and foreign content. */
enum frame_kind {
    FRAME_TABLE,
    FRAME_SECTION,
    FRAME_ROW,
    FRAME_COLUMNS,
    FRAME_CELL,
    FRAME_CAPTION,
    FRAME_NOSCRIPT,
    FRAME_SELECT,
    FRAME_TEMPLATE,
    FRAME_FOREIGN,    /* an SVG or MathML element */
    FRAME_INTEGRATION /* one of those that holds HTML again */
};
struct text_frame {
    uint16_t kind;
    bool skips; /* its text is not shown */
    uintptr_t tag;
    int specials; /* block elements opened less closed inside it */
};
#define TEXT_MAX_FRAMES 4096

/* How many elements are open, roughly, and were at most. */
struct text_depth {
    long open, deepest;
};

enum title_state { TITLE_WANTED, TITLE_OPEN, TITLE_DONE };

/* Everything a thread needs for a page, reused from page to page. */
/* What becomes of a page whose main text is nearly that of an earlier one (setting
 * near_duplicates). */
enum text_near_mode { TEXT_NEAR_OFF, TEXT_NEAR_MARK, TEXT_NEAR_SKIP };
struct text_near;

struct text_context {
    struct text_context *next_free;
    lxb_html_tokenizer_t *tokenizer;
    /* The tokenizer asks a tree for the current namespace (CDATA is one only in foreign content):
     * this one has a single node, whose namespace the token pass sets. */
    lxb_html_tree_t namespace_tree;
    lexbor_array_t namespace_stack;
    lxb_dom_node_t namespace_node;
    void *namespace_list[1];

    struct text_url url;
    struct text_link_set raw_links, raw_images, links, images;
    struct text_link_set raw_areas,
        areas; /* areas and the like: followed as links are, stored nowhere */
    struct text_buffer title, description, og_description, language, canonical, base, scratch;
    struct plain_writer plain;
    struct markdown_writer markdown;
    struct plain_writer main;   /* the main text, where it is asked for */
    struct page_reader *reader; /* metadata; made for the first page that needs it */

    /* The page in work. */
    const struct gleaner_host *host;
    struct gleaner_task *task;
    const struct gleaner_page *page;
    bool is_markdown;
    bool wants_content;  /* the application's document: markdown of the page's content part */
    bool wants_main;     /* the field main_text */
    bool wants_metadata; /* linked data, OpenGraph, ... */
    enum text_near_mode near_mode;
    struct text_near *near; /* the module's, shared by all contexts */
    bool base_seen;
    bool base_used; /* an address was resolved before the page was read to its end */
    bool canonical_seen;
    bool description_seen;
    bool language_seen;
    bool noindex, nofollow;
    enum title_state title_state;

    /* The token pass. */
    bool in_body;
    bool head_closed;
    bool head_noscript;
    bool doubtful;     /* the tree would tell for sure */
    bool tree_refused; /* the tree pass gave up: nothing was read */
    bool stopped;      /* by the host */
    uintptr_t raw_tag;
    unsigned skip_depth;
    unsigned template_depth;
    unsigned tokens;
    struct text_depth elements, formatting;
    long attribute_steps; /* of tags so long that the tree's tokenizer cannot be stopped in time */
    unsigned frame_count;
    struct text_frame frames[TEXT_MAX_FRAMES];
};

struct text_context *text_context_create(void);
void text_context_destroy(struct text_context **context);
/** How much memory it keeps, roughly: a context that a huge page has blown up is not kept. */
size_t text_context_bytes(const struct text_context *context);

/** Forget the last page. */
void text_extract_begin(struct text_context *context);
/** Read the page: token pass, or tree pass where needed. False when memory ran out. */
bool text_extract_page(struct text_context *context);
/** Resolve what was collected, once the base is known. */
void text_extract_finish(struct text_context *context);

/** Would a tree of the page in work cost more than the page is worth? Known after the token pass.
 */
bool text_tree_is_affordable(const struct text_context *context);
enum text_tree {
    TEXT_TREE_BUILT,
    TEXT_TREE_REFUSED, /* it costs too much after all, or the host says stop (context->stopped) */
    TEXT_TREE_NO_MEMORY
};
/** Build it; to be destroyed by the caller. */
enum text_tree text_tree_build(struct text_context *context, lxb_html_document_t **out);
/** Read main text and metadata, where they are wanted. False when memory ran out. */
bool text_extract_more(struct text_context *context);

bool text_pass_tokens(struct text_context *context);
bool text_pass_tree(struct text_context *context);

/* Both passes report here, in document order. */
/** Any element outside template: links, images, metadata. */
void text_found_element(struct text_context *context, const struct text_element *element);
/** Does text_found_element() want this element's attributes, or the markdown writer? */
bool text_wants_attributes(const struct text_context *context, uintptr_t tag);
/** Text of the first HTML title. */
void text_found_title(struct text_context *context, const char *data, size_t len);
/** Where the content of a <meta http-equiv=refresh> leads, empty for nowhere else. */
struct text_slice text_refresh_target(struct text_slice content);
/** Attribute by name; the first of a name counts. */
void text_element_add(struct text_element *element, const char *name, size_t name_len,
                      struct text_slice value);

/* The shown part of the body. */
static inline void text_body_open(struct text_context *context, const struct text_element *element)
{
    if (context->is_markdown) {
        markdown_writer_open(&context->markdown, element);
    } else {
        plain_writer_open(&context->plain, element);
    }
}
static inline void text_body_close(struct text_context *context, uintptr_t tag)
{
    if (context->is_markdown) {
        markdown_writer_close(&context->markdown, tag);
    } else {
        plain_writer_close(&context->plain, tag);
    }
}
static inline void text_body_text(struct text_context *context, const char *data, size_t len)
{
    if (context->is_markdown) {
        markdown_writer_text(&context->markdown, data, len);
    } else {
        plain_writer_text(&context->plain, data, len);
    }
}
static inline struct text_buffer *text_body_out(struct text_context *context)
{
    return context->is_markdown ? &context->markdown.out : &context->plain.out;
}

#endif
