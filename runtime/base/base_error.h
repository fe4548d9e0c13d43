/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "gleaner/status.h"

/* Caller-owned detail beside a status: a sentence that names the place and the remedy.
 * Never holds a password: whoever quotes a URI passes it through base_redact_uri() first. */
struct base_error {
    enum gleaner_status status;
    char message[480];
};

/**
 * Fill *error (may be NULL) and return `status`, so that a failing function can end in one line.
 *
 * Thread: [any]. Truncates; always NUL-terminated.
 */
enum gleaner_status base_error_set(struct base_error *error, enum gleaner_status status,
                                   const char *fmt, ...) GLEANER_PRINTF(3, 4);

/**
 * Copy `uri` with user name kept and password replaced by "***" (also in query options such as
 * authMechanismProperties, and in a text that merely contains such URIs).
 *
 * Thread: [any]. `out_size` >= 1; truncates at a character, never inside a password.
 */
void base_redact_uri(const char *uri, char *out, unsigned long out_size);

#endif
