/* SPDX-License-Identifier: Apache-2.0 */
/* URLs: the base on the first line, the reference after it. What comes out is a fixed point. */
#include "fetch.h"
#include "fuzz.h"
#include <string.h>

static void check_parts(const char *url, size_t len)
{
    struct fetch_url_parts parts;
    enum gleaner_status status = fetch_url_split(url, len, &parts);
    if (status != GLEANER_OK && memchr(url, '"', len) != NULL) {
        return; /* WHATWG lets a quotation mark into a host; nobody has such a host, split says no
                 */
    }
    FUZZ_CHECK(status == GLEANER_OK);
    FUZZ_CHECK(parts.host.len > 0 && parts.path.len > 0 && parts.path.data[0] == '/');
    FUZZ_CHECK(parts.host.data >= url && parts.path.data + parts.path.len <= url + len);
}

static void check_fixed(const char *url)
{
    struct url_parser *parser;
    struct base_slice out;
    FUZZ_CHECK(url_parser_create(&parser) == GLEANER_OK);
    FUZZ_CHECK(url_set_base(parser, "http://other.test/", 18) == GLEANER_OK);
    FUZZ_CHECK(url_resolve(parser, url, strlen(url), &out) == GLEANER_OK);
    FUZZ_CHECK(out.len == strlen(url) && memcmp(out.data, url, out.len) == 0);
    url_parser_destroy(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *rest = text;
    const char *base = fuzz_line(&rest);
    struct url_parser *parser;
    struct base_slice out;
    FUZZ_CHECK(url_parser_create(&parser) == GLEANER_OK);
    if (url_set_base(parser, base, strlen(base)) == GLEANER_OK) {
        /* twice on one parser: its memory is used again */
        enum gleaner_status first = url_resolve(parser, rest, strlen(rest), &out);
        FUZZ_CHECK(first != GLEANER_E_NOMEM);
        if (url_resolve(parser, rest, size - (size_t)(rest - text), &out) == GLEANER_OK) {
            char *url = fuzz_text((const uint8_t *)out.data, out.len);
            FUZZ_CHECK(strlen(url) == out.len && strchr(url, '#') == NULL);
            check_parts(out.data, out.len);
            check_fixed(url);
            free(url);
        }
    }
    struct fetch_url_parts parts; /* any bytes */
    FUZZ_CHECK(fetch_url_split(text, strlen(text), &parts) != GLEANER_E_INTERNAL);
    url_parser_destroy(&parser);
    free(text);
    return 0;
}
