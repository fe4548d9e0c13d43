/* SPDX-License-Identifier: Apache-2.0 */
#include "settings_rig.h"
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

TestSuite(settings_file, .init = open_rig, .fini = close_rig, .timeout = 10);

static void load(const char *text)
{
    rig_write(&rig, "gleaner.yaml", text);
    rig_load(&rig, "--config", "gleaner.yaml", NULL);
}

Test(settings_file, every_setting_of_the_table_can_stand_in_it)
{
    struct base_buffer text = {0};
    const char *section = "";
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *setting = &settings_table[i];
        const char *dot = strchr(setting->key, '.');
        size_t len = (size_t)(dot - setting->key);
        if (strncmp(setting->key, "command.", 8) == 0) {
            continue;
        }
        if (strncmp(section, setting->key, len + 1) != 0) {
            base_buffer_printf(&text, "%.*s:\n", (int)len, setting->key);
            section = setting->key;
        }
        if (setting->type == SETTING_LIST) {
            base_buffer_printf(&text, "  %s: []\n", dot + 1);
        } else if (setting->initial != NULL) {
            base_buffer_printf(&text, "  %s: %s\n", dot + 1, setting->initial);
        }
    }
    cr_assert(!text.failed);
    load(text.data);
    base_buffer_fini(&text);
    cr_assert_eq(rig.status, GLEANER_OK, "%s", rig.error.message);
    cr_assert_not_null(strstr(rig_config_line(&rig, "fetch.concurrency"), "# gleaner.yaml:"));
}

Test(settings_file, an_empty_file_an_empty_section_and_comments_set_nothing)
{
    static const char *const texts[] = {"", "# only\n", "crawl:\n", "---\n",
                                        "crawl:\n  # depth: 3\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        load(texts[i]);
        cr_expect_eq(rig.status, GLEANER_OK, "%s: %s", texts[i], rig.error.message);
        cr_expect_eq(rig.settings.depth, UINT32_MAX);
    }
}

struct bad_file {
    const char *text;
    const char *says;
};

Test(settings_file, a_mistake_is_named_with_file_and_line)
{
    static const struct bad_file table[] = {
        {"crawl:\n  depht: 3\n",
         "gleaner.yaml:2: unknown key 'depht' in crawl; did you mean depth?"},
        {"# x\nfetsh:\n  delay_ms: 3\n",
         "gleaner.yaml:2: unknown key 'fetsh'; did you mean fetch?"},
        {"zzzzzzzzzzzz:\n  a: 3\n",
         "there are: database, store, crawl, fetch, worker, modules, scan, process"},
        {"crawl:\n  content: html\n",
         "gleaner.yaml:2: crawl.content: 'html' is not one of text|markdown"},
        {"crawl:\n\n  pages: -1\n",
         "gleaner.yaml:3: crawl.pages: '-1' is not a whole number from 1"},
        {"database:\n  uri: http://x/\n",
         "gleaner.yaml:2: database.uri: 'http://x/' is not mongodb://"},
        {"crawl:\n  depth: [3]\n", "gleaner.yaml:2: depth: one plain value is wanted"},
        {"crawl:\n  include: a\n", "gleaner.yaml:2: include: a list is wanted: [a, b]"},
        {"crawl: 3\n", "gleaner.yaml:1: crawl: a section is wanted"},
        {"crawl:\n  content: \"text\n", "gleaner.yaml:2: "},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        load(table[i].text);
        cr_expect_eq(rig.status, GLEANER_E_CONFIG, "accepted: %s", table[i].text);
        cr_expect_not_null(strstr(rig.error.message, table[i].says), "%s", rig.error.message);
    }
}

Test(settings_file, the_users_file_is_found_without_being_named)
{
    (void)system("mkdir -p .config/gleaner && printf 'crawl:\\n  depth: 5\\n' > "
                 ".config/gleaner/gleaner.yaml");
    rig_load(&rig, NULL);
    cr_assert_eq(rig.status, GLEANER_OK, "%s", rig.error.message);
    cr_assert_eq(rig.settings.depth, 5);
}
