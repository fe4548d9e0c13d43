/* SPDX-License-Identifier: Apache-2.0 */
/* Which texts are nearly the same, and which page is the first of them. */
#include "text_near.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0;
    cr_assert(text_simhash((struct text_slice){text, strlen(text)}, &hash));
    return hash;
}

/* `count` different words; word `other` is another one. */
static char *words(unsigned first, unsigned count, unsigned other)
{
    char *text = malloc(count * 12 + 1), *at = text;
    for (unsigned i = 0; i < count; i++) {
        at += sprintf(at, "%s%u ", i == other ? "x" : "w", (first + i) * 7919u % 100003u);
    }
    return text;
}

static int distance(char *a, char *b)
{
    int bits = __builtin_popcountll(hash_of(a) ^ hash_of(b));
    free(a);
    free(b);
    return bits;
}

Test(near, case_white_space_and_marks_do_not_matter, .timeout = 5)
{
    cr_expect_eq(hash_of("a b c d e f g h i j k l m n o p q r s t u v"),
                 hash_of("A, b. C\n\nd e (f) g - h i j k  l m n o p q r s t \"u\" v!"));
}

Test(near, a_short_text_says_nothing, .timeout = 5)
{
    uint64_t hash;
    cr_expect_not(text_simhash((struct text_slice){"one two three", 13}, &hash));
    cr_expect_not(text_simhash((struct text_slice){"", 0}, &hash));
    cr_expect_not(text_simhash((struct text_slice){NULL, 0}, &hash));
}

Test(near, one_word_in_a_thousand_is_near_and_another_text_is_far, .timeout = 5)
{
    for (unsigned i = 0; i < 20; i++) {
        cr_expect_leq(distance(words(i, 1000, 2000), words(i, 1000, 50 * i)), TEXT_NEAR_DISTANCE);
        cr_expect_gt(distance(words(i, 1000, 2000), words(5000 + i, 1000, 2000)), 10);
    }
}

static bool find(struct text_near *near, uint64_t hash, const char *url, char *other, size_t size)
{
    struct text_buffer buffer = {0};
    bool is_copy =
        text_near_find_or_add(near, hash, (struct text_slice){url, strlen(url)}, &buffer);
    (void)snprintf(other, size, "%.*s", (int)buffer.len, buffer.len > 0 ? buffer.data : "");
    text_buffer_fini(&buffer);
    return is_copy;
}

Test(near, six_bits_are_near_wherever_they_are_and_seven_are_not, .timeout = 5)
{
    const uint64_t hash = UINT64_C(0x0123456789abcdef);
    char other[64];
    for (unsigned i = 0; i < 64; i++) {
        struct text_near *near = text_near_create();
        uint64_t six = 0;
        for (unsigned k = 0; k < 6; k++) {
            six |= UINT64_C(1) << ((i + 11 * k) % 64);
        }
        cr_expect_not(find(near, hash, "http://a/", other, sizeof other));
        cr_expect(find(near, hash ^ six, "http://b/", other, sizeof other));
        cr_expect_str_eq(other, "http://a/");
        uint64_t seven = six | UINT64_C(1) << ((i + 5) % 64);
        cr_expect_not(find(near, hash ^ seven, "http://c/", other, sizeof other));
        text_near_destroy(&near);
    }
}

Test(near, a_page_is_no_copy_of_itself_nor_of_its_copies, .timeout = 5)
{
    struct text_near *near = text_near_create();
    char other[64];
    cr_expect_not(find(near, 1, "http://a/", other, sizeof other));
    cr_expect_not(find(near, 1, "http://a/", other, sizeof other), "done again");
    cr_expect(find(near, 3, "http://b/", other, sizeof other));
    cr_expect(find(near, 3, "http://b/", other, sizeof other), "the copy done again is one still");
    cr_expect_not(find(near, 1, "http://a/", other, sizeof other));
    text_near_destroy(&near);
}

struct race {
    struct text_near *near;
    unsigned number, firsts;
};

static int race(void *ctx)
{
    struct race *r = ctx;
    char url[32], other[64];
    for (unsigned i = 0; i < 2000; i++) {
        (void)snprintf(url, sizeof url, "http://%u/%u", r->number, i);
        r->firsts +=
            !find(r->near, (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15), url, other, sizeof other);
    }
    return 0;
}

Test(near, of_alike_pages_read_at_once_exactly_one_is_the_first, .timeout = 30)
{
    struct race races[4];
    thrd_t threads[4];
    struct text_near *near = text_near_create();
    unsigned firsts = 0;
    for (unsigned i = 0; i < 4; i++) {
        races[i] = (struct race){near, i, 0};
        cr_assert_eq(thrd_create(&threads[i], race, &races[i]), thrd_success);
    }
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(thrd_join(threads[i], NULL), thrd_success);
        firsts += races[i].firsts;
    }
    cr_expect_eq(firsts, 2000);
    text_near_destroy(&near);
}
