/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON object a line in, one out. Line n of the output answers line n of the input, whatever
 * that was: a table and its answers can be read side by side. */
#include "tool_internal.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- lone surrogates ------------------------------------------------------------------------ */

/* The code unit of "\uXXXX" at `at`, or -1. */
static int unit_at(const char *at, const char *end)
{
    char hex[5] = {0}, *stop;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') {
        return -1;
    }
    memcpy(hex, at + 2, 4);
    long unit = strspn(hex, "0123456789abcdefABCDEF") == 4 ? strtol(hex, &stop, 16) : -1;
    return (int)unit;
}

/* Half a surrogate pair is no character. Web standards read it as U+FFFD, and test tables hold
 * some; jansson refuses the line. In place: the escape keeps its length. */
static void replace_lone_surrogates(char *line, size_t len)
{
    char *end = line + len;
    for (char *at = line; (at = memchr(at, '\\', (size_t)(end - at))) != NULL;) {
        int unit = unit_at(at, end);
        if (unit < 0) {
            at += end - at > 1 ? 2 : 1;
            continue;
        }
        int next = unit >= 0xD800 && unit <= 0xDBFF ? unit_at(at + 6, end) : -1;
        if (next >= 0xDC00 && next <= 0xDFFF) {
            at += 12;
            continue;
        }
        if (unit >= 0xD800 && unit <= 0xDFFF) {
            memcpy(at + 2, "fffd", 4);
        }
        at += 6;
    }
}

/* ---- lines ---------------------------------------------------------------------------------- */

static json_t *answer_line(char *line, size_t len, tool_answer answer, void *ctx)
{
    json_error_t what;
    replace_lone_surrogates(line, len);
    json_t *question = json_loadb(line, len, JSON_ALLOW_NUL, &what);
    if (question == NULL) {
        return tool_error("not JSON: %s (column %d)", what.text, what.column);
    }
    json_t *result = json_is_object(question)
                         ? answer(ctx, question)
                         : tool_error("a JSON object is wanted, not another value");
    json_decref(question);
    return result;
}

/* Editors of some systems begin a file with a byte order mark; it is no part of the first line. */
static size_t mark_len(const char *line, size_t len)
{
    static const char mark[] = "\xEF\xBB\xBF";
    return len >= sizeof mark - 1 && memcmp(line, mark, sizeof mark - 1) == 0 ? sizeof mark - 1 : 0;
}

int tool_batch_run(const struct tool_options *options, tool_answer answer, void *ctx)
{
    char *line = NULL;
    size_t cap = 0;
    bool is_first = true;
    ssize_t got;
    int code = TOOL_YES;
    while (code == TOOL_YES && (got = getline(&line, &cap, options->in)) >= 0) {
        size_t len = (size_t)got;
        len -= len > 0 && line[len - 1] == '\n';
        size_t skip = is_first ? mark_len(line, len) : 0;
        is_first = false;
        json_t *result = answer_line(line + skip, len - skip, answer, ctx);
        if (result == NULL) {
            result = tool_error("no memory");
        }
        if (!tool_print(options, result)) {
            code = TOOL_NO;
        } else if (options->should_stop != NULL && options->should_stop()) {
            code = TOOL_STOPPED;
        }
        json_decref(result);
    }
    free(line);
    return code;
}

bool tool_print(const struct tool_options *options, const json_t *object)
{
    size_t flags = options->json || options->batch ? JSON_COMPACT : JSON_INDENT(2);
    bool is_good = object != NULL ? json_dumpf(object, options->out, flags) == 0
                                  : fputs("{\"error\":\"no memory\"}", options->out) >= 0;
    return is_good && fputc('\n', options->out) != EOF && fflush(options->out) == 0;
}

int tool_fail(const struct tool_options *options, int code, const char *fmt, ...)
{
    char text[1200], clean[1300];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    base_redact_uri(text, clean, sizeof clean);
    (void)fprintf(options->err, "gleaner: %s\n", clean);
    return code;
}
