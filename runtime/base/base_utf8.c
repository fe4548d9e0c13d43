/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as Unicode table 3-7 has it: shortest forms, no surrogates, nothing past U+10FFFF. */
#include "base.h"
#include "base_internal.h"
#include <string.h>

size_t base_ascii_run(const unsigned char *data, size_t len)
{
    size_t i = 0;
    /* Pages are mostly ASCII: 32 bytes a round keep a 50 MB page at memory speed. */
    for (; len - i >= 32; i += 32) {
        uint64_t words[4];
        memcpy(words, data + i, sizeof(words));
        if (((words[0] | words[1] | words[2] | words[3]) & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
    }
    while (i < len && data[i] < 0x80) {
        i++;
    }
    return i;
}

static bool is_tail(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

static size_t three_byte_len(const unsigned char *data, size_t len)
{
    if (len < 3 || !is_tail(data[1]) || !is_tail(data[2])) {
        return 0;
    }
    bool overlong = data[0] == 0xE0 && data[1] < 0xA0;
    bool surrogate = data[0] == 0xED && data[1] >= 0xA0;
    return overlong || surrogate ? 0 : 3;
}

static size_t four_byte_len(const unsigned char *data, size_t len)
{
    if (len < 4 || !is_tail(data[1]) || !is_tail(data[2]) || !is_tail(data[3])) {
        return 0;
    }
    bool overlong = data[0] == 0xF0 && data[1] < 0x90;
    bool beyond = data[0] == 0xF4 && data[1] >= 0x90;
    return overlong || beyond ? 0 : 4;
}

size_t base_utf8_char_len(const unsigned char *data, size_t len)
{
    unsigned char lead = data[0];
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        return len >= 2 && is_tail(data[1]) ? 2 : 0;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        return three_byte_len(data, len);
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        return four_byte_len(data, len);
    }
    return 0;
}

bool base_utf8_valid(const char *data, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)data;
    size_t i = 0;
    while (i < len) {
        if (bytes[i] < 0x80) {
            i += base_ascii_run(bytes + i, len - i);
            continue;
        }
        size_t step = base_utf8_char_len(bytes + i, len - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}
