/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_POKE_H
#define SUPERVISOR_POKE_H

#include "base.h"
#include <stdbool.h>

/**
 * Does anybody answer at one of these addresses ("host:port,host:port/db")? Connects, says hello
 * and waits for a first byte or for the other side to hang up (one that wants TLS does). A frozen
 * server accepts and stays silent: false. An address without a port (mongodb+srv): false.
 *
 * Thread: [connector]. Blocks for timeout_ms per address, and for names in the resolver.
 */
bool poke(const char *address, uint32_t timeout_ms);

#endif
