/* SPDX-License-Identifier: Apache-2.0 */
#include "sink_internal.h"

#include <stdlib.h>

enum { FIRST_CAP = 1024 };

/* Hashes already: their low bits are as good as any. 0 marks a free slot. */
static size_t place_of(const struct sink_known *known, uint64_t name)
{
    size_t at = (size_t)name & (known->cap - 1);
    while (known->slots[at] != 0 && known->slots[at] != name) {
        at = (at + 1) & (known->cap - 1);
    }
    return at;
}

bool sink_known_has(const struct sink_known *known, uint64_t name)
{
    return known->cap > 0 && known->slots[place_of(known, name)] == name;
}

bool sink_known_reserve(struct sink_known *known, size_t more)
{
    size_t cap = known->cap > 0 ? known->cap : FIRST_CAP;
    while (known->count + more > cap / 2) {
        cap *= 2;
    }
    if (cap == known->cap) {
        return true;
    }
    struct sink_known larger = {.slots = calloc(cap, sizeof *larger.slots), .cap = cap};
    if (larger.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < known->cap; i++) {
        if (known->slots[i] != 0) {
            sink_known_add(&larger, known->slots[i]);
        }
    }
    free(known->slots);
    *known = larger;
    return true;
}

void sink_known_add(struct sink_known *known, uint64_t name)
{
    size_t at = place_of(known, name);
    known->count += known->slots[at] == 0;
    known->slots[at] = name;
}

void sink_known_fini(struct sink_known *known)
{
    free(known->slots);
    *known = (struct sink_known){0};
}
