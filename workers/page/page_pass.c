/* SPDX-License-Identifier: Apache-2.0 */
#include "page_pass.h"

#include "page_tokenizer.h"

#include <lexbor/html/tokenizer/state.h>

bool page_pass_init(struct page_pass *pass)
{
    memset(pass, 0, sizeof *pass);
    pass->tokenizer = page_tokenizer_create();
    return pass->tokenizer != NULL;
}

void page_pass_fini(struct page_pass *pass)
{
    page_tokenizer_destroy(pass->tokenizer);
    memset(pass, 0, sizeof *pass);
}

size_t page_pass_bytes(const struct page_pass *pass)
{
    return page_tokenizer_bytes(pass->tokenizer);
}

/* Raw text: the tokenizer learns from here what the tree builder would tell it. */
static void enter_raw_text(struct page_pass *pass, uintptr_t tag)
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
        pass->raw_tag = tag;
        lxb_html_tokenizer_set_state_by_tag(pass->tokenizer, false, tag, LXB_NS_HTML);
        break;
    default:
        break;
    }
}

/* HTML that ends a drawing somebody forgot to close. */
static bool ends_drawing(uintptr_t tag)
{
    switch (tag) {
    case LXB_TAG_BODY:
    case LXB_TAG_DIV:
    case LXB_TAG_H1:
    case LXB_TAG_H2:
    case LXB_TAG_IMG:
    case LXB_TAG_LI:
    case LXB_TAG_META:
    case LXB_TAG_P:
    case LXB_TAG_TABLE:
    case LXB_TAG_UL:
        return true;
    default:
        return false;
    }
}

static void start_tag(struct page_pass *pass, const lxb_html_token_t *token)
{
    uintptr_t tag = token->tag_id;
    bool closes_itself = (token->type & LXB_HTML_TOKEN_TYPE_CLOSE_SELF) != 0;
    if (pass->drawing_depth > 0 && ends_drawing(tag)) {
        pass->drawing_depth = 0;
    }
    if (tag == LXB_TAG_SVG || tag == LXB_TAG_MATH) {
        pass->drawing_depth += closes_itself ? 0 : 1;
        return;
    }
    if (pass->drawing_depth > 0) {
        return;
    }
    enter_raw_text(pass, tag);
    if (tag == LXB_TAG_TEMPLATE) {
        pass->template_depth++;
    } else if (pass->template_depth == 0) {
        pass->sink->open(pass->sink->ctx, token);
    }
}

static void end_tag(struct page_pass *pass, uintptr_t tag)
{
    pass->raw_tag = LXB_TAG__UNDEF;
    if (tag == LXB_TAG_SVG || tag == LXB_TAG_MATH) {
        pass->drawing_depth -= pass->drawing_depth > 0 ? 1 : 0;
    } else if (tag == LXB_TAG_TEMPLATE) {
        pass->template_depth -= pass->template_depth > 0 ? 1 : 0;
    } else if (pass->drawing_depth == 0 && pass->template_depth == 0) {
        pass->sink->close(pass->sink->ctx, tag);
    }
}

static void read_text(struct page_pass *pass, const lxb_html_token_t *token)
{
    if (pass->drawing_depth == 0 && pass->template_depth == 0) {
        pass->sink->text(pass->sink->ctx, pass->raw_tag, (const char *)token->text_start,
                         (size_t)(token->text_end - token->text_start));
    }
}

static lxb_html_token_t *take_token(lxb_html_tokenizer_t *tokenizer, lxb_html_token_t *token,
                                    void *ctx)
{
    struct page_pass *pass = ctx;
    if (++pass->tokens % PAGE_ASK_HOST_EVERY == 0 && pass->host->should_stop(pass->task)) {
        pass->stopped = true;
        return NULL; /* ends the tokenizer */
    }
    switch (token->tag_id) {
    case LXB_TAG__TEXT:
        read_text(pass, token);
        break;
    case LXB_TAG__EM_COMMENT:
    case LXB_TAG__EM_DOCTYPE:
    case LXB_TAG__END_OF_FILE:
        break;
    default:
        if ((token->type & LXB_HTML_TOKEN_TYPE_CLOSE) != 0) {
            end_tag(pass, token->tag_id);
        } else {
            start_tag(pass, token);
        }
        break;
    }
    page_tokenizer_forget(tokenizer, token);
    return token;
}

bool page_pass_read(struct page_pass *pass, const struct gleaner_host *host,
                    struct gleaner_task *task, const struct gleaner_page *page,
                    const struct page_sink *sink)
{
    pass->sink = sink;
    pass->host = host;
    pass->task = task;
    pass->raw_tag = LXB_TAG__UNDEF;
    pass->template_depth = pass->drawing_depth = pass->tokens = 0;
    pass->stopped = false;
    return page_tokenizer_read(pass->tokenizer, NULL, page->body, page->body_len, take_token, pass);
}

struct text_slice page_attribute(const lxb_html_token_t *token, const char *name)
{
    size_t len = strlen(name);
    for (const lxb_html_token_attr_t *a = token->attr_first; a != NULL; a = a->next) {
        if (a->name != NULL && a->name->entry.length == len &&
            memcmp(lexbor_hash_entry_str(&a->name->entry), name, len) == 0) {
            return (struct text_slice){a->value != NULL ? (const char *)a->value : "",
                                       a->value != NULL ? a->value_size : 0};
        }
    }
    return (struct text_slice){NULL, 0};
}
