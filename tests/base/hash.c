/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"
#include "base_internal.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Published vectors: a change would orphan every document id and key on disk. */
Test(hash, is_xxh3_with_seed_0)
{
    cr_assert_eq(base_hash64("", 0), UINT64_C(0x2D06800538D394C2));
    uint8_t out[16];
    base_hash128("", 0, out);
    static const uint8_t empty[16] = {0x99, 0xAA, 0x06, 0xD3, 0x01, 0x47, 0x98, 0xD8,
                                      0x60, 0x01, 0xC3, 0x24, 0x46, 0x8D, 0x49, 0x7F};
    cr_assert_arr_eq(out, empty, 16);
}

/* RFC 3720, appendix B.4. */
Test(crc32c, has_the_values_of_rfc_3720)
{
    unsigned char bytes[32];
    memset(bytes, 0, 32);
    cr_assert_eq(base_crc32c(0, bytes, 32), 0x8A9136AA);
    memset(bytes, 0xFF, 32);
    cr_assert_eq(base_crc32c(0, bytes, 32), 0x62A8AB43);
    for (unsigned i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)i;
    }
    cr_assert_eq(base_crc32c(0, bytes, 32), 0x46DD794E);
    cr_assert_eq(base_crc32c(0, "123456789", 9), 0xE3069283);
}

Test(crc32c, table_and_instruction_agree_at_every_length_and_offset)
{
    unsigned char bytes[300];
    struct base_random random;
    base_random_init(&random, 3);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)base_random_next(&random);
    }
    for (size_t from = 0; from < 16; from++) {
        for (size_t len = 0; len + from <= sizeof(bytes); len++) {
            cr_assert_eq(base_crc32c(0, bytes + from, len),
                         base_crc32c_portable(0, bytes + from, len));
        }
    }
}

Test(crc32c, can_be_continued)
{
    uint32_t first = base_crc32c(0, "12345", 5);
    cr_assert_eq(base_crc32c(first, "6789", 4), 0xE3069283);
}

Test(keyset, remembers_each_key_once_and_zero_is_one)
{
    struct base_keyset set;
    base_keyset_init(&set, 200000);
    for (uint64_t key = 0; key < 100000; key++) {
        cr_assert(base_keyset_add(&set, key));
    }
    cr_assert_eq(set.count, 100000);
    for (uint64_t key = 0; key < 100000; key++) {
        cr_assert(base_keyset_has(&set, key));
        cr_assert_not(base_keyset_add(&set, key));
    }
    for (uint64_t key = 100000; key < 200000; key++) {
        cr_assert_not(base_keyset_has(&set, key));
    }
    base_keyset_clear(&set);
    cr_assert_not(base_keyset_has(&set, 0));
    cr_assert_not(base_keyset_has(&set, 77));
    cr_assert_eq(set.count, 0);
    base_keyset_fini(&set);
}

Test(keyset, full_calls_every_unknown_key_new_and_stays_as_large_as_it_is)
{
    struct base_keyset set;
    base_keyset_init(&set, 3);
    cr_assert(base_keyset_add(&set, 0));
    cr_assert(base_keyset_add(&set, 11));
    cr_assert(base_keyset_add(&set, 12));
    for (uint64_t key = 13; key < 5000; key++) {
        cr_assert(base_keyset_add(&set, key));
        cr_assert_eq(set.count, 3);
    }
    cr_assert_not(base_keyset_add(&set, 0));
    base_keyset_fini(&set);
}

static size_t count_known(const struct base_keyset *set, uint64_t from, uint64_t to)
{
    size_t known = 0;
    for (uint64_t i = from; i < to; i++) {
        known += base_keyset_has(set, base_hash64(&i, sizeof(i)));
    }
    return known;
}

/* Three quarters of the slots are taken: so many of the new keys find one to take the place of. */
Test(keyset, full_forgets_old_keys_for_new_ones_and_loses_no_other)
{
    enum { FULL = 768, LATER = 20000 };
    struct base_keyset set;
    base_keyset_init(&set, FULL);
    for (uint64_t i = 1; i <= LATER; i++) {
        cr_assert(base_keyset_add(&set, base_hash64(&i, sizeof(i))));
        if (i % 100 == 0) {
            cr_assert_eq(count_known(&set, 1, i + 1), i < FULL ? i : FULL);
        }
    }
    cr_expect_gt(count_known(&set, LATER - 99, LATER + 1), 50);
    cr_expect_eq(count_known(&set, 1, FULL + 1), 0);
    base_keyset_fini(&set);
}

Test(random, repeats_for_a_seed_and_differs_without_one)
{
    struct base_random a;
    struct base_random b;
    base_random_init(&a, 99);
    base_random_init(&b, 99);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(base_random_next(&a), base_random_next(&b));
    }
    base_random_init(&a, 0);
    base_random_init(&b, 0);
    cr_assert_neq(base_random_next(&a), base_random_next(&b));
}

Test(random, below_reaches_every_value_about_as_often)
{
    struct base_random random;
    base_random_init(&random, 5);
    unsigned seen[7] = {0};
    for (int i = 0; i < 70000; i++) {
        seen[base_random_below(&random, 7)]++;
    }
    for (int i = 0; i < 7; i++) {
        cr_assert(seen[i] > 9500 && seen[i] < 10500, "%d: %u", i, seen[i]);
    }
    cr_assert_eq(base_random_below(&random, 1), 0);
}
