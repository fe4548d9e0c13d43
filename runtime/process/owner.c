/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are on a server, and who we were. Leases and hosts there carry our name; it is of this one
 * process, since others are at work. The file DATA/gleaner.owner keeps the names under which
 * processes of this data directory have held something, one a line; its lock ends with its process,
 * however that dies, so whoever has it knows that all the others in it are dead. What they held is
 * given back at the start, uncounted: without this it would wait for its leases to run out, and a
 * process that is killed again and again would make dead letters of all that it had in flight.
 *
 * Without the file (no place, or another process uses the directory) leases run out by themselves.
 */
#include "process_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES_MAX_BYTES = 16384 }; /* about a hundred processes that came to nothing */

/* mkdir -p, for the owner alone. */
bool work_make_directories(const char *path)
{
    char part[4096];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (size_t at = 1; at <= len; at++) {
        if (path[at] != '/' && path[at] != '\0') {
            continue;
        }
        memcpy(part, path, at);
        part[at] = '\0';
        if (mkdir(part, S_IRWXU) != 0 && errno != EEXIST) {
            return false;
        }
    }
    return true;
}

/* Processes of one name would own each other's hosts, and containers like to share names and
 * process numbers: hence the number by chance. */
void work_name_owner(struct work *work, enum work_kind kind)
{
    char host[64] = "localhost";
    struct base_random random;
    (void)gethostname(host, sizeof host - 1);
    if ((kind == WORK_SERVICE || work->is_shared) && work->remote != NULL) {
        base_random_init(&random, 0);
        (void)snprintf(work->owner, sizeof work->owner, "gleaner/%s/%08x/%d", host,
                       (unsigned)base_random_next(&random), (int)getpid());
        return;
    }
    /* Under the data directory's lock there is one owner, whatever its process number: so the next
     * process can give back at once what a killed one held. */
    (void)snprintf(work->owner, sizeof work->owner, "gleaner/%s", host);
}

/* ---- the file ---- */

/* NULL or why it cannot be had. */
static const char *open_names(struct work *work)
{
    char path[sizeof work->data + 32];
    (void)snprintf(path, sizeof path, "%s/gleaner.owner", work->data);
    if (!work_make_directories(work->data)) {
        return strerror(errno);
    }
    work->owner_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    work->has_owner_file = work->owner_fd >= 0;
    if (!work->has_owner_file) {
        return strerror(errno);
    }
    if (flock(work->owner_fd, LOCK_EX | LOCK_NB) != 0) {
        work_forget_owner(work);
        return "another process uses the directory";
    }
    return NULL;
}

static bool append_name(const struct work *work)
{
    char line[sizeof work->owner + 1];
    int len = snprintf(line, sizeof line, "%s\n", work->owner);
    return lseek(work->owner_fd, 0, SEEK_END) >= 0 &&
           write(work->owner_fd, line, (size_t)len) == len;
}

void work_forget_owner(struct work *work)
{
    if (work->has_owner_file) {
        (void)close(work->owner_fd);
        work->has_owner_file = false;
    }
}

/* ---- what they held ---- */

static enum gleaner_status take_back_from(struct work *work, const char *name, uint64_t *released,
                                          struct base_error *error)
{
    struct store_share_state state;
    const struct store_share_wish leaving = {
        .owner = name,
        .lease_ms = (uint32_t)work->settings->lease_ms,
        .delay_ms = work->settings->delay_ms,
        .is_leaving = true,
    };
    uint64_t some = 0;
    enum gleaner_status status = store_release_owner(work->jobs, name, &some, error);
    *released += some;
    if (status == GLEANER_OK && work->is_shared) {
        status = store_shares_keep(work->jobs, &leaving, &state, error);
    }
    return status;
}

/* A part of a name, of a process that died while it wrote it, has nothing. */
static enum gleaner_status take_back_named(struct work *work, char *names, uint64_t *released,
                                           struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    char *rest = NULL;
    for (char *name = strtok_r(names, "\n", &rest); name != NULL && status == GLEANER_OK;
         name = strtok_r(NULL, "\n", &rest)) {
        status = take_back_from(work, name, released, error);
    }
    return status;
}

/* The names go only when everything is given back: else the next process tries again. */
static void take_back_on_server(struct work *work, uint64_t *released)
{
    struct base_error error = {0};
    const char *why = open_names(work);
    char *names = why == NULL ? calloc(1, NAMES_MAX_BYTES + 1) : NULL;
    if (names != NULL && pread(work->owner_fd, names, NAMES_MAX_BYTES, 0) > 0) {
        if (take_back_named(work, names, released, &error) != GLEANER_OK) {
            base_log_warn("process", "leases=not_taken_back error=\"%s\" then=\"they run out\"",
                          error.message);
        } else if (ftruncate(work->owner_fd, 0) != 0) {
            why = strerror(errno);
        }
    }
    free(names);
    if (why == NULL && !append_name(work)) {
        why = "it cannot be written";
        work_forget_owner(work);
    }
    if (why != NULL) {
        base_log_info("process", "event=no_owner_file reason=\"%s\"", why);
    }
}

enum gleaner_status work_take_back_leases(struct work *work, struct base_error *error)
{
    uint64_t released = 0;
    enum gleaner_status status = GLEANER_OK;
    if (work->local != NULL) {
        status = store_release_owner(work->jobs, work->owner, &released, error);
    } else {
        take_back_on_server(work, &released);
    }
    if (released > 0) {
        base_log_info("process", "event=leases_taken_back count=%llu",
                      (unsigned long long)released);
    }
    return status;
}
