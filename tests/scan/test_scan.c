/* SPDX-License-Identifier: Apache-2.0 */
/* What a scan gives, what it leaves out, and that nothing leads out of its directory. */
#include "scan.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static struct base_buffer seen; /* "name " of each file, in order */
static struct scan_stats stats;
static struct scan_options options;
static struct base_error error;

static void make_root(void)
{
    (void)snprintf(root, sizeof root, "/tmp/gleaner_scan.XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    cr_assert_eq(chdir(root), 0);
    cr_assert_eq(mkdir("in", 0700), 0);
    scan_options_init(&options);
    options.directory = "in";
}

static void remove_root(void)
{
    char command[100];
    (void)snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", root, root);
    cr_expect_eq(system(command), 0);
    base_buffer_fini(&seen);
}

TestSuite(scan, .init = make_root, .fini = remove_root, .timeout = 30);

static void put_bytes(const char *path, const char *bytes, size_t len)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    cr_assert_eq(fwrite(bytes, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
}

static void put(const char *path)
{
    put_bytes(path, path, strlen(path));
}

static bool note(void *ctx, const struct scan_file *file)
{
    (void)ctx;
    base_buffer_printf(&seen, "%s ", file->name);
    return true;
}

static const char *scan_it(void)
{
    base_buffer_reset(&seen, 0);
    enum gleaner_status status = scan_directory(&options, note, NULL, &stats, &error);
    cr_assert_eq(status, GLEANER_OK, "%s", error.message);
    return seen.len > 0 ? seen.data : "";
}

Test(scan, gives_text_files_in_the_order_of_names)
{
    mkdir("in/b", 0700);
    put("in/c.txt");
    put("in/b/z.md");
    put("in/a.PHP");
    put("in/program.exe");
    put("in/md");
    put("in/.hidden.txt");
    cr_expect_str_eq(scan_it(), "a.PHP b/z.md c.txt ");
    cr_expect_eq(stats.other_types, 2);
    cr_expect_eq(stats.hidden, 1);
    cr_expect_eq(stats.files, 3);
    cr_expect_not(stats.is_cut);
}

static bool check_file(void *ctx, const struct scan_file *file)
{
    char real[200];
    (void)ctx;
    (void)snprintf(real, sizeof real, "%s/in/a.md", root);
    cr_expect_str_eq(file->path, real);
    cr_expect_str_eq(file->type, "md");
    cr_expect_eq(file->body_len, 7);
    cr_expect_arr_eq(file->body, "in/a.md", 8, "a NUL stands behind the bytes");
    cr_expect_gt(file->modified_ms, INT64_C(1600000000000));
    return true;
}

Test(scan, a_file_comes_with_its_bytes_and_its_absolute_path)
{
    put("in/a.md");
    cr_assert_eq(scan_directory(&options, check_file, NULL, &stats, &error), GLEANER_OK);
    cr_expect_eq(stats.files, 1);
}

Test(scan, no_symbolic_link_is_followed)
{
    mkdir("out", 0700);
    put("out/secret.txt");
    put("in/a.txt");
    cr_assert_eq(symlink("../out/secret.txt", "in/file.txt"), 0);
    cr_assert_eq(symlink("../out", "in/directory"), 0);
    cr_assert_eq(symlink(".", "in/loop"), 0);
    cr_assert_eq(symlink("a.txt", "in/inside.txt"), 0);
    cr_expect_str_eq(scan_it(), "a.txt ");
    cr_expect_eq(stats.links, 4);
}

/* The directory is exchanged for a link to the outside after it was listed as a directory: here by
 * the row of the file before it. */
static bool exchange(void *ctx, const struct scan_file *file)
{
    note(ctx, file);
    if (strcmp(file->name, "a.txt") == 0) {
        cr_assert_eq(rename("in/b", "moved"), 0);
        cr_assert_eq(symlink("../out", "in/b"), 0);
        cr_assert_eq(unlink("in/c.txt"), 0);
        cr_assert_eq(symlink("../out/secret.txt", "in/c.txt"), 0);
    }
    return true;
}

Test(scan, what_is_exchanged_for_a_link_during_the_walk_leads_nowhere)
{
    mkdir("out", 0700);
    mkdir("in/b", 0700);
    put("out/secret.txt");
    put("in/a.txt");
    put("in/b/secret.txt");
    put("in/c.txt");
    cr_assert_eq(scan_directory(&options, exchange, NULL, &stats, &error), GLEANER_OK);
    cr_expect_str_eq(seen.data, "a.txt ");
    cr_expect_eq(stats.links, 2);
}

Test(scan, pipes_and_binary_files_are_left_out)
{
    cr_assert_eq(mkfifo("in/pipe.txt", 0600), 0);
    put_bytes("in/binary.txt", "a\0b", 3);
    put("in/z.txt");
    cr_expect_str_eq(scan_it(), "z.txt ");
    cr_expect_eq(stats.special, 1);
    cr_expect_eq(stats.binary, 1);
}

Test(scan, a_file_over_the_limit_is_left_out)
{
    put_bytes("in/a.txt", "12345", 5);
    put_bytes("in/b.txt", "1234", 4);
    options.max_file_bytes = 4;
    cr_expect_str_eq(scan_it(), "b.txt ");
    cr_expect_eq(stats.too_large, 1);
    cr_expect_not(stats.is_cut);
}

Test(scan, all_bytes_files_and_entries_are_bounded)
{
    put_bytes("in/a.txt", "1234", 4);
    put_bytes("in/b.txt", "1234", 4);
    put_bytes("in/c.txt", "12", 2);
    options.max_bytes = 6;
    cr_expect_str_eq(scan_it(), "a.txt c.txt ", "what still fits is given");
    cr_expect(stats.is_cut);
    options.max_bytes = 100;
    options.max_files = 2;
    cr_expect_str_eq(scan_it(), "a.txt b.txt ");
    cr_expect(stats.is_cut);
    options.max_files = 3;
    cr_expect_str_eq(scan_it(), "a.txt b.txt c.txt ");
    cr_expect_not(stats.is_cut);
    options.max_entries = 2;
    scan_it();
    cr_expect_eq(stats.files, 2);
    cr_expect(stats.is_cut);
}

Test(scan, depth_is_bounded)
{
    mkdir("in/1", 0700);
    mkdir("in/1/2", 0700);
    put("in/a.txt");
    put("in/1/b.txt");
    put("in/1/2/c.txt");
    options.max_depth = 1;
    cr_expect_str_eq(scan_it(), "1/b.txt a.txt ");
    cr_expect_eq(stats.too_deep, 1);
    options.max_depth = 2;
    cr_expect_str_eq(scan_it(), "1/2/c.txt 1/b.txt a.txt ");
}

Test(scan, the_deepest_walk_ends_by_its_own_bound)
{
    char path[400] = "in";
    for (int i = 0; i < 80; i++) {
        strcat(path, "/d");
        cr_assert_eq(mkdir(path, 0700), 0);
    }
    options.max_depth = UINT32_MAX;
    cr_expect_str_eq(scan_it(), "");
    cr_expect_eq(stats.too_deep, 1);
    cr_expect_eq(stats.directories, SCAN_MAX_DEPTH + 1);
}

static bool stop_at_once(void *ctx, const struct scan_file *file)
{
    note(ctx, file);
    return false;
}

Test(scan, ends_when_the_row_says_so)
{
    put("in/a.txt");
    put("in/b.txt");
    cr_assert_eq(scan_directory(&options, stop_at_once, NULL, &stats, &error), GLEANER_OK);
    cr_expect_str_eq(seen.data, "a.txt ");
    cr_expect(stats.is_stopped);
}

Test(scan, a_directory_that_is_none_is_an_error_with_its_name)
{
    put("in/a.txt");
    options.directory = "nowhere";
    cr_expect_eq(scan_directory(&options, note, NULL, &stats, &error), GLEANER_E_NOT_FOUND);
    cr_expect_not_null(strstr(error.message, "nowhere"));
    options.directory = "in/a.txt";
    cr_expect_eq(scan_directory(&options, note, NULL, &stats, &error), GLEANER_E_INVALID);
}

Test(scan, the_directory_itself_may_be_named_by_a_link)
{
    put("in/a.txt");
    cr_assert_eq(symlink("in", "link"), 0);
    options.directory = "link/";
    cr_expect_str_eq(scan_it(), "a.txt ");
}
