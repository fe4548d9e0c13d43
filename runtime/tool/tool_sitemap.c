/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner sitemap: the URLs of a sitemap, and the sitemaps of an index. */
#include "tool_internal.h"
#include <string.h>

static json_t *list_of(const char *const *items, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(list, tool_text(items[i]));
    }
    return list;
}

static json_t *object_of(const struct fetch_sitemap *sitemap)
{
    return json_pack("{s:o, s:o}", "urls", list_of(sitemap->urls, sitemap->url_count), "sitemaps",
                     list_of(sitemap->sitemaps, sitemap->sitemap_count));
}

static json_t *answer(void *ctx, const json_t *question)
{
    (void)ctx;
    struct tool_bytes body;
    struct fetch_sitemap *sitemap = NULL;
    const char *url;
    json_t *result = NULL;
    if (!tool_string_of(question, "url", "", &url, &result) ||
        !tool_bytes_of(question, "body", &body, &result)) {
        return result;
    }
    enum gleaner_status status = fetch_sitemap_parse(body.data, body.len, url, &sitemap);
    if (status == GLEANER_OK) {
        result = object_of(sitemap);
    } else if (status != GLEANER_E_NOMEM) {
        result = tool_error("\"url\" is no http or https URL");
    }
    fetch_sitemap_free(&sitemap);
    tool_bytes_fini(&body);
    return result;
}

static int show(const struct tool_options *options, const struct fetch_sitemap *sitemap)
{
    bool is_good = true;
    if (options->json) {
        json_t *object = object_of(sitemap);
        (void)json_object_set_new(object, "complete", json_boolean(!sitemap->is_cut));
        is_good = tool_print(options, object);
        json_decref(object);
    } else {
        for (size_t i = 0; i < sitemap->sitemap_count; i++) {
            (void)fprintf(options->out, "Sitemap: %s\n", sitemap->sitemaps[i]);
        }
        for (size_t i = 0; i < sitemap->url_count; i++) {
            (void)fprintf(options->out, "%s\n", sitemap->urls[i]);
        }
        is_good = fflush(options->out) == 0;
        if (sitemap->url_count + sitemap->sitemap_count == 0) {
            (void)tool_fail(options, TOOL_NO,
                            "no addresses in it: this is no sitemap, or an empty one");
        } else if (sitemap->is_cut) {
            (void)tool_fail(options, 0,
                            "the sitemap is broken, or over 50 MiB or 50,000 URLs; "
                            "this is what could be read");
        }
    }
    return is_good && sitemap->url_count + sitemap->sitemap_count > 0 ? TOOL_YES : TOOL_NO;
}

static int read_body(const struct tool_options *options, const char *body, size_t len,
                     const char *url)
{
    struct fetch_sitemap *sitemap = NULL;
    enum gleaner_status status = fetch_sitemap_parse(body, len, url, &sitemap);
    if (status != GLEANER_OK) {
        return tool_fail(options, TOOL_USAGE, "%s",
                         status == GLEANER_E_NOMEM ? "no memory" : "--url wants an http(s) URL");
    }
    int code = show(options, sitemap);
    fetch_sitemap_free(&sitemap);
    return code;
}

static int show_result(const struct tool_options *options, const struct fetch_result *result)
{
    return read_body(options, result->body, result->body_len, result->url);
}

static int show_file(const struct tool_options *options, const char *path)
{
    struct base_error error = {0};
    struct base_buffer body = {0};
    int code = tool_read_file(options, path, &body, &error) == GLEANER_OK
                   ? read_body(options, body.data, body.len, options->url)
                   : tool_fail(options, TOOL_USAGE, "%s", error.message);
    base_buffer_fini(&body);
    return code;
}

int tool_sitemap(const struct tool_options *options)
{
    if (options->batch) {
        return tool_batch_run(options, answer, NULL);
    }
    if (options->operand_count != 1) {
        return tool_fail(options, TOOL_USAGE, "one operand is wanted: gleaner sitemap URL|FILE");
    }
    const char *operand = options->operands[0];
    return tool_is_url(operand) ? tool_show_fetched(options, operand, show_result)
                                : show_file(options, operand);
}
