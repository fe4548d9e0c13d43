/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(buffer, zero_initialised_is_empty_and_valid)
{
    struct base_buffer buffer = {0};
    base_buffer_reset(&buffer, 0);
    cr_assert_eq(buffer.len, 0);
    cr_assert(base_buffer_append(&buffer, NULL, 0));
    cr_assert_str_eq(buffer.data, "");
    base_buffer_fini(&buffer);
}

Test(buffer, content_is_followed_by_a_nul_after_each_append)
{
    struct base_buffer buffer = {0};
    char expected[5001] = "";
    for (size_t i = 0; i < 5000; i++) {
        cr_assert(base_buffer_append_char(&buffer, (char)('a' + i % 26)));
        expected[i] = (char)('a' + i % 26);
        cr_assert_eq(buffer.data[buffer.len], '\0');
    }
    cr_assert_eq(buffer.len, 5000);
    cr_assert_str_eq(buffer.data, expected);
    base_buffer_fini(&buffer);
}

Test(buffer, printf_grows_to_what_it_needs)
{
    struct base_buffer buffer = {0};
    cr_assert(base_buffer_append_str(&buffer, "start "));
    cr_assert(base_buffer_printf(&buffer, "%0500d|%s", 7, "end"));
    cr_assert_eq(buffer.len, 6 + 500 + 4);
    cr_assert_str_eq(buffer.data + buffer.len - 5, "7|end");
    base_buffer_fini(&buffer);
}

Test(buffer, a_failed_append_sticks_and_keeps_the_content)
{
    struct base_buffer buffer = {0};
    cr_assert(base_buffer_append_str(&buffer, "kept"));
    cr_assert_not(base_buffer_reserve(&buffer, SIZE_MAX - 100));
    cr_assert(buffer.failed);
    cr_assert_not(base_buffer_append_str(&buffer, "lost"));
    cr_assert_not(base_buffer_printf(&buffer, "%d", 1));
    cr_assert_str_eq(buffer.data, "kept");
    base_buffer_reset(&buffer, 1000);
    cr_assert(base_buffer_append_str(&buffer, "again"));
    base_buffer_fini(&buffer);
}

Test(buffer, reset_gives_back_only_what_is_over_the_limit)
{
    struct base_buffer buffer = {0};
    cr_assert(base_buffer_reserve(&buffer, 10000));
    base_buffer_reset(&buffer, 1 << 20);
    cr_assert_geq(buffer.cap, 10000);
    base_buffer_reset(&buffer, 100);
    cr_assert_eq(buffer.cap, 0);
    base_buffer_fini(&buffer);
}

static void expect_json(const char *text, size_t len, const char *expected)
{
    struct base_buffer buffer = {0};
    cr_assert(base_buffer_append_json(&buffer, text, len));
    cr_expect_str_eq(buffer.data, expected);
    base_buffer_fini(&buffer);
}

Test(json, escapes_what_rfc_8259_says)
{
    expect_json(NULL, 0, "\"\"");
    expect_json("plain", 5, "\"plain\"");
    expect_json("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
    expect_json("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
    expect_json("\x01\x1f\x7f", 3, "\"\\u0001\\u001f\x7f\"");
    expect_json("nul\0in", 6, "\"nul\\u0000in\"");
}

Test(json, keeps_characters_and_replaces_bytes_that_are_none)
{
    expect_json("\xC3\xA9\xF0\x9F\x98\x80", 6, "\"\xC3\xA9\xF0\x9F\x98\x80\"");
    expect_json("a\xFFz", 3, "\"a\xEF\xBF\xBDz\"");
    expect_json("\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    expect_json("cut\xE2\x82", 5, "\"cut\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

Test(json, of_random_bytes_is_valid_utf8_without_raw_controls)
{
    struct base_random random;
    base_random_init(&random, 7);
    struct base_buffer buffer = {0};
    for (int round = 0; round < 2000; round++) {
        char bytes[64];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (char)base_random_next(&random);
        }
        base_buffer_reset(&buffer, SIZE_MAX);
        cr_assert(base_buffer_append_json(&buffer, bytes, base_random_below(&random, 65)));
        cr_assert(base_utf8_valid(buffer.data, buffer.len));
        for (size_t i = 0; i < buffer.len; i++) {
            cr_assert_geq((unsigned char)buffer.data[i], 0x20);
        }
    }
    base_buffer_fini(&buffer);
}

Test(slice, compares_bytes_not_pointers)
{
    cr_assert(base_slice_equal(base_slice_of("ab"), (struct base_slice){"abc", 2}));
    cr_assert_not(base_slice_equal(base_slice_of("ab"), base_slice_of("ac")));
    cr_assert(base_slice_equal(base_slice_of(NULL), base_slice_of("")));
}

Test(arena, gives_aligned_memory_that_does_not_overlap)
{
    struct base_arena arena = {0};
    unsigned char *parts[500];
    for (size_t i = 0; i < 500; i++) {
        size_t size = i % 97 == 0 ? 20000 : i % 50;
        parts[i] = base_arena_alloc(&arena, size);
        cr_assert_not_null(parts[i]);
        cr_assert_eq((uintptr_t)parts[i] % _Alignof(max_align_t), 0);
        memset(parts[i], (int)(i & 0xFF), size);
    }
    for (size_t i = 0; i < 500; i++) {
        size_t size = i % 97 == 0 ? 20000 : i % 50;
        for (size_t k = 0; k < size; k++) {
            cr_assert_eq(parts[i][k], (unsigned char)i);
        }
    }
    base_arena_fini(&arena);
}

Test(arena, reset_keeps_one_ordinary_block)
{
    struct base_arena arena = {0};
    void *first = base_arena_alloc(&arena, 100);
    (void)base_arena_alloc(&arena, 1 << 20);
    base_arena_reset(&arena);
    cr_assert_eq(base_arena_alloc(&arena, 50), first);
    base_arena_fini(&arena);
}

Test(arena, copies_a_text_that_has_no_end)
{
    struct base_arena arena = {0};
    cr_assert_str_eq(base_arena_strndup(&arena, "abcdef", 3), "abc");
    cr_assert_str_eq(base_arena_strndup(&arena, NULL, 0), "");
    base_arena_fini(&arena);
}

Test(arena, refuses_a_size_that_wraps)
{
    struct base_arena arena = {0};
    cr_assert_null(base_arena_alloc(&arena, SIZE_MAX));
    cr_assert_null(base_arena_strndup(&arena, "x", SIZE_MAX));
    base_arena_fini(&arena);
}
