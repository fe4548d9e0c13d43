/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stand-in of a module: a struct gleaner_module of ours whose handle borrows a child. Children
 * are as many as threads were inside at once; an idle one is taken before a new one is started.
 * A module whose processes keep dying without a page done in between is started again later and
 * later (RESTART_*), so that it cannot eat a processor; the first restart costs no wait.
 */
#include "isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    RESTART_BASE_MS = 50,
    RESTART_CAP_MS = 5000,
    MAX_IDLE = 256,
    MAX_TYPES = 32,
    MAX_SETTINGS = 256
};
#define STAND_IN_MAGIC UINT32_C(0x7374616e)

struct stand_in {
    uint32_t magic;
    struct gleaner_module module; /* what the registry shows */
    char *program, *path;
    int file;                /* open for as long as children may be started: their code stays the
                                same when another file takes its place */
    struct base_buffer text; /* name, version and the lists point into it */
    const char *types[MAX_TYPES + 1], *settings[MAX_SETTINGS + 1];

    struct sync_mutex *lock; /* protects the four below; taken under no other lock */
    struct isolate_child *idle[MAX_IDLE];
    size_t idle_count;
    uint32_t deaths;   /* since the last page that was done */
    uint64_t start_ns; /* no child is started before */
};

/* ---- children ---- */

static uint64_t restart_pause_ns(uint32_t deaths)
{
    uint32_t doublings = deaths > 1 ? deaths - 2 : 0;
    uint64_t ms = deaths < 2 ? 0 : (uint64_t)RESTART_BASE_MS << (doublings < 10 ? doublings : 10);
    return (ms < RESTART_CAP_MS ? ms : RESTART_CAP_MS) * BASE_NS_PER_MS;
}

static void note_death(struct stand_in *in)
{
    sync_mutex_lock(in->lock);
    in->deaths++;
    in->start_ns = base_mono_ns() + restart_pause_ns(in->deaths);
    sync_mutex_unlock(in->lock);
}

/* Wait out the pause, unless the process stops. */
static bool await_start(struct stand_in *in, const struct gleaner_host *host,
                        struct gleaner_task *task)
{
    _Atomic uint32_t never = 0; /* nobody wakes: a sleep that looks for a stop now and then */
    for (;;) {
        sync_mutex_lock(in->lock);
        uint64_t start_ns = in->start_ns;
        sync_mutex_unlock(in->lock);
        uint64_t now_ns = base_mono_ns();
        if (now_ns >= start_ns) {
            return true;
        }
        if (host->should_stop(task)) {
            return false;
        }
        uint64_t look_ns = now_ns + RESTART_BASE_MS * BASE_NS_PER_MS;
        (void)sync_futex_wait(&never, 0, look_ns < start_ns ? look_ns : start_ns);
    }
}

static struct isolate_child *take_child(struct stand_in *in, const struct gleaner_host *host,
                                        struct gleaner_task *task)
{
    struct isolate_child *child = NULL;
    struct base_error error = {0};
    sync_mutex_lock(in->lock);
    if (in->idle_count > 0) {
        child = in->idle[--in->idle_count];
    }
    sync_mutex_unlock(in->lock);
    if (child != NULL || !await_start(in, host, task)) {
        return child;
    }
    if (isolate_child_start(in->program, in->path, in->file, &child, NULL, &error) != GLEANER_OK) {
        base_log_error("module", "event=child_not_started path=%s reason=\"%s\"", in->path,
                       error.message);
        note_death(in);
        return NULL;
    }
    return child;
}

static void give_back(struct stand_in *in, struct isolate_child *child)
{
    sync_mutex_lock(in->lock);
    in->deaths = 0;
    if (in->idle_count < MAX_IDLE) {
        in->idle[in->idle_count++] = child;
        child = NULL;
    }
    sync_mutex_unlock(in->lock);
    isolate_child_end(&child);
}

/* ---- the module that the registry shows ---- */

static enum gleaner_verdict stand_in_handle(void *state, const struct gleaner_host *host,
                                            struct gleaner_task *task,
                                            const struct gleaner_page *page)
{
    struct stand_in *in = state;
    enum gleaner_verdict verdict = GLEANER_PAGE_RETRY;
    char why[160] = "no memory for the page";
    BASE_CHECK_MAGIC(in, STAND_IN_MAGIC);
    struct isolate_child *child = take_child(in, host, task);
    if (child == NULL) {
        host->log(task, 1, "the module's process cannot be started now");
        return GLEANER_PAGE_RETRY;
    }
    enum isolate_end end = isolate_child_handle(child, host, task, page, &verdict, why, sizeof why);
    if (end == ISOLATE_ANSWERED) {
        give_back(in, child);
        return verdict;
    }
    isolate_child_end(&child);
    host->doc_abort(task);
    host->log(task, 1, why);
    if (end == ISOLATE_NO_MEMORY) {
        return GLEANER_PAGE_RETRY;
    }
    host->count(task, "module_crashes", 1);
    note_death(in);
    return MODULE_PAGE_CRASHED;
}

static void stand_in_destroy(void *state)
{
    struct stand_in *in = state;
    while (in->idle_count > 0) {
        isolate_child_end(&in->idle[--in->idle_count]);
    }
    sync_mutex_destroy(&in->lock);
    in->magic = 0;
    if (in->file >= 0) {
        (void)close(in->file);
    }
    base_buffer_fini(&in->text);
    free(in->program);
    free(in->path);
    free(in);
}

/* Texts up to the empty one that ends their list; *at = behind it. At most `max`, which is more
 * than a module has. False when the list does not end in `text`. */
static bool read_list(const struct base_buffer *text, size_t *at, const char **out, size_t max)
{
    size_t count = 0;
    while (*at < text->len) {
        const char *item = text->data + *at;
        const char *end = memchr(item, '\0', text->len - *at);
        if (end == NULL) {
            return false;
        }
        *at += (size_t)(end - item) + 1;
        if (end == item) {
            return true;
        }
        if (count < max) {
            out[count++] = item;
        }
    }
    return false;
}

static bool read_description(struct stand_in *in)
{
    const char *identity[3] = {NULL};
    size_t at = 0;
    if (!read_list(&in->text, &at, identity, 2) ||
        !read_list(&in->text, &at, in->types, MAX_TYPES)) {
        return false;
    }
    in->module.name = identity[0];
    in->module.version = identity[1] != NULL ? identity[1] : "";
    in->module.types = in->types;
    bool says_settings = at < in->text.len;
    in->module.settings = says_settings ? in->settings : NULL;
    return in->module.name != NULL && in->types[0] != NULL &&
           (!says_settings || read_list(&in->text, &at, in->settings, MAX_SETTINGS));
}

/* Above the numbers that children get: posix_spawn would overwrite it on the way to its place. */
static int open_file(const char *path)
{
    int low = open(path, O_RDONLY | O_CLOEXEC);
    int high = low >= 0 ? fcntl(low, F_DUPFD_CLOEXEC, ISOLATE_FDS) : -1;
    if (low >= 0) {
        (void)close(low);
    }
    return high;
}

enum gleaner_status isolate_open(const char *program, struct module_loaded *loaded,
                                 struct base_error *error)
{
    struct isolate_child *child = NULL;
    struct stand_in *in = calloc(1, sizeof *in);
    if (in == NULL || sync_mutex_create(&in->lock) != GLEANER_OK) {
        free(in);
        return base_error_set(error, GLEANER_E_NOMEM, "module %s: no memory", loaded->path);
    }
    in->magic = STAND_IN_MAGIC;
    in->file = -1;
    in->program = strdup(program);
    in->path = strdup(loaded->path);
    in->file = open_file(loaded->path);
    enum gleaner_status status =
        in->program == NULL || in->path == NULL
            ? base_error_set(error, GLEANER_E_NOMEM, "module %s: no memory", loaded->path)
        : in->file < 0
            ? base_error_set(error, GLEANER_E_IO, "module %s: %s", loaded->path, strerror(errno))
            : isolate_child_start(program, loaded->path, in->file, &child, &in->text, error);
    if (status == GLEANER_OK && !read_description(in)) {
        status = base_error_set(error, GLEANER_E_INVALID, "module %s: its process says no name",
                                loaded->path);
    }
    if (status != GLEANER_OK) {
        isolate_child_end(&child);
        stand_in_destroy(in);
        return status;
    }
    in->idle[in->idle_count++] = child;
    in->module.size = sizeof in->module;
    in->module.abi = GLEANER_MODULE_ABI;
    in->module.handle = stand_in_handle;
    in->module.close = stand_in_destroy;
    loaded->module = &in->module;
    loaded->state = in;
    return GLEANER_OK;
}
