/* SPDX-License-Identifier: Apache-2.0 */
/* Counting the jobs of a store on a thread of its own: the query hangs with its server, and the
 * main thread has signals to follow and a line to paint. One query at a time; its thread ends with
 * it. */
#include "process_internal.h"
#include "sync.h"
#include <stdlib.h>

struct work_counting {
    struct sync_thread *thread; /* main's own */
    const struct work *work;
    /* written by the thread, read by main after the join */
    struct store_counts counts;
    bool is_good;
};

static void count(void *arg)
{
    struct work_counting *counting = arg;
    counting->is_good = store_count(counting->work->jobs, &counting->counts, NULL) == GLEANER_OK;
}

/* Jobs of a server that is known to be away are not asked for at all. */
static bool can_count(const struct work *work)
{
    bool is_local = work->db == NULL || work->tiered != NULL;
    return work->jobs != NULL && (is_local || gleaner_db_is_up(work->db));
}

void work_count_start(struct work *work)
{
    if (work->counting == NULL) {
        work->counting = calloc(1, sizeof *work->counting);
    }
    if (work->counting == NULL || work->counting->thread != NULL || !can_count(work)) {
        return;
    }
    work->counting->work = work;
    if (sync_thread_start(&work->counting->thread, "counting", SYNC_READER, count,
                          work->counting) != GLEANER_OK) {
        work->counting->thread = NULL; /* no count this time */
    }
}

bool work_count_take(struct work *work, uint64_t deadline_ns, struct store_counts *out,
                     bool *is_good)
{
    struct work_counting *counting = work->counting;
    if (counting == NULL || counting->thread == NULL ||
        !sync_thread_join_until(&counting->thread, deadline_ns)) {
        return false;
    }
    *out = counting->counts;
    *is_good = counting->is_good;
    return true;
}

void work_count_end(struct work *work)
{
    if (work->counting != NULL && work->counting->thread != NULL) {
        sync_thread_join(&work->counting->thread);
    }
    free(work->counting);
    work->counting = NULL;
}
