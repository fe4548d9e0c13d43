/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at the loaded modules. */
#include "module_internal.h"

const char *const *module_setting_names(const struct gleaner_module *module)
{
    const size_t end = offsetof(struct gleaner_module, settings) + sizeof module->settings;
    return module->size >= end ? module->settings : NULL;
}

void module_walk(struct module_registry *registry,
                 bool (*row)(void *ctx, const struct gleaner_module *module), void *ctx)
{
    BASE_CHECK_MAGIC(registry, MODULE_REGISTRY_MAGIC);
    bool goes_on = true;
    sync_mutex_lock(registry->writer);
    const struct module_table *table = module_table_of_locked(registry);
    for (size_t i = 0; goes_on && i < table->count; i++) {
        goes_on = row(ctx, table->loaded[i]->module);
    }
    sync_mutex_unlock(registry->writer);
}
