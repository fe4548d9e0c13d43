/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rig.h
 * What the named faults share: writers with a ledger of what was acknowledged, through a gleaner_db
 * or through mongoc_client_pool alone; censuses of server, kernel and process; a trial, which is
 * one fault with one of the two; and the table of a program's faults.
 *
 * A program of faults is a table and `return rig_main(...)`:
 *     fault_x             all of its faults          fault_x NAME [SECONDS]   one of them
 *     fault_x --list      their names, one a line
 */
#ifndef FAULT_RIG_H
#define FAULT_RIG_H

#include "base.h"
#include "gleaner/db.h"
#include "gleaner/monitor.h"
#include "mongod.h"
#include "sync.h"

#define RIG_WRITERS_MAX 64
#define RIG_DATABASE "gleaner_test" /* the one that the fixture's user may write */

/* ---- a table of faults ---- */

struct rig_fault {
    const char *name;
    const char *what; /**< one line for `./dev fault list` */
    /** 0, or FIXTURE_SKIP_CODE after saying why. `seconds` is 0 unless the caller named a length.
     */
    int (*run)(uint32_t seconds);
};
int rig_main(int argc, char **argv, const struct rig_fault *faults, size_t count);
/** "met" or "MISSED", and remember it for the exit code. */
const char *rig_verdict(bool met);
int rig_exit_code(void);
void rig_sleep_ms(uint64_t ms);
/** Print why; FIXTURE_SKIP_CODE. */
int rig_skip(const char *why);

/* ---- censuses ---- */

struct rig_census {
    int server;  /**< connections with our appName, by $currentOp; -1 unknown */
    int sockets; /**< our established sockets to it, by the kernel */
    int descriptors, threads;
    long rss_kb;
};
int rig_server_census(const struct fixture_mongod *server, unsigned member, const char *prefix);
int rig_sockets_to(uint16_t port);
int rig_descriptors(void);
int rig_threads(void);
long rig_rss_kb(void);
/** All of the above; the server's connections are summed over its members that run. */
struct rig_census rig_take_census(const struct fixture_mongod *server, unsigned members,
                                  const char *prefix);

/* ---- one of the two pools ---- */

struct rig_pool {
    const char *who; /**< "gleaner" or "libmongoc" */
    struct gleaner_db *db;
    mongoc_client_pool_t *driver;
    char prefix[64]; /**< what its appNames begin with */
};
/** The application's defaults but for the sizes; `clients` of them, all connected (asserts). */
void rig_options(struct gleaner_db_options *options, const char *uri, uint32_t clients);
void rig_open_ours(struct rig_pool *pool, const struct gleaner_db_options *options);
void rig_open_theirs(struct rig_pool *pool, const char *uri, uint32_t clients);
/** Milliseconds it took. */
double rig_close(struct rig_pool *pool);

/* ---- writers ---- */

struct rig_write {
    uint64_t began_ns, took_ns; /**< all attempts */
    /** What a module saw: gleaner_db_run() that did not succeed; libmongoc's error, which has no
     *  such helper (but retryable writes on a replica set). It tries again. */
    uint32_t failures;
    bool acknowledged;
    bool on_fallback; /**< by the client that it was acknowledged through; gleaner only */
};
struct rig_writer {
    struct rig_writers *all;
    struct sync_thread *thread;
    struct rig_write *writes; /**< write k of writer t has _id t << 32 | k */
    size_t count, capacity;
    uint32_t number;
    _Atomic uint32_t epoch; /**< of the last acknowledged write: when it began; relaxed */
};
struct rig_writers {
    struct rig_pool *pool;
    const char *collection;
    uint32_t threads, pause_us;
    uint32_t patience_ms; /**< a module's: how long one write is tried */
    struct rig_writer own[RIG_WRITERS_MAX];
    _Atomic uint32_t epoch; /**< main: grows with each event that all are to survive */
    _Atomic bool must_stop, must_rest;
    _Atomic uint32_t resting;
};
void rig_write_start(struct rig_writers *writers);
/** A new epoch, and wait until each has had a write acknowledged that began in it. */
bool rig_write_all_back(struct rig_writers *writers, uint32_t limit_ms);
/** All between two writes; and on again. */
void rig_write_rest(struct rig_writers *writers);
void rig_write_resume(struct rig_writers *writers);
void rig_write_stop(struct rig_writers *writers);
void rig_write_free(struct rig_writers *writers);

struct rig_ledger {
    uint64_t writes, acknowledged, given_up; /**< given_up: not within its patience */
    uint64_t failures;                       /**< that modules saw */
    uint64_t lost;                           /**< acknowledged and not there */
    uint64_t ghosts;                         /**< given up and there all the same */
    uint64_t doubled;                        /**< there twice */
    double longest_ms, p99_ms;
};
/** Read every document back and compare. Writers are stopped, the server answers. */
struct rig_ledger rig_write_ledger(const struct rig_writers *writers, const char *uri);
/** How often each write is there, up to 2: the caller frees times[0 .. threads - 1]. */
void rig_write_found(const struct rig_writers *writers, const char *uri,
                     uint8_t *times[RIG_WRITERS_MAX]);
/** After `from_ns`: when the last writer had its first acknowledgement, ms; -1 = one never had. */
double rig_write_back_ms(const struct rig_writers *writers, uint64_t from_ns);

/* ---- a trial: one fault, one pool ---- */

struct rig_trial {
    struct fixture_mongod *server;
    struct rig_pool *pool;
    unsigned members;
    uint32_t threads, pause_us, patience_ms, warm_ms, hold_ms, back_limit_ms;
    int foreign_sockets; /**< to the server, that are not the pool's */
    void (*inject)(struct rig_trial *trial);
    void (*heal)(struct rig_trial *trial); /**< NULL = it heals by itself */
    void *ctx;
    const char *uri;       /**< for reading back; NULL = of the fixture */
    const char *their_uri; /**< for libmongoc's pool, where it is not ours */
    uint16_t port;         /**< that both connect to, where it is not the server's: a proxy's */
    bool skips_kernel;     /**< other sockets of this process go there too: no comparing */
    struct rig_writers *writers; /**< while it runs */
};
struct rig_result {
    struct rig_ledger ledger;
    struct rig_census before, after;
    double back_ms;    /**< from the healing to the last writer's first acknowledgement */
    unsigned accepted; /**< connections that the servers' logs show since the fault */
    uint64_t reconnects;
    uint64_t injected_ns, healed_ns;
    bool quiet; /**< census, kernel and our own count agreed in the end, retired generations 0 */
    char phase[16];
};
struct rig_result rig_try(struct rig_trial *trial);
void rig_print_header(const char *what);
void rig_print_result(const struct rig_trial *trial, const struct rig_result *result);
/** Nothing lost, doubled or given up, all agree in the end: what every fault asks of ours. */
void rig_judge_common(const struct rig_result *result);

/* Bars that most faults share; 0 = none. */
struct rig_bars {
    double back_ms, longest_ms;
    unsigned accepted;
    bool none_fails; /**< as seen by a module */
};
/** The trial with ours and with theirs, one after the other; printed and judged. Gives ours. */
struct rig_result rig_both(struct rig_trial *trial, const struct gleaner_db_options *options,
                           const char *title, const struct rig_bars *bars);

/* ---- one client that only the test uses, kept open ---- */

struct rig_admin;
struct rig_admin *rig_admin_open(const char *uri);
void rig_admin_close(struct rig_admin **admin);
/** Its connections to a server by the server's count: they are this process's sockets too. */
int rig_admin_sockets(const struct rig_admin *admin, const struct fixture_mongod *server);
/** A command as JSON with printf's placeholders. False on an error, which is not printed. */
bool rig_admin_run(struct rig_admin *admin, const char *database, bson_t *reply, const char *format,
                   ...) GLEANER_PRINTF(4, 5);

#endif
