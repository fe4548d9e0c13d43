/* SPDX-License-Identifier: Apache-2.0 */
/* One crawl: crawl_frontier.c says what it is and opens its frontier, crawl.c is its course. */
#ifndef CRAWL_INTERNAL_H
#define CRAWL_INTERNAL_H

#include "process_internal.h"

/* Main's own. */
struct crawl {
    struct work work;
    struct progress progress;
    const char **seeds; /* normalised, sorted */
    size_t seed_count;
    struct base_arena arena;
    char name[48]; /* crawl/<id> */
    bool is_resumed;
    bool has_met_server; /* it was up at some time of this run */
};

GLEANER_MUST_CHECK enum gleaner_status
crawl_read_seeds(struct crawl *crawl, const struct settings *settings, struct base_error *error);
/** After the seeds and the stores. */
GLEANER_MUST_CHECK enum gleaner_status crawl_find_name(struct crawl *crawl,
                                                       struct base_error *error);
/** Where the crawl is known and its frontier lives. */
struct store *crawl_home(const struct crawl *crawl);
/** Resume an unfinished crawl of this name; a finished one, or --fresh, starts anew. */
GLEANER_MUST_CHECK enum gleaner_status crawl_open_frontier(struct crawl *crawl,
                                                           struct base_error *error);
/** A limit is the crawl's: what was stored before an interruption counts. */
GLEANER_MUST_CHECK enum gleaner_status crawl_count_pages_before(struct crawl *crawl,
                                                                struct base_error *error);

#endif
