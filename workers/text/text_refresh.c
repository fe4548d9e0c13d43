/* SPDX-License-Identifier: Apache-2.0 */
/* Where <meta http-equiv=refresh> leads: the shared declarative refresh steps of HTML (4.2.5.3). */
#include "text_extract.h"

static void drop(struct text_slice *s, size_t count)
{
    s->data += count;
    s->len -= count;
}

static void drop_spaces(struct text_slice *s)
{
    while (s->len > 0 && text_is_space(s->data[0])) {
        drop(s, 1);
    }
}

/* "5", "0.5", ".": how long to wait is of no interest. */
static bool drop_time(struct text_slice *s)
{
    size_t count = 0;
    while (count < s->len &&
           ((s->data[count] >= '0' && s->data[count] <= '9') || s->data[count] == '.')) {
        count++;
    }
    drop(s, count);
    return count > 0;
}

/* "url =", where it is complete. */
static void drop_name(struct text_slice *s)
{
    struct text_slice rest = *s;
    if (rest.len < 3 || !text_equals_word((struct text_slice){rest.data, 3}, "url")) {
        return;
    }
    drop(&rest, 3);
    drop_spaces(&rest);
    if (rest.len > 0 && rest.data[0] == '=') {
        drop(&rest, 1);
        drop_spaces(&rest);
        *s = rest;
    }
}

static void drop_quotes(struct text_slice *s)
{
    if (s->len > 0 && (s->data[0] == '\'' || s->data[0] == '"')) {
        char quote = s->data[0];
        drop(s, 1);
        const char *end = s->len > 0 ? memchr(s->data, quote, s->len) : NULL;
        s->len = end != NULL ? (size_t)(end - s->data) : s->len;
    }
}

struct text_slice text_refresh_target(struct text_slice content)
{
    const struct text_slice nowhere = {"", 0};
    if (content.len == 0) {
        return nowhere; /* there may be no attribute, and no pointer */
    }
    drop_spaces(&content);
    if (!drop_time(&content)) {
        return nowhere;
    }
    if (content.len > 0 && !text_is_space(content.data[0]) && content.data[0] != ';' &&
        content.data[0] != ',') {
        return nowhere;
    }
    drop_spaces(&content);
    if (content.len > 0 && (content.data[0] == ';' || content.data[0] == ',')) {
        drop(&content, 1);
        drop_spaces(&content);
    }
    drop_name(&content);
    drop_quotes(&content);
    return content.len > 0 ? content : nowhere;
}
