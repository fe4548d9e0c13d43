/* SPDX-License-Identifier: Apache-2.0 */
#include "scan_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum scan_kind scan_kind_of(int directory, const char *name)
{
    struct stat about;
    if (fstatat(directory, name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        return SCAN_NOTHING;
    }
    return S_ISREG(about.st_mode)   ? SCAN_FILE
           : S_ISDIR(about.st_mode) ? SCAN_DIRECTORY
           : S_ISLNK(about.st_mode) ? SCAN_LINK
                                    : SCAN_SPECIAL;
}

int scan_open_directory(int directory, const char *name)
{
    return openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

const char *scan_type_of(const char *name, const char *const *types)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && types[i] != NULL; i++) {
        if (strcasecmp(dot + 1, types[i]) == 0) {
            return types[i];
        }
    }
    return NULL;
}

/* To the end or one byte beyond the limit: a file may grow while it is read. */
static enum scan_read read_all(int fd, uint64_t limit, struct base_buffer *body)
{
    for (;;) {
        if (!base_buffer_reserve(body, 65536)) {
            return SCAN_NOMEM;
        }
        ssize_t n = read(fd, body->data + body->len, body->cap - body->len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return SCAN_UNREADABLE;
        }
        body->len += (size_t)n;
        if (body->len > limit) {
            return SCAN_TOO_LARGE;
        }
        if (n == 0) {
            return base_buffer_append_char(body, '\0') ? (body->len--, SCAN_READ) : SCAN_NOMEM;
        }
    }
}

enum scan_read scan_read_file(int directory, const char *name, uint64_t max_bytes, uint64_t room,
                              struct base_buffer *body, int64_t *modified_ms)
{
    /* It was a regular file a moment ago; O_NONBLOCK in case that a pipe has taken its place. */
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat about;
    enum scan_read result = SCAN_UNREADABLE;
    base_buffer_reset(body, 1 << 20);
    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
        *modified_ms = (int64_t)about.st_mtim.tv_sec * 1000 + about.st_mtim.tv_nsec / 1000000;
        uint64_t size = (uint64_t)about.st_size;
        /* Within the room, too: what grows meanwhile must not take the sum over its limit. */
        result = size > max_bytes ? SCAN_TOO_LARGE
                 : size > room    ? SCAN_NO_ROOM
                                  : read_all(fd, room < max_bytes ? room : max_bytes, body);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return result;
}
