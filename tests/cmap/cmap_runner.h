/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cmap_runner.h
 * Replays the CMAP specification's JSON tests on the real handle table. In unit tests the
 * connections are mocks (the format allows it), in integration tests clients of a real mongod.
 */
#ifndef CMAP_RUNNER_H
#define CMAP_RUNNER_H

#include "pool.h"

#include <bson/bson.h>

enum {
    CMAP_EVENTS_MAX = 1024,
    CMAP_HANDLES_MAX = 256,
    CMAP_THREADS_MAX = 16,
    CMAP_OPERATIONS_MAX = 64,
    CMAP_CONNECTORS = 4, /* more than any maxConnecting: the pool must hold them back */
    CMAP_WAIT_MS = 10000 /* of waitForEvent without a timeout of its own */
};

/* Who makes connections. All calls on connector or reaper threads but open and finish. */
struct cmap_connector {
    const char *name;
    /** "unit" or "integration": the style of tests it can run. */
    const char *style;
    /** Before the pool exists: set the fail point. False skips the test. */
    bool (*open)(void *ctx, const bson_t *test);
    bool (*connect)(void *ctx, const struct pool_connect_job *job, void **client);
    void (*close)(void *ctx, void *client);
    /** After the pool is gone: clear the fail point. */
    void (*finish)(void *ctx);
    void *ctx;
};
extern const struct cmap_connector cmap_mock;   /* "unit" */
extern const struct cmap_connector cmap_mongod; /* "integration" */
/** Start the server of cmap_mongod, once; false when there is no program. */
bool cmap_mongod_start(void);
void cmap_mongod_end(void);

/* A checked out connection, under its label if it has one. */
struct cmap_loan {
    char label[32];
    struct pool_handle handle;
    bool is_out;
};

/* One virtual thread: a real one with a list of operations. */
struct cmap_thread {
    struct cmap_run *run;
    char name[32];
    struct sync_thread *thread;
    bson_t *operations[CMAP_OPERATIONS_MAX];
    uint32_t scheduled, finished;
    bool is_stopping;
    enum gleaner_status error; /* the first that an operation of it met */
};

/* One test. Everything that several threads touch is guarded by `mutex`; `changed` is broadcast. */
struct cmap_run {
    const struct cmap_connector *connector;
    const bson_t *test;
    struct pool_config config;
    struct pool *pool;
    struct sync_mutex *mutex;
    struct sync_cond *changed;
    bson_t *events[CMAP_EVENTS_MAX];
    uint32_t event_count;
    struct cmap_loan loans[CMAP_HANDLES_MAX];
    uint32_t loan_count;
    struct cmap_thread threads[CMAP_THREADS_MAX];
    uint32_t thread_count;
    struct sync_thread *connectors[CMAP_CONNECTORS];
    struct sync_thread *reaper, *background;
    struct sync_parker connector_parkers[CMAP_CONNECTORS], reaper_parker, background_parker;
    int64_t background_interval_ms;
    bool is_ending;
    enum gleaner_status error; /* what the main thread met; it stops there */
    char failure[512];         /* why the test failed; empty = it did not */
};

/* cmap_event.c */
void cmap_record(void *run, const struct pool_event *event);
bool cmap_match(const bson_iter_t *expected, const bson_iter_t *actual);
/** Compare what happened with the test's error and events; fills run->failure. */
void cmap_judge(struct cmap_run *run);
const char *cmap_utf8(const bson_t *doc, const char *key);
int64_t cmap_int(const bson_t *doc, const char *key, int64_t fallback);

/* cmap_thread.c */
enum gleaner_status cmap_operate(struct cmap_run *run, const bson_t *operation);
bool cmap_start_helpers(struct cmap_run *run);
void cmap_stop_helpers(struct cmap_run *run);
void cmap_stop_threads(struct cmap_run *run);
/** Hooks of the pool. */
void cmap_wake_connectors(void *run);
void cmap_wake_reaper(void *run);

/* cmap_case.c */
/** Run one test. True when it passed; else `why` says what differed. */
bool cmap_run_case(const bson_t *test, const struct cmap_connector *connector, char *why,
                   size_t why_size);

#endif
