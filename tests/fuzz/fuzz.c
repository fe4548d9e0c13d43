/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    FUZZ_CHECK(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    return text;
}

char *fuzz_line(char **text)
{
    char *line = *text;
    char *end = strchr(line, '\n');
    if (end == NULL) {
        *text = line + strlen(line);
        return line;
    }
    *end = '\0';
    *text = end + 1;
    return line;
}

int fuzz_file(const uint8_t *data, size_t size, char path[64])
{
    int file = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(file >= 0 && (size == 0 || write(file, data, size) == (ssize_t)size));
    (void)snprintf(path, 64, "/proc/self/fd/%d", file);
    return file;
}

void fuzz_file_close(int file)
{
    (void)close(file);
}
