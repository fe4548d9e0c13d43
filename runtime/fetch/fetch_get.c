/* SPDX-License-Identifier: Apache-2.0 */
/* Fetch and wait: one request whose result goes to the thread that waits for it. */
#include "fetch_internal.h"
#include <stdlib.h>
#include <string.h>

enum { WAITER_OPEN, WAITER_DELIVERED, WAITER_LEFT };

/* Shared by the thread that waits and the job; who lets go last frees it. */
struct fetch_waiter {
    /* writes: the fetcher (DELIVERED), the waiting thread (LEFT); exchanges, acq_rel
     * why: the later of both sees what the earlier one did, the box above all */
    _Atomic uint32_t state;
    _Atomic uint32_t owners;
    struct fetch_box *box; /* guarded by state: written before DELIVERED, read after it */
};

static void release(struct fetch_waiter *waiter)
{
    if (atomic_fetch_sub_explicit(&waiter->owners, 1, memory_order_acq_rel) == 1) {
        free(waiter);
    }
}

void fetch_waiter_deliver(struct fetch_waiter *waiter, struct fetch_box *box)
{
    waiter->box = box;
    uint32_t before =
        atomic_exchange_explicit(&waiter->state, WAITER_DELIVERED, memory_order_acq_rel);
    if (before == WAITER_LEFT && box != NULL) {
        fetch_box_free(box);
    }
    sync_futex_wake(&waiter->state, 1);
    release(waiter);
}

static enum gleaner_status await(struct fetch_waiter *waiter, uint64_t deadline_ns,
                                 struct fetch_result **out)
{
    bool in_time = true;
    while (in_time && atomic_load_explicit(&waiter->state, memory_order_acquire) == WAITER_OPEN) {
        in_time = base_mono_ns() < deadline_ns;
        if (in_time) {
            (void)sync_futex_wait(&waiter->state, WAITER_OPEN, deadline_ns);
        }
    }
    if (!in_time && atomic_exchange_explicit(&waiter->state, WAITER_LEFT, memory_order_acq_rel) ==
                        WAITER_OPEN) {
        return GLEANER_E_TIMEOUT;
    }
    *out = waiter->box != NULL ? &waiter->box->result : NULL;
    return waiter->box != NULL ? GLEANER_OK : GLEANER_E_CLOSED;
}

enum gleaner_status fetch_get(struct fetch_engine *engine, const struct fetch_request *request,
                              uint64_t deadline_ns, struct fetch_result **out)
{
    *out = NULL;
    if (atomic_load_explicit(&engine->drain_deadline_ns, memory_order_acquire) != 0) {
        return GLEANER_E_CLOSED;
    }
    struct fetch_waiter *waiter = calloc(1, sizeof(*waiter));
    struct fetch_job *job = fetch_job_create(request);
    if (waiter == NULL || job == NULL) {
        free(waiter);
        if (job != NULL) {
            fetch_job_free(job);
        }
        return GLEANER_E_NOMEM;
    }
    atomic_store_explicit(&waiter->owners, 2, memory_order_relaxed); /* nobody else knows it yet */
    job->waiter = waiter;
    if (!fetch_job_route(engine, job)) {
        fetch_job_free(job); /* delivers nothing, and lets go of the waiter */
        release(waiter);
        return GLEANER_E_INVALID;
    }
    enum gleaner_status status = await(waiter, deadline_ns, out);
    release(waiter);
    return status;
}
