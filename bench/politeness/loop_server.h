/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file loop_server.h
 * An HTTP server for benches, as a child process: one epoll loop on all of 127.0.0.0/8, so that
 * each address is a host of its own, and a log of arrivals in shared memory.
 *
 *   /p/N       a page of 300 bytes with links to N * 2 + 1 and N * 2 + 2, below `tree_pages`
 *   /gate      the same as /p/0, held back until loop_server_open_gate()
 *   /slow      headers, then one byte a second
 *   /throttle  the first time at each address 429 with Retry-After: 3, then a page
 *   /chunked   a body of 1 GB in chunks      /bomb     1 GB of zeros, gzipped
 *   /headers   headers without an end
 */
#ifndef LOOP_SERVER_H
#define LOOP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum loop_kind { LOOP_PAGE, LOOP_GATE, LOOP_SLOW, LOOP_THROTTLE, LOOP_HOSTILE, LOOP_OTHER };

struct loop_entry {
    uint64_t ns;      /* CLOCK_MONOTONIC when the request was read */
    uint32_t address; /* host order */
    enum loop_kind kind;
};
struct loop_server {
    pid_t pid;
    uint16_t port;
    struct loop_shared *shared;
};

/** Once, before the start, for /bomb: takes some seconds. */
bool loop_server_make_bomb(void);
bool loop_server_start(struct loop_server *server, uint32_t tree_pages);
void loop_server_end(struct loop_server *server);
size_t loop_server_count(const struct loop_server *server);
const struct loop_entry *loop_server_log(const struct loop_server *server);
void loop_server_clear(struct loop_server *server); /* nothing may be on its way */
void loop_server_open_gate(struct loop_server *server, bool is_open);
uint32_t loop_server_slow(const struct loop_server *server); /* connections in /slow now */

#endif
