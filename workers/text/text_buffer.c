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

void text_append_collapsed(struct text_buffer *buffer, struct text_slice text)
{
    text = text_trim(text);
    size_t i = 0;
    while (i < text.len) {
        size_t start = i;
        while (i < text.len && !text_is_space(text.data[i])) {
            i++;
        }
        if (buffer->len > 0 && start > 0) {
            text_buffer_append_char(buffer, ' ');
        }
        text_buffer_append(buffer, text.data + start, i - start);
        while (i < text.len && text_is_space(text.data[i])) {
            i++;
        }
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
