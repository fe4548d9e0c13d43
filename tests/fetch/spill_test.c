/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that lie in files while they come in: they arrive whole, and leave nothing behind. */
#include "rig.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MOST (1u << 20)    /* what one may grow to while there is room for all */
#define BOUND (128u << 10) /* of a body in memory, at the default number of transfers */

static struct rig rig;
static char directory[] = "/tmp/gleaner-spill.XXXXXX";

static void start(void)
{
    rig_start(&rig, 2, HTTP_FIXTURE_PLAIN);
    cr_assert_not_null(mkdtemp(directory));
    rig.options.spill_dir = directory;
}

static void end(void)
{
    rig_end(&rig);
    cr_expect_eq(rmdir(directory), 0, "something is left in %s", directory);
}

TestSuite(spill, .init = start, .fini = end, .timeout = 60);

static const char *counted(size_t bytes, const char *how)
{
    char path[80];
    snprintf(path, sizeof(path), "/counted?bytes=%zu%s", bytes, how);
    return rig_url(&rig, 0, path);
}

static void expect_counted(const struct fetch_result *r, size_t bytes)
{
    char want[9];
    size_t wrong = 0;
    cr_assert_eq(r->fetch_class, FETCH_OK, "%s %s", fetch_class_name(r->fetch_class), r->reason);
    cr_assert_eq(r->body_len, bytes);
    for (size_t at = 0; at < bytes; at += 8) {
        snprintf(want, sizeof(want), "%08zx", at);
        wrong += memcmp(r->body + at, want, bytes - at < 8 ? bytes - at : 8) != 0;
    }
    cr_expect_eq(wrong, 0, "%zu of %zu places are wrong", wrong, bytes / 8);
    cr_expect_eq(r->body[bytes], '\0');
}

/* Open descriptors of this process that are files in the directory of this test. */
static size_t open_files(void)
{
    char path[300], target[300];
    size_t count = 0;
    DIR *descriptors = opendir("/proc/self/fd");
    for (struct dirent *e; descriptors != NULL && (e = readdir(descriptors)) != NULL;) {
        snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        count += strncmp(target, directory, strlen(directory)) == 0;
    }
    closedir(descriptors);
    return count;
}

/* No file of this process may be longer from now on: the same to a writer as a full disk. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(spill, bodies_around_the_bound_arrive_byte_for_byte)
{
    static const size_t sizes[] = {BOUND - 1, BOUND,    BOUND + 1, 2 * BOUND, MOST - 1,
                                   MOST,      MOST + 1, 3000001,   16u << 20};
    static const char *const hows[] = {"", "&chunked=1", "&coded=1"};
    rig_engine(&rig);
    for (size_t i = 0; i < BASE_ARRAY_LEN(sizes); i++) {
        for (size_t j = 0; j < BASE_ARRAY_LEN(hows); j++) {
            struct fetch_result *r = rig_fetch(&rig, counted(sizes[i], hows[j]));
            expect_counted(r, sizes[i]);
            cr_expect_eq(open_files(), 0); /* the mapping needs no descriptor */
            fetch_result_free(&r);
        }
    }
}

Test(spill, a_page_needs_no_file)
{
    rig_engine(&rig);
    limit_files(0);
    for (int i = 0; i < 20; i++) { /* what each takes beyond its own room comes back */
        struct fetch_result *r = rig_fetch(&rig, counted(i % 2 == 0 ? BOUND : MOST - 1, ""));
        expect_counted(r, i % 2 == 0 ? BOUND : MOST - 1);
        fetch_result_free(&r);
        r = rig_fetch(&rig, counted(700000, "&coded=1"));
        expect_counted(r, 700000);
        fetch_result_free(&r);
    }
}

Test(spill, large_pages_share_the_memory_and_the_next_one_goes_into_a_file)
{
    struct fetch_result *results[3];
    rig_engine(&rig);
    limit_files(0);
    for (size_t i = 0; i < BASE_ARRAY_LEN(results); i++) {
        results[i] = rig_fetch(&rig, counted(1000000, ""));
    }
    expect_counted(results[0], 1000000);
    expect_counted(results[1], 1000000);
    cr_expect_eq(results[2]->fetch_class, FETCH_STORAGE, "%s",
                 fetch_class_name(results[2]->fetch_class));
    fetch_result_free(&results[0]);
    results[0] = rig_fetch(&rig, counted(1000000, ""));
    expect_counted(results[0], 1000000);
    for (size_t i = 0; i < BASE_ARRAY_LEN(results); i++) {
        fetch_result_free(&results[i]);
    }
}

Test(spill, results_that_nobody_freed_keep_their_bodies_beyond_the_engine)
{
    struct fetch_result *results[4];
    rig_engine(&rig);
    for (size_t i = 0; i < BASE_ARRAY_LEN(results); i++) {
        results[i] = rig_fetch(&rig, counted(800000 * (i + 1), ""));
    }
    fetch_engine_stop(&rig.engine);
    for (size_t i = 0; i < BASE_ARRAY_LEN(results); i++) {
        expect_counted(results[i], 800000 * (i + 1));
        fetch_result_free(&results[i]);
    }
}

Test(spill, a_full_disk_is_a_class_of_its_own_and_asks_to_come_again)
{
    rig_engine(&rig);
    limit_files(600000); /* the first piece fits */
    struct fetch_result *r = rig_fetch(&rig, counted(3000000, ""));
    cr_expect_eq(r->fetch_class, FETCH_STORAGE, "%s", fetch_class_name(r->fetch_class));
    cr_expect_not_null(strstr(r->reason, directory), "%s", r->reason);
    cr_expect_not_null(strstr(r->reason, "File too large"), "%s", r->reason);
    cr_expect_gt(r->retry_after_ms, 0);
    cr_expect_eq(r->body_len, 0);
    cr_expect(fetch_class_is_retryable(r->fetch_class, r->http_status));
    cr_expect_eq(open_files(), 0);
    fetch_result_free(&r);
    rig_expect(&rig, "/ok", FETCH_OK, 200, ""); /* the others go on */
    limit_files(RLIM_INFINITY);
    r = rig_fetch(&rig, counted(3000000, ""));
    expect_counted(r, 3000000);
    fetch_result_free(&r);
}

Test(spill, a_disk_that_is_full_at_the_last_byte_is_noticed)
{
    rig_engine(&rig);
    limit_files(3000000); /* the body fits, the NUL behind it does not */
    rig_expect(&rig, "/counted?bytes=3000000", FETCH_STORAGE, 200, "File too large");
    rig_expect(&rig, "/counted?bytes=2999999", FETCH_OK, 200, "");
}

Test(spill, all_bodies_together_are_bounded_and_room_comes_back)
{
    rig.options.max_body_bytes = 4u << 20;
    rig.options.max_spill_bytes = 4500000;
    rig_engine(&rig);
    struct fetch_result *first = rig_fetch(&rig, counted(3000000, ""));
    struct fetch_result *second = rig_fetch(&rig, counted(3000000, ""));
    expect_counted(first, 3000000);
    cr_expect_eq(second->fetch_class, FETCH_STORAGE, "%s", fetch_class_name(second->fetch_class));
    cr_expect_not_null(strstr(second->reason, "larger than 4500000 bytes together"), "%s",
                       second->reason);
    fetch_result_free(&first);
    fetch_result_free(&second);
    first = rig_fetch(&rig, counted(3000000, ""));
    expect_counted(first, 3000000);
    fetch_result_free(&first);
}

Test(spill, one_body_of_the_largest_size_always_has_room)
{
    rig.options.max_body_bytes = 2u << 20;
    rig.options.max_spill_bytes = 1;
    rig_engine(&rig);
    struct fetch_result *r = rig_fetch(&rig, counted(2u << 20, ""));
    expect_counted(r, 2u << 20);
    fetch_result_free(&r);
}

Test(spill, without_its_directory_it_takes_the_one_for_temporary_files)
{
    rig.options.spill_dir = "/nonexistent/of/gleaner";
    rig_engine(&rig);
    struct fetch_result *r = rig_fetch(&rig, counted(3000000, ""));
    expect_counted(r, 3000000);
    fetch_result_free(&r);
}

Test(spill, what_ended_early_leaves_no_file)
{
    rig.options.max_body_bytes = 4u << 20;
    rig.options.low_speed_s = 1;
    rig_engine(&rig);
    rig_expect(&rig, "/endless", FETCH_TOO_LARGE, 200, "body limit");
    rig_expect(&rig, "/bomb?bytes=16777216", FETCH_TOO_LARGE, 200, "body limit");
    rig_expect(&rig, "/liar?bytes=4000000&send=3000000", FETCH_TIMEOUT, 200, "low speed limit");
    cr_expect_eq(open_files(), 0);
}
