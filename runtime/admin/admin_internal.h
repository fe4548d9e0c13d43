/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_INTERNAL_H
#define ADMIN_INTERNAL_H

#include "admin.h"
#include <sys/un.h>

#define ADMIN_SOCKET_NAME "gleaner.sock"

/* The socket's address by way of an open directory: a Unix socket's path holds 107 bytes, a data
 * directory's path may be longer. */
struct admin_address {
    int directory_fd;
    struct sockaddr_un socket;
};
/** False with errno when the directory cannot be opened. */
bool admin_address_open(const char *directory, struct admin_address *out);
void admin_address_close(struct admin_address *address);

/* admin_operations.c */
void admin_append_slow_text(const struct admin_sources *sources, struct base_buffer *out);
/** A member of the document: ,"shapes":[...] */
void admin_append_operations_json(const struct admin_sources *sources, struct base_buffer *out);
void admin_append_operations_metrics(const struct admin_sources *sources, struct base_buffer *out);

/** The server of the documents is away, and the local store stands in. */
bool admin_is_away(const struct admin_figures *figures);

#endif
