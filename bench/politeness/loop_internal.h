/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of the server share. */
#ifndef LOOP_INTERNAL_H
#define LOOP_INTERNAL_H

#include "loop_server.h"
#include <stdatomic.h>

#define LOOP_LOG_MAX (1u << 20)
#define LOOP_CHUNK 65536u

/* Shared with the parent. Written by the server, read by the bench when nothing is on its way;
 * relaxed: the counts stand for themselves, the release of count publishes the entries. */
struct loop_shared {
    _Atomic size_t count;
    _Atomic uint32_t slow;
    _Atomic bool gate_is_open;
    uint32_t tree_pages;
    struct loop_entry log[LOOP_LOG_MAX];
};

enum loop_state { LOOP_READING, LOOP_WAITING_GATE, LOOP_DRIPPING, LOOP_POURING };

struct loop_connection {
    int fd;
    uint32_t address;
    enum loop_state state;
    enum loop_kind kind;
    uint64_t left;    /* bytes still to pour; UINT64_MAX = for ever */
    const char *pour; /* LOOP_CHUNK bytes, or fewer */
    size_t pour_len, pour_at;
    struct loop_connection *next; /* dripping, or at the gate */
    size_t used;
    char request[2048];
};

/** Decide and send (or begin) the answer to the request in connection->request. */
void loop_answer(struct loop_shared *shared, struct loop_connection *connection);
/** Send a page of the tree. */
void loop_send_page(const struct loop_shared *shared, struct loop_connection *connection,
                    uint32_t number);
/** False when the connection is over. */
bool loop_pour(struct loop_connection *connection);

#endif
