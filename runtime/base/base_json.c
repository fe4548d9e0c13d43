/* SPDX-License-Identifier: Apache-2.0 */
/* JSON string literals (RFC 8259). */
#include "base.h"
#include "base_internal.h"
#include <stdio.h>
#include <string.h>

/* What follows the backslash for a byte that has a short escape, 'u' for the other controls, 0 for
 * bytes that stand for themselves. */
static const char escapes[256] = {
    [0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u',  [0x04] = 'u', [0x05] = 'u',
    [0x06] = 'u', [0x07] = 'u', ['\b'] = 'b', ['\t'] = 't',  ['\n'] = 'n', [0x0B] = 'u',
    ['\f'] = 'f', ['\r'] = 'r', [0x0E] = 'u', [0x0F] = 'u',  [0x10] = 'u', [0x11] = 'u',
    [0x12] = 'u', [0x13] = 'u', [0x14] = 'u', [0x15] = 'u',  [0x16] = 'u', [0x17] = 'u',
    [0x18] = 'u', [0x19] = 'u', [0x1A] = 'u', [0x1B] = 'u',  [0x1C] = 'u', [0x1D] = 'u',
    [0x1E] = 'u', [0x1F] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

/* Bytes that can be copied as they are: well-formed characters without an escape. */
static size_t plain_run(const unsigned char *data, size_t len)
{
    size_t i = 0;
    while (i < len) {
        if (data[i] < 0x80) {
            if (escapes[data[i]] != 0) {
                break;
            }
            i++;
            continue;
        }
        size_t step = base_utf8_char_len(data + i, len - i);
        if (step == 0) {
            break;
        }
        i += step;
    }
    return i;
}

static void append_escape(struct base_buffer *buffer, unsigned char byte)
{
    if (byte >= 0x80) {
        base_buffer_append(buffer, "\xEF\xBF\xBD", 3); /* U+FFFD for a byte that is no character */
    } else if (escapes[byte] == 'u') {
        base_buffer_printf(buffer, "\\u%04x", byte);
    } else {
        base_buffer_append(buffer, (const char[]){'\\', escapes[byte]}, 2);
    }
}

bool base_buffer_append_json(struct base_buffer *buffer, const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    if (!base_buffer_reserve(buffer, len < SIZE_MAX - 2 ? len + 2 : len)) {
        return false;
    }
    base_buffer_append_char(buffer, '"');
    for (size_t i = 0; i < len;) {
        size_t run = plain_run(bytes + i, len - i);
        base_buffer_append(buffer, bytes + i, run);
        i += run;
        if (i < len) {
            append_escape(buffer, bytes[i]);
            i++;
        }
    }
    return base_buffer_append_char(buffer, '"');
}
