/* SPDX-License-Identifier: Apache-2.0 */
/* Is this file a whole shared object? Asked before dlopen(), which maps what the headers promise
 * without comparing it with the file's length: code of a half-copied module would end the process
 * with SIGBUS at its first use. */
#include "module_internal.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PROGRAM_HEADERS 256

static bool read_at(int file, void *out, size_t len, uint64_t offset)
{
    return offset <= INT64_MAX && pread(file, out, len, (off_t)offset) == (ssize_t)len;
}

/* Every loadable segment lies inside the file. */
static bool segments_are_whole(int file, const ElfW(Ehdr) * header, uint64_t file_size)
{
    if (header->e_phentsize != sizeof(ElfW(Phdr)) || header->e_phnum == 0 ||
        header->e_phnum > MAX_PROGRAM_HEADERS) {
        return false;
    }
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;
        if (!read_at(file, &segment, sizeof segment, header->e_phoff + i * sizeof segment)) {
            return false;
        }
        if (segment.p_type == PT_LOAD &&
            (segment.p_offset > file_size || segment.p_filesz > file_size - segment.p_offset)) {
            return false;
        }
    }
    return true;
}

static enum gleaner_status check_open_file(int file, uint64_t size, const char *path,
                                           struct base_error *error)
{
    ElfW(Ehdr) header;
    if (!read_at(file, &header, sizeof header, 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "module %s: not a shared object (no ELF header)", path);
    }
    if (header.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "module %s: built for another machine (word size differs)", path);
    }
    if (header.e_type != ET_DYN) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "module %s: not a shared object (ELF type %u; link it with -shared)",
                              path, (unsigned)header.e_type);
    }
    if (!segments_are_whole(file, &header, size)) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "module %s: truncated or damaged (a segment lies outside the file)",
                              path);
    }
    return GLEANER_OK;
}

enum gleaner_status module_check_file(const char *path, struct base_error *error)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        int code = errno;
        return base_error_set(
            error, code == ENOENT || code == ENOTDIR ? GLEANER_E_NOT_FOUND : GLEANER_E_IO,
            "module %s: cannot open: %s", path, strerror(code));
    }
    enum gleaner_status status;
    struct stat info;
    if (fstat(file, &info) != 0) {
        status = base_error_set(error, GLEANER_E_IO, "module %s: %s", path, strerror(errno));
    } else if (S_ISDIR(info.st_mode)) {
        status = base_error_set(error, GLEANER_E_INVALID, "module %s: is a directory", path);
    } else if (!S_ISREG(info.st_mode)) {
        status = base_error_set(error, GLEANER_E_INVALID, "module %s: is no regular file", path);
    } else {
        status = check_open_file(file, (uint64_t)info.st_size, path, error);
    }
    close(file);
    return status;
}
