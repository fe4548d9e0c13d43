/* SPDX-License-Identifier: Apache-2.0 */
/* The bump arena. Blocks are a list, newest first; an allocation larger than an ordinary block
 * gets a block of its own behind the newest one, so that it does not waste the room left there. */
#include "base.h"
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { ORDINARY_BYTES = 16 * 1024 };

struct base_arena_block {
    struct base_arena_block *next;
    size_t cap;
    alignas(max_align_t) char bytes[];
};

static struct base_arena_block *block_create(size_t cap)
{
    struct base_arena_block *block = malloc(sizeof(*block) + cap);
    if (block != NULL) {
        block->next = NULL;
        block->cap = cap;
    }
    return block;
}

static void *alloc_oversized(struct base_arena *arena, size_t size)
{
    struct base_arena_block *block = block_create(size);
    if (block == NULL) {
        return NULL;
    }
    if (arena->head == NULL) {
        arena->head = block;
        arena->used = size;
    } else {
        block->next = arena->head->next;
        arena->head->next = block;
    }
    return block->bytes;
}

void *base_arena_alloc(struct base_arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > PTRDIFF_MAX - sizeof(struct base_arena_block) - align) {
        return NULL;
    }
    size = (size + align - 1) / align * align;
    if (arena->head != NULL && arena->head->cap - arena->used >= size) {
        void *at = arena->head->bytes + arena->used;
        arena->used += size;
        return at;
    }
    if (size > ORDINARY_BYTES / 4) {
        return alloc_oversized(arena, size);
    }
    struct base_arena_block *block = block_create(ORDINARY_BYTES);
    if (block == NULL) {
        return NULL;
    }
    block->next = arena->head;
    arena->head = block;
    arena->used = size;
    return block->bytes;
}

char *base_arena_strndup(struct base_arena *arena, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? base_arena_alloc(arena, len + 1) : NULL;
    if (copy != NULL) {
        if (len > 0) {
            memcpy(copy, text, len);
        }
        copy[len] = '\0';
    }
    return copy;
}

void base_arena_reset(struct base_arena *arena)
{
    struct base_arena_block *kept = NULL;
    for (struct base_arena_block *block = arena->head, *next; block != NULL; block = next) {
        next = block->next;
        if (kept == NULL && block->cap == ORDINARY_BYTES) {
            kept = block;
        } else {
            free(block);
        }
    }
    if (kept != NULL) {
        kept->next = NULL;
    }
    arena->head = kept;
    arena->used = 0;
}

void base_arena_fini(struct base_arena *arena)
{
    base_arena_reset(arena);
    free(arena->head);
    *arena = (struct base_arena){0};
}
