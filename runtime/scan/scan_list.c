/* SPDX-License-Identifier: Apache-2.0 */
#include "scan_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void scan_list_fini(struct scan_list *list)
{
    base_buffer_fini(&list->bytes);
    free(list->offsets);
    *list = (struct scan_list){0};
}

const char *scan_list_name(const struct scan_list *list, size_t i)
{
    return list->bytes.data + list->offsets[i];
}

static bool add_name(struct scan_list *list, const char *name)
{
    if (list->count == list->cap) {
        size_t cap = list->cap != 0 ? 2 * list->cap : 64;
        size_t *more = realloc(list->offsets, cap * sizeof *more);
        if (more == NULL) {
            return false;
        }
        list->offsets = more;
        list->cap = cap;
    }
    list->offsets[list->count] = list->bytes.len;
    if (!base_buffer_append(&list->bytes, name, strlen(name) + 1)) {
        return false;
    }
    list->count++;
    return true;
}

static int compare_names(const void *a, const void *b, void *bytes)
{
    const char *names = bytes;
    return strcmp(names + *(const size_t *)a, names + *(const size_t *)b);
}

static enum gleaner_status read_names(DIR *dir, uint64_t *room, struct scan_list *out,
                                      uint64_t *hidden, bool *is_cut)
{
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (*room == 0) {
            *is_cut = true;
            break;
        }
        (*room)--;
        if (entry->d_name[0] == '.') {
            (*hidden)++;
        } else if (!add_name(out, entry->d_name)) {
            return GLEANER_E_NOMEM;
        }
    }
    return GLEANER_OK;
}

enum gleaner_status scan_list_read(int fd, uint64_t *room, struct scan_list *out, uint64_t *hidden,
                                   bool *is_cut)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* closedir() closes it */
    DIR *dir = own >= 0 ? fdopendir(own) : NULL;
    if (dir == NULL) {
        if (own >= 0) {
            (void)close(own);
        }
        return GLEANER_E_IO;
    }
    enum gleaner_status status = read_names(dir, room, out, hidden, is_cut);
    (void)closedir(dir);
    if (out->count > 1) {
        qsort_r(out->offsets, out->count, sizeof *out->offsets, compare_names, out->bytes.data);
    }
    return status;
}
