/* SPDX-License-Identifier: Apache-2.0 */
/* Each way a file can fail to be a module, with its own status and message. */
#include "module_fixture.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(module_load, .init = fixture_setup, .fini = fixture_teardown, .timeout = 30);

struct bad {
    const char *name;
    enum gleaner_status status;
    const char *says;
};

static const struct bad bad_modules[] = {
    {"abi_newer", GLEANER_E_UNSUPPORTED, "ABI version 2"},
    {"abi_zero", GLEANER_E_UNSUPPORTED, "ABI version 0"},
    {"size_small", GLEANER_E_UNSUPPORTED, "version 1 needs"},
    {"size_large", GLEANER_E_UNSUPPORTED, "in the file"},
    {"bad_name", GLEANER_E_INVALID, "its name"},
    {"long_name", GLEANER_E_INVALID, "its name"},
    {"no_types", GLEANER_E_INVALID, "takes no job type"},
    {"bad_type", GLEANER_E_INVALID, "type number 1"},
    {"no_handle", GLEANER_E_INVALID, "no handle function"},
    {"open_fails", GLEANER_E_CONFIG, "its open function failed: config"},
    {"no_symbol", GLEANER_E_INVALID, "exports no symbol \"gleaner_module\""},
    {"small_symbol", GLEANER_E_UNSUPPORTED, "in the file"},
    {"function_symbol", GLEANER_E_INVALID, "is no struct gleaner_module"},
    {"unresolved", GLEANER_E_INVALID, "function_that_nobody_brings"},
    {"not_there", GLEANER_E_NOT_FOUND, "No such file"},
};

Test(module_load, each_bad_module_is_refused_with_its_own_message_and_left_unmapped)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(bad_modules); i++) {
        const struct bad *bad = &bad_modules[i];
        struct base_error error = {0};
        enum gleaner_status status = fixture_load(bad->name, &error);
        cr_expect_eq(status, bad->status, "%s: status %s", bad->name, gleaner_status_name(status));
        cr_expect_not_null(strstr(error.message, bad->says), "%s: \"%s\" lacks \"%s\"", bad->name,
                           error.message, bad->says);
        cr_expect_not_null(strstr(error.message, bad->name), "%s: path missing", bad->name);
        cr_expect_null(dlopen(fixture_path(bad->name), RTLD_NOW | RTLD_NOLOAD), "%s is mapped",
                       bad->name);
    }
    char text[64];
    cr_expect_eq(module_describe(fixture_registry, text, sizeof text), 0);
    cr_expect_eq(fixture_count("open"), 1, "only open_fails gets as far as its open");
    cr_expect_eq(fixture_count("close"), 0);
}

static char *temporary_path(void)
{
    static char path[] = "/tmp/gleaner-module-XXXXXX";
    int file = mkstemp(path);
    cr_assert(file >= 0);
    close(file);
    return path;
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(data, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
}

static void expect_refused(const char *path, const char *says)
{
    struct base_error error = {0};
    cr_expect_eq(module_load(fixture_registry, path, &error), GLEANER_E_INVALID, "%s",
                 error.message);
    cr_expect_not_null(strstr(error.message, says), "\"%s\" lacks \"%s\"", error.message, says);
}

Test(module_load, a_text_file_an_empty_file_a_directory_and_a_pipe_are_no_shared_objects)
{
    char *path = temporary_path();
    expect_refused(path, "no ELF header");
    write_file(path, "#!/bin/sh\nexit 0\n", 17);
    expect_refused(path, "no ELF header");
    unlink(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    expect_refused(path, "is no regular file");
    unlink(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_refused(path, "is a directory");
    rmdir(path);
}

Test(module_load, a_program_is_no_shared_object)
{
    char *path = temporary_path();
    unsigned char header[64] = {0x7f, 'E', 'L', 'F', sizeof(void *) == 8 ? 2 : 1, 1, 1};
    header[16] = 2; /* ET_EXEC */
    write_file(path, header, sizeof header);
    expect_refused(path, "link it with -shared");
    unlink(path);
}

Test(module_load, a_truncated_module_is_refused_at_every_length_instead_of_crashing)
{
    FILE *file = fopen(fixture_path("good"), "rb");
    cr_assert_not_null(file);
    static char whole[1 << 20];
    size_t len = fread(whole, 1, sizeof whole, file);
    fclose(file);
    cr_assert(len > 4096 && len < sizeof whole);
    char *path = temporary_path();
    size_t loads = 0;
    for (size_t cut = 0; cut < len; cut += 97) {
        write_file(path, whole, cut);
        struct base_error error = {0};
        enum gleaner_status status = module_load(fixture_registry, path, &error);
        /* Behind the last segment only the section table is missing, which nobody reads. */
        if (status == GLEANER_OK) {
            loads++;
            cr_assert_eq(module_unload(fixture_registry, "good", 0, &error), GLEANER_OK);
        } else {
            cr_expect_eq(status, GLEANER_E_INVALID, "cut at %zu: %s", cut, error.message);
            cr_expect_eq(loads, 0, "refused at %zu, accepted when shorter", cut);
        }
    }
    unlink(path);
}

Test(module_load, a_taken_name_is_refused_and_the_first_module_stays)
{
    struct base_error error = {0};
    cr_assert_eq(fixture_load("good", &error), GLEANER_OK, "%s", error.message);
    cr_expect_eq(fixture_load("same_name", &error), GLEANER_E_EXISTS);
    cr_expect_not_null(strstr(error.message, "the name \"good\" is taken by"), "%s", error.message);
    cr_expect_eq(fixture_load("good", &error), GLEANER_E_EXISTS, "the same file again");
    struct module_use use;
    cr_expect_eq(module_acquire(fixture_registry, "third", &use), GLEANER_E_NOT_FOUND);
    cr_expect_eq(fixture_count("open"), 1);
    cr_expect_eq(fixture_count("close"), 0);
}

Test(module_load, a_taken_type_is_refused_with_the_name_of_its_owner)
{
    struct base_error error = {0};
    cr_assert_eq(fixture_load("good", &error), GLEANER_OK, "%s", error.message);
    cr_expect_eq(fixture_load("same_type", &error), GLEANER_E_EXISTS);
    cr_expect_not_null(strstr(error.message, "\"other\" is taken by module \"good\""), "%s",
                       error.message);
    cr_expect_null(dlopen(fixture_path("same_type"), RTLD_NOW | RTLD_NOLOAD));
}
