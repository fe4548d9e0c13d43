/* SPDX-License-Identifier: Apache-2.0 */
/* Mutex with an owner that can be asked for, condition variable on the monotonic clock. */
#include "sync_internal.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct sync_mutex {
    pthread_mutex_t lock;
    /* Kernel id of the holder, 0 when free.
     * writes: the holder, after it got the lock and before it gives it back
     * reads:  any thread, but only "is it me" is asked, which nobody else can change
     * order:  relaxed: the lock itself orders everything */
    _Atomic uint32_t owner;
};

struct sync_cond {
    pthread_cond_t cond;
};

enum gleaner_status sync_mutex_create(struct sync_mutex **out)
{
    struct sync_mutex *mutex = calloc(1, sizeof(*mutex));
    if (mutex == NULL) {
        return GLEANER_E_NOMEM;
    }
    if (pthread_mutex_init(&mutex->lock, NULL) != 0) {
        free(mutex);
        return GLEANER_E_NOMEM;
    }
    *out = mutex;
    return GLEANER_OK;
}

void sync_mutex_destroy(struct sync_mutex **mutex)
{
    if (*mutex == NULL) {
        return;
    }
    int result = pthread_mutex_destroy(&(*mutex)->lock);
    BASE_ASSERT(result == 0); /* EBUSY: somebody still holds it */
    free(*mutex);
    *mutex = NULL;
}

static void set_owner(struct sync_mutex *mutex, uint32_t owner)
{
    atomic_store_explicit(&mutex->owner, owner, memory_order_relaxed);
}

bool sync_mutex_is_mine(const struct sync_mutex *mutex)
{
    return atomic_load_explicit(&mutex->owner, memory_order_relaxed) == sync_thread_id();
}

void sync_mutex_lock(struct sync_mutex *mutex)
{
    BASE_ASSERT(!sync_mutex_is_mine(mutex));
    int result = pthread_mutex_lock(&mutex->lock);
    BASE_ASSERT(result == 0);
    set_owner(mutex, sync_thread_id());
}

void sync_mutex_unlock(struct sync_mutex *mutex)
{
    BASE_ASSERT(sync_mutex_is_mine(mutex));
    set_owner(mutex, 0);
    int result = pthread_mutex_unlock(&mutex->lock);
    BASE_ASSERT(result == 0);
}

enum gleaner_status sync_cond_create(struct sync_cond **out)
{
    struct sync_cond *cond = calloc(1, sizeof(*cond));
    pthread_condattr_t attr;
    if (cond == NULL || pthread_condattr_init(&attr) != 0) {
        free(cond);
        return GLEANER_E_NOMEM;
    }
    bool made = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(&cond->cond, &attr) == 0;
    pthread_condattr_destroy(&attr);
    if (!made) {
        free(cond);
        return GLEANER_E_NOMEM;
    }
    *out = cond;
    return GLEANER_OK;
}

void sync_cond_destroy(struct sync_cond **cond)
{
    if (*cond == NULL) {
        return;
    }
    pthread_cond_destroy(&(*cond)->cond);
    free(*cond);
    *cond = NULL;
}

bool sync_cond_wait(struct sync_cond *cond, struct sync_mutex *mutex, uint64_t deadline_ns)
{
    BASE_ASSERT(sync_mutex_is_mine(mutex));
    struct timespec until = {
        .tv_sec = (time_t)(deadline_ns / BASE_NS_PER_S),
        .tv_nsec = (long)(deadline_ns % BASE_NS_PER_S),
    };
    set_owner(mutex, 0);
    int result = deadline_ns == BASE_NO_DEADLINE
                     ? pthread_cond_wait(&cond->cond, &mutex->lock)
                     : pthread_cond_timedwait(&cond->cond, &mutex->lock, &until);
    set_owner(mutex, sync_thread_id());
    BASE_ASSERT(result == 0 || result == ETIMEDOUT);
    return result == 0;
}

void sync_cond_signal(struct sync_cond *cond)
{
    pthread_cond_signal(&cond->cond);
}

void sync_cond_broadcast(struct sync_cond *cond)
{
    pthread_cond_broadcast(&cond->cond);
}
