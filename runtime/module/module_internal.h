/* SPDX-License-Identifier: Apache-2.0 */
/* Inside runtime/module only: what the loader hands to the registry. */
#ifndef MODULE_INTERNAL_H
#define MODULE_INTERNAL_H

#include "module.h"
#include <sys/types.h>
#include <time.h>

#define MODULE_LOADED_MAGIC UINT32_C(0x4d4f4455)

/* The size of version 1's struct: the least a module has to bring. */
#define MODULE_SIZE_V1 (offsetof(struct gleaner_module, close) + sizeof(void (*)(void *)))

/* Set in `uses` when the module left the table; the bits below count who is inside. */
#define MODULE_RETIRED UINT32_C(0x80000000)

/* Which file: another one in its place has another inode, one that was written into another time.
 */
struct module_identity {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
};

enum module_rank {
    MODULE_NAMED, /* by its file: takes its types before */
    MODULE_FOUND  /* in a folder of them */
};

/* One loaded module. Made by the loader, freed by the registry's writer when it is retired, out of
 * every reader's sight (grace period) and nobody is inside. */
struct module_loaded {
    uint32_t magic;
    /* MODULE_RETIRED | number of loans
     * writes: module_acquire adds inside a read section (relaxed: the read section orders it before
     *         the writer's look, which comes after the grace period); module_release subtracts
     *         (release); the writer sets MODULE_RETIRED (relaxed)
     * reads:  the writer (acquire, pairs with the release: what handle did is over before close) */
    _Atomic uint32_t uses;
    /* Plain from here; written before publishing, read by anybody after. */
    void *shared_object;
    const struct gleaner_module *module;
    void *state;
    enum module_rank rank;
    bool is_stand_in;                /* `module` is ours and lives in child processes (isolate.c) */
    char *path;                      /* absolute, links resolved */
    char *given;                     /* what the caller named: a link may point elsewhere later */
    struct module_identity identity; /* of the file when it was loaded */
    struct module_loaded *next_retired; /* writer only */
};

/* Immutable once published; the writer frees it after the grace period of its successor. */
struct module_table {
    size_t count;
    struct module_loaded *loaded[]; /* in load order */
};

struct module_registry {
    uint32_t magic;
    const struct gleaner_host *host; /* borrowed; plain, never changes */
    char *isolate_program;           /* NULL = modules run here; plain, set at the start */
    /* struct module_table
     * writes: whoever holds `writer` (sync_publish); reads: any thread in a read section
     * why: the writer owns the grace period of the table it replaces */
    struct sync_published table;
    /* Counts last departures from retired modules; a futex word.
     * writes: module_release (release, then wake); reads: module_unload (acquire) before it sleeps
     * why: here and not in the module, which its unloader may free at once */
    _Atomic uint32_t departures;
    /* Serialises loads and unloads; no reader takes it. */
    struct sync_mutex *writer;
    /* Out of the table, somebody inside at the last look. Under `writer`. */
    struct module_loaded *retired;
};
#define MODULE_REGISTRY_MAGIC UINT32_C(0x4d524547)

/** A table of `count` places; NULL without memory. */
struct module_table *module_table_create(size_t count);
/** The writer's own view: nobody else publishes while it holds the lock, so no read section. */
struct module_table *module_table_of_locked(struct module_registry *registry);
/** Publish `next`, wait for the grace period, free the old table; `loaded`, which `next` does not
 *  hold any more, goes to the retired list. */
void module_retire_locked(struct module_registry *registry, struct module_table *next,
                          struct module_loaded *loaded);
/** Close what nobody is inside any more; returns how many are left. After a grace period. */
size_t module_reap_locked(struct module_registry *registry);
/** module_load() with a rank. */
enum gleaner_status module_load_as(struct module_registry *registry, const char *path,
                                   enum module_rank rank, struct base_error *error);
/** Names and types of `fresh` are free in `table` for its rank, not counting `leaving` (may be
 *  NULL). */
enum gleaner_status module_check_free(const struct module_table *table,
                                      const struct module_loaded *fresh,
                                      const struct module_loaded *leaving,
                                      struct base_error *error);

/** Steps from the path to an opened module that is not registered yet. Thread: the writer. */
enum gleaner_status module_loaded_open(const char *path, const char *isolate_program,
                                       struct module_loaded **out, struct base_error *error);
/** Call the module's own open. */
enum gleaner_status module_loaded_start(struct module_loaded *loaded,
                                        const struct gleaner_host *host, struct base_error *error);
/** Unmap and free; `started` says whether the module's close is due first. NULL is accepted. */
void module_loaded_destroy(struct module_loaded **loaded, bool started);

/** Of the file at `path` now. False with errno. */
bool module_read_identity(const char *path, struct module_identity *out);
/** True for a whole shared object of this machine's word size: mapping a truncated one would end
 *  the process with SIGBUS, which no dlerror() reports. */
enum gleaner_status module_check_file(const char *path, struct base_error *error);

#endif
