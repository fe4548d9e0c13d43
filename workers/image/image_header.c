/* SPDX-License-Identifier: Apache-2.0 */
/* PNG: ISO 15948, 11.2.2. GIF89a, 18. JPEG: ITU T.81, B.2. WebP: RFC 9649. AVIF, HEIC: ISO/IEC
 * 14496-12 and 23008-12 (`ispe`). BMP: BITMAPINFOHEADER. */
#include "image_header.h"

#include <string.h>

#define MAX_STEPS 256 /* segments of a JPEG, boxes of an AVIF */

struct bytes {
    const uint8_t *data;
    size_t len;
};

static uint32_t big(const uint8_t *p, unsigned n)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < n; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static uint32_t little(const uint8_t *p, unsigned n)
{
    uint32_t value = 0;
    for (unsigned i = n; i-- > 0;) {
        value = value << 8 | p[i];
    }
    return value;
}

static bool has(struct bytes b, size_t at, const char *text)
{
    size_t len = strlen(text);
    return at <= b.len && len <= b.len - at && memcmp(b.data + at, text, len) == 0;
}

static bool set(struct image_header *out, uint32_t width, uint32_t height)
{
    out->width = width;
    out->height = height;
    return width > 0 && height > 0;
}

static bool read_png(struct bytes b, struct image_header *out)
{
    return b.len >= 24 && has(b, 12, "IHDR") && set(out, big(b.data + 16, 4), big(b.data + 20, 4));
}

static bool read_gif(struct bytes b, struct image_header *out)
{
    return b.len >= 10 && set(out, little(b.data + 6, 2), little(b.data + 8, 2));
}

static bool read_bmp(struct bytes b, struct image_header *out)
{
    if (b.len < 26 || little(b.data + 14, 4) < 40) {
        return false;
    }
    uint32_t height = little(b.data + 22, 4); /* negative: from top to bottom */
    return set(out, little(b.data + 18, 4), height > INT32_MAX ? 0u - height : height);
}

/* A start of frame, and none of the three markers among them that are something else. */
static bool is_frame(uint8_t marker)
{
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

static bool read_jpeg(struct bytes b, struct image_header *out)
{
    size_t at = 2;
    for (unsigned step = 0; step < MAX_STEPS && at + 9 <= b.len; step++) {
        uint8_t marker = b.data[at + 1];
        if (b.data[at] != 0xFF) {
            return false;
        }
        if (marker == 0xFF) { /* fill bytes */
            at++;
        } else if (is_frame(marker)) {
            return set(out, big(b.data + at + 7, 2), big(b.data + at + 5, 2));
        } else if (marker == 0xDA || marker == 0xD9) { /* the picture itself: too late */
            return false;
        } else {
            at += 2 + big(b.data + at + 2, 2);
        }
    }
    return false;
}

static bool read_webp(struct bytes b, struct image_header *out)
{
    if (has(b, 12, "VP8X") && b.len >= 30) {
        return set(out, little(b.data + 24, 3) + 1, little(b.data + 27, 3) + 1);
    }
    if (has(b, 12, "VP8L") && b.len >= 25 && b.data[20] == 0x2F) {
        uint32_t bits = little(b.data + 21, 4);
        return set(out, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1);
    }
    if (has(b, 12, "VP8 ") && b.len >= 30 && has(b, 23, "\x9D\x01\x2A")) {
        return set(out, little(b.data + 26, 2) & 0x3FFF, little(b.data + 28, 2) & 0x3FFF);
    }
    return false;
}

/* The image itself is the largest: others are thumbnails, tiles, an alpha plane. */
static void note_extent(struct bytes b, size_t at, struct image_header *out)
{
    uint32_t width = big(b.data + at + 12, 4), height = big(b.data + at + 16, 4);
    if ((uint64_t)width * height > (uint64_t)out->width * out->height) {
        (void)set(out, width, height);
    }
}

static bool is_container(struct bytes b, size_t at)
{
    return has(b, at + 4, "iprp") || has(b, at + 4, "ipco");
}

/* Boxes: size, name, contents. Those that hold others are entered by going on behind their heads,
 * so there is nothing to come back from. */
static bool read_avif(struct bytes b, struct image_header *out)
{
    size_t at = 0;
    for (unsigned step = 0; step < MAX_STEPS && at + 8 <= b.len; step++) {
        uint32_t size = big(b.data + at, 4);
        if (has(b, at + 4, "ispe") && at + 20 <= b.len) {
            note_extent(b, at, out);
        }
        if (has(b, at + 4, "meta")) {
            at += 12; /* a version and flags, too */
        } else if (is_container(b, at)) {
            at += 8;
        } else if (size < 8 || size > b.len - at) {
            break;
        } else {
            at += size;
        }
    }
    return out->width > 0 && out->height > 0;
}

static const struct {
    size_t at;
    const char *magic, *type;
    bool (*read)(struct bytes b, struct image_header *out);
} kinds[] = {
    {0, "\x89PNG\r\n\x1A\n", "image/png", read_png},
    {0, "GIF87a", "image/gif", read_gif},
    {0, "GIF89a", "image/gif", read_gif},
    {0, "\xFF\xD8\xFF", "image/jpeg", read_jpeg},
    {8, "WEBPVP8", "image/webp", read_webp},
    {4, "ftypavif", "image/avif", read_avif},
    {4, "ftypavis", "image/avif", read_avif},
    {4, "ftypheic", "image/heic", read_avif},
    {0, "BM", "image/bmp", read_bmp},
};

bool image_header_read(const void *bytes, size_t len, struct image_header *out)
{
    const struct bytes b = {bytes, len < IMAGE_HEADER_BYTES ? len : IMAGE_HEADER_BYTES};
    *out = (struct image_header){0};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (has(b, kinds[i].at, kinds[i].magic)) {
            out->type = kinds[i].type;
            return kinds[i].read(b, out);
        }
    }
    return false;
}
