/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_INTERNAL_H
#define BASE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

/** Length of the well-formed UTF-8 character at data[0..len), or 0 when there is none. len >= 1. */
size_t base_utf8_char_len(const unsigned char *data, size_t len);

/** How many leading bytes are ASCII; eight at a time. */
size_t base_ascii_run(const unsigned char *data, size_t len);

/** base_crc32c() without the instruction, so that a test can compare the two. */
uint32_t base_crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
