/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scan.h
 * The door of runtime/scan: the files of a directory tree, one after the other, each as bytes.
 *
 * Nothing outside of the directory is ever read: every name is opened relative to its parent's
 * descriptor and never through a symbolic link, so that neither a link nor a directory that is
 * exchanged during the walk leads out. What is no regular file is never opened. Depth, entries,
 * files and bytes are bounded; what a bound cut off is said in the statistics.
 */
#ifndef SCAN_H
#define SCAN_H

#include "base.h"

#define SCAN_MAX_DEPTH 64 /* one descriptor each */

struct scan_options {
    const char *directory;
    const char *const *types;  /* NULL-terminated, lower case without the dot; NULL = scan_types */
    uint32_t max_depth;        /* directories below each other; the named one is 0 */
    uint64_t max_files;        /* given to row */
    uint64_t max_entries;      /* names looked at */
    uint64_t max_file_bytes;   /* a larger file is left out */
    uint64_t max_bytes;        /* of all files */
    bool (*should_stop)(void); /* may be NULL */
};
/** md, txt, html, css, js, py, php */
extern const char *const scan_types[];
/** Depth 16, 100,000 files, 1,000,000 entries, 4 MiB a file, 1 GiB in all. */
void scan_options_init(struct scan_options *options);

struct scan_file {
    const char *path; /* absolute; its directory's links are resolved */
    const char *name; /* below the directory */
    const char *type; /* of scan_options.types */
    const char *body;
    size_t body_len;
    int64_t modified_ms;
};

struct scan_stats {
    uint64_t files, bytes, directories;
    uint64_t other_types; /* files of no wanted type */
    uint64_t hidden;      /* names that begin with a dot */
    uint64_t links;       /* symbolic links: none is followed */
    uint64_t special;     /* devices, sockets, pipes */
    uint64_t too_large, binary, too_deep, unreadable;
    bool is_cut; /* max_files, max_entries or max_bytes ended it */
    bool is_stopped;
};

/**
 * Walk in the order of names, files and directories alike; hidden ones are left out.
 *
 * Thread:  [any]; blocks on I/O. `row` is called on this thread; false ends the walk (is_stopped).
 * Owns:    a scan_file is borrowed until row returns.
 * Errors:  GLEANER_E_NOT_FOUND there is no such directory; GLEANER_E_INVALID it is none;
 *          GLEANER_E_IO it cannot be read; GLEANER_E_NOMEM. What cannot be read below it is
 *          counted.
 */
GLEANER_MUST_CHECK enum gleaner_status
scan_directory(const struct scan_options *options,
               bool (*row)(void *ctx, const struct scan_file *file), void *ctx,
               struct scan_stats *stats, struct base_error *error);

#endif
