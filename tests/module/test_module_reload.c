/* SPDX-License-Identifier: Apache-2.0 */
/* A module's file is replaced while the module is in use. */
#include "module_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];
static char path[100];
static struct base_buffer report;

/* The file at `path` becomes a copy of a fixture; by rename, as mv and install do. */
static void replace_with(const char *fixture)
{
    char command[8400];
    (void)snprintf(command, sizeof command, "cp '%s' '%s/next' && mv '%s/next' '%s'",
                   fixture_path(fixture), directory, directory, path);
    cr_assert_eq(system(command), 0);
}

static void open_directory(void)
{
    struct base_error error = {0};
    fixture_setup();
    (void)snprintf(directory, sizeof directory, "/tmp/gleaner-module.XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/module.so", directory);
    replace_with("good");
    cr_assert_eq(module_load(fixture_registry, path, &error), GLEANER_OK, "%s", error.message);
}

static void close_directory(void)
{
    char command[100];
    fixture_teardown();
    base_buffer_fini(&report);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", directory);
    cr_expect_eq(system(command), 0);
}

TestSuite(module_reload, .init = open_directory, .fini = close_directory, .timeout = 30);

static enum gleaner_status reload(struct base_error *error)
{
    base_buffer_fini(&report);
    return module_reload_changed(fixture_registry, &report, error);
}

static void expect_version(const char *version)
{
    struct module_use use;
    cr_assert_eq(module_acquire(fixture_registry, "good", &use), GLEANER_OK);
    cr_expect_str_eq(use.module->version, version);
    module_release(fixture_registry, &use);
}

Test(module_reload, a_file_that_is_the_same_changes_nothing)
{
    struct base_error error = {0};
    cr_assert_eq(reload(&error), GLEANER_OK, "%s", error.message);
    cr_expect_eq(report.len, 0);
    cr_expect_eq(fixture_count("open"), 1);
}

Test(module_reload, a_replaced_file_serves_and_who_is_inside_the_old_one_finishes_there)
{
    struct base_error error = {0};
    struct module_use use;
    struct gleaner_page page = {.size = sizeof page};
    cr_assert_eq(module_acquire(fixture_registry, "good", &use), GLEANER_OK);
    replace_with("second");
    cr_assert_eq(reload(&error), GLEANER_OK, "%s", error.message);
    cr_expect_str_eq(report.data, "module good: 2.0 replaces 1.0\n");
    expect_version("2.0");
    cr_expect_eq(module_reap(fixture_registry), 1);
    cr_expect_eq(fixture_count("close"), 0);
    cr_expect_eq(use.module->handle(use.state, fixture_host(), NULL, &page), GLEANER_PAGE_DONE);
    cr_expect_eq(fixture_count("handle_after_close"), 0);
    module_release(fixture_registry, &use);
    cr_expect_eq(module_reap(fixture_registry), 0);
    cr_expect_eq(fixture_count("close"), 1);
    expect_version("2.0");
}

Test(module_reload, many_generations_may_live_at_once)
{
    struct base_error error = {0};
    struct module_use uses[8];
    for (size_t i = 0; i < BASE_ARRAY_LEN(uses); i++) {
        cr_assert_eq(module_acquire(fixture_registry, "good", &uses[i]), GLEANER_OK);
        cr_expect_str_eq(uses[i].module->version, i % 2 == 0 ? "1.0" : "2.0");
        replace_with(i % 2 == 0 ? "second" : "good");
        cr_assert_eq(reload(&error), GLEANER_OK, "%s", error.message);
    }
    cr_expect_eq(module_reap(fixture_registry), BASE_ARRAY_LEN(uses));
    for (size_t i = 0; i < BASE_ARRAY_LEN(uses); i++) {
        module_release(fixture_registry, &uses[i]);
    }
    cr_expect_eq(module_reap(fixture_registry), 0);
    cr_expect_eq(fixture_count("close"), BASE_ARRAY_LEN(uses));
}

Test(module_reload, a_successor_that_cannot_serve_leaves_the_old_one_at_work)
{
    static const struct {
        const char *fixture, *says;
    } cases[] = {{"no_symbol", "exports no symbol"},
                 {"open_fails", "its open function failed"},
                 {"text", "it was \"good\" and is \"words\" now"},
                 {"abi_newer", "built for ABI version"}};
    for (size_t i = 0; i < BASE_ARRAY_LEN(cases); i++) {
        struct base_error error = {0};
        replace_with(cases[i].fixture);
        cr_expect_neq(reload(&error), GLEANER_OK);
        cr_expect_not_null(strstr(error.message, cases[i].says), "%s", error.message);
        cr_expect_not_null(strstr(error.message, "the old one serves on"), "%s", error.message);
        expect_version("1.0");
    }
    replace_with("second");
    struct base_error error = {0};
    cr_expect_eq(reload(&error), GLEANER_OK, "%s", error.message);
    expect_version("2.0");
}

Test(module_reload, a_type_of_another_module_is_not_taken)
{
    struct base_error error = {0};
    cr_assert_eq(fixture_load("text", &error), GLEANER_OK);
    replace_with("second_takes_text");
    cr_expect_eq(reload(&error), GLEANER_E_EXISTS);
    cr_expect_not_null(strstr(error.message, "the type \"text\" is taken"), "%s", error.message);
    expect_version("1.0");
}

Test(module_reload, a_file_that_is_gone_leaves_the_module_at_work)
{
    struct base_error error = {0};
    cr_assert_eq(unlink(path), 0);
    cr_expect_eq(reload(&error), GLEANER_E_NOT_FOUND);
    expect_version("1.0");
}

Test(module_reload, a_file_that_was_written_into_is_refused_with_the_remedy)
{
    struct base_error error = {0};
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0); /* as a write leaves it */
    cr_expect_eq(reload(&error), GLEANER_E_INVALID);
    cr_expect_not_null(strstr(error.message, "replace it with mv or install"), "%s", error.message);
    expect_version("1.0");
}
