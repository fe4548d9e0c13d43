/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner url: what a link becomes, and whether a crawl would follow it. */
#include "tool_internal.h"
#include <string.h>

/* Resolve href against base; NULL or "" = there is none. A base of another scheme is a base all the
 * same: an absolute link on such a page is good, a relative one leads to no http(s) URL. */
static enum gleaner_status resolve(struct url_parser *parser, const char *base, size_t base_len,
                                   const char *href, size_t href_len, struct base_slice *out)
{
    enum gleaner_status status = GLEANER_OK;
    bool is_foreign = false;
    if (base != NULL) {
        status = url_set_base(parser, base, base_len);
        is_foreign = status == GLEANER_E_UNSUPPORTED;
    }
    if (status == GLEANER_OK || is_foreign) {
        status = url_resolve(parser, href, href_len, out);
    }
    return is_foreign && status == GLEANER_E_INVALID ? GLEANER_E_UNSUPPORTED : status;
}

static const char *explain(enum gleaner_status status)
{
    switch (status) {
    case GLEANER_E_UNSUPPORTED:
        return "no http or https URL";
    case GLEANER_E_NOMEM:
        return "no memory";
    default:
        return "no URL";
    }
}

static json_t *answer(void *ctx, const json_t *question)
{
    (void)ctx;
    const json_t *base = json_object_get(question, "base");
    const json_t *href = json_object_get(question, "href");
    if (!json_is_string(href) || (base != NULL && !json_is_null(base) && !json_is_string(base))) {
        return tool_error("\"href\" (text) is wanted, and \"base\" (text or null)");
    }
    /* A parser of its own for each line: no answer depends on the lines before. */
    struct url_parser *parser = NULL;
    struct base_slice url = {0};
    enum gleaner_status status = url_parser_create(&parser);
    if (status == GLEANER_OK) {
        status = resolve(parser, json_string_value(base), json_string_length(base),
                         json_string_value(href), json_string_length(href), &url);
    }
    json_t *result = status == GLEANER_OK
                         ? json_pack("{s:o}", "url", tool_text_of(url.data, url.len))
                         : tool_error("%s", explain(status));
    url_parser_destroy(&parser);
    return result;
}

/* Would a crawl that starts at `base` follow `url`? */
static enum gleaner_status ask_scope(const struct tool_options *options, const char *base,
                                     struct base_slice url, bool *out, struct base_error *error)
{
    struct base_buffer seed = {0};
    struct queue_scope *scope = NULL;
    enum gleaner_status status = tool_normalise(base, &seed, error);
    if (status == GLEANER_OK) {
        const char *const seeds[] = {seed.data};
        struct queue_scope_options scope_options = *options->scope;
        scope_options.seeds = seeds;
        scope_options.seed_count = 1;
        status = queue_scope_create(&scope_options, &scope, error);
    }
    if (status == GLEANER_OK) {
        *out = queue_scope_allows(scope, url.data, url.len, 1);
    }
    queue_scope_destroy(&scope);
    base_buffer_fini(&seed);
    return status;
}

static int show(const struct tool_options *options, const char *base, const char *href,
                struct base_slice url)
{
    struct base_error error = {0};
    bool is_in_scope = false;
    enum gleaner_status status = ask_scope(options, base, url, &is_in_scope, &error);
    if (status != GLEANER_OK) {
        return tool_fail(options, tool_exit_of(status), "%s", error.message);
    }
    bool is_good;
    if (options->json) {
        json_t *object =
            json_pack("{s:o, s:o, s:o, s:b}", "base", tool_text(base), "href", tool_text(href),
                      "url", tool_text_of(url.data, url.len), "in_scope", is_in_scope);
        is_good = tool_print(options, object);
        json_decref(object);
    } else {
        is_good = fprintf(options->out, "%.*s\n%s\n", (int)url.len, url.data,
                          is_in_scope ? "in scope" : "out of scope") > 0 &&
                  fflush(options->out) == 0;
    }
    return is_good && is_in_scope ? TOOL_YES : TOOL_NO;
}

int tool_url(const struct tool_options *options)
{
    if (options->batch) {
        return tool_batch_run(options, answer, NULL);
    }
    if (options->operand_count != 2) {
        return tool_fail(options, TOOL_USAGE, "two addresses are wanted: gleaner url BASE HREF");
    }
    const char *base = options->operands[0], *href = options->operands[1];
    struct url_parser *parser = NULL;
    struct base_slice url = {0};
    enum gleaner_status status = url_parser_create(&parser);
    if (status == GLEANER_OK) {
        status = resolve(parser, base, strlen(base), href, strlen(href), &url);
    }
    int code = status == GLEANER_OK
                   ? show(options, base, href, url)
                   : tool_fail(options, TOOL_NO, "'%s' on '%s': %s", href, base, explain(status));
    url_parser_destroy(&parser);
    return code;
}
