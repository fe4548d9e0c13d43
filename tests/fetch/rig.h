/* SPDX-License-Identifier: Apache-2.0 */
/* One engine and one misbehaving server for a test; everything ends with it. */
#ifndef FETCH_RIG_H
#define FETCH_RIG_H

#include "fetch.h"
#include "http_fixture.h"

struct rig {
    struct http_fixture http;
    struct fetch_options options;
    struct fetch_engine *engine;
};

/** Start the server and fill in options for loopback (robots.txt off); the engine comes with
 *  rig_engine(), after the test changed what it wants. */
void rig_start(struct rig *rig, unsigned hosts, enum http_fixture_tls tls);
void rig_engine(struct rig *rig);
void rig_end(struct rig *rig);

/** Submit; `user` comes back. */
void rig_submit(struct rig *rig, const char *url, void *user);
/** Take one result or fail the test after 30 s. */
struct fetch_result *rig_take(struct rig *rig);
/** Submit (following redirects) and take. */
struct fetch_result *rig_fetch(struct rig *rig, const char *url);
/** Fetch from host 0 and check class and status; frees the result. */
void rig_expect(struct rig *rig, const char *path, enum fetch_class fetch_class, int status,
                const char *reason_part);
/** URL on host i. */
const char *rig_url(struct rig *rig, unsigned host, const char *path);

#endif
