/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file worker_internal.h
 * What the files of this room share. loop.c runs a thread, supply.c claims and submits, page.c
 * turns a result into documents, links and an outcome, results.c makes of them what a submission
 * shows, host.c serves the module meanwhile, document.c builds BSON, batch.c settles, held.c keeps
 * the list of jobs on lease and keeper.c prolongs them, trouble.c counts how long a store fails,
 * hosts.c carries what is known of hosts between fetchers and store, shares.c says which hosts of a
 * shared frontier are ours, revisit.c knows pages that are stored already, sitemap.c makes links of
 * sitemaps, suspects.c remembers over a crash which pages were inside a module, desk.c gives pages
 * to modules that nobody fetched.
 */
#ifndef WORKER_INTERNAL_H
#define WORKER_INTERNAL_H

#include "base.h"
#include "fetch.h"
#include "gleaner/db.h"
#include "gleaner/worker.h"
#include "module.h"
#include "queue.h"
#include "store.h"
#include "sync.h"
#include "worker.h"

#include <bson/bson.h>

/* A job on lease: from its claim until its outcome is settled. One allocation, strings behind it.
 */
struct held_job {
    struct store_job job;             /* its strings live behind this struct; immutable */
    bool is_conditional;              /* asked for with validators; set before it is submitted */
    uint64_t lease_until_ns;          /* guarded by held_list.lock */
    struct held_job *next, *previous; /* guarded by held_list.lock */
};

/* All jobs on lease of this process. */
struct held_list {
    struct sync_mutex *lock; /* protects everything here; taken under no other lock */
    struct held_job *head;
    /* writes: under lock, release when it falls; reads: any, acquire (reports, the page limit, and
     * the check for the end, which a later settle repeats) */
    _Atomic uint64_t count;
};

enum { DOCUMENT_MAX_DEPTH = 16, GROUP_MAX_COUNTERS = 64, BATCH_MAX_LINKS = 16384 };

/* A store that fails: since when, and when to ask again. One owner at a time. */
struct trouble {
    uint64_t since_ns; /* 0 = it works */
    uint64_t retry_ns; /* not before then */
};

/* A document in work and the documents of the batch: one growing buffer, each document behind the
 * last one. Offsets, not pointers, because the buffer moves when it grows. */
struct document_ref {
    size_t offset;
    uint32_t len;
    size_t collection, url; /* offsets into names; SIZE_MAX = none */
    uint8_t id[STORE_ID_BYTES];
};
struct document_list {
    uint8_t *bytes;
    size_t bytes_len;
    bson_writer_t *writer;
    struct document_ref *refs;
    size_t count, cap;
    struct base_buffer names;
    size_t offset; /* end of the last committed document */
};

/* Everything a worker has done and not settled yet. The room for outcomes is made at the start, so
 * that noting one cannot fail: a batch takes no page once it is full (batch_is_full()). */
struct batch {
    struct document_list documents;
    struct queue_links links;
    struct store_outcome *outcomes;
    struct held_job **jobs; /* jobs[i] belongs to outcomes[i] */
    size_t count, cap;
    struct store_touch *touches; /* [cap]: one page, one date at most */
    size_t touch_count;
    struct store_host *hosts; /* to be noted with it; names in the arena */
    size_t host_count, host_cap;
    struct base_arena arena;         /* classes, reasons, results */
    uint64_t result_bytes;           /* of results in the arena, and of what the tap keeps */
    size_t tapped;                   /* so many of the documents the tap has accepted */
    bool has_tapped_pages;           /* it keeps pages since the last settling */
    uint64_t oldest_ns;              /* when the first outcome came in; 0 = empty */
    struct store_document *resolved; /* of the settle under way; kept between settles */
    size_t resolved_cap;
};

struct worker_group;
struct suspects;
struct host_book;

/* One page in work: what a module knows as its task. Lives in the worker, reused. */
struct gleaner_task {
    uint32_t magic;
    struct worker *worker;
    const struct held_job *held;
    const char *module_name;
    uint64_t deadline_ns;

    bson_t *levels[DOCUMENT_MAX_DEPTH]; /* [0] is the document, or NULL when none is open */
    bson_t children[DOCUMENT_MAX_DEPTH];
    uint32_t array_index[DOCUMENT_MAX_DEPTH];
    bool is_array[DOCUMENT_MAX_DEPTH];
    int depth;
    enum gleaner_status document_status; /* of the open document: why it cannot be committed */
    size_t document_bytes;               /* upper bound of its size so far */
    struct document_ref pending;
    /* documents of this task start here: undone when the page fails */
    size_t first_document, first_offset;

    struct base_buffer links; /* NUL-separated URLs */
    struct base_buffer last_message;
    struct base_buffer repaired;
    bool noindex, nofollow;
    bool has_found, found;

    struct gleaner_client client;
    bool has_client;

    struct url_parser *urls;      /* made when something is fetched */
    struct fetch_result *fetched; /* of the last one; NULL = none */
    uint32_t fetch_count;
};
#define TASK_MAGIC UINT32_C(0x6c74736b)

/* What is stored of the jobs of a claim, in their order. */
struct visit {
    bool is_stored;
    int64_t fetched_at_ms;
    uint64_t made_by;                 /* 0 = not known */
    const char *etag, *last_modified; /* NULL = none */
};
struct visits {
    struct visit *visits;
    uint8_t (*ids)[STORE_ID_BYTES];
    size_t count;
    struct base_arena arena; /* of all three, and the texts */
};
enum stored { STORED_UNKNOWN, STORED_NOTHING, STORED_SOME };

struct worker {
    struct worker_group *group;
    uint32_t index;
    struct sync_thread *thread;
    struct gleaner_task task;
    struct batch batch;
    struct base_buffer decoded; /* charset conversion */
    struct store_jobs claimed;
    struct visits visits;
    struct trouble settling;
};

struct named_counter {
    /* a copy: the module that gave the name may be unloaded
     * writes: the first thread to use the name (compare-exchange, release); reads: acquire */
    _Atomic(char *) name;
    struct base_counter value;
};

/* writes: worker_group_configure() (any thread, relaxed); reads: workers, relaxed: each value
 * stands for itself, and late by one page is soon enough */
struct group_live {
    _Atomic uint64_t max_pages;
    _Atomic uint32_t batch_ms, prefetch, handle_ms, give_up_ms;
};

struct worker_group {
    struct worker_options options; /* what group_live has is read there */
    struct group_live live;
    struct worker *workers;
    uint32_t started;
    struct held_list held;

    /* One worker at a time supplies the fetchers. The store is not called under the lock: a claim
     * that waits for a server must not stop the others. */
    struct sync_mutex *supply_lock; /* protects the three below; taken under no other lock */
    bool is_supplying;
    uint64_t next_claim_ns;  /* when to claim again */
    uint64_t wanted_ns;      /* supply_at() said so while somebody was supplying */
    struct trouble claiming; /* of the one who supplies; handed on with is_supplying */
    enum stored stored;      /* the same: has the collection pages of before this run? */

    /* workers whose batch the store does not take: nothing is claimed meanwhile, so that what is
     * kept in memory stays bounded. relaxed: late by one claim at most */
    _Atomic uint32_t failing;

    struct sync_thread *keeper; /* prolongs leases while workers are inside modules */
    bool keeper_may_leave;      /* guarded by wait_lock */
    struct suspects *suspects;  /* NULL without a file */
    struct host_book *hosts;
    struct base_counter sitemap_urls; /* links that sitemaps added; any worker */

    /* jobs given to the engine whose result was not taken; any worker adds, relaxed: a hint for the
     * supply, exact when the group is idle because each job adds and subtracts once */
    _Atomic uint32_t in_engine;
    /* set by the supplier when the queue gave less than wanted: workers settle early, since their
     * unsettled links may be the supply. relaxed: late by one page at most */
    _Atomic bool is_hungry;
    _Atomic bool is_done;         /* release by the one who finds it; acquire by waiters */
    _Atomic uint64_t stop_ns;     /* 0 = running; else the deadline of the stop (release/acquire) */
    _Atomic bool has_given_up;    /* settling failed for good */
    struct sync_mutex *wait_lock; /* protects the waits on `changed`, and last_error */
    struct sync_cond *changed;

    struct base_counter pages, documents_new, documents_replaced, documents_spooled;
    struct base_counter documents_refused, failures[FETCH_CLASS_COUNT], module_failures;
    struct base_counter redirects, retries, postponed, poisoned, settle_errors;
    struct base_counter unchanged, fresh;
    struct base_histogram settle_ns, handle_ns;
    struct named_counter counters[GROUP_MAX_COUNTERS];
    enum gleaner_status last_status; /* guarded by wait_lock */
    char last_error[200];            /* guarded by wait_lock */
};

/* Reads of the live values. */
static inline uint64_t group_max_pages(const struct worker_group *group)
{
    return atomic_load_explicit(&group->live.max_pages, memory_order_relaxed);
}
static inline uint32_t group_live_value(const _Atomic uint32_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* loop.c */
void worker_run(void *arg);

/* supply.c */
/** Claim and submit when the fetchers want more. Returns when to call again (ns). */
uint64_t supply_fetchers(struct worker *worker, uint64_t now_ns);
/** There may be something to claim at that time: new links, a job to repeat, the end. */
void supply_at(struct worker_group *group, uint64_t when_ns);
bool group_is_stopping(const struct worker_group *group);
void group_finish(struct worker_group *group);

/* hosts.c */
struct host_book *hosts_open(void);
void hosts_close(struct host_book **book);
/** Hosts may have been another process's meanwhile: read them again. */
void hosts_forget_known(struct host_book *book);
/** Tell the fetchers what is known of the hosts of the jobs just claimed. */
enum gleaner_status hosts_recall(struct worker *worker, struct base_error *error);
/** The same for a host that a module wants something of. */
enum gleaner_status hosts_recall_one(struct worker *worker, const char *url,
                                     struct base_error *error);
/** Keep what a result says of its host for the next settle. */
void hosts_learn(struct worker *worker, const struct fetch_result *result);
/** Note what was kept; may be repeated. */
enum gleaner_status hosts_note(struct worker *worker, struct base_error *error);

/* shares.c */
void shares_note_delay(struct worker_shares *shares, uint64_t delay_ms);
/** [STORE_SHARES]: those that may be claimed of now; false = none. */
bool shares_choose(struct worker_shares *shares, bool *out);
/** Thread: keeper. Returns when to call again (ns). */
uint64_t shares_keep(struct worker_group *group);
/** Hand all on. Nothing is in work any more. */
void shares_leave(struct worker_group *group);

/* sitemap.c */
bool sitemap_is_one(const struct store_job *job);
bool sitemap_is_robots(const char *url);
/** Its links into the batch; false without memory for all of them. */
bool sitemap_process(struct worker *worker, const struct held_job *held,
                     const struct fetch_result *result);

/* revisit.c */
/** Look up what is stored of the jobs just claimed. */
void revisit_look(struct worker *worker);
enum revisit_way {
    REVISIT_FETCH, /* conditions, if any, are in the request */
    REVISIT_LEAVE  /* it stays as it is stored */
};
enum revisit_way revisit_choose(struct worker *worker, size_t index, struct fetch_request *request);
/** The links that the stored page led to, into the task; false when it is not there (any more). */
bool revisit_read_links(struct worker *worker, const struct held_job *held);
/** Its date is of today, with the batch. */
void revisit_renew(struct worker *worker, const struct held_job *held);
/** Write into the page's new document how to ask for it again. After the task is complete. */
void revisit_note(struct worker *worker, const struct held_job *held,
                  const struct fetch_result *result, const struct gleaner_module *module);

/* trouble.c */
/** The store failed: keep its words, log the first time, choose the next try; after give_up_ms
 *  without a success the group ends. True the first time. */
bool trouble_note(struct worker_group *group, struct trouble *trouble, const char *what,
                  const struct base_error *error);
/** It worked. True when it had failed before. */
bool trouble_over(struct trouble *trouble, const char *what);

/* page.c */
void page_process(struct worker *worker, struct fetch_result *result);
/** A job that killed the process again and again goes to the dead letters unseen. */
void page_bury(struct worker *worker, struct held_job *held, uint32_t crashes);
/** It is stored, and not asked for now. */
void page_leave(struct worker *worker, struct held_job *held);
/** Hand a job back untouched. */
void page_release(struct worker *worker, struct held_job *held);

/* results.c */
/** `results` of a submission, out of the documents of its task; outcome->content_found is set. */
void results_add(struct worker *worker, const struct held_job *held, struct store_outcome *outcome);

/* document.c */
void document_list_init(struct document_list *list);
void document_list_fini(struct document_list *list);
void document_list_reset(struct document_list *list);
/** Forget the documents from index `first` on, and their memory's use. */
void document_list_truncate(struct document_list *list, size_t first);
void document_task_reset(struct gleaner_task *task);
/** Append the fields of `more` to a committed document; without room or memory it stays as it is.
 */
void document_extend(struct document_list *list, size_t index, const bson_t *more);

/* batch.c */
GLEANER_MUST_CHECK enum gleaner_status batch_init(struct batch *batch, size_t cap);
void batch_fini(struct batch *batch);
/** Add one outcome; `held` goes over to the batch. */
void batch_add(struct worker *worker, struct held_job *held, const struct store_outcome *outcome);
/** At most one for each outcome. */
void batch_touch(struct batch *batch, const struct store_touch *touch);
char *batch_copy(struct batch *batch, const char *text);
/** It has as much as one settlement should have. */
bool batch_is_large(const struct worker *worker);
bool batch_is_due(const struct worker *worker, uint64_t now_ns);
/** The store does not take it and it must not grow further: no more pages for this worker. */
bool batch_is_full(const struct worker *worker);
/** When to look at it again; UINT64_MAX when it is empty. */
uint64_t batch_due_ns(const struct worker *worker);
/** Settle it; on an error it is kept and tried again later. True when it is empty now. */
bool batch_settle(struct worker *worker);
/** Its documents as the store takes them, in batch->resolved; false without memory. */
bool batch_resolve_documents(struct batch *batch);

/* held.c */
enum gleaner_status held_init(struct held_list *list);
void held_fini(struct held_list *list);
struct held_job *held_add(struct held_list *list, const struct store_job *job, uint64_t now_ns);
void held_remove(struct held_list *list, struct held_job *held);
/** Remove many at once. */
void held_remove_all(struct held_list *list, struct held_job *const *jobs, size_t count);
uint64_t held_count(const struct held_list *list);
/** Prolong every lease that has run a third of its time. */
void held_renew(struct worker_group *group, uint64_t now_ns);
/** Hand everything back to the store (the stop's deadline passed). */
void held_release_all(struct worker_group *group);

/* keeper.c */
GLEANER_MUST_CHECK enum gleaner_status keeper_start(struct worker_group *group);
void keeper_join(struct worker_group *group);

/* suspects.c */
/** Open or make the file and judge what the last process left. NULL (logged) when it cannot be had:
 *  work goes on without. */
struct suspects *suspects_open(const char *path);
void suspects_close(struct suspects **suspects);
/** How many crashes happened while this job was inside a module. Thread: [any]. */
uint32_t suspects_crashes(struct suspects *suspects, const struct store_job *job);
/** Worker `index` goes into a module with a job, and is out again, which clears the job of all
 *  suspicion. Thread: [worker]; enter is wait-free, and so is leave while nobody is suspect. */
void suspects_enter(struct suspects *suspects, uint32_t index, const struct store_job *job);
void suspects_clear(struct suspects *suspects, const struct store_job *job);
void suspects_leave(struct suspects *suspects, uint32_t index, const struct store_job *job);

/** host_fetch.c: the service `fetch`. */
enum gleaner_status host_fetch(struct gleaner_task *task, const char *url, size_t url_len,
                               uint64_t max_bytes, struct gleaner_resource *out);
/** Free what the last page's fetches left; `is_end`: the task ends, too. */
void host_fetch_reset(struct gleaner_task *task, bool is_end);

/** host_run.c: the service `run`. */
enum gleaner_status host_run(struct gleaner_task *task, uint32_t timeout_ms,
                             enum gleaner_repetition repetition, gleaner_task_operation operation,
                             void *ctx, char *why, size_t why_size);

#endif
