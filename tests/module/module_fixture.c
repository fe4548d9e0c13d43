/* SPDX-License-Identifier: Apache-2.0 */
#include "module_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {"open", "handle", "handle_after_close", "close"};
static struct base_counter counters[BASE_ARRAY_LEN(names)];

struct module_registry *fixture_registry;

static struct base_counter *counter_of(const char *name)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            return &counters[i];
        }
    }
    cr_assert_fail("unknown counter %s", name);
    return NULL;
}

static void host_count(struct gleaner_task *task, const char *name, uint64_t n)
{
    (void)task;
    base_counter_add(counter_of(name), n);
}

static const struct gleaner_host host = {
    .size = sizeof host, .abi = GLEANER_MODULE_ABI, .count = host_count};

const struct gleaner_host *fixture_host(void)
{
    return &host;
}

void fixture_setup(void)
{
    sync_init();
    base_log_set_level(BASE_LOG_WARN);
    cr_assert_eq(module_registry_create(&host, &fixture_registry), GLEANER_OK);
}

void fixture_teardown(void)
{
    module_registry_destroy(&fixture_registry);
    cr_assert_null(fixture_registry);
}

uint64_t fixture_count(const char *name)
{
    return base_counter_get(counter_of(name));
}

const char *fixture_path(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s.so", MODULE_FIXTURES, name);
    return path;
}

enum gleaner_status fixture_load(const char *name, struct base_error *error)
{
    return module_load(fixture_registry, fixture_path(name), error);
}
