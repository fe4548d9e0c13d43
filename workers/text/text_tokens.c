/* SPDX-License-Identifier: Apache-2.0 */
/* The token pass. lexbor's tokenizer gives tags and texts; what the tree builder would make of them
 * is followed as far as it changes what is stored: where the body begins, what is raw text, what is
 * hidden, when tables push text out of themselves, when SVG and MathML begin and end. A frame stack
 * holds just those elements. Where following would mean rebuilding the tree builder (misnested
 * noscript, text directly inside a table, frames), the page is marked doubtful: the tree decides.
 */
#include "text_tokens.h"

#include "page_tokenizer.h"

#include <lexbor/html/tokenizer/state.h>
#include <lexbor/tag/const.h>

#define NUL_REPLACEMENT "\xEF\xBF\xBD"

/* ---- start tags ------------------------------------------------------------------------------ */

/* Before the body: does this start tag begin it? */
static bool begins_body(struct text_context *c, uintptr_t tag)
{
    if (c->head_noscript) {
        if (tag != LXB_TAG_LINK && tag != LXB_TAG_META && tag != LXB_TAG_STYLE &&
            tag != LXB_TAG_NOFRAMES && tag != LXB_TAG_BASEFONT && tag != LXB_TAG_BGSOUND) {
            c->doubtful = true; /* ends the noscript, and mostly the head */
            c->head_noscript = false;
        } else {
            return false;
        }
    }
    switch (tag) {
    case LXB_TAG_HTML:
    case LXB_TAG_HEAD:
    case LXB_TAG_BASE:
    case LXB_TAG_BASEFONT:
    case LXB_TAG_BGSOUND:
    case LXB_TAG_LINK:
    case LXB_TAG_META:
    case LXB_TAG_NOFRAMES:
    case LXB_TAG_SCRIPT:
    case LXB_TAG_STYLE:
    case LXB_TAG_TEMPLATE:
    case LXB_TAG_TITLE:
        return false;
    case LXB_TAG_NOSCRIPT:
        return c->head_closed;
    default:
        return true;
    }
}

static void read_token_attributes(const lxb_html_token_t *token, struct text_element *element)
{
    for (const lxb_html_token_attr_t *a = token->attr_first; a != NULL; a = a->next) {
        if (a->name != NULL) {
            struct text_slice value = {a->value != NULL ? (const char *)a->value : "",
                                       a->value != NULL ? a->value_size : 0};
            text_element_add(element, (const char *)lexbor_hash_entry_str(&a->name->entry),
                             a->name->entry.length, value);
        }
    }
}

/* Raw text: the tokenizer learns from here what the tree builder would tell it. */
static void enter_raw_text(struct text_context *c, uintptr_t tag)
{
    switch (tag) {
    case LXB_TAG_TITLE:
    case LXB_TAG_TEXTAREA:
    case LXB_TAG_STYLE:
    case LXB_TAG_XMP:
    case LXB_TAG_IFRAME:
    case LXB_TAG_NOEMBED:
    case LXB_TAG_NOFRAMES:
    case LXB_TAG_SCRIPT:
    case LXB_TAG_PLAINTEXT:
        c->raw_tag = tag;
        lxb_html_tokenizer_set_state_by_tag(c->tokenizer, false, tag, LXB_NS_HTML);
        break;
    default:
        break;
    }
}

static void open_html(struct text_context *c, const lxb_html_token_t *token)
{
    struct text_element element = {.tag = token->tag_id,
                                   .is_html = true,
                                   .is_fallback = c->head_noscript || c->skip_depth > 0};
    uintptr_t tag = element.tag;
    if (c->template_depth == 0 && !c->in_body && begins_body(c, tag)) {
        c->in_body = true;
    }
    enter_raw_text(c, tag);
    if (tag == LXB_TAG_TEMPLATE) {
        text_push_frame(c, FRAME_TEMPLATE, tag, true);
        return;
    }
    if (tag == LXB_TAG_SVG || tag == LXB_TAG_MATH) {
        text_tokens_open_foreign(c, token);
        return;
    }
    if (c->template_depth > 0) {
        return;
    }
    if (text_wants_attributes(c, tag)) {
        read_token_attributes(token, &element);
        if (tag == LXB_TAG_IMAGE) {
            element.tag = tag = LXB_TAG_IMG;
        }
        text_found_element(c, &element);
    }
    if (tag == LXB_TAG_TITLE && c->title_state == TITLE_WANTED) {
        c->title_state = TITLE_OPEN;
    }
    if (!c->in_body) {
        c->head_noscript = c->head_noscript || tag == LXB_TAG_NOSCRIPT;
        c->doubtful = c->doubtful || tag == LXB_TAG_FRAMESET;
        return;
    }
    if (text_open_structure(c, tag) && c->skip_depth == 0) {
        text_body_open(c, &element);
    }
}

/* Inside SVG or MathML, or the element that begins it. */
void text_tokens_open_foreign(struct text_context *c, const lxb_html_token_t *token)
{
    struct text_element element = {.tag = token->tag_id, .is_html = false};
    uintptr_t tag = element.tag;
    const struct text_frame *top = text_top_frame(c);
    if (c->template_depth == 0) {
        if (top == NULL || top->kind != FRAME_FOREIGN) {
            if (text_is_between_cells(top) || (top != NULL && top->kind == FRAME_SELECT)) {
                c->doubtful = true;
            }
        }
        if (text_wants_attributes(c, tag)) {
            read_token_attributes(token, &element);
            text_found_element(c, &element);
        }
    }
    bool skips = tag == LXB_TAG_SCRIPT || tag == LXB_TAG_STYLE || tag == LXB_TAG_TEMPLATE ||
                 tag == LXB_TAG_NOSCRIPT;
    if (c->skip_depth == 0 && !skips) {
        text_body_open(c, &element);
    }
    if ((token->type & LXB_HTML_TOKEN_TYPE_CLOSE_SELF) == 0) {
        text_push_frame(c, text_is_integration_point(tag) ? FRAME_INTEGRATION : FRAME_FOREIGN, tag,
                        skips);
    } else if (c->skip_depth == 0 && !skips) {
        text_body_close(c, tag);
    }
}

static void start_tag(struct text_context *c, const lxb_html_token_t *token)
{
    const struct text_frame *top = text_top_frame(c);
    if (top != NULL && top->kind == FRAME_FOREIGN) {
        if (!text_breaks_out(token->tag_id)) {
            text_tokens_open_foreign(c, token);
            return;
        }
        c->doubtful = true; /* HTML in the middle of a drawing ends the drawing */
        while (text_top_frame(c) != NULL && text_top_frame(c)->kind == FRAME_FOREIGN) {
            text_pop_frame(c);
        }
    }
    open_html(c, token);
}

/* ---- end tags -------------------------------------------------------------------------------- */

static void close_html(struct text_context *c, uintptr_t tag)
{
    c->raw_tag = LXB_TAG__UNDEF;
    if (tag == LXB_TAG_TITLE && c->title_state == TITLE_OPEN) {
        c->title_state = TITLE_DONE;
    }
    if (tag == LXB_TAG_TEMPLATE) {
        text_close_template(c);
        return;
    }
    if (c->template_depth > 0) {
        return;
    }
    if (!c->in_body) {
        c->head_noscript = c->head_noscript && tag != LXB_TAG_NOSCRIPT;
        c->head_closed = c->head_closed || tag == LXB_TAG_HEAD;
        c->in_body = tag == LXB_TAG_BODY || tag == LXB_TAG_HTML || tag == LXB_TAG_BR;
        return;
    }
    if (text_close_structure(c, tag) && c->skip_depth == 0) {
        text_body_close(c, tag);
    }
}

static void end_tag(struct text_context *c, uintptr_t tag)
{
    const struct text_frame *top = text_top_frame(c);
    if (top == NULL || top->kind != FRAME_FOREIGN) {
        close_html(c, tag);
        return;
    }
    unsigned depth = c->frame_count;
    while (depth > 0 && c->frames[depth - 1].kind == FRAME_FOREIGN) {
        if (c->frames[depth - 1].tag == tag) {
            text_pop_frames_to(c, depth - 1);
            if (c->skip_depth == 0) {
                text_body_close(c, tag);
            }
            return;
        }
        depth--;
    }
    /* An HTML end tag in a drawing may close the drawing with an element around it. */
    c->doubtful = true;
    close_html(c, tag);
}

/* ---- text ------------------------------------------------------------------------------------ */

static bool is_all_space(const char *data, size_t len)
{
    while (len > 0 && (text_is_space(data[len - 1]) || data[len - 1] == '\0')) {
        len--;
    }
    return len == 0;
}

/* NULs: dropped in HTML, shown as U+FFFD in foreign content (raw text has it already). */
static void write_text_with_nuls(struct text_context *c, const char *data, size_t len)
{
    const struct text_frame *top = text_top_frame(c);
    bool foreign = top != NULL && top->kind == FRAME_FOREIGN;
    while (len > 0) {
        const char *nul = memchr(data, '\0', len);
        size_t run = nul != NULL ? (size_t)(nul - data) : len;
        if (run > 0) {
            text_body_text(c, data, run);
        }
        if (nul == NULL) {
            return;
        }
        if (foreign) {
            text_body_text(c, NUL_REPLACEMENT, sizeof NUL_REPLACEMENT - 1);
        }
        data += run + 1;
        len -= run + 1;
    }
}

/* True when this text is in the body, which it may begin. */
static bool text_is_in_body(struct text_context *c, const char *data, size_t len)
{
    if (c->in_body) {
        return true;
    }
    if (c->raw_tag != LXB_TAG__UNDEF || is_all_space(data, len)) {
        return false;
    }
    c->doubtful = c->doubtful || c->head_noscript;
    c->head_noscript = false;
    c->in_body = true;
    return true;
}

static void text_token(struct text_context *c, const lxb_html_token_t *token)
{
    const char *data = (const char *)token->text_start;
    size_t len = (size_t)(token->text_end - token->text_start);
    if (c->template_depth > 0) {
        return;
    }
    if (c->raw_tag == LXB_TAG_TITLE && c->title_state == TITLE_OPEN) {
        text_found_title(c, data, len);
    }
    if (c->raw_tag == LXB_TAG_SCRIPT || c->raw_tag == LXB_TAG_STYLE ||
        !text_is_in_body(c, data, len)) {
        return;
    }
    if (c->raw_tag == LXB_TAG__UNDEF && text_is_between_cells(text_top_frame(c)) &&
        !is_all_space(data, len)) {
        c->doubtful = true;
    }
    if (c->skip_depth > 0) {
        return;
    }
    if (token->null_count > 0) {
        write_text_with_nuls(c, data, len);
    } else {
        text_body_text(c, data, len);
    }
}

/* ---- the pass -------------------------------------------------------------------------------- */

static lxb_html_token_t *take_token(lxb_html_tokenizer_t *tokenizer, lxb_html_token_t *token,
                                    void *ctx)
{
    struct text_context *c = ctx;
    if (++c->tokens % PAGE_ASK_HOST_EVERY == 0 && c->host->should_stop(c->task)) {
        c->stopped = true;
        return NULL; /* ends the tokenizer */
    }
    switch (token->tag_id) {
    case LXB_TAG__TEXT:
        text_token(c, token);
        break;
    case LXB_TAG__EM_COMMENT:
    case LXB_TAG__EM_DOCTYPE:
    case LXB_TAG__END_OF_FILE:
        break;
    default:
        if ((token->type & LXB_HTML_TOKEN_TYPE_CLOSE) != 0) {
            text_cost_count(c, token, -1);
            end_tag(c, token->tag_id);
        } else {
            text_cost_count(c, token, 1);
            start_tag(c, token);
        }
        break;
    }
    page_tokenizer_forget(tokenizer, token);
    return token;
}

static void reset_pass(struct text_context *c)
{
    c->in_body = c->head_closed = c->head_noscript = c->doubtful = false;
    c->raw_tag = LXB_TAG__UNDEF;
    c->skip_depth = c->template_depth = 0;
    c->tokens = 0;
    c->elements = c->formatting = (struct text_depth){0, 0};
    c->attribute_steps = 0;
    c->frame_count = 0;
    c->namespace_node.ns = LXB_NS_HTML;
}

bool text_pass_tokens(struct text_context *c)
{
    reset_pass(c);
    bool done = page_tokenizer_read(c->tokenizer, &c->namespace_tree, c->page->body,
                                    c->page->body_len, take_token, c);
    if (c->is_markdown) {
        markdown_writer_end(&c->markdown);
    }
    return done || c->stopped;
}
