/* SPDX-License-Identifier: Apache-2.0 */
/* What the suites on connecting share: servers that are none, a name server of their own, a gleaner
 * that tries to connect, certificates. */
#ifndef CONNECT_RIG_H
#define CONNECT_RIG_H

#include "../db/db_fixture.h"
#include <stdint.h>

/** Bound and listening on 127.0.0.1; nobody accepts. `backlog` 0: the second SYN is dropped. */
int rig_listen(uint16_t *port, int backlog);

/** A db that has time limits short enough for a test; the caller closes it. */
struct gleaner_db *rig_open(const char *uri);
/** Wait until the state's reason contains `words`; prints the last reason when it does not come. */
bool rig_says(struct gleaner_db *db, const char *words);

/**
 * This process gets a loopback of its own, where 127.0.0.1:53 is the only name server. Returns its
 * UDP socket; -1 when the kernel does not let us (not root): then skip.
 */
int rig_own_name_server(void);

/** Certificates in a fresh folder, by openssl: ca.pem, server.pem (for 127.0.0.1), other.pem (a CA
 *  of somebody else). False: no openssl. */
bool rig_make_certificates(char folder[64]);
void rig_remove_certificates(const char *folder);

#endif
