/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file worker.h
 * The door of runtime/worker: worker threads that join queue, fetch, modules and store.
 *
 * Each worker loops: keep the fetchers supplied (claim a batch under leases, submit), take a
 * finished page, run its module, collect documents and links, settle them in batches. A batch is
 * settled when it is full, when it is old, or when the fetchers run dry.
 */
#ifndef WORKER_ROOM_H
#define WORKER_ROOM_H

#include "base.h"
#include "fetch.h"
#include "module.h"
#include "queue.h"
#include "store.h"

struct gleaner_db;
struct worker_group;

/* Which hosts of a shared frontier belong to this process. Made before the fetch engine, which asks
 * it (fetch_options.may_start), and destroyed after it. */
struct worker_shares;
/** `delay_ms`: the configured delay between requests to a host. */
GLEANER_MUST_CHECK enum gleaner_status worker_shares_create(uint64_t delay_ms,
                                                            struct worker_shares **out);
void worker_shares_destroy(struct worker_shares **shares);
/** fetch_options.may_start with the shares as its context. Thread: [any]; wait-free. */
bool worker_shares_may_start(void *ctx, const char *name, size_t len);
/** fetch_options.unacked_ms: how long a request that was begun in time may take to arrive. */
uint32_t worker_shares_unacked_ms(uint32_t lease_ms);

/* Somebody who looks on and may object: files beside the store. Each worker calls with its own
 * index, one call at a time. */
struct worker_tap {
    /** What is about to be settled, of which `first` documents were accepted before (an attempt to
     *  settle that failed). An error is one of storage: nothing is settled, and it is called again
     *  later. */
    enum gleaner_status (*settling)(void *ctx, uint32_t worker,
                                    const struct store_document *documents, size_t first,
                                    size_t count, struct base_error *error);
    /** A page or a redirect as it came, before a module sees it. Returns the bytes that it keeps
     *  until the next settling; UINT64_MAX: it had no memory for it, and the job is repeated. */
    uint64_t (*page)(void *ctx, uint32_t worker, const struct fetch_result *result,
                     const struct store_job *job);
    void *ctx;
};

/* Pages that the collection has already, when a crawl comes to them. What is not fetched leads
 * where its document says. */
enum worker_revisit {
    WORKER_REVISIT_CONDITIONAL, /* fetched if they have changed since (ETag, Last-Modified) */
    WORKER_REVISIT_ALWAYS,      /* fetched whole */
    WORKER_REVISIT_NEVER        /* not asked for */
};

struct worker_options {
    uint32_t threads;           /* default: processors */
    struct fetch_engine *fetch; /* all borrowed */
    struct queue *queue;
    struct module_registry *modules;
    struct gleaner_db *db;  /* NULL without MongoDB */
    const char *collection; /* of crawl pages, default "pages" */
    bool markdown;
    enum worker_revisit revisit;
    uint64_t revisit_after_ms; /* with CONDITIONAL: one younger than this is not asked for */
    uint64_t settings_hash;    /* of what changes the documents that modules make of a page: one
                                  that was made with another hash is fetched whole */
    bool is_crawl;             /* redirects become links, pages are followed; ends when done */
    uint64_t max_pages;        /* 0 = no limit */
    uint64_t pages_before;     /* of it: what an earlier process has done */
    uint32_t batch_pages;      /* default 64 */
    uint64_t batch_bytes;      /* default 8 MiB */
    uint32_t batch_ms;         /* default 20: oldest page of an unsettled batch */
    uint32_t prefetch;         /* jobs held ahead of the fetchers, default 2 x max_transfers */
    uint32_t handle_ms; /* a module's deadline for one page, default 60,000 (WORKER_TIMEOUT) */
    struct worker_shares *shares; /* borrowed; the frontier is shared with other processes, and
                                     hosts belong to one at a time. NULL = it is this one's alone */
    uint64_t sitemap_urls;        /* pages that sitemaps may add in one run, default 1,000,000 */
    uint32_t give_up_ms;          /* the store failed without a break for so long: end; 0 = never */
    /* A small file of this process alone (it is locked), or NULL: which pages were inside a module
     * when the process died. A page that was there queue_max_deliveries() times is a dead letter.
     */
    const char *suspects_path;
    const char *(*setting)(void *ctx, const char *module, const char *name);
    void *setting_ctx;
    const struct worker_tap *tap; /* borrowed; NULL = nobody */
};

/** The host services given to modules: pass to module_registry_create(). */
const struct gleaner_host *worker_host(void);

GLEANER_MUST_CHECK enum gleaner_status worker_group_start(const struct worker_options *options,
                                                          struct worker_group **out,
                                                          struct base_error *error);
/* What can change while the group runs; the meaning of each as in worker_options. */
struct worker_live {
    uint64_t max_pages;
    uint32_t batch_ms, prefetch, handle_ms, give_up_ms;
};
/** Thread: [any]. Holds for the next claim, page, batch; 0 = the default, as at the start. */
void worker_group_configure(struct worker_group *group, const struct worker_live *live);
#define WORKER_SITEMAP_TYPE "sitemap"
/** Enqueue the sitemaps that robots.txt of the seeds' sites names, and their /sitemap.xml. */
GLEANER_MUST_CHECK enum gleaner_status worker_seed_sitemaps(struct queue *queue,
                                                            const char *const *seeds, size_t count,
                                                            struct base_error *error);

/** A crawl: the queue is empty and nothing is held. [any] */
bool worker_group_is_done(struct worker_group *group);
/** Wait for that, or for stop, until the deadline. False at the deadline. */
bool worker_group_wait(struct worker_group *group, uint64_t deadline_ns);
/** Stop claiming; pages in flight are finished until the deadline, the rest is released. Returns at
 *  once; never blocks. [any] */
void worker_group_request_stop(struct worker_group *group, uint64_t deadline_ns);
/** Wait for the threads, settle what is left (bounded by the stop deadline), free. */
void worker_group_join(struct worker_group **group);

struct worker_stats {
    uint64_t pages, documents_new, documents_replaced, documents_spooled, documents_refused;
    uint64_t failures[FETCH_CLASS_COUNT]; /* final ones, by class */
    uint64_t module_failures, redirects, retries, settle_errors;
    uint64_t postponed, poisoned;
    uint64_t unchanged; /* pages that were asked for and are as they are stored (304) */
    uint64_t fresh;     /* pages that were not asked for, since they are stored */
    uint64_t in_flight; /* claimed and not settled */
    uint64_t settle_p50_ns, settle_p99_ns, handle_p50_ns, handle_p99_ns;
    bool has_given_up; /* the store failed for give_up_ms: the group ended by itself */
    enum gleaner_status last_settle_status;
    char last_error[200];
};
void worker_group_read_stats(struct worker_group *group, struct worker_stats *out);
/** Named counters of modules: calls row for each. */
void worker_group_read_counters(struct worker_group *group,
                                void (*row)(void *ctx, const char *name, uint64_t value),
                                void *ctx);

/* ---- pages that were not fetched: files of a directory ---- */

/* A desk gives such pages to their module on the caller's thread. Its documents go the way of all:
 * deterministic ids, the store, or the spool behind it. */
struct worker_desk;
/** Of the options it reads modules, collection, db, handle_ms, setting, fetch (NULL: modules can
 *  fetch nothing). Thread: [owner], all. */
GLEANER_MUST_CHECK enum gleaner_status worker_desk_open(const struct worker_options *options,
                                                        struct worker_desk **out);
void worker_desk_close(struct worker_desk **desk);
/** Run the module of page->type. *found: it gave documents; they are kept until the settle.
 *  Errors: GLEANER_E_NOT_FOUND no module takes the type; GLEANER_E_INVALID the module failed, with
 *  its last words: nothing of the page is kept. */
GLEANER_MUST_CHECK enum gleaner_status worker_desk_take(struct worker_desk *desk,
                                                        const struct gleaner_page *page,
                                                        bool *found, struct base_error *error);
/**
 * What the page of worker_desk_take() came to, as a submission shows it: BSON {text: {contentFound,
 * content}, image: ..., video: ...}. Before the settle; valid until the next call on this desk.
 * NULL without memory.
 */
const uint8_t *worker_desk_results(struct worker_desk *desk, const char *type, bool found,
                                   uint32_t *len);
/** Of the documents that wait to be settled. */
size_t worker_desk_bytes(const struct worker_desk *desk);
/** Store them; after an error they are kept: call again. Errors: as of store_settle(). */
GLEANER_MUST_CHECK enum gleaner_status worker_desk_settle(struct worker_desk *desk,
                                                          struct store_queue *queue,
                                                          struct store_settled *out,
                                                          struct base_error *error);

#endif
