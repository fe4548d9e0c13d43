/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "gleaner/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing byte buffer. Zero-initialised is empty and valid. Not thread-safe. After a failed
 * append `failed` stays true, so that a chain of appends is checked once at its end. The content
 * is always followed by a NUL that `len` does not count (once anything was appended). */
struct base_buffer {
    char *data;
    size_t len;
    size_t cap;
    bool failed;
};

void base_buffer_fini(struct base_buffer *buffer);
/** Empty it; keeps the memory up to `keep_bytes`, gives more than that back. */
void base_buffer_reset(struct base_buffer *buffer, size_t keep_bytes);
/** Make room for `extra` more bytes; false (and failed) when memory is not to be had. */
bool base_buffer_reserve(struct base_buffer *buffer, size_t extra);
bool base_buffer_append(struct base_buffer *buffer, const void *data, size_t len);
bool base_buffer_append_str(struct base_buffer *buffer, const char *text);
bool base_buffer_append_char(struct base_buffer *buffer, char c);
bool base_buffer_printf(struct base_buffer *buffer, const char *fmt, ...) GLEANER_PRINTF(2, 3);
/** Append a JSON string literal with its quotes; invalid UTF-8 becomes U+FFFD. */
bool base_buffer_append_json(struct base_buffer *buffer, const char *text, size_t len);

/* Bytes somebody else owns. `data` may be NULL when len is 0; not NUL-terminated. */
struct base_slice {
    const char *data;
    size_t len;
};
struct base_slice base_slice_of(const char *text);
bool base_slice_equal(struct base_slice a, struct base_slice b);

/** True when the bytes are well-formed UTF-8 (no surrogates, no overlong forms). */
bool base_utf8_valid(const char *data, size_t len);

/* A bump arena: many small allocations freed together. Zero-initialised is valid. */
struct base_arena_block;
struct base_arena {
    struct base_arena_block *head;
    size_t used;
};
/** `size` bytes aligned for any object, or NULL. */
void *base_arena_alloc(struct base_arena *arena, size_t size);
char *base_arena_strndup(struct base_arena *arena, const char *text, size_t len);
/** Forget everything; keeps one block of the ordinary size. */
void base_arena_reset(struct base_arena *arena);
void base_arena_fini(struct base_arena *arena);

#endif
