/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "gleaner/status.h"
#include <stdbool.h>
#include <stdint.h>

/* One line an event, `key=value`, to standard error (or a sink). Log the transition, not each
 * retry. Never a URI with its password, never a document. base_log() passes every line through
 * base_redact_uri(), as the last of several nets. */
enum base_log_level { BASE_LOG_ERROR, BASE_LOG_WARN, BASE_LOG_INFO, BASE_LOG_DEBUG };

/**
 * Write one line: time, level, room, message.
 *
 * Thread: [any]; not in signal handlers, not inside an RCU read section. One write(2) a line.
 */
void base_log(enum base_log_level level, const char *room, const char *fmt, ...)
    GLEANER_PRINTF(3, 4);

bool base_log_enabled(enum base_log_level level);

/** Set the level: [any]. Names are error, warn, info, debug; false for any other. */
void base_log_set_level(enum base_log_level level);
bool base_log_level_parse(const char *name, enum base_log_level *out);

/** Replace the sink (tests, the terminal progress): [startup]. NULL restores standard error. */
typedef void (*base_log_sink)(void *ctx, enum base_log_level level, const char *line);
void base_log_set_sink(base_log_sink sink, void *ctx);

/* Rate limit for a repeated line: at most `burst` a period, then one line "suppressed=N".
 * Zero-initialised by its owner with period and burst set. Any thread. */
struct base_log_limit {
    uint64_t period_ns;
    uint32_t burst;
    /* writes/reads: any thread, relaxed; only a log line depends on them */
    _Atomic uint64_t window_start_ns;
    _Atomic uint32_t count;
    _Atomic uint32_t suppressed;
};
/** True when a line may be written now; *suppressed gets how many were swallowed before it. */
bool base_log_allow(struct base_log_limit *limit, uint64_t now_ns, uint32_t *suppressed);

#define base_log_error(room, ...) base_log(BASE_LOG_ERROR, room, __VA_ARGS__)
#define base_log_warn(room, ...) base_log(BASE_LOG_WARN, room, __VA_ARGS__)
#define base_log_info(room, ...) base_log(BASE_LOG_INFO, room, __VA_ARGS__)
#define base_log_debug(room, ...)                                                                  \
    do {                                                                                           \
        if (base_log_enabled(BASE_LOG_DEBUG)) {                                                    \
            base_log(BASE_LOG_DEBUG, room, __VA_ARGS__);                                           \
        }                                                                                          \
    } while (0)

#endif
