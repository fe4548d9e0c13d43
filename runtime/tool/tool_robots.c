/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner robots: may this agent fetch this URL, and which line says so? */
#include "tool_internal.h"
#include <string.h>

static json_t *sitemaps_of(const struct fetch_robots *robots)
{
    json_t *list = json_array();
    const char *line;
    for (size_t i = 0; (line = fetch_robots_sitemap(robots, i)) != NULL; i++) {
        (void)json_array_append_new(list, tool_text(line));
    }
    return list;
}

static json_t *verdict_of(const struct fetch_robots *robots, const char *agent, const char *url)
{
    struct fetch_robots_answer answer;
    fetch_robots_match(robots, agent, url, &answer);
    return json_pack("{s:b, s:o, s:o, s:o}", "allowed", answer.allowed, "line",
                     answer.line > 0 ? json_integer(answer.line) : json_null(), "crawl_delay",
                     answer.crawl_delay_s >= 0 ? json_real(answer.crawl_delay_s) : json_null(),
                     "sitemaps", sitemaps_of(robots));
}

static json_t *answer(void *ctx, const json_t *question)
{
    const struct tool_options *options = ctx;
    struct tool_bytes body;
    struct fetch_robots *robots = NULL;
    const char *agent, *url;
    json_t *result = NULL;
    if (!tool_string_of(question, "agent", options->agent, &agent, &result) ||
        !tool_string_of(question, "url", NULL, &url, &result) ||
        !tool_bytes_of(question, "robots", &body, &result)) {
        return result;
    }
    if (fetch_robots_parse(body.data, body.len, &robots) == GLEANER_OK) {
        result = verdict_of(robots, agent, url);
    }
    fetch_robots_free(&robots);
    tool_bytes_fini(&body);
    return result;
}

/* ---- one URL -------------------------------------------------------------------------------- */

/* What a robots.txt that could not be had means (RFC 9309, 2.3.1). */
enum presence { PRESENT, ABSENT, UNREACHABLE };

static enum gleaner_status fetch_file(const struct tool_options *options, const char *url,
                                      struct base_buffer *body, enum presence *presence,
                                      struct base_error *error)
{
    struct tool_client *client = NULL;
    struct fetch_result *result = NULL;
    struct fetch_url_parts parts;
    struct base_buffer place = {0};
    enum gleaner_status status = tool_client_open(options, &client, error);
    if (status == GLEANER_OK && fetch_url_split(url, strlen(url), &parts) == GLEANER_OK) {
        base_buffer_append(&place, url, (size_t)(parts.path.data - url));
        base_buffer_append_str(&place, "/robots.txt");
        status = tool_get(client, place.data, TOOL_GET_ANY, NULL, NULL, &result, error);
    }
    if (result != NULL) {
        *presence = result->fetch_class == FETCH_OK         ? PRESENT
                    : result->fetch_class == FETCH_HTTP_4XX ? ABSENT
                                                            : UNREACHABLE;
        (void)base_error_set(error, GLEANER_OK, "%s", result->reason);
        base_buffer_append(body, result->body, *presence == PRESENT ? result->body_len : 0);
    }
    fetch_result_free(&result);
    tool_client_close(&client);
    base_buffer_fini(&place);
    return status;
}

/* The text of line `number`, 1 = first. */
static struct base_slice line_of(const struct base_buffer *body, uint32_t number)
{
    const char *at = body->data, *end = body->data + body->len;
    for (uint32_t line = 1; at < end; line++) {
        const char *stop = at;
        while (stop < end && *stop != '\n' && *stop != '\r') {
            stop++;
        }
        if (line == number) {
            return (struct base_slice){at, (size_t)(stop - at)};
        }
        at = stop + (stop + 1 < end && stop[0] == '\r' && stop[1] == '\n' ? 2 : 1);
    }
    return (struct base_slice){"", 0};
}

static void explain(const struct tool_options *options, const struct base_buffer *body,
                    const struct fetch_robots_answer *verdict, enum presence presence,
                    const char *reason)
{
    FILE *out = options->out;
    (void)fputs(verdict->allowed ? "allowed" : "forbidden", out);
    if (presence == ABSENT) {
        (void)fputs(": there is no robots.txt", out);
    } else if (presence == UNREACHABLE) {
        (void)fprintf(out, ": robots.txt cannot be had (%s)", reason);
    } else if (verdict->line > 0) {
        struct base_slice line = line_of(body, verdict->line);
        (void)fprintf(out, " by line %u: %.*s", verdict->line, (int)line.len, line.data);
    } else {
        (void)fputs(": no rule matches", out);
    }
    (void)fputc('\n', out);
    if (verdict->crawl_delay_s >= 0) {
        (void)fprintf(out, "crawl-delay: %g s\n", verdict->crawl_delay_s);
    }
}

static int show(const struct tool_options *options, const char *url, const struct base_buffer *body,
                enum presence presence, const char *reason)
{
    struct fetch_robots *robots = NULL;
    struct fetch_robots_answer verdict;
    if (fetch_robots_parse(body->data, body->len, &robots) != GLEANER_OK) {
        return tool_fail(options, TOOL_NO, "no memory");
    }
    fetch_robots_match(robots, options->agent, url, &verdict);
    verdict.allowed &= presence != UNREACHABLE;
    bool is_good = true;
    if (options->json) {
        json_t *object = verdict_of(robots, options->agent, url);
        (void)json_object_set_new(object, "allowed", json_boolean(verdict.allowed));
        (void)json_object_set_new(object, "url", tool_text(url));
        (void)json_object_set_new(object, "agent", tool_text(options->agent));
        (void)json_object_set_new(object, "reason",
                                  presence == UNREACHABLE ? tool_text(reason) : json_null());
        is_good = tool_print(options, object);
        json_decref(object);
    } else {
        explain(options, body, &verdict, presence, reason);
        is_good = fflush(options->out) == 0;
    }
    fetch_robots_free(&robots);
    return is_good && verdict.allowed ? TOOL_YES : TOOL_NO;
}

int tool_robots(const struct tool_options *options)
{
    if (options->batch) {
        return tool_batch_run(options, answer, (void *)(uintptr_t)options);
    }
    if (options->operand_count != 1) {
        return tool_fail(options, TOOL_USAGE, "one address is wanted: gleaner robots URL");
    }
    struct base_error error = {0};
    struct base_buffer body = {0}, url = {0};
    enum presence presence = PRESENT;
    enum gleaner_status status = tool_normalise(options->operands[0], &url, &error);
    if (status == GLEANER_OK) {
        status = options->file != NULL ? tool_read_file(options, options->file, &body, &error)
                                       : fetch_file(options, url.data, &body, &presence, &error);
    }
    int code = status == GLEANER_OK
                   ? show(options, url.data, &body, presence, error.message)
                   : tool_fail(options, status == GLEANER_E_CANCELLED ? TOOL_STOPPED : TOOL_USAGE,
                               "%s", error.message);
    base_buffer_fini(&body);
    base_buffer_fini(&url);
    return code;
}
