/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap of deadlines. One system call less per transfer than timers of the kernel, and
 * cheaper than libcurl's own time-outs, which it looks at on every progress. */
#include "fetch_internal.h"
#include <stdlib.h>

static void put(struct fetch_timers *t, size_t at, struct fetch_timer *timer)
{
    t->heap[at] = timer;
    timer->index = at + 1;
}

static void sift_up(struct fetch_timers *t, size_t at)
{
    struct fetch_timer *timer = t->heap[at];
    while (at > 0 && t->heap[(at - 1) / 2]->at_ns > timer->at_ns) {
        put(t, at, t->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(t, at, timer);
}

static void sift_down(struct fetch_timers *t, size_t at)
{
    struct fetch_timer *timer = t->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= t->count) {
            break;
        }
        if (child + 1 < t->count && t->heap[child + 1]->at_ns < t->heap[child]->at_ns) {
            child++;
        }
        if (t->heap[child]->at_ns >= timer->at_ns) {
            break;
        }
        put(t, at, t->heap[child]);
        at = child;
    }
    put(t, at, timer);
}

bool fetch_timer_set(struct fetch_timers *timers, struct fetch_timer *timer, uint64_t at_ns)
{
    timer->at_ns = at_ns;
    if (timer->index == 0) {
        if (timers->count == timers->cap) {
            size_t cap = timers->cap == 0 ? 64 : timers->cap * 2;
            struct fetch_timer **heap = realloc(timers->heap, cap * sizeof(struct fetch_timer *));
            if (heap == NULL) {
                return false;
            }
            timers->heap = heap;
            timers->cap = cap;
        }
        put(timers, timers->count++, timer);
    }
    sift_up(timers, timer->index - 1);
    sift_down(timers, timer->index - 1);
    return true;
}

void fetch_timer_cancel(struct fetch_timers *timers, struct fetch_timer *timer)
{
    if (timer->index == 0) {
        return;
    }
    size_t at = timer->index - 1;
    struct fetch_timer *last = timers->heap[--timers->count];
    timer->index = 0;
    if (last != timer) {
        put(timers, at, last);
        sift_up(timers, at);
        sift_down(timers, last->index - 1);
    }
}

struct fetch_timer *fetch_timer_first(const struct fetch_timers *timers)
{
    return timers->count > 0 ? timers->heap[0] : NULL;
}

void fetch_timers_fini(struct fetch_timers *timers)
{
    free(timers->heap);
    *timers = (struct fetch_timers){0};
}
