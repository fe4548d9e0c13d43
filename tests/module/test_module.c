/* SPDX-License-Identifier: Apache-2.0 */
/* What a loaded module lives through: found, used, unloaded when nobody is inside. */
#include "module_fixture.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(module, .init = fixture_setup, .fini = fixture_teardown, .timeout = 30);

static void load(const char *name)
{
    struct base_error error = {0};
    cr_assert_eq(fixture_load(name, &error), GLEANER_OK, "%s", error.message);
}

static bool is_mapped(const char *name)
{
    void *object = dlopen(fixture_path(name), RTLD_NOW | RTLD_NOLOAD);
    if (object != NULL) {
        dlclose(object);
    }
    return object != NULL;
}

Test(module, a_loaded_module_is_found_by_each_of_its_types_and_handles_a_page)
{
    load("good");
    static const char *const types[] = {"good", "other"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(types); i++) {
        struct module_use use;
        cr_assert_eq(module_acquire(fixture_registry, types[i], &use), GLEANER_OK);
        cr_expect_str_eq(use.module->name, "good");
        struct gleaner_page page = {.size = sizeof page};
        cr_expect_eq(fixture_count("handle"), i);
        cr_expect_eq(use.module->handle(use.state, fixture_host(), NULL, &page), GLEANER_PAGE_DONE);
        module_release(fixture_registry, &use);
        cr_expect_null(use.module);
    }
    cr_expect_eq(fixture_count("handle"), 2);
    cr_expect_eq(fixture_count("open"), 1);
}

Test(module, an_unknown_type_is_not_found)
{
    load("good");
    struct module_use use;
    cr_expect_eq(module_acquire(fixture_registry, "video", &use), GLEANER_E_NOT_FOUND);
    cr_expect_eq(module_acquire(fixture_registry, "", &use), GLEANER_E_NOT_FOUND);
}

Test(module, pages_go_to_the_module_that_takes_text)
{
    struct module_use use;
    load("good");
    cr_expect_eq(module_acquire(fixture_registry, "page", &use), GLEANER_E_NOT_FOUND);
    load("text");
    cr_assert_eq(module_acquire(fixture_registry, "page", &use), GLEANER_OK);
    cr_expect_str_eq(use.module->name, "words");
    module_release(fixture_registry, &use);
}

Test(module, destroying_the_registry_closes_and_unmaps_every_module_once)
{
    load("good");
    load("text");
    module_registry_destroy(&fixture_registry);
    cr_expect_eq(fixture_count("open"), 2);
    cr_expect_eq(fixture_count("close"), 2);
    cr_expect_not(is_mapped("good"));
    cr_expect_not(is_mapped("text"));
}

Test(module, unloading_an_idle_module_closes_it_at_once_and_it_can_be_loaded_again)
{
    struct base_error error = {0};
    struct module_use use;
    load("good");
    cr_assert_eq(module_unload(fixture_registry, "good", 0, &error), GLEANER_OK);
    cr_expect_eq(fixture_count("close"), 1);
    cr_expect_not(is_mapped("good"));
    cr_expect_eq(module_acquire(fixture_registry, "good", &use), GLEANER_E_NOT_FOUND);
    cr_expect_eq(module_unload(fixture_registry, "good", 0, &error), GLEANER_E_NOT_FOUND);
    load("good");
    cr_expect_eq(module_acquire(fixture_registry, "good", &use), GLEANER_OK);
    module_release(fixture_registry, &use);
}

struct unloading {
    enum gleaner_status status;
};

static void unload_good(void *arg)
{
    struct unloading *unloading = arg;
    struct base_error error = {0};
    unloading->status = module_unload(fixture_registry, "good", BASE_NO_DEADLINE, &error);
}

Test(module, unloading_waits_until_the_last_worker_has_left)
{
    load("good");
    struct module_use inside;
    struct module_use another;
    cr_assert_eq(module_acquire(fixture_registry, "good", &inside), GLEANER_OK);
    struct unloading unloading = {.status = GLEANER_E_INTERNAL};
    struct sync_thread *thread = NULL;
    cr_assert_eq(sync_thread_start(&thread, "unload", SYNC_PLAIN, unload_good, &unloading),
                 GLEANER_OK);
    /* The table without it is published while we are inside: nobody new gets in. */
    while (module_acquire(fixture_registry, "good", &another) == GLEANER_OK) {
        module_release(fixture_registry, &another);
    }
    cr_expect_eq(fixture_count("close"), 0);
    struct gleaner_page page = {.size = sizeof page};
    cr_expect_eq(inside.module->handle(inside.state, fixture_host(), NULL, &page),
                 GLEANER_PAGE_DONE);
    cr_expect_eq(fixture_count("handle_after_close"), 0);
    module_release(fixture_registry, &inside);
    sync_thread_join(&thread);
    cr_expect_eq(unloading.status, GLEANER_OK);
    cr_expect_eq(fixture_count("close"), 1);
    cr_expect_not(is_mapped("good"));
}

Test(module, an_unload_that_runs_out_of_time_leaves_the_module_mapped_until_it_is_empty)
{
    load("good");
    struct base_error error = {0};
    struct module_use inside;
    cr_assert_eq(module_acquire(fixture_registry, "good", &inside), GLEANER_OK);
    cr_expect_eq(module_unload(fixture_registry, "good", 0, &error), GLEANER_E_TIMEOUT);
    load("text"); /* a look at the retired list: still somebody inside */
    cr_expect_eq(fixture_count("close"), 0);
    struct gleaner_page page = {.size = sizeof page};
    cr_expect_eq(inside.module->handle(inside.state, fixture_host(), NULL, &page),
                 GLEANER_PAGE_DONE);
    module_release(fixture_registry, &inside);
    cr_expect_eq(module_unload(fixture_registry, "words", 0, &error), GLEANER_OK);
    cr_expect_eq(fixture_count("close"), 2);
    cr_expect_not(is_mapped("good"));
}

static void link_into(const char *directory, const char *fixture, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    cr_assert_eq(symlink(fixture_path(fixture), path), 0);
}

Test(module, a_directory_is_loaded_in_name_order_and_other_files_are_left_alone)
{
    char directory[] = "/tmp/gleaner-modules-XXXXXX";
    cr_assert_not_null(mkdtemp(directory));
    link_into(directory, "text", "20-text.so");
    link_into(directory, "good", "10-good.so");
    link_into(directory, "no_symbol", "readme.txt");
    link_into(directory, "no_symbol", ".hidden.so");
    size_t loaded = 99;
    struct base_error error = {0};
    cr_expect_eq(module_load_directory(fixture_registry, directory, &loaded, &error), GLEANER_OK,
                 "%s", error.message);
    cr_expect_eq(loaded, 2);
    char text[8192];
    cr_assert_eq(module_describe(fixture_registry, text, sizeof text), 2);
    cr_expect_eq(strncmp(text, "good 1.0 types=good,other path=/", 32), 0, "%s", text);
    cr_expect_not_null(strstr(text, "\nwords 1.0 types=text path=/"), "%s", text);

    char command[4200];
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_expect_eq(system(command), 0);
    cr_expect_eq(module_load_directory(fixture_registry, directory, &loaded, &error),
                 GLEANER_E_NOT_FOUND);
    cr_expect_eq(loaded, 0);
}

Test(module, a_directory_stops_at_the_first_bad_module_and_says_which)
{
    char directory[] = "/tmp/gleaner-modules-XXXXXX";
    cr_assert_not_null(mkdtemp(directory));
    link_into(directory, "good", "a.so");
    link_into(directory, "no_symbol", "b.so");
    link_into(directory, "text", "c.so");
    size_t loaded = 0;
    struct base_error error = {0};
    cr_expect_eq(module_load_directory(fixture_registry, directory, &loaded, &error),
                 GLEANER_E_INVALID);
    cr_expect_eq(loaded, 1);
    cr_expect_not_null(strstr(error.message, "no_symbol.so"), "%s", error.message);
    char command[4200];
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_expect_eq(system(command), 0);
}

static const char *name_for(const char *type)
{
    struct module_use use;
    cr_assert_eq(module_acquire(fixture_registry, type, &use), GLEANER_OK, "%s", type);
    const char *name = use.module->name;
    module_release(fixture_registry, &use);
    return name;
}

Test(module, a_named_module_takes_its_types_before_those_of_a_directory)
{
    char directory[] = "/tmp/gleaner-modules-XXXXXX";
    cr_assert_not_null(mkdtemp(directory));
    link_into(directory, "good", "good.so"); /* good, other */
    size_t loaded = 0;
    struct base_error error = {0};
    cr_expect_eq(module_load_directory(fixture_registry, directory, &loaded, &error), GLEANER_OK);
    cr_expect_str_eq(name_for("other"), "good");
    load("same_type"); /* rival: third, other */
    cr_expect_str_eq(name_for("other"), "rival");
    cr_expect_str_eq(name_for("good"), "good");
    cr_expect_eq(module_unload(fixture_registry, "rival", 0, &error), GLEANER_OK);
    cr_expect_str_eq(name_for("other"), "good");
    char command[4200];
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_expect_eq(system(command), 0);
}

Test(module, a_description_is_cut_at_the_size_of_the_buffer)
{
    load("good");
    char text[12];
    memset(text, 'x', sizeof text);
    cr_expect_eq(module_describe(fixture_registry, text, sizeof text), 1);
    cr_expect_str_eq(text, "good 1.0 ty");
    cr_expect_eq(module_describe(fixture_registry, NULL, 0), 1);
}
