/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner fetch: one exchange as a crawl has it: each redirect, headers, timings, charset. */
#include "tool_internal.h"
#include <string.h>

struct exchange {
    const struct tool_options *options;
    json_t *redirects;
};

/* ---- for people ------------------------------------------------------------------------------ */

static void print_headers(FILE *err, const char *headers)
{
    for (const char *at = headers; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, "\r\n");
        if (len > 0) {
            (void)fprintf(err, "< %.*s\n", (int)len, at);
        }
        at += len;
        at += strspn(at, "\r\n");
    }
}

static void print_timings(FILE *err, const struct fetch_result *result)
{
    const struct {
        const char *name;
        uint64_t us;
    } parts[] = {{"dns", result->dns_us},
                 {"connect", result->connect_us},
                 {"tls", result->tls_us},
                 {"first byte", result->first_byte_us},
                 {"total", result->total_us}};
    (void)fputs("*", err);
    for (size_t i = 0; i < BASE_ARRAY_LEN(parts); i++) {
        (void)fprintf(err, "%s %s %.1f ms", i > 0 ? "," : "", parts[i].name,
                      (double)parts[i].us / 1000.0);
    }
    (void)fprintf(err, "\n* %zu bytes, %llu on the wire\n", result->body_len,
                  (unsigned long long)result->wire_bytes);
}

static void on_hop(void *ctx, const struct fetch_result *result)
{
    struct exchange *exchange = ctx;
    if (result->fetch_class == FETCH_REDIRECT) {
        json_t *hop = json_pack("{s:o, s:i, s:o}", "url", tool_text(result->url), "status",
                                result->http_status, "location", tool_text(result->location));
        (void)json_array_append_new(exchange->redirects, hop);
    }
    if (exchange->options->verbose) {
        FILE *err = exchange->options->err;
        (void)fprintf(err, "> GET %s\n", result->url);
        print_headers(err, result->headers);
        print_timings(err, result);
    }
}

/* ---- as JSON --------------------------------------------------------------------------------- */

/* [[name, value], ...]: in order, and a name may come twice. */
static json_t *headers_of(const char *headers)
{
    json_t *list = json_array();
    for (const char *at = headers; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, "\r\n");
        const char *colon = memchr(at, ':', len);
        if (colon != NULL) {
            const char *value = colon + 1 + strspn(colon + 1, " \t");
            const char *end = at + len;
            json_t *pair = json_array();
            (void)json_array_append_new(pair, tool_text_of(at, (size_t)(colon - at)));
            (void)json_array_append_new(
                pair, tool_text_of(value, end > value ? (size_t)(end - value) : 0));
            (void)json_array_append_new(list, pair);
        }
        at += len;
        at += strspn(at, "\r\n");
    }
    return list;
}

static json_t *timings_of(const struct fetch_result *result)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "dns", (double)result->dns_us / 1000.0, "connect",
                     (double)result->connect_us / 1000.0, "tls", (double)result->tls_us / 1000.0,
                     "first_byte", (double)result->first_byte_us / 1000.0, "total",
                     (double)result->total_us / 1000.0);
}

/* What the body would be decoded from; NULL when there is none. */
static const char *charset_of(const struct fetch_result *result)
{
    struct base_buffer scratch = {0};
    struct base_slice text;
    const char *charset = NULL;
    if (result->body_len == 0 || fetch_decode(result->body, result->body_len, result->content_type,
                                              &scratch, &text, &charset) != GLEANER_OK) {
        charset = NULL;
    }
    base_buffer_fini(&scratch);
    return charset;
}

static json_t *object_of(const struct exchange *exchange, const struct fetch_result *result)
{
    return json_pack(
        "{s:o, s:i, s:s, s:o, s:O, s:o, s:o, s:o, s:I, s:I, s:o}", "url", tool_text(result->url),
        "status", result->http_status, "class", fetch_class_name(result->fetch_class), "reason",
        result->reason[0] != '\0' ? tool_text(result->reason) : json_null(), "redirects",
        exchange->redirects, "headers", headers_of(result->headers), "content_type",
        tool_text(result->content_type), "charset", tool_text(charset_of(result)), "bytes",
        (json_int_t)result->body_len, "wire_bytes", (json_int_t)result->wire_bytes, "timings_ms",
        timings_of(result));
}

/* ---- the tool -------------------------------------------------------------------------------- */

static int show(const struct exchange *exchange, const struct fetch_result *result)
{
    const struct tool_options *options = exchange->options;
    bool is_good = true;
    if (options->json) {
        json_t *object = object_of(exchange, result);
        is_good = tool_print(options, object);
        json_decref(object);
    } else {
        const char *charset = charset_of(result);
        if (options->verbose && charset != NULL) {
            (void)fprintf(options->err, "* charset %s\n", charset);
        }
        is_good = result->body_len == 0 ||
                  fwrite(result->body, 1, result->body_len, options->out) == result->body_len;
        is_good = is_good && fflush(options->out) == 0;
    }
    bool is_fetched = result->fetch_class == FETCH_OK;
    if (!is_fetched && !options->json) {
        (void)tool_fail(options, TOOL_NO, "%s: %s", fetch_class_name(result->fetch_class),
                        result->reason);
    }
    return is_good && is_fetched ? TOOL_YES : TOOL_NO;
}

struct batch {
    const struct tool_options *options;
    struct tool_client *client; /* one for all lines: connections are kept */
};

static json_t *answer(void *ctx, const json_t *question)
{
    struct batch *batch = ctx;
    struct exchange exchange = {.options = batch->options};
    struct fetch_result *result = NULL;
    struct base_error error = {0};
    const char *url;
    json_t *object = NULL;
    if (!tool_string_of(question, "url", NULL, &url, &object)) {
        return object;
    }
    exchange.redirects = json_array();
    enum gleaner_status status =
        tool_get(batch->client, url, 0, on_hop, &exchange, &result, &error);
    object = status == GLEANER_OK ? object_of(&exchange, result) : tool_error("%s", error.message);
    fetch_result_free(&result);
    json_decref(exchange.redirects);
    return object;
}

static int fetch_one(const struct tool_options *options, struct tool_client *client)
{
    struct base_error error = {0};
    struct exchange exchange = {.options = options, .redirects = json_array()};
    struct fetch_result *result = NULL;
    enum gleaner_status status =
        tool_get(client, options->operands[0], 0, on_hop, &exchange, &result, &error);
    int code = status == GLEANER_OK ? show(&exchange, result)
                                    : tool_fail(options, tool_exit_of(status), "%s", error.message);
    fetch_result_free(&result);
    json_decref(exchange.redirects);
    return code;
}

int tool_fetch(const struct tool_options *options)
{
    struct batch batch = {.options = options};
    struct base_error error = {0};
    if (!options->batch && options->operand_count != 1) {
        return tool_fail(options, TOOL_USAGE, "one address is wanted: gleaner fetch [-v] URL");
    }
    enum gleaner_status status = tool_client_open(options, &batch.client, &error);
    if (status != GLEANER_OK) {
        return tool_fail(options, tool_exit_of(status), "%s", error.message);
    }
    int code =
        options->batch ? tool_batch_run(options, answer, &batch) : fetch_one(options, batch.client);
    tool_client_close(&batch.client);
    return code;
}
