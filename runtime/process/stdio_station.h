/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `gleaner worker --stdio` share: stdio.c reads and ends, stdio_pages.c and
 * stdio_errands.c do what was asked, stdio_message.c knows the words. */
#ifndef STDIO_STATION_H
#define STDIO_STATION_H

#include "process_internal.h"
#include "stdio_message.h"
#include "sync.h"

#define STATION_THREADS_MAX 256

struct station {
    struct work *work;
    struct sync_mutex *lock; /* protects held, is_mute and standard output; taken under no other */
    struct sync_cond *changed;
    uint64_t held;             /* read and not answered */
    bool is_mute;              /* standard output is closed */
    struct sync_ring *errands; /* struct request *: scans and searches */
    struct sync_thread *errand_thread, *threads[STATION_THREADS_MAX];
    uint32_t thread_count;
};

/** Write the reply and end the request: it is freed. Thread: [any]. */
void station_answer(struct station *station, struct request *request, const struct reply *reply);
/** The same with a reason why not. */
void station_refuse(struct station *station, struct request *request, const char *why);
/** Mains of threads; `arg` is the station. */
void station_run_pages(void *arg);
void station_run_errands(void *arg);

#endif
