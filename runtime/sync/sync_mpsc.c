/* SPDX-License-Identifier: Apache-2.0 */
/* The intrusive many-producer single-consumer queue: liburcu's wfcqueue without its lock. */
#include "sync_internal.h"
#include <stdlib.h>
#include <urcu/wfcqueue.h>

_Static_assert(sizeof(struct sync_mpsc_node) == sizeof(struct cds_wfcq_node),
               "sync_mpsc_node stands for cds_wfcq_node");

struct sync_mpsc {
    /* the consumer's side; liburcu orders it against the producers */
    BASE_CACHE_ALIGNED struct __cds_wfcq_head head;
    /* the producers' side, on a line of its own as liburcu advises */
    BASE_CACHE_ALIGNED struct cds_wfcq_tail tail;
};

enum gleaner_status sync_mpsc_create(struct sync_mpsc **out)
{
    struct sync_mpsc *queue = aligned_alloc(BASE_CACHE_LINE, sizeof(*queue));
    if (queue == NULL) {
        return GLEANER_E_NOMEM;
    }
    __cds_wfcq_init(&queue->head, &queue->tail);
    *out = queue;
    return GLEANER_OK;
}

void sync_mpsc_destroy(struct sync_mpsc **queue)
{
    free(*queue);
    *queue = NULL;
}

void sync_mpsc_push(struct sync_mpsc *queue, struct sync_mpsc_node *node)
{
    struct cds_wfcq_node *link = (struct cds_wfcq_node *)node;
    cds_wfcq_node_init(link);
    TSAN_RELEASE(node);
    cds_wfcq_enqueue(&queue->head, &queue->tail, link);
}

struct sync_mpsc_node *sync_mpsc_pop(struct sync_mpsc *queue)
{
    struct cds_wfcq_node *link = __cds_wfcq_dequeue_nonblocking(&queue->head, &queue->tail);
    if (link == NULL || link == CDS_WFCQ_WOULDBLOCK) {
        return NULL;
    }
    TSAN_ACQUIRE(link);
    return (struct sync_mpsc_node *)link;
}
