/* SPDX-License-Identifier: Apache-2.0 */
/* The walk: a stack of open directories instead of recursion, each with its names. */
#include "scan_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const scan_types[] = {"md", "txt", "html", "css", "js", "py", "php", NULL};

void scan_options_init(struct scan_options *options)
{
    *options = (struct scan_options){
        .types = scan_types,
        .max_depth = 16,
        .max_files = 100000,
        .max_entries = 1000000,
        .max_file_bytes = 4u << 20,
        .max_bytes = UINT64_C(1) << 30,
    };
}

struct level {
    int fd;
    struct scan_list names;
    size_t next;
    size_t path_len; /* of the directory's own path in walk.path */
};

struct walk {
    const struct scan_options *options;
    const char *const *types;
    bool (*row)(void *ctx, const struct scan_file *file);
    void *ctx;
    struct scan_stats *stats;
    uint64_t entries_left;
    struct level levels[SCAN_MAX_DEPTH + 1];
    size_t depth; /* how many levels are open */
    size_t root_len;
    struct base_buffer path, body;
};

/* Takes `fd`. */
static enum gleaner_status enter(struct walk *w, int fd)
{
    struct level *level = &w->levels[w->depth];
    *level = (struct level){.fd = fd, .path_len = w->path.len};
    w->depth++;
    w->stats->directories++;
    return scan_list_read(fd, &w->entries_left, &level->names, &w->stats->hidden,
                          &w->stats->is_cut);
}

static void leave(struct walk *w)
{
    struct level *level = &w->levels[--w->depth];
    scan_list_fini(&level->names);
    (void)close(level->fd);
}

/* The path of `name` in the innermost directory into walk.path. */
static bool set_path(struct walk *w, const char *name)
{
    const struct level *level = &w->levels[w->depth - 1];
    w->path.len = level->path_len;
    bool is_root = w->path.len == 1 && w->path.data[0] == '/';
    return (is_root || base_buffer_append_char(&w->path, '/')) &&
           base_buffer_append(&w->path, name, strlen(name) + 1) && w->path.len-- > 0;
}

static enum gleaner_status walk_into(struct walk *w, const char *name)
{
    uint32_t limit =
        w->options->max_depth < SCAN_MAX_DEPTH ? w->options->max_depth : SCAN_MAX_DEPTH;
    if (w->depth > limit) {
        w->stats->too_deep++;
        return GLEANER_OK;
    }
    int fd = scan_open_directory(w->levels[w->depth - 1].fd, name);
    if (fd < 0) {
        w->stats->unreadable++;
        return GLEANER_OK;
    }
    enum gleaner_status status = enter(w, fd);
    if (status == GLEANER_E_IO) {
        w->stats->unreadable++;
        status = GLEANER_OK;
    }
    return status;
}

static void give(struct walk *w, const char *type, int64_t modified_ms)
{
    const struct scan_file file = {
        .path = w->path.data,
        .name = w->path.data + w->root_len,
        .type = type,
        .body = w->body.data,
        .body_len = w->body.len,
        .modified_ms = modified_ms,
    };
    w->stats->files++;
    w->stats->bytes += w->body.len;
    if (!w->row(w->ctx, &file)) {
        w->stats->is_stopped = true;
    }
}

static enum gleaner_status take_file(struct walk *w, const char *name)
{
    struct scan_stats *stats = w->stats;
    const char *type = scan_type_of(name, w->types);
    int64_t modified_ms = 0;
    if (type == NULL) {
        stats->other_types++;
        return GLEANER_OK;
    }
    if (stats->files >= w->options->max_files) {
        stats->is_cut = true;
        return GLEANER_OK;
    }
    switch (scan_read_file(w->levels[w->depth - 1].fd, name, w->options->max_file_bytes,
                           w->options->max_bytes - stats->bytes, &w->body, &modified_ms)) {
    case SCAN_NOMEM:
        return GLEANER_E_NOMEM;
    case SCAN_TOO_LARGE:
        stats->too_large++;
        break;
    case SCAN_NO_ROOM:
        stats->is_cut = true;
        break;
    case SCAN_UNREADABLE:
        stats->unreadable++;
        break;
    case SCAN_READ:
        if (memchr(w->body.data, '\0', w->body.len) != NULL) {
            stats->binary++; /* whatever its name says */
        } else {
            give(w, type, modified_ms);
        }
        break;
    }
    return GLEANER_OK;
}

static enum gleaner_status take(struct walk *w, const char *name)
{
    if (!set_path(w, name)) {
        return GLEANER_E_NOMEM;
    }
    switch (scan_kind_of(w->levels[w->depth - 1].fd, name)) {
    case SCAN_DIRECTORY:
        return walk_into(w, name);
    case SCAN_FILE:
        return take_file(w, name);
    case SCAN_LINK:
        w->stats->links++;
        break;
    case SCAN_SPECIAL:
        w->stats->special++;
        break;
    case SCAN_NOTHING:
        w->stats->unreadable++;
        break;
    }
    return GLEANER_OK;
}

/* What was cut by the number of entries still gives what was listed. */
static bool is_over(const struct walk *w)
{
    const struct scan_options *o = w->options;
    return w->stats->is_stopped ||
           (w->stats->is_cut &&
            (w->stats->files >= o->max_files || w->stats->bytes >= o->max_bytes)) ||
           (o->should_stop != NULL && o->should_stop());
}

static enum gleaner_status run(struct walk *w)
{
    enum gleaner_status status = GLEANER_OK;
    while (status == GLEANER_OK && w->depth > 0) {
        struct level *level = &w->levels[w->depth - 1];
        if (is_over(w)) {
            w->stats->is_stopped |= !w->stats->is_cut;
            break;
        }
        if (level->next == level->names.count) {
            leave(w);
        } else {
            status = take(w, scan_list_name(&level->names, level->next++));
        }
    }
    return status;
}

/* The directory itself may be named through links; below it none is followed. */
static enum gleaner_status open_root(struct walk *w, int *fd, struct base_error *error)
{
    const char *directory = w->options->directory;
    char *real = realpath(directory, NULL);
    *fd = real != NULL ? scan_open_directory(AT_FDCWD, real) : -1;
    if (*fd < 0) {
        int saved = errno;
        free(real);
        return base_error_set(error,
                              saved == ENOENT    ? GLEANER_E_NOT_FOUND
                              : saved == ENOTDIR ? GLEANER_E_INVALID
                                                 : GLEANER_E_IO,
                              "cannot scan %s: %s", directory, strerror(saved));
    }
    bool is_kept = base_buffer_append_str(&w->path, real);
    w->root_len = w->path.len + (w->path.len > 1 ? 1 : 0);
    free(real);
    return is_kept ? GLEANER_OK : GLEANER_E_NOMEM;
}

enum gleaner_status scan_directory(const struct scan_options *options,
                                   bool (*row)(void *ctx, const struct scan_file *file), void *ctx,
                                   struct scan_stats *stats, struct base_error *error)
{
    int fd = -1;
    *stats = (struct scan_stats){0};
    struct walk *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory to scan a directory");
    }
    w->options = options;
    w->types = options->types != NULL ? options->types : scan_types;
    w->row = row;
    w->ctx = ctx;
    w->stats = stats;
    w->entries_left = options->max_entries;
    enum gleaner_status status = open_root(w, &fd, error);
    if (status == GLEANER_OK) {
        status = enter(w, fd);
        fd = -1;
        status = status == GLEANER_OK ? run(w) : status;
        if (status != GLEANER_OK) {
            status = base_error_set(error, status, "cannot scan %s: %s", options->directory,
                                    status == GLEANER_E_NOMEM ? "no memory" : strerror(errno));
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    while (w->depth > 0) {
        leave(w);
    }
    base_buffer_fini(&w->path);
    base_buffer_fini(&w->body);
    free(w);
    return status;
}
