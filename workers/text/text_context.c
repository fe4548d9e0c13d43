/* SPDX-License-Identifier: Apache-2.0 */
#include "page_tokenizer.h"
#include "text_extract.h"

#include <stdlib.h>

static bool tokenizer_init(struct text_context *c)
{
    c->tokenizer = page_tokenizer_create();
    if (c->tokenizer == NULL) {
        return false;
    }
    c->namespace_list[0] = &c->namespace_node;
    c->namespace_stack = (lexbor_array_t){.list = c->namespace_list, .size = 1, .length = 1};
    c->namespace_tree.open_elements = &c->namespace_stack;
    return true;
}

struct text_context *text_context_create(void)
{
    struct text_context *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->raw_links.limit = c->links.limit = TEXT_MAX_LINKS;
    c->raw_areas.limit = c->areas.limit = TEXT_MAX_LINKS;
    c->raw_images.limit = c->images.limit = TEXT_MAX_IMAGES;
    if (!tokenizer_init(c) || !text_url_init(&c->url)) {
        text_context_destroy(&c);
    }
    return c;
}

void text_context_destroy(struct text_context **context)
{
    struct text_context *c = *context;
    *context = NULL;
    if (c == NULL) {
        return;
    }
    page_tokenizer_destroy(c->tokenizer);
    if (c->reader != NULL) {
        page_reader_fini(c->reader);
        free(c->reader);
    }
    text_url_fini(&c->url);
    text_link_set_fini(&c->raw_links);
    text_link_set_fini(&c->raw_images);
    text_link_set_fini(&c->raw_areas);
    text_link_set_fini(&c->areas);
    text_link_set_fini(&c->links);
    text_link_set_fini(&c->images);
    struct text_buffer *buffers[] = {
        &c->title,        &c->description,   &c->og_description, &c->language,
        &c->canonical,    &c->base,          &c->scratch,        &c->plain.out,
        &c->markdown.out, &c->markdown.code, &c->markdown.hrefs, &c->main.out,
    };
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        text_buffer_fini(buffers[i]);
    }
    free(c);
}

static size_t set_bytes(const struct text_link_set *set)
{
    return set->bytes.cap + set->cap * sizeof(struct text_link) +
           set->slot_count * sizeof(uint32_t);
}

size_t text_context_bytes(const struct text_context *c)
{
    return set_bytes(&c->raw_links) + set_bytes(&c->raw_images) + set_bytes(&c->raw_areas) +
           set_bytes(&c->areas) + set_bytes(&c->links) + set_bytes(&c->images) + c->plain.out.cap +
           c->markdown.out.cap + c->markdown.code.cap + c->main.out.cap +
           (c->reader != NULL ? page_pass_bytes(&c->reader->pass) + c->reader->meta.bytes.cap : 0) +
           page_tokenizer_bytes(c->tokenizer);
}
