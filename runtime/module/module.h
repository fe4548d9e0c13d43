/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file module.h
 * The door of runtime/module: load worker modules, check their ABI, find the one for a job type,
 * unload when nobody is inside.
 */
#ifndef MODULE_H
#define MODULE_H

#include "base.h"
#include "gleaner/worker.h"
#include "sync.h"

struct module_registry;

GLEANER_MUST_CHECK enum gleaner_status module_registry_create(const struct gleaner_host *host,
                                                              struct module_registry **out);
/**
 * From now on modules are loaded into child processes of their own: `program` is
 * gleaner-module-host. handle then gives MODULE_PAGE_CRASHED for a page whose process died or was
 * killed after the task's deadline; check_out and run of the host are not to be had there.
 * Thread: [startup], before the first load. Errors: GLEANER_E_NOMEM.
 */
GLEANER_MUST_CHECK enum gleaner_status module_registry_isolate(struct module_registry *registry,
                                                               const char *program);
#define MODULE_PAGE_CRASHED ((enum gleaner_verdict)100)

/** Close and unload everything; after the last worker is joined. Runs the RCU barrier first. */
void module_registry_destroy(struct module_registry **registry);

/**
 * Load one shared object: open it (RTLD_NOW | RTLD_LOCAL), find the symbol, check size, version,
 * name and types, call open, register. A failing step undoes the earlier ones.
 *
 * Thread: [any] but a worker inside a module; loads and unloads are serialised by a lock that no
 *         reader takes. Workers may be inside other modules meanwhile.
 * Errors: GLEANER_E_NOT_FOUND no such file; GLEANER_E_INVALID not a shared object, truncated, no
 *         symbol `gleaner_module`, bad name or types; GLEANER_E_UNSUPPORTED ABI newer than ours or
 *         size too small; GLEANER_E_EXISTS the name is taken, or one of the types by another that
 * was loaded so; otherwise what the module's open returned. Each with its own message.
 */
GLEANER_MUST_CHECK enum gleaner_status module_load(struct module_registry *registry,
                                                   const char *path, struct base_error *error);
/** Load every *.so of a directory in name order; stops at the first that fails. A type that one of
 *  them takes goes to a module that module_load() was given, if that takes it, too. */
GLEANER_MUST_CHECK enum gleaner_status module_load_directory(struct module_registry *registry,
                                                             const char *directory, size_t *loaded,
                                                             struct base_error *error);

/**
 * Take a module out: from now on no worker enters it; wait until the last one has left, then close
 * it and unmap its code.
 *
 * Thread: [any] but a worker inside a module. Blocks until the deadline (real monotonic clock).
 * Errors: GLEANER_E_NOT_FOUND no module of that name; GLEANER_E_TIMEOUT somebody is still inside:
 *         the module is out of the table and stays mapped; it is closed by the next load, unload or
 *         destroy that finds it empty.
 */
GLEANER_MUST_CHECK enum gleaner_status module_unload(struct module_registry *registry,
                                                     const char *name, uint64_t deadline_ns,
                                                     struct base_error *error);

/**
 * Load each module anew whose file was replaced since; types that it takes go to the new one from
 * one moment to the next, and whoever is inside the old one finishes there. Two generations live
 * beside each other for that time: the new one's open comes before the old one's close.
 *
 * Thread: [any] but a worker inside a module. Never waits for one: see module_reap().
 * Owns:   a line for each that was replaced is appended to `report`.
 * Errors: as of module_load(), of the first that failed; GLEANER_E_INVALID also when the file was
 *         written into instead of replaced, or holds a module of another name. A module that fails
 *         keeps its old generation; the others are replaced all the same.
 */
GLEANER_MUST_CHECK enum gleaner_status module_reload_changed(struct module_registry *registry,
                                                             struct base_buffer *report,
                                                             struct base_error *error);
/** Close what was replaced or unloaded and has nobody inside any more. Returns how many are left.
 *  Thread: [any] but a worker inside a module. */
size_t module_reap(struct module_registry *registry);

/* A module on loan: it is not unloaded before module_release(). */
struct module_use {
    const struct gleaner_module *module;
    void *state;
    void *loaded; /* opaque */
};
/** The module for a job type; "page" is handled by "text". GLEANER_E_NOT_FOUND names the known
 * types through module_describe(). Thread: [any]; wait-free (one RCU read section, one counter).
 * Give it back with module_release(), on any thread. */
GLEANER_MUST_CHECK enum gleaner_status module_acquire(struct module_registry *registry,
                                                      const char *type, struct module_use *out);
void module_release(struct module_registry *registry, struct module_use *use);

/** The settings that a module asks for, NULL-terminated; NULL when it does not say (it is older
 * than the field, or works in a child process). */
const char *const *module_setting_names(const struct gleaner_module *module);
/** Call `row` for each module until it returns false. Thread: [any] but one inside a module; the
 *  lock of loads is held: `row` calls nothing of this room. */
void module_walk(struct module_registry *registry,
                 bool (*row)(void *ctx, const struct gleaner_module *module), void *ctx);

/** One line a module: name, version, types, path. Returns how many there are. */
size_t module_describe(struct module_registry *registry, char *out, size_t out_size);

#endif
