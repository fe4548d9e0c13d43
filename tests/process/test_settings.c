/* SPDX-License-Identifier: Apache-2.0 */
#include "mongo.h"
#include "process_internal.h"
#include "settings_rig.h"
#include "sync.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct rig rig;

static void open_rig(void)
{
    rig_open(&rig);
}

static void close_rig(void)
{
    rig_close(&rig);
}

TestSuite(settings, .init = open_rig, .fini = close_rig, .timeout = 10);

#define ASSERT_SAYS(text)                                                                          \
    cr_assert_not_null(strstr(rig.error.message, (text)), "%s", rig.error.message)
#define ASSERT_LINE_SAYS(key, text)                                                                \
    cr_assert_not_null(strstr(rig_config_line(&rig, (key)), (text)), "%s",                         \
                       rig_config_line(&rig, (key)))

Test(settings, without_any_source_a_fresh_machine_stores_embedded_under_the_home)
{
    rig_load(&rig, NULL);
    cr_assert_eq(rig.status, GLEANER_OK, "%s", rig.error.message);
    cr_assert_str_eq(rig.settings.target, "embedded");
    cr_assert(!settings_wants_server(&rig.settings));
    cr_assert_eq(strncmp(rig.settings.data, rig.directory, strlen(rig.directory)), 0);
    cr_assert_not_null(strstr(rig.settings.data, "/.local/state/gleaner"));
    cr_assert_eq(rig.settings.depth, UINT32_MAX);
    cr_assert_eq(rig.settings.pages, UINT64_MAX);
}

Test(settings, a_stronger_source_wins_over_a_weaker_one)
{
    rig_write(&rig, "file.yaml", "worker:\n  handle_ms: 1000\n");
    rig_load(&rig, "--config", "file.yaml", NULL);
    cr_assert_eq(rig.settings.handle_ms, 1000);
    ASSERT_LINE_SAYS("worker.handle_ms", "# file.yaml:2");

    rig_write(&rig, ".env", "# the application's\nOTHER=1\nWORKER_TIMEOUT=2000 # ms\n");
    rig_load(&rig, "--config", "file.yaml", NULL);
    cr_assert_eq(rig.settings.handle_ms, 2000);
    ASSERT_LINE_SAYS("worker.handle_ms", "# .env:3");

    (void)setenv("WORKER_TIMEOUT", "3000", 1);
    rig_load(&rig, "--config", "file.yaml", NULL);
    cr_assert_eq(rig.settings.handle_ms, 3000);
    ASSERT_LINE_SAYS("worker.handle_ms", "# environment WORKER_TIMEOUT");

    rig_load(&rig, "--config", "file.yaml", "--worker-timeout", "4000", NULL);
    cr_assert_eq(rig.settings.handle_ms, 4000);
    ASSERT_LINE_SAYS("worker.handle_ms", "# --worker-timeout");
}

Test(settings, a_list_of_a_stronger_source_replaces_that_of_a_weaker_one)
{
    rig_write(&rig, "file.yaml", "crawl:\n  include: [a*, b*]\n");
    rig_load(&rig, "--config", "file.yaml", NULL);
    cr_assert_eq(rig.settings.include.count, 2);
    cr_assert_str_eq(rig.settings.include.items[1], "b*");
    rig_load(&rig, "--config", "file.yaml", "--include", "c*", "--include=d*", NULL);
    cr_assert_eq(rig.settings.include.count, 2);
    cr_assert_str_eq(rig.settings.include.items[0], "c*");
    cr_assert_str_eq(rig.settings.include.items[1], "d*");
}

Test(settings, an_include_list_lifts_the_host_limit_unless_it_is_asked_for)
{
    rig_load(&rig, "--include", "*", NULL);
    cr_assert(!rig.settings.same_host);
    rig_load(&rig, "--include", "*", "--same-host", NULL);
    cr_assert(rig.settings.same_host);
}

Test(settings, options_come_as_two_words_as_one_and_negated)
{
    rig_load(&rig, "http://a/", "--concurrency=7", "--no-robots", "--", "--depth", NULL);
    cr_assert_eq(rig.status, GLEANER_OK, "%s", rig.error.message);
    cr_assert_eq(rig.settings.concurrency, 7);
    cr_assert(!rig.settings.robots);
    cr_assert_eq(rig.settings.operands.count, 2);
    cr_assert_str_eq(rig.settings.operands.items[1], "--depth");
}

Test(settings, a_password_is_not_shown)
{
    (void)setenv("MONGODB_URI", "mongodb://app:s3cret-Pass@db.example/app", 1);
    rig_load(&rig, NULL);
    cr_assert_eq(rig.status, GLEANER_OK, "%s", rig.error.message);
    ASSERT_LINE_SAYS("database.uri", "app:***@db.example");
    struct base_buffer all = {0};
    settings_print(&rig.settings, &all);
    cr_assert_null(strstr(all.data, "s3cret"));
    base_buffer_fini(&all);
}

Test(settings, a_module_reads_its_own_settings_and_the_last_one_wins)
{
    rig_load(&rig, "--set", "text.words=bambi", "--set", "text.words=bambi sleep", NULL);
    cr_assert_str_eq(settings_of_module(&rig.settings, "text", "words"), "bambi sleep");
    cr_assert_null(settings_of_module(&rig.settings, "text", "word"));
    cr_assert_null(settings_of_module(&rig.settings, "tex", "words"));
}

/* ---- what is refused, and how ---- */

struct refusal {
    const char *arguments[3];
    const char *says;
};

/* A loop, not a ParameterizedTest: Criterion runs tests in processes whose literals lie elsewhere.
 */
Test(settings, a_wrong_command_line_is_refused_with_the_remedy)
{
    static const struct refusal table[] = {
        {{"--concurency", "3"}, "unknown option --concurency; did you mean --concurrency?"},
        {{"--xyzzy-foo"}, "--help lists what there is"},
        {{"--depth"}, "--depth wants a value: N"},
        {{"--depth", "deep"}, "--depth: crawl.depth: 'deep' is not a whole number from 0 to"},
        {{"--depth", "-1"}, "'-1' is not a whole number"},
        {{"--max-pool-size", "101"}, "a whole number from 1 to 100"},
        {{"--content", "html"}, "'html' is not one of text|markdown"},
        {{"--to", "postgres://x/y"}, "is not mongodb://HOST/DB, mongodb+srv://HOST/DB, embedded"},
        {{"--to", "mongodb://"}, "database.uri"},
        {{"--fallback", "embedded"}, "is not mongodb://HOST/DB or mongodb+srv://HOST/DB"},
        {{"--no-robots=yes"}, "--no-robots takes no value"},
        {{"--format", "csv"}, "--format does not belong to this command"},
        {{"-d", "3"}, "options have long names"},
        {{"--set", "words=1"}, "is not MODULE.NAME=VALUE"},
        {{"--config", "absent.yaml"}, "cannot read absent.yaml: No such file"},
        {{"--robots=perhaps"}, "'perhaps' is not true or false"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        rig_load(&rig, table[i].arguments[0], table[i].arguments[1], NULL);
        cr_expect_neq(rig.status, GLEANER_OK, "%s was accepted", table[i].arguments[0]);
        cr_expect_not_null(strstr(rig.error.message, table[i].says), "%s", rig.error.message);
    }
}

Test(settings, a_bad_variable_is_named_with_its_value)
{
    (void)setenv("MONGODB_MAX_POOL_SIZE", "many", 1);
    rig_load(&rig, NULL);
    cr_assert_eq(rig.status, GLEANER_E_CONFIG);
    ASSERT_SAYS("environment MONGODB_MAX_POOL_SIZE: database.max_pool_size: 'many' is not");
}

Test(settings, a_bad_uri_is_refused_without_its_password)
{
    rig_load(&rig, "--to", "mongodb://app:s3cret-Pass@host:port/db", NULL);
    cr_assert_eq(rig.status, GLEANER_E_CONFIG);
    cr_assert_null(strstr(rig.error.message, "s3cret"), "%s", rig.error.message);
}

Test(settings, a_key_is_found_and_a_wrong_one_answered_with_the_nearest)
{
    size_t index = SETTING_MAX;
    cr_assert_eq(settings_find("fetch.delay_ms", &index, &rig.error), GLEANER_OK);
    cr_assert_str_eq(settings_table[index].key, "fetch.delay_ms");
    cr_assert_eq(settings_find("fetch.delay", &index, &rig.error), GLEANER_E_CONFIG);
    ASSERT_SAYS("did you mean fetch.delay_ms?");
    cr_assert_eq(settings_find("command.json", &index, &rig.error), GLEANER_E_CONFIG);
}

Test(settings, a_place_is_hosts_and_database_whoever_goes_there)
{
    static const struct {
        const char *a, *b;
        bool is_same;
    } table[] = {
        {"mongodb://h:1/app", "mongodb://h:1/app", true},
        {"mongodb://h/app", "mongodb://u:p@h/app?tls=true", true},
        {"mongodb://old:***@h,i/app name", "mongodb://new:p%40@h,i/app?x=a@b/c name", true},
        {"mongodb://h", "mongodb://h/?w=1", true},
        {"mongodb://h/app", "mongodb://h/app2", false},
        {"mongodb://h/app", "mongodb://h", false},
        {"mongodb://h/app", "mongodb://i/app", false},
        {"mongodb://h,i/app", "mongodb://h/app", false},
        {"mongodb://h/app", "mongodb+srv://h/app", false},
        {"mongodb://h/app ", "mongodb://h/app other", false},
        {"mongodb://h@i/app", "mongodb://h/app", false},
        {"embedded", "embedded", true},
        {"embedded", "none", false},
        {"embedded", "mongodb://h/app", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        cr_expect_eq(settings_same_place(table[i].a, table[i].b), table[i].is_same, "%s %s",
                     table[i].a, table[i].b);
        cr_expect_eq(settings_same_place(table[i].b, table[i].a), table[i].is_same, "%s %s",
                     table[i].b, table[i].a);
    }
}

/* ---- one source of limits: what is accepted here, libgleaner accepts ---- */

static enum gleaner_status open_with(const struct setting *setting, uint64_t value)
{
    struct settings s = rig.settings;
    bool is_base = setting->offset == offsetof(struct settings, backoff_base_ms);
    *(uint64_t *)(void *)((char *)&s + setting->offset) = value;
    s.origins[setting - settings_table].source = SOURCE_COMMAND_LINE;
    if (is_base) {
        s.backoff_cap_ms = 3600000; /* the two have a rule between them */
    } else {
        s.backoff_base_ms = 1;
    }
    struct gleaner_db_options options;
    work_db_options(&s, &options);
    options.uri = NULL;
    struct gleaner_db *db = NULL;
    enum gleaner_status status = gleaner_db_open(&options, &db, NULL);
    if (status == GLEANER_OK) {
        (void)gleaner_db_close(&db, 100);
    }
    return status;
}

Test(settings, what_nobody_set_of_the_pool_is_left_to_the_uri)
{
    struct gleaner_db_options options;
    rig_load(&rig, NULL);
    work_db_options(&rig.settings, &options);
    cr_expect_eq(options.max_pool_size, 0);
    cr_expect_eq(options.min_pool_size, 0);
    cr_expect_eq(options.max_connecting, 0);
    cr_expect_eq(options.max_idle_ms, 0);
    cr_expect_eq(options.wait_queue_timeout_ms, 0);
}

Test(settings, what_a_number_of_the_database_may_be_is_what_libgleaner_takes)
{
    sync_init();
    mongo_init();
    rig_load(&rig, NULL);
    size_t checked = 0;
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *setting = &settings_table[i];
        if (strncmp(setting->key, "database.", 9) != 0 || setting->type != SETTING_NUMBER ||
            setting->offset == offsetof(struct settings, operation_ms)) {
            continue;
        }
        cr_expect_eq(open_with(setting, setting->min), GLEANER_OK, "%s least", setting->key);
        cr_expect_eq(open_with(setting, setting->max), GLEANER_OK, "%s most", setting->key);
        if (setting->max < UINT32_MAX) {
            cr_expect_eq(open_with(setting, setting->max + 1), GLEANER_E_CONFIG,
                         "%s: libgleaner takes more", setting->key);
        }
        checked++;
    }
    cr_assert_geq(checked, 23);
}
