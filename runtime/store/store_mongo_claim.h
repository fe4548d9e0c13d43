/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of claiming share: store_mongo_claim.c looks and chooses, store_mongo_lease.c
 * writes. */
#ifndef STORE_MONGO_CLAIM_H
#define STORE_MONGO_CLAIM_H

#include "store_mongo_internal.h"

#define FULL_HOSTS_MAX 64

struct claiming {
    const struct mongo_op *op;
    struct mongo_queue *queue;
    const struct store_claim *how;
    struct store_jobs *out;
    uint64_t token;
    uint64_t skip; /* candidates to leave to rivals */
    /* hosts that have max_per_host jobs in this claim; strings in `scratch` */
    const char *full_hosts[FULL_HOSTS_MAX];
    size_t full_host_count;
    struct base_arena scratch;
};

struct chosen {
    const uint8_t *bson; /* inside the reply; no bson_t: those do not survive a copy */
    uint32_t bson_len;
    struct store_job job;
};
struct choice {
    struct chosen *claimed;
    size_t claimed_count;
    struct chosen *poison;
    size_t poison_count;
    size_t seen; /* candidates looked at */
};

/** Deliveries that ended with nothing: the others were either given back or are an attempt. */
uint32_t store_mongo_unended(const struct store_job *job);
/** _id: {$in: ids}. */
void store_mongo_append_ids(const struct chosen *chosen, size_t count, bson_t *filter);
/** Those of the chosen that are still open and due get our token and a lease. A job that has ended
 *  before and was opened again (the application may: status pending) begins anew. */
enum gleaner_status store_mongo_lease(struct claiming *c, const struct choice *choice,
                                      uint64_t *changed);
/** Poison: dead, with a reason. */
enum gleaner_status store_mongo_bury(struct claiming *c, const struct choice *choice);

#endif
