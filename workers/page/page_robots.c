/* SPDX-License-Identifier: Apache-2.0 */
/* <meta name=robots>: words, separated by commas and by spaces, since many forget the commas. */
#include "page_robots.h"

static bool has_digit(struct text_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= '0' && text.data[i] <= '9') {
            return true;
        }
    }
    return false;
}

/* Up to the next comma. */
static struct text_slice take_entry(struct text_slice *rest)
{
    const char *comma = rest->len > 0 ? memchr(rest->data, ',', rest->len) : NULL;
    struct text_slice entry = {rest->data,
                               comma != NULL ? (size_t)(comma - rest->data) : rest->len};
    size_t used = entry.len + (comma != NULL ? 1 : 0);
    *rest = (struct text_slice){rest->data + used, rest->len - used};
    return entry;
}

/* A date may have a comma behind its day of the week. */
static bool is_over(struct text_slice date, struct text_slice *rest, int64_t now_ms)
{
    int64_t seconds;
    if (!has_digit(date)) {
        date = take_entry(rest);
    }
    return page_read_date(date, &seconds) && seconds * 1000 < now_ms;
}

static void read_content(struct text_slice rest, int64_t now_ms, bool *noindex, bool *nofollow)
{
    while (rest.len > 0) {
        struct text_slice entry = take_entry(&rest);
        const char *colon = entry.len > 0 ? memchr(entry.data, ':', entry.len) : NULL;
        if (colon == NULL) {
            bool none = text_has_word(entry, "none");
            *noindex = *noindex || none || text_has_word(entry, "noindex");
            *nofollow = *nofollow || none || text_has_word(entry, "nofollow");
            continue;
        }
        /* A directive with a value says nothing else: "max-image-preview: none" is not "none". */
        size_t before = (size_t)(colon - entry.data);
        struct text_slice value = {colon + 1, entry.len - before - 1};
        if (text_has_word((struct text_slice){entry.data, before}, "unavailable_after") &&
            is_over(value, &rest, now_ms)) {
            *noindex = true;
        }
    }
}

bool page_read_robots(const struct gleaner_page *page, struct text_slice name,
                      struct text_slice content, bool *noindex, bool *nofollow)
{
    bool knows_agent =
        page->size >= offsetof(struct gleaner_page, robots_agent) + sizeof page->robots_agent;
    const char *agent = knows_agent && page->robots_agent != NULL ? page->robots_agent : "";
    bool is_ours =
        text_equals_word(name, "robots") || (name.len > 0 && text_equals_word(name, agent));
    if (is_ours) {
        read_content(content, page->fetched_at_ms, noindex, nofollow);
    }
    return is_ours;
}
