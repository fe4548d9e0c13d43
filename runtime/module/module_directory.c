/* SPDX-License-Identifier: Apache-2.0 */
/* Load a folder of modules in name order. */
#include "module_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_module_name(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0;
}

/* By bytes: alphasort() follows the locale, and load order must not. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum gleaner_status load_one(struct module_registry *registry, const char *directory,
                                    const char *name, struct base_error *error)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        return base_error_set(error, GLEANER_E_NOMEM, "module %s: no memory", name);
    }
    enum gleaner_status status = module_load_as(registry, path, MODULE_FOUND, error);
    free(path);
    return status;
}

enum gleaner_status module_load_directory(struct module_registry *registry, const char *directory,
                                          size_t *loaded, struct base_error *error)
{
    struct dirent **entries = NULL;
    *loaded = 0;
    int count = scandir(directory, &entries, is_module_name, by_name);
    if (count < 0) {
        int code = errno;
        return base_error_set(error, code == ENOENT ? GLEANER_E_NOT_FOUND : GLEANER_E_IO,
                              "modules in %s: %s", directory, strerror(code));
    }
    enum gleaner_status status = GLEANER_OK;
    for (int i = 0; i < count; i++) {
        if (status == GLEANER_OK) {
            status = load_one(registry, directory, entries[i]->d_name, error);
            *loaded += status == GLEANER_OK ? 1 : 0;
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}
