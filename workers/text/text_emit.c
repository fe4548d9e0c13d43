/* SPDX-License-Identifier: Apache-2.0 */
/* From what was found to one document. */
#include "text_emit.h"

#include "text_content.h"
#include "text_near.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* MongoDB's limit is 16 MB; what the host adds, and field names, fit into the rest. Text gives way:
 * a cut text is worth more than none. */
#define DOCUMENT_BYTES ((16u << 20) - (64u << 10))
/* An array element in BSON: type, index in digits, length, NUL. */
#define ELEMENT_OVERHEAD 16

static size_t array_bytes(const struct text_link_set *set)
{
    return set->bytes.len + set->count * ELEMENT_OVERHEAD;
}

/* How many links fit into half a document; text gets what they leave. */
static size_t links_that_fit(const struct text_link_set *set)
{
    size_t bytes = 0;
    size_t count = 0;
    while (count < set->count && bytes < DOCUMENT_BYTES / 4) {
        bytes += set->links[count].len + ELEMENT_OVERHEAD;
        count++;
    }
    return count;
}

/* The longest prefix of at most `limit` bytes that ends between characters. */
size_t text_cut_at_character(const struct text_buffer *text, size_t limit)
{
    if (text->len <= limit) {
        return text->len;
    }
    while (limit > 0 && ((unsigned char)text->data[limit] & 0xC0) == 0x80) {
        limit--;
    }
    return limit;
}

static void emit_text(const struct text_context *c, const char *name,
                      const struct text_buffer *text, size_t len)
{
    c->host->doc_text(c->task, name, text->data != NULL ? text->data : "", len);
}

static void emit_optional(const struct text_context *c, const char *name, bool seen,
                          const struct text_buffer *text)
{
    if (seen) {
        emit_text(c, name, text, text->len);
    } else {
        c->host->doc_null(c->task, name);
    }
}

static void emit_links(const struct text_context *c, const char *name,
                       const struct text_link_set *set, size_t count)
{
    c->host->doc_open(c->task, name, true);
    for (size_t i = 0; i < count; i++) {
        struct text_slice link = text_link_of(set, i);
        c->host->doc_text(c->task, "", link.data, link.len);
    }
    c->host->doc_close(c->task);
}

static void emit_hex(const struct text_context *c, const char *name, uint64_t hash)
{
    static const char digits[] = "0123456789abcdef";
    char hex[16];
    for (int i = 15; i >= 0; i--) {
        hex[i] = digits[hash & 15];
        hash >>= 4;
    }
    c->host->doc_text(c->task, name, hex, sizeof hex);
}

/* What the page's main text is alike to. */
struct alike {
    bool is_known; /* long enough to tell */
    bool is_copy;
    uint64_t simhash;
    struct text_buffer other; /* address of the first one */
};

/* A page of links alone has no main text but the site's footer, which is the same everywhere: a
 * short main text says nothing about the page. Seen on python3-doc: genindex, library/crypto. */
#define TELLING_BYTES 2000

static struct text_slice telling_text(struct text_context *c)
{
    const struct text_buffer *main = &c->main.out;
    const struct text_buffer *text = main->len >= TELLING_BYTES ? main : text_body_out(c);
    return (struct text_slice){text->data, text->len};
}

static void look_for_copy(struct text_context *c, struct alike *alike)
{
    const struct text_slice text = telling_text(c);
    *alike = (struct alike){0};
    if (c->near_mode == TEXT_NEAR_OFF || c->noindex || !text_simhash(text, &alike->simhash)) {
        return;
    }
    alike->is_known = true;
    alike->is_copy =
        text_near_find_or_add(c->near, alike->simhash,
                              (struct text_slice){c->page->url, c->page->url_len}, &alike->other);
    if (alike->is_copy) {
        c->host->count(c->task, "text_near_duplicates", 1);
    }
}

static void emit_alike(const struct text_context *c, const struct alike *alike)
{
    if (c->near_mode == TEXT_NEAR_OFF) {
        return;
    }
    if (alike->is_known) {
        emit_hex(c, "simhash", alike->simhash);
    } else {
        c->host->doc_null(c->task, "simhash");
    }
    emit_optional(c, "near_duplicate_of", alike->is_copy, &alike->other);
}

/* Areas of image maps lead somewhere as links do. The field `links` is defined as a[href]: it does
 * not name them. */
static void follow_areas(const struct text_context *c)
{
    for (size_t i = 0; i < c->areas.count; i++) {
        struct text_slice area = text_link_of(&c->areas, i);
        size_t link = c->areas.links[i].nofollow ? SIZE_MAX : text_link_set_find(&c->links, area);
        bool is_followed = link != SIZE_MAX && !c->links.links[link].nofollow;
        if (!c->areas.links[i].nofollow && !is_followed) {
            c->host->follow(c->task, area.data, area.len);
        }
    }
}

static void follow_links(const struct text_context *c)
{
    if (!c->page->want_links || c->nofollow) {
        return;
    }
    for (size_t i = 0; i < c->links.count; i++) {
        if (!c->links.links[i].nofollow) {
            struct text_slice link = text_link_of(&c->links, i);
            c->host->follow(c->task, link.data, link.len);
        }
    }
    follow_areas(c);
}

/* No longer than what the text leaves: it is part of it. */
static void emit_main_text(const struct text_context *c, size_t room)
{
    size_t len = text_cut_at_character(&c->main.out, room);
    c->host->doc_text(c->task, "main_text", len > 0 ? c->main.out.data : "", len);
}

static void emit_fields(struct text_context *c, const struct alike *alike)
{
    const struct text_buffer *text = text_body_out(c);
    size_t links = links_that_fit(&c->links);
    size_t images = links_that_fit(&c->images);
    size_t others = array_bytes(&c->links) + array_bytes(&c->images) + 4 * TEXT_MAX_FIELD;
    size_t floor = DOCUMENT_BYTES / 4;
    size_t room = others < DOCUMENT_BYTES - floor ? DOCUMENT_BYTES - others : floor;
    size_t text_len = text_cut_at_character(text, room);

    text_buffer_clear(&c->scratch);
    text_append_collapsed(&c->scratch, (struct text_slice){c->title.data, c->title.len});
    const struct gleaner_host *host = c->host;
    host->doc_text(c->task, "url", c->page->url, c->page->url_len);
    emit_text(c, "title", &c->scratch, text_cut_at_character(&c->scratch, TEXT_MAX_FIELD));
    emit_text(c, "text", text, text_len);
    emit_links(c, "links", &c->links, links);
    emit_links(c, "images", &c->images, images);
    emit_optional(c, "description", c->description_seen, &c->description);
    emit_optional(c, "language", c->language_seen, &c->language);
    emit_optional(c, "canonical", c->canonical_seen, &c->canonical);
    host->doc_int(c->task, "status", c->page->http_status);
    const char *type = c->page->content_type != NULL ? c->page->content_type : "";
    host->doc_text(c->task, "content_type", type, strlen(type));
    host->doc_date(c->task, "fetched_at", c->page->fetched_at_ms);
    emit_hex(c, "hash", XXH3_64bits(text_len > 0 ? text->data : "", text_len));
    emit_alike(c, alike);
    if (c->wants_main) {
        emit_main_text(c, room - text_len);
    }
    if (c->wants_metadata) {
        page_meta_emit(&c->reader->meta, &c->reader->url, host, c->task, "metadata");
    }
}

static enum gleaner_verdict emit_page(struct text_context *c, const struct alike *alike)
{
    const struct gleaner_host *host = c->host;
    if (host->doc_begin(c->task, NULL, c->page->url, c->page->url_len) != GLEANER_OK) {
        host->log(c->task, 0, "text: the host takes no document");
        return GLEANER_PAGE_RETRY;
    }
    emit_fields(c, alike);
    if (host->doc_commit(c->task) != GLEANER_OK) {
        host->log(c->task, 0, "text: the document was refused");
        return GLEANER_PAGE_FAILED;
    }
    return GLEANER_PAGE_DONE;
}

enum gleaner_verdict text_emit(struct text_context *c)
{
    const struct gleaner_host *host = c->host;
    if (c->noindex || c->nofollow) {
        host->page_robots(c->task, c->noindex, c->nofollow);
    }
    follow_links(c);
    bool is_submission = strcmp(c->page->type, "text") == 0;
    if (is_submission) {
        bool found = text_body_out(c)->len > 0 && text_is_relevant(c);
        host->content_found(c->task, found);
        if (!found) {
            return GLEANER_PAGE_DONE;
        }
    }
    if (c->wants_content) {
        return text_emit_content(c);
    }
    struct alike alike;
    look_for_copy(c, &alike);
    enum gleaner_verdict verdict = GLEANER_PAGE_DONE;
    if (!alike.is_copy || c->near_mode != TEXT_NEAR_SKIP) {
        verdict = emit_page(c, &alike);
    }
    text_buffer_fini(&alike.other);
    return verdict;
}
