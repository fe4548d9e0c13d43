/* SPDX-License-Identifier: Apache-2.0 */
#include "text_buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#define FIRST_CAPACITY 4096

bool text_buffer_grow(struct text_buffer *buffer, size_t extra)
{
    if (buffer->failed || extra > SIZE_MAX / 4 - buffer->len) {
        buffer->failed = true;
        return false;
    }
    size_t cap = buffer->cap < FIRST_CAPACITY ? FIRST_CAPACITY : buffer->cap;
    while (cap - buffer->len < extra) {
        cap *= 2;
    }
    char *data = realloc(buffer->data, cap);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->cap = cap;
    return true;
}

void text_buffer_fini(struct text_buffer *buffer)
{
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}

/* Length of the white space character at `p`, 0 when it is none: here Unicode's, no-break spaces
 * and all, because a title or description is one line of words. */
static size_t wide_space_at(const unsigned char *p, size_t left)
{
    if (p[0] <= ' ') {
        return p[0] == ' ' || (p[0] >= '\t' && p[0] <= '\r') || p[0] >= 0x1C ? 1 : 0;
    }
    if (p[0] == 0xC2 && left >= 2) {
        return p[1] == 0xA0 || p[1] == 0x85 ? 2 : 0;
    }
    if (left < 3 || p[0] < 0xE1 || p[0] > 0xE3) {
        return 0;
    }
    unsigned code = ((p[0] & 15u) << 12) | ((p[1] & 63u) << 6) | (p[2] & 63u);
    bool is_space = code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
                    code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
    return is_space ? 3 : 0;
}

void text_append_collapsed(struct text_buffer *buffer, struct text_slice text)
{
    const unsigned char *data = (const unsigned char *)text.data;
    size_t i = 0;
    while (i < text.len) {
        size_t space = wide_space_at(data + i, text.len - i);
        if (space > 0) {
            i += space;
            continue;
        }
        size_t start = i;
        while (i < text.len && wide_space_at(data + i, text.len - i) == 0) {
            i++;
        }
        if (buffer->len > 0) {
            text_buffer_append_char(buffer, ' ');
        }
        text_buffer_append(buffer, text.data + start, i - start);
    }
}

bool text_equals_word(struct text_slice text, const char *word)
{
    return strlen(word) == text.len && strncasecmp(text.data, word, text.len) == 0;
}

bool text_has_word(struct text_slice text, const char *word)
{
    size_t i = 0;
    while (i < text.len) {
        size_t start = i;
        while (i < text.len && !text_is_space(text.data[i]) && text.data[i] != ',') {
            i++;
        }
        if (text_equals_word((struct text_slice){text.data + start, i - start}, word)) {
            return true;
        }
        i++;
    }
    return false;
}
