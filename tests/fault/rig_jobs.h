/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rig_jobs.h
 * Jobs of the real queue, worked on through a gleaner_db while it is in trouble: claimed under a
 * lease, one document stored for each, settled; tried again until the store takes it.
 */
#ifndef FAULT_RIG_JOBS_H
#define FAULT_RIG_JOBS_H

#include "rig.h"

struct rig_jobs;
/** Submit `count` jobs and start `threads` workers on them; each job takes work_ms. */
struct rig_jobs *rig_jobs_start(struct gleaner_db *db, const char *uri, uint32_t count,
                                uint32_t threads, uint32_t work_ms);

struct rig_jobs_result {
    uint64_t submitted, completed; /**< completed by the queue's own count */
    uint64_t documents;            /**< stored; one a job */
    uint64_t settled;              /**< settlements that the store acknowledged */
    uint64_t last_done_ns;
};
/** Wait until all are done or limit_ms are over; count; end. */
struct rig_jobs_result rig_jobs_end(struct rig_jobs **jobs, uint32_t limit_ms);

#endif
