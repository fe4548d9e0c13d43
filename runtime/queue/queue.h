/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file queue.h
 * The door of runtime/queue: policy over a store_queue. Which links are in scope, which were seen,
 * how many jobs are held, when a failure is retried and when it is a dead letter.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include "base.h"
#include "store.h"

/* ---- scope: which links a crawl follows
 * ------------------------------------------------------------ */

struct queue_scope_options {
    const char *const *seeds; /* normalised URLs */
    size_t seed_count;
    /* scheme, host and port of a seed, or https for http on standard ports (default true unless
     * include given) */
    bool same_host;
    const char *const
        *include; /* globs over the whole URL: `*` any, `?` one; a link must match one */
    size_t include_count;
    const char *const *exclude;
    size_t exclude_count;
    /* The same as POSIX extended regular expressions, which match anywhere in the URL unless
     * anchored. No back-references: they take exponential time. A link must match one of all
     * includes, globs and expressions together. */
    const char *const *include_regex;
    size_t include_regex_count;
    const char *const *exclude_regex;
    size_t exclude_regex_count;
    uint32_t max_date_ahead_days; /* a calendar's page so far in the future is a trap; default 730,
                                     UINT32_MAX = none is */
    uint32_t max_depth;           /* UINT32_MAX = none */
    uint32_t max_url_bytes;       /* default 2,048 */
    uint32_t max_path_repeats;    /* the same path segment so often is a trap; default 4 */
};
struct queue_scope;
GLEANER_MUST_CHECK enum gleaner_status queue_scope_create(const struct queue_scope_options *options,
                                                          struct queue_scope **out,
                                                          struct base_error *error);
void queue_scope_destroy(struct queue_scope **scope);
/** May this normalised URL at this depth be followed? Thread: [any]; pure. */
bool queue_scope_allows(const struct queue_scope *scope, const char *url, size_t len,
                        uint32_t depth);
/** `*` and `?` globs, linear time. Thread: [any]. */
bool queue_glob_match(const char *glob, const char *text, size_t len);

/* ---- the queue
 * --------------------------------------------------------------------------------------- */

struct queue;

struct queue_options {
    struct store_queue *store;       /* borrowed */
    const struct queue_scope *scope; /* borrowed; NULL for submissions */
    const char *owner;               /* copied */
    uint32_t lease_ms;               /* default 60,000 */
    uint32_t max_attempts;           /* default 4 */
    uint32_t max_deliveries; /* default 5: claimed so often without an outcome it is poison */
    uint32_t retry_base_ms;  /* default 1,000, full jitter, doubled each attempt */
    uint32_t retry_cap_ms;   /* default 300,000 */
    uint64_t max_pages;      /* unused: runtime/worker keeps the limit, it knows what is a page */
    /* Budgets against sites without an end; 0 = none. What was refused is refused for this run. */
    uint64_t max_host_pages;     /* URLs of one scheme, host and port */
    uint64_t max_query_variants; /* URLs that differ by their query alone */
    uint64_t max_date_variants;  /* URLs that differ by a date alone */
    size_t seen_keys; /* size of the in-memory filter, default 393,216 (4 MiB), 1,048,576 (16 MiB)
                         with budgets */
};
/** With budgets, what is in the store already is counted first: one walk over its jobs. */
GLEANER_MUST_CHECK enum gleaner_status queue_create(const struct queue_options *options,
                                                    struct queue **out);
void queue_destroy(struct queue **queue);
/* What can change while it is in use; the meaning as in queue_options, 0 = the default. */
struct queue_live {
    uint32_t max_attempts, retry_base_ms, retry_cap_ms;
};
/** Thread: [any]. Holds for failures from now on. */
void queue_configure(struct queue *queue, const struct queue_live *live);

/** Key of a crawl job / of a submission. */
uint64_t queue_key_of_url(const char *url, size_t len);
uint64_t queue_key_of_submission(const char *type, const char *url);

/** Enqueue seeds (scope is not asked). [any] */
GLEANER_MUST_CHECK enum gleaner_status queue_seed(struct queue *queue, const char *const *urls,
                                                  size_t count, const char *type,
                                                  uint64_t *inserted, struct base_error *error);

/* The links of one batch, each once. Zero-initialised is empty and valid; one thread's own. */
struct queue_links {
    struct store_job *jobs;
    size_t count, cap;
    struct base_arena arena;
    struct base_keyset keys; /* of this batch */
    bool is_ready;
    bool failed; /* a link was lost for want of memory since the last reset */
};
/**
 * Add a link if it is in scope, new to this batch, and not in the seen-filter. Keys enter the
 * seen-filter only when queue_settle() has stored them: a link of a page that is done again after
 * a failure is never lost. Thread: [any]; takes the filter's lock briefly. `via` as in store_job,
 * "" for none. True when it was added.
 */
bool queue_links_add(struct queue *queue, struct queue_links *links, const char *url, size_t len,
                     uint32_t depth, const char *via);
/** Is it in the scope of this queue? Always, where there is none. Thread: [any]; pure. */
bool queue_is_in_scope(const struct queue *queue, const char *url, size_t len, uint32_t depth);
/** The same for a sitemap: the scope is not asked, and it is no duplicate of a page of that URL. */
bool queue_links_add_sitemap(struct queue *queue, struct queue_links *links, const char *url,
                             size_t len, uint32_t depth);
void queue_links_reset(struct queue_links *links);
void queue_links_fini(struct queue_links *links);

/** Claim up to max jobs. GLEANER_OK with none = nothing due now. `shares` as in store_claim. */
GLEANER_MUST_CHECK enum gleaner_status queue_claim(struct queue *queue, uint32_t max,
                                                   const bool *shares, struct store_jobs *out,
                                                   struct base_error *error);

/** Decide what becomes of a failed job: retry with back-off or dead letter. `permanent`: no retry
 *  can help; `retry_after_ms`: the server's wish, 0 = none. Fills *out except class and reason. */
void queue_decide_failure(struct queue *queue, const struct store_job *job, bool permanent,
                          uint64_t retry_after_ms, struct store_outcome *out);

/** Settle a batch and account for it. On an error the caller keeps the batch and repeats. */
GLEANER_MUST_CHECK enum gleaner_status queue_settle(struct queue *queue,
                                                    const struct store_settlement *settlement,
                                                    struct store_settled *out,
                                                    struct base_error *error);
struct queue_stats {
    uint64_t claimed, settled, retried, dead, released, links_offered, links_new, stale;
    uint64_t links_over_budget;
    uint64_t held; /* claimed and not settled: what a crash would refetch at most */
};
void queue_read_stats(const struct queue *queue, struct queue_stats *out);
struct store_queue *queue_store(const struct queue *queue);
uint32_t queue_lease_ms(const struct queue *queue);
const char *queue_owner(const struct queue *queue);
uint32_t queue_max_deliveries(const struct queue *queue);

#endif
