/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** XXH3, 64 bits, seed 0: keys of URLs and hosts, content hashes. Stable on disk. Thread: [any]. */
uint64_t base_hash64(const void *data, size_t len);

/** XXH3, 128 bits, for deterministic document ids; out[16] big-endian. Thread: [any]. */
void base_hash128(const void *data, size_t len, uint8_t out[16]);

/** CRC-32C of records on disk: start with crc 0, feed the result back to go on. Thread: [any]. */
uint32_t base_crc32c(uint32_t crc, const void *data, size_t len);

/* A set of 64-bit keys in open addressing: the in-memory seen-filter. 0 is a legal key.
 * Not thread-safe. Grows to `max_keys`, then a new key takes the place of an old one: it is a cache
 * in front of the store, which has the last word, so an unknown key always counts as new. */
struct base_keyset {
    uint64_t *slots;
    size_t cap;
    size_t count;
    size_t max_keys;
    bool has_zero;
};
/** max_keys >= 1. Allocates nothing until the first key. */
void base_keyset_init(struct base_keyset *set, size_t max_keys);
void base_keyset_fini(struct base_keyset *set);
bool base_keyset_has(const struct base_keyset *set, uint64_t key);
/** True when the key was not there before: it is now, unless memory is short; a full set forgets
 *  another key for it, where one lies in its way. */
bool base_keyset_add(struct base_keyset *set, uint64_t key);
void base_keyset_clear(struct base_keyset *set);

/* xoshiro256++: jitter and tests; not for secrets. One per thread. */
struct base_random {
    uint64_t s[4];
};
/** Seed 0 takes entropy from the kernel. */
void base_random_init(struct base_random *random, uint64_t seed);
uint64_t base_random_next(struct base_random *random);
/** Uniform in [0, bound); bound >= 1. */
uint64_t base_random_below(struct base_random *random, uint64_t bound);

#endif
