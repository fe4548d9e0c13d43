/* SPDX-License-Identifier: Apache-2.0 */
/* What the records look like. */
#include "sink_rig.h"

#include <bson/bson.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(sink_formats, .init = rig_open, .fini = rig_close, .timeout = 30);

Test(sink_formats, names_say_the_format_or_it_is_said_before_them)
{
    static const struct {
        const char *text, *path;
        enum sink_format format;
        enum gleaner_status status;
    } cases[] = {
        {"pages.jsonl", "pages.jsonl", SINK_JSONL, GLEANER_OK},
        {"pages.ndjson", "pages.ndjson", SINK_JSONL, GLEANER_OK},
        {"csv:pages", "pages", SINK_CSV, GLEANER_OK},
        {"warc:/x/a.gz", "/x/a.gz", SINK_WARC, GLEANER_OK},
        {"/x/a.warc.gz", "/x/a.warc.gz", SINK_WARC, GLEANER_OK},
        {"warc:a.warc", "a.warc", SINK_WARC, GLEANER_OK},
        {"a.warc", "a.warc", SINK_WARC, GLEANER_OK},
        {"-", "-", SINK_JSONL, GLEANER_OK},
        {"csv:-", "-", SINK_CSV, GLEANER_OK},
        {"pages.jsonl.gz", NULL, SINK_JSONL, GLEANER_E_CONFIG},
        {"jsonl:pages.gz", NULL, SINK_JSONL, GLEANER_E_CONFIG},
        {"pages.txt", NULL, SINK_JSONL, GLEANER_E_CONFIG},
        {"jsonl:", NULL, SINK_JSONL, GLEANER_E_CONFIG},
    };
    for (size_t i = 0; i < BASE_ARRAY_LEN(cases); i++) {
        enum sink_format format;
        const char *path;
        struct base_error error = {0};
        cr_expect_eq(sink_parse(cases[i].text, &format, &path, &error), cases[i].status, "%s",
                     cases[i].text);
        if (cases[i].status == GLEANER_OK) {
            cr_expect_str_eq(path, cases[i].path);
            cr_expect_eq(format, cases[i].format);
        }
    }
}

Test(sink_formats, csv_quotes_what_would_break_a_row_and_repeats_its_columns_after_a_resume)
{
    struct sink *sink = rig_sink(SINK_CSV, "a.csv", NULL, 0);
    cr_expect_eq(rig_write(sink, 1), GLEANER_OK);
    sink_close(&sink);
    sink = rig_sink(SINK_CSV, "a.csv", "0:0", 0);
    cr_expect_eq(rig_write(sink, 2), GLEANER_OK);
    sink_close(&sink);
    char *text = rig_read("a.csv");
    cr_expect_str_eq(
        text, "_id,url,text\r\n"
              "0100ab000000000000000000,http://example.org/1,\"a \"\"quoted\"\",\r\ntext\"\r\n"
              "0200ab000000000000000000,http://example.org/2,\"a \"\"quoted\"\",\r\ntext\"\r\n");
    free(text);
}

Test(sink_formats, a_json_line_begins_with_the_id)
{
    struct base_buffer out = {0};
    const uint8_t id[12] = {1};
    bson_t *document = BCON_NEW("url", "u"), *empty = bson_new();
    cr_assert(sink_json(id, bson_get_data(document), document->len, &out));
    cr_assert(sink_json(id, bson_get_data(empty), empty->len, &out));
    cr_expect_str_eq(out.data,
                     "{ \"_id\" : { \"$oid\" : \"010000000000000000000000\" }, \"url\" : \"u\" }\n"
                     "{ \"_id\" : { \"$oid\" : \"010000000000000000000000\" } }\n");
    base_buffer_fini(&out);
    bson_destroy(document);
    bson_destroy(empty);
}

Test(sink_formats, a_response_has_the_headers_of_the_body_that_is_in_it)
{
    struct sink *sink = rig_sink(SINK_WARC, "a.warc.gz", NULL, 0);
    cr_expect_eq(rig_write_page(sink, "https://example.org/a?b=1", "<p>decoded"), GLEANER_OK);
    sink_close(&sink);
    char *text = rig_read("a.warc.gz");
    cr_expect_not_null(strstr(text, "\r\n\r\nHTTP/1.1 200\r\ncontent-type: text/html\r\n"
                                    "X-Archive-Orig-content-encoding: br\r\n"
                                    "Content-Length: 10\r\n\r\n<p>decoded\r\n\r\n"));
    cr_expect_not_null(strstr(text, "GET /a?b=1 HTTP/1.1\r\nHost: example.org\r\n"
                                    "User-Agent: test\r\n\r\n"));
    cr_expect_not_null(strstr(text, "WARC-Date: 2023-11-14T22:13:20.123Z\r\n"));
    cr_expect_not_null(strstr(text, "WARC-Target-URI: https://example.org/a?b=1\r\n"));
    cr_expect_not_null(strstr(text, "hopsFromSeed: LLL\r\nfetchTimeMs: 12\r\n"));
    cr_expect_eq(rig_count(text, "WARC/1.1\r\n"), 4);
    free(text);
}
