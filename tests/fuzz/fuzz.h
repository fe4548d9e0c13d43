/* SPDX-License-Identifier: Apache-2.0 */
/* What every target is: one function that libFuzzer, or replay.c with a corpus, calls with bytes.
 * A finding is a sanitizer's report, an assertion, or FUZZ_CHECK. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* GLEANER_API is not wanted here: the engine links statically. */
__attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(holds)                                                                          \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds);       \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/** The bytes as a string of their own (so that the sanitizer sees a read past the end), freed by
 *  the caller. Ends at the first NUL for who reads strings. */
char *fuzz_text(const uint8_t *data, size_t size);
/** Up to the next line feed: *text is moved behind it, and the line is ended with NUL. */
char *fuzz_line(char **text);
/** A file in memory with these bytes; *path names it until fuzz_file_close(). */
int fuzz_file(const uint8_t *data, size_t size, char path[64]);
void fuzz_file_close(int file);

#endif
