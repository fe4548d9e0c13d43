/* SPDX-License-Identifier: Apache-2.0 */
/* A driver table whose servers do as they are told, and that counts what is asked of them. */
#ifndef FAKE_DRIVER_H
#define FAKE_DRIVER_H

#include "supervisor.h"

#define FAKE_PRIMARY "fake://primary"
#define FAKE_FALLBACK "fake://fallback"

struct fake_server {
    _Atomic bool is_down;
    _Atomic bool refuses_us;     /* it answers, and new connections are not authenticated */
    _Atomic uint32_t connect_ms; /* of virtual time that a connect takes; manual worlds only */
    _Atomic bool is_silent;      /* connects block until fake_release() */
    _Atomic bool destroys_hang;  /* so do the ends of its clients */
    _Atomic bool looks_hang;     /* so do answers about its connections */
    _Atomic uint32_t connects, connect_failures, pings, looks;
    /* what it says of itself; current 0: 80 of 100 connections in use */
    struct supervisor_server_connections shown;
    enum gleaner_status shown_status;
    _Atomic int32_t clients;   /* alive */
    _Atomic int32_t endpoints; /* alive */
};
struct fake_driver {
    struct fake_server primary, fallback;
    struct base_clock *clock;  /* of the world, or NULL */
    _Atomic uint32_t released; /* futex */
    _Atomic uint32_t silent_now, destroying_now, looking_now;
};
struct supervisor_driver fake_driver_table(struct fake_driver *fake);
void fake_release(struct fake_driver *fake);
/** The driver's monitor of every endpoint of that server reports a heartbeat. */
void fake_heartbeat(struct fake_driver *fake, struct fake_server *server, bool ok);

/* A supervisor without threads on a virtual clock. */
struct fake_world {
    struct fake_driver fake;
    struct base_clock *clock;
    struct supervisor *supervisor;
    struct pool *pool;
    struct connection *connection;
};
void world_open(struct fake_world *world, void (*adjust)(struct supervisor_config *config));
void world_close(struct fake_world *world);
/** Let everything happen that is due now. */
void world_settle(struct fake_world *world);
/** Advance the clock from task to task until `ms` have passed. */
void world_pass(struct fake_world *world, uint64_t ms);
/** ... or until the phase is reached; false if it is not within `ms`. */
bool world_reach(struct fake_world *world, enum connection_phase phase, uint64_t ms);
enum connection_phase world_phase(const struct fake_world *world);
/** Check out, or status. */
enum gleaner_status world_take(struct fake_world *world, struct pool_handle *handle);
void world_report(struct fake_world *world, const struct pool_handle *handle);
struct supervisor_counts world_counts(struct fake_world *world);

#endif
