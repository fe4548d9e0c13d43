/* SPDX-License-Identifier: Apache-2.0 */
#include "page_meta.h"

#include "page_robots.h"

#define SCRIPT_BYTES (1u << 20) /* linked data longer than this is data of another kind */

void page_meta_clear(struct page_meta *m)
{
    struct text_buffer *buffers[] = {&m->bytes, &m->title,  &m->language, &m->canonical,
                                     &m->time,  &m->script, &m->base};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        text_buffer_clear(buffers[i]);
    }
    page_ld_clear(&m->ld);
    m->tag_count = 0;
    m->title_open = m->title_done = m->script_is_data = m->base_seen = false;
    m->noindex = m->nofollow = false;
}

void page_meta_fini(struct page_meta *m)
{
    struct text_buffer *buffers[] = {&m->bytes, &m->title,  &m->language, &m->canonical,
                                     &m->time,  &m->script, &m->base};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        text_buffer_fini(buffers[i]);
    }
    page_ld_fini(&m->ld);
}

/* ---- elements -------------------------------------------------------------------------------- */

static void keep_tag(struct page_meta *m, struct text_slice name, struct text_slice value)
{
    value = text_trim(value);
    if (m->tag_count == PAGE_META_TAGS || name.len == 0 || name.len > 128 || value.len == 0 ||
        value.len > PAGE_META_BYTES) {
        return;
    }
    struct page_meta_tag tag = {.name = m->bytes.len, .name_len = name.len};
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        text_buffer_append_char(&m->bytes, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    tag.value = m->bytes.len;
    struct text_buffer collapsed = {0};
    text_append_collapsed(&collapsed, value);
    text_buffer_append(&m->bytes, collapsed.data, collapsed.len);
    text_buffer_fini(&collapsed);
    tag.value_len = m->bytes.len - tag.value;
    if (!m->bytes.failed) {
        m->tags[m->tag_count++] = tag;
    }
}

static void found_meta(struct page_meta *m, const struct gleaner_page *page,
                       const lxb_html_token_t *token)
{
    static const char *const attributes[] = {"name", "property", "itemprop", "http-equiv"};
    struct text_slice content = page_attribute(token, "content");
    for (size_t i = 0; i < 4 && content.data != NULL; i++) {
        struct text_slice name = text_trim(page_attribute(token, attributes[i]));
        if (name.len == 0) {
            continue;
        }
        if (i == 0) {
            (void)page_read_robots(page, name, content, &m->noindex, &m->nofollow);
        }
        keep_tag(m, name, content);
    }
}

static void keep_once(struct text_buffer *into, struct text_slice value, size_t limit)
{
    value = text_trim(value);
    if (into->len == 0 && value.len > 0 && value.len <= limit) {
        text_buffer_append(into, value.data, value.len);
    }
}

static void found_time(struct page_meta *m, const lxb_html_token_t *token)
{
    struct text_slice datetime = page_attribute(token, "datetime");
    keep_once(&m->time, datetime, 64);
    struct text_slice itemprop = page_attribute(token, "itemprop");
    if (datetime.data != NULL && (text_has_word(itemprop, "datePublished") ||
                                  page_attribute(token, "pubdate").data != NULL)) {
        keep_tag(m, TEXT_LITERAL("datepublished"), datetime);
    }
}

void page_meta_open(struct page_meta *m, const struct gleaner_page *page,
                    const lxb_html_token_t *token)
{
    switch (token->tag_id) {
    case LXB_TAG_TITLE:
        m->title_open = !m->title_done;
        break;
    case LXB_TAG_META:
        found_meta(m, page, token);
        break;
    case LXB_TAG_HTML:
        keep_once(&m->language, page_attribute(token, "lang"), 64);
        break;
    case LXB_TAG_LINK:
        if (text_has_word(page_attribute(token, "rel"), "canonical")) {
            keep_once(&m->canonical, page_attribute(token, "href"), PAGE_META_BYTES);
        }
        break;
    case LXB_TAG_BASE:
        if (!m->base_seen && page_attribute(token, "href").data != NULL) {
            m->base_seen = true; /* the first one with an address counts, even a bad one */
            keep_once(&m->base, page_attribute(token, "href"), PAGE_META_BYTES);
        }
        break;
    case LXB_TAG_TIME:
        found_time(m, token);
        break;
    case LXB_TAG_SCRIPT:
        m->script_is_data =
            text_equals_word(text_trim(page_attribute(token, "type")), "application/ld+json");
        text_buffer_clear(&m->script);
        break;
    default:
        break;
    }
}

void page_meta_close(struct page_meta *m, uintptr_t tag)
{
    if (tag == LXB_TAG_TITLE && m->title_open) {
        m->title_open = false;
        m->title_done = true;
    }
    if (tag == LXB_TAG_SCRIPT && m->script_is_data) {
        m->script_is_data = false;
        if (m->script.len > 0) {
            page_ld_read(&m->ld, m->script.data, m->script.len);
        }
    }
}

void page_meta_text(struct page_meta *m, uintptr_t raw_tag, const char *data, size_t len)
{
    if (raw_tag == LXB_TAG_TITLE && m->title_open && m->title.len < PAGE_META_BYTES) {
        text_buffer_append(&m->title, data, len);
    } else if (raw_tag == LXB_TAG_SCRIPT && m->script_is_data &&
               m->script.len + len < SCRIPT_BYTES) {
        text_buffer_append(&m->script, data, len);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

struct text_slice page_meta_base(const struct page_meta *m)
{
    return (struct text_slice){m->base.data, m->base.len};
}

struct text_slice page_meta_value(const struct page_meta *m, const char *name)
{
    size_t len = strlen(name);
    for (unsigned i = 0; i < m->tag_count; i++) {
        const struct page_meta_tag *tag = &m->tags[i];
        if (tag->name_len == len && memcmp(m->bytes.data + tag->name, name, len) == 0) {
            return (struct text_slice){m->bytes.data + tag->value, tag->value_len};
        }
    }
    return (struct text_slice){"", 0};
}

/* Names in the order of trust; where linked data may answer, it comes behind `before_ld` names. */
#define FACT_NAMES 12
static const struct {
    const char *names[FACT_NAMES];
    unsigned before_ld;
    enum page_ld_property ld[2]; /* PAGE_LD_COUNT: none */
} facts[PAGE_FACT_COUNT] = {
    [PAGE_FACT_TITLE] = {{"og:title", "twitter:title", "dc.title"},
                         3,
                         {PAGE_LD_HEADLINE, PAGE_LD_NAME}},
    [PAGE_FACT_DESCRIPTION] = {{"description", "og:description", "twitter:description",
                                "dc.description", "dcterms.description"},
                               5,
                               {PAGE_LD_DESCRIPTION, PAGE_LD_COUNT}},
    [PAGE_FACT_AUTHOR] = {{"author", "dc.creator", "dcterms.creator", "sailthru.author",
                           "parsely-author", "byl", "article:author", "og:article:author",
                           "citation_author", "twitter:creator"},
                          6,
                          {PAGE_LD_AUTHOR, PAGE_LD_COUNT}},
    [PAGE_FACT_DATE] = {{"article:published_time", "og:article:published_time", "og:published_time",
                         "datepublished", "date", "dc.date", "dc.date.issued", "dcterms.created",
                         "pubdate", "parsely-pub-date", "sailthru.date",
                         "citation_publication_date"},
                        3,
                        {PAGE_LD_PUBLISHED, PAGE_LD_UPLOADED}},
    [PAGE_FACT_MODIFIED] = {{"article:modified_time", "og:updated_time", "datemodified",
                             "last-modified", "dcterms.modified"},
                            2,
                            {PAGE_LD_MODIFIED, PAGE_LD_COUNT}},
    [PAGE_FACT_LANGUAGE] = {{"content-language", "language", "dc.language", "og:locale"},
                            4,
                            {PAGE_LD_LANGUAGE, PAGE_LD_COUNT}},
    [PAGE_FACT_SITE_NAME] = {{"og:site_name", "application-name", "publisher", "dc.publisher"},
                             2,
                             {PAGE_LD_PUBLISHER, PAGE_LD_COUNT}},
    [PAGE_FACT_IMAGE] = {{"og:image", "og:image:url", "og:image:secure_url", "twitter:image",
                          "twitter:image:src"},
                         5,
                         {PAGE_LD_IMAGE, PAGE_LD_COUNT}},
    [PAGE_FACT_TYPE] = {{"og:type"}, 1, {PAGE_LD_TYPE, PAGE_LD_COUNT}},
};

/* An author's address is no name. */
static bool is_usable(enum page_fact fact, struct text_slice value)
{
    return value.len > 0 && !(fact == PAGE_FACT_AUTHOR && value.len > 4 &&
                              (memcmp(value.data, "http", 4) == 0 || value.data[0] == '/'));
}

static struct text_slice fact_of_names(const struct page_meta *m, enum page_fact fact,
                                       unsigned from, unsigned to)
{
    for (unsigned i = from; i < to && facts[fact].names[i] != NULL; i++) {
        struct text_slice value = page_meta_value(m, facts[fact].names[i]);
        if (is_usable(fact, value)) {
            return value;
        }
    }
    return (struct text_slice){"", 0};
}

static struct text_slice fact_of_element(const struct page_meta *m, enum page_fact fact)
{
    const struct text_buffer *from = fact == PAGE_FACT_TITLE      ? &m->title
                                     : fact == PAGE_FACT_LANGUAGE ? &m->language
                                                                  : NULL;
    return from != NULL ? text_trim((struct text_slice){from->data, from->len})
                        : (struct text_slice){"", 0};
}

struct text_slice page_meta_fact(const struct page_meta *m, enum page_fact fact)
{
    struct text_slice value = fact_of_element(m, fact);
    unsigned before = facts[fact].before_ld;
    if (value.len == 0) {
        value = fact_of_names(m, fact, 0, before);
    }
    for (size_t i = 0; i < 2 && value.len == 0 && facts[fact].ld[i] != PAGE_LD_COUNT; i++) {
        value = page_ld_first(&m->ld, facts[fact].ld[i]);
        value = is_usable(fact, value) ? text_trim(value) : (struct text_slice){"", 0};
    }
    if (value.len == 0) {
        value = fact_of_names(m, fact, before, FACT_NAMES);
    }
    if (value.len == 0 && fact == PAGE_FACT_DATE) {
        value = (struct text_slice){m->time.data, m->time.len};
    }
    return value;
}
