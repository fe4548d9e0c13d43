/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module whose file was replaced is loaded anew beside the old one, which then leaves the table
 * in the same step: there is no moment without a module for its types. Whoever is inside the old
 * one finishes there; it is closed when the last has left.
 */
#include "module_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool module_read_identity(const char *path, struct module_identity *out)
{
    struct stat now;
    if (stat(path, &now) != 0) {
        return false;
    }
    *out = (struct module_identity){now.st_dev, now.st_ino, now.st_size, now.st_mtim};
    return true;
}

static bool is_same_file(const struct module_identity *a, const struct module_identity *b)
{
    return a->device == b->device && a->inode == b->inode;
}

static bool is_unchanged(const struct module_identity *a, const struct module_identity *b)
{
    return is_same_file(a, b) && a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
           a->modified.tv_nsec == b->modified.tv_nsec;
}

static struct module_table *table_with(const struct module_table *old, size_t place,
                                       struct module_loaded *fresh)
{
    struct module_table *next = module_table_create(old->count);
    if (next != NULL) {
        memcpy(next->loaded, old->loaded, old->count * sizeof(struct module_loaded *));
        next->loaded[place] = fresh;
    }
    return next;
}

static enum gleaner_status check_successor(const struct module_table *table,
                                           const struct module_loaded *old,
                                           const struct module_loaded *fresh,
                                           struct base_error *error)
{
    if (strcmp(old->module->name, fresh->module->name) != 0) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "module %s: it was \"%s\" and is \"%s\" now; another module needs "
                              "a restart",
                              fresh->path, old->module->name, fresh->module->name);
    }
    return module_check_free(table, fresh, old, error);
}

/* From here on nothing fails. */
static void exchange_locked(struct module_registry *registry, struct module_table *next,
                            struct module_loaded *old, struct module_loaded *fresh,
                            struct base_buffer *report)
{
    base_buffer_printf(report, "module %s: %s replaces %s\n", fresh->module->name,
                       fresh->module->version, old->module->version);
    base_log_info("module", "event=replaced name=%s version=%s was=%s path=%s", fresh->module->name,
                  fresh->module->version, old->module->version, fresh->path);
    module_retire_locked(registry, next, old);
}

static enum gleaner_status reload_locked(struct module_registry *registry, size_t place,
                                         struct base_buffer *report, struct base_error *error)
{
    const struct module_table *table = module_table_of_locked(registry);
    struct module_loaded *old = table->loaded[place], *fresh = NULL;
    enum gleaner_status status =
        module_loaded_open(old->given, registry->isolate_program, &fresh, error);
    if (status != GLEANER_OK) {
        return status;
    }
    fresh->rank = old->rank;
    status = check_successor(table, old, fresh, error);
    struct module_table *next = NULL;
    if (status == GLEANER_OK && (next = table_with(table, place, fresh)) == NULL) {
        status = base_error_set(error, GLEANER_E_NOMEM, "module %s: no memory", fresh->path);
    }
    if (status == GLEANER_OK) {
        status = module_loaded_start(fresh, registry->host, error);
    }
    if (status != GLEANER_OK) {
        free(next);
        module_loaded_destroy(&fresh, false);
        return status;
    }
    exchange_locked(registry, next, old, fresh, report);
    return GLEANER_OK;
}

/* A file that was written into is mapped by the module that runs: nothing good can come of it. */
static enum gleaner_status look_at_locked(struct module_registry *registry, size_t place,
                                          struct base_buffer *report, struct base_error *error)
{
    const struct module_loaded *old = module_table_of_locked(registry)->loaded[place];
    struct module_identity now;
    if (!module_read_identity(old->given, &now)) {
        return base_error_set(error, GLEANER_E_NOT_FOUND, "module %s: %s", old->given,
                              strerror(errno));
    }
    if (is_unchanged(&old->identity, &now)) {
        return GLEANER_OK;
    }
    if (is_same_file(&old->identity, &now)) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "module %s: the file was written into while it is in use; replace it "
                              "with mv or install, and restart",
                              old->given);
    }
    return reload_locked(registry, place, report, error);
}

enum gleaner_status module_reload_changed(struct module_registry *registry,
                                          struct base_buffer *report, struct base_error *error)
{
    BASE_CHECK_MAGIC(registry, MODULE_REGISTRY_MAGIC);
    enum gleaner_status first = GLEANER_OK;
    sync_mutex_lock(registry->writer);
    for (size_t i = 0; i < module_table_of_locked(registry)->count; i++) {
        struct base_error why = {0};
        enum gleaner_status status = look_at_locked(registry, i, report, &why);
        if (status != GLEANER_OK) {
            base_log_error("module", "event=not_replaced reason=\"%s\"", why.message);
        }
        if (status != GLEANER_OK && first == GLEANER_OK) {
            first = base_error_set(error, status, "%s; the old one serves on", why.message);
        }
    }
    (void)module_reap_locked(registry);
    sync_mutex_unlock(registry->writer);
    return first;
}

size_t module_reap(struct module_registry *registry)
{
    BASE_CHECK_MAGIC(registry, MODULE_REGISTRY_MAGIC);
    sync_mutex_lock(registry->writer);
    size_t left = module_reap_locked(registry);
    sync_mutex_unlock(registry->writer);
    return left;
}
