/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of a sink's file: their names, opening, appending. */
#include "sink_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const endings[] = {".warc.gz", ".warc", ".jsonl", ".ndjson", ".json", ".csv"};

bool sink_segment_path(const struct sink *sink, uint32_t segment, char *out, size_t out_size)
{
    size_t len = strlen(sink->path), stem = len;
    for (size_t i = 0; i < BASE_ARRAY_LEN(endings) && stem == len; i++) {
        size_t ending = strlen(endings[i]);
        if (len > ending && strcmp(sink->path + len - ending, endings[i]) == 0) {
            stem = len - ending;
        }
    }
    int written = segment == 0 ? snprintf(out, out_size, "%s", sink->path)
                               : snprintf(out, out_size, "%.*s-%05u%s", (int)stem, sink->path,
                                          (unsigned)segment, sink->path + stem);
    return written > 0 && (size_t)written < out_size;
}

enum gleaner_status sink_failed(const struct sink *sink, const char *what, struct base_error *error)
{
    int code = errno;
    bool is_full = code == ENOSPC || code == EDQUOT || code == EFBIG;
    enum gleaner_status status = is_full         ? GLEANER_E_FULL
                                 : code == EPIPE ? GLEANER_E_CLOSED
                                                 : GLEANER_E_IO;
    return base_error_set(error, status, "%s: %s: %s",
                          sink->is_stream ? "standard output" : sink->path, what, strerror(code));
}

/* A new name is as durable as its folder. */
static void flush_folder(const char *path)
{
    char *copy = strdup(path);
    int fd = copy != NULL ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    free(copy);
}

enum gleaner_status sink_segment_open(struct sink *sink, uint32_t segment, struct base_error *error)
{
    char path[4200];
    if (sink->fd >= 0 && sink->segment == segment) {
        return GLEANER_OK; /* another descriptor of ours would wait for our own lock */
    }
    if (!sink_segment_path(sink, segment, path, sizeof path)) {
        return base_error_set(error, GLEANER_E_CONFIG, "%s: the name is too long", sink->path);
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        return sink_failed(sink, "cannot be opened", error);
    }
    struct stat stat;
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        (void)close(fd);
        return base_error_set(error, GLEANER_E_CONFIG,
                              "%s is no regular file; - is standard output", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)close(fd);
        return base_error_set(error, GLEANER_E_BUSY, "%s: another process writes it", path);
    }
    if (sink->is_durable) {
        flush_folder(path);
    }
    if (sink->fd >= 0) {
        (void)close(sink->fd);
    }
    sink->fd = fd;
    sink->segment = segment;
    return GLEANER_OK;
}

enum gleaner_status sink_write_at(struct sink *sink, const char *data, size_t len, uint64_t offset,
                                  struct base_error *error)
{
    while (len > 0) {
        ssize_t written = pwrite(sink->fd, data, len, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return sink_failed(sink, "cannot be written", error);
        }
        data += written;
        len -= (size_t)written;
        offset += (uint64_t)written;
    }
    return GLEANER_OK;
}

/* A terminal or a pipe may have been made non-blocking by somebody who shares it. */
static bool wait_for_room(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    return poll(&wait, 1, -1) >= 0 || errno == EINTR;
}

enum gleaner_status sink_write_stream(struct sink *sink, const char *data, size_t len,
                                      struct base_error *error)
{
    while (len > 0) {
        ssize_t written = write(sink->fd, data, len);
        if (written < 0 && (errno == EINTR || (errno == EAGAIN && wait_for_room(sink->fd)))) {
            continue;
        }
        if (written < 0) {
            return sink_failed(sink, "cannot be written", error);
        }
        data += written;
        len -= (size_t)written;
    }
    return GLEANER_OK;
}
