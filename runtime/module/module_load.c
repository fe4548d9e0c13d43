/* SPDX-License-Identifier: Apache-2.0 */
/* From a path to a checked module: open, find the symbol, check size, version, name, types. */
#include "isolate.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TYPES 32
#define MAX_NAME 31

/* [a-z0-9_]{1,31}, for names and job types alike: they end up in settings, metrics and queries. */
static bool is_word(const char *text)
{
    size_t len = 0;
    for (; text != NULL && text[len] != '\0' && len <= MAX_NAME; len++) {
        char c = text[len];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
            return false;
        }
    }
    return len >= 1 && len <= MAX_NAME;
}

/* How many bytes the shared object really holds under that symbol; 0 when it is no data. What a
 * module claims in `size` is only believed up to here. */
static size_t symbol_size(const void *address)
{
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    if (dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL) {
        return 0;
    }
    return (symbol->st_info & 0xf) == STT_OBJECT ? symbol->st_size : 0;
}

static enum gleaner_status check_abi(const struct gleaner_module *module, const char *path,
                                     struct base_error *error)
{
    size_t present = symbol_size(module);
    if (present < sizeof module->size + sizeof module->abi) {
        return base_error_set(
            error, GLEANER_E_INVALID,
            "module %s: the symbol " GLEANER_MODULE_SYMBOL " is no struct gleaner_module", path);
    }
    if (module->abi == 0 || module->abi > GLEANER_MODULE_ABI) {
        return base_error_set(error, GLEANER_E_UNSUPPORTED,
                              "module %s: built for ABI version %u, this process knows 1 to %u",
                              path, (unsigned)module->abi, (unsigned)GLEANER_MODULE_ABI);
    }
    if (module->size < MODULE_SIZE_V1 || present < module->size) {
        return base_error_set(error, GLEANER_E_UNSUPPORTED,
                              "module %s: its struct gleaner_module has %zu bytes (%zu in the "
                              "file), version %u needs %zu",
                              path, module->size, present, (unsigned)module->abi,
                              (size_t)MODULE_SIZE_V1);
    }
    return GLEANER_OK;
}

static enum gleaner_status check_types(const struct gleaner_module *module, const char *path,
                                       struct base_error *error)
{
    size_t count = 0;
    for (; module->types != NULL && module->types[count] != NULL; count++) {
        if (count >= MAX_TYPES) {
            return base_error_set(error, GLEANER_E_INVALID,
                                  "module %s: more than %d types (is the list NULL-terminated?)",
                                  path, MAX_TYPES);
        }
        if (!is_word(module->types[count])) {
            return base_error_set(error, GLEANER_E_INVALID,
                                  "module %s: type number %zu is not of the form [a-z0-9_]{1,31}",
                                  path, count + 1);
        }
    }
    if (count == 0) {
        return base_error_set(error, GLEANER_E_INVALID, "module %s: takes no job type", path);
    }
    return GLEANER_OK;
}

static enum gleaner_status check_content(const struct gleaner_module *module, const char *path,
                                         struct base_error *error)
{
    if (!is_word(module->name)) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "module %s: its name is not of the form [a-z0-9_]{1,31}", path);
    }
    if (module->version == NULL) {
        return base_error_set(error, GLEANER_E_INVALID, "module %s: has no version", path);
    }
    if (module->handle == NULL) {
        return base_error_set(error, GLEANER_E_INVALID, "module %s: has no handle function", path);
    }
    return check_types(module, path, error);
}

/* The linker knows shared objects by name: under the name of one that is loaded it gives that one,
 * whatever file has taken its place. So each generation gets its own name of the same file,
 * directory/././module.so, and debuggers still find it. False without memory. */
#define MAX_GENERATIONS 64 /* at once: a generation ends when its last page is done */

static bool choose_name(const char *path, char **out)
{
    const char *base = strrchr(path, '/') + 1; /* absolute */
    struct base_buffer name = {0};
    base_buffer_append(&name, path, (size_t)(base - path));
    bool is_free = false;
    for (int i = 0; i < MAX_GENERATIONS && !is_free && !name.failed; i++) {
        size_t len = name.len;
        base_buffer_append_str(&name, base);
        void *loaded = name.failed ? NULL : dlopen(name.data, RTLD_NOW | RTLD_NOLOAD);
        is_free = loaded == NULL;
        if (loaded != NULL) {
            (void)dlclose(loaded);
            name.len = len;
            base_buffer_append_str(&name, "./");
        }
    }
    /* The file itself is loaded, under whatever name: the linker gives it once more. */
    *out = name.failed ? NULL : strdup(is_free ? name.data : path);
    base_buffer_fini(&name);
    return *out != NULL;
}

static enum gleaner_status open_and_check(struct module_loaded *loaded, struct base_error *error)
{
    const char *path = loaded->path;
    char *name = NULL;
    enum gleaner_status status = module_check_file(path, error);
    if (status != GLEANER_OK) {
        return status;
    }
    if (!module_read_identity(path, &loaded->identity) || !choose_name(path, &name)) {
        return base_error_set(error, GLEANER_E_IO, "module %s: cannot be opened", path);
    }
    loaded->shared_object = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    free(name);
    if (loaded->shared_object == NULL) {
        const char *reason = dlerror();
        return base_error_set(error, GLEANER_E_INVALID, "module %s: cannot be loaded: %s", path,
                              reason != NULL ? reason : "no reason given");
    }
    loaded->module = dlsym(loaded->shared_object, GLEANER_MODULE_SYMBOL);
    if (loaded->module == NULL) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "module %s: a shared object, but it exports no symbol "
                              "\"" GLEANER_MODULE_SYMBOL "\"",
                              path);
    }
    status = check_abi(loaded->module, path, error);
    return status == GLEANER_OK ? check_content(loaded->module, path, error) : status;
}

/* As named, links unresolved, but whatever the working directory becomes. NULL without memory. */
static char *absolute(const char *path)
{
    char *out = NULL;
    char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
    if (here == NULL) {
        return strdup(path);
    }
    if (asprintf(&out, "%s/%s", here, path) < 0) {
        out = NULL;
    }
    free(here);
    return out;
}

static enum gleaner_status open_stand_in(struct module_loaded *loaded, const char *program,
                                         struct base_error *error)
{
    enum gleaner_status status = module_check_file(loaded->path, error);
    if (status == GLEANER_OK && !module_read_identity(loaded->path, &loaded->identity)) {
        status = base_error_set(error, GLEANER_E_IO, "module %s: cannot be opened", loaded->path);
    }
    status = status == GLEANER_OK ? isolate_open(program, loaded, error) : status;
    loaded->is_stand_in = status == GLEANER_OK;
    return status;
}

enum gleaner_status module_loaded_open(const char *path, const char *isolate_program,
                                       struct module_loaded **out, struct base_error *error)
{
    struct module_loaded *loaded = calloc(1, sizeof *loaded);
    /* Absolute, so that dlopen() never goes looking in the library path. */
    char *real = realpath(path, NULL);
    if (loaded != NULL) {
        loaded->magic = MODULE_LOADED_MAGIC;
        loaded->path = real != NULL ? real : strdup(path);
        loaded->given = absolute(path);
    }
    if (loaded == NULL || loaded->path == NULL || loaded->given == NULL) {
        free(loaded == NULL ? real : NULL);
        module_loaded_destroy(&loaded, false);
        return base_error_set(error, GLEANER_E_NOMEM, "module %s: no memory", path);
    }
    enum gleaner_status status = isolate_program != NULL
                                     ? open_stand_in(loaded, isolate_program, error)
                                     : open_and_check(loaded, error);
    if (status != GLEANER_OK) {
        module_loaded_destroy(&loaded, false);
        return status;
    }
    *out = loaded;
    return GLEANER_OK;
}

enum gleaner_status module_loaded_start(struct module_loaded *loaded,
                                        const struct gleaner_host *host, struct base_error *error)
{
    if (loaded->module->open == NULL) {
        return GLEANER_OK;
    }
    enum gleaner_status status = loaded->module->open(host, &loaded->state);
    if (status != GLEANER_OK) {
        return base_error_set(error, status, "module %s: its open function failed: %s",
                              loaded->path, gleaner_status_name(status));
    }
    return GLEANER_OK;
}

void module_loaded_destroy(struct module_loaded **loaded_ptr, bool started)
{
    struct module_loaded *loaded = *loaded_ptr;
    *loaded_ptr = NULL;
    if (loaded == NULL) {
        return;
    }
    BASE_CHECK_MAGIC(loaded, MODULE_LOADED_MAGIC);
    if ((started || loaded->is_stand_in) && loaded->module->close != NULL) {
        loaded->module->close(loaded->state);
    }
    if (loaded->shared_object != NULL) {
        dlclose(loaded->shared_object);
    }
    loaded->magic = 0;
    free(loaded->path);
    free(loaded->given);
    free(loaded);
}
