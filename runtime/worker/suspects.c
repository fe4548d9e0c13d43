/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page that brings the process down (a fault inside a module) would do it again after each
 * restart. Counting deliveries does not find it: everything that was in flight has as many. So each
 * worker notes the job it takes into a module, and takes the note back behind it, in a small file
 * that is mapped into memory: two stores a page, no call of the system, and the kernel keeps them
 * when the process dies, however it dies. What is noted when the next process opens the file was
 * inside a module at the end. A kill -9 leaves notes, too, of as many pages as there are workers; a
 * page comes under suspicion by being there again and again, and is cleared by coming out once.
 */
#include "worker_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORKERS_MAX = 256, SUSPECTS_MAX = 64, FILE_VERSION = 1 };
#define FILE_MAGIC UINT32_C(0x676c7375)

struct suspect {
    uint64_t name; /* 0 = free */
    uint64_t crashes;
};

/* The file, in the machine's own byte order: it never leaves the machine. */
struct suspects_file {
    uint32_t magic, version;
    /* writes: worker i alone; reads: the next process. relaxed: a process that dies has no order
     * left to keep between its threads, and its own stores stay in order */
    _Atomic uint64_t inside[WORKERS_MAX];
    struct suspect list[SUSPECTS_MAX]; /* guarded by suspects.lock */
};

struct suspects {
    int fd;
    struct suspects_file *file;
    struct sync_mutex *lock;
    _Atomic uint32_t count; /* of the list; relaxed: set at the start, falls under the lock */
};

static uint64_t name_of(const struct store_job *job)
{
    uint64_t name = job->id[0] != '\0' ? base_hash64(job->id, strlen(job->id)) : job->key;
    return name != 0 ? name : 1;
}

static struct suspect *find(struct suspects *suspects, uint64_t name)
{
    for (size_t i = 0; i < SUSPECTS_MAX; i++) {
        if (suspects->file->list[i].name == name) {
            return &suspects->file->list[i];
        }
    }
    return NULL;
}

/* A full list forgets the one with the fewest crashes. */
static struct suspect *find_or_make(struct suspects *suspects, uint64_t name)
{
    struct suspect *found = find(suspects, name);
    struct suspect *list = suspects->file->list, *place = &list[0];
    for (size_t i = 1; found == NULL && i < SUSPECTS_MAX; i++) {
        place = list[i].crashes < place->crashes ? &list[i] : place;
    }
    if (found == NULL) {
        *place = (struct suspect){.name = name};
        found = place;
    }
    return found;
}

/* What the last process left: each job that was inside a module has one crash more. */
static void judge(struct suspects *suspects)
{
    uint32_t noted = 0, count = 0;
    for (size_t i = 0; i < WORKERS_MAX; i++) {
        _Atomic uint64_t *inside = &suspects->file->inside[i];
        uint64_t name = atomic_load_explicit(inside, memory_order_relaxed);
        if (name != 0) {
            find_or_make(suspects, name)->crashes++;
            noted++;
        }
        atomic_store_explicit(inside, 0, memory_order_relaxed);
    }
    for (size_t i = 0; i < SUSPECTS_MAX; i++) {
        count += suspects->file->list[i].name != 0;
    }
    atomic_store_explicit(&suspects->count, count, memory_order_relaxed);
    if (noted > 0) {
        base_log_warn("worker", "crash=seen pages_inside_modules=%u suspects=%u", noted, count);
    }
}

static const char *map_file(struct suspects *suspects)
{
    struct stat stat;
    if (flock(suspects->fd, LOCK_EX | LOCK_NB) != 0) {
        return "another process uses it";
    }
    if (fstat(suspects->fd, &stat) != 0 ||
        (stat.st_size != (off_t)sizeof(struct suspects_file) &&
         (ftruncate(suspects->fd, 0) != 0 ||
          ftruncate(suspects->fd, sizeof(struct suspects_file)) != 0)) ||
        posix_fallocate(suspects->fd, 0, sizeof(struct suspects_file)) != 0) {
        return "it cannot be given its size"; /* a hole would fault when the disk is full */
    }
    void *at = mmap(NULL, sizeof(struct suspects_file), PROT_READ | PROT_WRITE, MAP_SHARED,
                    suspects->fd, 0);
    if (at == MAP_FAILED) {
        return "it cannot be mapped";
    }
    suspects->file = at;
    if (suspects->file->magic != FILE_MAGIC || suspects->file->version != FILE_VERSION) {
        memset(suspects->file, 0, sizeof(*suspects->file));
        suspects->file->version = FILE_VERSION;
        suspects->file->magic = FILE_MAGIC;
    }
    return NULL;
}

struct suspects *suspects_open(const char *path)
{
    struct suspects *suspects = calloc(1, sizeof(*suspects));
    if (suspects == NULL) {
        return NULL;
    }
    suspects->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    const char *trouble = suspects->fd < 0 ? strerror(errno) : map_file(suspects);
    if (trouble == NULL && sync_mutex_create(&suspects->lock) != GLEANER_OK) {
        trouble = "no memory";
    }
    if (trouble != NULL) {
        base_log_warn("worker", "file=%s error=\"%s\" then=\"pages that crash are not noted\"",
                      path, trouble);
        suspects_close(&suspects);
        return NULL;
    }
    judge(suspects);
    return suspects;
}

void suspects_close(struct suspects **suspects)
{
    if (*suspects == NULL) {
        return;
    }
    if ((*suspects)->file != NULL) {
        munmap((*suspects)->file, sizeof(struct suspects_file));
    }
    if ((*suspects)->fd >= 0) {
        close((*suspects)->fd);
    }
    sync_mutex_destroy(&(*suspects)->lock);
    free(*suspects);
    *suspects = NULL;
}

uint32_t suspects_crashes(struct suspects *suspects, const struct store_job *job)
{
    if (suspects == NULL || atomic_load_explicit(&suspects->count, memory_order_relaxed) == 0) {
        return 0;
    }
    sync_mutex_lock(suspects->lock);
    const struct suspect *suspect = find(suspects, name_of(job));
    uint32_t crashes = suspect != NULL ? (uint32_t)suspect->crashes : 0;
    sync_mutex_unlock(suspects->lock);
    return crashes;
}

void suspects_clear(struct suspects *suspects, const struct store_job *job)
{
    if (suspects == NULL || atomic_load_explicit(&suspects->count, memory_order_relaxed) == 0) {
        return;
    }
    sync_mutex_lock(suspects->lock);
    struct suspect *suspect = find(suspects, name_of(job));
    if (suspect != NULL) {
        *suspect = (struct suspect){0};
        atomic_fetch_sub_explicit(&suspects->count, 1, memory_order_relaxed);
    }
    sync_mutex_unlock(suspects->lock);
}

void suspects_enter(struct suspects *suspects, uint32_t index, const struct store_job *job)
{
    if (suspects != NULL && index < WORKERS_MAX) {
        atomic_store_explicit(&suspects->file->inside[index], name_of(job), memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst); /* before anything the module does */
    }
}

void suspects_leave(struct suspects *suspects, uint32_t index, const struct store_job *job)
{
    if (suspects != NULL && index < WORKERS_MAX) {
        atomic_signal_fence(memory_order_seq_cst);
        atomic_store_explicit(&suspects->file->inside[index], 0, memory_order_relaxed);
        suspects_clear(suspects, job);
    }
}
