/* SPDX-License-Identifier: Apache-2.0 */
/* Inside runtime/module only: what the loader hands to the registry. */
#ifndef MODULE_INTERNAL_H
#define MODULE_INTERNAL_H

#include "module.h"

#define MODULE_LOADED_MAGIC UINT32_C(0x4d4f4455)

/* The size of version 1's struct: the least a module has to bring. */
#define MODULE_SIZE_V1 (offsetof(struct gleaner_module, close) + sizeof(void (*)(void *)))

/* Set in `uses` when the module left the table; the bits below count who is inside. */
#define MODULE_RETIRED UINT32_C(0x80000000)

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
    char *path;
    struct module_loaded *next_retired; /* writer only */
};

/** Steps from the path to an opened module that is not registered yet. Thread: the writer. */
enum gleaner_status module_loaded_open(const char *path, struct module_loaded **out,
                                       struct base_error *error);
/** Call the module's own open. */
enum gleaner_status module_loaded_start(struct module_loaded *loaded,
                                        const struct gleaner_host *host, struct base_error *error);
/** Unmap and free; `started` says whether the module's close is due first. NULL is accepted. */
void module_loaded_destroy(struct module_loaded **loaded, bool started);

/** True for a whole shared object of this machine's word size: mapping a truncated one would end
 *  the process with SIGBUS, which no dlerror() reports. */
enum gleaner_status module_check_file(const char *path, struct base_error *error);

#endif
