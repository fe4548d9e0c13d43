/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata as fields of a document. */
#include "page_meta.h"

#include "text_links.h"

#define MAX_KEYWORDS 256
#define MAX_FIELD_NAME 96

struct emitter {
    const struct page_meta *meta;
    const struct gleaner_host *host;
    struct gleaner_task *task;
};

static void emit_slice(const struct emitter *e, const char *name, struct text_slice value)
{
    if (value.len > PAGE_META_BYTES) {
        value.len = PAGE_META_BYTES;
    }
    e->host->doc_text(e->task, name, value.len > 0 ? value.data : "", value.len);
}

static void emit_if_any(const struct emitter *e, const char *name, struct text_slice value)
{
    if (value.len > 0) {
        emit_slice(e, name, value);
    }
}

static void emit_title(const struct emitter *e, const char *name)
{
    struct text_buffer title = {0};
    text_append_collapsed(&title, page_meta_fact(e->meta, PAGE_FACT_TITLE));
    emit_if_any(e, name, (struct text_slice){title.data, title.len});
    text_buffer_fini(&title);
}

/* ---- keywords -------------------------------------------------------------------------------- */

/* "a, b; c" are three. */
static void add_keywords(struct text_link_set *set, struct text_slice list)
{
    size_t start = 0;
    for (size_t i = 0; i <= list.len; i++) {
        if (i == list.len || list.data[i] == ',' || list.data[i] == ';') {
            struct text_slice word = text_trim((struct text_slice){list.data + start, i - start});
            if (word.len > 0 && word.len <= 200) {
                text_link_set_add(set, word, false);
            }
            start = i + 1;
        }
    }
}

void page_meta_emit_keywords(const struct page_meta *m, const struct gleaner_host *host,
                             struct gleaner_task *task, const char *name)
{
    struct text_link_set set = {.limit = MAX_KEYWORDS};
    static const char *const names[] = {"keywords", "news_keywords", "article:tag",
                                        "og:article:tag"};
    for (unsigned i = 0; i < m->tag_count; i++) {
        struct text_slice tag = {m->bytes.data + m->tags[i].name, m->tags[i].name_len};
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
            if (text_equals_word(tag, names[n])) {
                add_keywords(&set, (struct text_slice){m->bytes.data + m->tags[i].value,
                                                       m->tags[i].value_len});
            }
        }
    }
    add_keywords(&set, page_ld_first(&m->ld, PAGE_LD_KEYWORDS));
    host->doc_open(task, name, true);
    for (size_t i = 0; i < set.count; i++) {
        struct text_slice word = text_link_of(&set, i);
        host->doc_text(task, "", word.data, word.len);
    }
    host->doc_close(task);
    text_link_set_fini(&set);
}

/* ---- families of meta elements --------------------------------------------------------------- */

static bool has_prefix(const struct page_meta *m, const struct page_meta_tag *tag,
                       const char *prefix)
{
    size_t len = strlen(prefix);
    return tag->name_len > len && memcmp(m->bytes.data + tag->name, prefix, len) == 0;
}

static bool is_repeated(const struct page_meta *m, unsigned i)
{
    for (unsigned n = 0; n < i; n++) {
        if (m->tags[n].name_len == m->tags[i].name_len &&
            memcmp(m->bytes.data + m->tags[n].name, m->bytes.data + m->tags[i].name,
                   m->tags[i].name_len) == 0) {
            return true;
        }
    }
    return false;
}

/* Older servers refuse field names with dots and dollars. */
static bool make_field_name(struct text_slice from, char *name)
{
    if (from.len >= MAX_FIELD_NAME || memchr(from.data, '\0', from.len) != NULL) {
        return false;
    }
    for (size_t i = 0; i < from.len; i++) {
        name[i] = from.data[i] == '.' || from.data[i] == '$' ? '_' : from.data[i];
    }
    name[from.len] = '\0';
    return true;
}

/* The first value of each name that begins with the prefix, without it. */
static void emit_family(const struct emitter *e, const char *name, const char *prefix)
{
    const struct page_meta *m = e->meta;
    char field[MAX_FIELD_NAME];
    e->host->doc_open(e->task, name, false);
    for (unsigned i = 0; i < m->tag_count; i++) {
        const struct page_meta_tag *tag = &m->tags[i];
        size_t cut = strlen(prefix);
        if (has_prefix(m, tag, prefix) && !is_repeated(m, i) &&
            make_field_name(
                (struct text_slice){m->bytes.data + tag->name + cut, tag->name_len - cut}, field)) {
            emit_slice(e, field, (struct text_slice){m->bytes.data + tag->value, tag->value_len});
        }
    }
    e->host->doc_close(e->task);
}

static void emit_linked_data(const struct emitter *e, const char *name)
{
    const struct page_ld *ld = &e->meta->ld;
    e->host->doc_open(e->task, name, true);
    for (unsigned i = 0; i < ld->count; i++) {
        if (ld->objects[i].is_part || ld->objects[i].len[PAGE_LD_TYPE] == 0) {
            continue;
        }
        e->host->doc_open(e->task, "", false);
        for (unsigned p = 0; p < PAGE_LD_COUNT; p++) {
            if (p != PAGE_LD_BODY) { /* the text itself, once more */
                emit_if_any(e, page_ld_name((enum page_ld_property)p),
                            page_ld_value(ld, i, (enum page_ld_property)p));
            }
        }
        e->host->doc_close(e->task);
    }
    e->host->doc_close(e->task);
}

static void emit_address(const struct emitter *e, struct text_url *url, const char *name,
                         struct text_slice href)
{
    struct text_buffer absolute = {0};
    if (href.len > 0 && text_url_resolve(url, href, &absolute)) {
        emit_slice(e, name, (struct text_slice){absolute.data, absolute.len});
    }
    text_buffer_fini(&absolute);
}

void page_meta_emit(const struct page_meta *m, struct text_url *url,
                    const struct gleaner_host *host, struct gleaner_task *task, const char *name)
{
    struct emitter e = {m, host, task};
    host->doc_open(task, name, false);
    emit_title(&e, "title");
    emit_if_any(&e, "description", page_meta_fact(m, PAGE_FACT_DESCRIPTION));
    emit_if_any(&e, "author", page_meta_fact(m, PAGE_FACT_AUTHOR));
    emit_if_any(&e, "date", page_meta_fact(m, PAGE_FACT_DATE));
    emit_if_any(&e, "modified", page_meta_fact(m, PAGE_FACT_MODIFIED));
    emit_if_any(&e, "language", page_meta_fact(m, PAGE_FACT_LANGUAGE));
    emit_address(&e, url, "canonical", (struct text_slice){m->canonical.data, m->canonical.len});
    emit_if_any(&e, "site_name", page_meta_fact(m, PAGE_FACT_SITE_NAME));
    emit_address(&e, url, "image", page_meta_fact(m, PAGE_FACT_IMAGE));
    emit_if_any(&e, "type", page_meta_fact(m, PAGE_FACT_TYPE));
    page_meta_emit_keywords(m, host, task, "keywords");
    emit_family(&e, "opengraph", "og:");
    emit_family(&e, "twitter", "twitter:");
    emit_linked_data(&e, "json_ld");
    host->doc_close(task);
}

void page_meta_emit_content(const struct page_meta *m, const struct gleaner_host *host,
                            struct gleaner_task *task, struct text_slice description,
                            bool with_categories, int64_t created_ms)
{
    struct emitter e = {m, host, task};
    host->doc_open(task, "metadata", false);
    page_meta_emit_keywords(m, host, task, "keywords");
    emit_slice(&e, "description", description);
    if (with_categories) {
        host->doc_open(task, "categories", true);
        host->doc_close(task);
    }
    host->doc_date(task, "created", created_ms);
    host->doc_close(task);
}
