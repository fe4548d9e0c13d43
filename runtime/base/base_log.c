/* SPDX-License-Identifier: Apache-2.0 */
/* The log: one line an event, one write(2) a line. */
#include "base.h"
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048, STACK_BYTES = 2048 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* writes: base_log_set_level; reads: any thread that logs; relaxed: a line more or less is harmless
 */
static _Atomic int current_level = BASE_LOG_INFO;

/* writes: [startup] only; the start of a thread orders them before its reads */
static base_log_sink current_sink;
static void *current_sink_ctx;

bool base_log_enabled(enum base_log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

void base_log_set_level(enum base_log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

bool base_log_level_parse(const char *name, enum base_log_level *out)
{
    for (size_t i = 0; name != NULL && i < BASE_ARRAY_LEN(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum base_log_level)i;
            return true;
        }
    }
    return false;
}

void base_log_set_sink(base_log_sink sink, void *ctx)
{
    current_sink = sink;
    current_sink_ctx = ctx;
}

/* "2026-02-03T04:05:06.789Z level room: " into line; how many bytes. */
static size_t format_prefix(char *line, size_t size, enum base_log_level level, const char *room)
{
    int64_t wall_ms = base_wall_ms();
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t len = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &utc);
    int more = snprintf(line + len, size - len, ".%03dZ %-5s %.32s: ", (int)(wall_ms % 1000),
                        level_names[level], room);
    return len + (more > 0 ? (size_t)more : 0);
}

/* A message of somebody else's making must not forge a second line or move a terminal's cursor. */
static void tame_controls(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++) {
        if (*c < 0x20 || *c == 0x7F) {
            *c = *c == '\n' || *c == '\t' ? ' ' : '?';
        }
    }
}

static void write_line(char *line, size_t len)
{
    line[len] = '\n'; /* in place of the NUL: the line and its end are one write */
    for (size_t done = 0; done <= len;) {
        ssize_t n = write(STDERR_FILENO, line + done, len + 1 - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return; /* a log that cannot be written is nobody's failure */
        }
        done += (size_t)n;
    }
}

static void emit(enum base_log_level level, const char *room, const char *message)
{
    char line[LINE_BYTES];
    size_t prefix = format_prefix(line, sizeof(line), level, room);
    base_redact_uri(message, line + prefix, sizeof(line) - prefix);
    tame_controls(line + prefix);
    if (current_sink != NULL) {
        current_sink(current_sink_ctx, level, line);
    } else {
        write_line(line, strlen(line));
    }
}

void base_log(enum base_log_level level, const char *room, const char *fmt, ...)
{
    if (!base_log_enabled(level)) {
        return;
    }
    int saved_errno = errno; /* callers log between a failing call and its errno */
    char stack[STACK_BYTES];
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(stack, sizeof(stack), fmt, args);
    va_end(args);
    if (wanted < 0) {
        emit(level, room, "(a message that could not be formatted)");
    } else if ((size_t)wanted < sizeof(stack)) {
        emit(level, room, stack);
    } else {
        /* Redact the whole message and cut then: a cut could hide that a password is one. */
        char *heap = malloc((size_t)wanted + 1);
        if (heap != NULL) {
            va_start(args, fmt);
            vsnprintf(heap, (size_t)wanted + 1, fmt, args);
            va_end(args);
        }
        emit(level, room, heap != NULL ? heap : "(a long message, and no memory to format it)");
        free(heap);
    }
    errno = saved_errno;
}

bool base_log_allow(struct base_log_limit *limit, uint64_t now_ns, uint32_t *suppressed)
{
    *suppressed = 0;
    uint64_t start = atomic_load_explicit(&limit->window_start_ns, memory_order_relaxed);
    if (start == 0 || (now_ns > start && now_ns - start >= limit->period_ns)) {
        /* One thread opens the new window; who loses the exchange counts in the winner's. */
        if (atomic_compare_exchange_strong_explicit(&limit->window_start_ns, &start,
                                                    now_ns == 0 ? 1 : now_ns, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            atomic_store_explicit(&limit->count, 1, memory_order_relaxed);
            *suppressed = atomic_exchange_explicit(&limit->suppressed, 0, memory_order_relaxed);
            return limit->burst > 0;
        }
    }
    if (atomic_fetch_add_explicit(&limit->count, 1, memory_order_relaxed) < limit->burst) {
        return true;
    }
    atomic_fetch_add_explicit(&limit->suppressed, 1, memory_order_relaxed);
    return false;
}
