/* SPDX-License-Identifier: Apache-2.0 */
/* Broken input of every kind: whatever comes in, each line gets an answer that is JSON. Run under
 * AddressSanitizer this looks for crashes, too. The seed is printed. */
#include "tool_rig.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ROUNDS 3000

static const char *const pieces[] = {
    "<?xml version='1.0' encoding='utf-16'?>",
    "<urlset>",
    "<url>",
    "<loc>",
    "http://a/",
    "</loc>",
    "</url>",
    "<sitemap>",
    "<item><link>",
    "<entry><link href='",
    "'/>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "&amp;",
    "&x;",
    "&#0;",
    "&#xD800;",
    "<!DOCTYPE a [<!ENTITY x 'y'>]>",
    "User-agent: *\n",
    "Disallow: /*$\n",
    "Sitemap: ",
    "\xEF\xBB\xBF",
    "\xFF\xFE",
    "\x1f\x8b\x08",
    "\0\0",
    "<meta charset=",
    "iso-2022-jp",
    "<script>",
    "<a href=",
    "<template>",
    "%2e%2e/",
    "[::1]",
    "\xC3",
    "\r\n",
};

static void add_noise(struct base_random *random, struct base_buffer *out)
{
    base_buffer_reset(out, 65536);
    size_t parts = base_random_below(random, 24);
    for (size_t i = 0; i < parts; i++) {
        if (base_random_below(random, 4) == 0) {
            base_buffer_append_char(out, (char)base_random_below(random, 256));
        } else {
            const char *piece = pieces[base_random_below(random, BASE_ARRAY_LEN(pieces))];
            base_buffer_append(out, piece, piece[0] == '\0' ? 2 : strlen(piece));
        }
    }
    base_buffer_append(out, "", 0);
}

static void append_base64(struct base_buffer *out, const char *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)(unsigned char)data[i] << 16;
        bits |= i + 1 < len ? (uint32_t)(unsigned char)data[i + 1] << 8 : 0;
        bits |= i + 2 < len ? (unsigned char)data[i + 2] : 0;
        base_buffer_append_char(out, digits[bits >> 18]);
        base_buffer_append_char(out, digits[bits >> 12 & 63]);
        base_buffer_append_char(out, i + 1 < len ? digits[bits >> 6 & 63] : '=');
        base_buffer_append_char(out, i + 2 < len ? digits[bits & 63] : '=');
    }
}

/* {"NAME_b64": noise, "url": "http://a/", "agent": "x"} */
static void expect_answers(rig_tool tool, const char *name)
{
    struct base_random random;
    struct base_buffer noise = {0}, input = {0};
    const char *given = getenv("GLEANER_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
    base_random_init(&random, seed);
    for (size_t i = 0; i < ROUNDS; i++) {
        add_noise(&random, &noise);
        base_buffer_printf(&input, "{\"url\":\"http://a/\",\"agent\":\"x\",\"%s_b64\":\"", name);
        append_base64(&input, noise.data, noise.len);
        base_buffer_append_str(&input, "\"}\n");
    }
    json_t *answers = rig_batch_bytes(tool, input.data, input.len);
    cr_expect_eq(json_array_size(answers), ROUNDS, "seed %llu", (unsigned long long)seed);
    json_decref(answers);
    base_buffer_fini(&noise);
    base_buffer_fini(&input);
}

Test(robust, any_robots_txt_is_answered)
{
    expect_answers(tool_robots, "robots");
}

Test(robust, any_sitemap_is_answered)
{
    expect_answers(tool_sitemap, "body");
}

Test(robust, any_page_is_answered)
{
    (void)rig_modules();
    expect_answers(tool_scrape, "html");
    rig_modules_end();
}

/* Raw lines, broken in their JSON: one answer for each '\n'. */
Test(robust, any_line_is_answered)
{
    static const rig_tool tools[] = {tool_url, tool_robots, tool_sitemap};
    for (size_t t = 0; t < BASE_ARRAY_LEN(tools); t++) {
        struct base_random random;
        struct base_buffer noise = {0}, input = {0};
        base_random_init(&random, 7 + t);
        size_t lines = 0;
        for (size_t i = 0; i < ROUNDS; i++) {
            add_noise(&random, &noise);
            base_buffer_append_str(&input,
                                   i % 2 ? "{\"href\":\"" : "{\"base\":\"http://a/\",\"x\":");
            base_buffer_append(&input, noise.data, noise.len);
            base_buffer_append_str(&input, "\\uD800\"}\n");
        }
        for (size_t i = 0; i < input.len; i++) {
            lines += input.data[i] == '\n';
        }
        json_t *answers = rig_batch_bytes(tools[t], input.data, input.len);
        cr_expect_eq(json_array_size(answers), lines);
        json_decref(answers);
        base_buffer_fini(&noise);
        base_buffer_fini(&input);
    }
}
