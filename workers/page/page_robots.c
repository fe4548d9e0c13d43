/* SPDX-License-Identifier: Apache-2.0 */
/* <meta name=robots>: words, separated by commas and by spaces, since many forget the commas. */
#include "page_robots.h"

/* A directive with a value says nothing else: "max-image-preview: none" is not "none". */
static void read_entry(struct text_slice entry, bool *noindex, bool *nofollow)
{
    if (entry.len > 0 && memchr(entry.data, ':', entry.len) == NULL) {
        bool none = text_has_word(entry, "none");
        *noindex = *noindex || none || text_has_word(entry, "noindex");
        *nofollow = *nofollow || none || text_has_word(entry, "nofollow");
    }
}

void page_read_robots(struct text_slice content, bool *noindex, bool *nofollow)
{
    size_t start = 0;
    for (size_t i = 0; i <= content.len; i++) {
        if (i == content.len || content.data[i] == ',') {
            read_entry((struct text_slice){content.data + start, i - start}, noindex, nofollow);
            start = i + 1;
        }
    }
}
