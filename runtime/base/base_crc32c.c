/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli, reflected polynomial 0x82F63B78; RFC 3720 appendix B.4 has the vectors).
 * SSE 4.2 where the processor has it, a table of bytes elsewhere; both give the same numbers. */
#include "base.h"
#include "base_internal.h"
#include <string.h>

/* A nibble at a time: sixteen entries that anybody can check, and fast enough for a fallback. */
static uint32_t crc_table(uint32_t crc, const unsigned char *data, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3,
        0x61C69362, 0x7198540D, 0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9,
        0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
    };
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const unsigned char *data,
                                                            size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; data += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; len > 0; data++, len--) {
        crc = __builtin_ia32_crc32qi(crc, *data);
    }
    return crc;
}

static uint32_t crc_best(uint32_t crc, const unsigned char *data, size_t len)
{
    /* A load and a test a call: libgcc reads CPUID once, before main. */
    return __builtin_cpu_supports("sse4.2") ? crc_sse42(crc, data, len) : crc_table(crc, data, len);
}
#else
static uint32_t crc_best(uint32_t crc, const unsigned char *data, size_t len)
{
    return crc_table(crc, data, len);
}
#endif

uint32_t base_crc32c(uint32_t crc, const void *data, size_t len)
{
    return ~crc_best(~crc, data, len);
}

uint32_t base_crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    return ~crc_table(~crc, data, len);
}
