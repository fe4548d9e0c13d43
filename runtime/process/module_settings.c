/* SPDX-License-Identifier: Apache-2.0 */
/* Are the settings of modules (--set MODULE.NAME=VALUE) of modules that there are, and asked for by
 * them? A typing mistake would otherwise be a setting that nothing ever reads. */
#include "process_internal.h"
#include <string.h>

#define MODULES_MAX 64

/* One MODULE.NAME=VALUE, and what the loaded modules say to it. */
struct question {
    const char *entry;
    const char *names[MODULES_MAX + 1]; /* of all modules; valid while these are loaded */
    size_t count;
    const struct gleaner_module *module; /* the one it is for, or NULL */
};

static bool look(void *ctx, const struct gleaner_module *module)
{
    struct question *question = ctx;
    size_t len = strcspn(question->entry, ".");
    if (question->count < MODULES_MAX) {
        question->names[question->count++] = module->name;
    }
    if (strlen(module->name) == len && strncmp(module->name, question->entry, len) == 0) {
        question->module = module;
    }
    return true;
}

static const char *next_name(const void *ctx, size_t i)
{
    return ((const char *const *)ctx)[i];
}

static enum gleaner_status refuse(const struct setting_origin *origin, const char *entry, size_t at,
                                  size_t len, const char *what, const char *const *names,
                                  struct base_error *error)
{
    char place[400];
    struct base_buffer all = {0};
    const char *near = settings_nearest(entry + at, len, next_name, (const void *)names);
    for (size_t i = 0; names[i] != NULL; i++) {
        base_buffer_printf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    settings_describe_place(origin, place, sizeof place);
    enum gleaner_status status = base_error_set(
        error, GLEANER_E_CONFIG, "%s: modules.settings: '%s': %s '%.*s'%s%s%s there %s: %s", place,
        entry, what, (int)len, entry + at, near != NULL ? "; did you mean " : ";",
        near != NULL ? near : "", near != NULL ? "?" : "", names[0] != NULL ? "are" : "is none",
        all.data != NULL ? all.data : "");
    base_buffer_fini(&all);
    return status;
}

static bool has_name(const char *const *names, const char *name, size_t len)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0) {
            return true;
        }
    }
    return false;
}

static enum gleaner_status check_entry(struct module_registry *modules,
                                       const struct setting_origin *origin, const char *entry,
                                       struct base_error *error)
{
    struct question question = {.entry = entry};
    size_t dot = strcspn(entry, "."); /* settings_check() has seen the dot and the = */
    size_t len = strcspn(entry + dot + 1, "=");
    module_walk(modules, look, &question);
    if (question.module == NULL) {
        return refuse(origin, entry, 0, dot, "no module", question.names, error);
    }
    const char *const *known = module_setting_names(question.module);
    if (known == NULL || has_name(known, entry + dot + 1, len)) {
        return GLEANER_OK;
    }
    return refuse(origin, entry, dot + 1, len, "no setting", known, error);
}

enum gleaner_status module_settings_check(const struct settings *settings,
                                          struct module_registry *modules, struct base_error *error)
{
    size_t index = 0;
    enum gleaner_status status = settings_find("modules.settings", &index, error);
    for (size_t i = 0; status == GLEANER_OK && i < settings->module_settings.count; i++) {
        status = check_entry(modules, &settings->origins[index], settings->module_settings.items[i],
                             error);
    }
    return status;
}
