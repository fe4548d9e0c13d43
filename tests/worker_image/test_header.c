/* SPDX-License-Identifier: Apache-2.0 */
/* Type and size out of an image's first bytes. */
#include "image_header.h"
#include "record_host.h"

#include <stdlib.h>
#include <string.h>

#define B(text) text, sizeof(text) - 1

static const struct {
    const char *name, *bytes;
    size_t len;
    const char *type;
    uint32_t width, height;
} images[] = {
    {"png", B("\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\x01\x02\0\0\0\x03"), "image/png", 258, 3},
    {"gif", B("GIF89a\x0A\0\x01\x02"), "image/gif", 10, 513},
    {"jpeg behind a segment",
     B("\xFF\xD8\xFF\xE0\0\x04xx\xFF\xFF\xC2\0\x0B\x08\0\x05\x01\0\x03\x01\x11"), "image/jpeg", 256,
     5},
    {"webp lossy", B("RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9D\x01\x2A\x10\0\x20\x40"), "image/webp",
     16, 32},
    {"webp lossless", B("RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2F\x0F\xC0\x07\0"), "image/webp", 16, 32},
    {"webp extended", B("RIFF\0\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\x0F\0\0\x1F\0\0"), "image/webp", 16,
     32},
    {"avif",
     B("\0\0\0\x10"
       "ftypavif\0\0\0\0"
       "\0\0\0\x4C"
       "meta\0\0\0\0"
       "\0\0\0\x10hdlr12345678"
       "\0\0\0\x30iprp"
       "\0\0\0\x28ipco"
       "\0\0\0\x10ispe\0\0\0\0"
       "\0\0\0\x02\0\0\0\x02"),
     "image/avif", 2, 2},
    {"bmp", B("BM12345678901\0\x28\0\0\0\x07\0\0\0\xF8\xFF\xFF\xFF"), "image/bmp", 7, 8},
};

Test(image_header, each_kind_tells_its_size, .timeout = 5)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(images); i++) {
        struct image_header header;
        cr_expect(image_header_read(images[i].bytes, images[i].len, &header), "%s", images[i].name);
        cr_expect_str_eq(header.type, images[i].type, "%s", images[i].name);
        cr_expect_eq(header.width, images[i].width, "%s: %u", images[i].name, header.width);
        cr_expect_eq(header.height, images[i].height, "%s: %u", images[i].name, header.height);
    }
}

/* Each in memory of its own size, where a sanitizer sees a byte too far. */
Test(image_header, a_cut_image_is_no_error_and_nothing_beyond_it_is_read, .timeout = 20)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(images); i++) {
        for (size_t len = 0; len < images[i].len; len++) {
            char *copy = malloc(len + (len == 0));
            struct image_header header;
            memcpy(copy, images[i].bytes, len);
            bool is_known = image_header_read(copy, len, &header);
            cr_expect(!is_known || header.width > 0);
            free(copy);
        }
    }
}

Test(image_header, changed_bytes_end_too, .timeout = 20)
{
    unsigned seed = 1;
    for (unsigned round = 0; round < 20000; round++) {
        size_t which = round % BASE_ARRAY_LEN(images);
        size_t len = images[which].len;
        char *copy = malloc(len);
        struct image_header header;
        memcpy(copy, images[which].bytes, len);
        for (unsigned k = 0; k < 3; k++) {
            seed = seed * 1103515245u + 12345u;
            copy[(seed >> 8) % len] = (char)(seed >> 20);
        }
        (void)image_header_read(copy, len, &header);
        free(copy);
    }
}

TestSuite(image_file, .init = record_setup, .fini = record_teardown, .timeout = 10);

Test(image_file, an_image_as_the_page_gives_one_document_with_its_size)
{
    struct gleaner_page page = record_page("image", "");
    page.content_type = "image/png";
    page.raw = images[0].bytes;
    page.raw_len = images[0].len;
    record_run_page(&page);
    cr_assert_eq(record.count, 1);
    cr_expect_eq(record.content_found, 1);
    cr_expect_str_eq(record.documents[0].collection, "imagecontents");
    cr_expect_str_eq(record_field("mediaType"), "\"image/png\"");
    cr_expect_str_eq(record_field("width"), "258");
    cr_expect_str_eq(record_field("height"), "3");
    cr_expect_str_eq(record_field("bytes"), "24");
}

Test(image_file, a_host_of_an_earlier_abi_has_no_raw_bytes)
{
    struct gleaner_page page = record_page("image", "");
    page.content_type = "image/png";
    page.size = offsetof(struct gleaner_page, raw);
    page.raw = images[0].bytes;
    page.raw_len = images[0].len;
    record_run_page(&page);
    cr_expect_eq(record.verdict, GLEANER_PAGE_SKIPPED);
    cr_expect_eq(record.count, 0);
}
