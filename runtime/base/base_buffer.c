/* SPDX-License-Identifier: Apache-2.0 */
/* The growing byte buffer, and slices of other people's bytes. */
#include "base.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void base_buffer_fini(struct base_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct base_buffer){0};
}

void base_buffer_reset(struct base_buffer *buffer, size_t keep_bytes)
{
    buffer->len = 0;
    buffer->failed = false;
    if (buffer->cap > keep_bytes) {
        free(buffer->data);
        buffer->data = NULL;
        buffer->cap = 0;
    }
    if (buffer->data != NULL) {
        buffer->data[0] = '\0';
    }
}

static size_t grown_cap(size_t cap, size_t needed)
{
    size_t next = cap < 64 ? 64 : cap;
    while (next < needed) {
        /* Half as much again: a buffer of tens of MB must not double into memory nobody uses. */
        next = next > SIZE_MAX / 2 ? needed : next + next / 2;
    }
    return next;
}

bool base_buffer_reserve(struct base_buffer *buffer, size_t extra)
{
    if (extra >= PTRDIFF_MAX - buffer->len) { /* no object is larger; malloc need not be asked */
        buffer->failed = true;
        return false;
    }
    size_t needed = buffer->len + extra + 1; /* the NUL behind the content */
    if (needed <= buffer->cap) {
        return true;
    }
    size_t cap = grown_cap(buffer->cap, needed);
    char *data = realloc(buffer->data, cap);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->cap = cap;
    buffer->data[buffer->len] = '\0';
    return true;
}

bool base_buffer_append(struct base_buffer *buffer, const void *data, size_t len)
{
    if (buffer->failed || !base_buffer_reserve(buffer, len)) {
        return false;
    }
    if (len > 0) {
        memcpy(buffer->data + buffer->len, data, len);
        buffer->len += len;
        buffer->data[buffer->len] = '\0';
    }
    return true;
}

bool base_buffer_append_str(struct base_buffer *buffer, const char *text)
{
    return base_buffer_append(buffer, text, strlen(text));
}

bool base_buffer_append_char(struct base_buffer *buffer, char c)
{
    return base_buffer_append(buffer, &c, 1);
}

bool base_buffer_printf(struct base_buffer *buffer, const char *fmt, ...)
{
    if (buffer->failed || !base_buffer_reserve(buffer, 64)) {
        return false;
    }
    size_t room = buffer->cap - buffer->len;
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(buffer->data + buffer->len, room, fmt, args);
    va_end(args);
    if (wanted >= 0 && (size_t)wanted >= room) {
        if (!base_buffer_reserve(buffer, (size_t)wanted)) {
            buffer->data[buffer->len] = '\0'; /* take back what the first try left there */
            return false;
        }
        va_start(args, fmt);
        wanted = vsnprintf(buffer->data + buffer->len, (size_t)wanted + 1, fmt, args);
        va_end(args);
    }
    if (wanted < 0) {
        buffer->failed = true;
        buffer->data[buffer->len] = '\0';
        return false;
    }
    buffer->len += (size_t)wanted;
    return true;
}

struct base_slice base_slice_of(const char *text)
{
    return (struct base_slice){text, text == NULL ? 0 : strlen(text)};
}

bool base_slice_equal(struct base_slice a, struct base_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
