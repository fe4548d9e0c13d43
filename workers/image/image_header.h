/* SPDX-License-Identifier: Apache-2.0 */
/* Type and dimensions of an image out of its first bytes. Reads never beyond `len`; a few dozen
 * steps at most, whatever the bytes say. */
#ifndef IMAGE_HEADER_H
#define IMAGE_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_HEADER_BYTES 65536u /* of a JPEG the frame may stand behind pictures of its own */

struct image_header {
    const char *type; /* image/png and so on */
    uint32_t width, height;
};
/** False: no such image, or its size does not stand in these bytes (then *out has the type, or
 *  NULL). */
bool image_header_read(const void *bytes, size_t len, struct image_header *out);

#endif
