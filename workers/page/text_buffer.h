/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that grow. A module sees only include/, so this is its own; one thread at a time. */
#ifndef TEXT_BUFFER_H
#define TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Zero-initialised is empty and valid. After a failed growth `failed` stays true and appends do
 * nothing: a page is checked once, at its end. */
struct text_buffer {
    char *data;
    size_t len;
    size_t cap;
    bool failed;
};

struct text_slice {
    const char *data;
    size_t len;
};

#define TEXT_LITERAL(s) ((struct text_slice){"" s, sizeof(s) - 1})

bool text_buffer_grow(struct text_buffer *buffer, size_t extra);
void text_buffer_fini(struct text_buffer *buffer);

static inline bool text_buffer_reserve(struct text_buffer *buffer, size_t extra)
{
    return buffer->cap - buffer->len >= extra || text_buffer_grow(buffer, extra);
}

static inline void text_buffer_append(struct text_buffer *buffer, const char *data, size_t len)
{
    if (len > 0 && text_buffer_reserve(buffer, len)) {
        memcpy(buffer->data + buffer->len, data, len);
        buffer->len += len;
    }
}

static inline void text_buffer_append_char(struct text_buffer *buffer, char c)
{
    if (text_buffer_reserve(buffer, 1)) {
        buffer->data[buffer->len++] = c;
    }
}

static inline void text_buffer_clear(struct text_buffer *buffer)
{
    buffer->len = 0;
    buffer->failed = false;
}

/* HTML's white space: tab, line feed, form feed, carriage return, space. */
static inline bool text_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

static inline struct text_slice text_trim(struct text_slice s)
{
    while (s.len > 0 && text_is_space(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && text_is_space(s.data[s.len - 1])) {
        s.len--;
    }
    return s;
}

/* Append words: white space (Unicode's) becomes one space between them. */
void text_append_collapsed(struct text_buffer *buffer, struct text_slice text);

/* ASCII case-insensitive. */
bool text_equals_word(struct text_slice text, const char *word);
/* Is `word` one of the words of `text`, separated by white space or commas? */
bool text_has_word(struct text_slice text, const char *word);

#endif
