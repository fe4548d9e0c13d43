/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: an immutable table published by RCU, replaced on every load and unload. */
#include "module_internal.h"

#include <stdlib.h>
#include <string.h>

#define FALLBACK_FOR_PAGE "text"

struct module_table *module_table_create(size_t count)
{
    struct module_table *table =
        calloc(1, sizeof(struct module_table) + count * sizeof(struct module_loaded *));
    if (table != NULL) {
        table->count = count;
    }
    return table;
}

struct module_table *module_table_of_locked(struct module_registry *registry)
{
    BASE_ASSERT(sync_mutex_is_mine(registry->writer));
    return atomic_load_explicit(&registry->table.pointer, memory_order_relaxed);
}

/* Publish, wait for the grace period, free: in this order, here alone. */
static void table_replace_locked(struct module_registry *registry, struct module_table *table)
{
    struct module_table *old = sync_publish(&registry->table, table);
    sync_wait_readers();
    free(old);
}

enum gleaner_status module_registry_create(const struct gleaner_host *host,
                                           struct module_registry **out)
{
    struct module_registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL) {
        return GLEANER_E_NOMEM;
    }
    registry->magic = MODULE_REGISTRY_MAGIC;
    registry->host = host;
    struct module_table *table = module_table_create(0);
    enum gleaner_status status = GLEANER_E_NOMEM;
    if (table == NULL) {
        goto undo_registry;
    }
    status = sync_mutex_create(&registry->writer);
    if (status != GLEANER_OK) {
        goto undo_table;
    }
    (void)sync_publish(&registry->table, table);
    *out = registry;
    return GLEANER_OK;

undo_table:
    free(table);
undo_registry:
    free(registry);
    return status;
}

enum gleaner_status module_registry_isolate(struct module_registry *registry, const char *program)
{
    BASE_CHECK_MAGIC(registry, MODULE_REGISTRY_MAGIC);
    registry->isolate_program = strdup(program);
    return registry->isolate_program != NULL ? GLEANER_OK : GLEANER_E_NOMEM;
}

size_t module_reap_locked(struct module_registry *registry)
{
    BASE_ASSERT(sync_mutex_is_mine(registry->writer));
    size_t left = 0;
    struct module_loaded **link = &registry->retired;
    while (*link != NULL) {
        struct module_loaded *loaded = *link;
        /* acquire: pairs with the release in module_release() */
        if (atomic_load_explicit(&loaded->uses, memory_order_acquire) != MODULE_RETIRED) {
            link = &loaded->next_retired;
            left++;
            continue;
        }
        *link = loaded->next_retired;
        module_loaded_destroy(&loaded, true);
    }
    return left;
}

void module_retire_locked(struct module_registry *registry, struct module_table *next,
                          struct module_loaded *loaded)
{
    table_replace_locked(registry, next);
    /* relaxed: only the writer acts on the bit, and the wake-up it asks for is ordered by the
     * read-modify-writes on this same word */
    (void)atomic_fetch_or_explicit(&loaded->uses, MODULE_RETIRED, memory_order_relaxed);
    loaded->next_retired = registry->retired;
    registry->retired = loaded;
}

void module_registry_destroy(struct module_registry **registry_ptr)
{
    struct module_registry *registry = *registry_ptr;
    *registry_ptr = NULL;
    if (registry == NULL) {
        return;
    }
    BASE_CHECK_MAGIC(registry, MODULE_REGISTRY_MAGIC);
    sync_mutex_lock(registry->writer);
    struct module_table *table = sync_publish(&registry->table, NULL);
    sync_wait_readers();
    for (size_t i = table->count; i > 0; i--) { /* last in, first out */
        struct module_loaded *loaded = table->loaded[i - 1];
        (void)atomic_fetch_or_explicit(&loaded->uses, MODULE_RETIRED, memory_order_relaxed);
        loaded->next_retired = NULL;
        struct module_loaded **end = &registry->retired;
        while (*end != NULL) {
            end = &(*end)->next_retired;
        }
        *end = loaded;
    }
    free(table);
    (void)module_reap_locked(registry);
    BASE_ASSERT(registry->retired == NULL); /* workers are joined: nobody can be inside */
    sync_mutex_unlock(registry->writer);
    sync_mutex_destroy(&registry->writer);
    registry->magic = 0;
    free(registry->isolate_program);
    free(registry);
}

static bool takes_type(const struct module_loaded *loaded, const char *type)
{
    for (const char *const *t = loaded->module->types; *t != NULL; t++) {
        if (strcmp(*t, type) == 0) {
            return true;
        }
    }
    return false;
}

static struct module_loaded *find_type_but(const struct module_table *table, const char *type,
                                           enum module_rank rank,
                                           const struct module_loaded *leaving)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct module_loaded *other = table->loaded[i];
        if (other != leaving && other->rank == rank && takes_type(other, type)) {
            return table->loaded[i];
        }
    }
    return NULL;
}

/* Who named a module wants it for what it takes, before one that lies in the folder. */
static struct module_loaded *find_type(const struct module_table *table, const char *type)
{
    struct module_loaded *named = find_type_but(table, type, MODULE_NAMED, NULL);
    return named != NULL ? named : find_type_but(table, type, MODULE_FOUND, NULL);
}

/* Two modules of one name, or of one rank for one job type, would make it a matter of load order
 * which one works: refused. */
enum gleaner_status module_check_free(const struct module_table *table,
                                      const struct module_loaded *fresh,
                                      const struct module_loaded *leaving, struct base_error *error)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct module_loaded *other = table->loaded[i];
        if (other != leaving && strcmp(other->module->name, fresh->module->name) == 0) {
            return base_error_set(error, GLEANER_E_EXISTS,
                                  "module %s: the name \"%s\" is taken by %s", fresh->path,
                                  fresh->module->name, other->path);
        }
    }
    for (const char *const *type = fresh->module->types; *type != NULL; type++) {
        const struct module_loaded *other = find_type_but(table, *type, fresh->rank, leaving);
        if (other != NULL) {
            return base_error_set(error, GLEANER_E_EXISTS,
                                  "module %s: the type \"%s\" is taken by module \"%s\" (%s)",
                                  fresh->path, *type, other->module->name, other->path);
        }
    }
    return GLEANER_OK;
}

static enum gleaner_status register_locked(struct module_registry *registry,
                                           struct module_loaded *fresh, struct base_error *error)
{
    const struct module_table *old = module_table_of_locked(registry);
    enum gleaner_status status = module_check_free(old, fresh, NULL, error);
    if (status != GLEANER_OK) {
        return status;
    }
    struct module_table *next = module_table_create(old->count + 1);
    if (next == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "module %s: no memory", fresh->path);
    }
    status = module_loaded_start(fresh, registry->host, error);
    if (status != GLEANER_OK) {
        free(next);
        return status;
    }
    memcpy(next->loaded, old->loaded, old->count * sizeof(struct module_loaded *));
    next->loaded[old->count] = fresh;
    table_replace_locked(registry, next);
    return GLEANER_OK;
}

enum gleaner_status module_load_as(struct module_registry *registry, const char *path,
                                   enum module_rank rank, struct base_error *error)
{
    BASE_CHECK_MAGIC(registry, MODULE_REGISTRY_MAGIC);
    struct module_loaded *fresh = NULL;
    sync_mutex_lock(registry->writer);
    (void)module_reap_locked(registry);
    enum gleaner_status status = module_loaded_open(path, registry->isolate_program, &fresh, error);
    if (status == GLEANER_OK) {
        fresh->rank = rank;
        status = register_locked(registry, fresh, error);
        if (status != GLEANER_OK) {
            module_loaded_destroy(&fresh, false);
        } else {
            base_log_info("module", "event=loaded name=%s version=%s path=%s", fresh->module->name,
                          fresh->module->version, fresh->path);
        }
    }
    sync_mutex_unlock(registry->writer);
    return status;
}

enum gleaner_status module_load(struct module_registry *registry, const char *path,
                                struct base_error *error)
{
    return module_load_as(registry, path, MODULE_NAMED, error);
}

static struct module_table *table_without(const struct module_table *old, const char *name,
                                          struct module_loaded **found)
{
    *found = NULL;
    struct module_table *next = module_table_create(old->count);
    if (next == NULL) {
        return NULL;
    }
    next->count = 0;
    for (size_t i = 0; i < old->count; i++) {
        if (strcmp(old->loaded[i]->module->name, name) == 0) {
            *found = old->loaded[i];
        } else {
            next->loaded[next->count++] = old->loaded[i];
        }
    }
    return next;
}

/* Wait until nobody is inside a retired module. Progress: each round ends by a departure or by the
 * deadline. */
static bool wait_until_empty(struct module_registry *registry, struct module_loaded *loaded,
                             uint64_t deadline_ns)
{
    for (;;) {
        /* acquire: pairs with the release in module_release(); read before the look at `uses`, so
         * that a departure in between makes the futex return at once */
        uint32_t seen = atomic_load_explicit(&registry->departures, memory_order_acquire);
        if (atomic_load_explicit(&loaded->uses, memory_order_acquire) == MODULE_RETIRED) {
            return true;
        }
        if (base_mono_ns() >= deadline_ns) {
            return false;
        }
        (void)sync_futex_wait(&registry->departures, seen, deadline_ns);
    }
}

enum gleaner_status module_unload(struct module_registry *registry, const char *name,
                                  uint64_t deadline_ns, struct base_error *error)
{
    BASE_CHECK_MAGIC(registry, MODULE_REGISTRY_MAGIC);
    sync_mutex_lock(registry->writer);
    struct module_loaded *loaded = NULL;
    struct module_table *next = table_without(module_table_of_locked(registry), name, &loaded);
    enum gleaner_status status = GLEANER_OK;
    if (next == NULL) {
        status = base_error_set(error, GLEANER_E_NOMEM, "module %s: no memory", name);
    } else if (loaded == NULL) {
        free(next);
        status = base_error_set(error, GLEANER_E_NOT_FOUND, "no module \"%s\" is loaded", name);
    } else {
        module_retire_locked(registry, next, loaded);
        if (!wait_until_empty(registry, loaded, deadline_ns)) {
            status = base_error_set(error, GLEANER_E_TIMEOUT,
                                    "module \"%s\": still in use; it is closed later", name);
        }
        base_log_info("module", "event=unloaded name=%s in_use=%d", name, status != GLEANER_OK);
        (void)module_reap_locked(registry);
    }
    sync_mutex_unlock(registry->writer);
    return status;
}

enum gleaner_status module_acquire(struct module_registry *registry, const char *type,
                                   struct module_use *out)
{
    BASE_CHECK_MAGIC(registry, MODULE_REGISTRY_MAGIC);
    sync_reader_ensure();
    sync_read_lock();
    const struct module_table *table = sync_read(&registry->table);
    struct module_loaded *loaded = find_type(table, type);
    if (loaded == NULL && strcmp(type, "page") == 0) {
        loaded = find_type(table, FALLBACK_FOR_PAGE);
    }
    if (loaded != NULL) {
        /* relaxed: see struct module_loaded; the read section is what keeps it mapped until here */
        (void)atomic_fetch_add_explicit(&loaded->uses, 1, memory_order_relaxed);
    }
    sync_read_unlock();
    if (loaded == NULL) {
        return GLEANER_E_NOT_FOUND;
    }
    out->module = loaded->module;
    out->state = loaded->state;
    out->loaded = loaded;
    return GLEANER_OK;
}

void module_release(struct module_registry *registry, struct module_use *use)
{
    struct module_loaded *loaded = use->loaded;
    BASE_CHECK_MAGIC(loaded, MODULE_LOADED_MAGIC);
    memset(use, 0, sizeof *use);
    /* release: pairs with the writer's acquire look; after it the module may be gone */
    uint32_t before = atomic_fetch_sub_explicit(&loaded->uses, 1, memory_order_release);
    BASE_ASSERT((before & ~MODULE_RETIRED) != 0);
    if (before == (MODULE_RETIRED | 1)) {
        (void)atomic_fetch_add_explicit(&registry->departures, 1, memory_order_release);
        sync_futex_wake(&registry->departures, UINT32_MAX >> 1);
    }
}

size_t module_describe(struct module_registry *registry, char *out, size_t out_size)
{
    BASE_CHECK_MAGIC(registry, MODULE_REGISTRY_MAGIC);
    struct base_buffer text = {0};
    sync_mutex_lock(registry->writer); /* keeps the modules; a report may wait for a load */
    const struct module_table *table = module_table_of_locked(registry);
    for (size_t i = 0; i < table->count; i++) {
        const struct module_loaded *loaded = table->loaded[i];
        base_buffer_printf(&text, "%s %s types=", loaded->module->name, loaded->module->version);
        for (const char *const *type = loaded->module->types; *type != NULL; type++) {
            base_buffer_printf(&text, "%s%s", type == loaded->module->types ? "" : ",", *type);
        }
        base_buffer_printf(&text, " path=%s\n", loaded->path);
    }
    size_t count = table->count;
    sync_mutex_unlock(registry->writer);
    if (out_size > 0) {
        size_t len = text.data == NULL ? 0 : text.len < out_size ? text.len : out_size - 1;
        memcpy(out, text.data != NULL ? text.data : "", len);
        out[len] = '\0';
    }
    base_buffer_fini(&text);
    return count;
}
