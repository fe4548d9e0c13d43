/* SPDX-License-Identifier: Apache-2.0 */
/* One fetch at a time, through the engine that crawls use: the same guard, robots.txt, limits. */
#include "tool_internal.h"
#include <stdlib.h>
#include <string.h>

/* How often a wait looks whether somebody pressed Ctrl-C. */
#define LOOK_MS 100

struct tool_client {
    const struct tool_options *options;
    struct fetch_engine *engine;
};

enum gleaner_status tool_client_open(const struct tool_options *options, struct tool_client **out,
                                     struct base_error *error)
{
    *out = NULL;
    struct tool_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory");
    }
    struct fetch_options fetch = *options->fetch;
    fetch.fetcher_threads = 1;
    fetch.keep_headers = true;
    client->options = options;
    enum gleaner_status status = fetch_engine_start(&fetch, &client->engine, error);
    if (status != GLEANER_OK) {
        free(client);
        return status;
    }
    *out = client;
    return GLEANER_OK;
}

void tool_client_close(struct tool_client **client)
{
    if (*client != NULL) {
        fetch_engine_stop(&(*client)->engine);
        free(*client);
        *client = NULL;
    }
}

enum gleaner_status tool_normalise(const char *text, struct base_buffer *out,
                                   struct base_error *error)
{
    struct url_parser *parser = NULL;
    struct base_slice url = {0};
    enum gleaner_status status = url_parser_create(&parser);
    if (status == GLEANER_OK) {
        status = url_resolve(parser, text, strlen(text), &url);
    }
    if (status == GLEANER_OK) {
        base_buffer_reset(out, 65536);
        status = base_buffer_append(out, url.data, url.len) ? GLEANER_OK : GLEANER_E_NOMEM;
    }
    url_parser_destroy(&parser);
    if (status == GLEANER_E_NOMEM) {
        return base_error_set(error, status, "no memory");
    }
    return status == GLEANER_OK
               ? GLEANER_OK
               : base_error_set(error, GLEANER_E_INVALID,
                                "'%s' is no absolute http:// or https:// URL", text);
}

static enum gleaner_status wait_for_result(struct tool_client *client, struct fetch_result **out)
{
    enum gleaner_status status;
    do {
        if (client->options->should_stop != NULL && client->options->should_stop()) {
            return GLEANER_E_CANCELLED;
        }
        status = fetch_next(client->engine, base_mono_ns() + LOOK_MS * BASE_NS_PER_MS, out);
    } while (status == GLEANER_E_TIMEOUT);
    return status;
}

static enum gleaner_status get_one(struct tool_client *client, const char *url, unsigned flags,
                                   struct fetch_result **out, struct base_error *error)
{
    const struct fetch_request request = {
        .url = url,
        .ignore_robots = (flags & TOOL_GET_ANY) != 0,
    };
    enum gleaner_status status = fetch_submit(client->engine, &request);
    if (status == GLEANER_OK) {
        status = wait_for_result(client, out);
    }
    return status == GLEANER_OK
               ? GLEANER_OK
               : base_error_set(error, status, "%s: %s", url,
                                status == GLEANER_E_CANCELLED ? "stopped" : "no memory");
}

enum gleaner_status tool_get(struct tool_client *client, const char *url, unsigned flags,
                             void (*hop)(void *ctx, const struct fetch_result *result), void *ctx,
                             struct fetch_result **out, struct base_error *error)
{
    struct base_buffer next = {0};
    *out = NULL;
    enum gleaner_status status = tool_normalise(url, &next, error);
    for (uint32_t hops = 0; status == GLEANER_OK; hops++) {
        status = get_one(client, next.data, flags, out, error);
        if (status != GLEANER_OK) {
            break;
        }
        struct fetch_result *result = *out;
        bool is_redirect = result->fetch_class == FETCH_REDIRECT;
        if (is_redirect && hops == client->options->fetch->max_redirects && hops > 0) {
            result->fetch_class = FETCH_REDIRECT_LOOP;
            (void)snprintf(result->reason, sizeof result->reason, "more than %u redirects", hops);
            is_redirect = false;
        }
        if (hop != NULL) {
            hop(ctx, result);
        }
        if (!is_redirect || client->options->fetch->max_redirects == 0) {
            break;
        }
        base_buffer_reset(&next, 65536);
        status = base_buffer_append_str(&next, result->location) ? GLEANER_OK : GLEANER_E_NOMEM;
        fetch_result_free(out);
    }
    base_buffer_fini(&next);
    return status;
}

int tool_show_fetched(const struct tool_options *options, const char *url,
                      int (*show)(const struct tool_options *options,
                                  const struct fetch_result *result))
{
    struct base_error error = {0};
    struct tool_client *client = NULL;
    struct fetch_result *result = NULL;
    enum gleaner_status status = tool_client_open(options, &client, &error);
    if (status == GLEANER_OK) {
        status = tool_get(client, url, 0, NULL, NULL, &result, &error);
    }
    int code;
    if (status != GLEANER_OK) {
        code = tool_fail(options, tool_exit_of(status), "%s", error.message);
    } else if (result->fetch_class != FETCH_OK) {
        code = tool_fail(options, TOOL_NO, "%s: %s", result->url != NULL ? result->url : url,
                         result->reason);
    } else {
        code = show(options, result);
    }
    fetch_result_free(&result);
    tool_client_close(&client);
    return code;
}

int tool_exit_of(enum gleaner_status status)
{
    switch (status) {
    case GLEANER_OK:
        return TOOL_YES;
    case GLEANER_E_INVALID:
    case GLEANER_E_CONFIG:
    case GLEANER_E_NOT_FOUND:
        return TOOL_USAGE;
    case GLEANER_E_CANCELLED:
        return TOOL_STOPPED;
    default:
        return TOOL_NO;
    }
}
