/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMCPY_HOST_H
#define MEMCPY_HOST_H

#include "gleaner/worker.h"

/* A host that appends every field to one buffer in BSON's layout, and nothing else: what a document
 * costs at least. The task is a struct memcpy_sink. */
struct memcpy_sink {
    char *data;
    size_t len, cap;
    unsigned index; /* of the next array element */
    bool in_array;
    uint64_t documents, links, bytes, tree_passes;
};
extern const struct gleaner_host memcpy_host;

#endif
