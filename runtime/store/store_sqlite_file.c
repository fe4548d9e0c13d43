/* SPDX-License-Identifier: Apache-2.0 */
/* The directory around the database: made, locked, and looked at before SQLite may touch it. */
#include "store_sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- directory and lock ---- */

static enum gleaner_status no_room_or_io(int reason)
{
    return reason == ENOSPC || reason == EDQUOT ? GLEANER_E_FULL : GLEANER_E_IO;
}

static enum gleaner_status make_directory(const char *directory, struct base_error *error)
{
    char path[4096];
    size_t len = strlen(directory);
    if (len == 0 || len >= sizeof path - 16) {
        return base_error_set(error, GLEANER_E_CONFIG, "data directory \"%s\": bad name",
                              directory);
    }
    memcpy(path, directory, len + 1);
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) {
            *slash = '\0';
        }
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            int reason = errno;
            return base_error_set(error, no_room_or_io(reason),
                                  "data directory %s: cannot make %s: %s", directory, path,
                                  strerror(reason));
        }
        if (slash == NULL) {
            break;
        }
        *slash = '/';
    }
    struct stat info;
    if (stat(directory, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return base_error_set(error, GLEANER_E_IO, "data directory %s is a file; name a directory",
                              directory);
    }
    return GLEANER_OK;
}

static enum gleaner_status tell_holder(const char *directory, int fd, struct base_error *error)
{
    char pid[24] = "";
    ssize_t got = pread(fd, pid, sizeof pid - 1, 0);
    pid[got > 0 ? got : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    return base_error_set(error, GLEANER_E_BUSY,
                          "data directory %s is in use by the gleaner process with pid %s; stop it "
                          "or use another directory",
                          directory, pid[0] != '\0' ? pid : "unknown");
}

/* The lock is the flock, which ends with its process however that dies; the pid inside is for
 * people, so an old file is harmless. */
enum gleaner_status store_file_lock(const char *directory, int *lock_fd, struct base_error *error)
{
    char path[4096], pid[24];
    enum gleaner_status status = make_directory(directory, error);
    if (status != GLEANER_OK) {
        return status;
    }
    snprintf(path, sizeof path, "%s/lock", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int reason = errno;
        return base_error_set(error, no_room_or_io(reason),
                              "data directory %s cannot be written: %s", directory,
                              strerror(reason));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        status = errno == EWOULDBLOCK
                     ? tell_holder(directory, fd, error)
                     : base_error_set(error, GLEANER_E_IO, "%s: %s", path, strerror(errno));
        close(fd);
        return status;
    }
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len) {
        base_log_warn("store", "event=lock_pid_not_written path=%s", path); /* for people only */
    }
    *lock_fd = fd;
    return GLEANER_OK;
}

/* ---- is every page there? ----
 *
 * SQLite itself refuses a file shorter than its header says, but only while there is no write-ahead
 * log: with one, the log's page count is believed, and lost pages would show up as zeros much
 * later. A crash in mid-checkpoint may leave a short file, too, but then the log holds what is
 * missing. So: every page beyond the end of the file must be in the committed part of the log.
 * Source: the file format, https://www.sqlite.org/fileformat2.html, sections 1.3 and 4.1. */

#define DB_HEADER_BYTES 100
#define WAL_HEADER_BYTES 32
#define WAL_FRAME_BYTES 24

struct wal_view {
    uint32_t page_bytes;
    uint32_t file_pages; /* whole pages in the main file */
    uint32_t pages;      /* how many there must be */
    uint8_t *in_log;     /* bit per page from file_pages on, of committed frames */
};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static void note_frame(uint8_t *set, const struct wal_view *view, uint32_t page, uint32_t max_pages)
{
    if (page > view->file_pages && page - view->file_pages <= max_pages) {
        uint32_t bit = page - view->file_pages - 1;
        set[bit / 8] |= (uint8_t)(1u << (bit % 8));
    }
}

/* Walk the frames up to the last commit. Every missing page needs a frame, so a set as large as the
 * number of frames is enough. */
static bool read_wal(int fd, off_t size, struct wal_view *view)
{
    uint8_t header[WAL_HEADER_BYTES], frame[WAL_FRAME_BYTES];
    if (size < WAL_HEADER_BYTES || pread(fd, header, sizeof header, 0) != sizeof header ||
        (be32(header) & 0xfffffffeu) != 0x377f0682u || be32(header + 8) != view->page_bytes) {
        return true; /* no log that SQLite would use */
    }
    uint64_t step = WAL_FRAME_BYTES + view->page_bytes;
    uint64_t frames = (uint64_t)(size - WAL_HEADER_BYTES) / step;
    uint32_t max_pages = (uint32_t)frames + 64;
    uint8_t *set = calloc(1, max_pages / 8 + 1);
    if (set == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < frames; i++) {
        off_t at = (off_t)(WAL_HEADER_BYTES + i * step);
        if (pread(fd, frame, sizeof frame, at) != sizeof frame ||
            memcmp(frame + 8, header + 16, 8) != 0) {
            break; /* another salt: left over from an earlier round of the log */
        }
        note_frame(set, view, be32(frame), max_pages);
        if (be32(frame + 4) != 0) {
            view->pages = be32(frame + 4); /* a commit: so many pages from here on */
        }
    }
    view->in_log = set;
    return true;
}

static bool is_complete(const struct wal_view *view, size_t log_pages)
{
    for (uint32_t page = view->file_pages; page < view->pages; page++) {
        uint32_t bit = page - view->file_pages;
        if (view->in_log == NULL || bit >= log_pages ||
            (view->in_log[bit / 8] & 1u << (bit % 8)) == 0) {
            return false;
        }
    }
    return true;
}

static enum gleaner_status damaged(const char *path, const char *how, struct base_error *error)
{
    return base_error_set(error, GLEANER_E_CORRUPT,
                          "%s is damaged: %s. It is left as it is: move it away to start anew, or "
                          "rescue what it holds with: sqlite3 %s .recover",
                          path, how, path);
}

static enum gleaner_status check_pages(const char *path, const uint8_t *header, off_t size,
                                       struct base_error *error)
{
    char wal_path[4200], how[120];
    struct stat info;
    uint32_t page_bytes = (uint32_t)header[16] << 8 | header[17];
    page_bytes = page_bytes == 1 ? 65536 : page_bytes;
    if (page_bytes < 512 || (page_bytes & (page_bytes - 1)) != 0) {
        return damaged(path, "its header makes no sense", error);
    }
    struct wal_view view = {.page_bytes = page_bytes,
                            .file_pages = (uint32_t)(size / (off_t)page_bytes),
                            .pages = be32(header + 28)};
    snprintf(wal_path, sizeof wal_path, "%s-wal", path);
    int fd = open(wal_path, O_RDONLY | O_CLOEXEC);
    size_t log_pages = 0;
    if (fd >= 0) {
        bool read = fstat(fd, &info) == 0 && read_wal(fd, info.st_size, &view);
        log_pages = read ? (size_t)info.st_size / page_bytes : 0;
        close(fd);
        if (!read) {
            return base_error_set(error, GLEANER_E_IO, "%s: cannot be read", wal_path);
        }
    }
    bool complete = is_complete(&view, log_pages);
    free(view.in_log);
    if (!complete) {
        snprintf(how, sizeof how, "it is cut off, %u of %u pages are there", view.file_pages,
                 view.pages);
        return damaged(path, how, error);
    }
    return GLEANER_OK;
}

enum gleaner_status store_file_check(const char *path, struct base_error *error)
{
    uint8_t header[DB_HEADER_BYTES];
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT
                   ? GLEANER_OK
                   : base_error_set(error, GLEANER_E_IO, "%s: %s", path, strerror(errno));
    }
    ssize_t got = pread(fd, header, sizeof header, 0);
    bool known = fstat(fd, &info) == 0;
    close(fd); /* no SQLite connection of this process is open on it yet: its locks are safe */
    if (got < 0 || !known) {
        return base_error_set(error, GLEANER_E_IO, "%s: cannot be read", path);
    }
    if (got == 0) {
        return GLEANER_OK; /* made and never written: SQLite starts it anew */
    }
    if (got < DB_HEADER_BYTES || memcmp(header, "SQLite format 3", 16) != 0) {
        return damaged(path, "it is no SQLite database", error);
    }
    return check_pages(path, header, info.st_size, error);
}
