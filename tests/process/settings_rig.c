/* SPDX-License-Identifier: Apache-2.0 */
#include "settings_rig.h"
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    (void)snprintf(rig->directory, sizeof rig->directory, "/tmp/gleaner-settings.XXXXXX");
    cr_assert_not_null(mkdtemp(rig->directory));
    cr_assert_eq(chdir(rig->directory), 0);
    for (size_t i = 0; i < settings_count; i++) {
        if (settings_table[i].environment != NULL) {
            (void)unsetenv(settings_table[i].environment);
        }
    }
    (void)setenv("HOME", rig->directory, 1);
    (void)unsetenv("XDG_CONFIG_HOME");
    (void)unsetenv("XDG_STATE_HOME");
}

void rig_write(const struct rig *rig, const char *name, const char *text)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", rig->directory, name);
    FILE *file = fopen(path, "we");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

void rig_load(struct rig *rig, ...)
{
    char *argv[32];
    int argc = 0;
    va_list args;
    va_start(args, rig);
    for (char *arg; (arg = va_arg(args, char *)) != NULL;) {
        argv[argc++] = arg;
    }
    va_end(args);
    settings_fini(&rig->settings);
    memset(&rig->error, 0, sizeof rig->error);
    rig->status =
        settings_load(&rig->settings, argc, argv, settings_groups_of("crawl"), &rig->error);
}

void rig_close(struct rig *rig)
{
    char command[200];
    settings_fini(&rig->settings);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", rig->directory);
    cr_assert_eq(chdir("/"), 0);
    cr_expect_eq(system(command), 0);
}

const char *rig_config_line(struct rig *rig, const char *key)
{
    static char line[2048];
    struct base_buffer text = {0};
    size_t len = strlen(key);
    settings_print(&rig->settings, &text);
    line[0] = '\0';
    for (char *at = text.data; at != NULL && *at != '\0';) {
        char *end = strchr(at, '\n');
        if (strncmp(at, key, len) == 0 && at[len] == ' ') {
            (void)snprintf(line, sizeof line, "%.*s", (int)(end - at), at);
        }
        at = end + 1;
    }
    base_buffer_fini(&text);
    return line;
}
