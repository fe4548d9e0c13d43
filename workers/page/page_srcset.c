/* SPDX-License-Identifier: Apache-2.0 */
#include "page_srcset.h"

static void skip(struct text_slice *s, size_t n)
{
    if (n == 0) {
        return; /* an attribute without a value has no bytes to point at */
    }
    s->data += n;
    s->len -= n;
}

/* Descriptors end at a comma outside parentheses. */
static void skip_descriptors(struct text_slice *rest)
{
    bool in_parentheses = false;
    while (rest->len > 0) {
        char c = rest->data[0];
        skip(rest, 1);
        if (c == ',' && !in_parentheses) {
            return;
        }
        in_parentheses = c == '(' || (in_parentheses && c != ')');
    }
}

bool page_srcset_next(struct text_slice *rest, struct text_slice *url)
{
    while (rest->len > 0 && (text_is_space(rest->data[0]) || rest->data[0] == ',')) {
        skip(rest, 1);
    }
    size_t end = 0;
    while (end < rest->len && !text_is_space(rest->data[end])) {
        end++;
    }
    *url = (struct text_slice){rest->data, end};
    skip(rest, end);
    bool ends_with_comma = end > 0 && url->data[end - 1] == ',';
    while (url->len > 0 && url->data[url->len - 1] == ',') {
        url->len--;
    }
    if (!ends_with_comma) {
        skip_descriptors(rest);
    }
    return url->len > 0;
}
