/* SPDX-License-Identifier: Apache-2.0 */
/* Names of outcomes, error details, and the end of an assertion that did not hold. */
#include "base.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const status_names[GLEANER_STATUS_COUNT] = {
    [GLEANER_OK] = "ok",
    [GLEANER_E_INVALID] = "invalid",
    [GLEANER_E_NOMEM] = "nomem",
    [GLEANER_E_IO] = "io",
    [GLEANER_E_BUSY] = "busy",
    [GLEANER_E_TIMEOUT] = "timeout",
    [GLEANER_E_DOWN] = "down",
    [GLEANER_E_CLOSED] = "closed",
    [GLEANER_E_STALE] = "stale",
    [GLEANER_E_NOT_FOUND] = "not_found",
    [GLEANER_E_EXISTS] = "exists",
    [GLEANER_E_FULL] = "full",
    [GLEANER_E_LIMIT] = "limit",
    [GLEANER_E_AUTH] = "auth",
    [GLEANER_E_CONFIG] = "config",
    [GLEANER_E_NETWORK] = "network",
    [GLEANER_E_REFUSED] = "refused",
    [GLEANER_E_CORRUPT] = "corrupt",
    [GLEANER_E_UNSUPPORTED] = "unsupported",
    [GLEANER_E_CANCELLED] = "cancelled",
    [GLEANER_E_INTERNAL] = "internal",
};

const char *gleaner_status_name(enum gleaner_status status)
{
    /* Through unsigned, so that a negative number from a foreign module is out of range too. */
    unsigned index = (unsigned)status;
    if (index >= BASE_ARRAY_LEN(status_names) || status_names[index] == NULL) {
        return "unknown";
    }
    return status_names[index];
}

enum gleaner_status base_error_set(struct base_error *error, enum gleaner_status status,
                                   const char *fmt, ...)
{
    if (error == NULL) {
        return status;
    }
    error->status = status;
    /* Longer than the message, so that a URI cut by the limit is redacted before it is cut. */
    char raw[4 * sizeof(error->message)];
    va_list args;
    va_start(args, fmt);
    int written = vsnprintf(raw, sizeof(raw), fmt, args);
    va_end(args);
    if (written < 0) {
        raw[0] = '\0';
    }
    base_redact_uri(raw, error->message, sizeof(error->message));
    return status;
}

_Noreturn void base_assert_fail(const char *expr, const char *file, int line, const char *func)
{
    fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, func, expr);
    fflush(stderr);
    abort();
}
