/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: start, join, abandon, what a thread is called, and what it leaves behind at its end. */
#include "sync_internal.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAME_BYTES = 16 };

struct sync_thread {
    pthread_t handle;
    char name[NAME_BYTES];
    enum sync_thread_kind kind;
    sync_thread_main run;
    void *arg;
    /* 0 runs, 1 run() has returned
     * writes: the thread, once, release; reads: sync_thread_join_until, acquire; a futex */
    _Atomic uint32_t ended;
    /* How many may still use this: the starter and the thread. Who takes it to 0 frees.
     * order: acq_rel, so that the last one sees the other's writes before it frees */
    _Atomic uint32_t users;
};

static _Thread_local uint32_t my_id;
static _Thread_local char my_name[NAME_BYTES] = "main";
static _Thread_local uint32_t my_index_plus_one;

/* ---- dense indexes: lowest free one first, given back when the thread ends ---- */

/* protects used_indexes; leaf; taken once at a thread's first question and once at its end */
static pthread_mutex_t index_lock = PTHREAD_MUTEX_INITIALIZER;
enum { INDEX_WORDS = 64 };
static uint64_t used_indexes[INDEX_WORDS];

static uint32_t index_take(void)
{
    uint32_t index = INDEX_WORDS * 64; /* shared by all beyond: only a hint */
    pthread_mutex_lock(&index_lock);
    for (uint32_t i = 0; i < INDEX_WORDS; i++) {
        if (used_indexes[i] != UINT64_MAX) {
            unsigned bit = (unsigned)__builtin_ctzll(~used_indexes[i]);
            used_indexes[i] |= UINT64_C(1) << bit;
            index = i * 64 + bit;
            break;
        }
    }
    pthread_mutex_unlock(&index_lock);
    return index;
}

static void index_give_back(uint32_t index)
{
    if (index < INDEX_WORDS * 64) {
        pthread_mutex_lock(&index_lock);
        used_indexes[index / 64] &= ~(UINT64_C(1) << (index % 64));
        pthread_mutex_unlock(&index_lock);
    }
}

/* ---- at a thread's end, whoever started it ---- */

static pthread_key_t exit_key;
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;

static void at_thread_exit(void *unused)
{
    (void)unused;
    sync_reader_thread_exit();
    if (my_index_plus_one != 0) {
        index_give_back(my_index_plus_one - 1);
        my_index_plus_one = 0;
    }
}

static void make_exit_key(void)
{
    int result = pthread_key_create(&exit_key, at_thread_exit);
    BASE_ASSERT(result == 0);
}

void sync_thread_watch_exit(void)
{
    pthread_once(&exit_key_once, make_exit_key);
    pthread_setspecific(exit_key, &exit_key); /* any value but NULL has the destructor called */
}

uint32_t sync_thread_index(void)
{
    if (my_index_plus_one == 0) {
        sync_thread_watch_exit();
        my_index_plus_one = index_take() + 1;
    }
    return my_index_plus_one - 1;
}

uint32_t sync_thread_id(void)
{
    if (my_id == 0) {
        my_id = (uint32_t)syscall(SYS_gettid);
    }
    return my_id;
}

const char *sync_thread_name(void)
{
    return my_name;
}

/* ---- start and end ---- */

static void thread_drop(struct sync_thread *thread)
{
    if (atomic_fetch_sub_explicit(&thread->users, 1, memory_order_acq_rel) == 1) {
        free(thread);
    }
}

static void *thread_entry(void *arg)
{
    struct sync_thread *thread = arg;
    memcpy(my_name, thread->name, sizeof(my_name));
    pthread_setname_np(pthread_self(), my_name);
    if (thread->kind == SYNC_READER) {
        sync_reader_register();
    }
    thread->run(thread->arg);
    if (thread->kind == SYNC_READER) {
        sync_reader_unregister();
    }
    atomic_store_explicit(&thread->ended, 1, memory_order_release);
    sync_futex_wake(&thread->ended, UINT32_MAX);
    thread_drop(thread);
    return NULL;
}

/* All but those that a fault in the thread itself raises: blocked, these kill without a report. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < BASE_ARRAY_LEN(faults); i++) {
        sigdelset(&blocked, faults[i]);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, before);
}

enum gleaner_status sync_thread_start(struct sync_thread **out, const char *name,
                                      enum sync_thread_kind kind, sync_thread_main run, void *arg)
{
    struct sync_thread *thread = calloc(1, sizeof(*thread));
    if (thread == NULL) {
        return GLEANER_E_NOMEM;
    }
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    thread->kind = kind;
    thread->run = run;
    thread->arg = arg;
    atomic_init(&thread->users, 2);
    sigset_t before;
    block_signals(&before);
    int result = pthread_create(&thread->handle, NULL, thread_entry, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        free(thread);
        return GLEANER_E_NOMEM;
    }
    *out = thread;
    return GLEANER_OK;
}

void sync_thread_join(struct sync_thread **thread)
{
    if (*thread == NULL) {
        return;
    }
    int result = pthread_join((*thread)->handle, NULL);
    BASE_ASSERT(result == 0);
    thread_drop(*thread);
    *thread = NULL;
}

bool sync_thread_join_until(struct sync_thread **thread, uint64_t deadline_ns)
{
    if (*thread == NULL) {
        return true;
    }
    /* Not pthread_clockjoin_np: ThreadSanitizer of gcc 12 does not know it. */
    while (atomic_load_explicit(&(*thread)->ended, memory_order_acquire) == 0) {
        bool in_time = sync_futex_wait(&(*thread)->ended, 0, deadline_ns);
        if (!in_time && atomic_load_explicit(&(*thread)->ended, memory_order_acquire) == 0) {
            return false;
        }
    }
    sync_thread_join(thread);
    return true;
}

void sync_thread_abandon(struct sync_thread **thread)
{
    if (*thread == NULL) {
        return;
    }
    pthread_detach((*thread)->handle);
    thread_drop(*thread);
    *thread = NULL;
}

/* ---- fork ---- */

/* writes: the child's only thread, once, right after fork(); reads: the child; relaxed: one thread
 */
static _Atomic bool in_forked_child;
static pthread_once_t init_once_control = PTHREAD_ONCE_INIT;

static void in_child(void)
{
    atomic_store_explicit(&in_forked_child, true, memory_order_relaxed);
    my_id = 0; /* the child's thread has another kernel id */
}

static void init_once(void)
{
    sync_barrier_init();
    int result = pthread_atfork(NULL, NULL, in_child);
    BASE_ASSERT(result == 0);
}

void sync_init(void)
{
    pthread_once(&init_once_control, init_once);
}

bool sync_in_forked_child(void)
{
    return atomic_load_explicit(&in_forked_child, memory_order_relaxed);
}
