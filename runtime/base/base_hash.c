/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, the set of hashes, and random numbers. */
#include "base.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t base_hash64(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

void base_hash128(const void *data, size_t len, uint8_t out[16])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, len));
    memcpy(out, canonical.digest, 16);
}

/* ---- key set ---- */

enum { KEYSET_FIRST_CAP = 1024 };

void base_keyset_init(struct base_keyset *set, size_t max_keys)
{
    *set = (struct base_keyset){.max_keys = max_keys};
}

void base_keyset_fini(struct base_keyset *set)
{
    free(set->slots);
    *set = (struct base_keyset){0};
}

void base_keyset_clear(struct base_keyset *set)
{
    if (set->slots != NULL) {
        memset(set->slots, 0, set->cap * sizeof(set->slots[0]));
    }
    set->count = 0;
    set->has_zero = false;
}

/* Where the walk of a key begins. Fibonacci hashing: the keys may be plain counters. */
static size_t home_of(size_t cap, uint64_t key)
{
    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (cap - 1);
}

/* The slot that holds the key, or the empty one where it belongs. cap is a power of two with at
 * least a quarter empty, which ends the walk. */
static uint64_t *find_slot(uint64_t *slots, size_t cap, uint64_t key)
{
    size_t at = home_of(cap, key);
    while (slots[at] != 0 && slots[at] != key) {
        at = (at + 1) & (cap - 1);
    }
    return &slots[at];
}

bool base_keyset_has(const struct base_keyset *set, uint64_t key)
{
    if (key == 0) {
        return set->has_zero;
    }
    return set->slots != NULL && *find_slot(set->slots, set->cap, key) == key;
}

static bool keyset_grow(struct base_keyset *set)
{
    size_t cap = set->cap == 0 ? KEYSET_FIRST_CAP : set->cap * 2;
    uint64_t *slots = calloc(cap, sizeof(slots[0]));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < set->cap; i++) {
        if (set->slots[i] != 0) {
            *find_slot(slots, cap, set->slots[i]) = set->slots[i];
        }
    }
    free(set->slots);
    set->slots = slots;
    set->cap = cap;
    return true;
}

/* A full set: the key takes the place of the one where its walk begins. No slot becomes empty by
 * it, so every other key is still found; where that slot is empty, the key is not remembered. */
static void replace_at_home(struct base_keyset *set, uint64_t key)
{
    uint64_t *home = set->cap > 0 && key != 0 ? &set->slots[home_of(set->cap, key)] : NULL;
    if (home != NULL && *home != 0) {
        *home = key;
    }
}

bool base_keyset_add(struct base_keyset *set, uint64_t key)
{
    if (base_keyset_has(set, key)) {
        return false;
    }
    if (set->count >= set->max_keys) {
        replace_at_home(set, key);
        return true;
    }
    if (key == 0) {
        set->has_zero = true;
        set->count++;
        return true;
    }
    if (set->count + 1 > set->cap / 4 * 3 && !keyset_grow(set)) {
        return true;
    }
    *find_slot(set->slots, set->cap, key) = key;
    set->count++;
    return true;
}

/* ---- random: xoshiro256++ 1.0 and splitmix64 for its seed, by Blackman and Vigna, both in the
 * public domain (prng.di.unimi.it) ---- */

static uint64_t splitmix_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t entropy(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed) || seed == 0) {
        seed = base_mono_ns() ^ ((uint64_t)getpid() << 32); /* jitter, not secrets */
    }
    return seed;
}

void base_random_init(struct base_random *random, uint64_t seed)
{
    uint64_t state = seed != 0 ? seed : entropy();
    for (size_t i = 0; i < BASE_ARRAY_LEN(random->s); i++) {
        random->s[i] = splitmix_next(&state);
    }
}

static uint64_t rotate_left(uint64_t x, unsigned k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t base_random_next(struct base_random *random)
{
    uint64_t *s = random->s;
    uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t base_random_below(struct base_random *random, uint64_t bound)
{
    BASE_ASSERT(bound >= 1);
    /* Refuse the uneven rest at the low end, so that every value is as likely as the others. */
    uint64_t reject_below = (0 - bound) % bound;
    for (;;) {
        uint64_t value = base_random_next(random);
        if (value >= reject_below) {
            return value % bound;
        }
    }
}
