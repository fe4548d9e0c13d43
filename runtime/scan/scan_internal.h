/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c walks, scan_list.c reads the names of one directory, scan_file.c reads one file. */
#ifndef SCAN_INTERNAL_H
#define SCAN_INTERNAL_H

#include "scan.h"

/* The names of one directory, sorted. */
struct scan_list {
    struct base_buffer bytes; /* NUL-separated */
    size_t *offsets;
    size_t count, cap;
};
void scan_list_fini(struct scan_list *list);
const char *scan_list_name(const struct scan_list *list, size_t i);
/** Read at most *room names and lower it by them; *is_cut when there are more. Hidden ones are
 *  counted and left out. `fd` stays open. */
GLEANER_MUST_CHECK enum gleaner_status scan_list_read(int fd, uint64_t *room, struct scan_list *out,
                                                      uint64_t *hidden, bool *is_cut);

enum scan_kind { SCAN_FILE, SCAN_DIRECTORY, SCAN_LINK, SCAN_SPECIAL, SCAN_NOTHING };
enum scan_kind scan_kind_of(int directory, const char *name);
/** Open a directory in another one; -1. Never through a link. */
int scan_open_directory(int directory, const char *name);
/** One of `types`, or NULL. */
const char *scan_type_of(const char *name, const char *const *types);

enum scan_read {
    SCAN_READ,
    SCAN_TOO_LARGE,
    SCAN_NO_ROOM, /* larger than what is left of the whole walk's bytes */
    SCAN_UNREADABLE,
    SCAN_NOMEM
};
/** Read a whole file; body is NUL-terminated beyond its length. */
enum scan_read scan_read_file(int directory, const char *name, uint64_t max_bytes, uint64_t room,
                              struct base_buffer *body, int64_t *modified_ms);

#endif
