/* SPDX-License-Identifier: Apache-2.0 */
/* gzip, with a limit on what comes out of it, by zlib. */
#include "fetch_sitemap.h"
#include <string.h>
#include <zlib.h>

#define STEP_BYTES 65536

/* One piece of output. False at the end: of the stream, of the limit, or of what can be read. */
static bool inflate_step(z_stream *z, struct base_buffer *out, bool *is_cut)
{
    if (!base_buffer_reserve(out, STEP_BYTES + 1)) {
        return false;
    }
    z->next_out = (Bytef *)out->data + out->len;
    z->avail_out = STEP_BYTES;
    int code = inflate(z, Z_NO_FLUSH);
    out->len += STEP_BYTES - z->avail_out;
    out->data[out->len] = '\0';
    if (out->len > SITEMAP_MAX_BYTES) {
        out->len = SITEMAP_MAX_BYTES;
        *is_cut = true;
        return false;
    }
    if (code == Z_STREAM_END) { /* members may follow each other (RFC 1952); else it is padding */
        return z->avail_in > 2 && memcmp(z->next_in, "\x1f\x8b", 2) == 0 && inflateReset(z) == Z_OK;
    }
    if (code != Z_OK || (z->avail_in == 0 && z->avail_out > 0)) {
        *is_cut = true;
        return false;
    }
    return true;
}

bool sitemap_inflate(const char *body, size_t len, struct base_buffer *out, bool *is_cut)
{
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)body};
    z.avail_in = len > UINT32_MAX ? UINT32_MAX : (uInt)len;
    if (inflateInit2(&z, MAX_WBITS + 16) != Z_OK) {
        return false;
    }
    while (inflate_step(&z, out, is_cut)) {
    }
    (void)inflateEnd(&z);
    return !out->failed;
}
