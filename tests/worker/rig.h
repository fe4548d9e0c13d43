/* SPDX-License-Identifier: Apache-2.0 */
/* Real rooms around the workers: the fetch engine against a misbehaving server, the embedded store
 * in a directory of its own, a module of the tests. */
#ifndef WORKER_RIG_H
#define WORKER_RIG_H

#include "http_fixture.h"
#include "worker.h"

struct rig {
    struct http_fixture http;
    char directory[64];
    struct store *store;
    struct store_queue *jobs;
    struct queue_scope *scope;
    struct queue *queue;
    struct fetch_engine *engine;
    struct module_registry *modules;
    struct worker_group *group;

    struct base_arena texts; /* what rig_script() and rig_document() give */

    /* changed by a test between rig_start() and rig_open() */
    struct fetch_options fetch;
    struct queue_options queueing;
    struct worker_options working;
    const char *tree; /* how many pages /ok?n=1 has under it, itself included */

    /* the gate: a page that comes there waits until it is opened */
    struct sync_mutex *lock;
    struct sync_cond *changed;
    int at_gate;       /* guarded by lock */
    bool gate_is_open; /* guarded by lock */
};

/** The server and default options. */
void rig_start(struct rig *rig);
/** Store, queue, modules, engine. rig_close() undoes it; the data stays for the next rig_open(). */
void rig_open(struct rig *rig);
void rig_close(struct rig *rig);
void rig_end(struct rig *rig);

/** URL of a path; of a page with that body. */
const char *rig_url(struct rig *rig, const char *path);
const char *rig_script(struct rig *rig, const char *words);
void rig_seed(struct rig *rig, const char *url);
void rig_run(struct rig *rig);
/** Wait for the end of the crawl (the test fails after 60 s) and join. */
void rig_finish(struct rig *rig);
/** Stop now and join. */
void rig_stop(struct rig *rig, uint64_t deadline_ms);
/** Seed, run, finish; *stats as they were at the end (may be NULL). */
void rig_crawl(struct rig *rig, const char *url, struct worker_stats *stats);

void rig_wait_at_gate(struct rig *rig);
void rig_open_gate(struct rig *rig);

uint64_t rig_document_count(struct rig *rig);
/** The only document whose `url` ends so, as extended JSON; NULL when there is none. */
const char *rig_document(struct rig *rig, const char *url_end);
struct store_counts rig_counts(struct rig *rig);
/** "class: reason" of the only dead job. */
const char *rig_dead(struct rig *rig);
/** How many requests of targets that start so the server saw; 0 most = of any target at most. */
size_t rig_requests(struct rig *rig, const char *target, size_t *most);

#endif
