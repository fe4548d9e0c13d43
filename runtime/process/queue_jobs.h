/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUEUE_JOBS_H
#define QUEUE_JOBS_H

/**
 * @file queue_jobs.h
 * Inside runtime/process: looking at jobs and changing them by hand, on whatever store they are in.
 * The command does it itself (queue_command.c), or the process that works on the data directory.
 */
#include "store.h"

/* Which jobs: NULL = whatever. `url` may be a glob, `id` is the store's name of a job or its key in
 * hex, `state` one of those of store_list_jobs(). */
struct job_filter {
    const char *queue, *type, *url, *id, *state;
};

/** Walk what fits, queue by queue, at most `limit` (0 = all). `row` returns false to stop. */
typedef bool (*job_row)(void *ctx, const char *queue, const struct store_job_view *view);
GLEANER_MUST_CHECK enum gleaner_status queue_jobs_walk(struct store *store,
                                                       const struct job_filter *filter,
                                                       uint64_t limit, job_row row, void *ctx,
                                                       struct base_error *error);
/** Walk the queues that fit, with their counts. */
GLEANER_MUST_CHECK enum gleaner_status
queue_jobs_count(struct store *store, const struct job_filter *filter,
                 void (*row)(void *ctx, const char *queue, const struct store_counts *counts),
                 void *ctx, struct base_error *error);
/**
 * Change what fits: retry takes dead jobs unless the filter names a state, drop all open ones. A
 * finished crawl with a job to retry goes on with its next command.
 */
GLEANER_MUST_CHECK enum gleaner_status
queue_jobs_change(struct store *store, const struct job_filter *filter, enum store_change change,
                  uint64_t *changed, struct base_error *error);
/** Name of a job for people: the store's, else its key; `out` has STORE_JOB_ID_MAX bytes. */
void queue_jobs_name(const struct store_job *job, char out[STORE_JOB_ID_MAX]);

/* The same as lines of text between the command and the process: ACTION, then NAME=VALUE. */
void queue_jobs_write(const struct job_filter *filter, enum store_change change,
                      struct base_buffer *out);
/** Points into `text`, which is cut up. */
GLEANER_MUST_CHECK enum gleaner_status queue_jobs_read(char *text, struct job_filter *filter,
                                                       enum store_change *change,
                                                       struct base_error *error);

#endif
